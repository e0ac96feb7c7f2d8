package arch

import "slices"

// assertions are flags by which configs state what the code of their model_type
// does anyway: nothing reads them, but they must be true of the Model.
var assertions = []struct {
	keys []string
	what string
	of   func(m *Model, l Layer) bool
}{
	{[]string{"use_qk_norm", "qk_norm", "qk_layernorm", "use_qk_layernorm"}, "norms on queries and keys", func(_ *Model, l Layer) bool {
		return l.Attention.QNorm.Kind != NoNorm
	}},
	{[]string{"qkv_bias", "use_qkv_bias", "add_qkv_bias"}, "biases on queries, keys and values", func(_ *Model, l Layer) bool {
		return l.Attention.QBias && l.Attention.KBias && l.Attention.VBias
	}},
	{[]string{"attention_bias", "attn_bias"}, "biases on attention", func(_ *Model, l Layer) bool {
		return l.Attention.QBias
	}},
	{[]string{"mlp_bias", "ffn_bias", "use_mlp_bias"}, "biases on the feed-forward", func(_ *Model, l Layer) bool {
		return l.FFN != nil && l.FFN.UpBias || l.MoE != nil && l.MoE.Expert.UpBias
	}},
	{[]string{"rmsnorm", "use_rmsnorm", "rms_norm", "use_rms_norm"}, "RMSNorm", func(m *Model, _ Layer) bool {
		return m.FinalNorm.Kind == RMSNorm
	}},
	{[]string{"use_parallel_residual", "parallel_attn", "parallel_residual"}, "attention and feed-forward in parallel", func(_ *Model, l Layer) bool {
		return l.Parallel
	}},
	{[]string{"alibi", "use_alibi"}, "ALiBi positions", func(_ *Model, l Layer) bool {
		return l.Attention.ALiBi
	}},
	{[]string{"lm_head_bias"}, "a bias on the head", func(m *Model, _ Layer) bool {
		return m.Head.Bias
	}},
	{[]string{"is_gated_act", "gated_mlp", "glu", "use_glu"}, "a gated feed-forward", func(_ *Model, l Layer) bool {
		return l.FFN != nil && l.FFN.Gated || l.MoE != nil && l.MoE.Expert.Gated
	}},
}

// asserts reports whether a flag is one of those, and if so what it speaks of
// and whether every layer of the Model is as it says.
func (m *Model) asserts(key string, on bool) (what string, known, holds bool) {
	for _, a := range assertions {
		if slices.Contains(a.keys, key) {
			return a.what, true, !slices.ContainsFunc(m.Kinds, func(l Layer) bool { return a.of(m, l) != on })
		}
	}
	return "", false, false
}
