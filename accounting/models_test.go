package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

func mixedRecipe(t *testing.T) Recipe {
	t.Helper()
	p, err := ParsePrecision("bf16-mixed")
	require.NoError(t, err)
	o, err := ParseOptimizer("adamw")
	require.NoError(t, err)
	return Recipe{Precision: p, Optimizer: o}
}

// compilePreset compiles an embedded model under the profile megatron.
func compilePreset(t *testing.T, name string) *Compiled {
	t.Helper()
	m, err := arch.Lookup(name, arch.Options{})
	require.NoError(t, err)
	c, err := Compile(NewLedger(m, mixedRecipe(t), &megatronProfile))
	require.NoError(t, err)
	return c
}

// The ledger and the importer derive the counts apart from each other: the one
// tensor by tensor as algebra, the other as plain sums.
func TestLedgerAgreesWithImporter(t *testing.T) {
	unpadded := megatronProfile
	unpadded.memory.vocabMultiple = 1
	for _, preset := range arch.Presets() {
		m, err := arch.Lookup(preset.Name, arch.Options{})
		require.NoError(t, err, preset.Name)
		want, err := m.ParameterCount()
		require.NoError(t, err)
		c, err := Compile(NewLedger(m, mixedRecipe(t), &unpadded))
		require.NoError(t, err)
		require.Equal(t, want.Total, c.Counts.Total, preset.Name)
		require.Equal(t, want.Active, c.Counts.Active, preset.Name)
		require.Equal(t, want.Embedding, c.Counts.Embedding, preset.Name)
		require.Equal(t, want.Head, c.Counts.Head, preset.Name)
		require.Equal(t, want.NonEmbedding, c.Counts.NonEmbedding, preset.Name)
		require.LessOrEqual(t, c.Counts.Active, c.Counts.Total, preset.Name)

		// The ranks of a plan of one rank hold just the model.
		var r Report
		c.Evaluate(&Setting{Workload: Workload{Context: 128, MicroBatch: 1, GlobalBatch: 1}, Plan: SingleGPU, GPUs: 1}, &r)
		require.Equal(t, OK, r.Reason, preset.Name)
		require.Equal(t, want.Total, r.Memory.ParametersPerRank, preset.Name)
	}
}

// Five figures of NVIDIA/NeMo tests/utils/test_flops_formulas.py
// (truth/flops_points.csv): training FLOPs with half of S² for attention.
func TestFLOPsPoints(t *testing.T) {
	f := func(name string, want float64, vocab int64, gated bool, topK int64) {
		t.Helper()
		m := llamaLike(768, 12, 12, 12, 3072, vocab, gated, false)
		if topK > 0 {
			m.Kinds[0].FFN = nil
			m.Kinds[0].MoE = &arch.MoE{Experts: 8, TopK: topK, Expert: arch.FFN{Width: 3072, Gated: true}}
		}
		c, err := Compile(NewLedger(m, mixedRecipe(t), &megatronProfile))
		require.NoError(t, err)
		got := c.StepFLOPs(1, 128, Causal).Model
		if topK > 0 {
			// The published formula does not count the router's product.
			got -= 3 * 2 * 128 * 12 * 768 * 8
		}
		require.Equal(t, want, got, name)
	}
	f("gpt3", 96_334_774_272, 51200, false, 0)
	f("llama2", 106_753_425_408, 32000, true, 0)
	f("llama3", 163_527_524_352, 128256, true, 0)
	f("nemotron", 217_130_729_472, 256000, false, 0)
	f("mixtral", 171_983_241_216, 32000, true, 2)
}

// Published sums over the tensor-parallel ranks of two StableLM training runs
// (accounting.md section 3): norms and row-parallel biases count once a rank.
func TestRanksSumToPublishedRuns(t *testing.T) {
	f := func(config string, tp, want int64) {
		t.Helper()
		m, err := arch.ImportBytes("config.json", []byte(config), arch.Options{})
		require.NoError(t, err)
		c, err := Compile(NewLedger(m, mixedRecipe(t), &megatronProfile))
		require.NoError(t, err)
		p := SingleGPU
		p.TP, p.ETP = tp, tp
		var r Report
		c.Evaluate(&Setting{Workload: Workload{Context: 128, MicroBatch: 1, GlobalBatch: 1}, Plan: p, GPUs: tp}, &r)
		require.Equal(t, OK, r.Reason)
		require.Equal(t, want, tp*r.Memory.ParametersPerRank)
	}
	f(`{"model_type": "gpt_neox", "hidden_size": 4096, "intermediate_size": 16384, "num_attention_heads": 32,
		"num_hidden_layers": 16, "vocab_size": 50688, "max_position_embeddings": 4096, "use_parallel_residual": true}`, 4, 3_638_525_952)
	f(`{"model_type": "stablelm", "hidden_size": 5120, "intermediate_size": 13824, "num_attention_heads": 32, "num_key_value_heads": 8,
		"num_hidden_layers": 40, "vocab_size": 100352, "max_position_embeddings": 4096, "qk_layernorm": true, "use_parallel_residual": true,
		"use_qkv_bias": false, "tie_word_embeddings": false}`, 2, 12_143_605_760)
}

// Ranks hold the model and copies of what is not cut, never less.
func TestRanksHoldTheModel(t *testing.T) {
	for _, name := range []string{"llama-3.1-8b", "mixtral-8x7b", "deepseek-v3", "gpt2-xl", "qwen3-30b-a3b", "gemma-2-9b"} {
		c := compilePreset(t, name)
		for _, p := range []Plan{
			{TP: 1, PP: 1, VPP: 1, CP: 1, EP: 1, ETP: 1, DP: 1},
			{TP: 4, PP: 1, VPP: 1, CP: 1, EP: 1, ETP: 4, DP: 1},
			{TP: 1, PP: 4, VPP: 1, CP: 1, EP: 1, ETP: 1, DP: 1},
			{TP: 2, PP: 2, VPP: 1, CP: 1, EP: 4, ETP: 1, DP: 2},
		} {
			x := Setting{Workload: Workload{Context: 128, MicroBatch: 1, GlobalBatch: p.DP * p.PP}, Plan: p, GPUs: p.GPUs()}
			if c.Check(&x.Workload, &p, p.GPUs()) != OK {
				continue
			}
			var held int64
			for q := range p.PP {
				var m Memory
				require.NoError(t, c.StageMemory(&x, q, &m))
				held += m.ParametersPerRank * p.TP * max(p.EP/p.TP, 1)
			}
			require.GreaterOrEqual(t, held, c.Counts.Total, "%s %+v", name, p)
		}
	}
}
