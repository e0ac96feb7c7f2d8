package arch

var _ = register(&family{
	types:  []string{"openai-gpt"},
	source: "transformers/models/openai/modeling_openai.py",
	build:  buildOpenAIGPT,
})

// buildOpenAIGPT: GPT-1 normalises after each residual addition, so there is no
// final norm; the head is the token table.
func buildOpenAIGPT(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 40478, hidden: 768, layers: 12, positions: 512})
	h := c.heads(d.hidden, headDefaults{heads: 12, fixed: true, single: true})
	c.ignore("n_special")
	act := c.text("gelu", "afn")
	if act == "gelu" {
		act = "gelu_new" // ACT_FNS of modeling_openai.py
	}
	ffn := plain(4*d.hidden, true, act)
	m := c.newModel(d, Norm{}, true)
	m.Embedding.Positions = d.positions
	l := Layer{Name: "dense", Attention: h.attention().biases(true, true).norotary(), FFN: &ffn, PostNorm: true}
	m.uniform(d.layers, pre(l, layerNorm(d.hidden)))
	return m
}
