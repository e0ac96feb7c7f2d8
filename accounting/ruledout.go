package accounting

import (
	"fmt"
	"slices"
	"strings"
)

// WhyNot says in one sentence why a case cannot exist, with the numbers of the case
// and what would do instead; r is what [Compiled.Check] answered.
func (c *Compiled) WhyNot(x *Setting, r Reason) string {
	w, p, m := &x.Workload, &x.Plan, &c.limits
	profile := c.Ledger.Profile
	recipe := &c.Ledger.Recipe
	switch r {
	case ReasonWorld:
		return fmt.Sprintf("tp %d · pp %d · cp %d · dp %d are %d ranks, not %d GPUs", p.TP, p.PP, p.CP, p.DP, p.GPUs(), x.GPUs)
	case ReasonTPHeads:
		for _, heads := range m.heads {
			if heads%p.TP != 0 {
				return fmt.Sprintf("tp %d does not divide %d attention heads: %s do", p.TP, heads, divisorsText(heads))
			}
		}
	case ReasonTPKVHeads:
		for i, g := range m.kvHeads {
			if g%p.TP != 0 && p.TP%g != 0 {
				return fmt.Sprintf("neither of tp %d and %d key/value heads divides the other: of the divisors of %d heads, %s will do", p.TP, g, m.heads[i],
					listText(slices.DeleteFunc(divisorsOf(m.heads[i]), func(n int64) bool { return g%n != 0 && n%g != 0 })))
			}
		}
	case ReasonTPFFN:
		for _, f := range m.widths {
			if f%p.TP != 0 {
				return fmt.Sprintf("tp %d does not divide a feed-forward width of %d: %s do", p.TP, f, divisorsText(f))
			}
		}
	case ReasonSPContext:
		return fmt.Sprintf("sequence parallelism cuts the %d tokens of a context-parallel rank into %d parts of unequal length: give a context that is a multiple of %d", w.Context/p.CP, p.TP, p.TP*p.CP)
	case ReasonPPLayers:
		return fmt.Sprintf("%d pipeline stages for %d layers: at most %d", p.PP, m.layers, m.layers)
	case ReasonVPPLayers:
		return fmt.Sprintf("pp %d · vpp %d are %d chunks, which divide neither %d layers nor %d (with embedding and head as one each): vpp %s will do", p.PP, p.VPP, p.PP*p.VPP, m.layers, m.layers+2, c.chunksText(p.PP))
	case ReasonStageLayers:
		if p.PP == 1 {
			return "the layers of the first or last stage were given, and there is one stage"
		}
		return fmt.Sprintf("%d layers less %d of the first and %d of the last stage (0 = as the others) leave the other stages no whole number each, in chunks of %d", m.layers, p.FirstLayers, p.LastLayers, p.VPP)
	case ReasonSchedule:
		return fmt.Sprintf("schedule %s on pp %d and %d layers: %s", p.Schedule, p.PP, m.layers, r)
	case ReasonCPContext:
		return fmt.Sprintf("context parallelism gives each of %d ranks two parts of the context, and %d tokens are no multiple of %d", p.CP, w.Context, 2*p.CP)
	case ReasonEPExperts:
		for _, e := range m.experts {
			if e%p.EP != 0 {
				return fmt.Sprintf("ep %d does not divide %d experts: %s do", p.EP, e, divisorsText(e))
			}
		}
	case ReasonEPRanks:
		return fmt.Sprintf("ep %d · expert-tp %d do not divide the %d ranks of tp %d · cp %d · dp %d", p.EP, p.ETP, p.TP*p.CP*p.DP, p.TP, p.CP, p.DP)
	case ReasonETPFFN:
		return fmt.Sprintf("expert-tp %d does not divide an expert's width of %s", p.ETP, listText(m.expertWidths))
	case ReasonReplicas:
		return fmt.Sprintf("%d groups that hold all shards each: they do not divide dp %d, or are more than hold the experts", p.Replicas, p.DP)
	case ReasonBatch:
		each := w.MicroBatch * p.DP
		return fmt.Sprintf("a global batch of %d sequences is no multiple of micro-batch %d · dp %d = %d", w.GlobalBatch, w.MicroBatch, p.DP, each)
	case ReasonVPPMicroBatches:
		return fmt.Sprintf("the interleaved schedule runs micro-batches in groups of pp %d, and a rank has %d: a global batch of %d would do", p.PP, w.MicroBatches(p), ceilDiv(w.MicroBatches(p), p.PP)*p.PP*w.MicroBatch*p.DP)
	case ReasonContextPositions:
		return fmt.Sprintf("a context of %d tokens is longer than the learned position table of %d", w.Context, m.positions)
	case ReasonProfilePlan:
		if p.ZeRO > profile.MaxZeRO {
			return fmt.Sprintf("profile %s has ZeRO stages up to %d, not %d", profile.Name, profile.MaxZeRO, p.ZeRO)
		}
		return fmt.Sprintf("profile %s has data parallelism alone: tp, pp, vpp, cp and ep are 1 there", profile.Name)
	case ReasonProfileRecompute:
		return fmt.Sprintf("profile %s has no recompute %s: %s", profile.Name, recipe.Recompute, profile.recomputeText())
	case ReasonProfileRecipe:
		return fmt.Sprintf("profile %s recomputes nothing", profile.Name)
	case ReasonProfileOption:
		if recipe.Offload&^profile.Offloads != 0 {
			return fmt.Sprintf("profile %s can not offload %s; it can offload %s", profile.Name, recipe.Offload&^profile.Offloads, profile.Offloads)
		}
		if recipe.MTP > 0 && !(recipe.OptimizerInBackward && !profile.OptimizerInBackward) {
			return fmt.Sprintf("profile %s does not train layers of multi-token prediction, or not with frozen parameters or behind an encoder", profile.Name)
		}
		if recipe.OptimizerInBackward && !profile.OptimizerInBackward {
			return fmt.Sprintf("profile %s does not update parameters in backward", profile.Name)
		}
		if recipe.Overlap.possible(profile, true) {
			return fmt.Sprintf("profile %s overlaps tensor parallelism in compiled layers alone", profile.Name)
		}
		if profile.Overlaps == 0 {
			return fmt.Sprintf("profile %s can not be told which communication to overlap", profile.Name)
		}
		return fmt.Sprintf("profile %s can not be told to overlap %s", profile.Name, recipe.Overlap)
	case ReasonRouted:
		switch {
		case !slices.Contains(profile.Routed, recipe.Routed.Path):
			paths := []string{routedNames[RoutedDropless]}
			for _, r := range profile.Routed {
				paths = append(paths, routedNames[r])
			}
			return fmt.Sprintf("profile %s has no routed path %s: it has %s", profile.Name, routedNames[recipe.Routed.Path], strings.Join(paths, ", "))
		case recipe.Precision.Products != FormatMXFP8:
			return fmt.Sprintf("the fused kernels of routed layers take mxfp8 alone, and recipe %s has %s", recipe.Precision.Name, recipe.Precision.Products)
		}
		return fmt.Sprintf("the fused path overlaps the exchange of tokens, which on pp %d needs vpp > 1", p.PP)
	case ReasonOverlap:
		return fmt.Sprintf("%s: ep is %d, pp %d, vpp %d, recompute %s", r, p.EP, p.PP, p.VPP, recipe.Recompute)
	case ReasonOffload:
		return fmt.Sprintf("parameters are offloaded as the shards of ZeRO stage 3, and the stage is %d", p.ZeRO)
	case ReasonOptimizerInBackward:
		return fmt.Sprintf("parameters that are updated in backward can not wait for %d micro-batches on %d pipeline stages: one of each", w.MicroBatches(p), p.PP)
	}
	return r.String()
}

// recomputeText lists what a profile can recompute.
func (p *Profile) recomputeText() string {
	modes := []string{"none"}
	for m := RecomputeSelective; m <= RecomputeFull; m++ {
		if r := (Recompute{Mode: m}); p.recomputes(r) {
			modes = append(modes, r.String())
		}
	}
	if p.Modules != 0 {
		modes = append(modes, "selective with "+strings.TrimPrefix(Recompute{Mode: RecomputeSelective, Modules: p.Modules}.String(), "selective:"))
	}
	if p.Blocks {
		modes = append(modes, "full:uniform:N", "full:block:N")
	}
	if p.EveryLayer {
		modes = append(modes, "every:N")
	}
	return "it has " + strings.Join(modes, ", ")
}

// chunksText lists the chunks a stage can hold.
func (c *Compiled) chunksText(pp int64) string {
	var out []int64
	for v := int64(1); v <= maxChunks && pp*v <= c.limits.layers+2; v++ {
		if n := pp * v; v == 1 || c.limits.layers%n == 0 || (c.limits.layers+2)%n == 0 {
			out = append(out, v)
		}
	}
	return listText(out)
}

// divisorsOf lists the divisors of n up to 64, more than any such size is.
func divisorsOf(n int64) []int64 {
	var out []int64
	for d := int64(1); d <= min(n, 64); d++ {
		if n%d == 0 {
			out = append(out, d)
		}
	}
	return out
}

func divisorsText(n int64) string { return listText(divisorsOf(n)) }

func listText(n []int64) string {
	text := make([]string, len(n))
	for i := range n {
		text[i] = fmt.Sprint(n[i])
	}
	return strings.Join(text, ", ")
}
