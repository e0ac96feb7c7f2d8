package pick

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"headroom/accounting"
	"headroom/hardware"
)

// A candidate is the fastest way to run on one number of one accelerator.
type candidate struct {
	accelerator int // index in Query.Accelerators
	setting     accounting.Setting
	recompute   accounting.Recompute
	peak        int64
	step        Step
}

// compare orders candidates of one accelerator and number: the fastest, then the
// one with most room, then the simplest.
func (c *candidate) compare(o *candidate) int {
	p, q := &c.setting.Plan, &o.setting.Plan
	return cmp.Or(
		cmp.Compare(c.step.Seconds, o.step.Seconds),
		cmp.Compare(c.peak, o.peak),
		c.recompute.Compare(o.recompute),
		cmp.Compare(p.TP, q.TP), cmp.Compare(p.PP, q.PP), cmp.Compare(p.CP, q.CP), cmp.Compare(p.VPP, q.VPP),
		cmp.Compare(p.EP, q.EP), cmp.Compare(p.ZeRO, q.ZeRO), cmp.Compare(c.setting.MicroBatch, o.setting.MicroBatch),
	)
}

// A misfit is the candidate that lacks the least memory, for a run that fits
// nowhere.
type misfit struct {
	candidate
	lacks int64
}

func (m *misfit) compare(o *misfit) int {
	return cmp.Or(cmp.Compare(m.lacks, o.lacks), cmp.Compare(m.setting.GPUs, o.setting.GPUs), cmp.Compare(m.accelerator, o.accelerator), m.candidate.compare(&o.candidate))
}

// A kernel is the model compiled under one recompute mode.
type kernel struct {
	compiled *accounting.Compiled
	setting  accounting.Setting
	recipe   accounting.Recipe
}

// A search holds what the workers share, read-only.
type search struct {
	q       *Query
	kernels []kernel
	timers  [][]StepTimer // by accelerator and kernel; nil = not possible
	devices []hardware.Accelerator
	node    []int64 // largest tensor-parallel size of an accelerator
	notes   []string
}

func newSearch(q *Query) (*search, error) {
	s := &search{q: q}
	modes := q.Recompute
	switch {
	case q.Case.Recompute != "":
		modes = []string{q.Case.Recompute}
	case len(modes) == 0:
		modes = []string{"none", "selective", "full"}
	}
	modes, err := inOrder(modes)
	if err != nil {
		return nil, err
	}
	for _, mode := range modes {
		o := q.Case
		o.Recompute = mode
		o.GPUs, o.UsableBytes = 0, 0
		c, err := o.Resolve()
		if err != nil {
			return nil, err
		}
		compiled, err := c.Compile()
		if err != nil {
			return nil, err
		}
		x := c.Setting
		x.GlobalBatch = q.Case.GlobalBatch
		s.kernels = append(s.kernels, kernel{compiled, x, c.Recipe})
	}
	timer := q.Timer
	if timer == nil {
		timer = ModelTimer
	}
	for i := range q.Accelerators {
		a := q.Accelerators[i].PerDevice()
		s.devices = append(s.devices, a)
		node := a.GPUsPerNode.Or(8)
		s.node = append(s.node, max(node, a.ScaleUpDomain.Or(node)))
		timers := make([]StepTimer, len(s.kernels))
		for k := range s.kernels {
			t, err := timer(q.Accelerators[i], &s.kernels[k].recipe)
			if err != nil {
				s.notes = append(s.notes, err.Error())
				timers = nil
				break
			}
			timers[k] = t
		}
		s.timers = append(s.timers, timers)
	}
	return s, nil
}

// inOrder sorts modes of recompute by what they compute again.
func inOrder(modes []string) ([]string, error) {
	var parsed []accounting.Recompute
	for _, mode := range modes {
		r, err := accounting.ParseRecompute(mode)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, r)
	}
	slices.SortFunc(parsed, accounting.Recompute.Compare)
	var out []string
	for _, r := range slices.Compact(parsed) {
		out = append(out, r.String())
	}
	return out, nil
}

// A unit of work is one number of GPUs and one tensor-parallel size.
type unit struct{ gpus, tp int64 }

// A finding is what one unit came to.
type finding struct {
	best    []*candidate // by accelerator
	counts  tally
	total   int64
	nearest *misfit
}

// run searches all numbers of GPUs. refusal says why an accelerator cannot be had
// in that number, or "".
func (s *search) run(refusal func(accelerator int, gpus int64) string) (map[int64][]*candidate, *finding, error) {
	var units []unit
	for _, n := range s.q.GPUs {
		for _, tp := range sizes(s.q.Case.TP, n) {
			units = append(units, unit{n, tp})
		}
	}
	found := make([]finding, len(units))
	var group errgroup.Group
	group.SetLimit(max(s.q.Workers, 1))
	for i := len(units) - 1; i >= 0; i-- { // the largest take longest
		group.Go(func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = fmt.Errorf("pick: %d GPUs with tp %d: %v", units[i].gpus, units[i].tp, r)
				}
			}()
			s.unit(units[i], refusal, &found[i])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	best := map[int64][]*candidate{}
	all := &finding{counts: tally{}}
	for i := range found {
		f, n := &found[i], units[i].gpus
		all.counts.merge(f.counts)
		all.total += f.total
		if f.nearest != nil && (all.nearest == nil || f.nearest.compare(all.nearest) < 0) {
			all.nearest = f.nearest
		}
		if best[n] == nil {
			best[n] = make([]*candidate, len(s.devices))
		}
		for a, c := range f.best {
			switch b := best[n][a]; {
			case c == nil:
			case b == nil:
				best[n][a] = c
			default:
				all.counts.add(stageTime, reasonSlower, 1)
				if c.compare(b) < 0 {
					best[n][a] = c
				}
			}
		}
	}
	return best, all, nil
}

// unit searches the layouts of one unit: divisibility and memory once for all
// accelerators, then the time on each. Modes of recompute come from the one that
// computes least; what fits with one is not tried with the next, which only adds
// time.
func (s *search) unit(u unit, refusal func(int, int64) string, out *finding) {
	out.best, out.counts = make([]*candidate, len(s.devices)), tally{}
	modes, everywhere := int64(len(s.kernels)), int64(len(s.devices))
	var open []int // accelerators to look at
	refused := map[string]int64{}
	beyond := int64(0) // open accelerators whose node is too small
	for a := range s.devices {
		reason := reasonFormat
		if s.timers[a] != nil {
			reason = refusal(a, u.gpus)
		}
		switch {
		case reason != "":
			refused[reason]++
		case u.tp > s.node[a]:
			beyond++
		default:
			open = append(open, a)
		}
	}
	var divides, uneven, memory, slower int64 // layouts; layouts; candidates
	ruled := make(map[accounting.Reason]int64)
	fits := make([]bool, len(s.devices))
	var report accounting.Report
	first := s.kernels[0]
	layouts(first.compiled, &first.setting, &s.q.Case, u.gpus, u.tp, func(x *accounting.Setting, reason accounting.Reason, isUneven bool) {
		out.total += modes * everywhere
		switch {
		case isUneven:
			uneven++
			return
		case reason != accounting.OK:
			ruled[reason] += everywhere * modes
			return
		}
		divides++
		clear(fits)
		left := len(open)
		for k := range s.kernels {
			if left == 0 {
				break
			}
			s.kernels[k].compiled.Evaluate(x, &report)
			if report.RuledOut() {
				ruled[report.Reason] += int64(left)
				continue
			}
			for _, a := range open {
				if fits[a] {
					continue
				}
				c := candidate{accelerator: a, setting: *x, recompute: s.kernels[k].recipe.Recompute, peak: report.Memory.PeakBytes}
				c.setting.UsableBytes = s.devices[a].UsableBytes
				if lacks := c.peak - c.setting.UsableBytes; lacks > 0 {
					memory++
					if m := (misfit{c, lacks}); out.nearest == nil || m.compare(out.nearest) < 0 {
						out.nearest = &m
					}
					continue
				}
				fits[a] = true
				left--
				slower += modes - int64(k) - 1
				c.step = s.timers[a][k](s.kernels[k].compiled, &c.setting)
				switch best := out.best[a]; {
				case best == nil:
					out.best[a] = &c
				default:
					slower++
					if c.compare(best) < 0 {
						out.best[a] = &c
					}
				}
			}
		}
	})
	for reason, n := range ruled {
		out.counts.add(stageDivisibility, reason.Code(), n)
	}
	out.counts.add(stageDivisibility, reasonUneven, uneven*everywhere*modes)
	out.counts.add(stageDivisibility, reasonNode, divides*beyond*modes)
	for reason, n := range refused {
		out.counts.add(stageOf(reason), reason, divides*n*modes)
	}
	out.counts.add(stageMemory, accounting.ReasonMemory.Code(), memory)
	out.counts.add(stageTime, reasonSlower, slower)
}

func stageOf(reason string) string {
	if reason == reasonFormat {
		return stageDivisibility
	}
	return stagePrice
}
