package pick

import (
	"fmt"

	"headroom/accounting"
	"headroom/hardware"
)

// A market is what can be rented.
type market struct {
	q      *Query
	offers map[string][]*hardware.Price // by accelerator
	empty  bool                         // nothing has a price: choose by time
}

func newMarket(q *Query) *market {
	m := &market{q: q, offers: map[string][]*hardware.Price{}, empty: true}
	for i := range q.Offers {
		slug := q.Offers[i].Accelerator
		m.offers[slug] = append(m.offers[slug], &q.Offers[i])
	}
	for _, a := range q.Accelerators {
		m.empty = m.empty && len(m.offers[a.Slug]) == 0
	}
	return m
}

// unfit is the reason code of [hardware.Price.Unfit].
func unfit(a *hardware.Accelerator, p *hardware.Price, gpus int64) string {
	switch p.Unfit(*a, gpus) {
	case hardware.UnfitMarketplace:
		return reasonMarket
	case hardware.UnfitPartialNode:
		return reasonPartial
	}
	return ""
}

// rented is how many accelerators so many ranks need.
func rented(a *hardware.Accelerator, ranks int64) int64 {
	return (ranks-1)/max(a.Devices, 1) + 1
}

// refusal tells why an accelerator cannot be rented in that number, or "".
func (m *market) refusal(accelerator int, ranks int64) string {
	if m.empty {
		return ""
	}
	a := &m.q.Accelerators[accelerator]
	if len(m.offers[a.Slug]) == 0 {
		return reasonNoOffer
	}
	reason := ""
	for _, p := range m.offers[a.Slug] {
		if reason = unfit(a, p, rented(a, ranks)); reason == "" {
			return ""
		}
	}
	return reason
}

// choices are a candidate at every price that it can be rented for.
func (m *market) choices(c *candidate) ([]Choice, error) {
	a := &m.q.Accelerators[c.accelerator]
	x := &c.setting
	r := accounting.Rental{
		Tokens: m.q.Case.Tokens, TokensPerStep: x.GlobalBatch * x.Context, Ranks: x.GPUs, Accelerator: *a,
		StepSeconds: c.step.Seconds, LowSeconds: c.step.Low, HighSeconds: c.step.High, Energy: m.q.Energy,
		Goodput: accounting.PerfectGoodput, Why: fmt.Sprintf("no price row for %s", a.Slug),
	}
	if m.q.Goodput != nil {
		var err error
		if r.Goodput, err = m.q.Goodput(rented(a, x.GPUs)); err != nil {
			return nil, err
		}
	}
	var out []Choice
	add := func(p *hardware.Price) error {
		r.Price = p
		cost, err := r.Cost()
		if err != nil {
			return err
		}
		out = append(out, Choice{
			Accelerator: a.Slug, GPUs: x.GPUs, Plan: planOf(&x.Plan), MicroBatch: x.MicroBatch, Recompute: c.recompute.String(),
			PeakBytes: c.peak, UsableBytes: x.UsableBytes, Step: c.step,
			Days: cost.Hours / 24, DaysLow: cost.HoursLow / 24, DaysHigh: cost.HoursHigh / 24, Cost: cost, candidate: c,
		})
		return nil
	}
	if m.empty {
		return out, add(nil)
	}
	for _, p := range m.offers[a.Slug] {
		if unfit(a, p, rented(a, x.GPUs)) == "" {
			if err := add(p); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func planOf(p *accounting.Plan) Plan {
	return Plan{TP: p.TP, SP: p.SP, PP: p.PP, VPP: p.VPP, CP: p.CP, EP: p.EP, ETP: p.ETP, DP: p.DP, ZeRO: p.ZeRO}
}

// describe writes a misfit for the result.
func (s *search) describe(m *misfit) *Misfit {
	return &Misfit{
		Accelerator: s.devices[m.accelerator].Slug, GPUs: m.setting.GPUs, Plan: planOf(&m.setting.Plan), MicroBatch: m.setting.MicroBatch,
		Recompute: m.recompute.String(), PeakBytes: m.peak, UsableBytes: m.setting.UsableBytes, ShortfallBytes: m.lacks,
	}
}

// Options is the case of a choice, to explain it.
func (q *Query) Options(c *Choice) accounting.Options {
	o, p := q.Case, &c.Plan
	o.GPUs, o.UsableBytes = c.GPUs, c.UsableBytes
	o.TP, o.PP, o.VPP, o.CP, o.EP, o.ETP, o.DP = p.TP, p.PP, p.VPP, p.CP, p.EP, p.ETP, p.DP
	o.SP, o.ZeRO = &p.SP, &p.ZeRO
	o.MicroBatch, o.Recompute = c.MicroBatch, c.Recompute
	return o
}
