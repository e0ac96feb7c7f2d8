package arch

var _ = register(&family{
	types:  []string{"exaone"},
	source: "LGAI-EXAONE/EXAONE-3.0-7.8B-Instruct modeling_exaone.py",
	build:  buildExaone,
})

// buildExaone: a llama body under other names (num_layers, activation_function),
// tied when the key is absent.
func buildExaone(c *config, _ string) *Model {
	d := dims{
		vocab:     c.dim(102400, "vocab_size"),
		hidden:    c.dim(2048, "hidden_size"),
		layers:    c.depth(32, "num_layers", "num_hidden_layers"),
		positions: c.quiet(2048, "max_position_embeddings"),
	}
	h := c.heads(d.hidden, headDefaults{heads: 32, fixed: true})
	ffn := gated(c.quiet(4*d.hidden, "intermediate_size"), false, c.activation("silu", "activation_function"))
	m := c.newModel(d, rms(d.hidden), true)
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: h.attention(), FFN: &ffn}, rms(d.hidden)))
	return m
}
