package arch

var _ = register(&family{
	types:  []string{"nemotron"},
	source: "transformers/models/nemotron/modeling_nemotron.py",
	build:  buildNemotron,
})

// buildNemotron: LayerNorm (whose weight is stored less one), two feed-forward
// matrices with squared ReLU, half-rotary heads of a width of their own.
func buildNemotron(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 256000, hidden: 6144, ffn: 24576, layers: 32, positions: 4096})
	c.aliases("head_dim", "kv_channels")
	h := c.heads(d.hidden, headDefaults{heads: 48})
	bias := c.flag(false, "attention_bias")
	ffn := plain(d.ffn, c.flag(false, "mlp_bias"), c.activation("relu2", "hidden_act"))
	m := c.newModel(d, layerNorm(d.hidden), false)
	a := h.attention().biases(bias, bias)
	a.RotaryDim = c.rotaryDim(h.width, 0.5, "partial_rotary_factor", "rope_percent", "rope_percentage")
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, layerNorm(d.hidden)))
	return m
}
