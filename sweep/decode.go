package sweep

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/grids"
	"headroom/hardware"
	"headroom/internal/suggest"
	"headroom/results"
)

// A decoder turns merged values into a Study.
type decoder struct {
	*loader
	out *Study
	// placed are the positions of what later checks may find fault with.
	axisAt  []place // parallel to out.Axes
	whereAt []place
	perAt   []place // parallel to out.Keep.Per
}

// A place is where a value stands.
type place struct {
	leaf *leaf
	node *yaml.Node
	path string
}

func (d *decoder) fail(p place, hint, format string, args ...any) {
	x := Problem{Path: p.path, Msg: fmt.Sprintf(format, args...), Hint: hint}
	if p.leaf != nil && p.leaf.source != "" {
		x.Source = p.leaf.source
	} else {
		x.File = d.src.File
		if p.node != nil {
			x.Line, x.Col = p.node.Line, p.node.Column
		}
	}
	d.problems = append(d.problems, x)
}

func (d *decoder) run() {
	d.out.Prices.Pricing = DefaultPricing
	d.out.Keep.Status = KeepAll
	d.out.Out.PartRows = DefaultPartRows
	for _, path := range d.order {
		x := d.get(path)
		x.field.decode(d, x)
	}
	d.checkWhole()
}

// Defaults of a study.
const (
	DefaultPricing  = "on_demand"
	DefaultPartRows = 1 << 18

	maxPartRows = 1 << 31
	maxBest     = 1 << 20 // rows that a part chooses
)

// maxProblems is where reporting ends: nobody reads more, and looking for the
// nearest names takes time.
const maxProblems = 200

// scalar returns the value of a field that takes one.
func (d *decoder) scalar(x *leaf) (place, bool) {
	p := place{x, x.node, x.field.path}
	n := x.node
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) == 1:
		return p, d.isScalar(p, n.Content[0])
	case n.Kind != yaml.ScalarNode:
		d.fail(p, "give one value", "is %s; one value is wanted", kindOf(n))
		return p, false
	}
	return p, d.isScalar(p, n)
}

// isScalar refuses what holds no plain value.
func (d *decoder) isScalar(p place, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		return d.isScalar(p, n.Alias)
	case n.Kind != yaml.ScalarNode:
		d.fail(p, "", "is %s; one value is wanted", kindOf(n))
	case n.ShortTag() == "!!null":
		d.fail(p, "give a value or remove the line", "is empty")
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(p, "remove it", "tags such as %s are not understood", clip(n.Tag))
	default:
		return true
	}
	return false
}

// items visits the elements of a list; one value is a list of one. It ends where
// enough problems have been found.
func (d *decoder) items(x *leaf) iter.Seq[place] {
	return func(yield func(place) bool) {
		p := place{x, x.node, x.field.path}
		n := x.node
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		switch {
		case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
			d.fail(p, "give values or remove the line", "is an empty list")
		case n.Kind == yaml.SequenceNode:
			for i, c := range n.Content {
				e := place{x, c, fmt.Sprintf("%s[%d]", x.field.path, i)}
				if x.source != "" && len(n.Content) == 1 {
					e.path = x.field.path
				}
				if len(d.problems) >= maxProblems || !yield(e) {
					return
				}
			}
		case n.ShortTag() == "!!null":
			d.fail(p, "give values or remove the line", "is empty")
		case n.Kind == yaml.MappingNode && x.field.path != "grid.model":
			d.fail(p, "write values like [1, 2, 4] or a range like 1..64", "is a mapping; values are wanted")
		default:
			yield(p)
		}
	}
}

// value resolves an alias and requires a plain value.
func (d *decoder) value(p place) (*yaml.Node, bool) {
	n := p.node
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n, d.isScalar(p, n)
}

func (d *decoder) axis(x *leaf, values []grids.Value, at []place) {
	first := map[grids.Value]int{}
	distinct := values[:0]
	for i, v := range values {
		if _, twice := first[v]; twice {
			d.fail(at[i], "remove one of them", "%s is given twice", v)
			continue
		}
		first[v] = i
		distinct = append(distinct, v)
	}
	d.out.Axes = append(d.out.Axes, Axis{Name: x.field.name(), Values: distinct})
	d.axisAt = append(d.axisAt, place{x, x.node, x.field.path})
}

// sizes decodes whole numbers with suffixes and ranges.
func sizes(least, most int64) func(*decoder, *leaf) {
	return func(d *decoder, x *leaf) {
		var values []grids.Value
		var at []place
		for p := range d.items(x) {
			n, ok := d.value(p)
			if !ok {
				continue
			}
			numbers, err := grids.ParseInts(n.Value)
			if err != nil {
				msg, hint := splitHint(err)
				d.fail(p, hint, "%s", msg)
				continue
			}
			if len(values)+len(numbers) > grids.MaxAxisValues {
				d.fail(p, "use a step, or pow2(…)", "makes it %d values, and an axis may have %d", len(values)+len(numbers), grids.MaxAxisValues)
				break
			}
			for _, v := range numbers {
				if v < least || v > most {
					d.fail(p, "", "is %d; it must be from %d to %d", v, least, most)
					break
				}
				values, at = append(values, grids.IntValue(v)), append(at, p)
			}
		}
		d.axis(x, values, at)
	}
}

// splitHint cuts a message of package grids at the semicolon before its advice.
func splitHint(err error) (msg, hint string) {
	msg, hint, _ = strings.Cut(err.Error(), "; ")
	return msg, hint
}

// size decodes one whole number.
func (d *decoder) size(x *leaf, least, most int64) (int64, bool) {
	p, ok := d.scalar(x)
	if !ok {
		return 0, false
	}
	n, err := grids.ParseSize(plain(x.node).Value)
	switch {
	case err != nil:
		msg, hint := splitHint(err)
		d.fail(p, hint, "%s", msg)
		return 0, false
	case n < least || n > most:
		d.fail(p, "", "is %d; it must be from %d to %d", n, least, most)
		return 0, false
	}
	return n, true
}

// plain follows an alias and unwraps a list of one. A list can hold itself, so
// that the number of steps is bounded.
func plain(n *yaml.Node) *yaml.Node {
	for range 4 {
		switch {
		case n.Kind == yaml.AliasNode:
			n = n.Alias
		case n.Kind == yaml.SequenceNode && len(n.Content) == 1:
			n = n.Content[0]
		default:
			return n
		}
	}
	return n
}

// text decodes one word.
func (d *decoder) text(x *leaf) (string, bool) {
	p, ok := d.scalar(x)
	if !ok {
		return "", false
	}
	n := plain(x.node)
	if x.source == "" && !isText(n) {
		d.fail(p, "put it in quotes if it is meant as text", "is %s; a text is wanted", kindOf(n))
		return "", false
	}
	if strings.TrimSpace(n.Value) == "" {
		d.fail(p, "give a value or remove the line", "is empty")
		return "", false
	}
	return n.Value, true
}

// texts decodes a list of words.
func (d *decoder) texts(x *leaf, each func(p place, s string)) {
	for p := range d.items(x) {
		n, ok := d.value(p)
		if !ok {
			continue
		}
		// A number may be a name: 4090.
		if x.source == "" && n.ShortTag() == "!!bool" {
			d.fail(p, "", "is %s; a name is wanted", kindOf(n))
			continue
		}
		each(p, n.Value)
	}
}

// named decodes names that a catalog knows, in the catalog's spelling.
func named(kind string, find func(string) (string, error)) func(*decoder, *leaf) {
	return func(d *decoder, x *leaf) {
		var values []grids.Value
		var at []place
		d.texts(x, func(p place, s string) {
			if s == "all" && kind == "accelerator" {
				for _, slug := range hardware.Builtin().Slugs() {
					values, at = append(values, grids.StringValue(slug)), append(at, p)
				}
				return
			}
			name, err := find(s)
			if err != nil {
				d.unknown(p, kind, s, err)
				return
			}
			values, at = append(values, grids.StringValue(name)), append(at, p)
		})
		d.axis(x, values, at)
	}
}

// unknown reports a name that no catalog has, the nearest ones as the hint.
func (d *decoder) unknown(p place, kind, name string, err error) {
	hint := ""
	var a *accounting.UnknownNameError
	var m *arch.UnknownModelError
	var h *hardware.NameError
	switch {
	case errors.As(err, &h):
		switch {
		case len(h.Candidates) > 0:
			d.fail(p, "it may be "+strings.Join(h.Candidates, ", "), "%s %q is ambiguous", kind, clip(name))
			return
		case len(h.Suggestions) > 0:
			hint = suggest.Question(h.Suggestions)
		case len(h.Known) > 0:
			hint = "known: " + strings.Join(h.Known, ", ")
		default:
			hint = "`headroom gpus` lists the names"
		}
	case errors.As(err, &a):
		if hint = "known: " + strings.Join(a.Known, ", "); len(a.Nearest) > 0 {
			hint = fmt.Sprintf("did you mean %s? (%s)", a.Nearest[0], hint)
		}
	case errors.As(err, &m):
		if hint = "`headroom models` lists the names; a path to a config.json works too"; len(m.Nearest) > 0 {
			hint = "did you mean " + strings.Join(m.Nearest, ", ") + "?"
		}
	default:
		hint = err.Error()
	}
	d.fail(p, hint, "unknown %s %q", kind, clip(name))
}

func recipe(name string) (string, error) {
	r, err := accounting.ParsePrecision(name)
	return r.Name, err
}

func optimizer(name string) (string, error) {
	o, err := accounting.ParseOptimizer(name)
	return o.Name, err
}

func profile(name string) (string, error) {
	p, err := accounting.ParseProfile(name)
	if err != nil {
		return "", err
	}
	return p.Name, nil
}

func attention(name string) (string, error) {
	a, err := accounting.ParseAttention(name)
	return a.String(), err
}

func recompute(name string) (string, error) {
	r, err := accounting.ParseRecompute(name)
	return r.String(), err
}

func trainable(name string) (string, error) {
	t, err := accounting.ParseTrainable(name)
	return t.String(), err
}

func offload(name string) (string, error) {
	o, err := accounting.ParseOffload(name)
	return o.String(), err
}

func schedule(name string) (string, error) {
	s, err := accounting.ParseSchedule(name)
	return s.String(), err
}

func loss(name string) (string, error) {
	l, err := accounting.ParseLoss(name)
	return l.String(), err
}

func (d *decoder) study(x *leaf) {
	if s, ok := d.text(x); ok {
		d.out.Name = s
	}
}

func (d *decoder) plan(x *leaf) {
	if s, ok := d.text(x); ok {
		if s != "auto" {
			d.fail(place{x, x.node, x.field.path}, "write plan: auto, or the axes tp, pp, … themselves", "is %q; the one plan there is a word for is auto", clip(s))
			return
		}
		d.out.Auto = true
	}
}

func (d *decoder) bools(x *leaf) {
	var values []grids.Value
	var at []place
	for p := range d.items(x) {
		n, ok := d.value(p)
		if !ok {
			continue
		}
		if n.Value != "true" && n.Value != "false" {
			d.fail(p, "", "is %q; write true or false", clip(n.Value))
			continue
		}
		values, at = append(values, grids.BoolValue(n.Value == "true")), append(at, p)
	}
	d.axis(x, values, at)
}

func (d *decoder) fractions(x *leaf) {
	var values []grids.Value
	var at []place
	for p := range d.items(x) {
		n, ok := d.value(p)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsNaN(f) || f < 0 || f >= 1 {
			d.fail(p, "write a number such as 0.1", "%q is not a probability from 0 up to, not including, 1", clip(n.Value))
			continue
		}
		values, at = append(values, grids.FloatValue(f)), append(at, p)
	}
	d.axis(x, values, at)
}

func (d *decoder) where(x *leaf) {
	for p := range d.items(x) {
		n, ok := d.value(p)
		if !ok {
			continue
		}
		if x.source == "" && !isText(n) {
			d.fail(p, "write a condition such as tp <= 8", "is %s; a constraint is wanted", kindOf(n))
			continue
		}
		d.out.Where = append(d.out.Where, n.Value)
		d.whereAt = append(d.whereAt, p)
	}
}

func (d *decoder) tokens(x *leaf) { d.out.Tokens, _ = d.size(x, 1, math.MaxInt64) }

func (d *decoder) partRows(x *leaf) {
	if n, ok := d.size(x, 1, maxPartRows); ok {
		d.out.Out.PartRows = n
	}
}

func (d *decoder) outDir(x *leaf) {
	if s, ok := d.text(x); ok {
		d.out.Out.Dir = s
	}
}

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

func accelerator(name string) (string, error) {
	a, err := hardware.Lookup(name)
	return a.Slug, err
}
