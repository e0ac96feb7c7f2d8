package pick

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"headroom/accounting"
	"headroom/hardware"
)

// A market is what can be rented.
type market struct {
	q      *Query
	offers [][]*hardware.Price // by accelerator of the query
	empty  bool                // nothing has a price: choose by time
}

// newMarket deals out the offers. Instances of one accelerator differ in their
// networks, and so in the time of a step: the query's accelerators become one for
// each network that an offer names, with it in place of the catalog's. They are put
// in order, so that the answer does not depend on the query's.
func newMarket(q *Query) *market {
	m := &market{q: q, empty: true}
	type variant struct {
		accelerator hardware.Accelerator
		offers      []*hardware.Price
	}
	var all []variant
	for _, a := range q.Accelerators {
		first := len(all)
		all = append(all, variant{accelerator: a})
		for i := range q.Offers {
			p := &q.Offers[i]
			if p.Accelerator != a.Slug {
				continue
			}
			network := p.NetworkBytesPerSecond
			if q.OwnNetwork || !network.Known || a.NICBytesPerSecond.Known && math.Abs(network.Value/a.NICBytesPerSecond.Value-1) < 0.01 {
				network = a.NICBytesPerSecond
			}
			at := first
			for at < len(all) && all[at].accelerator.NICBytesPerSecond != network {
				at++
			}
			if at == len(all) {
				v := variant{accelerator: a}
				v.accelerator.NICBytesPerSecond = network
				all = append(all, v)
			}
			all[at].offers = append(all[at].offers, p)
			m.empty = false
		}
		if len(all) > first+1 && len(all[first].offers) == 0 {
			all = slices.Delete(all, first, first+1) // nobody rents it with the catalog's network
		}
	}
	slices.SortFunc(all, func(a, b variant) int {
		return cmp.Or(cmp.Compare(a.accelerator.Slug, b.accelerator.Slug), -cmp.Compare(a.accelerator.NICBytesPerSecond.Or(0), b.accelerator.NICBytesPerSecond.Or(0)))
	})
	q.Accelerators = make([]hardware.Accelerator, 0, len(all))
	for _, v := range all {
		q.Accelerators, m.offers = append(q.Accelerators, v.accelerator), append(m.offers, v.offers)
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
	case hardware.UnfitNoNetwork:
		return reasonNetwork
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
	if len(m.offers[accelerator]) == 0 {
		return reasonNoOffer
	}
	reason := ""
	for _, p := range m.offers[accelerator] {
		if reason = unfit(a, p, rented(a, ranks)); reason == "" {
			return ""
		}
	}
	return reason
}

// choices are a candidate at every price that it can be rented for. Those on which
// the run would not end are counted, and why has the last one's reason.
func (m *market) choices(c *candidate) (out []Choice, endless int64, why, err error) {
	a := &m.q.Accelerators[c.accelerator]
	x := &c.setting
	r := accounting.Rental{
		Tokens: m.q.Case.Tokens, TokensPerStep: x.GlobalBatch * x.Context, Ranks: x.GPUs, Accelerator: *a,
		StepSeconds: c.step.Seconds, LowSeconds: c.step.Low, HighSeconds: c.step.High, Energy: m.q.Energy,
		Goodput: accounting.PerfectGoodput, Why: fmt.Sprintf("no price row for %s", a.Slug),
	}
	var network *float64
	if a.NICBytesPerSecond.Known {
		network = &a.NICBytesPerSecond.Value
	}
	offers := m.offers[c.accelerator]
	if m.empty {
		offers = []*hardware.Price{nil}
	}
	for _, p := range offers {
		if p != nil && unfit(a, p, rented(a, x.GPUs)) != "" {
			continue
		}
		if m.q.Goodput != nil {
			r.Goodput, err = m.q.Goodput(rented(a, x.GPUs), p)
			if errors.Is(err, accounting.ErrNoProgress) {
				endless, why = endless+1, err
				continue
			}
			if err != nil {
				return nil, 0, nil, err
			}
		}
		r.Price = p
		cost, err := r.Cost()
		if err != nil {
			return nil, 0, nil, err
		}
		out = append(out, Choice{
			Accelerator: a.Slug, GPUs: x.GPUs, Network: network, Plan: planOf(&x.Plan), MicroBatch: x.MicroBatch, Recompute: c.recompute.String(),
			PeakBytes: c.peak, UsableBytes: x.UsableBytes, Step: c.step,
			Days: cost.Hours / 24, DaysLow: cost.HoursLow / 24, DaysHigh: cost.HoursHigh / 24, Cost: cost, candidate: c,
		})
	}
	return out, endless, why, nil
}

// all are the choices of all candidates, by number and accelerator.
func (m *market) all(gpus []int64, candidates map[int64][]*candidate) (out []Choice, endless int64, why, err error) {
	for _, n := range gpus {
		for _, c := range candidates[n] {
			if c == nil {
				continue
			}
			choices, k, reason, err := m.choices(c)
			if err != nil {
				return nil, 0, nil, err
			}
			out, endless, why = append(out, choices...), endless+k, cmp.Or(reason, why)
		}
	}
	return out, endless, why, nil
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
