package arch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One file a rule in testdata/bad, and all that Import says about it.
func TestBadConfigs(t *testing.T) {
	t.Chdir("testdata/bad")
	tested := map[string]bool{}
	f := func(name string, want ...string) {
		t.Helper()
		name += ".json"
		tested[name] = true
		in, err := os.Open(name)
		require.NoError(t, err)
		defer in.Close()
		m, err := Import(name, in, Options{})
		require.Nil(t, m)
		require.EqualError(t, err, strings.Join(want, "\n"))
		var e *ConfigError
		require.ErrorAs(t, err, &e)
		require.Equal(t, name, e.File)
	}
	f("empty", "empty.json:1:1: is empty; a config.json is a JSON object")
	f("spaces", "spaces.json:1:1: is empty; a config.json is a JSON object")
	f("array", "array.json:1:1: is an array; a config.json is a JSON object")
	f("string", `string.json:1:1: is the string "llama"; a config.json is a JSON object`)
	f("null", "null.json:1:1: is null; a config.json is a JSON object")
	f("cut_off", "cut_off.json:1:42: ends too early: the JSON is cut off")
	f("not_json", "not_json.json:3:3: is not JSON: invalid character 'h' looking for beginning of object key string")
	f("two_objects", "two_objects.json:1:4: is not JSON: invalid character '{' after top-level value")
	f("utf16", "utf16.json:1:1: is not UTF-8 text; is it a config.json?")
	f("deep", "deep.json:1:65: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: is nested deeper than 64 levels")
	f("key_twice", "key_twice.json:1:46: hidden_size: is given twice, first in line 1")
	f("type_missing", "type_missing.json:1:1: model_type: is missing: without it the keys have no meaning; add it (llama, gpt2, qwen2, …) or give explicit dimensions")
	f("type_empty", "type_empty.json:1:16: model_type: is empty")
	f("type_number", "type_number.json:1:16: model_type: is the number 7; want a string")
	f("type_misspelt", `type_misspelt.json:1:16: model_type: "lama" is not a model_type headroom knows; the nearest known ones are llama, llama4, llama4_text; explicit dimensions describe any other model`)
	f("type_unknown", `type_unknown.json:1:16: model_type: "rwkv7" is not a model_type headroom knows; explicit dimensions describe any other model`)
	f("size_fraction", "size_fraction.json:3:18: hidden_size: is 4096.5; want an integer")
	f("size_string", `size_string.json:3:18: hidden_size: is the string "4096"; want an integer`)
	f("size_bool", "size_bool.json:3:18: hidden_size: is true; want an integer")
	f("size_array", "size_array.json:3:18: hidden_size: is an array; want an integer")
	f("size_zero", "size_zero.json:3:18: hidden_size: is 0; want at least 1")
	f("size_negative", "size_negative.json:3:18: hidden_size: is -4096; want at least 1")
	f("size_huge", "size_huge.json:3:18: hidden_size: is 1e300; more than 1073741824 is not a transformer")
	f("size_tiny", "size_tiny.json:3:18: hidden_size: is 1e-300; want an integer")
	f("size_endless_exponent", "size_endless_exponent.json:3:18: hidden_size: is 1e999999999; more than 1073741824 is not a transformer")
	f("layers_negative", "layers_negative.json:3:24: num_hidden_layers: is -1; want at least 1")
	f("layers_too_many", "layers_too_many.json:3:24: num_hidden_layers: is 1000000000; more than 100000 layers is not a transformer")
	f("vocab_too_large", "vocab_too_large.json:3:17: vocab_size: is 100000000000000000000000000; more than 1073741824 is not a transformer")
	f("parameters_overflow", "parameters_overflow.json:1:1: the parameters do not fit in 63 bits")
	f("flag_number", "flag_number.json:3:21: attention_bias: is the number 1; want true or false")
	f("activation_number", "activation_number.json:3:17: hidden_act: is the number 1; want a string")
	f("heads_do_not_divide", "heads_do_not_divide.json:3:26: num_attention_heads: 7 heads do not divide the width 4096")
	f("kv_heads_more_than_heads", "kv_heads_more_than_heads.json:3:26: num_key_value_heads: 64 key/value heads are more than the 32 query heads")
	f("kv_heads_do_not_divide", "kv_heads_do_not_divide.json:3:26: num_key_value_heads: 5 key/value heads do not divide the 32 query heads")
	f("two_names_disagree", "two_names_disagree.json:3:34: n_embd: is the number 2048, but hidden_size, the same thing, is the number 4096")
	f("kv_heads_of_gpt2", "kv_heads_of_gpt2.json:1:47: num_key_value_heads: is 4; the code of this model_type has as many as query heads, 12")
	f("head_dim_of_gpt2", "head_dim_of_gpt2.json:1:36: head_dim: is 32; the code of this model_type always takes the width over the heads, 64")
	f("experts_per_token_too_many", "experts_per_token_too_many.json:1:74: num_experts_per_tok: 3 experts a token are more than the 2 there are")
	f("layer_types_too_few", "layer_types_too_few.json:1:64: layer_types: lists 1 layers; the model has 3")
	f("layer_type_unknown", `layer_type_unknown.json:1:65: layer_types[0]: is the string "linear_attention"; headroom knows full_attention, sliding_attention, chunked_attention`)
	f("attention_types_too_many", "attention_types_too_many.json:1:63: attention_types: lists 4 layers; the model has 3")
	f("attention_type_unknown", `attention_type_unknown.json:1:49: attention_types[0][0][0]: is the string "nearby"; want global or local`)
	f("text_config_missing", "text_config_missing.json:1:1: text_config: is missing: this model_type keeps its language model there")
	f("text_config_number", "text_config_number.json:1:41: text_config: is the number 3; want an object")
	f("text_config_size_negative", "text_config_size_negative.json:1:57: text_config.hidden_size: is -1; want at least 1")
	f("attn_config_fraction", "attn_config_fraction.json:1:54: attn_config.kv_n_heads: is 0.5; want an integer")
	f("experts_of_llama", `experts_of_llama.json:3:18: num_experts: headroom does not know this key for model_type "llama", and it may change shapes`)
	f("qk_norm_of_llama", `qk_norm_of_llama.json:3:18: use_qk_norm: is true, but that does not decide on norms on queries and keys in the code of model_type "llama"`)
	f("qkv_bias_of_qwen2", `qkv_bias_of_qwen2.json:1:37: qkv_bias: is false, but that does not decide on biases on queries, keys and values in the code of model_type "qwen2"`)
	f("key_unknown", `key_unknown.json:3:23: use_secret_sauce: headroom does not know this key for model_type "llama", and it may change shapes`)
	f("mlp_type_unknown", `mlp_type_unknown.json:3:15: mlp_type: headroom does not know this key for model_type "llama", and it may change shapes`)
	f("ffn_dim_multiplier", `ffn_dim_multiplier.json:3:25: ffn_dim_multiplier: headroom does not know this key for model_type "llama", and it may change shapes`)
	f("vision_config_of_llama", `vision_config_of_llama.json:3:20: vision_config: headroom does not know this key for model_type "llama", and it may change shapes`)
	f("key_misspelt", `key_misspelt.json:3:25: num_key_value_head: headroom does not know this key for model_type "llama", and it may change shapes; did you mean num_key_value_heads?`)
	f("cross_attention", "cross_attention.json:1:47: add_cross_attention: is true: cross-attention in a decoder-only model is not read")
	f("activation_misspelt", `activation_misspelt.json:3:17: hidden_act: "sillu" is not an activation headroom knows; the nearest known ones are silu`)
	f("size_null", `size_null.json:3:18: hidden_size: is null; the code of this model_type needs a number`)
	f("head_dim_null", `head_dim_null.json:1:37: head_dim: is null; the code of this model_type needs a number`)
	f("kv_heads_of_latent_attention", `kv_heads_of_latent_attention.json:1:54: num_key_value_heads: 256 key/value heads are more than the 128 query heads`)
	f("experts_zero", `experts_zero.json:1:51: n_routed_experts: is 0; a model without experts has null here, or another model_type`)
	f("gate_contradicts", `gate_contradicts.json:1:73: is_gated_act: is false, but feed_forward_proj is "gated-gelu"`)
	f("experts_that_learn_activations", `experts_that_learn_activations.json:1:41: hidden_act: is "xielu"; an activation that learns is not read among experts`)
	f("many_at_once",
		"many_at_once.json:3:18: hidden_size: is 0.5; want an integer",
		"many_at_once.json:3:44: num_hidden_layers: is 0; want at least 1",
		`many_at_once.json:3:59: mlp_bias: is the string "no"; want true or false`,
	)

	files, err := filepath.Glob("*")
	require.NoError(t, err)
	for _, name := range files {
		require.True(t, tested[name], "%s has no row in this test", name)
	}
}

// Whole numbers may be written as floats, as some tools do.
func TestWholeFloats(t *testing.T) {
	m, err := ImportBytes("c.json", []byte(`{"model_type": "llama", "hidden_size": 4096.0, "num_hidden_layers": 2e0, "vocab_size": 3.2e4}`), Options{})
	require.NoError(t, err)
	require.EqualValues(t, 4096, m.Hidden)
	require.EqualValues(t, 2, m.Layers())
	require.EqualValues(t, 32000, m.Embedding.Vocab)
}

func TestHugeFile(t *testing.T) {
	_, err := Import("c.json", strings.NewReader(strings.Repeat(" ", maxConfigBytes+5)), Options{})
	require.EqualError(t, err, "c.json:1:1: is 16777217 bytes long; a config.json holds less than 16777216")
}

// Files with more values or problems than any config cost no time.
func TestLongFiles(t *testing.T) {
	_, err := ImportBytes("c.json", []byte("["+strings.Repeat("1,", maxConfigValues)+"1]"), Options{})
	require.EqualError(t, err, "c.json:1:262144: holds more than 131072 values; is it a config.json?")

	var keys strings.Builder
	for i := range 3 * maxErrors {
		fmt.Fprintf(&keys, `, "k%d": 1`, i)
	}
	_, err = ImportBytes("c.json", []byte(`{"model_type": "llama"`+keys.String()+`}`), Options{})
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, maxErrors+1)
	require.Equal(t, "c.json: and 100 problems more", lines[maxErrors])
}

func TestPeriod(t *testing.T) {
	f := func(list string, want int64) { t.Helper(); require.Equal(t, want, period(strings.Split(list, ""))) }
	f("a", 1)
	f("aaaa", 1)
	f("abab", 2)
	f("ababa", 2)
	f("aab", 3)
	f("aabaa", 5) // a pattern is seen twice
	f("aabaab", 3)
	f("aaabaaabaaa", 4)
}

// Keys that published configs carry and that change nothing are let through,
// with any value; an unknown one that switches nothing on too.
func TestHarmlessKeys(t *testing.T) {
	f := func(more string) {
		t.Helper()
		_, err := ImportBytes("c.json", []byte(`{"model_type": "llama", `+more+`}`), Options{})
		require.NoError(t, err)
	}
	f(`"_name_or_path": "x", "architectures": ["LlamaForCausalLM"], "transformers_version": "4.40"`)
	f(`"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": null, "pretraining_tp": 1`)
	f(`"rope_theta": 5e5, "rope_scaling": {"factor": 8.0, "type": "linear"}, "use_cache": true`)
	f(`"initializer_range": 0.02, "attention_dropout": 0.1, "torch_dtype": "bfloat16"`)
	f(`"quantization_config": {"bits": 4, "group_size": 128}`)
	f(`"id2label": {"0": "A"}, "label2id": {"A": 0}, "task_specific_params": {"x": {"max_length": 50}}`)
	f(`"num_experts": 0, "use_qk_norm": false, "sliding_window": null, "mlp_only_layers": []`)
}

// A config without sizes has those of its type, and says so.
func TestDefaultsAreNoted(t *testing.T) {
	m, err := ImportBytes("c.json", []byte(`{"model_type": "llama", "vocab_size": 32000}`), Options{})
	require.NoError(t, err)
	require.Contains(t, m.Notes, "hidden_size is absent: the model_type's default 4096 is used")
	require.NotContains(t, strings.Join(m.Notes, "\n"), "vocab_size")
}

// FuzzImport: whatever the bytes, no panic and no hang; and a config with a key
// that the importer cannot know has no count.
func FuzzImport(f *testing.F) {
	for _, p := range Presets() {
		if p.config != nil {
			f.Add(p.config)
		}
	}
	f.Add([]byte(`{"model_type": "gpt_neo", "attention_types": [[["global"], 100000], [["local"], 100000]]}`))
	f.Add([]byte(`{"model_type": "gemma3", "text_config": {"layer_types": [null]}}`))
	for _, config := range keyBases(f) {
		f.Add(config)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ImportBytes("fuzz", data, Options{})
		if err != nil {
			require.Nil(t, m)
			require.NotEmpty(t, err.Error())
			return
		}
		c, err := m.ParameterCount()
		require.NoError(t, err)
		require.Positive(t, c.Total)
		require.LessOrEqual(t, c.Active, c.Total)
		require.LessOrEqual(t, c.ActiveLessEmbedding, c.Active)
		require.LessOrEqual(t, c.ActiveLessEnds, c.ActiveLessEmbedding)

		for i := range m.Kinds {
			requireSound(t, &m.Kinds[i])
		}

		var o map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &o))
		o["frobnicated_width"] = json.RawMessage("3")
		unknown, err := json.Marshal(o)
		require.NoError(t, err)
		if _, err := ImportBytes("fuzz", unknown, Options{}); err == nil {
			t.Fatal("a config with an unknown shape key was counted")
		}
		if _, err := ImportBytes("fuzz", data, Options{Layers: 3}); err == nil {
			m, _ = ImportBytes("fuzz", data, Options{Layers: 3})
			require.EqualValues(t, 3, m.Layers())
		}
	})
}

// requireSound holds a layer to what every transformer's layer is.
func requireSound(t *testing.T, l *Layer) {
	t.Helper()
	for _, a := range []*Attention{&l.Attention, l.Cross} {
		if a == nil {
			continue
		}
		for _, n := range []int64{a.Heads, a.KVHeads, a.HeadDim, a.ValueDim} {
			require.Positive(t, n)
		}
		require.Zero(t, a.Heads%a.KVHeads)
		require.GreaterOrEqual(t, a.HeadDim, a.RotaryDim)
		require.GreaterOrEqual(t, a.Window, int64(0))
	}
	require.True(t, (l.FFN == nil) != (l.MoE == nil))
	if l.FFN != nil {
		require.Positive(t, l.FFN.Width)
	}
	if e := l.MoE; e != nil {
		require.Positive(t, e.Expert.Width)
		require.Positive(t, e.TopK)
		require.LessOrEqual(t, e.TopK, e.Experts)
	}
}
