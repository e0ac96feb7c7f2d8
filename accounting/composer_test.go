package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Composer's loss passes over the logits 15 times forward (one kernel, and two metrics of
// seven passes) and twice backward, where PyTorch's alone has seven of each, and keeps
// them in 16 bits: 2 + 2 bytes a logit in the loss against 4 + 4 + 4.
func TestComposer(t *testing.T) {
	o := Options{Model: mptLike(t, true), GPUs: 8, Context: 2048, MicroBatch: 8, GlobalBatch: 64}
	run := func(profile string) (Time, Memory) {
		o := o
		o.Profile, o.Recipe = profile, "fsdp-pure"
		return runOf(t, o, "a100-sxm-40gb")
	}
	composer, small := run("composer")
	plain, large := run("fsdp2")
	m := machine(t, "a100-sxm-40gb", "fsdp-pure")
	logits := 8 * 2048 * 50368.0
	pass := 2 * logits * m.Calibration.Stacks[stackFSDP2].Elementwise / m.stream()
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
}
