package sweep

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/internal/suggest"
)

// Axes along which [Limit] searches.
const (
	LimitMicroBatch = "micro_batch"
	LimitContext    = "context"
	LimitLayers     = "layers"
)

// LimitAxes lists the axes that [Limit] takes.
func LimitAxes() []string { return []string{LimitMicroBatch, LimitContext, LimitLayers} }

// A LimitQuery asks how large one number of a case may be.
type LimitQuery struct {
	Case accounting.Options // the axis's own field and UsableBytes are not looked at
	Axis string             // one of [LimitAxes]
	Step int64              // answer in multiples of it; 0 = 1, or what the plan needs

	CapacityBytes int64
	Capacity      string // as it was given: 80GB, 80GiB, h100-sxm

	// Layers builds the model with so many layers; needed for that axis only.
	Layers func(n int64) (*arch.Model, error)
}

// A LimitResult is the largest number that fits, found exactly, and the curve
// through the memory of the numbers around it.
type LimitResult struct {
	Axis          string  `json:"axis"`
	Step          int64   `json:"step"`
	Capacity      string  `json:"capacity"`      // as it was given
	CapacityUnit  string  `json:"capacity_unit"` // GB (10⁹), GiB (2³⁰) … as it was given; bytes otherwise
	CapacityBytes int64   `json:"capacity_bytes"`
	CapacityGB    float64 `json:"capacity_gb"`
	CapacityGiB   float64 `json:"capacity_gib"`

	Largest int64 `json:"largest"` // 0 = not even the smallest fits
	// LimitedBy is "memory", the code of the reason that rules the next number
	// out, or "search" where the search ended before anything failed.
	LimitedBy     string `json:"limited_by"`
	PeakBytes     int64  `json:"peak_bytes"`      // at the largest; 0 if there is none
	NextPeakBytes int64  `json:"next_peak_bytes"` // one step further; 0 where that is ruled out

	Fit   *Fit         `json:"fit"`   // nil where there are too few numbers for a curve
	Swept []SweptPoint `json:"swept"` // the numbers around the answer, which the curve goes through
	Notes []string     `json:"notes,omitempty"`
}

// A SweptPoint is one number that was counted, and what the curve says of it.
type SweptPoint struct {
	Value       int64   `json:"value"`
	PeakBytes   int64   `json:"peak_bytes"`
	FittedBytes float64 `json:"fitted_bytes"` // 0 without a fit
	Fits        bool    `json:"fits"`
}

// Bounds of the search: beyond them nothing is a training run.
var limitMost = map[string]int64{LimitMicroBatch: maxCount, LimitContext: maxContext, LimitLayers: 1 << 14}

// Limit finds the largest number by bisection on the exact predicate "this case
// fits", and beside it fits the memory curve and its root. Where the two do not
// agree, the notes say so.
func Limit(q LimitQuery) (*LimitResult, error) {
	if !slices.Contains(LimitAxes(), q.Axis) {
		hint := "known: " + strings.Join(LimitAxes(), ", ")
		if near := suggest.Nearest(q.Axis, LimitAxes(), 1); len(near) > 0 {
			hint = "did you mean " + near[0] + "?"
		}
		return nil, fmt.Errorf("no limit along %q; %s", clip(q.Axis), hint)
	}
	if q.CapacityBytes <= 0 {
		return nil, fmt.Errorf("a capacity of %d bytes: give a positive amount of memory", q.CapacityBytes)
	}
	if q.Axis == LimitLayers && q.Layers == nil {
		return nil, errors.New("sweep: LimitQuery.Layers is not set")
	}
	s, err := newLimitSearch(q)
	if err != nil {
		return nil, err
	}
	out := &LimitResult{
		Axis: q.Axis, Step: s.step, Capacity: q.Capacity, CapacityUnit: unitOf(q.Capacity), CapacityBytes: q.CapacityBytes,
		CapacityGB: float64(q.CapacityBytes) / 1e9, CapacityGiB: float64(q.CapacityBytes) / (1 << 30),
	}
	if err := s.find(out); err != nil {
		return nil, err
	}
	if err := s.curve(out); err != nil {
		return nil, err
	}
	return out, nil
}

// A limitSearch evaluates the numbers of one axis. Number k of the search is
// candidates[k] where there is such a list, and (first+k)·step + offset otherwise.
type limitSearch struct {
	q          LimitQuery
	step       int64
	first      int64
	offset     int64
	candidates []int64
	compiled   *accounting.Compiled // nil where every number has its own
}

func newLimitSearch(q LimitQuery) (*limitSearch, error) {
	s := &limitSearch{q: q, step: max(q.Step, 1), first: 1}
	base, err := q.Case.Resolve()
	if err != nil {
		return nil, err
	}
	p := &base.Setting.Plan
	switch q.Axis {
	case LimitMicroBatch:
		if global := q.Case.GlobalBatch; global > 0 {
			// A micro-batch has to divide the share of a data-parallel rank.
			if global%p.DP == 0 {
				s.candidates = divisors(global/p.DP, func(n int64) bool { return n%s.step == 0 })
			}
			if len(s.candidates) == 0 {
				return nil, fmt.Errorf("no micro-batch in steps of %d divides a global batch of %d over dp %d", s.step, global, p.DP)
			}
		}
	case LimitContext:
		if p.CP > 1 {
			s.step = lcm(s.step, 2*p.CP)
		}
		if p.SP {
			s.step = lcm(s.step, p.CP*p.TP)
		}
	case LimitLayers:
		if p.VPP > 1 {
			s.step = lcm(s.step, p.PP*p.VPP)
		}
		s.first = (p.PP + s.step - 1) / s.step // a stage without a layer is none
		return s, s.possible()
	}
	s.compiled, err = base.Compile()
	return s, err
}

func lcm(a, b int64) int64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// number is the k-th number of the axis, from 0; false beyond the last.
func (s *limitSearch) number(k int64) (int64, bool) {
	if s.candidates != nil {
		if k >= int64(len(s.candidates)) {
			return 0, false
		}
		return s.candidates[k], true
	}
	most := limitMost[s.q.Axis]
	if k > (most-s.offset)/s.step-s.first {
		return 0, false
	}
	return (s.first+k)*s.step + s.offset, true
}

// possible moves the search to the first number of layers that can be laid out, in
// steps of the distance to the next: a mixture of experts begins with dense layers,
// which expert parallelism cannot cut, and stages of given sizes leave some numbers
// out. Where none is found soon, the search tells why.
func (s *limitSearch) possible() error {
	const tries = 300
	start := -1
	for k := range tries {
		n, ok := s.number(int64(k))
		if !ok {
			return nil
		}
		r, err := s.report(n)
		if err != nil {
			return err
		}
		switch {
		case r.RuledOut():
		case start < 0:
			start = k
		default:
			each := int64(k-start) * s.step
			s.offset = (s.first + int64(start)) * s.step
			s.first, s.step = 0, each
			return nil
		}
	}
	return nil
}

// at is the case of one number, compiled.
func (s *limitSearch) at(n int64) (*accounting.Case, *accounting.Compiled, error) {
	o := s.q.Case
	o.UsableBytes = s.q.CapacityBytes
	compiled := s.compiled
	switch s.q.Axis {
	case LimitMicroBatch:
		o.MicroBatch = n
	case LimitContext:
		o.Context = n
	case LimitLayers:
		m, err := s.q.Layers(n)
		if err != nil {
			return nil, nil, err
		}
		o.Model = m
	}
	c, err := o.Resolve()
	if err == nil && compiled == nil {
		compiled, err = c.Compile()
	}
	return c, compiled, err
}

// report evaluates one number against the capacity.
func (s *limitSearch) report(n int64) (r accounting.Report, err error) {
	c, k, err := s.at(n)
	switch {
	case errors.Is(err, accounting.ErrOverflow):
		return accounting.Report{Reason: accounting.ReasonOverflow}, nil
	case err != nil:
		return r, err
	}
	k.Evaluate(&c.Setting, &r)
	return r, nil
}

// find searches the largest number that fits.
func (s *limitSearch) find(out *LimitResult) error {
	var failed error
	fits := func(k int64) bool {
		n, ok := s.number(k)
		if !ok || failed != nil {
			return false
		}
		r, err := s.report(n)
		if err != nil {
			failed = err
		}
		return err == nil && r.Fits()
	}
	best := int64(-1)
	if s.candidates != nil {
		// Few, and fewer micro-batches may hold fewer activations: look at all.
		for k := range s.candidates {
			if fits(int64(k)) {
				best = int64(k)
			}
		}
	} else if fits(0) {
		above := int64(1)
		for fits(above) {
			above *= 2
		}
		// Number above/2 fits and number above does not.
		best = int64(sort.Search(int(above-above/2-1), func(i int) bool { return !fits(above/2 + 1 + int64(i)) })) + above/2
	}
	if failed != nil {
		return failed
	}
	if best >= 0 {
		out.Largest, _ = s.number(best)
		r, err := s.report(out.Largest)
		if err != nil {
			return err
		}
		out.PeakBytes = r.Memory.PeakBytes
	}
	next, ok := s.number(best + 1)
	if !ok {
		out.LimitedBy = "search"
		return nil
	}
	r, err := s.report(next)
	if err != nil {
		return err
	}
	out.LimitedBy, out.NextPeakBytes = r.Reason.Code(), r.Memory.PeakBytes
	if r.RuledOut() {
		if c, k, err := s.at(next); err == nil {
			out.Notes = append(out.Notes, fmt.Sprintf("%s %d can not exist: %s", strings.ReplaceAll(s.q.Axis, "_", " "), next, k.WhyNot(&c.Setting, r.Reason)))
		}
	}
	return nil
}

// unitOf names the unit that a capacity was given in.
func unitOf(text string) string {
	letters := strings.TrimLeft(text, "0123456789. ")
	for _, unit := range []string{"kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"} {
		if letters != text && strings.EqualFold(letters, unit) {
			return unit
		}
	}
	return "bytes"
}
