package arch

var _ = register(&family{
	types:  []string{"bailing_moe", "bailing_moe_v2"},
	source: "inclusionAI/Ling models/modeling_bailing_moe.py, inclusionAI/Ling-V2 models/modeling_bailing_moe_v2.py",
	build:  buildBailing,
})

// buildBailing: DeepSeek's layout of dense layers first, experts and shared
// experts, around grouped-query attention whose biases have a key for q, k, v
// and one for the output. norm_head normalises the head's rows and learns
// nothing. The second generation has norms on q and k, a correction value an
// expert, and prediction layers.
func buildBailing(c *config, modelType string) *Model {
	second := modelType == "bailing_moe_v2"
	def := dims{vocab: 30592, hidden: 1024, layers: 24, positions: 16384}
	h := heads{}
	var width, kv int64
	experts := deepseekDefaults{experts: 16, topK: 2}
	if second {
		def = dims{vocab: 157184, hidden: 2048, layers: 20, positions: 32768}
		width, kv = 128, 4
		experts = deepseekDefaults{experts: 256, topK: 8, shared: 1, width: 512, firstDense: 1, correction: true}
	}
	d := c.dims(def)
	d.ffn = c.quiet(0, "intermediate_size")
	h.q, h.kv = c.dim(16, "num_attention_heads"), c.dim(kv, "num_key_value_heads")
	if n, ok := c.number(1, "head_dim"); ok {
		h.width = n
	} else if h.width = width; h.width == 0 || c.isNull("head_dim") {
		h.width = c.perHead(d.hidden, h.q)
	}
	c.checkGroups(h)
	a := h.attention().biases(c.flag(false, "use_qkv_bias"), c.flag(!second, "use_bias"))
	c.ignore("norm_head", "use_sliding_window", "max_window_layers", "sliding_window", "norm_softmax", "multi_gate", "router_type",
		"using_split_qkv_in_self_attention", "moe_router_enable_routed_scaling", "moe_router_topk_scaling_factor")
	c.refuse("use_sliding_window", "the code has no sliding windows")
	c.refuse("multi_gate", "routers of more than one gate are not read")
	if second {
		if c.flag(true, "use_qk_norm") {
			a = a.qkNorms(RMSNorm)
		}
		a.RotaryDim = min(h.width, c.count(c.rotaryDim(h.width, 1), "rotary_dim"))
		c.ignore("mtp_loss_scaling_factor")
	} else {
		c.refuse("use_qk_norm", "norms on q and k belong to bailing_moe_v2")
	}
	c.ignore("moe_router_enable_expert_bias", "moe_router_enable_shared_expert")
	if c.has("moe_router_enable_expert_bias") && c.flag(true, "moe_router_enable_expert_bias") && !second {
		c.fail("moe_router_enable_expert_bias", "is true: correction values belong to bailing_moe_v2")
	}
	e := c.deepseekExperts(d, experts)
	if e.moe == nil {
		c.fail("num_experts", "a model without experts is not read")
		return &Model{}
	}
	if !second && !c.has("moe_intermediate_size") {
		c.fail("moe_intermediate_size", "is missing, and this model_type has no default for it")
	}
	if n, ok := c.number(1, "moe_shared_expert_intermediate_size"); ok && e.moe.Shared != nil && n != e.moe.Shared.Width && n != e.moe.Expert.Width {
		c.fail("moe_shared_expert_intermediate_size", "is %d; the code makes the shared experts %d wide", n, e.moe.Shared.Width)
	}
	if e.firstDense > 0 && d.ffn == 0 {
		c.fail("intermediate_size", "is missing, and the dense layers need it")
	}
	m := c.newModel(d, rms(d.hidden), false)
	m.Code.FusedQKV = true
	m.stack(d.layers, e.layers(a, d.hidden))
	if second {
		m.MTP = predictionLayers(c.count(0, "num_nextn_predict_layers"), d.hidden, e.moeLayer(a, d.hidden))
	}
	return m
}
