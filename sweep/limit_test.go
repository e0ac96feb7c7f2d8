package sweep

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting"
	"headroom/accounting/arch"
)

func lookup(t require.TestingT, name string) *arch.Model {
	m, err := arch.Lookup(name, arch.Options{})
	require.NoError(t, err)
	return m
}

// The worked example (accounting.md 2.2): 32,746,342,400 + 17,507,356,672·B
// bytes; 2 sequences in 80 GB and 3 in 80 GiB.
func TestLimitOfTheWorkedExample(t *testing.T) {
	f := func(capacity string, bytes, largest int64, root float64, unit string) {
		t.Helper()
		r, err := Limit(LimitQuery{
			Case: accounting.Options{Model: lookup(t, "seed-gpt2-xl"), Context: 1024},
			Axis: LimitMicroBatch, CapacityBytes: bytes, Capacity: capacity,
		})
		require.NoError(t, err)
		require.Equal(t, largest, r.Largest)
		require.Equal(t, unit, r.CapacityUnit)
		require.Equal(t, "memory", r.LimitedBy)
		require.Equal(t, 32_746_342_400+17_507_356_672*largest, r.PeakBytes)
		require.Equal(t, []float64{32_746_342_400, 17_507_356_672}, r.Fit.Coefficients)
		require.InDelta(t, root, *r.Fit.Root, 5e-4)
		require.Equal(t, largest, *r.Fit.Largest)
		require.True(t, r.Fit.Agrees)
		require.True(t, r.Fit.Exact)
		require.Equal(t, 1.0, r.Fit.R2)
		require.Empty(t, r.Notes)
	}
	f("80GB", 80e9, 2, 2.699, "GB")
	f("80GiB", 80<<30, 3, 3.036, "GiB")
}

// With the token embedding's 4·V·d floats, which the sheet leaves out.
func TestLimitWithTheTokenEmbedding(t *testing.T) {
	f := func(bytes, largest int64, root float64) {
		t.Helper()
		r, err := Limit(LimitQuery{
			Case: accounting.Options{Model: lookup(t, "seed-gpt2-xl"), Context: 1024, WithEmbedding: true},
			Axis: LimitMicroBatch, CapacityBytes: bytes,
		})
		require.NoError(t, err)
		require.Equal(t, largest, r.Largest)
		require.Equal(t, []float64{34_032_921_600, 17_507_356_672}, r.Fit.Coefficients)
		require.InDelta(t, root, *r.Fit.Root, 5e-4)
		require.Len(t, r.Swept, len(r.Fit.Points))
		for _, p := range r.Swept {
			require.Equal(t, float64(p.PeakBytes), p.FittedBytes)
			require.Equal(t, p.Value <= largest, p.Fits)
		}
	}
	f(80e9, 2, 2.626)
	f(80<<30, 2, 2.963)
}

// The same sheet over the context: 23·B·S·d·L + B·S·V and 2·B·h·S²·L floats.
func TestLimitOfContextIsAQuadratic(t *testing.T) {
	r, err := Limit(LimitQuery{
		Case: accounting.Options{Model: lookup(t, "seed-gpt2-xl"), MicroBatch: 1},
		Axis: LimitContext, CapacityBytes: 80e9, Capacity: "80GB",
	})
	require.NoError(t, err)
	require.Equal(t, []float64{32_746_342_400, 4 * (23*1600*48 + 50257), 4 * 2 * 25 * 48}, r.Fit.Coefficients)
	require.Equal(t, r.Largest, *r.Fit.Largest)
	require.True(t, r.Fit.Agrees)

	stepped, err := Limit(LimitQuery{
		Case: accounting.Options{Model: lookup(t, "seed-gpt2-xl"), MicroBatch: 1},
		Axis: LimitContext, Step: 256, CapacityBytes: 80e9,
	})
	require.NoError(t, err)
	require.Equal(t, r.Largest/256*256, stepped.Largest)
	require.True(t, stepped.Fit.Agrees)
}

func TestLimitOfLayers(t *testing.T) {
	r, err := Limit(LimitQuery{
		Case: accounting.Options{Model: lookup(t, "seed-gpt2-xl"), Context: 1024},
		Axis: LimitLayers, CapacityBytes: 80e9,
		Layers: func(n int64) (*arch.Model, error) {
			return arch.Lookup("seed-gpt2-xl", arch.Options{Layers: n})
		},
	})
	require.NoError(t, err)
	// A layer: 16 bytes a parameter and 4·(23BSd + 2BhS²); outside: 16·(Vd + d) and 4·BSV.
	const layer, rest = 16*40_963_200 + 4*(23*1024*1600+2*25*1024*1024), 16*(50257*1600+1600) + 4*1024*50257
	require.Equal(t, []float64{rest, layer}, r.Fit.Coefficients)
	require.Equal(t, int64((80_000_000_000-rest)/layer), r.Largest)
	require.True(t, r.Fit.Agrees)
}

func TestLimitEnds(t *testing.T) {
	// Learned positions end the context before memory does.
	r, err := Limit(LimitQuery{Case: accounting.Options{Model: lookup(t, "gpt2")}, Axis: LimitContext, CapacityBytes: 80e9})
	require.NoError(t, err)
	require.Equal(t, int64(1024), r.Largest)
	require.Equal(t, accounting.ReasonContextPositions.Code(), r.LimitedBy)
	require.Contains(t, r.Notes, "context 1025 can not exist: a context of 1025 tokens is longer than the learned position table of 1024")

	// Nothing can be laid out.
	r, err = Limit(LimitQuery{Case: accounting.Options{Model: lookup(t, "mixtral-8x7b"), MoE: "fused"}, Axis: LimitMicroBatch, CapacityBytes: 1e12})
	require.NoError(t, err)
	require.Zero(t, r.Largest)
	require.Contains(t, r.Notes, "micro batch 1 can not exist: the fused kernels of routed layers take mxfp8 alone, and recipe bf16-mixed has 16-bit")

	// Nothing fits.
	r, err = Limit(LimitQuery{Case: accounting.Options{Model: lookup(t, "llama-3.1-405b")}, Axis: LimitMicroBatch, CapacityBytes: 1e9})
	require.NoError(t, err)
	require.Zero(t, r.Largest)
	require.Equal(t, "memory", r.LimitedBy)
	require.True(t, r.Fit.Agrees, "%+v", r.Fit)

	// A global batch leaves its divisors.
	r, err = Limit(LimitQuery{Case: accounting.Options{Model: lookup(t, "seed-gpt2-xl"), Context: 1024, GlobalBatch: 6}, Axis: LimitMicroBatch, CapacityBytes: 100e9})
	require.NoError(t, err)
	require.Equal(t, int64(3), r.Largest)

	_, err = Limit(LimitQuery{Case: accounting.Options{Model: lookup(t, "gpt2")}, Axis: "contxt", CapacityBytes: 1})
	require.EqualError(t, err, `no limit along "contxt"; did you mean context?`)
	_, err = Limit(LimitQuery{Case: accounting.Options{Model: lookup(t, "gpt2")}, Axis: LimitContext})
	require.EqualError(t, err, "a capacity of 0 bytes: give a positive amount of memory")
}

// The answer fits, one step more does not, and what the curve says is told when
// it differs.
func TestLimitIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := rapid.SampledFrom([]string{"seed-gpt2-small", "gpt2-large", "llama-2-7b", "llama-3.1-8b", "qwen2.5-7b"}).Draw(t, "model")
		o := accounting.Options{
			Model: lookup(t, model), Profile: rapid.SampledFrom(accounting.ProfileNames()).Draw(t, "profile"),
			Recompute:  rapid.SampledFrom([]string{"none", "full"}).Draw(t, "recompute"),
			Context:    rapid.SampledFrom([]int64{0, 512, 1000}).Draw(t, "context"),
			MicroBatch: rapid.Int64Range(0, 3).Draw(t, "micro_batch"),
		}
		q := LimitQuery{
			Case: o, Axis: rapid.SampledFrom(LimitAxes()).Draw(t, "axis"), Step: rapid.SampledFrom([]int64{0, 1, 7}).Draw(t, "step"),
			CapacityBytes: rapid.Int64Range(1e9, 300e9).Draw(t, "capacity"),
			Layers:        func(n int64) (*arch.Model, error) { return arch.Lookup(model, arch.Options{Layers: n}) },
		}
		r, err := Limit(q)
		require.NoError(t, err)
		s, err := newLimitSearch(q)
		require.NoError(t, err)
		if r.Largest > 0 {
			at, err := s.report(r.Largest)
			require.NoError(t, err)
			require.True(t, at.Fits())
		}
		if r.LimitedBy != "search" {
			next := r.Largest + r.Step
			if r.Largest == 0 {
				next = s.first*r.Step + s.offset
			}
			at, err := s.report(next)
			require.NoError(t, err)
			require.False(t, at.Fits())
		}
		if r.Fit == nil || !r.Fit.Agrees {
			require.NotEmpty(t, r.Notes)
		}
	})
}

// Layers that cannot be laid out are left out of the search: dense layers that a
// mixture of experts begins with, and numbers that stages of given sizes do not make.
func TestLimitLayersThatCanBe(t *testing.T) {
	f := func(model string, o accounting.Options, step int64) *LimitResult {
		t.Helper()
		layers := func(n int64) (*arch.Model, error) { return arch.Lookup(model, arch.Options{Layers: n}) }
		var err error
		o.Model, err = layers(0)
		require.NoError(t, err)
		o.Context = 4096
		r, err := Limit(LimitQuery{Case: o, Axis: LimitLayers, CapacityBytes: 79 << 30, Layers: layers})
		require.NoError(t, err)
		require.Positive(t, r.Largest)
		require.Equal(t, "memory", r.LimitedBy)
		require.Equal(t, step, r.Step)
		return r
	}
	f("deepseek-v2-lite", accounting.Options{GPUs: 64, EP: 8}, 1)
	f("llama-3.1-8b", accounting.Options{GPUs: 16, PP: 4, VPP: 2}, 8)
	r := f("llama-3.1-8b", accounting.Options{GPUs: 16, PP: 4, FirstLayers: 7}, 3)
	require.Equal(t, int64(1), r.Largest%3, "7 layers and a multiple of three")
}

func TestFitPolynomial(t *testing.T) {
	fit := func(y ...int64) *Fit {
		t.Helper()
		x := make([]int64, len(y))
		for i := range x {
			x[i] = int64(i + 1)
		}
		f, err := fitPolynomial(x, y, 1)
		require.NoError(t, err)
		return f
	}
	// Anscombe-like: least squares of 1, 3, 2 is 1 + 0.5·x with R² = 0.25.
	f := fit(1, 3, 2)
	require.InDeltaSlice(t, []float64{1, 0.5}, f.Coefficients, 1e-12)
	require.InDelta(t, 0.25, f.R2, 1e-12)
	require.False(t, f.Exact)
	root, ok := f.root(3)
	require.True(t, ok)
	require.InDelta(t, 4, root, 1e-9)

	falling := fit(9, 7, 5)
	_, ok = falling.root(20)
	require.False(t, ok)

	quadratic := &Fit{Coefficients: []float64{6, -5, 1}, Points: []int64{10}}
	root, ok = quadratic.root(0) // (x−2)(x−3)
	require.True(t, ok)
	require.InDelta(t, 2, root, 1e-12)
	_, ok = quadratic.root(-100)
	require.False(t, ok)
}

func ExampleLimit() {
	model, err := arch.Lookup("seed-gpt2-xl", arch.Options{})
	if err != nil {
		panic(err)
	}
	r, err := Limit(LimitQuery{
		Case: accounting.Options{Model: model, Context: 1024},
		Axis: LimitMicroBatch, CapacityBytes: 80e9, Capacity: "80GB",
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d sequences in 80 GB: %.0f + %.0f·B bytes, root %.3f\n", r.Largest, r.Fit.Coefficients[0], r.Fit.Coefficients[1], *r.Fit.Root)
	// Output: 2 sequences in 80 GB: 32746342400 + 17507356672·B bytes, root 2.699
}
