package arch

var _ = register(&family{
	types:  []string{"gpt2"},
	source: "transformers/models/gpt2/modeling_gpt2.py",
	build:  buildGPT2,
})

// buildGPT2: learned positions, LayerNorm and biases everywhere, two
// feed-forward matrices of width 4d when n_inner is null, a tied head.
func buildGPT2(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 50257, hidden: 768, layers: 12, positions: 1024})
	h := c.heads(d.hidden, headDefaults{heads: 12, fixed: true, single: true})
	c.refuse("add_cross_attention", "cross-attention in a decoder-only model is not read")
	ffn := plain(c.quiet(4*d.hidden, "n_inner"), true, c.activation("gelu_new", "activation_function"))
	m := c.newModel(d, layerNorm(d.hidden), true)
	m.Embedding.Positions = d.positions
	l := Layer{Name: "dense", Attention: h.attention().biases(true, true).norotary(), FFN: &ffn}
	m.uniform(d.layers, pre(l, layerNorm(d.hidden)))
	return m
}
