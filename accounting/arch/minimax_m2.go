package arch

var _ = register(&family{
	types:  []string{"minimax_m2"},
	source: "transformers/models/minimax_m2/modeling_minimax_m2.py",
	build:  buildMiniMaxM2,
})

// buildMiniMaxM2: experts in every layer with a correction value each, norms on
// q and k over their whole width, partly rotary.
func buildMiniMaxM2(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 200064, hidden: 3072, ffn: 1536, layers: 62, positions: 196608})
	h := c.heads(d.hidden, headDefaults{heads: 48, kv: 8, width: 128})
	a := h.attention()
	if c.flag(true, "use_qk_norm") {
		c.only("per_layer", "qk_norm_type")
		a.QNorm, a.KNorm = rms(h.q*h.width), rms(h.kv*h.width)
	}
	c.ignore("qk_norm_type")
	a.RotaryDim = min(h.width, c.count(c.rotaryDim(h.width, 1), "rotary_dim"))
	moe := c.routed(256, 8)
	moe.Expert = gated(d.ffn, false, c.activation("silu", "hidden_act"))
	moe.CorrectionBias = c.flag(true, "use_routing_bias")
	if n := c.count(0, "shared_intermediate_size"); n > 0 {
		shared := gated(n, false, moe.Expert.Activation)
		moe.Shared = &shared
	}
	if c.flag(false, "use_mtp") {
		c.note("multi-token-prediction modules are announced by use_mtp; their tensors are not published and not counted")
	}
	c.ignore("num_mtp_modules", "mtp_transformer_layers", "attn_type_list",
		"mlp_intermediate_size") // of MiniMax-01's dense layers, which M2 has none of
	for _, v := range c.list("attn_type_list") {
		if n, ok := c.integer(join(c.path, "attn_type_list"), v, 0, 1); ok && n != 1 {
			c.fail("attn_type_list", "names a linear-attention layer; MiniMax-M2's code has softmax attention alone")
		}
	}
	m := c.newModel(d, rms(d.hidden), false)
	m.uniform(d.layers, pre(Layer{Name: "moe", Attention: a, MoE: &moe}, rms(d.hidden)))
	return m
}
