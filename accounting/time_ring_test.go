package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// ringTime is forward and backward of a layer over cp ranks of 8,192 tokens, with
// 32 query heads of 128 and 8 of keys and values.
func ringTime(t *testing.T, profile, loss, recompute string, compile bool, tp, cp int64) (w unitTime, u unitContext) {
	t.Helper()
	m := machine(t, "h100-sxm", "fsdp-mixed")
	c, err := Options{Model: llamaLike(4096, 2, 32, 8, 14336, 32000, true, false), Profile: profile, Loss: loss, Recompute: recompute, Compile: compile, TP: tp, CP: cp, GPUs: 8, Context: 8192 * cp, MicroBatch: 1, GlobalBatch: 8}.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	u = k.unitContext(&c.Setting, m)
	k.layer(&u, k.layers[0], &w)
	return w, u
}

// PyTorch's ring gathers keys and values at the width of all queries, 2·4,096 values a
// token and rank, once a pass, and passes their fp32 gradients on once a block; compiled,
// nothing hides either (torch/distributed/tensor/experimental/_attention.py).
func TestGatheredRing(t *testing.T) {
	w, u := ringTime(t, "fsdp2", "eager", "none", true, 1, 4)
	gather := u.m.gather(group{4, 1}, 2*8192*8192*4)
	require.InEpsilon(t, gather, w.forward.cp, 1e-9)
	require.InEpsilon(t, gather+4*u.m.send(2, 4*8192*8192), w.backward.cp, 1e-9)

	// One block's merge is five passes of the output in one kernel, and some sixteen as it
	// is written: the pass that a hop adds, read off the growth with the ranks.
	merge := func(compile bool) float64 {
		four, u := ringTime(t, "fsdp2", "eager", "none", compile, 1, 4)
		two, _ := ringTime(t, "fsdp2", "eager", "none", compile, 1, 2)
		pass := 2 * 8192 * 4096 * u.stack.Elementwise / u.m.stream()
		return (four.forward.elementwise - two.forward.elementwise) / 2 / pass
	}
	require.InDelta(t, 5, merge(true), 1e-6)
	require.InDelta(t, 16.25+2*2, merge(false), 1e-6) // keys and values joined again as well

	// As it is written, the first block hides most of the gather and each block a message.
	plain, _ := ringTime(t, "fsdp2", "eager", "none", false, 1, 4)
	require.Less(t, plain.forward.cp, w.forward.cp)
	require.Less(t, plain.backward.cp, w.backward.cp)
	require.Positive(t, plain.forward.cp)
	// Grouped heads are a quarter as wide.
	grouped, _ := ringTime(t, "fsdp2", "chunked", "none", true, 1, 4)
	require.Less(t, grouped.forward.cp, w.forward.cp/3)
}

// Selective recompute by operation keeps what tensor parallelism has reduced and gathers
// again (_save_list of torchtitan's parallelize_llama.py): half of forward's traffic.
func TestSelectedGathers(t *testing.T) {
	kept, _ := ringTime(t, "fsdp2", "eager", "none", true, 8, 1)
	again, _ := ringTime(t, "fsdp2", "eager", "selective", true, 8, 1)
	require.InEpsilon(t, 1.5*kept.backward.tp, again.backward.tp, 1e-9)
	require.Equal(t, kept.forward.tp, again.forward.tp)
}
