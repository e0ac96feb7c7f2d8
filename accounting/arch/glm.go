package arch

var _ = register(&family{
	types:  []string{"glm", "glm4"},
	source: "transformers/models/glm/modeling_glm.py, glm4/modeling_glm4.py",
	build:  buildGLM,
})

// buildGLM: attention_bias is on when absent and means q, k and v alone; GLM-4
// (0414) has norms after both blocks beside those before.
func buildGLM(c *config, modelType string) *Model {
	d := c.dims(dims{vocab: 151552, hidden: 4096, ffn: 13696, layers: 40, positions: 131072})
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 2, width: 128})
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	m.Code.FusedGateUp = true
	a := h.attention().biases(c.flag(true, "attention_bias"), false)
	a.RotaryDim = c.rotaryDim(h.width, 0.5)
	l := pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, rms(d.hidden))
	if modelType == "glm4" {
		l.PostAttnNorm, l.PostFFNNorm = rms(d.hidden), rms(d.hidden)
	}
	m.uniform(d.layers, l)
	return m
}
