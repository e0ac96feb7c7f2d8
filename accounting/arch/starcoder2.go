package arch

var _ = register(&family{
	types:  []string{"starcoder2"},
	source: "transformers/models/starcoder2/modeling_starcoder2.py",
	build:  buildStarcoder2,
})

// buildStarcoder2: grouped queries and rotary positions in a GPT body with
// LayerNorm and biases; tied when the key is absent.
func buildStarcoder2(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 49152, hidden: 3072, ffn: 12288, layers: 30, positions: 4096})
	h := c.heads(d.hidden, headDefaults{heads: 24, kv: 2})
	bias := c.flag(true, "use_bias")
	c.only("default", "mlp_type")
	c.only("layer_norm", "norm_type")
	ffn := plain(d.ffn, bias, c.activation("gelu_pytorch_tanh", "hidden_act"))
	m := c.newModel(d, layerNorm(d.hidden), true)
	l := Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &ffn}
	window := c.window(0)
	m.uniform(d.layers, windowed(pre(l, layerNorm(d.hidden)), slidingAttention, window))
	return m
}
