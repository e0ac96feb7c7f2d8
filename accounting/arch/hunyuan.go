package arch

import "fmt"

var _ = register(&family{
	types:  []string{"hunyuan_v1_moe"},
	source: "transformers/models/hunyuan_v1_moe/modeling_hunyuan_v1_moe.py",
	build:  buildHunyuanMoE,
})

// buildHunyuanMoE: experts and one shared FFN of width intermediate_size in
// every layer, norms over each head of q and k. Published configs give several
// keys as lists with one value a layer.
func buildHunyuanMoE(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 290943, hidden: 4096, ffn: 11008, layers: 32, positions: 2048})
	c.aliases("head_dim", "attention_head_dim")
	h := c.heads(d.hidden, headDefaults{heads: 32})
	bias := c.flag(false, "attention_bias")
	c.refuse("use_cla", "attention that shares keys and values across layers is not read")
	a := h.attention().biases(bias, bias)
	if c.flag(true, "use_qk_norm") {
		a = a.qkNorms(RMSNorm)
	}
	act := c.activation("silu", "hidden_act")
	width := c.perLayer("moe_intermediate_size", d.ffn)
	moe := MoE{
		Experts: c.perLayer("num_experts", 1),
		TopK:    c.perLayer("moe_topk", c.quiet(1, "num_experts_per_tok")),
		Expert:  gated(width, false, act),
	}
	if moe.TopK > moe.Experts {
		c.contradict("moe_topk", "%d experts a token are more than the %d there are", moe.TopK, moe.Experts)
	}
	if c.flag(true, "use_mixed_mlp_moe") {
		shared := gated(c.perLayer("num_shared_expert", 1)*width, false, act)
		moe.Shared = &shared
	}
	c.ignore("num_shared_expert", "add_classification_head", "anyres_pooling_size", "anyres_vit_max_image_size", "anyres_vit_two_views",
		"capacity_factor", "cla_share_factor", "group_limited_greedy", "mask_init_id", "moe_drop_tokens", "moe_random_routing_dropped_token",
		"num_media_embeds", "pool_type", "position_embedding_xdrope", "org_vocab_size", "skip_cls_token", "text_end_id", "text_start_id",
		"use_rotary_pos_emb", "use_vision_rotary_pos_embd", "xdrope_section", "vit_add_patchemb_bias", "vit_path", "vit_type", "vit_used_rms_norm",
		"vit_mapping_type", "vit_input_resolution", "vit_patch", "vit_remove_prenorm", "vit_norm_type", "vit_token", "video_start_id", "video_end_id",
		"im_start_id", "im_end_id", "im_newline_id", "image_token_id", "routed_scaling_factor", "dense_list", "eod_token_id", "sep_token_id",
		"moe_layer_num_skipped", "norm_type", "n_group", "topk_group", "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "use_mla")
	c.refuse("use_mla", "latent attention is not a part of this model_type's code")
	if n := c.count(0, "moe_layer_num_skipped"); n > 0 {
		c.fail("moe_layer_num_skipped", "is %d; dense layers among the experts are not read", n)
	}
	c.only("rms", "norm_type", "hf_rms", "fused")
	m := c.newModel(d, rms(d.hidden), false)
	m.uniform(d.layers, pre(Layer{Name: "moe", Attention: a, MoE: &moe}, rms(d.hidden)))
	return m
}

// perLayer reads a positive integer that may be given as a list of one equal
// value a layer.
func (c *config) perLayer(key string, def int64) int64 {
	v := c.obj.at[key]
	if v == nil {
		return def
	}
	list, ok := v.v.([]*value)
	if !ok {
		return c.quiet(def, key)
	}
	c.ignore(key)
	n := def
	for i, e := range list {
		k, ok := c.integer(join(c.path, fmt.Sprintf("%s[%d]", key, i)), e, 1, maxDim)
		if !ok {
			return 1
		}
		if i > 0 && k != n {
			c.fail(key, "differs between layers, which is not read")
			return 1
		}
		n = k
	}
	return n
}
