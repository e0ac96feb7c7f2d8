package arch

var _ = register(&family{
	types:  []string{"gptj", "codegen"},
	source: "transformers/models/gptj/modeling_gptj.py, codegen/modeling_codegen.py",
	build:  buildGPTJ,
})

// buildGPTJ: one norm a layer that attention and feed-forward share, partly
// rotary positions, biases on the feed-forward alone, and a head with a bias.
// CodeGen is the same with q, k and v in one matrix.
func buildGPTJ(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 50400, hidden: 4096, layers: 28, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 16, fixed: true, single: true})
	ffn := plain(c.quiet(4*d.hidden, "n_inner"), true, c.activation("gelu_new", "activation_function"))
	m := c.newModel(d, layerNorm(d.hidden), false)
	m.Head.Bias = true
	a := h.attention()
	a.RotaryDim = min(c.count(64, "rotary_dim"), h.width)
	if c.isNull("rotary_dim") {
		a.RotaryDim = h.width
	}
	m.uniform(d.layers, Layer{Name: "dense", Attention: a, FFN: &ffn, InputNorm: layerNorm(d.hidden), Parallel: true})
	return m
}
