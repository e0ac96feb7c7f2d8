package pick

import (
	"errors"
	"fmt"
	"slices"

	"headroom/accounting"
)

// wastefulBubble is the share of a step that a pipeline may be idle without a word.
const wastefulBubble = 0.1

// ExplainWinner fills in Explain: the case of the winner with its cost, and notes
// what holds it back.
func (r *Result) ExplainWinner() error {
	if r.Winner == nil {
		return nil
	}
	c, err := r.query.Options(r.Winner).Resolve()
	if err != nil {
		return err
	}
	a := r.query.Accelerators[r.Winner.candidate.accelerator]
	if c.Setting.Machine, err = accounting.NewMachine(a, &c.Recipe.Precision, 0); err != nil {
		return err
	}
	if r.Explain, err = c.Explain(false); err != nil {
		return err
	}
	if t := r.Explain.Time; t != nil {
		if idle := t.Parts["bubble_seconds"] / t.StepSeconds; idle > wastefulBubble {
			r.Notes = append(r.Notes, fmt.Sprintf("the winner's pipeline is idle for %.0f %% of a step, since its %d stages share %d micro-batches: a larger global batch, if the training bears it, is cheaper",
				100*idle, r.Winner.Plan.PP, r.Explain.Case.MicroBatches))
		}
	}
	r.Explain.Case.Accelerator = r.Winner.Accelerator
	r.Explain.Cost = &r.Winner.Cost
	return nil
}

// Pick finds what to rent. That nothing meets the demands is an answer, not an
// error: then there is no winner.
func Pick(q Query) (*Result, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	q.GPUs = slices.Compact(slices.Sorted(slices.Values(q.GPUs)))
	if len(q.GPUs) == 0 {
		var err error
		if q.GPUs, err = q.usualGPUs(); err != nil {
			return nil, err
		}
	}
	if q.MaxGPUs > 0 {
		q.GPUs = slices.DeleteFunc(q.GPUs, func(n int64) bool { return n > q.MaxGPUs })
		if len(q.GPUs) == 0 {
			return nil, fmt.Errorf("no number of GPUs to try is at most %d", q.MaxGPUs)
		}
	}
	m := newMarket(&q)
	s, err := newSearch(&q)
	if err != nil {
		return nil, err
	}
	best, roomy, all, err := s.run(m.refusal)
	if err != nil {
		return nil, err
	}
	x := &s.kernels[0].setting
	r := &Result{
		Objective: Cheapest, Model: q.Case.Model.Name, Tokens: q.Case.Tokens, Context: x.Context, Global: x.GlobalBatch, GPUs: q.GPUs,
		BudgetUSD: q.BudgetUSD, DeadlineDays: q.DeadlineHours / 24, Cautious: q.Cautious,
		Candidates: all.total, Notes: s.notes, Front: []Choice{}, ByGPU: []Comparison{}, Tied: []string{}, query: &q,
	}
	if q.BudgetUSD > 0 && q.DeadlineHours == 0 || m.empty {
		r.Objective = Fastest
	}
	if m.empty {
		if q.BudgetUSD > 0 {
			return nil, errors.New("a budget needs prices: none is known for any of the accelerators, as they were asked for")
		}
		r.Notes = append(r.Notes, "no price is known for any of the accelerators: the choice is by time alone")
	}
	choices, endless, why, err := m.all(q.GPUs, best)
	if err != nil {
		return nil, err
	}
	for _, list := range best {
		for _, c := range list {
			if c != nil {
				r.Fitted++
			}
		}
	}
	r.Choices = int64(len(choices)) + endless
	all.counts.add(stageCost, reasonEndless, endless)
	r.settle(choices, all.counts)
	switch {
	case r.Winner != nil && r.Winner.free() < Room:
		roomier, _, _, err := m.all(q.GPUs, roomy)
		if err != nil {
			return nil, err
		}
		r.roomier(roomier)
	case len(choices) == 0 && why != nil:
		r.Why = why.Error()
	case len(choices) == 0:
		r.Why = whyNothing(all.counts, r.Notes, all.nearest)
	}
	if r.Fitted == 0 && all.nearest != nil {
		r.NearestRoom = s.describe(all.nearest)
	}
	r.Excluded = all.counts.list()
	return r, nil
}
