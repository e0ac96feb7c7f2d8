package arch

var _ = register(&family{
	types:  []string{"mixtral", "phimoe"},
	source: "transformers/models/mixtral/modeling_mixtral.py, phimoe/modeling_phimoe.py",
	build:  buildMixtral,
})

// buildMixtral: a Mistral body with experts of width intermediate_size in every
// layer. Phi-3.5-MoE has LayerNorm, and biases on attention and head by keys.
func buildMixtral(c *config, modelType string) *Model {
	def := dims{vocab: 32000, hidden: 4096, ffn: 14336, layers: 32, positions: 4096 * 32}
	experts, norm := int64(8), rms
	phi := modelType == "phimoe"
	if phi {
		def.vocab, def.ffn, experts, norm = 32064, 6400, 16, layerNorm
	}
	d := c.dims(def)
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 8})
	a := h.attention()
	moe := c.routed(experts, 2)
	moe.Expert = gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, norm(d.hidden), false)
	if phi {
		if moe.TopK != 2 && moe.Experts >= 2 {
			c.note("num_experts_per_tok is %d, but the router of this model_type (sparsemixer) always takes two experts", moe.TopK)
			moe.TopK = 2
		}
		bias := c.flag(false, "attention_bias")
		a = a.biases(bias, bias)
		m.Head.Bias = c.flag(false, "lm_head_bias")
	}
	l := pre(Layer{Name: "moe", Attention: a, MoE: &moe}, norm(d.hidden))
	m.uniform(d.layers, windowed(l, slidingAttention, c.window(0)))
	return m
}

// routed reads the number of experts under its usual names, and how many of
// them a token uses.
func (c *config) routed(experts, topK int64) MoE {
	m := MoE{
		Experts: c.dim(experts, "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
		TopK:    c.dim(topK, "num_experts_per_tok", "experts_per_token", "moe_k", "moe_topk"),
	}
	if m.TopK > m.Experts {
		c.contradict("num_experts_per_tok", "%d experts a token are more than the %d there are", m.TopK, m.Experts)
	}
	return m
}
