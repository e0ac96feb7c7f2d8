package grids

import "slices"

// A step calculates a slot or checks a conjunct, once an axis has its value.
type step struct {
	slot  int // slot to calculate, or −1
	check int // conjunct to check
}

// A schedule says what happens at which level. Level k is the choice of axis k.
type schedule struct {
	first []step   // before any axis: what is constant
	steps [][]step // steps[k]: after axis k has its value
	live  [][]int  // live[k]: slots known before axis k that something at level k or below reads
	// keyed[s]: slot s is live somewhere, so that its values are numbered.
	keyed []bool
}

// plan puts everything as early as its names are known. Only what conjuncts and
// domains need is calculated at all.
func plan(spec *Spec, s *scope, conj []conjunct) *schedule {
	n := len(spec.Axes)
	p := &schedule{steps: make([][]step, n), live: make([][]int, n+1), keyed: make([]bool, len(s.slots))}
	scheduled := make([]bool, len(s.slots))
	lastRead := make([]int, len(s.slots)) // the lowest level that reads a slot
	for i := range lastRead {
		lastRead[i] = constant
	}
	at := func(level int) *[]step {
		if level == constant {
			return &p.first
		}
		return &p.steps[level]
	}
	// need schedules a slot and what it reads, for a reader at a level.
	var need func(i, reader int)
	need = func(i, reader int) {
		lastRead[i] = max(lastRead[i], reader)
		x := &s.slots[i]
		if scheduled[i] || x.eval == nil {
			return
		}
		scheduled[i] = true
		for _, j := range x.reads {
			need(j, x.level)
		}
		*at(x.level) = append(*at(x.level), step{slot: i})
	}
	// A slot that only lower levels read is calculated after this level's checks:
	// hence one level's checks after the other, then the domains.
	for level := constant; level < n; level++ {
		for i, c := range conj {
			if c.level != level {
				continue
			}
			for _, j := range c.reads {
				need(j, level)
			}
			*at(level) = append(*at(level), step{slot: -1, check: i})
		}
	}
	for k, a := range spec.Axes {
		for _, name := range a.Needs {
			need(s.names[name], k)
		}
	}
	for i, x := range s.slots {
		for k := x.level + 1; x.level != constant && k <= lastRead[i]; k++ {
			p.live[k] = append(p.live[k], i)
			p.keyed[i] = true
		}
	}
	return p
}

// uniform reports whether all values of axis k lead to the same cases below, so
// that one of them stands for all.
func (p *schedule) uniform(k int) bool {
	return len(p.steps[k]) == 0 && !slices.Contains(p.live[k+1], k)
}
