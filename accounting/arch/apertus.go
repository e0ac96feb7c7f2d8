package arch

var _ = register(&family{
	types:  []string{"apertus"},
	source: "transformers/models/apertus/modeling_apertus.py, activations.py (XIELUActivation)",
	build:  buildApertus,
})

// buildApertus: two feed-forward matrices around the xIELU activation, which
// learns two numbers a layer; norms over each head of q and k.
func buildApertus(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 131072, hidden: 4096, ffn: 14336, layers: 32, positions: 65536})
	h := c.heads(d.hidden, headDefaults{heads: 32})
	bias := c.flag(false, "attention_bias")
	c.ignore("post_norm")
	c.refuse("post_norm", "Apertus' code normalises before its blocks")
	ffn := plain(d.ffn, false, c.activation("xielu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	l := Layer{Name: "dense", Attention: h.attention().biases(bias, bias).qkNorms(RMSNorm), FFN: &ffn}
	m.uniform(d.layers, pre(l, rms(d.hidden)))
	return m
}
