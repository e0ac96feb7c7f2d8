package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

// moeTime is the step of a mixture of experts, Qwen3-30B where o names none, and the path
// it takes.
func moeTime(t *testing.T, gpu, recipe string, o Options) (Time, RoutedPath) {
	t.Helper()
	o.Recipe = recipe
	if o.Model == nil {
		var err error
		o.Model, err = arch.Lookup("qwen3-30b-a3b", arch.Options{})
		require.NoError(t, err)
	}
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	m := machine(t, gpu, recipe)
	var out Time
	k.Time(&c.Setting, m, &out)
	return out, k.routed(&c.Setting.Plan, m).Path
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
	require.EqualError(t, err, `unknown moe path "droples"; did you mean dropless? (known: auto, dropless, capacity, graphed, fused, dropless+overlap, capacity+overlap, graphed+overlap, dropless+alltoall, graphed+alltoall, dropless+overlap+alltoall, graphed+overlap+alltoall)`)
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
	host := 2 * layers * microBatches * Shipped().stack(stackMegatron).RoutedHost
	require.InEpsilon(t, host, f("dropless", 256).StepSeconds, 0.2)
}

// A token goes once to each rank that it is wanted on: 8 of 8 copies want 8·(1 −
// (7/8)⁸) = 5.25 ranks (DeepEP, Liu et al. 2024, section 3.2.2).
func TestExchangeSendsTokensOnce(t *testing.T) {
	m := machine(t, "b200-sxm", "bf16-mixed")
	const big = 64 << 30
	require.InEpsilon(t, 5.25/8, m.exchange(group{8, 1}, big, spread{copies: 8})/m.exchange(group{8, 1}, big, spread{copies: 1}), 0.01)
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

// A token of DeepSeek-V3 goes to at most 4 of the 8 groups of experts, a group a node
// with experts over 64 ranks: 4·(1 − (3/4)⁸) = 3.6 nodes in place of 8·(1 − (7/8)⁸) =
// 5.25 (section 2.1.2, node-limited routing).
func TestGroupsLimitNodes(t *testing.T) {
	v3 := spread{copies: 8, groups: 8, limit: 4}
	require.InDelta(t, 3.5995, v3.wanted(8), 1e-4)
	require.InDelta(t, 3.5995, v3.wanted(4), 1e-4, "two groups a node")
	require.InDelta(t, 8*(1-pow(7./8, 8)), v3.wanted(16), 1e-9, "half a group a node")
	free := spread{copies: 8}
	m := machine(t, "h800-sxm", "fp8-mixed")
	g := group{64, 1}
	require.InEpsilon(t, 3.5995/5.2511, m.exchange(g, 64<<30, v3)/m.exchange(g, 64<<30, free), 0.01)
	rapid.Check(t, func(t *rapid.T) {
		s := spread{copies: rapid.Float64Range(1, 16).Draw(t, "copies"), groups: 8, limit: float64(rapid.IntRange(1, 8).Draw(t, "limit"))}
		parts := float64(rapid.IntRange(1, 256).Draw(t, "parts"))
		n := s.wanted(parts)
		require.LessOrEqual(t, n, min(s.copies, parts)+1e-9)
		require.LessOrEqual(t, n, (&spread{copies: s.copies}).wanted(parts)+1e-9)
		require.LessOrEqual(t, n, (&spread{copies: s.copies, groups: 8, limit: s.limit + 1}).wanted(parts)+1e-9)
	})
}

// What runs beside computation costs no more than what does not, with the same kernels:
// on request, and under DualPipe, which is made for that. A slower network never makes
// a step faster.
func TestOverlapHides(t *testing.T) {
	model, err := arch.Lookup("deepseek-v3", arch.Options{})
	require.NoError(t, err)
	plan := Options{Model: model, EP: 64, DP: 64, PP: 4, VPP: 2, GlobalBatch: 2048}
	f := func(path, schedule string, vpp int64) Time {
		o := plan
		o.MoE, o.Schedule, o.VPP = path, schedule, vpp
		out, _ := moeTime(t, "h800-sxm", "fp8-mixed", o)
		return out
	}
	plain, overlapped, dual := f("dropless", "1f1b", 2), f("dropless+overlap", "1f1b", 2), f("dropless", "dualpipe", 1)
	for _, hidden := range []Time{overlapped, dual} {
		require.Less(t, hidden.EPCommSeconds, plain.EPCommSeconds/2)
		require.InEpsilon(t, plain.ComputeSeconds, hidden.ComputeSeconds, 0.1)
	}
	require.Equal(t, plain.ComputeSeconds, overlapped.ComputeSeconds)
	require.Less(t, overlapped.StepSeconds, plain.StepSeconds)

	rapid.Check(t, func(t *rapid.T) {
		o := plan
		o.MoE = rapid.SampledFrom([]string{"dropless", "dropless+overlap"}).Draw(t, "moe")
		if rapid.Bool().Draw(t, "dualpipe") {
			o.MoE, o.Schedule, o.VPP = "dropless", "dualpipe", 1
		}
		o.Recipe = "fp8-mixed"
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		on := *machine(t, "h800-sxm", "fp8-mixed")
		slow := on
		slow.NetworkRate /= rapid.Float64Range(1, 8).Draw(t, "slower")
		var fast, late Time
		k.Time(&c.Setting, &on, &fast)
		k.Time(&c.Setting, &slow, &late)
		require.GreaterOrEqual(t, late.StepSeconds, fast.StepSeconds)
		require.GreaterOrEqual(t, fast.EPCommSeconds, 0.0)
	})
}

// DeepSeek-V3 took 180,000 hours of H800 for a trillion tokens (its report, section 1),
// with DualPipe, experts over eight nodes, one prediction layer and some recompute
// (section 3.2); its global batch was 15,360 sequences of 4,096 tokens. It ran on
// kernels of its own, of which no other run tells.
func TestDeepSeekV3(t *testing.T) {
	model, err := arch.Lookup("deepseek-v3", arch.Options{})
	require.NoError(t, err)
	out, _ := moeTime(t, "h800-sxm", "fp8-mixed", Options{
		Model: model, Profile: "megatron-2024", PP: 16, EP: 64, DP: 128, Context: 4096, GlobalBatch: 15360, Schedule: "dualpipe", MTP: 1,
		Recompute: "selective:layernorm+mla_up_proj+moe_act",
	})
	published := 180e3 * 3600 / 2048 * (15360 * 4096 / 1e12) // seconds a step
	require.InEpsilon(t, published, out.StepSeconds, 0.1)
	require.Less(t, out.EPCommSeconds, out.StepSeconds/10) // while the pipeline fills and drains
}

// Every path has a name that is read back.
func TestRoutedNames(t *testing.T) {
	for _, name := range RoutedNames() {
		r, err := ParseRouted(name)
		require.NoError(t, err)
		require.Equal(t, name, r.String())
	}
}

// Sent in copies, a token crosses for each of its experts and is sorted once more; PyTorch's
// frameworks always do so.
func TestAllToAll(t *testing.T) {
	o := Options{Context: 4096, EP: 8, DP: 8, GlobalBatch: 64}
	step := func(recipe, path, profile string) Time {
		o.MoE, o.Profile = path, profile
		out, _ := moeTime(t, "b200-sxm", recipe, o)
		return out
	}
	once, copies := step("bf16-mixed", "graphed", "megatron"), step("bf16-mixed", "graphed+alltoall", "megatron")
	// Of eight copies, 8·(1 − (7/8)⁸) = 5.25 ranks want one.
	require.InEpsilon(t, 8/5.251, copies.EPCommSeconds/once.EPCommSeconds, 0.12) // and latency
	// A row of a token of eight, 48 layers of 8 micro-batches, both directions: 6.25 passes in
	// place of 2·(1 + 5.25/8).
	m := machine(t, "b200-sxm", "bf16-mixed")
	pass := 2 * 4096 * 8 * 2048 * m.Calibration.stack(stackMegatron).Elementwise / m.stream()
	require.InEpsilon(t, 48*8*2*(6.25-2*(1+5.251/8))*pass*m.Calibration.RoutedApart, copies.ElementwiseSeconds-once.ElementwiseSeconds, 1e-3)
	// Below 16 bits rows are copied to a multiple of the scales' block and back: 4 more.
	mx := machine(t, "b200-sxm", "mxfp8-mixed")
	more := step("mxfp8-mixed", "graphed+alltoall", "megatron").ElementwiseSeconds - step("mxfp8-mixed", "graphed", "megatron").ElementwiseSeconds
	require.InEpsilon(t, 48*8*2*(10.25-2*(1+5.251/8))*pass*mx.Calibration.RoutedApart, more, 1e-3)
	require.Equal(t, step("fsdp-mixed", "dropless", "fsdp2").EPCommSeconds, step("fsdp-mixed", "auto", "fsdp2").EPCommSeconds)
}

// What an overlapped exchange hides is seen while the pipeline fills and drains: the share
// pp of the micro-batches.
func TestExchangeIsSeenAtTheEnds(t *testing.T) {
	step := func(batch int64) Time {
		out, _ := moeTime(t, "h100-sxm", "bf16-mixed", Options{MoE: "graphed+overlap", Context: 4096, PP: 2, VPP: 2, EP: 16, DP: 16, GlobalBatch: batch})
		return out
	}
	few, many := step(16*4), step(16*8)
	// Twice the micro-batches have twice what is always seen, and no more of the ends'.
	always := many.EPCommSeconds - few.EPCommSeconds
	ends := 2*few.EPCommSeconds - many.EPCommSeconds
	require.Positive(t, ends)
	require.GreaterOrEqual(t, always, 0.0)
	longer := step(16 * 16)
	require.InEpsilon(t, 4*always+ends, longer.EPCommSeconds, 1e-9)
}

// The biases of experts' down-projections pass over the rows in kernels of their own, but
// where one kernel does all; recompute of modules repeats their passes forward.
func TestExpertBiasesAndRepeatedPasses(t *testing.T) {
	model, err := arch.Lookup("gpt-oss-120b", arch.Options{})
	require.NoError(t, err)
	plain, err := arch.Lookup("gpt-oss-120b", arch.Options{})
	require.NoError(t, err)
	for i := range plain.Kinds {
		moe := *plain.Kinds[i].MoE
		moe.Expert.DownBias = false
		plain.Kinds[i].MoE = &moe
	}
	step := func(m *arch.Model, recipe, path, recompute string) Time {
		out, _ := moeTime(t, "gb200", recipe, Options{Model: m, MoE: path, Recompute: recompute, Context: 4096, EP: 64, DP: 64, GlobalBatch: 64})
		return out
	}
	m := machine(t, "gb200", "bf16-mixed")
	c := m.Calibration
	pass := 2 * 4096 * 4 * 2880 * c.stack(stackMegatron).Elementwise / m.stream() * c.RoutedApart
	for path, passes := range map[string]float64{"graphed": 34, "graphed+alltoall": 14} {
		more := step(model, "bf16-mixed", path, "none").ElementwiseSeconds - step(plain, "bf16-mixed", path, "none").ElementwiseSeconds
		require.InEpsilon(t, 36*passes*pass, more, 1e-9, path)
	}
	require.InDelta(t, step(plain, "mxfp8-mixed", "fused", "none").ElementwiseSeconds, step(model, "mxfp8-mixed", "fused", "none").ElementwiseSeconds, 1e-9)

	// The gate's three passes over rows of 2,880, and two norms' two over a token.
	require.InEpsilon(t, 36*3*pass, step(model, "bf16-mixed", "graphed", "selective:moe_act").RecomputeSeconds, 1e-9)
	require.InEpsilon(t, 36*4*pass/4/c.RoutedApart, step(model, "bf16-mixed", "graphed", "selective:layernorm").RecomputeSeconds, 1e-9)
}

// Which kernel attends says nothing of the dispatcher: Megatron-Core sends a token once
// beside unfused attention as well.
func TestDispatcherBesideUnfusedAttention(t *testing.T) {
	f := func(attention, path string) float64 {
		out, _ := moeTime(t, "h100-sxm", "bf16-mixed", Options{MoE: path, Attention: attention, EP: 16, DP: 16})
		return out.EPCommSeconds
	}
	require.InEpsilon(t, f("flash", "dropless+alltoall")/f("flash", "dropless"), f("unfused", "dropless+alltoall")/f("unfused", "dropless"), 1e-9)
}

// Sending every copy of a token is never faster than sending it once to each rank that
// holds some of its experts.
func TestCopiesAreNeverFaster(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ep := rapid.SampledFrom([]int64{1, 2, 8, 16, 64}).Draw(rt, "ep")
		o := Options{
			Profile:   rapid.SampledFrom([]string{"megatron", "megatron-2025", "megatron-2024", "fsdp2"}).Draw(rt, "profile"),
			Attention: rapid.SampledFrom([]string{"flash", "unfused"}).Draw(rt, "attention"),
			EP:        ep, DP: 64, MicroBatch: rapid.Int64Range(1, 4).Draw(rt, "micro"), Context: 4096, GlobalBatch: 1024,
		}
		gpu, recipe := "h100-sxm", rapid.SampledFrom([]string{"bf16-mixed", "fp8-mixed"}).Draw(rt, "recipe")
		if rapid.Bool().Draw(rt, "blackwell") {
			gpu, recipe = "gb200", "mxfp8-mixed"
		}
		if o.Profile == "fsdp2" {
			recipe = "fsdp-mixed"
		}
		step := func(path string) float64 {
			o := o
			o.MoE = path
			out, _ := moeTime(t, gpu, recipe, o)
			return out.StepSeconds
		}
		path := rapid.SampledFrom([]string{"dropless", "graphed"}).Draw(rt, "path")
		require.GreaterOrEqual(rt, step(path+"+alltoall")*(1+1e-12), step(path))
	})
}

// Experts that are cut over tensor-parallel ranks gather the copies of tokens that were
// sent to them and scatter their results (MoEAlltoAllTokenDispatcher of Megatron-Core's
// transformer/moe/token_dispatcher.py, tp_size > 1): 8 copies in place of the one of a
// dense feed-forward, beside what attention gathers and scatters.
func TestCutExpertsGatherCopies(t *testing.T) {
	model, err := arch.Lookup("qwen3-30b-a3b", arch.Options{})
	require.NoError(t, err)
	m := machine(t, "h100-sxm", "bf16-mixed")
	tp := func(etp int64) float64 {
		c, err := Options{Model: model, MoE: "dropless", TP: 2, ETP: etp, EP: 4, GPUs: 8, Context: 4096, MicroBatch: 1, GlobalBatch: 4}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		u := k.unitContext(&c.Setting, m)
		var out unitTime
		k.layer(&u, k.layers[0], &out)
		return out.forward.tp
	}
	copies := 4096.0 * 8
	require.InEpsilon(t, 2*m.gather(group{2, 1}, 2*copies*2048)*m.Calibration.stack(stackMegatron).TPExposed, tp(2)-tp(1), 1e-9)
}
