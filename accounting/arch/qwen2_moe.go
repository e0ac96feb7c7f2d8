package arch

import "fmt"

var _ = register(&family{
	types:  []string{"qwen2_moe", "qwen3_moe"},
	source: "transformers/models/qwen2_moe/modeling_qwen2_moe.py, qwen3_moe/modeling_qwen3_moe.py",
	build:  buildQwenMoE,
})

// buildQwenMoE: intermediate_size is the width of dense layers, which are those
// in mlp_only_layers and those that decoder_sparse_step skips. Qwen2-MoE has
// biases on q, k, v and a shared expert with a gate of its own; Qwen3-MoE has
// norms on q and k and nothing shared.
func buildQwenMoE(c *config, modelType string) *Model {
	third := modelType == "qwen3_moe"
	def := dims{vocab: 151936, hidden: 2048, ffn: 5632, layers: 24, positions: 32768}
	hd := headDefaults{heads: 16, kv: 16}
	experts, topK, expert := int64(60), int64(4), int64(1408)
	if third {
		def.ffn, hd.heads, hd.kv, experts, topK, expert = 6144, 32, 4, 128, 8, 768
	}
	d := c.dims(def)
	h := c.heads(d.hidden, hd)
	act := c.activation("silu", "hidden_act")
	dense := gated(d.ffn, false, act)
	moe := c.routed(experts, topK)
	moe.Expert = gated(c.dim(expert, "moe_intermediate_size"), false, act)
	a := h.attention()
	if third {
		bias := c.flag(false, "attention_bias")
		a = a.biases(bias, bias).qkNorms(RMSNorm)
	} else {
		a = a.biases(c.flag(true, "qkv_bias"), false)
		shared := gated(c.dim(5632, "shared_expert_intermediate_size"), false, act)
		moe.Shared, moe.SharedGate = &shared, true
	}
	only := c.layerSet("mlp_only_layers")
	step := c.quiet(1, "decoder_sparse_step")
	window := c.window(4096)
	first := c.count(28, "max_window_layers")
	if !c.flag(false, "use_sliding_window") {
		window = 0
	}
	kind := c.layerTypes(d.layers, func(i int64) string {
		switch {
		case window == 0:
			return fullAttention
		case third || (i%2 == 0 && i < first):
			return slidingAttention
		}
		return fullAttention
	})
	m := c.newModel(d, rms(d.hidden), false)
	m.stack(d.layers, func(i int64) Layer {
		l := Layer{Name: "moe", Attention: a, MoE: &moe}
		if only[i] || (i+1)%step != 0 {
			l = Layer{Name: "dense", Attention: a, FFN: &dense}
		}
		return windowed(pre(l, rms(d.hidden)), kind(i), window)
	})
	return m
}

// layerSet reads a list of layer numbers, counted from 0.
func (c *config) layerSet(key string) map[int64]bool {
	set := map[int64]bool{}
	for n, v := range c.list(key) {
		i, ok := c.integer(join(c.path, fmt.Sprintf("%s[%d]", key, n)), v, 0, maxLayers)
		if ok {
			set[i] = true
		}
	}
	return set
}
