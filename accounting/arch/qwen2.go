package arch

var _ = register(&family{
	types:  []string{"qwen2"},
	source: "transformers/models/qwen2/modeling_qwen2.py",
	build:  buildQwen2,
})

// buildQwen2: a llama body with biases on q, k and v, which no key announces.
func buildQwen2(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 151936, hidden: 4096, ffn: 22016, layers: 32, positions: 32768})
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 32})
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	window, kind := c.qwenWindows(d.layers)
	m.stack(d.layers, func(i int64) Layer {
		l := Layer{Name: "dense", Attention: h.attention().biases(true, false), FFN: &ffn}
		return windowed(pre(l, rms(d.hidden)), kind(i), window)
	})
	return m
}

// qwenWindows reads the sliding windows of Qwen 2 and 3: off unless
// use_sliding_window, and then only from layer max_window_layers on.
func (c *config) qwenWindows(layers int64) (window int64, kind func(i int64) string) {
	window = c.window(4096)
	first := c.count(28, "max_window_layers")
	if !c.flag(false, "use_sliding_window") {
		window = 0
	}
	return window, c.layerTypes(layers, func(i int64) string {
		if window > 0 && i >= first {
			return slidingAttention
		}
		return fullAttention
	})
}
