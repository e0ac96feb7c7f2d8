package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

// drawModel draws a small decoder of any kind the description knows.
func drawModel(t *rapid.T) *arch.Model {
	heads := rapid.SampledFrom([]int64{1, 2, 4, 8, 12}).Draw(t, "heads")
	groups := []int64{}
	for g := int64(1); g <= heads; g++ {
		if heads%g == 0 {
			groups = append(groups, g)
		}
	}
	width := rapid.Int64Range(1, 64).Draw(t, "d_h")
	d := rapid.SampledFrom([]int64{heads * width, heads*width + 7, 96}).Draw(t, "d")
	layer := func(name string) arch.Layer {
		l := arch.Layer{
			Name: name,
			Attention: arch.Attention{
				Heads: heads, KVHeads: rapid.SampledFrom(groups).Draw(t, "g"), HeadDim: width, ValueDim: width, RotaryDim: width,
				Window: rapid.SampledFrom([]int64{0, 3, 1 << 20}).Draw(t, "window"), QBias: rapid.Bool().Draw(t, "bias"),
			},
			InputNorm: arch.NewNorm(arch.RMSNorm, d), FFNNorm: arch.NewNorm(arch.LayerNorm, d),
		}
		if rapid.Bool().Draw(t, "moe") {
			l.MoE = &arch.MoE{Experts: rapid.Int64Range(2, 9).Draw(t, "E"), TopK: 2, Expert: arch.FFN{Width: rapid.Int64Range(1, 99).Draw(t, "f_e"), Gated: true}}
		} else {
			l.FFN = &arch.FFN{Width: rapid.Int64Range(1, 400).Draw(t, "f"), Gated: rapid.Bool().Draw(t, "gated")}
		}
		return l
	}
	m := &arch.Model{
		Name: "random", Type: "seed", Hidden: d,
		Embedding: arch.Embedding{Vocab: rapid.Int64Range(1, 1000).Draw(t, "V"), Width: d},
		FinalNorm: arch.NewNorm(arch.RMSNorm, d),
		Head:      arch.Head{Tied: rapid.Bool().Draw(t, "tied")},
		Kinds:     []arch.Layer{layer("a"), layer("b")},
	}
	for range rapid.IntRange(1, 6).Draw(t, "L") {
		m.Sequence = append(m.Sequence, rapid.IntRange(0, 1).Draw(t, "kind"))
	}
	return m
}

// The compiled form and the sum of the ledger's cells are two readings of one
// table: they agree on every model and workload.
func TestCompiledEqualsLedgerSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := ParsePrecision("fp32")
		o, _ := ParseOptimizer("adamw")
		r := Recipe{Precision: p, Optimizer: o, Attention: AttentionKernel(rapid.IntRange(0, 1).Draw(t, "attention"))}
		l := NewLedger(drawModel(t), r, &seedProfile)
		c, err := Compile(l)
		require.NoError(t, err)
		b, s := rapid.Int64Range(1, 32).Draw(t, "b"), rapid.Int64Range(1, 512).Draw(t, "s")

		var parameters, memory int64
		var flops float64
		for i := range l.Sections {
			sec := &l.Sections[i]
			v := sec.Values
			v[SymB], v[SymS] = b, s
			for j := range sec.Components {
				comp := &sec.Components[j]
				n, err := comp.Parameters().Eval(&v)
				require.NoError(t, err)
				parameters += n * sec.Count
				flops += comp.FLOPs().Float(&v, c.sections[i].span(s, Causal)) * float64(sec.Count)
				if comp.Excluded {
					continue
				}
				saved, err := comp.SavedBytes().Eval(&v)
				require.NoError(t, err)
				memory += (16*n + saved) * sec.Count
			}
		}
		var got Report
		c.Evaluate(&Setting{Workload: Workload{Context: s, MicroBatch: b, GlobalBatch: b}, Plan: SingleGPU, GPUs: 1}, &got)
		require.Equal(t, OK, got.Reason)
		require.Equal(t, parameters, c.Counts.Total)
		require.Equal(t, memory, got.Memory.PeakBytes)
		require.InEpsilon(t, flops, got.FLOPs.Forward, 1e-12)
	})
}

// A model too large for 64 bits is refused, not wrapped around.
func TestOverflowIsAnError(t *testing.T) {
	m := seedModel(2, 1<<31, 1)
	m.Embedding.Vocab = 1 << 40
	r := Recipe{Precision: precisions[1], Optimizer: optimizers[0], Attention: Unfused}
	_, err := Compile(NewLedger(m, r, &seedProfile))
	require.ErrorIs(t, err, ErrOverflow)

	c, err := Compile(NewLedger(seedModel(48, 1600, 25), r, &seedProfile))
	require.NoError(t, err)
	var got Report
	c.Evaluate(&Setting{Workload: Workload{Context: 1 << 40, MicroBatch: 1, GlobalBatch: 1}, Plan: SingleGPU, GPUs: 1}, &got)
	require.Equal(t, ReasonOverflow, got.Reason)
}

// No case allocates: any model, profile, plan and recipe, 64 stages included.
func TestEvaluateDoesNotAllocate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, k, r := drawCase(t)
		require.Zero(t, testing.AllocsPerRun(3, func() { k.Evaluate(&c.Setting, &r) }))
	})
	m := llamaLike(8192, 128, 64, 8, 28672, 128256, true, false)
	for _, text := range []string{"none", "full:block:1", "full:uniform:2"} {
		c, r := explained(t, Options{Model: m, PP: 64, GPUs: 512, Context: 4096, Recompute: text, GlobalBatch: 512})
		require.Equal(t, OK, r.Reason)
		k, err := c.Compile()
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(10, func() { k.Evaluate(&c.Setting, &r) }))
	}
}
