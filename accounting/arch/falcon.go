package arch

var _ = register(&family{
	types:  []string{"falcon"},
	source: "transformers/models/falcon/modeling_falcon.py",
	build:  buildFalcon,
})

// buildFalcon: flags choose between three layouts. new_decoder_architecture:
// grouped queries and two parallel norms (one where num_ln_in_parallel_attn
// says so). multi_query: one key/value head, one norm when parallel. Neither:
// full heads, and two norms unless parallel.
func buildFalcon(c *config, _ string) *Model {
	c.aliases("hidden_size", "n_embed")
	d := c.dims(dims{vocab: 65024, hidden: 4544, layers: 32, positions: 2048})
	h := heads{q: c.dim(71, "num_attention_heads", "n_head")}
	h.width = c.perHead(d.hidden, h.q)
	newArch := c.flag(false, "new_decoder_architecture")
	kv := c.quiet(h.q, "num_kv_heads", "n_head_kv")
	switch multi := c.flag(true, "multi_query"); {
	case newArch:
		h.kv = kv
	case multi:
		h.kv = 1
	default:
		h.kv = h.q
	}
	c.checkGroups(h)
	parallel := c.flag(true, "parallel_attn")
	norms := int64(1)
	if newArch {
		norms = 2
	}
	norms = c.count(norms, "num_ln_in_parallel_attn")
	bias := c.flag(false, "bias")
	ffn := plain(c.quiet(c.quiet(4, "ff_factor")*d.hidden, "ffn_hidden_size"), bias, c.activation("gelu", "activation"))
	c.ignore("apply_residual_connection_post_layernorm")
	m := c.newModel(d, layerNorm(d.hidden), true)
	a := h.attention().biases(bias, bias)
	if c.flag(false, "alibi") {
		a = a.norotary()
		a.ALiBi = true
	}
	l := Layer{Name: "dense", Attention: a, FFN: &ffn, InputNorm: layerNorm(d.hidden), Parallel: parallel || newArch}
	if !parallel || norms == 2 {
		l.FFNNorm = layerNorm(d.hidden)
	}
	m.uniform(d.layers, l)
	return m
}
