package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Blackwell Ultra makes twice the exponentials of Blackwell: at half of the peak, where
// those and the products take as long, forward has half of the exponentials' time less,
// a quarter; backward makes one for five products, a tenth; of narrow heads they are all
// that is not products.
func TestExponentials(t *testing.T) {
	ultra := machine(t, "gb300", "bf16-mixed")
	require.True(t, ultra.FastExponentials)
	require.True(t, machine(t, "b300-sxm", "mxfp8-mixed").FastExponentials)
	require.False(t, machine(t, "gb200", "bf16-mixed").FastExponentials)
	require.False(t, machine(t, "h100-sxm", "bf16-mixed").FastExponentials)
	require.InDelta(t, 0.25, ultra.sparedExponentials(0.5, 128, false), 1e-12)
	require.InDelta(t, 0.1, ultra.sparedExponentials(0.5, 128, true), 1e-12)
	require.InDelta(t, 0.25, ultra.sparedExponentials(0.5, 64, false), 1e-12)
	rapid.Check(t, func(t *rapid.T) {
		s := ultra.sparedExponentials(rapid.Float64Range(0.01, 1).Draw(t, "share"), float64(rapid.IntRange(32, 256).Draw(t, "dims")), rapid.Bool().Draw(t, "backward"))
		require.GreaterOrEqual(t, s, 0.0)
		require.LessOrEqual(t, s, 0.5)
	})
}

// Narrow products gather narrow values: of 16-bit gathers and reductions one fp8 format
// leaves three quarters, mxfp8 seven eighths with its scales, nvfp4 less than either.
func TestNarrowGather(t *testing.T) {
	step := func(recipe string) float64 {
		c, err := Options{Model: llamaLike(16384, 4, 128, 8, 53248, 128256, false, true), Recipe: recipe, TP: 8, GPUs: 8, Context: 8192, MicroBatch: 1, GlobalBatch: 1}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		m := *machine(t, "b200-sxm", recipe)
		calibration := *m.Calibration
		calibration.LinkLatency, calibration.Architectures[m.arch].LinkHop = 1e-12, 1e-12
		m.Calibration = &calibration
		u := k.unitContext(&c.Setting, &m)
		wide := u.gatheredWidths()
		return u.tensorParallel(16384, wide[0]) + u.tensorParallel(16384, wide[1])
	}
	wide := step("bf16-mixed")
	require.InEpsilon(t, 6.0/8, step("fp8-mixed")/wide, 1e-3)
	require.InEpsilon(t, (7+3.0/32)/8, step("mxfp8-mixed")/wide, 1e-3)
	require.InEpsilon(t, (5.5+3.0/16)/8, step("nvfp4-mixed")/wide, 1e-3)
}

// With one fp8 scale a tensor Megatron's recipes gather updated weights in fp8: half of
// their bytes, and all of the gradients'.
func TestNarrowWeights(t *testing.T) {
	step := func(recipe string, zero int64) float64 {
		c, err := Options{Model: llamaLike(8192, 8, 64, 8, 28672, 128256, false, true), Recipe: recipe, DP: 8, GPUs: 8, ZeRO: &zero, Context: 512, MicroBatch: 1, GlobalBatch: 8}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var out Time
		k.Time(&c.Setting, machine(t, "b200-sxm", recipe), &out)
		return out.DPCommSeconds
	}
	for _, zero := range []int64{1, 3} {
		require.Less(t, step("fp8-mixed-grad16", zero), step("mxfp8-mixed-grad16", zero))
	}
}
