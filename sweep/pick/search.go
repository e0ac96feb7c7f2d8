package pick

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

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
	limit   []int64 // bytes that a rank may use of it, by what is to stay free
	roomy   []int64 // and where [Room] stays free
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
	var troubles hardware.Troubles
	for i := range q.Accelerators {
		a := q.Accelerators[i].PerDevice()
		s.devices = append(s.devices, a)
		node := a.GPUsPerNode.Or(8)
		s.node = append(s.node, max(node, a.ScaleUpDomain.Or(node)))
		free := func(share float64) int64 { return a.UsableBytes - int64(float64(a.UsableBytes)*share) }
		s.limit, s.roomy = append(s.limit, free(q.Spare)), append(s.roomy, free(max(q.Spare, Room)))
		timers := make([]StepTimer, len(s.kernels))
		for k := range s.kernels {
			t, err := timer(q.Accelerators[i], &s.kernels[k].recipe)
			if err != nil {
				troubles.Add(q.Accelerators[i].Slug, err)
				timers = nil
				break
			}
			timers[k] = t
		}
		s.timers = append(s.timers, timers)
	}
	s.notes = troubles.Sentences()
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
	roomy   []*candidate // the same of those that leave [Room] of the memory free
	counts  tally
	total   int64
	nearest *misfit
}

// near notes a candidate that lacks memory, if none before lacks less.
func (f *finding) near(c *candidate, lacks int64) {
	if f.nearest != nil && lacks > f.nearest.lacks {
		return // as most do, of millions
	}
	if m := (misfit{*c, lacks}); f.nearest == nil || m.compare(f.nearest) < 0 {
		f.nearest = &m
	}
}

// run searches all numbers of GPUs. refusal says why an accelerator cannot be had
// in that number, or "".
func (s *search) run(refusal func(accelerator int, gpus int64) string) (best, roomy map[int64][]*candidate, all *finding, err error) {
	var units []unit
	for _, n := range s.q.GPUs {
		for _, tp := range sizes(s.q.Case.TP, n) {
			units = append(units, unit{n, tp})
		}
	}
	found := make([]finding, len(units))
	memos := sync.Pool{New: func() any { return new(accounting.Memo) }} // one a worker
	var group errgroup.Group
	group.SetLimit(max(s.q.Workers, 1))
	for i := len(units) - 1; i >= 0; i-- { // the largest take longest
		group.Go(func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = fmt.Errorf("pick: %d GPUs with tp %d: %v", units[i].gpus, units[i].tp, r)
				}
			}()
			memo := memos.Get().(*accounting.Memo)
			defer memos.Put(memo)
			s.unit(units[i], refusal, memo, &found[i])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, nil, err
	}
	best, roomy = map[int64][]*candidate{}, map[int64][]*candidate{}
	all = &finding{counts: tally{}}
	for i := range found {
		f, n := &found[i], units[i].gpus
		all.counts.merge(f.counts)
		all.total += f.total
		if f.nearest != nil && (all.nearest == nil || f.nearest.compare(all.nearest) < 0) {
			all.nearest = f.nearest
		}
		if best[n] == nil {
			best[n], roomy[n] = make([]*candidate, len(s.devices)), make([]*candidate, len(s.devices))
		}
		for a := range s.devices {
			if c := f.roomy[a]; c != nil {
				keep(&roomy[n][a], c)
			}
			if c := f.best[a]; c != nil {
				if best[n][a] != nil {
					all.counts.add(stageTime, reasonSlower, 1)
				}
				keep(&best[n][a], c)
			}
		}
	}
	return best, roomy, all, nil
}

// unit searches the layouts of one unit: divisibility and memory once for all
// accelerators, then the time on each. Modes of recompute come from the one that
// computes least; what fits with one is not tried with the next, which only adds
// time, unless to leave more of the memory free.
func (s *search) unit(u unit, refusal func(int, int64) string, memo *accounting.Memo, out *finding) {
	out.best, out.roomy, out.counts = make([]*candidate, len(s.devices)), make([]*candidate, len(s.devices)), tally{}
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
	var divides, memory, slower int64 // layouts; candidates; candidates
	ruled := make(map[accounting.Reason]int64)
	const (
		lacksMemory = iota
		fits
		settled // with room
	)
	states := make([]uint8, len(s.devices))
	var report accounting.Report
	var c candidate
	first := s.kernels[0]
	layouts(first.compiled, &first.setting, &s.q.Case, u.gpus, u.tp, func(x *accounting.Setting, reason accounting.Reason) {
		out.total += modes * everywhere
		if reason != accounting.OK {
			ruled[reason] += everywhere * modes
			return
		}
		divides++
		x.Memo = memo
		clear(states)
		unfit, left := len(open), len(open) // of them; and those that want room still
		for k := range s.kernels {
			if left == 0 {
				break
			}
			s.kernels[k].compiled.Evaluate(x, &report)
			if report.RuledOut() {
				ruled[report.Reason] += int64(unfit)
				continue
			}
			c = candidate{setting: *x, recompute: s.kernels[k].recipe.Recompute, peak: report.Memory.PeakBytes}
			for _, a := range open {
				if states[a] == settled {
					continue
				}
				c.accelerator, c.setting.UsableBytes = a, s.devices[a].UsableBytes
				lacks, roomy := c.peak-s.limit[a], c.peak <= s.roomy[a]
				switch {
				case states[a] == fits && !roomy:
					continue
				case lacks > 0:
					memory++
					out.near(&c, lacks)
					continue
				}
				c.step = s.timers[a][k](s.kernels[k].compiled, &c.setting)
				if states[a] == lacksMemory {
					states[a] = fits
					unfit--
					slower += modes - int64(k) - 1
					if out.best[a] != nil {
						slower++
					}
					keep(&out.best[a], &c)
				}
				if roomy {
					states[a] = settled
					left--
					keep(&out.roomy[a], &c)
				}
			}
		}
	})
	for reason, n := range ruled {
		out.counts.add(stageDivisibility, reason.Code(), n)
	}
	out.counts.add(stageDivisibility, reasonNode, divides*beyond*modes)
	for reason, n := range refused {
		out.counts.add(stageOf(reason), reason, divides*n*modes)
	}
	out.counts.add(stageMemory, accounting.ReasonMemory.Code(), memory)
	out.counts.add(stageTime, reasonSlower, slower)
}

// keep puts a candidate in the place of a worse one.
func keep(best **candidate, c *candidate) {
	if *best == nil || c.compare(*best) < 0 {
		better := *c
		better.setting.Memo = nil // the worker's
		*best = &better
	}
}

func stageOf(reason string) string {
	if reason == reasonFormat {
		return stageDivisibility
	}
	return stagePrice
}
