package arch

var _ = register(&family{
	types:  []string{"phi"},
	source: "transformers/models/phi/modeling_phi.py",
	build:  buildPhi,
})

// buildPhi: biases everywhere, the head too; one LayerNorm a layer that
// attention and feed-forward share; partly rotary.
func buildPhi(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 51200, hidden: 2048, ffn: 8192, layers: 24, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 32})
	ffn := plain(d.ffn, true, c.activation("gelu_new", "hidden_act"))
	m := c.newModel(d, layerNorm(d.hidden), false)
	m.Head.Bias = true
	a := h.attention().biases(true, true)
	if c.flag(false, "qk_layernorm") {
		a = a.qkNorms(LayerNorm)
	}
	a.RotaryDim = c.rotaryDim(h.width, 0.5)
	m.uniform(d.layers, Layer{Name: "dense", Attention: a, FFN: &ffn, InputNorm: layerNorm(d.hidden), Parallel: true})
	return m
}
