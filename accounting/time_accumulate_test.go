package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What adding gradients takes, in passes over the memory: 16-bit ones read, read and
// written, in every micro-batch but the first; 16-bit ones added to fp32 ones 2 + 4 + 4
// bytes in every one. Where the product adds them itself there is none.
func TestAccumulate(t *testing.T) {
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	f := func(o Options, micro int64, bytes float64) {
		t.Helper()
		o.Model = llamaLike(4096, 4, 32, 32, 11008, 32000, true, false)
		o.GPUs, o.Context, o.MicroBatch, o.GlobalBatch = 8, 2048, 1, 8*micro
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		u := k.unitContext(&c.Setting, m)
		var slot unitSlot
		var p pace
		k.pace(&u, &slot, &p)
		var out Time
		k.Time(&c.Setting, m, &out)
		adds := out.ElementwiseSeconds - float64(micro)*p.parts.elementwise
		require.InDelta(t, bytes*p.dense/m.stream(), adds, 1e-9)
	}
	one, three := int64(1), int64(3)
	f(Options{Profile: "megatron-deepspeed", Recipe: "bf16-deepspeed"}, 4, 4*10)
	f(Options{Profile: "megatron-deepspeed", Recipe: "bf16-deepspeed"}, 1, 10)
	f(Options{Profile: "megatron-deepspeed", Recipe: "fp16-deepspeed", Attention: "flash"}, 4, 3*6)
	f(Options{Profile: "megatron-deepspeed", Recipe: "bf16-mixed-grad16"}, 1, 0)
	f(Options{Profile: "internevo"}, 4, 3*6)
	f(Options{Profile: "deepspeed", ZeRO: &one}, 4, 3*6)
	f(Options{Profile: "deepspeed", ZeRO: &three}, 4, 0)
	f(Options{Profile: "megatron"}, 4, 0)
}

// Megatron-DeepSpeed reduces when the last backward has ended, whatever that leaves time
// for.
func TestReducesLast(t *testing.T) {
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	step := func(batch int64) float64 {
		c, err := Options{Model: llamaLike(4096, 4, 32, 32, 11008, 32000, true, false), Profile: "megatron-deepspeed", GPUs: 8, Context: 2048, MicroBatch: 1, GlobalBatch: batch}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		u := k.unitContext(&c.Setting, m)
		var slot unitSlot
		var p pace
		k.pace(&u, &slot, &p)
		reduce, gather := k.gradients(&u, group{8, 1}, p.dense)
		var out Time
		k.Time(&c.Setting, m, &out)
		require.InEpsilon(t, reduce+gather, out.DPCommSeconds, 1e-9)
		return out.DPCommSeconds
	}
	require.Equal(t, step(8), step(64))
}
