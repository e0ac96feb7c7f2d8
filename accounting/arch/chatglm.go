package arch

var _ = register(&family{
	types:  []string{"chatglm"},
	source: "THUDM/chatglm3-6b modeling_chatglm.py (ChatGLM2, ChatGLM3, GLM-4), THUDM/chatglm-6b modeling_chatglm.py",
	build:  buildChatGLM,
})

// buildChatGLM: RMSNorm, half-rotary heads of width kv_channels, gated
// feed-forward, biases on q, k and v by a key of their own. The head is never
// tied. The first ChatGLM bears the same model_type with other keys.
func buildChatGLM(c *config, _ string) *Model {
	if c.has("inner_hidden_size") || c.has("position_encoding_2d") {
		return buildChatGLM1(c)
	}
	d := dims{
		vocab:     c.dim(65024, "padded_vocab_size"),
		hidden:    c.dim(4096, "hidden_size"),
		ffn:       c.dim(13696, "ffn_hidden_size"),
		layers:    c.depth(28, "num_layers", "num_hidden_layers"),
		positions: c.quiet(2048, "seq_length"),
	}
	h := heads{q: c.dim(32, "num_attention_heads"), width: c.dim(128, "kv_channels")}
	h.kv = h.q
	if c.flag(false, "multi_query_attention") {
		h.kv = c.dim(1, "multi_query_group_num")
	}
	c.ignore("multi_query_group_num", "vocab_size", "interleaved_qkv", "bias_dropout_fusion", "apply_residual_connection_post_layernorm",
		"quantization_bit", "prefix_projection", "rope_ratio", "tie_word_embeddings", "num_key_value_heads", "vision_config")
	if c.has("vision_config") {
		c.note("only the language model is counted, without the vision tower")
	}
	c.checkGroups(h)
	if _, ok := c.number(1, "pre_seq_len"); ok {
		c.fail("pre_seq_len", "a learned prefix is not read")
	}
	if n, ok := c.number(1, "vocab_size"); ok && n > d.vocab {
		c.fail("vocab_size", "is %d, more than padded_vocab_size %d", n, d.vocab)
	}
	biases := c.flag(false, "add_bias_linear")
	norm := rms(d.hidden)
	if !c.flag(true, "rmsnorm") {
		norm = layerNorm(d.hidden)
	}
	ffn := gated(d.ffn, biases, "silu")
	m := c.newModel(d, norm, false)
	m.Head.Tied = false
	if !c.flag(true, "post_layer_norm") {
		m.FinalNorm = Norm{}
	}
	m.Code.FusedQKV, m.Code.FusedGateUp = true, true
	a := h.attention().biases(biases || c.flag(false, "add_qkv_bias"), biases)
	a.RotaryDim = h.width / 2
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, norm))
	return m
}

// buildChatGLM1: LayerNorm and biases everywhere, two feed-forward matrices,
// rotary positions of two kinds on half a head each, a tied head.
func buildChatGLM1(c *config) *Model {
	d := dims{
		vocab:     c.dim(150528, "vocab_size"),
		hidden:    c.dim(4096, "hidden_size"),
		ffn:       c.dim(16384, "inner_hidden_size"),
		layers:    c.depth(28, "num_layers"),
		positions: c.quiet(2048, "max_sequence_length"),
	}
	h := heads{q: c.dim(32, "num_attention_heads")}
	h.kv, h.width = h.q, c.perHead(d.hidden, h.q)
	c.ignore("prefix_projection", "quantization_bit", "quantization_embeddings", "layernorm_epsilon")
	if !c.flag(true, "position_encoding_2d") {
		c.note("position_encoding_2d is off: rotary positions of one kind")
	}
	if _, ok := c.number(1, "pre_seq_len"); ok {
		c.fail("pre_seq_len", "a learned prefix is not read")
	}
	ffn := plain(d.ffn, true, "gelu_tanh")
	m := c.newModel(d, layerNorm(d.hidden), true)
	m.Code.FusedQKV = true
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: h.attention().biases(true, true), FFN: &ffn}, layerNorm(d.hidden)))
	return m
}
