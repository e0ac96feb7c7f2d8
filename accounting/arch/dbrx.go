package arch

var _ = register(&family{
	types:  []string{"dbrx"},
	source: "transformers/models/dbrx/modeling_dbrx.py",
	build:  buildDBRX,
})

// buildDBRX: its sizes are in attn_config and ffn_config; LayerNorm without
// bias; gated experts in every layer.
func buildDBRX(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 32000, hidden: 2048, layers: 24, positions: 2048})
	h := heads{q: c.dim(16, "n_heads", "num_attention_heads")}
	h.width = c.perHead(d.hidden, h.q)
	at := c.sub("attn_config")
	at.ignore("tie_word_embeddings")
	h.kv = at.dim(1, "kv_n_heads")
	at.checkGroups(h)
	if n, ok := c.number(1, "num_key_value_heads"); ok && n != h.kv {
		c.contradict("num_key_value_heads", "is %d, but attn_config.kv_n_heads is %d", n, h.kv)
	}
	f := c.sub("ffn_config")
	f.ignore("tie_word_embeddings", "moe_expert_parallel_group", "uniform_expert_assignment", "ffn_act_fn")
	if n, ok := f.number(1, "hidden_size"); ok && n != d.hidden {
		c.note("ffn_config.hidden_size is not read: experts have the model's width")
	}
	moe := MoE{Experts: f.dim(4, "moe_num_experts"), TopK: f.dim(1, "moe_top_k"), Expert: gated(f.dim(3584, "ffn_hidden_size"), false, "silu")}
	if moe.TopK > moe.Experts {
		f.contradict("moe_top_k", "%d experts a token are more than the %d there are", moe.TopK, moe.Experts)
	}
	c.ignore("resid_pdrop")
	norm := NewNorm(LayerNormNoBias, d.hidden)
	m := c.newModel(d, norm, false)
	if m.Head.Tied {
		c.fail("tie_word_embeddings", "is true; DBRX's code has no tied head")
	}
	m.Code.FusedQKV = true
	m.uniform(d.layers, pre(Layer{Name: "moe", Attention: h.attention(), MoE: &moe}, norm))
	return m
}
