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
	// hardware; see [Compiled.routedPath].
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

var routedNames = []string{"auto", "dropless", "capacity", "graphed", "fused"}

// String is the name of the flag value.
func (r RoutedPath) String() string { return routedNames[r] }

// sentence says for people what a path is.
func (r RoutedPath) sentence() string {
	return [...]string{
		RoutedAuto:     "as NVIDIA's recipes choose",
		RoutedDropless: "dropless: a kernel for each expert, whose size the host waits for (--moe)",
		RoutedCapacity: "with a fixed capacity for each expert (--moe)",
		RoutedGraphed:  "dropless, with attention and router in CUDA graphs (--moe)",
		RoutedFused:    "fused: one graph for the step, attention in fp8, the exchange of tokens beside computation (--moe)",
	}[r]
}

// RoutedNames lists the routed paths, default first.
func RoutedNames() []string { return routedNames }

// ParseRouted reads a routed path.
func ParseRouted(name string) (RoutedPath, error) {
	for i, n := range routedNames {
		if strings.EqualFold(name, n) {
			return RoutedPath(i), nil
		}
	}
	return 0, unknown("moe path", name, routedNames)
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

// routedPath is the path of a case. Left open, it is that of NVIDIA's recipes
// (Megatron-Bridge, scripts/performance/configs, from 26.08 on
// src/megatron/bridge/perf_recipes): since mid-2026 the fused one with mxfp8 on
// Blackwell, where the exchange can be overlapped; graphs on the other Blackwell runs, and before
// on systems of one fast domain a rack; otherwise neither.
func (c *Compiled) routedPath(p *Plan, m *Machine) RoutedPath {
	l := c.Ledger
	path := l.Recipe.Routed
	if path != RoutedAuto {
		return path
	}
	late := l.stack() == stackMegatron && !l.Profile.EarlyMoE && m.arch == archBlackwell
	switch {
	case late && m.Format == FormatMXFP8 && overlapsExchange(p):
		return RoutedFused
	case late, m.Domain > 8:
		return RoutedGraphed
	}
	return RoutedDropless
}

// overlapsExchange says that Megatron-Core can run the exchange of tokens beside the
// computation of another micro-batch: in a pipeline that needs interleaved chunks
// (megatron/core/transformer/transformer_config.py).
func overlapsExchange(p *Plan) bool { return p.PP == 1 || p.VPP > 1 }
