package arch

var _ = register(&family{
	types:  []string{"granite", "granitemoe"},
	source: "transformers/models/granite/modeling_granite.py, granitemoe/modeling_granitemoe.py",
	build:  buildGranite,
})

// buildGranite: a llama body whose embedding, residuals, attention and logits
// are scaled by constants. GraniteMoe has experts of width intermediate_size.
func buildGranite(c *config, modelType string) *Model {
	d := c.dims(dims{vocab: 32000, hidden: 4096, ffn: 11008, layers: 32, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 32})
	bias := c.flag(false, "attention_bias")
	c.only("rope", "position_embedding_type", "nope")
	l := Layer{Name: "dense", Attention: h.attention().biases(bias, bias)}
	act := c.activation("silu", "hidden_act")
	if modelType == "granite" {
		ffn := gated(d.ffn, c.flag(false, "mlp_bias"), act)
		l.FFN = &ffn
	} else {
		moe := c.routed(8, 2)
		moe.Expert = gated(d.ffn, false, act)
		l.Name, l.MoE = "moe", &moe
	}
	m := c.newModel(d, rms(d.hidden), false)
	m.Embedding.Scaled = c.real(1, "embedding_multiplier") != 1
	m.Head.Scaled = c.real(1, "logits_scaling") != 1
	m.uniform(d.layers, pre(l, rms(d.hidden)))
	return m
}
