package arch

var _ = register(&family{
	types:  []string{"qwen3"},
	source: "transformers/models/qwen3/modeling_qwen3.py",
	build:  buildQwen3,
})

// buildQwen3: Qwen2 without the silent biases, with a norm over each head of q
// and k; the head width is 128 unless the config says otherwise.
func buildQwen3(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 151936, hidden: 4096, ffn: 22016, layers: 32, positions: 32768})
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 32, width: 128})
	bias := c.flag(false, "attention_bias")
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	window, kind := c.qwenWindows(d.layers)
	m.stack(d.layers, func(i int64) Layer {
		l := Layer{Name: "dense", Attention: h.attention().biases(bias, bias).qkNorms(RMSNorm), FFN: &ffn}
		return windowed(pre(l, rms(d.hidden)), kind(i), window)
	})
	return m
}
