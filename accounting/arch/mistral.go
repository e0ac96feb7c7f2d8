package arch

var _ = register(&family{
	types:  []string{"mistral", "ministral", "ministral3"},
	source: "transformers/models/mistral/modeling_mistral.py, ministral/modeling_ministral.py, ministral3/modeling_ministral3.py",
	build:  buildMistral,
})

// buildMistral: a llama body without any bias, a sliding window in every layer
// unless it is null, and 8 key/value heads when the key is absent. Ministral 3 has
// heads of a width of its own and no window.
func buildMistral(c *config, modelType string) *Model {
	def, hd := dims{vocab: 32000, hidden: 4096, ffn: 14336, layers: 32, positions: 4096 * 32}, headDefaults{heads: 32, kv: 8}
	sliding := int64(4096)
	if modelType == "ministral3" {
		def.vocab, def.layers, def.positions = 131072, 34, 262144
		hd.width, hd.derived, sliding = 128, true, 0
	}
	d := c.dims(def)
	h := c.heads(d.hidden, hd)
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	c.ignore("use_sliding_window", "max_window_layers", "attention_sink_size")
	pattern := all(fullAttention)
	window := c.window(sliding)
	if window > 0 {
		pattern = all(slidingAttention)
	}
	kind := c.layerTypes(d.layers, pattern)
	m.stack(d.layers, func(i int64) Layer {
		return windowed(pre(Layer{Name: "dense", Attention: h.attention(), FFN: &ffn}, rms(d.hidden)), kind(i), window)
	})
	return m
}
