package accounting

import (
	"slices"
	"strings"
)

// RoutedPath is how the routed feed-forwards of a mixture of experts run. Time
// depends on it, memory does not.
type RoutedPath uint8

// Routed paths.
const (
	// RoutedAuto is what NVIDIA's recipes of the profile's time choose on that
	// hardware; see [Compiled.routed].
	RoutedAuto RoutedPath = iota
	// RoutedDropless: each local expert's products and casts are kernels of their own,
	// whose sizes the host waits for (Megatron-Core's
	// token_dispatcher.py copies tokens_per_expert to the host; TransformerEngine's
	// nvte_multi_tensor_gemm).
	RoutedDropless
	// RoutedCapacity: every expert computes equally many rows, so that the host knows
	// the sizes (--moe-expert-capacity-factor 1 --moe-pad-expert-input-to-capacity). Each
	// copy of a token is sent apart: MoEFlexTokenDispatcher refuses capacities.
	RoutedCapacity
	// RoutedGraphed is dropless with attention, router and the dispatcher's
	// preprocessing captured in CUDA graphs (--cuda-graph-impl transformer_engine
	// --cuda-graph-scope attn moe_router moe_preprocess).
	RoutedGraphed
	// RoutedFused is one CUDA graph for the step (--cuda-graph-impl full_iteration) with
	// one kernel for an expert layer's products, activation and casts (TransformerEngine's
	// fused grouped MLP), attention in fp8, and the exchange of tokens beside another
	// micro-batch's computation (--overlap-moe-expert-parallel-comm).
	RoutedFused
)

// A Routed is how a recipe runs its routed feed-forwards.
type Routed struct {
	Path RoutedPath
	// Overlap says that the exchange of tokens runs beside the computation of another
	// micro-batch (Megatron-Core's --overlap-moe-expert-parallel-comm), as it always does
	// on the fused path and under the schedule dualpipe.
	Overlap bool
	// AllToAll says that each copy of a token is sent apart and sorted by expert before and
	// after (--moe-token-dispatcher-type alltoall, PyTorch's own all-to-all), as it always is
	// with a fixed capacity. Otherwise a token goes once to each rank that wants it
	// (--moe-token-dispatcher-type flex: DeepEP, HybridEP).
	AllToAll bool
}

// routedNames are the paths, and then those that can overlap or send copies beside.
var routedNames = []string{
	"auto", "dropless", "capacity", "graphed", "fused", "dropless" + overlapping, "capacity" + overlapping, "graphed" + overlapping,
	"dropless" + copying, "graphed" + copying, "dropless" + overlapping + copying, "graphed" + overlapping + copying,
}

const (
	overlapping = "+overlap"
	copying     = "+alltoall"
)

// String is the name of the flag value.
func (r Routed) String() string {
	name := routedNames[r.Path]
	if r.Overlap {
		name += overlapping
	}
	if r.AllToAll {
		name += copying
	}
	return name
}

// sentence says for people what a path is.
func (r Routed) sentence() string {
	text := [...]string{
		RoutedAuto:     "as NVIDIA's recipes choose",
		RoutedDropless: "dropless: a kernel for each expert, whose size the host waits for (--moe)",
		RoutedCapacity: "with a fixed capacity for each expert (--moe)",
		RoutedGraphed:  "dropless, with attention and router in CUDA graphs (--moe)",
		RoutedFused:    "fused: one graph for the step, attention in fp8 (--moe)",
	}[r.Path]
	if r.Overlap {
		text += "; the exchange of tokens runs beside computation"
	}
	if r.AllToAll {
		text += "; each copy of a token is sent apart"
	}
	return text
}

// RoutedNames lists the ways, default first.
func RoutedNames() []string { return routedNames }

// ParseRouted reads the name of a way.
func ParseRouted(name string) (r Routed, err error) {
	for _, n := range routedNames {
		if strings.EqualFold(name, n) {
			path, _, _ := strings.Cut(n, "+")
			return Routed{RoutedPath(slices.Index(routedNames, path)), strings.Contains(n, overlapping), strings.HasSuffix(n, copying)}, nil
		}
	}
	return Routed{}, unknown("moe path", name, routedNames)
}

// possible says that a framework can run routed layers so, with matrix products of
// that format.
func (r RoutedPath) possible(profile *Profile, products Format, p *Plan) bool {
	switch r {
	case RoutedAuto, RoutedDropless:
		return true
	case RoutedFused:
		return slices.Contains(profile.Routed, r) && products == FormatMXFP8 && overlapsExchange(p)
	}
	return slices.Contains(profile.Routed, r)
}

// routed is how a case runs its routed layers. Left open, it is that of NVIDIA's recipes
// (Megatron-Bridge, scripts/performance/configs, from 26.08 on
// src/megatron/bridge/perf_recipes): since mid-2026 the fused one with mxfp8 on
// Blackwell, where the exchange can be overlapped; graphs on the other Blackwell runs, and before
// on systems of one fast domain a rack; otherwise neither. On Blackwell they overlap the
// exchange in every interleaved pipeline where it crosses the network. DualPipe is made
// to hide it (DeepSeek-V3, section 3.2.1).
func (c *Compiled) routed(p *Plan, m *Machine) Routed {
	l := c.Ledger
	r := l.Recipe.Routed
	if r.Path == RoutedAuto {
		late := l.stack() == stackMegatron && !l.Profile.EarlyMoE && m.arch == archBlackwell
		switch {
		case late && m.Format == FormatMXFP8 && overlapsExchange(p):
			r.Path = RoutedFused
		case late, m.Domain > 8:
			r.Path = RoutedGraphed
		default:
			r.Path = RoutedDropless
		}
		across := group{p.EP, p.ETP}.inDomain(m) < p.EP
		r.Overlap = m.arch == archBlackwell && p.VPP > 1 && across
	}
	r.Overlap = r.Overlap || r.Path == RoutedFused || p.Schedule == DualPipe
	// The dispatchers that send a token once are Megatron-Core's and do not know capacities
	// (MoEFlexTokenDispatcher).
	core := l.stack() == stackMegatron || l.stack() == stackMegatronUnfused
	r.AllToAll = r.AllToAll || r.Path == RoutedCapacity || !core
	return r
}

// overlapsExchange says that Megatron-Core can run the exchange of tokens beside the
// computation of another micro-batch: in a pipeline that needs interleaved chunks
// (megatron/core/transformer/transformer_config.py).
func overlapsExchange(p *Plan) bool { return p.PP == 1 || p.VPP > 1 || p.Schedule == DualPipe }
