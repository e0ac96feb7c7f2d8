package arch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// import1 reads a config that must be good.
func import1(t *testing.T, config string) *Model {
	t.Helper()
	m, err := ImportBytes("config.json", []byte(config), Options{})
	require.NoError(t, err)
	return m
}

// total counts it.
func total(t *testing.T, config string) int64 {
	t.Helper()
	c, err := import1(t, config).ParameterCount()
	require.NoError(t, err)
	return c.Total
}

// Traps in published models: what each type does that its config does not say,
// as differences between configs that differ in one key.
func TestTraps(t *testing.T) {
	differ := func(why string, want int64, with, without string) {
		t.Helper()
		require.Equal(t, want, total(t, with)-total(t, without), why)
	}
	same := func(why string, a, b string) { t.Helper(); differ(why, 0, a, b) }

	gpt2 := `{"model_type": "gpt2", "n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 100, "n_positions": 32`
	same("gpt2: n_inner null is 4d", gpt2+`, "n_inner": null}`, gpt2+`, "n_inner": 256}`)
	same("gpt2: the head is tied though no key says so", gpt2+`}`, gpt2+`, "tie_word_embeddings": true}`)
	differ("gpt2: n_positions rows are learned", 64, gpt2[:len(gpt2)-2]+`33}`, gpt2+`}`)

	gptj := `{"model_type": "gptj", "n_embd": 64, "n_layer": 1, "n_head": 4, "n_positions": 32, "vocab_size": `
	differ("gptj: a vocabulary row is in the table, the untied head, and its bias", 64+64+1, gptj+`101}`, gptj+`100}`)
	require.Equal(t, NoNorm, import1(t, gptj+`100}`).Kinds[0].FFNNorm.Kind, "gptj: one norm a layer")

	neo := import1(t, `{"model_type": "gpt_neo", "num_layers": 2, "attention_types": [[["global", "local"], 1]]}`)
	require.Equal(t, []bool{false, false, false, true}, biases(neo.Kinds[0].Attention), "gpt_neo: q, k, v without bias, o with")
	require.Equal(t, []int64{0, 256}, []int64{neo.Kinds[0].Attention.Window, neo.Kinds[1].Attention.Window}, "gpt_neo: global and local in turn")

	opt := `{"model_type": "opt", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 128, "vocab_size": 100, "max_position_embeddings": `
	require.EqualValues(t, 34, import1(t, opt+`32}`).Embedding.Positions, "opt: two rows more than positions")
	differ("opt: a narrow table has projections in and out", 2*32*64-100*32, opt+`32, "word_embed_proj_dim": 32}`, opt+`32}`)
	differ("opt: post-norm models have no final norm", -2*64, opt+`32, "do_layer_norm_before": false}`, opt+`32}`)

	bloom := import1(t, `{"model_type": "bloom", "hidden_size": 64, "n_layer": 1, "n_head": 4}`)
	require.Equal(t, layerNorm(64), bloom.Embedding.Norm, "bloom: a norm after the embedding")
	require.True(t, bloom.Kinds[0].Attention.ALiBi && bloom.Embedding.Positions == 0 && bloom.Head.Tied, "bloom: alibi, tied")

	neox := `{"model_type": "gpt_neox", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100`
	same("gpt_neox: two norms a layer even when parallel", neox+`, "use_parallel_residual": true}`, neox+`, "use_parallel_residual": false}`)
	require.False(t, import1(t, neox+`}`).Head.Bias || import1(t, neox+`}`).Head.Tied, "gpt_neox: untied, no bias on the head")

	small := `{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100`
	differ("xielu learns two numbers in every feed-forward block", 3*2, small+`, "hidden_act": "xielu"}`, small+`}`)
	same("a null flag is off", small+`, "attention_bias": null}`, small+`, "attention_bias": false}`)

	falcon := `{"model_type": "falcon", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 100`
	differ("falcon: multi-query keeps one key/value head", -2*64*48, falcon+`, "multi_query": true}`, falcon+`, "multi_query": false}`)
	differ("falcon: the new architecture has two norms", 2*64, falcon+`, "new_decoder_architecture": true, "num_kv_heads": 1}`, falcon+`}`)
	differ("falcon: a second norm when not parallel", 2*64, falcon+`, "parallel_attn": false}`, falcon+`}`)
	same("falcon: a null flag is off, though an absent one is on", falcon+`, "multi_query": null}`, falcon+`, "multi_query": false}`)
	same("falcon: tied when the key is absent", falcon+`}`, falcon+`, "tie_word_embeddings": true}`)

	mpt := `{"model_type": "mpt", "d_model": 64, "n_layers": 1, "n_heads": 4, "vocab_size": 100, "max_seq_len": 32`
	differ("mpt: no_bias strips norm biases too", 3*64+64+3*64+256+64, mpt+`, "no_bias": false}`, mpt+`}`)
	differ("mpt: alibi means no position table", -32*64, mpt+`, "attn_config": {"alibi": true}}`, mpt+`, "attn_config": {"alibi": false}}`)

	llama := `{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100`
	same("llama: absent key/value heads are as many as heads", llama+`}`, llama+`, "num_key_value_heads": 4}`)
	same("llama: so are null ones", llama+`}`, llama+`, "num_key_value_heads": null}`)
	differ("llama: attention_bias is on q, k, v and o", 4*64, llama+`, "attention_bias": true}`, llama+`}`)
	differ("llama: mlp_bias is on gate, up and down", 2*128+64, llama+`, "mlp_bias": true}`, llama+`}`)
	differ("llama: head_dim need not be d/a", 4*64*4*16, llama+`, "head_dim": 32}`, llama+`}`)

	require.EqualValues(t, 8, import1(t, `{"model_type": "mistral"}`).Kinds[0].Attention.KVHeads, "mistral: absent key/value heads are 8")
	require.EqualValues(t, 32, import1(t, `{"model_type": "mistral", "num_key_value_heads": null}`).Kinds[0].Attention.KVHeads, "mistral: null ones are as many as heads")

	require.Equal(t, []bool{true, true, true, false}, biases(import1(t, `{"model_type": "qwen2"}`).Kinds[0].Attention), "qwen2: bias on q, k, v though no key says so")
	qwen3 := import1(t, `{"model_type": "qwen3", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}`).Kinds[0].Attention
	require.Equal(t, []int64{128, 128, 128}, []int64{qwen3.HeadDim, qwen3.QNorm.Elements(), qwen3.KNorm.Elements()}, "qwen3: heads of 128, norms of one head")

	gemma := import1(t, `{"model_type": "gemma"}`)
	require.True(t, gemma.Head.Tied && gemma.Kinds[0].Attention.HeadDim == 256, "gemma: heads of 256, tied when the key is absent")
	four := import1(t, `{"model_type": "gemma2"}`).Kinds[0]
	require.Equal(t, []Norm{rms(2304), rms(2304), rms(2304), rms(2304)}, []Norm{four.InputNorm, four.PostAttnNorm, four.FFNNorm, four.PostFFNNorm}, "gemma2: four norms a layer")
	require.NotZero(t, import1(t, `{"model_type": "gemma3_text"}`).Kinds[0].Attention.QNorm, "gemma3: norms on q and k")

	require.True(t, import1(t, `{"model_type": "phi"}`).Head.Bias, "phi: a bias on the head")
	require.Equal(t, []bool{false, false, false, false}, biases(import1(t, `{"model_type": "phi3"}`).Kinds[0].Attention), "phi3: no biases")

	require.Zero(t, import1(t, `{"model_type": "olmo"}`).FinalNorm.Elements(), "olmo: norms without weights")
	olmo2 := import1(t, `{"model_type": "olmo2"}`).Kinds[0]
	require.Equal(t, NoNorm, olmo2.InputNorm.Kind, "olmo2: post-norm only")
	require.EqualValues(t, 4096, olmo2.Attention.QNorm.Elements(), "olmo2: q norm over the whole width")

	stablelm := `{"model_type": "stablelm", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 100`
	differ("stablelm: per-head norms have a weight a head and no bias", 4*16+2*16, stablelm+`, "qk_layernorm": true}`, stablelm+`}`)
	differ("stablelm: a parallel residual drops one norm", -2*64, stablelm+`, "use_parallel_residual": true}`, stablelm+`}`)

	width := func(why string, want int64, config string) {
		t.Helper()
		require.Equal(t, want, import1(t, config).Kinds[len(import1(t, config).Kinds)-1].MoE.Expert.Width, why)
	}
	width("mixtral: intermediate_size is an expert's", 24, `{"model_type": "mixtral", "intermediate_size": 24}`)
	width("granitemoe: intermediate_size is an expert's", 24, `{"model_type": "granitemoe", "intermediate_size": 24}`)
	width("gpt_oss: intermediate_size is an expert's", 24, `{"model_type": "gpt_oss", "intermediate_size": 24}`)
	width("qwen2_moe: intermediate_size is a dense layer's", 1408, `{"model_type": "qwen2_moe", "intermediate_size": 24}`)
	width("deepseek_v3: intermediate_size is a dense layer's", 2048, `{"model_type": "deepseek_v3", "intermediate_size": 24}`)
	width("ernie4_5_moe: intermediate_size is a dense layer's", 1536, `{"model_type": "ernie4_5_moe", "intermediate_size": 24}`)
	llama4 := import1(t, `{"model_type": "llama4_text", "intermediate_size": 24, "intermediate_size_mlp": 48, "interleave_moe_layer_step": 2}`)
	require.EqualValues(t, 48, llama4.Kinds[0].FFN.Width, "llama4: dense layers have intermediate_size_mlp")
	require.EqualValues(t, 24, llama4.Kinds[1].MoE.Expert.Width, "llama4: experts have intermediate_size")
	require.EqualValues(t, 24, llama4.Kinds[1].MoE.Shared.Width, "llama4: one shared expert")

	v3 := import1(t, `{"model_type": "deepseek_v3", "n_shared_experts": 2}`)
	require.Equal(t, []int{0, 0, 0, 1}, v3.Sequence[:4], "deepseek: first_k_dense_replace dense layers")
	require.EqualValues(t, 2*2048, v3.Kinds[1].MoE.Shared.Width, "deepseek: shared experts are one FFN as many times as wide")
	require.True(t, v3.Kinds[1].MoE.CorrectionBias, "deepseek_v3: a correction value an expert")
	require.Zero(t, import1(t, `{"model_type": "deepseek_v2", "q_lora_rank": null, "num_experts_per_tok": 6}`).Kinds[0].Attention.MLA.QRank, "deepseek_v2: q_lora_rank null projects queries directly")
	oss := import1(t, `{"model_type": "gpt_oss"}`).Kinds[0]
	require.True(t, oss.Attention.Sinks && oss.Attention.OBias && oss.MoE.RouterBias && oss.MoE.Expert.DownBias, "gpt_oss: sinks and biases everywhere")

	t5 := import1(t, `{"model_type": "t5"}`)
	require.EqualValues(t, 32, t5.Kinds[t5.Sequence[0]].Attention.RelativeBuckets, "t5: the first layer of a stack holds the relative positions")
	require.Zero(t, t5.Kinds[t5.Sequence[1]].Attention.RelativeBuckets, "t5: and no other")
}

func biases(a Attention) []bool { return []bool{a.QBias, a.KBias, a.VBias, a.OBias} }

// Multimodal configs nest the language model, whose tensors alone are counted.
func TestNestedConfigs(t *testing.T) {
	inner := `"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 100`
	f := func(outer, plain string) {
		t.Helper()
		a, b := import1(t, outer), import1(t, plain)
		require.Equal(t, b.Type, a.Type)
		require.Equal(t, b.Kinds, a.Kinds)
		require.Equal(t, total(t, plain), total(t, outer))
	}
	f(`{"model_type": "gemma3", "vision_config": {"depth": 27}, "mm_tokens_per_image": 256, "text_config": {`+inner+`}}`, `{"model_type": "gemma3_text", `+inner+`}`)
	f(`{"model_type": "llama4", "text_config": {`+inner+`}}`, `{"model_type": "llama4_text", `+inner+`}`)
	f(`{"model_type": "mistral3", "tie_word_embeddings": true, "text_config": {"model_type": "mistral", `+inner+`}}`, `{"model_type": "mistral", "tie_word_embeddings": true, `+inner+`}`)
	f(`{"model_type": "internvl_chat", "llm_config": {"model_type": "qwen2", `+inner+`}}`, `{"model_type": "qwen2", `+inner+`}`)
}

// architectures says whether an encoder was published bare or with its head.
// 22,713,216: all-MiniLM-L6-v2 by the keras-hub library.
func TestBareEncoder(t *testing.T) {
	minilm := `{"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536, "vocab_size": 30522`
	require.EqualValues(t, 22_713_216, total(t, minilm+`, "architectures": ["BertModel"]}`))
	require.EqualValues(t, 22_713_216-(384*384+384)+(384*384+384)+2*384+30522, total(t, minilm+`, "architectures": ["BertForMaskedLM"]}`))
}

// Overriding the number of layers is as if the config said it: patterns follow.
func TestLayersFollow(t *testing.T) {
	f := func(config string, layers int64, want ...string) {
		t.Helper()
		m, err := ImportBytes("config.json", []byte(config), Options{Layers: layers})
		require.NoError(t, err)
		var got []string
		for _, k := range m.Sequence {
			got = append(got, m.Kinds[k].Name)
		}
		require.Equal(t, want, got)
	}
	f(`{"model_type": "llama"}`, 2, "dense", "dense")
	f(`{"model_type": "deepseek_v3"}`, 5, "dense", "dense", "dense", "moe", "moe")
	f(`{"model_type": "gemma3_text"}`, 7, "sliding dense", "sliding dense", "sliding dense", "sliding dense", "sliding dense", "dense", "sliding dense")
	f(`{"model_type": "gpt_oss", "num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]}`, 5,
		"sliding moe", "moe", "sliding moe", "moe", "sliding moe")
	f(`{"model_type": "gpt_oss", "num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]}`, 1, "sliding moe")
	f(`{"model_type": "gpt_neo", "attention_types": [[["global", "local"], 12]]}`, 3, "dense", "sliding dense", "dense")
	f(`{"model_type": "smollm3"}`, 4, "dense", "dense", "dense", "no-rope")
	f(`{"model_type": "qwen2_moe", "decoder_sparse_step": 2}`, 3, "dense", "moe", "dense")

	_, err := ImportBytes("c.json", []byte(`{"model_type": "qwen2", "num_hidden_layers": 3, "layer_types": ["full_attention", "full_attention", "sliding_attention"]}`), Options{Layers: 9})
	require.EqualError(t, err, `c.json:1:64: layer_types: lists 3 layers without a pattern that repeats; 9 layers cannot follow from it`)
	_, err = ImportBytes("c.json", []byte(`{"model_type": "llama"}`), Options{Layers: -1})
	require.EqualError(t, err, `c.json: layers: is -1; want 1 to 100000`)
}

// What grows with one axis grows alone.
func TestOneAxisMovesAlone(t *testing.T) {
	for _, p := range Presets() {
		if p.config == nil {
			continue
		}
		m, err := p.Model(Options{})
		require.NoError(t, err)
		before, err := m.ParameterCount()
		require.NoError(t, err)

		wide := *m
		wide.Embedding.Vocab++
		after, err := wide.ParameterCount()
		require.NoError(t, err)
		rows := after.Embedding - before.Embedding
		require.Equal(t, m.Embedding.Width, rows, p.Name)
		require.Equal(t, before.Position, after.Position, p.Name)
		require.Equal(t, before.Kinds, after.Kinds, p.Name)

		deep := *m
		deep.Sequence = append(append([]int(nil), m.Sequence...), m.Sequence[len(m.Sequence)-1])
		after, err = deep.ParameterCount()
		require.NoError(t, err)
		last := before.Kinds[m.Sequence[len(m.Sequence)-1]]
		require.Equal(t, last.PerLayer, after.Total-before.Total, p.Name)
		require.Equal(t, last.Active, after.Active-before.Active, p.Name)
		require.Equal(t, before.Embedding+before.Position+before.Head, after.Embedding+after.Position+after.Head, p.Name)
	}
}

// A size under a second name is let through where it says the same, and refused
// where it does not.
func TestRestatedSizes(t *testing.T) {
	base := `{"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 96`
	f := func(key, same, other string) {
		t.Helper()
		require.Equal(t, total(t, base+`}`), total(t, base+`, "`+key+`": `+same+`}`))
		_, err := ImportBytes("c", []byte(base+`, "`+key+`": `+other+`}`), Options{})
		require.Error(t, err)
	}
	f("num_heads", "4", "8")
	f("num_layers", "2", "3")
	f("hidden_dim", "64", "65")
	f("ffn_dim", "96", "97")
	f("num_kv_heads", "4", "2")
	f("kv_channels", "16", "32")
}
