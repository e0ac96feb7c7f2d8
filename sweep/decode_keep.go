package sweep

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"headroom/internal/suggest"
	"headroom/results"
)

func (d *decoder) keepStatus(x *leaf) {
	s, ok := d.text(x)
	if !ok {
		return
	}
	if known := []string{KeepAll, KeepFits}; !slices.Contains(known, s) {
		hint := "write all or fits"
		if near := suggest.Nearest(s, known, 1); len(near) > 0 {
			hint = "did you mean " + near[0] + "?"
		}
		d.fail(place{x, x.node, x.field.path}, hint, "unknown status %q", clip(s))
		return
	}
	d.out.Keep.Status = s
}

func (d *decoder) keepBest(x *leaf) {
	if n, ok := d.size(x, 1, maxBest); ok {
		d.out.Keep.Best = n
	}
}

func (d *decoder) keepPer(x *leaf) {
	d.texts(x, func(p place, s string) {
		if slices.Contains(d.out.Keep.Per, s) {
			d.fail(p, "remove one of them", "%s is given twice", clip(s))
			return
		}
		d.out.Keep.Per = append(d.out.Keep.Per, s)
		d.perAt = append(d.perAt, p)
	})
}

func (d *decoder) keepBy(x *leaf) {
	s, ok := d.text(x)
	if !ok {
		return
	}
	p := place{x, x.node, x.field.path}
	if _, err := results.NewRank(s); err != nil {
		msg, hint := splitHint(err)
		d.fail(p, cmp.Or(hint, "write a column such as cost_usd, or -mfu_causal for the largest first; `headroom top --list` shows them"), "%s", msg)
		return
	}
	d.out.Keep.By = s
}

// checkKeep checks what keep says as a whole, once the axes are known.
func (d *decoder) checkKeep() {
	k := &d.out.Keep
	if k.Best == 0 {
		for _, path := range []string{"keep.per", "keep.by"} {
			if x := d.get(path); x != nil {
				d.fail(place{x, x.node, x.field.path}, "add best: 100", "says how to choose the best rows, but not how many are kept")
			}
		}
		return
	}
	if x := d.get("keep.status"); x != nil && k.Status != KeepFits {
		d.fail(place{x, x.node, x.field.path}, "remove it: the best rows are of cases that fit", "contradicts keep.best")
	}
	k.Status = KeepFits
	if k.By == "" {
		k.By = "step_seconds"
		if d.out.Tokens > 0 {
			k.By = "cost_usd"
		}
	}
	var axes []string
	for _, a := range gridSpec(d.out).Axes {
		axes = append(axes, a.Name)
	}
	groups := int64(1)
	for i, name := range k.Per {
		at := slices.Index(axes, name)
		if at < 0 {
			hint := "the axes are " + strings.Join(axes, ", ")
			if near := suggest.Nearest(name, axes, 1); len(near) > 0 {
				hint = "did you mean " + near[0] + "?"
			}
			d.fail(d.perAt[i], hint, "%q is no axis of this study", clip(name))
			continue
		}
		if d.out.grid == nil {
			continue
		}
		var err error
		if groups, err = product(groups, int64(len(d.out.grid.Values(at)))); err != nil {
			groups = math.MaxInt64
		}
	}
	// A part chooses among as many as this, in memory.
	chosen, err := product(k.Best, groups)
	if err != nil {
		chosen = math.MaxInt64
	}
	if min(chosen, d.out.Out.PartRows) > maxBest {
		x := d.get("keep.best")
		d.fail(place{x, x.node, x.field.path}, "keep fewer, name fewer axes in keep.per, or set out.part_rows to 1Mi at most",
			"%d rows of each of %d groups are too many to choose in a part of %d cases", k.Best, groups, d.out.Out.PartRows)
	}
}
