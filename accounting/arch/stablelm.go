package arch

var _ = register(&family{
	types:  []string{"stablelm", "stablelm_epoch"},
	source: "transformers/models/stablelm/modeling_stablelm.py",
	build:  buildStableLM,
})

// buildStableLM: LayerNorm on a llama body; a parallel residual has one norm
// less; qk_layernorm gives every head of q and k a weight of its own, no bias.
func buildStableLM(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 50304, hidden: 2560, ffn: 6912, layers: 32, positions: 4096})
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 32, fixed: true})
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	c.ignore("norm_eps", "rotary_scaling_factor")
	m := c.newModel(d, layerNorm(d.hidden), false)
	a := h.attention().biases(c.flag(false, "use_qkv_bias"), false)
	if c.flag(false, "qk_layernorm") {
		a.QNorm = Norm{Kind: LayerNormNoBias, Width: h.width, Weights: h.q * h.width}
		a.KNorm = Norm{Kind: LayerNormNoBias, Width: h.width, Weights: h.kv * h.width}
	}
	a.RotaryDim = c.rotaryDim(h.width, 0.25, "partial_rotary_factor", "rope_pct")
	l := Layer{Name: "dense", Attention: a, FFN: &ffn, InputNorm: layerNorm(d.hidden), Parallel: c.flag(false, "use_parallel_residual")}
	if !l.Parallel {
		l.FFNNorm = layerNorm(d.hidden)
	}
	m.uniform(d.layers, l)
	return m
}
