package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// torchtune compiles layers inside their checkpoints: recompute runs them to their end,
// where torch-eager spares the last product. The loss outside stays as it is, unless it
// is chunked.
func TestTorchtune(t *testing.T) {
	model, err := arch.Lookup("llama-3.2-3b", arch.Options{})
	require.NoError(t, err)
	zero := int64(0)
	run := func(profile, recompute, loss string, compile bool) Time {
		out, _ := runOf(t, Options{Model: model, Profile: profile, Recipe: "bf16-pure", Recompute: recompute, Loss: loss, Compile: compile, ZeRO: &zero, GPUs: 1, Context: 4096, MicroBatch: 2, GlobalBatch: 2}, "a100-sxm-80gb")
		return out
	}
	m := machine(t, "a100-sxm-80gb", "bf16-pure")
	last := 28 * m.ProductSeconds(2*4096, 3072, 8192, false, false)
	require.InEpsilon(t, last, run("torchtune", "full", "chunked", true).RecomputeSeconds-run("torch-eager", "full", "chunked", true).RecomputeSeconds, 1e-6)
	require.Equal(t, run("torch-eager", "full", "", false), run("torchtune", "full", "", false))
	eager, chunked := run("torchtune", "none", "", true), run("torchtune", "none", "chunked", true)
	pass := 2 * (2 * 4096 * 128256.0) * m.Calibration.stack(stackEager).Elementwise / m.stream()
	require.InEpsilon(t, 10*pass, eager.ElementwiseSeconds-chunked.ElementwiseSeconds, 1e-6)
	require.Equal(t, run("torch-eager", "none", "chunked", true), chunked)
}

// An update in backward has no gradients to zero or to take a norm of: two passes less.
func TestUpdateInBackwardHasNoNorm(t *testing.T) {
	model, err := arch.Lookup("llama-3.2-3b", arch.Options{})
	require.NoError(t, err)
	zero := int64(0)
	run := func(inBackward bool) float64 {
		out, _ := runOf(t, Options{Model: model, Profile: "torchtune", Recipe: "bf16-pure", OptimizerInBackward: inBackward, ZeRO: &zero, GPUs: 1, Context: 4096, MicroBatch: 2, GlobalBatch: 2}, "a100-sxm-80gb")
		return out.OptimizerSeconds
	}
	count, err := model.ParameterCount()
	require.NoError(t, err)
	m := machine(t, "a100-sxm-80gb", "bf16-pure")
	require.InEpsilon(t, 2*2*float64(count.Total)/m.stream(), run(false)-run(true), 1e-3)
}
