package pick

import (
	"headroom/accounting"
)

// mostMicroBatch bounds the micro-batches that are tried.
const mostMicroBatch = 32

// layouts enumerates the plans and micro-batches of a run on n GPUs with one
// tensor-parallel size: every factorization of the rest, chunks of layers, expert
// split, ZeRO stage, and every micro-batch that divides a rank's share of the
// global batch. It calls yield with the reason that rules each out, or with
// [accounting.OK]. Sizes that are given in want are not varied.
func layouts(c *accounting.Compiled, base *accounting.Setting, want *accounting.Options, n, tp int64, yield func(x *accounting.Setting, r accounting.Reason)) {
	model := c.Ledger.Model
	layers := model.Layers()
	experts := int64(1)
	for i := range model.Kinds {
		if moe := model.Kinds[i].MoE; moe != nil {
			experts = moe.Experts
			break
		}
	}
	profile := c.Ledger.Profile
	// Innermost is what the time of a layer does not depend on, so that a memo holds it.
	for _, cp := range sizes(want.CP, n/tp) {
		for _, ep := range sizes(want.EP, experts) {
			for _, mb := range microBatches(want.MicroBatch, base.GlobalBatch) {
				for _, pp := range sizes(want.PP, n/tp/cp) {
					dp := max(n/tp/pp/cp, 1)
					switch {
					case want.MicroBatch > 0:
					case base.GlobalBatch%dp != 0: // a single one, so that the check tells why
						if mb > 1 {
							continue
						}
					case base.GlobalBatch/dp%mb != 0:
						continue
					}
					for _, vpp := range chunks(want.VPP, layers, pp) {
						for _, zero := range zeros(want.ZeRO, profile, dp*cp) {
							x := *base
							x.GPUs, x.MicroBatch = n, mb
							x.Plan = accounting.Plan{TP: tp, PP: pp, VPP: vpp, CP: cp, EP: ep, DP: dp, ZeRO: zero, SP: profile.SP && tp > 1, Schedule: base.Plan.Schedule, Replicas: base.Plan.Replicas, FirstLayers: base.Plan.FirstLayers, LastLayers: base.Plan.LastLayers}
							if want.SP != nil {
								x.Plan.SP = *want.SP
							}
							x.Plan.ETP = x.Plan.DefaultETP(profile)
							if want.ETP > 0 {
								x.Plan.ETP = want.ETP
							}
							yield(&x, c.Check(&x.Workload, &x.Plan, n))
						}
					}
				}
			}
		}
	}
}

// sizes are the values of one parallel size: the given one, or every divisor of
// what is left of the GPUs.
func sizes(given, of int64) []int64 {
	if given > 0 {
		return []int64{given}
	}
	return divisors(max(of, 1))
}

// divisors of n in rising order.
func divisors(n int64) []int64 {
	var low, high []int64
	for i := int64(1); i <= n/i; i++ {
		if n%i != 0 {
			continue
		}
		low = append(low, i)
		if j := n / i; j != i {
			high = append(high, j)
		}
	}
	for i := len(high) - 1; i >= 0; i-- {
		low = append(low, high[i])
	}
	return low
}

// chunks are the numbers of layer chunks a stage may hold.
func chunks(given, layers, pp int64) []int64 {
	switch {
	case given > 0:
		return []int64{given}
	case pp == 1 || layers%pp != 0:
		return []int64{1}
	}
	return divisors(layers / pp)
}

// zeros are the ZeRO stages that differ over so many ranks.
func zeros(given *int64, p *accounting.Profile, ranks int64) []int64 {
	if given != nil {
		return []int64{*given}
	}
	if ranks <= 1 {
		return []int64{p.ZeRO} // nobody to share with
	}
	out := make([]int64, 0, 4)
	for z := int64(0); z <= p.MaxZeRO; z++ {
		out = append(out, z)
	}
	return out
}

// microBatches are the micro-batches that are tried: the given one, or the divisors
// of the global batch up to a bound.
func microBatches(given, global int64) []int64 {
	if given > 0 {
		return []int64{given}
	}
	all := divisors(global)
	for i, b := range all {
		if b > mostMicroBatch {
			return all[:i]
		}
	}
	return all
}
