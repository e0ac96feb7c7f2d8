package arch

var _ = register(&family{
	types:  []string{"mpt"},
	source: "mosaicml/llm-foundry llmfoundry/models/mpt/modeling_mpt.py (transformers/models/mpt knows a part of it)",
	build:  buildMPT,
})

// buildMPT: no_bias strips the biases of norms too; a model with ALiBi or rotary
// positions has no position table, whatever learned_pos_emb says. The first
// configs (replit-code-v1) have the keys of attn_config beside the others.
func buildMPT(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 50368, hidden: 2048, layers: 24, positions: 2048})
	h := heads{q: c.dim(16, "n_heads", "num_attention_heads")}
	h.width = c.perHead(d.hidden, h.q)
	h.kv = h.q
	at := c.sub("attn_config")
	at.ignore("alibi_bias_max", "attn_uses_sequence_id", "prefix_lm", "rope_impl", "rope_dail_config", "rope_hf_config", "model_type", "tie_word_embeddings")
	switch at.only("multihead_attention", "attn_type", "multiquery_attention", "grouped_query_attention") {
	case "multiquery_attention":
		h.kv = 1
		at.ignore("kv_n_heads")
	case "grouped_query_attention":
		h.kv = at.dim(0, "kv_n_heads")
	default:
		at.ignore("kv_n_heads")
	}
	c.checkGroups(h)
	biased := !c.flag(true, "no_bias")
	norm := func(width int64) Norm { return NewNorm(LayerNormNoBias, width) }
	switch kind := c.only("low_precision_layernorm", "norm_type", "layernorm", "rmsnorm", "low_precision_rmsnorm"); {
	case kind == "rmsnorm" || kind == "low_precision_rmsnorm":
		norm = rms
	case biased:
		norm = layerNorm
	}
	exact := c.real(4, "expansion_ratio", "mlp_ratio") * float64(d.hidden)
	if !(exact >= 1 && exact <= maxDim) {
		c.contradict("expansion_ratio", "gives a feed-forward width of %g", exact)
		exact = 1
	}
	width := int64(exact)
	ffn := plain(width, biased, "gelu")
	f := c.sub("ffn_config")
	if n, ok := f.number(1, "ffn_hidden_size"); ok {
		ffn.Width = n
	}
	ffn.Gated = f.only("mptmlp", "ffn_type", "mptglu") == "mptglu"
	f.ignore("fc_type", "model_type")
	c.ignore("fc_type", "embedding_fraction", "init_device", "scale_scores", "use_pad_tok_in_ffwd", "block_overrides")
	if c.has("block_overrides") {
		c.fail("block_overrides", "layers that differ from each other are not read")
	}
	a := h.attention().biases(biased, biased).norotary()
	if at.flag(c.flag(false, "attn_qk_ln"), "qk_ln") {
		a.QNorm, a.KNorm = norm(h.q*h.width), norm(h.kv*h.width)
	}
	if at.flag(false, "qk_gn") {
		a.QNorm, a.KNorm = norm(h.width), norm(h.width)
	}
	a.ALiBi = at.flag(c.flag(!c.has("attn_config"), "alibi"), "alibi") // on in a config without attn_config
	c.ignore("alibi_bias_max", "attn_uses_sequence_id", "prefix_lm")
	rope := at.flag(false, "rope")
	if rope {
		a.RotaryDim = h.width
	}
	if n, ok := at.number(-1, "sliding_window_size"); ok && n > 0 {
		a.Window = n
	}
	m := c.newModel(d, norm(d.hidden), true)
	if c.flag(true, "learned_pos_emb") && !a.ALiBi && !rope {
		m.Embedding.Positions = d.positions
	}
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, norm(d.hidden)))
	return m
}
