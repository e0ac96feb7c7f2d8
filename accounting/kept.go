package accounting

// A Kept is one tensor that autograd keeps for backward, as often as it occurs.
type Kept struct {
	Section, Component string
	Role               Role
	Count              int64 // sections of that kind
	Tensor             Tensor
	Bytes              int64 // of one, on one rank of the plan, one micro-batch
}

// Kept lists every tensor that autograd keeps for backward of the whole model, one
// micro-batch, as the plan cuts it; the plan must have passed [Compiled.Check]. On
// a plan of one pipeline stage, Count·Bytes over the list is
// [Memory.SavedTotalBytes] where copies of weights and what kernels keep of their
// own are left out, but for rounding up where a divisor does not divide.
func (c *Case) Kept() ([]Kept, error) {
	k, err := c.Compile()
	if err != nil {
		return nil, err
	}
	x := &c.Setting
	l := k.Ledger.At(x.MicroBatch, x.Context, &x.Plan)
	var out []Kept
	for i := range l.Sections {
		s := &l.Sections[i]
		on := rank{s: s, x: x, rows: k.vocabRows(&x.Plan), divisors: divisors(&x.Plan, k.sections[i].kvHeads)}
		for j := range s.Components {
			comp := &s.Components[j]
			for _, t := range comp.Saved {
				n, err := on.bytes(&t)
				if err != nil {
					return nil, err
				}
				out = append(out, Kept{Section: s.Name, Component: comp.Name, Role: s.Role, Count: s.Count, Tensor: t, Bytes: n})
			}
		}
	}
	return out, nil
}

// A rank says how a plan cuts one section.
type rank struct {
	s        *Section
	x        *Setting
	rows     int64 // of the vocabulary
	divisors [numShards]int64
}

// bytes is the size of one activation on one rank.
func (r *rank) bytes(t *Tensor) (int64, error) {
	var terms []term
	if err := addTerms(&terms, r.s, t); err != nil {
		return 0, err
	}
	return sumTerms(terms, r.x.MicroBatch, r.x.Context, r.rows, &r.divisors)
}
