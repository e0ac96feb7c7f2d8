package sweep

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"headroom/grids"
)

// checkWhole checks what concerns several fields, and builds the grid.
func (d *decoder) checkWhole() {
	s := d.out
	root := place{node: d.grid, path: "grid"}
	for _, need := range []struct{ name, hint string }{
		{"model", "add model: [gpt2]; `headroom models` lists the names"},
		{"accelerator", "add accelerator: [h100-sxm]; `headroom gpus` lists the names"},
	} {
		if d.get("grid."+need.name) == nil && !slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == "grid" }) {
			d.fail(place{node: d.grid, path: "grid." + need.name}, need.hint, "is missing")
		}
	}
	if d.get("grid.global_batch") != nil && d.get("grid.global_batch_tokens") != nil {
		x := d.get("grid.global_batch_tokens")
		d.fail(place{x, x.node, x.field.path}, "remove one of them", "is the same thing as global_batch in other units; both are given")
	}
	if s.Auto && d.get("grid.gpus") == nil {
		x := d.get("grid.plan")
		d.fail(place{x, x.node, x.field.path}, "add gpus: [8, 64]", "auto needs to know how many GPUs there are to divide")
	}
	if a, b := s.Axis("global_batch_tokens"), s.Axis("context"); a != nil && b != nil {
		d.checkBatchTokens(a, b)
	}
	d.checkMoney()
	if s.Name == "" && len(d.problems) == 0 {
		s.Name = "study"
	}
	if len(d.problems) > 0 {
		d.checkConstraints()
		d.checkKeep()
		return
	}
	grid, err := buildGrid(s)
	if err != nil {
		d.gridProblems(root, err)
		return
	}
	s.grid = grid
	d.checkKeep()
}

// checkConstraints reports mistakes in the constraints' text when the grid cannot
// be built for other problems. Axes without a valid value hold a stand-in.
func (d *decoder) checkConstraints() {
	s := *d.out
	s.Axes = nil
	for _, name := range []string{"model", "accelerator"} {
		if a := d.out.Axis(name); a == nil || len(a.Values) == 0 {
			s.Axes = append(s.Axes, Axis{Name: name, Values: grids.Strings("?")})
		}
	}
	for _, a := range d.out.Axes {
		if len(a.Values) > 0 {
			s.Axes = append(s.Axes, a)
		}
	}
	for _, e := range unjoin(grids.Check(gridSpec(&s))) {
		var g *grids.Error
		if errors.As(e, &g) && g.Part == grids.PartWhere && g.Index < len(d.whereAt) {
			d.gridProblems(place{}, e)
		}
	}
}

// checkBatchTokens refuses a token count that no context divides: it would rule
// out every case, and is most likely 4M written for 4Mi.
func (d *decoder) checkBatchTokens(tokens, contexts *Axis) {
	for _, t := range tokens.Values {
		whole := false
		for _, c := range contexts.Values {
			whole = whole || t.Int()%c.Int() == 0
		}
		if !whole && len(contexts.Values) > 0 {
			x := d.get("grid.global_batch_tokens")
			d.fail(place{x, x.node, x.field.path}, "4Mi is 4194304, 4M is 4000000; global_batch counts sequences",
				"%d tokens are no whole number of sequences for any context", t.Int())
		}
	}
}

// gridProblems gives the errors of package grids their positions.
func (d *decoder) gridProblems(root place, err error) {
	for _, e := range unjoin(err) {
		var g *grids.Error
		if !errors.As(e, &g) {
			d.fail(root, "", "%v", e)
			continue
		}
		p := root
		msg := g.Msg
		switch {
		case g.Part == grids.PartAxis && g.Index < len(d.axisAt):
			p = d.axisAt[g.Index]
		case g.Part == grids.PartAxis && g.Index >= len(d.axisAt), g.Part == grids.PartDerived:
			msg = g.Name + ": " + msg
			if x := d.get("grid.plan"); x != nil {
				p = place{x, x.node, x.field.path}
			}
		case g.Part == grids.PartWhere && g.Index < len(d.whereAt):
			p = d.whereAt[g.Index]
			msg = fmt.Sprintf("%q: %s", clip(g.Name), msg)
			p.node = at(p.node, g.Column)
		case g.Part == grids.PartWhere:
			if x := d.get("grid.plan"); x != nil {
				p = place{x, x.node, x.field.path}
			}
			msg = fmt.Sprintf("no plan is left, for every one breaks %s", g.Name)
		}
		d.fail(p, g.Hint, "%s", msg)
	}
}

// at is the place of a column inside the text of a scalar that stands on one line.
func at(n *yaml.Node, column int) *yaml.Node {
	if n == nil || column < 1 || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.Contains(n.Value, "\n") {
		return n
	}
	moved := *n
	moved.Column += column - 1
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		moved.Column++
	}
	return &moved
}

// unjoin lists the errors that errors.Join put together.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
