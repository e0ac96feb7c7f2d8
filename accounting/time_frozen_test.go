package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// Frozen weights have no gradients: what is left of a backward passes through them to the
// inputs. Experts that wait for their weights read them once for that, and neither read nor
// write gradients.
func TestFrozenWeightsHaveNoGradients(t *testing.T) {
	compile := func(model, trainable string) (*Compiled, *Case) {
		m, err := arch.Lookup(model, arch.Options{})
		require.NoError(t, err)
		c, err := Options{Model: m, Trainable: trainable, EP: 2, DP: 2, ZeRO: new(int64), GlobalBatch: 2, Context: 1024}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		return k, c
	}
	for _, gpu := range []string{"l40s", "h100-sxm"} {
		slow := machine(t, gpu, "bf16-mixed")
		fast := *slow
		fast.Peak, fast.Peak16, fast.PrintedPeak = 1.5*slow.Peak, 1.5*slow.Peak16, 1.5*slow.PrintedPeak
		k, c := compile("mixtral-8x7b", "lora:16:q_proj+v_proj")
		u := k.unitContext(&c.Setting, slow)
		var head, layer, quick unitTime
		k.head(&u, &head)
		require.Zero(t, head.backward.gradients)
		require.Positive(t, head.backward.matmul)
		k.layer(&u, 1, &layer)
		u = k.unitContext(&c.Setting, &fast)
		k.layer(&u, 1, &quick)
		require.LessOrEqual(t, quick.backward.matmul, layer.backward.matmul)
		require.Less(t, layer.backward.matmul, 1.1*layer.forward.matmul)

		k, c = compile("mixtral-8x7b", "all")
		u = k.unitContext(&c.Setting, slow)
		k.head(&u, &head)
		require.Greater(t, head.backward.matmul, 1.8*head.forward.matmul)
	}
}
