package arch

var _ = register(&family{
	types:  []string{"bloom"},
	source: "transformers/models/bloom/modeling_bloom.py",
	build:  buildBloom,
})

// buildBloom: ALiBi instead of positions, a norm after the embedding, biases
// everywhere, a tied head. Early configs call the width n_embed.
func buildBloom(c *config, _ string) *Model {
	c.aliases("hidden_size", "n_embed")
	d := c.dims(dims{vocab: 250880, hidden: 64, layers: 2})
	h := c.heads(d.hidden, headDefaults{heads: 8, fixed: true, single: true})
	c.ignore("slow_but_exact", "offset_alibi", "skip_bias_add", "skip_bias_add_qkv", "masked_softmax_fusion",
		"bias_dropout_fusion", "apply_residual_connection_post_layernorm", "n_inner")
	if n, ok := c.number(1, "n_inner"); ok && n != 4*d.hidden {
		c.contradict("n_inner", "is %d; BLOOM's feed-forward is always 4 times the width (%d)", n, 4*d.hidden)
	}
	ffn := plain(4*d.hidden, true, "gelu_tanh")
	m := c.newModel(d, layerNorm(d.hidden), true)
	m.Embedding.Norm = layerNorm(d.hidden)
	a := h.attention().biases(true, true).norotary()
	a.ALiBi = true
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, layerNorm(d.hidden)))
	return m
}
