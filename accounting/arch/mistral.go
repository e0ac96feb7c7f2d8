package arch

var _ = register(&family{
	types:  []string{"mistral"},
	source: "transformers/models/mistral/modeling_mistral.py",
	build:  buildMistral,
})

// buildMistral: a llama body without any bias, a sliding window in every layer
// unless it is null, and 8 key/value heads when the key is absent.
func buildMistral(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 32000, hidden: 4096, ffn: 14336, layers: 32, positions: 4096 * 32})
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 8})
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	c.ignore("use_sliding_window", "max_window_layers", "attention_sink_size")
	def := all(fullAttention)
	window := c.window(4096)
	if window > 0 {
		def = all(slidingAttention)
	}
	kind := c.layerTypes(d.layers, def)
	m.stack(d.layers, func(i int64) Layer {
		return windowed(pre(Layer{Name: "dense", Attention: h.attention(), FFN: &ffn}, rms(d.hidden)), kind(i), window)
	})
	return m
}
