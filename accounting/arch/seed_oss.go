package arch

var _ = register(&family{
	types:  []string{"seed_oss"},
	source: "transformers/models/seed_oss/modeling_seed_oss.py",
	build:  buildSeedOSS,
})

// buildSeedOSS: a llama body with biases on q, k and v when the key is absent,
// and a key of its own for that of the output projection.
func buildSeedOSS(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 155136, hidden: 4096, ffn: 27648, layers: 64, positions: 524288})
	h := c.heads(d.hidden, headDefaults{heads: 80, kv: 8, width: 128, derived: true})
	ffn := gated(d.ffn, c.flag(false, "mlp_bias"), c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	a := h.attention().biases(c.flag(true, "attention_bias"), c.flag(false, "attention_out_bias"))
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, rms(d.hidden)))
	return m
}
