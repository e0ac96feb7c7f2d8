package arch

var _ = register(&family{
	types:  []string{"cohere", "cohere2"},
	source: "transformers/models/cohere/modeling_cohere.py, cohere2/modeling_cohere2.py",
	build:  buildCohere,
})

// buildCohere: one LayerNorm without bias a layer, attention and feed-forward
// in parallel, tied and scaled logits. use_qk_norm gives each head of q and k
// its own weights. Cohere 2 has three sliding layers before each full one,
// which has no rotary positions.
func buildCohere(c *config, modelType string) *Model {
	d := c.dims(dims{vocab: 256000, hidden: 8192, ffn: 22528, layers: 40, positions: 8192})
	h := c.heads(d.hidden, headDefaults{heads: 64, fixed: modelType == "cohere2"})
	bias := c.flag(false, "attention_bias")
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	norm := NewNorm(LayerNormNoBias, d.hidden)
	m := c.newModel(d, norm, true)
	m.Head.Scaled = true
	a := h.attention().biases(bias, bias)
	l := Layer{Name: "dense", Attention: a, FFN: &ffn, InputNorm: norm, Parallel: true}
	if modelType == "cohere" {
		if c.flag(false, "use_qk_norm") {
			l.Attention.QNorm = Norm{Kind: LayerNormNoBias, Width: h.width, Weights: h.q * h.width}
			l.Attention.KNorm = Norm{Kind: LayerNormNoBias, Width: h.width, Weights: h.kv * h.width}
		}
		m.uniform(d.layers, l)
		return m
	}
	c.ignore("order_of_interleaved_layers", "position_embedding_type", "use_gated_activation", "use_embedding_sharing",
		"use_parallel_block", "use_parallel_embedding", "rotary_pct", "layer_switch")
	window := c.window(4096)
	kind := c.layerTypes(d.layers, everyNth(c.quiet(4, "sliding_window_pattern", "_sliding_window_pattern")))
	m.stack(d.layers, func(i int64) Layer {
		l := l
		if kind(i) == fullAttention && window > 0 {
			l.Attention.RotaryDim = 0
		}
		return windowed(l, kind(i), window)
	})
	return m
}
