package arch

import "slices"

// An assertion is a flag by which configs state what the code of their
// model_type does anyway: nothing reads it, but it must be true of the Model.
type assertion struct {
	keys []string
	what string
	of   func(m *Model) bool
}

var assertions = []assertion{
	{
		[]string{"use_qk_norm", "qk_norm", "qk_layernorm", "use_qk_layernorm"},
		"norms on queries and keys",
		inALayer(func(l Layer) bool { return l.Attention.QNorm.Kind != NoNorm }),
	},
	{
		[]string{"qkv_bias", "use_qkv_bias", "add_qkv_bias"},
		"biases on queries, keys and values",
		inALayer(func(l Layer) bool { return l.Attention.KBias && l.Attention.VBias }),
	},
	{
		[]string{"attention_bias", "attn_bias"},
		"biases on attention",
		inALayer(func(l Layer) bool { return l.Attention.QBias || l.Attention.OBias }),
	},
	{
		[]string{"mlp_bias", "ffn_bias", "use_mlp_bias"},
		"biases on the feed-forward",
		inALayer(func(l Layer) bool { return biased(l.FFN) || l.MoE != nil && biased(&l.MoE.Expert) }),
	},
	{
		[]string{"bias", "use_bias", "add_bias", "linear_bias", "add_bias_linear"},
		"biases",
		inALayer(func(l Layer) bool {
			return l.Attention.QBias || l.Attention.OBias || biased(l.FFN) || l.MoE != nil && biased(&l.MoE.Expert)
		}),
	},
	{
		[]string{"use_parallel_residual", "parallel_attn", "parallel_residual"},
		"attention and feed-forward in parallel",
		inALayer(func(l Layer) bool { return l.Parallel }),
	},
	{
		[]string{"alibi", "use_alibi"},
		"ALiBi positions",
		inALayer(func(l Layer) bool { return l.Attention.ALiBi }),
	},
	{
		[]string{"is_gated_act", "gated_mlp", "glu", "use_glu"},
		"a gated feed-forward",
		inALayer(func(l Layer) bool { return l.FFN != nil && l.FFN.Gated || l.MoE != nil && l.MoE.Expert.Gated }),
	},
	{
		[]string{"is_moe", "use_moe"},
		"experts",
		inALayer(func(l Layer) bool { return l.MoE != nil }),
	},
	{
		[]string{"rmsnorm", "use_rmsnorm", "rms_norm", "use_rms_norm"},
		"RMSNorm",
		func(m *Model) bool { return m.FinalNorm.Kind == RMSNorm },
	},
	{
		[]string{"use_final_norm", "final_norm", "final_layernorm", "use_final_layernorm"},
		"a final norm",
		func(m *Model) bool { return m.FinalNorm.Kind != NoNorm },
	},
	{
		[]string{"layer_norm_elementwise_affine", "elementwise_affine"},
		"weights of norms",
		func(m *Model) bool { return m.FinalNorm.Elements() > 0 },
	},
	{
		[]string{"learned_pos_emb", "learned_position_embeddings", "use_learned_positions"},
		"learned positions",
		func(m *Model) bool { return m.Embedding.Positions > 0 },
	},
	{
		[]string{"normalize_embedding", "embed_norm", "embedding_norm", "use_emb_norm"},
		"a norm after the embedding",
		func(m *Model) bool { return m.Embedding.Norm.Kind != NoNorm },
	},
	{
		[]string{"lm_head_bias", "head_bias"},
		"a bias on the head",
		func(m *Model) bool { return m.Head.Bias },
	},
	{
		[]string{"tie_embeddings", "tied_embeddings", "share_embeddings", "tie_lm_head", "tie_weights"},
		"a tied head",
		func(m *Model) bool { return m.Head.Tied },
	},
}

func inALayer(has func(Layer) bool) func(*Model) bool {
	return func(m *Model) bool { return slices.ContainsFunc(m.Kinds, has) }
}

func biased(f *FFN) bool { return f != nil && (f.UpBias || f.DownBias) }

// asserts reports whether a flag is one of those, and if so what it speaks of
// and whether the Model is as it says.
func (m *Model) asserts(key string, on bool) (what string, known, holds bool) {
	for _, a := range assertions {
		if slices.Contains(a.keys, key) {
			return a.what, true, a.of(m) == on
		}
	}
	return "", false, false
}
