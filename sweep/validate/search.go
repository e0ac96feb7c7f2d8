package validate

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"headroom/accounting"
)

// largestMicroBatch bounds the search.
const largestMicroBatch = 64

// recomputes are the ways to spend less memory, in the order of their price.
var recomputes = []string{"none", "selective", "full"}

// open says that the row leaves something to search for.
func (t *Trial) open() bool { return t.SearchMicroBatch || t.SearchLayout || t.SearchRecompute }

// search settles what the row leaves open. A published run did fit: of the
// micro-batches, layouts and recompute modes whose peak fits, whichever are
// missing, the fastest is taken; where none fits, what the row and its framework's
// defaults say. A run that ran out of memory leaves nothing to choose by.
func (t *Trial) search(e *Evaluation) (*Evaluation, error) {
	if !t.open() {
		return e, nil
	}
	searched := t.SearchMicroBatch || t.SearchLayout
	if t.Measurement.OutOfMemory() {
		if searched {
			return nil, errors.New("not given: the layout or the micro-batch that ran out of memory")
		}
		t.Assumed = append(t.Assumed, noRecompute)
		return e, nil
	}
	modes := []string{t.Options.Recompute}
	if t.SearchRecompute {
		modes = recomputes
	}
	var best *Evaluation
	fastest := math.Inf(1)
	for _, mode := range modes {
		at := e
		if mode != t.Options.Recompute {
			own := *t
			own.Options.Recompute = mode
			var err error
			if at, err = own.prepare(e.Accelerator); err != nil {
				continue // the framework has no such mode
			}
			at.Trial = t
		}
		if x, seconds := t.fastest(at); seconds < fastest {
			found := *at
			c := *at.Case
			c.Setting = x
			found.Case = &c
			best, fastest = &found, seconds
			if !searched {
				break // less recompute is faster
			}
		}
	}
	say := func(format string, args ...any) { t.Assumed = append(t.Assumed, fmt.Sprintf(format, args...)) }
	if best == nil {
		if t.SearchLayout {
			return nil, errors.New("not given: tp, pp; and none that was tried fits")
		}
		if t.SearchRecompute {
			say(noRecompute)
		}
		if t.SearchMicroBatch {
			say("no micro-batch is given: %d is assumed, and does not fit", e.Case.Setting.MicroBatch)
		}
		return e, nil
	}
	p := &best.Case.Setting.Plan
	switch {
	case t.SearchLayout && p.EP > 1:
		say("no layout is given: tp %d, pp %d, ep %d, micro-batch %d are the fastest that fit", p.TP, p.PP, p.EP, best.Case.Setting.MicroBatch)
	case t.SearchLayout:
		say("no layout is given: tp %d, pp %d, micro-batch %d are the fastest that fit", p.TP, p.PP, best.Case.Setting.MicroBatch)
	case t.SearchMicroBatch:
		say("no micro-batch is given: %d is the fastest that fits", best.Case.Setting.MicroBatch)
	}
	if mode := best.Case.Recipe.Recompute.String(); t.SearchRecompute && mode != recomputes[0] {
		say("recompute is not given: %s is assumed, the least with which the run fits", mode)
	} else if t.SearchRecompute {
		say(noRecompute)
	}
	return best, nil
}

const noRecompute = "recompute is not given: none is assumed"

// fastest is the fastest setting of one compiled case that fits; +Inf where none does.
func (t *Trial) fastest(e *Evaluation) (accounting.Setting, float64) {
	given := e.Case.Setting
	sizes, stages, experts, batches := []int64{given.Plan.TP}, []int64{given.Plan.PP}, []int64{given.Plan.EP}, []int64{given.MicroBatch}
	if t.SearchLayout {
		sizes, stages = powers(8), powers(16)
		if e.Case.Model.Routed() && t.Measurement.EP == 0 {
			experts = powers(64)
		}
	}
	if t.SearchMicroBatch {
		batches = powers(largestMicroBatch)
	}
	best, fastest := given, math.Inf(1)
	for _, tp := range sizes {
		for _, pp := range stages {
			for _, ep := range experts {
				for _, b := range batches {
					x := given
					p := &x.Plan
					inner := tp * pp * p.CP
					if x.GPUs%inner != 0 {
						continue
					}
					p.TP, p.PP, p.EP, p.DP = tp, pp, ep, x.GPUs/inner
					p.ETP = p.DefaultETP(e.Case.Profile)
					p.SP = p.SP || tp > 1 && given.Plan.TP == 1 && strings.HasPrefix(t.Options.Profile, "megatron")
					x.MicroBatch = b
					x.Machine = e.Machine
					var r accounting.Report
					e.Compiled.Evaluate(&x, &r)
					if r.Reason != accounting.OK {
						continue
					}
					seconds := 0.0 // without a time, the first that fits
					if e.NoTime == "" {
						seconds = r.Time.StepSeconds
					}
					if seconds < fastest {
						best, fastest = x, seconds
					}
				}
			}
		}
	}
	best.Machine = nil
	return best, fastest
}

// powers are the powers of two up to most.
func powers(most int64) []int64 {
	var out []int64
	for n := int64(1); n <= most; n *= 2 {
		out = append(out, n)
	}
	return out
}
