package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Composer's loss passes over the logits 15 times forward (one kernel, and two metrics of
// seven passes) and twice backward, where PyTorch's alone has seven of each, and keeps
// them in 16 bits: 2 + 2 bytes a logit in the loss against 4 + 4 + 4.
func TestComposer(t *testing.T) {
	o := Options{Model: mptLike(t, true), GPUs: 8, Attention: "triton", Context: 2048, MicroBatch: 8, GlobalBatch: 64}
	run := func(profile string) (Time, Memory) {
		o := o
		o.Profile, o.Recipe = profile, "fsdp-pure"
		return runOf(t, o, "a100-sxm-40gb")
	}
	composer, small := run("composer")
	plain, large := run("fsdp2")
	m := machine(t, "a100-sxm-40gb", "fsdp-pure")
	logits := 8 * 2048 * 50368.0
	pass := 2 * logits * m.Calibration.stack(stackFSDP2).Elementwise / m.stream()
	require.InEpsilon(t, 3*pass, composer.ElementwiseSeconds-plain.ElementwiseSeconds, 1e-6)
	require.InDelta(t, 8*logits, large.LogitsBytes-small.LogitsBytes, 1e-3*logits)

	before, _ := run("composer-2023")
	require.Equal(t, composer.StepSeconds, before.StepSeconds)
	o.Recompute = "full"
	early, _ := run("composer")
	whole, _ := run("composer-2023")
	require.Less(t, early.RecomputeSeconds, 0.8*whole.RecomputeSeconds)

	// It has data parallelism alone, and nothing of torchtitan's choices.
	for _, other := range []Options{{TP: 2}, {PP: 2}, {CP: 2}, {Overlap: "none"}, {OptimizerInBackward: true}} {
		other.Model, other.Profile, other.GPUs, other.Context, other.MicroBatch, other.GlobalBatch = o.Model, "composer", 8, 2048, 1, 64
		c, err := other.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		require.Contains(t, []Reason{ReasonProfilePlan, ReasonProfileOption}, k.Check(&c.Setting.Workload, &c.Setting.Plan, c.Setting.GPUs))
	}

	// Its fp8 is fsdp-fp8 with the same 16-bit reduction.
	wide, err := ParsePrecision("fsdp-fp8")
	require.NoError(t, err)
	narrow, err := ParsePrecision("fsdp-fp8-pure")
	require.NoError(t, err)
	wide.Reduce16, wide.Name, wide.Source = true, narrow.Name, narrow.Source
	require.Equal(t, wide, narrow)

	// PURE is its default, DEFAULT of late 2023 reduces in fp32 when asked for.
	for recipe, name := range map[string]string{"": "fsdp-pure", "bf16": "fsdp-pure", "fsdp-mixed": "fsdp-mixed", "fsdp-fp8": "fsdp-fp8"} {
		o.Profile, o.Recipe = "composer", recipe
		c, err := o.Resolve()
		require.NoError(t, err)
		require.Equal(t, name, c.Recipe.Precision.Name)
	}
}

// In fp8 it quantises weights in each forward; cross-entropy of the metrics stays in 16
// bits, 2 passes against 7 each; and no bias takes a pass for its gradient.
func TestComposerFP8(t *testing.T) {
	o := Options{Model: mptLike(t, true), GPUs: 8, Attention: "triton", Profile: "composer", Recipe: "fsdp-fp8", Context: 2048, MicroBatch: 8, GlobalBatch: 64}
	m := machine(t, "h100-sxm", "fsdp-fp8")
	elementwise := func(change func(*Profile)) float64 {
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		ledger := *k.Ledger
		profile := *ledger.Profile
		change(&profile)
		ledger.Profile, k.Ledger = &profile, &ledger
		var out Time
		k.Time(&c.Setting, m, &out)
		return out.ElementwiseSeconds
	}
	own := elementwise(func(*Profile) {})
	weights := 24.0 * 12 * 2048 * 2048
	require.InEpsilon(t, weights*m.Calibration.Cast[FormatFP8]/m.stream(), own-elementwise(func(p *Profile) { p.CastsWeights = false }), 1e-6)
	tokens := 8 * 2048.0
	pass := 2 * tokens * m.Calibration.stack(stackFSDP2).Elementwise / m.stream()
	require.InEpsilon(t, pass*(10*50368+24*9*2048), elementwise(func(p *Profile) { p.narrowPasses = nil })-own, 1e-6)
}

// Around FlashAttention its code takes padding away and puts it back: 20 passes over the
// width of queries, keys, values and results. None around the port to Triton.
func TestComposerPadding(t *testing.T) {
	run := func(profile, attention string) float64 {
		out, _ := runOf(t, Options{Model: mptLike(t, true), GPUs: 8, Attention: attention, Profile: profile, Recipe: "fsdp-pure", Context: 2048, MicroBatch: 8, GlobalBatch: 64}, "h100-sxm")
		return out.ElementwiseSeconds
	}
	m := machine(t, "h100-sxm", "fsdp-pure")
	pass := 2 * 8 * 2048 * 2048 * m.Calibration.stack(stackFSDP2).Elementwise / m.stream()
	require.InEpsilon(t, 24*20*pass, run("composer", "flash")-run("composer", "triton"), 1e-6)
	require.InEpsilon(t, run("fsdp2", "triton"), run("fsdp2", "flash"), 1e-9)
}

// What te.Linear keeps of a layer in fp8, against nn.Linear: inputs in one byte in place of
// two, of d each before queries and the feed-forward and of 4d before its last product, that
// of attention's result beside it; and the weights transposed, 12d² bytes whole.
func TestComposerFP8Memory(t *testing.T) {
	run := func(recipe, recompute string) Memory {
		_, m := runOf(t, Options{Model: mptLike(t, true), GPUs: 8, Attention: "triton", Recompute: recompute, Profile: "composer", Recipe: recipe, Context: 2048, MicroBatch: 8, GlobalBatch: 64}, "h100-sxm")
		return m
	}
	const tokens, d = 8 * 2048, 2048
	wide, narrow := run("fsdp-pure", "none"), run("fsdp-fp8-pure", "none")
	require.EqualValues(t, 24*(12*d*d-tokens*d*(1+1+4-1)), narrow.ActivationsBytes-wide.ActivationsBytes)
	require.Equal(t, run("fsdp-pure", "full").ActivationsBytes, run("fsdp-fp8-pure", "full").ActivationsBytes)
}
