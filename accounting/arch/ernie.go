package arch

var _ = register(&family{
	types:  []string{"ernie4_5", "ernie4_5_moe"},
	source: "transformers/models/ernie4_5/modeling_ernie4_5.py, ernie4_5_moe/modeling_ernie4_5_moe.py",
	build:  buildErnie,
})

// buildErnie: a llama body, tied when the key is absent, with one switch for
// all biases. The MoE layers lie between two layer numbers at an interval; the
// shared experts are one FFN; a correction value belongs to each expert.
func buildErnie(c *config, modelType string) *Model {
	bias := c.flag(false, "use_bias")
	if modelType == "ernie4_5" {
		d := c.dims(dims{vocab: 103424, hidden: 1024, ffn: 3072, layers: 18, positions: 131072})
		h := c.heads(d.hidden, headDefaults{heads: 16, kv: 2, width: 128, derived: true})
		ffn := gated(d.ffn, bias, c.activation("silu", "hidden_act"))
		m := c.newModel(d, rms(d.hidden), true)
		m.uniform(d.layers, pre(Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &ffn}, rms(d.hidden)))
		return m
	}
	d := c.dims(dims{vocab: 103424, hidden: 2560, ffn: 12288, layers: 28, positions: 131072})
	h := c.heads(d.hidden, headDefaults{heads: 20, kv: 4})
	act := c.activation("silu", "hidden_act")
	dense := gated(d.ffn, bias, act)
	width := c.dim(1536, "moe_intermediate_size")
	moe := MoE{
		Experts:        c.dim(64, "moe_num_experts", "num_experts"),
		TopK:           c.dim(6, "moe_k", "num_experts_per_tok"),
		Expert:         gated(width, false, act),
		CorrectionBias: true,
	}
	if moe.TopK > moe.Experts {
		c.contradict("moe_k", "%d experts a token are more than the %d there are", moe.TopK, moe.Experts)
	}
	if n := c.count(2, "moe_num_shared_experts"); n > 0 {
		shared := gated(n*width, bias, act)
		moe.Shared = &shared
	}
	first, last := c.count(1, "moe_layer_start_index"), d.layers-1
	if n, ok := c.number(-1, "moe_layer_end_index"); ok && n >= 0 {
		last = n
	}
	every := c.quiet(1, "moe_layer_interval")
	c.ignore("moe_capacity", "moe_gate", "moe_use_aux_free", "moe_norm_min")
	m := c.newModel(d, rms(d.hidden), true)
	m.Head.Bias = bias
	m.MTP = predictionLayers(c.count(0, "num_nextn_predict_layers"), d.hidden,
		pre(Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &dense}, rms(d.hidden)))
	m.stack(d.layers, func(i int64) Layer {
		l := Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &dense}
		if (i+1)%every == 0 && i >= first && i <= last {
			l.Name, l.FFN, l.MoE = "moe", nil, &moe
		}
		return pre(l, rms(d.hidden))
	})
	return m
}
