package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Four runs of a Llama-2-7B shape (feed-forward 10,880) on Megatron of 2023: bf16,
// flash attention, distributed optimizer, no sequence parallelism, H800;
// torch.cuda.max_memory_allocated over ranks (accounting.md, section 8).
func TestMegatron2023OnH800(t *testing.T) {
	const gib = 1 << 30
	f := func(want, tolerance float64, b, n, tp, pp int64) {
		t.Helper()
		off := false
		o := Options{
			Model: llamaLike(4096, 32, 32, 32, 10880, 32000, true, false), Profile: "megatron-2023",
			Context: 2048, MicroBatch: b, DP: n, TP: tp, PP: pp, SP: &off, GlobalBatch: b * n * max(8, pp),
		}
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var r Report
		k.Evaluate(&c.Setting, &r)
		require.Equal(t, OK, r.Reason)
		require.InEpsilon(t, want, float64(r.Memory.AllocatedBytes)/gib, tolerance)
	}
	f(69.1, 0.01, 2, 8, 1, 1)
	f(55.7, 0.01, 4, 4, 2, 1)
	// The first stage of two: 0.8 GiB that no tensor we know of explains.
	f(49.8, 0.017, 2, 4, 1, 2)
	f(28.8, 0.01, 4, 1, 8, 1)
}
