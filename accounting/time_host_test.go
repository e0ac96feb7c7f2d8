package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The host queues kernels ahead of the device: where one of the two is far slower it sets
// the pace of a pass and the other costs nothing; where they are alike a pass takes 2^⅛
// times as long.
func TestHostRunsAhead(t *testing.T) {
	require.InEpsilon(t, 1.0905077, queued(1, 1), 1e-6)
	require.InEpsilon(t, 4, queued(1, 4), 1e-5)
	require.Equal(t, queued(2, 3), queued(3, 2))
	require.Equal(t, 5.0, queued(5, 0))
	require.Zero(t, queued(0, 0))

	step := func(layers, microBatch int64, launch float64) float64 {
		c, err := Options{Model: llamaLike(2048, layers, 16, 16, 8192, 32000, false, true), Recipe: "bf16-mixed", GPUs: 1, Context: 1024, MicroBatch: microBatch, GlobalBatch: microBatch}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		m := machine(t, "a100-sxm-80gb", "bf16-mixed")
		calibration := *m.Calibration
		calibration.Stacks[stackMegatron].Launch = launch
		m.Calibration = &calibration
		var out Time
		k.Time(&c.Setting, m, &out)
		return out.ComputeSeconds + out.AttentionSeconds + out.ElementwiseSeconds + out.LaunchSeconds
	}
	require.InEpsilon(t, step(8, 32, 5e-6), step(8, 32, 10e-6), 1e-5, "the device is the slower one")
	const slow = 1e-3
	stack := Shipped().stack(stackMegatron)
	layer := slow * (stack.KernelsForward + stack.KernelsBackward)
	require.InEpsilon(t, 8*layer, step(16, 1, slow)-step(8, 1, slow), 1e-5, "the host is")
	require.InEpsilon(t, step(16, 1, slow), step(16, 2, slow), 1e-5)
}
