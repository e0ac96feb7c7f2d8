package arch

var _ = register(&family{
	types:  []string{"deepseek", "deepseek_v2", "deepseek_v3", "kimi_k2"},
	source: "deepseek-ai/deepseek-moe-16b-base modeling_deepseek.py; transformers/models/deepseek_v2/modeling_deepseek_v2.py, deepseek_v3/modeling_deepseek_v3.py",
	build:  buildDeepSeek,
})

// buildDeepSeek: intermediate_size is the width of the first dense layers,
// moe_intermediate_size that of an expert. The first generation has llama's
// attention, the later ones multi-head latent attention; the third adds a
// correction value an expert. Kimi K2 is DeepSeek-V3 with other sizes.
func buildDeepSeek(c *config, modelType string) *Model {
	var d dims
	var def deepseekDefaults
	var a Attention
	switch modelType {
	case "deepseek":
		d = c.dims(dims{vocab: 102400, hidden: 4096, ffn: 11008, layers: 30, positions: 2048})
		h := c.heads(d.hidden, headDefaults{heads: 32})
		bias := c.flag(false, "attention_bias")
		a = h.attention().biases(bias, bias)
		def = deepseekDefaults{width: 1407}
	case "deepseek_v2":
		d = c.dims(dims{vocab: 102400, hidden: 4096, ffn: 11008, layers: 32, positions: 2048})
		a = c.latentAttention(32)
		def = deepseekDefaults{experts: 64, shared: 2, width: 1407, mlpBias: c.flag(false, "mlp_bias")}
	default:
		d = c.dims(dims{vocab: 129280, hidden: 7168, ffn: 18432, layers: 61, positions: 4096})
		a = c.latentAttention(128)
		def = deepseekDefaults{experts: 256, topK: 8, shared: 1, width: 2048, firstDense: 3, correction: true, groups: 8, topKGroups: 4}
		if s := c.text("noaux_tc", "topk_method"); s != "noaux_tc" {
			def.correction = false // the correction value belongs to that method
		}
	}
	e := c.deepseekExperts(d, def)
	m := c.newModel(d, rms(d.hidden), false)
	m.stack(d.layers, e.layers(a, d.hidden))
	if modelType == "deepseek_v3" || modelType == "kimi_k2" {
		n := c.count(1, "num_nextn_predict_layers", "num_mtp_layers")
		m.MTP = predictionLayers(n, d.hidden, e.moeLayer(a, d.hidden))
	}
	return m
}

// latentAttention reads multi-head latent attention: keys and values come from
// one latent of width kv_lora_rank and a rotary key that all heads share.
// q_lora_rank null projects queries directly.
func (c *config) latentAttention(defaultHeads int64) Attention {
	a := Attention{Heads: c.dim(defaultHeads, "num_attention_heads")}
	a.KVHeads = a.Heads
	c.ignore("head_dim", "qk_head_dim")                  // of no effect
	if n, ok := c.number(1, "num_key_value_heads"); ok { // of no effect either, but it must make sense
		c.checkGroups(heads{q: a.Heads, kv: n})
	}
	m := &MLA{KVRank: c.dim(512, "kv_lora_rank"), NopeDim: c.count(128, "qk_nope_head_dim"), RopeDim: c.dim(64, "qk_rope_head_dim")}
	if !c.isNull("q_lora_rank") {
		m.QRank = c.dim(1536, "q_lora_rank")
		m.QNorm = rms(m.QRank)
	}
	c.ignore("q_lora_rank")
	m.KVNorm = rms(m.KVRank)
	a.HeadDim, a.ValueDim, a.RotaryDim, a.MLA = m.NopeDim+m.RopeDim, c.dim(128, "v_head_dim"), m.RopeDim, m
	bias := c.flag(false, "attention_bias")
	a.QBias, a.KBias, a.OBias = bias, bias, bias
	return a
}

// deepseekDefaults are a model_type's own values for absent keys; 0 experts
// means that the code has none then.
type deepseekDefaults struct {
	experts, topK, shared, width, firstDense int64
	groups, topKGroups                       int64
	correction, mlpBias                      bool
}

// deepseekLayers are the two kinds of feed-forward of DeepSeek's layout and the
// layers that have each.
type deepseekLayers struct {
	dense             FFN
	moe               *MoE
	firstDense, every int64
	which             func(int64) bool // a list in the config's place of every; nil = none
}

// deepseekExperts reads routed and shared experts under DeepSeek's names. The
// shared experts are one FFN, as many times as wide.
func (c *config) deepseekExperts(d dims, def deepseekDefaults) deepseekLayers {
	act := c.activation("silu", "hidden_act")
	e := deepseekLayers{
		dense:      gated(d.ffn, def.mlpBias, act),
		firstDense: c.count(def.firstDense, "first_k_dense_replace"),
		every:      1,
	}
	if c.isList("moe_layer_freq") {
		e.which = c.switches("moe_layer_freq", d.layers, func(int64) bool { return true })
	} else {
		e.every = c.quiet(1, "moe_layer_freq")
	}
	experts := []string{"n_routed_experts", "num_local_experts", "num_experts"}
	width := c.quiet(def.width, "moe_intermediate_size")
	shared := c.count(def.shared, "n_shared_experts", "num_shared_experts")
	if c.isNull("n_shared_experts") || c.isNull("num_shared_experts") {
		shared = 0
	}
	if n, ok := c.number(0, experts...); ok && n == 0 {
		c.contradict(experts[0], "is 0; a model without experts has null here, or another model_type")
		return e
	} else if (!ok && def.experts == 0) || c.isNull("n_routed_experts") {
		c.ignore("num_experts_per_tok")
		return e
	}
	e.moe = &MoE{
		Experts:        c.dim(def.experts, experts...),
		TopK:           c.dim(def.topK, "num_experts_per_tok"),
		Expert:         gated(width, false, act),
		CorrectionBias: def.correction,
	}
	if e.moe.TopK > e.moe.Experts {
		c.contradict("num_experts_per_tok", "%d experts a token are more than the %d there are", e.moe.TopK, e.moe.Experts)
	}
	if s := c.text("", "topk_method"); s != "greedy" { // which looks at no groups (modeling_deepseek_v2.py)
		e.moe.Groups, e.moe.TopKGroups = c.count(def.groups, "n_group"), c.count(def.topKGroups, "topk_group")
		if e.moe.TopKGroups > e.moe.Groups {
			c.contradict("topk_group", "%d groups a token are more than the %d there are", e.moe.TopKGroups, e.moe.Groups)
		}
	}
	if shared == 0 && def.mlpBias && c.has("n_shared_experts") {
		c.contradict("n_shared_experts", "is 0: with mlp_bias the code makes a shared expert of no width that has a bias; null leaves it out")
	}
	if shared > 0 {
		f := gated(shared*width, def.mlpBias, act)
		e.moe.Shared = &f
	}
	return e
}

// layers gives layer i its feed-forward or experts.
func (e deepseekLayers) layers(a Attention, hidden int64) func(int64) Layer {
	return func(i int64) Layer {
		if e.moe == nil || i < e.firstDense || i%e.every != 0 || (e.which != nil && !e.which(i)) {
			dense := e.dense
			return pre(Layer{Name: "dense", Attention: a, FFN: &dense}, rms(hidden))
		}
		return e.moeLayer(a, hidden)
	}
}

func (e deepseekLayers) moeLayer(a Attention, hidden int64) Layer {
	if e.moe == nil {
		dense := e.dense
		return pre(Layer{Name: "dense", Attention: a, FFN: &dense}, rms(hidden))
	}
	return pre(Layer{Name: "moe", Attention: a, MoE: e.moe}, rms(hidden))
}

// Predictions is how many layers of multi-token prediction the config names.
func (m *Model) Predictions() int64 {
	for _, x := range m.MTP {
		if x.Matrix {
			return x.Count
		}
	}
	return 0
}

// predictionLayers are n multi-token-prediction layers: norms of the embedding
// and of the hidden state, a projection of both, one layer of the stack, and a
// norm before the shared head. Embedding and head are those of the model.
func predictionLayers(n, hidden int64, l Layer) []Extra {
	if n == 0 {
		return nil
	}
	var s sum
	total, _ := s.layer(l, hidden)
	if s.overflow {
		total = 1 << 62 // so that counting reports the overflow
	}
	return []Extra{
		{Name: "mtp norms", Shape: []int64{hidden}, Count: 3 * n},
		{Name: "mtp projection", Shape: []int64{2 * hidden, hidden}, Count: n, Matrix: true},
		{Name: "mtp layer (" + l.Name + ")", Shape: []int64{total}, Count: n},
	}
}
