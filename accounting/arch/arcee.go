package arch

var _ = register(&family{
	types:  []string{"arcee"},
	source: "transformers/models/arcee/modeling_arcee.py",
	build:  buildArcee,
})

// buildArcee: a llama body with two feed-forward matrices and squared ReLU.
func buildArcee(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 32000, hidden: 2560, ffn: 18432, layers: 32, positions: 4096})
	h := c.heads(d.hidden, headDefaults{heads: 32})
	bias := c.flag(false, "attention_bias")
	ffn := plain(d.ffn, c.flag(false, "mlp_bias"), c.activation("relu2", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &ffn}, rms(d.hidden)))
	return m
}
