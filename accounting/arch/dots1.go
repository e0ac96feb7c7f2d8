package arch

var _ = register(&family{
	types:  []string{"dots1"},
	source: "transformers/models/dots1/modeling_dots1.py",
	build:  buildDots1,
})

// buildDots1: Qwen3's attention with DeepSeek-V3's experts.
func buildDots1(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 152064, hidden: 4608, ffn: 10944, layers: 62, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 32})
	bias := c.flag(false, "attention_bias")
	a := h.attention().biases(bias, bias).qkNorms(RMSNorm)
	e := c.deepseekExperts(d, deepseekDefaults{width: 1408, correction: true})
	c.ignore("use_sliding_window")
	window := c.window(4096)
	first := c.count(62, "max_window_layers")
	kind := c.layerTypes(d.layers, func(i int64) string {
		if window > 0 && i >= first {
			return slidingAttention
		}
		return fullAttention
	})
	m := c.newModel(d, rms(d.hidden), false)
	layer := e.layers(a, d.hidden)
	m.stack(d.layers, func(i int64) Layer { return windowed(layer(i), kind(i), window) })
	return m
}
