package grids

import "math/big"

// A Breakdown tells where the cases of a grid went.
type Breakdown struct {
	// Raw is the number of combinations before constraints; nil if counting them
	// needs more than the budget.
	Raw *big.Int
	// Excluded has an entry for each constraint, in their order.
	Excluded []Exclusion
}

// An Exclusion is what one constraint does.
type Exclusion struct {
	Where string // the constraint
	// Cases is how many combinations it excludes of those that the constraints
	// before it leave; nil if not known. The exclusions and the grid's Len add up
	// to Raw.
	Cases *big.Int
}

// Raw is the number of combinations before constraints. Where axes depend on
// others, it is counted anew; it is nil if that needs more than the budget.
func (g *Grid) Raw() *big.Int {
	raw := big.NewInt(1)
	for k := range g.spec.Axes {
		if g.spec.Axes[k].Domain != nil {
			return g.countWith(0)
		}
		raw.Mul(raw, big.NewInt(int64(len(g.spec.Axes[k].Values))))
	}
	return raw
}

// Breakdown counts what each constraint excludes. It counts the grid once for
// each of them, so it costs as much as so many calls of Build.
func (g *Grid) Breakdown() Breakdown {
	b := Breakdown{Raw: g.Raw()}
	before := b.Raw
	for i, text := range g.spec.Where {
		after := g.countWith(i + 1)
		x := Exclusion{Where: text}
		if before != nil && after != nil {
			x.Cases = new(big.Int).Sub(before, after)
		}
		b.Excluded = append(b.Excluded, x)
		before = after
	}
	return b
}

// countWith counts the cases under the first n constraints alone, nil if it
// cannot. What these cannot calculate (a division by zero) they do not exclude:
// a later constraint does, for the grid has no such case.
func (g *Grid) countWith(n int) *big.Int {
	if n == len(g.spec.Where) {
		return big.NewInt(g.Len())
	}
	spec := g.spec
	spec.Where = spec.Where[:n]
	s, conj, err := resolve(&spec)
	if err != nil {
		return nil
	}
	b := newBuilder(&spec, s, conj)
	b.lenient = true
	if err := b.count(); err != nil {
		return nil
	}
	return b.grid.bigCount()
}
