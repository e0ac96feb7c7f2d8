package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// moeTime is the step of a mixture of experts, and the path it takes.
func moeTime(t *testing.T, gpu, recipe string, o Options) (Time, RoutedPath) {
	t.Helper()
	model, err := arch.Lookup("qwen3-30b-a3b", arch.Options{})
	require.NoError(t, err)
	o.Model, o.Recipe = model, recipe
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	m := machine(t, gpu, recipe)
	var out Time
	k.Time(&c.Setting, m, &out)
	return out, k.routedPath(&c.Setting.Plan, m)
}

// Megatron-Bridge's recipes: the fused path with mxfp8 on Blackwell since mid-2026
// (v0.5.0, scripts/performance/configs/qwen/qwen3_workload_base_configs.py), graphs on
// GB200 since 2025 (v0.2.0), neither on Hopper; overlap needs interleaved chunks.
func TestRoutedPath(t *testing.T) {
	f := func(gpu, recipe, profile string, pp, vpp int64, want RoutedPath) {
		t.Helper()
		_, path := moeTime(t, gpu, recipe, Options{Profile: profile, EP: 8, DP: 8, PP: pp, VPP: vpp})
		require.Equal(t, want, path)
	}
	f("gb200", "mxfp8-mixed", "megatron", 1, 1, RoutedFused)
	f("b200-sxm", "mxfp8-mixed", "megatron", 2, 2, RoutedFused)
	f("b200-sxm", "mxfp8-mixed", "megatron", 2, 1, RoutedGraphed)
	f("gb200", "bf16-mixed", "megatron", 1, 1, RoutedGraphed)
	f("gb200", "mxfp8-mixed", "megatron-2025", 1, 1, RoutedGraphed)
	f("b200-sxm", "mxfp8-mixed", "megatron-2025", 1, 1, RoutedDropless)
	f("h100-sxm", "fp8-mixed", "megatron", 1, 1, RoutedDropless)
	_, path := moeTime(t, "gb200", "mxfp8-mixed", Options{MoE: "capacity", EP: 8, DP: 8})
	require.Equal(t, RoutedCapacity, path)
	_, err := ParseRouted("droples")
	require.EqualError(t, err, `unknown moe path "droples"; did you mean dropless? (known: auto, dropless, capacity, graphed, fused)`)
}

// A dense model has nothing to route: the path is told to be in vain, whatever the
// framework.
func TestRoutedPathOfDenseModel(t *testing.T) {
	model, err := arch.Lookup("gpt2", arch.Options{})
	require.NoError(t, err)
	c, err := Options{Model: model, MoE: "fused", Profile: "torch-eager"}.Resolve()
	require.NoError(t, err)
	require.Contains(t, c.Notes, "model gpt2 has no routed layers: moe fused changes nothing")
	e, err := c.Explain(false)
	require.NoError(t, err)
	require.NotEqual(t, "ruled_out", e.Status)
}

// Each path spares something: the wait of the host, then everything that the fused
// one does. Without much to compute a dropless layer takes as long as its host.
func TestRoutedPathTimes(t *testing.T) {
	f := func(path string, context int64) Time {
		out, _ := moeTime(t, "b200-sxm", "mxfp8-mixed", Options{MoE: path, Context: context, EP: 8, DP: 8, GlobalBatch: 64})
		return out
	}
	dropless, graphed, fused := f("dropless", 4096), f("graphed", 4096), f("fused", 4096)
	require.Less(t, graphed.LaunchSeconds, dropless.LaunchSeconds)
	require.Less(t, fused.StepSeconds, graphed.StepSeconds)
	require.Less(t, fused.EPCommSeconds, graphed.EPCommSeconds)
	require.Less(t, fused.AttentionSeconds, graphed.AttentionSeconds)

	const layers, microBatches = 48, 8
	host := 2 * layers * microBatches * Shipped().Stacks[stackMegatron].RoutedHost
	require.InEpsilon(t, host, f("dropless", 256).StepSeconds, 0.2)
}

// A token goes once to each rank that it is wanted on: 8 of 8 copies want 8·(1 −
// (7/8)⁸) = 5.25 ranks (DeepEP, Liu et al. 2024, section 3.2.2).
func TestExchangeSendsTokensOnce(t *testing.T) {
	m := machine(t, "b200-sxm", "bf16-mixed")
	const big = 64 << 30
	require.InEpsilon(t, 5.25/8, m.exchange(group{8, 1}, big, 8)/m.exchange(group{8, 1}, big, 1), 0.01)
}

// With interleaved chunks an exchange across the network hides behind computation.
func TestExchangeAcrossDomainsIsOverlapped(t *testing.T) {
	f := func(vpp int64) Time {
		out, _ := moeTime(t, "b200-sxm", "mxfp8-mixed", Options{Profile: "megatron-2025", EP: 32, DP: 32, PP: 2, VPP: vpp, GlobalBatch: 512})
		return out
	}
	require.Less(t, f(2).EPCommSeconds, f(1).EPCommSeconds)
}

// With capacities each copy of a token is sent apart (MoEFlexTokenDispatcher refuses
// --moe-pad-expert-input-to-capacity).
func TestCapacitySendsCopies(t *testing.T) {
	f := func(path string) float64 {
		out, _ := moeTime(t, "h100-sxm", "bf16-mixed", Options{MoE: path, EP: 16, DP: 16})
		return out.EPCommSeconds
	}
	require.Greater(t, f("capacity"), 1.5*f("dropless"))
}
