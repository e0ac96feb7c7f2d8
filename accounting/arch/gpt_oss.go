package arch

var _ = register(&family{
	types:  []string{"gpt_oss"},
	source: "transformers/models/gpt_oss/modeling_gpt_oss.py",
	build:  buildGPTOSS,
})

// buildGPTOSS: biases on attention, router and experts, one learned sink a
// head, a sliding window in every other layer, heads of width 64.
func buildGPTOSS(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 201088, hidden: 2880, ffn: 2880, layers: 36, positions: 131072})
	h := c.heads(d.hidden, headDefaults{heads: 64, kv: 8, width: 64})
	bias := c.flag(true, "attention_bias")
	moe := c.routed(128, 4)
	moe.RouterBias = true
	moe.Expert = gated(d.ffn, true, c.activation("silu", "hidden_act"))
	c.ignore("initial_context_length", "swiglu_limit", "swiglu_alpha")
	a := h.attention().biases(bias, bias)
	a.Sinks = true
	l := pre(Layer{Name: "moe", Attention: a, MoE: &moe}, rms(d.hidden))
	window := c.window(128)
	kind := c.layerTypes(d.layers, everyNth(2))
	m := c.newModel(d, rms(d.hidden), false)
	m.stack(d.layers, func(i int64) Layer { return windowed(l, kind(i), window) })
	return m
}
