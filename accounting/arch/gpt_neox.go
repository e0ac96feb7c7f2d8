package arch

var _ = register(&family{
	types:  []string{"gpt_neox"},
	source: "transformers/models/gpt_neox/modeling_gpt_neox.py",
	build:  buildGPTNeoX,
})

// buildGPTNeoX: two norms a layer even when attention and feed-forward run in
// parallel; the untied head has no bias. attention_bias is on when absent.
func buildGPTNeoX(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 50432, hidden: 6144, ffn: 24576, layers: 44, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 64, fixed: true, single: true})
	bias := c.flag(true, "attention_bias")
	ffn := plain(d.ffn, true, c.activation("gelu", "hidden_act"))
	m := c.newModel(d, layerNorm(d.hidden), false)
	a := h.attention().biases(bias, bias)
	a.RotaryDim = c.rotaryDim(h.width, 0.25, "rotary_pct", "partial_rotary_factor")
	m.uniform(d.layers, pre(Layer{
		Name: "dense", Attention: a, FFN: &ffn,
		Parallel: c.flag(true, "use_parallel_residual"),
	}, layerNorm(d.hidden)))
	return m
}
