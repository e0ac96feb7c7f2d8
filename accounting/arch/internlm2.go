package arch

var _ = register(&family{
	types:  []string{"internlm2", "internlm"},
	source: "internlm/internlm2-7b modeling_internlm2.py, internlm/internlm-7b modeling_internlm.py",
	build:  buildInternLM2,
})

// buildInternLM2: a llama body with q, k and v in one matrix. bias, on when the
// key is absent, means attention alone. The first InternLM has three matrices.
func buildInternLM2(c *config, modelType string) *Model {
	d := c.dims(dims{vocab: 103168, hidden: 4096, ffn: 11008, layers: 32, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 32, fixed: true})
	bias := c.flag(true, "bias")
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	m.Code.FusedQKV = modelType == "internlm2"
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &ffn}, rms(d.hidden)))
	return m
}
