package arch

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every published total, embedding split and active count of
// testdata/param_counts.csv, which holds the sources.
func TestPublishedCounts(t *testing.T) {
	f, err := os.Open("testdata/param_counts.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, row := range rows[1:] {
		name := row[column["slug"]]
		t.Run(name, func(t *testing.T) {
			m, err := Lookup(name, Options{})
			require.NoError(t, err)
			require.Equal(t, row[column["model_type"]], m.Type)
			c, err := m.ParameterCount()
			require.NoError(t, err)
			for col, got := range map[string]int64{
				"total_params_exact": c.Total, "derived_embedding": c.Embedding, "derived_position": c.Position,
				"derived_head": c.Head, "derived_non_embedding": c.NonEmbedding, "derived_active": c.Active, "derived_mtp": c.MTP,
			} {
				if s := row[column[col]]; s != "" {
					want, err := strconv.ParseInt(s, 10, 64)
					require.NoError(t, err)
					require.Equal(t, want, got, col)
				}
			}
		})
	}
}

// Accounting section 2.1: the worked example, which is not the GPT-2 checkpoints.
func TestSeedCounts(t *testing.T) {
	f := func(name string, want int64) {
		t.Helper()
		m, err := Lookup(name, Options{})
		require.NoError(t, err)
		require.Equal(t, "seed", m.Type)
		c, err := m.ParameterCount()
		require.NoError(t, err)
		require.Equal(t, want, c.Total)
	}
	f("seed-gpt2-small", 190_460_160)
	f("seed-gpt2-medium", 505_629_696)
	f("seed-gpt2-large", 1_072_469_760)
	f("seed-gpt2-xl", 2_127_057_600)
}

func TestLookupForgives(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		m, err := Lookup(name, Options{})
		require.NoError(t, err)
		require.Equal(t, want, m.Name)
	}
	f("meta-llama/Llama-3.1-8B", "llama-3.1-8b")
	f("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b")
	f("meta-llama/Meta-Llama-3.1-8B", "llama-3.1-8b")
	f("llama-3.1-8b", "llama-3.1-8b")
	f("Llama 3.1 8B", "llama-3.1-8b")
	f("LLAMA_3.1_8B", "llama-3.1-8b")
	f("meta-llama/Llama-2-7b-hf", "llama-2-7b")
	f("meta-llama/Llama-2-7b-chat-hf", "llama-2-7b")
	f("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b")
	f("openai-community/gpt2", "gpt2")
	f("gpt2", "gpt2")
	f("mistralai/Mistral-7B-v0.1", "mistral-7b-v0.1")
	f("seed gpt2 xl", "seed-gpt2-xl")
	f("llama3.1-8b", "llama-3.1-8b")
	f("qwen-2.5-7b-instruct", "qwen2.5-7b")
	f("GPT-2 XL", "gpt2-xl")
	f("gemma3-27b", "gemma-3-27b-text")
	f("DeepSeekV3", "deepseek-v3")
	f("DeepSeekV2-Lite", "deepseek-v2-lite")
	f("DeepSeek-V3-671B", "deepseek-v3")
	f("Llama4 Maverick", "llama-4-maverick-text")
	f("Llama-4-Maverick-17B-128E-Instruct", "llama-4-maverick-text")
	f("Llama4-Maverick-400B", "llama-4-maverick-text")
	f("Qwen3-235B", "qwen3-235b-a22b")
	f("qwen1.5_moe", "qwen1.5-moe-a2.7b")
}

// Forgiving goes as far as no two models of different sizes become one.
func TestLookupTellsApart(t *testing.T) {
	totals := map[string]int64{}
	for _, p := range Presets() {
		m, err := Lookup(p.Name, Options{})
		require.NoError(t, err)
		require.Equal(t, p.Name, m.Name)
		c, err := m.ParameterCount()
		require.NoError(t, err)
		short := joined(p.Name)
		if other, ok := totals[short]; ok {
			require.Equal(t, other, c.Total, p.Name)
		}
		totals[short] = c.Total
	}
}

func TestLookupSuggests(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		_, err := Lookup(name, Options{})
		require.EqualError(t, err, want)
	}
	f("llama-3.1-8c", `no model is called "llama-3.1-8c"; the nearest are llama-3.1-8b`)
	f("DeepSeek-V2-16B", `no model is called "DeepSeek-V2-16B"; the nearest are deepseek-v2`)
	f("qwen2.5-8b", `no model is called "qwen2.5-8b"; the nearest are qwen2.5-3b, qwen2.5-7b`)
	f("gpt-oss", `no model is called "gpt-oss"; the nearest are gpt-oss-20b, gpt-oss-120b`)
	f("zzzzzzzzzzzzzzz", `no model is called "zzzzzzzzzzzzzzz"`)
}

func TestLayersOverride(t *testing.T) {
	m, err := Lookup("llama-2-7b", Options{Layers: 2})
	require.NoError(t, err)
	require.EqualValues(t, 2, m.Layers())
}

// Totals that the keras-hub library publishes for its ports ("params" in
// keras_hub/src/models/*/*_presets.py), where it counts a tied head once.
func TestKerasCounts(t *testing.T) {
	f, err := os.Open("testdata/keras_counts.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		m, err := Lookup(row[0], Options{})
		require.NoError(t, err)
		c, err := m.ParameterCount()
		require.NoError(t, err)
		require.Equal(t, row[1], strconv.FormatInt(c.Total, 10), row[0])
	}
}

// The cards of a few models say how many parameters a token uses, in one of
// three conventions.
func TestActiveConventions(t *testing.T) {
	f := func(name string, all, lessEmbedding, lessEnds int64) {
		t.Helper()
		m, err := Lookup(name, Options{})
		require.NoError(t, err)
		c, err := m.ParameterCount()
		require.NoError(t, err)
		require.Equal(t, []int64{all, lessEmbedding, lessEnds}, []int64{c.Active, c.ActiveLessEmbedding, c.ActiveLessEnds})
	}
	f("gpt-oss-20b", 4_187_440_704, 3_608_307_264, 3_029_173_824)         // card: 3.61B
	f("gpt-oss-120b", 5_711_982_912, 5_132_849_472, 4_553_716_032)        // card: 5.13B
	f("qwen1.5-moe-a2.7b", 2_689_173_504, 2_378_008_576, 2_066_843_648)   // card: 2.7B
	f("deepseek-v2-lite", 2_661_150_208, 2_451_435_008, 2_241_719_808)    // card: 2.4B
	f("mixtral-8x7b", 12_879_925_248, 12_748_853_248, 12_617_781_248)     // card: 12.9B
	f("granite-3.0-1b-a400m-base", 428_655_616, 428_655_616, 378_323_968) // tied: the head needs the table; card: 400M
}

// One model published under two model_types has one count.
func TestTwoNamesOneModel(t *testing.T) {
	f := func(a, b string) {
		t.Helper()
		count := func(name string) Counts {
			m, err := Lookup(name, Options{})
			require.NoError(t, err)
			c, err := m.ParameterCount()
			require.NoError(t, err)
			c.Kinds = nil
			return c
		}
		require.Equal(t, count(a), count(b))
	}
	f("glm-4-9b", "glm-4-9b-chat-hf") // chatglm and glm
}
