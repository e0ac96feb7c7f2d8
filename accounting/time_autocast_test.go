package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Under torch.amp every weight of the layers is read in 4 bytes and written in 2 forward,
// and its gradient widened backward: 12 bytes; in every micro-batch but the first gradients
// of fp32 are added to those before, 12 bytes more, once whatever the profile; every input of a product is copied
// either way: 12 bytes. Norms, residual additions and Megatron's biased activation pass
// over values of 4 bytes instead of 2.
func TestAutocast(t *testing.T) {
	const d, layers, heads, ffn, vocab, s = 4096, 6, 32, 16384, 32000, 2048
	step := func(recipe string, layers, micro int64) float64 {
		c, err := Options{Model: llamaLike(d, layers, heads, heads, ffn, vocab, false, false), Recipe: recipe, GPUs: 1, Context: s, MicroBatch: 1, GlobalBatch: micro}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var out Time
		k.Time(&c.Setting, machine(t, "a100-sxm-80gb", recipe), &out)
		return out.ElementwiseSeconds
	}
	layer := func(recipe string, micro int64) float64 {
		return step(recipe, layers+1, micro) - step(recipe, layers, micro)
	}
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	weights := float64(4*d*d + 2*d*ffn)
	inputs := float64(s * (3*d + ffn)) // of qkv, output, up and down
	elementwise := m.Calibration.stack(stackMegatron).Elementwise
	stream := float64(s*d*(2*(2+3)+6+4)+s*ffn*(2+3)) * 2 * elementwise // norms, additions and activation once more
	once := (12*weights + 12*inputs + stream) / m.stream()
	require.InEpsilon(t, once, layer("autocast", 1)-layer("bf16-mixed", 1), 1e-6)
	norms := float64(4 * d) // weight and bias of two
	require.InEpsilon(t, 4*once+3*12*(weights+norms)/m.stream(), layer("autocast", 4)-layer("bf16-mixed", 4), 1e-6)
	require.Zero(t, (&unitContext{r: &Recipe{}, m: m}).wide()-1)
}
