package arch

var _ = register(&family{
	types:  []string{"glm4_moe"},
	source: "transformers/models/glm4_moe/modeling_glm4_moe.py",
	build:  buildGLM4MoE,
})

// buildGLM4MoE: DeepSeek-V3's experts around grouped-query attention with biases
// on q, k, v by attention_bias and norms on q and k by use_qk_norm.
func buildGLM4MoE(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 151552, hidden: 4096, ffn: 10944, layers: 46, positions: 131072})
	h := c.heads(d.hidden, headDefaults{heads: 96, kv: 8})
	a := h.attention().biases(c.flag(false, "attention_bias"), false)
	if c.flag(false, "use_qk_norm") {
		a = a.qkNorms(RMSNorm)
	}
	a.RotaryDim = c.rotaryDim(h.width, 0.5)
	e := c.deepseekExperts(d, deepseekDefaults{experts: 128, topK: 8, shared: 1, width: 1408, firstDense: 1, correction: true})
	m := c.newModel(d, rms(d.hidden), false)
	m.stack(d.layers, e.layers(a, d.hidden))
	m.MTP = predictionLayers(c.count(1, "num_nextn_predict_layers", "num_mtp_layers"), d.hidden, e.moeLayer(a, d.hidden))
	return m
}
