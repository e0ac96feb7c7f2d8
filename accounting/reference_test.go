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
	f := func(want float64, b, n, tp, pp int64) {
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
		require.InEpsilon(t, want, float64(r.Memory.AllocatedBytes)/gib, 0.01)
	}
	f(69.1, 2, 8, 1, 1)
	f(55.7, 4, 4, 2, 1)
	f(49.8, 2, 4, 1, 2)
	f(28.8, 4, 1, 8, 1)
}

// torchtitan of mid 2024, Llama-3-8B on 8 H100: 77.29 GiB reserved in the steady
// state (pytorch pull requests 129721 and 132445), on cards that offer 79.1 GiB.
func TestTorchtitanReserved(t *testing.T) {
	const gib = 1 << 30
	o := Options{
		Model: llamaLike(4096, 32, 32, 8, 14336, 128256, true, false), Profile: "fsdp2-2024",
		Context: 8192, MicroBatch: 1, GPUs: 8, GlobalBatch: 8,
	}
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	var r Report
	k.Evaluate(&c.Setting, &r)
	require.Equal(t, OK, r.Reason)
	reserved, device := r.Memory.Cached(791 * gib / 10)
	t.Logf("%.2f GiB reserved, %.2f on the device", float64(reserved)/gib, float64(device)/gib)
	require.InEpsilon(t, 77.29, float64(reserved)/gib, 0.02)
	require.LessOrEqual(t, r.Memory.PeakBytes, int64(791*gib/10), "it ran")
}
