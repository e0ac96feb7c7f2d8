package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Megatron's rule for its fused softmax, as is_kernel_available states it: with four
// warps of one row each, micro-batch times heads of the rank has to divide by 4, and by 8
// for rows of up to 128 keys, which a warp takes two of.
func TestFusedSoftmax(t *testing.T) {
	unit := func(recipe, profile string, heads, tp, microBatch, context int64) bool {
		c, err := Options{Model: llamaLike(heads*64, 2, heads, heads, 4*heads*64, 32000, false, true), Profile: profile, Recipe: recipe, Attention: "unfused", TP: tp, GPUs: tp, Context: context, MicroBatch: microBatch, GlobalBatch: microBatch}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		u := k.unitContext(&c.Setting, machine(t, "a100-sxm-80gb", recipe))
		return u.fusedSoftmax(&c.Model.Kinds[0].Attention)
	}
	const half, megatron = "fp16-mixed", "megatron"
	require.True(t, unit(half, megatron, 16, 4, 1, 1024))
	require.False(t, unit(half, megatron, 16, 8, 1, 1024)) // two heads
	require.True(t, unit(half, megatron, 16, 8, 2, 1024))
	require.False(t, unit(half, megatron, 80, 8, 1, 2048)) // ten
	require.True(t, unit(half, megatron, 16, 4, 1, 4096))
	require.False(t, unit(half, megatron, 16, 4, 1, 8192))
	require.False(t, unit(half, megatron, 16, 4, 1, 16))
	require.False(t, unit(half, megatron, 16, 4, 1, 1022))
	require.False(t, unit(half, megatron, 16, 4, 1, 128))
	require.True(t, unit(half, megatron, 16, 2, 1, 128))
	require.False(t, unit("fp32", megatron, 16, 4, 1, 1024))
	require.False(t, unit(half, "megatron-deepspeed", 16, 8, 1, 1024))
	require.True(t, unit("autocast", "torch-eager", 12, 1, 1, 8192)) // not Megatron's code
}

// Without the kernel a pass over the scores costs 18.5 + 4 instead of 6 passes of 16 bits
// forward, and four kernels more are started.
func TestTorchSoftmax(t *testing.T) {
	step := func(context int64) Time {
		c, err := Options{Model: llamaLike(1024, 2, 16, 16, 4096, 32000, false, true), Recipe: "bf16-mixed", Attention: "unfused", GPUs: 1, Context: context, MicroBatch: 1, GlobalBatch: 1}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var out Time
		k.Time(&c.Setting, machine(t, "a100-sxm-80gb", "bf16-mixed"), &out)
		return out
	}
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	fused, torch := step(4096), step(4100)
	// 4,100² scores of 16 heads and two layers.
	extra := m.StreamSeconds(2 * (torchSoftmaxForward + torchSoftmaxBackward) * 2 * 16 * 4100 * 4100)
	require.InEpsilon(t, extra, torch.AttentionSeconds-fused.AttentionSeconds, 0.02)
	require.InDelta(t, 16.5, torchSoftmaxForward, 0)
	require.InDelta(t, 17.5, torchSoftmaxBackward, 0)
}
