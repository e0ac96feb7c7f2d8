package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

func explainPreset(t *testing.T, name string, p Plan) *Explanation {
	t.Helper()
	m, err := arch.Lookup(name, arch.Options{})
	require.NoError(t, err)
	c := Case{
		Model: m, Recipe: mixedRecipe(t), Profile: &megatronProfile,
		Setting: Setting{Workload: Workload{Context: 512, MicroBatch: 1, GlobalBatch: p.DP * p.PP}, Plan: p, GPUs: p.GPUs()},
	}
	e, err := c.Explain(false)
	require.NoError(t, err)
	return e
}

// The rule of thumb counts what one token uses: it is near the sum of the products
// of a mixture of experts too.
func TestRuleOfThumb(t *testing.T) {
	for _, name := range []string{"llama-3.1-8b", "deepseek-v3", "mixtral-8x7b"} {
		e := explainPreset(t, name, SingleGPU)
		require.Equal(t, float64(6*e.Parameters.Active*512), e.FLOPs.SixPT)
		require.InDelta(t, 0, e.FLOPs.SixPTError, 0.1, name)
	}
}

// Every way to split a model adds up to it.
func TestSplitsAddUp(t *testing.T) {
	for _, preset := range arch.Presets() {
		e := explainPreset(t, preset.Name, SingleGPU)
		p := &e.Parameters
		var total, active, components int64
		for _, k := range p.ByKind {
			total += k.Count * k.Parameters
			active += k.Count * k.Active
		}
		for _, n := range p.ByComponent {
			components += n
		}
		require.Equal(t, p.Total, total, preset.Name)
		require.Equal(t, p.Active, active, preset.Name)
		require.Equal(t, p.Total, components, preset.Name)
		require.Equal(t, 4*p.Total, p.LoadBytesByDType["fp32"], preset.Name)
		require.Equal(t, (p.Total+1)/2, p.LoadBytesByDType["int4"], preset.Name)
		for conv, f := range e.FLOPs.ByConvention {
			var kinds, groups float64
			for _, k := range p.ByKind {
				kinds += float64(k.Count) * k.ForwardFLOPs[conv]
			}
			for _, n := range f.ForwardByComponent {
				groups += n
			}
			require.Equal(t, f.Forward, kinds, "%s %s", preset.Name, conv)
			require.Equal(t, f.Forward, groups, "%s %s", preset.Name, conv)
		}
		require.Equal(t, e.FLOPs.ConventionFields, e.FLOPs.ByConvention["causal"], preset.Name)
	}
}

// Stages hold the layers once and what is not cut on every rank.
func TestStagesAddUp(t *testing.T) {
	e := explainPreset(t, "qwen3-30b-a3b", Plan{TP: 1, PP: 4, VPP: 1, CP: 1, EP: 1, ETP: 1, DP: 1})
	require.Len(t, e.Parameters.PerStage, 4)
	require.Equal(t, e.Parameters.Total, e.Parameters.AllRanks)

	e = explainPreset(t, "qwen3-30b-a3b", Plan{TP: 1, PP: 1, VPP: 1, CP: 1, EP: 8, ETP: 1, DP: 8})
	var experts int64
	for name, n := range e.Parameters.ByComponent {
		if name == "expert_gate" || name == "expert_up" || name == "expert_down" {
			experts += n
		}
	}
	require.Equal(t, experts+8*(e.Parameters.Total-experts), e.Parameters.AllRanks)
}

// No mask cuts the cross-attention of a decoder, and BERT's pooler runs once a
// sequence.
func TestProductsOfEncoders(t *testing.T) {
	e := explainPreset(t, "t5-small", SingleGPU)
	const s, width, layers = 512, 512, 6
	require.Equal(t, float64(layers*(2*s*s*width+s*s*width+2*s*s*width)), e.FLOPs.ByConvention["causal"].ForwardByComponent["qk"])
	require.Equal(t, float64(layers*3*2*s*s*width), e.FLOPs.ByConvention["full"].ForwardByComponent["qk"])

	m, err := arch.ImportBytes("c", []byte(`{"model_type": "bert", "architectures": ["BertModel"]}`), arch.Options{})
	require.NoError(t, err)
	k, err := Compile(NewLedger(m, mixedRecipe(t), &megatronProfile))
	require.NoError(t, err)
	pooler := k.ForwardByGroup(1, 512, Causal)
	require.Equal(t, GroupFLOPs{GroupResidual, 2 * 768 * 768}, pooler[len(pooler)-1])
}

// Windows and chunks leave an exact number of keys at every length.
func TestKeysOfWindows(t *testing.T) {
	f := func(window int64, chunked bool, s int64, causal, full float64) {
		t.Helper()
		cs := compiledSection{window: window, chunked: chunked}
		require.Equal(t, []float64{causal, full}, []float64{cs.keys(s, Causal), cs.keys(s, FullSquare)})
	}
	f(0, false, 7, 24.5, 49)
	f(100, false, 7, 24.5, 49)
	f(3, false, 7, 16.5, 21)
	f(3, true, 7, 9.5, 19) // two chunks of 3, one of 1
	f(4096, false, 5000, 4096*5000-4096*4096/2, 4096*5000)
}
