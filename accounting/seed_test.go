package accounting

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// seedModel is the worked example's model (accounting.md section 2): d_ff = 4d.
func seedModel(layers, d, heads int64) *arch.Model {
	m := &arch.Model{
		Name: "seed", Type: "seed", Hidden: d, MaxPositions: 1024,
		Embedding: arch.Embedding{Vocab: 50257, Width: d},
		FinalNorm: arch.NewNorm(arch.RMSNorm, d),
		Kinds: []arch.Layer{{
			Name:      "layer",
			Attention: arch.Attention{Heads: heads, KVHeads: heads, HeadDim: d / heads, ValueDim: d / heads, RotaryDim: d / heads},
			FFN:       &arch.FFN{Width: 4 * d, Gated: true, Activation: "silu"},
			InputNorm: arch.NewNorm(arch.RMSNorm, d), FFNNorm: arch.NewNorm(arch.RMSNorm, d),
		}},
		Sequence: make([]int, layers),
	}
	return m
}

func seedRecipe(t *testing.T) Recipe {
	t.Helper()
	p, err := ParsePrecision("fp32")
	require.NoError(t, err)
	o, err := ParseOptimizer("adamw")
	require.NoError(t, err)
	return Recipe{Precision: p, Optimizer: o, Attention: Unfused}
}

func seedCompiled(t *testing.T, layers, d, heads int64) *Compiled {
	t.Helper()
	c, err := Compile(NewLedger(seedModel(layers, d, heads), seedRecipe(t), &seedProfile))
	require.NoError(t, err)
	return c
}

// Every number below is from accounting.md section 2.
func TestSeedParameters(t *testing.T) {
	f := func(layers, d, heads, want int64) {
		t.Helper()
		require.Equal(t, want, seedCompiled(t, layers, d, heads).Counts.Total)
	}
	f(12, 768, 12, 190_460_160)
	f(24, 1024, 16, 505_629_696)
	f(36, 1280, 20, 1_072_469_760)
	f(48, 1600, 25, 2_127_057_600)
}

func TestSeedAlgebra(t *testing.T) {
	l := NewLedger(seedModel(48, 1600, 25), seedRecipe(t), &seedProfile)
	s := l.Section("layer")
	states := s.Sum((*Component).Parameters).Scale(4) // weights, gradients, two moments
	layer := states.Plus(s.Sum((*Component).SavedElems)).Simplify(&s.Values)
	require.Equal(t, "64d² + 8d + 23BSd + 2BhS²", layer.String())
	head := l.Section("head")
	require.Equal(t, "4Vd + 4d + BSV", head.Sum((*Component).Parameters).Scale(4).Plus(head.Sum((*Component).SavedElems)).Simplify(&head.Values).String())
}

func TestSeedMemory(t *testing.T) {
	c := seedCompiled(t, 48, 1600, 25)
	for _, b := range []int64{1, 2, 3, 100} {
		var r Report
		c.Evaluate(&Setting{Workload: Workload{Context: 1024, MicroBatch: b, GlobalBatch: b}, Plan: SingleGPU, GPUs: 1}, &r)
		require.Equal(t, OK, r.Reason)
		require.Equal(t, 32_746_342_400+17_507_356_672*b, r.Memory.PeakBytes)
	}
}

func TestSeedForwardFLOPs(t *testing.T) {
	f := func(layers, d, heads, s int64, want float64, shares map[Group]float64) {
		t.Helper()
		c := seedCompiled(t, layers, d, heads)
		require.Equal(t, want, c.ForwardFLOPs(1, s, FullSquare))
		var sum float64
		for _, g := range c.ForwardByGroup(1, s, FullSquare) {
			sum += g.FLOPs
			require.InDelta(t, shares[g.Group], math.Round(g.FLOPs/want*1e4)/100, 1e-9, g.Group)
		}
		require.Equal(t, want, sum)
	}
	row := func(qkv, qk, av, out, ffn, head float64) map[Group]float64 {
		return map[Group]float64{GroupQKV: qkv, GroupQK: qk, GroupAV: av, GroupOut: out, GroupFFN: ffn, GroupHead: head}
	}
	f(12, 768, 12, 1024, 349_630_365_696, row(12.44, 5.53, 5.53, 4.15, 49.75, 22.61))
	f(24, 1024, 16, 1024, 1_033_109_504_000, row(14.97, 4.99, 4.99, 4.99, 59.87, 10.20))
	f(36, 1280, 20, 1024, 2_257_754_521_600, row(16.05, 4.28, 4.28, 5.35, 64.20, 5.84))
	f(48, 1600, 25, 1024, 4_513_336_524_800, row(16.73, 3.57, 3.57, 5.58, 66.91, 3.65))
	f(48, 1600, 25, 16384, 149_522_795_724_800, row(8.08, 27.58, 27.58, 2.69, 32.32, 1.76))
}

func TestAdamWStepIsFourteenFLOPsAParameter(t *testing.T) {
	c := seedCompiled(t, 48, 1600, 25)
	require.Equal(t, 29_778_806_400.0, c.StepFLOPs(1, 1024, FullSquare).Optimizer)
}
