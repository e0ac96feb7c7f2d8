package sweep

import (
	"errors"
	"fmt"
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/grids"
	"headroom/hardware"
	"headroom/internal/suggest"
)

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

// spelled finds a name with a parser and gives it as the value writes itself.
func spelled[T fmt.Stringer](parse func(string) (T, error)) func(string) (string, error) {
	return func(name string) (string, error) {
		v, err := parse(name)
		return v.String(), err
	}
}

func accelerator(name string) (string, error) {
	a, err := hardware.Lookup(name)
	return a.Slug, err
}
