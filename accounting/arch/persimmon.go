package arch

var _ = register(&family{
	types:  []string{"persimmon"},
	source: "transformers/models/persimmon/modeling_persimmon.py",
	build:  buildPersimmon,
})

// buildPersimmon: biases and LayerNorm everywhere but on the head, norms on q
// and k (weights of one head, with bias), squared ReLU.
func buildPersimmon(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 262144, hidden: 4096, ffn: 16384, layers: 36, positions: 16384})
	h := heads{q: c.dim(64, "num_attention_heads")}
	h.kv, h.width = h.q, c.perHead(d.hidden, h.q)
	if n, ok := c.number(1, "num_key_value_heads"); ok && n != h.q {
		c.contradict("num_key_value_heads", "is %d; Persimmon's code has as many as query heads (%d)", n, h.q)
	}
	ffn := plain(d.ffn, true, c.activation("relu2", "hidden_act"))
	m := c.newModel(d, layerNorm(d.hidden), false)
	a := h.attention().biases(true, true)
	if c.flag(true, "qk_layernorm") {
		a = a.qkNorms(LayerNorm)
	}
	a.RotaryDim = c.rotaryDim(h.width, 0.5)
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, layerNorm(d.hidden)))
	return m
}
