package sweep

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"headroom/grids"
)

// A decoder turns merged values into a Study.
type decoder struct {
	*loader
	out *Study
	// placed are the positions of what later checks may find fault with.
	axisAt  []place // parallel to out.Axes
	whereAt []place
	perAt   []place // parallel to out.Keep.Per

	noPrices bool // prices.file could not be read
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
	if x := d.get(priceTableKey); x != nil {
		x.field.decode(d, x)
	}
	for _, path := range d.order {
		if path == priceTableKey {
			continue
		}
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
