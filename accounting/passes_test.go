package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// runOf times a case and finds its memory.
func runOf(t *testing.T, o Options, gpu string) (out Time, memory Memory) {
	t.Helper()
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	var r Report
	k.Evaluate(&c.Setting, &r)
	k.Time(&c.Setting, machine(t, gpu, c.Recipe.Precision.Name), &out)
	return out, r.Memory
}

// mptLike is a body of llm-foundry's MPT-1b: GPT's, with biases, tied.
func mptLike(t *testing.T, bias bool) *arch.Model {
	t.Helper()
	gated := false
	m, err := arch.Dimensions{Name: "mpt", Body: "gpt", Hidden: 2048, Layers: 24, Heads: 16, FFN: 8192, Vocab: 50368, Gated: &gated, MaxPositions: 2048}.Model()
	require.NoError(t, err)
	if !bias {
		for i := range m.Kinds {
			a := &m.Kinds[i].Attention
			a.QBias, a.KBias, a.VBias, a.OBias = false, false, false, false
			m.Kinds[i].FFN.UpBias, m.Kinds[i].FFN.DownBias = false, false
		}
	}
	return m
}

// The gradient of a bias reads that of the product's result once: of 3 + 1 + 4 + 1
// widths of a GPT layer.
func TestBiasGradient(t *testing.T) {
	run := func(bias bool, profile string) float64 {
		out, _ := runOf(t, Options{Model: mptLike(t, bias), Profile: profile, GPUs: 8, Context: 2048, MicroBatch: 8, GlobalBatch: 64}, "a100-sxm-40gb")
		return out.ElementwiseSeconds
	}
	m := machine(t, "a100-sxm-40gb", "fsdp-mixed")
	want := 24 * 9 * 2 * (8 * 2048 * 2048.0) * m.Calibration.stack(stackFSDP2).Elementwise / m.stream()
	require.InEpsilon(t, want, run(true, "fsdp2")-run(false, "fsdp2"), 1e-6)
	require.Equal(t, run(false, "megatron"), run(true, "megatron")) // a product makes it
}
