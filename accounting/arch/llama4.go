package arch

var _ = register(&family{
	types:  []string{"llama4_text", "llama4"},
	source: "transformers/models/llama4/modeling_llama4.py",
	build:  buildLlama4,
})

// buildLlama4: experts of width intermediate_size with one shared expert in
// every interleave_moe_layer_step-th layer, dense layers of width
// intermediate_size_mlp between; norms on q and k that learn nothing; layers
// with rotary positions see a chunk, every fourth sees all and has none.
func buildLlama4(c *config, modelType string) *Model {
	if modelType == "llama4" {
		return c.textModel("llama4_text")
	}
	d := c.dims(dims{vocab: 202048, hidden: 5120, ffn: 8192, layers: 48, positions: 4096 * 32})
	h := c.heads(d.hidden, headDefaults{heads: 40, kv: 8, width: 128})
	bias := c.flag(false, "attention_bias")
	act := c.activation("silu", "hidden_act")
	dense := gated(c.dim(16384, "intermediate_size_mlp"), false, act)
	moe := c.routed(16, 1)
	moe.Expert = gated(d.ffn, false, act)
	shared := moe.Expert
	moe.Shared = &shared
	c.ignore("for_llm_compressor")
	step := c.quiet(1, "interleave_moe_layer_step")
	isMoE := func(i int64) bool { return (i+1)%step == 0 }
	if c.has("moe_layers") {
		set := c.layerSet("moe_layers")
		if c.layers == 0 {
			isMoE = func(i int64) bool { return set[i] }
		}
	}
	norms := c.flag(true, "use_qk_norm")
	rotary := c.rotaryLayers(d.layers)
	chunk := c.count(8192, "attention_chunk_size")
	kind := c.layerTypes(d.layers, func(i int64) string {
		if rotary(i) {
			return chunkedAttention
		}
		return fullAttention
	})
	m := c.newModel(d, rms(d.hidden), false)
	m.stack(d.layers, func(i int64) Layer {
		l := Layer{Name: "moe", Attention: h.attention().biases(bias, bias), MoE: &moe}
		if !isMoE(i) {
			l.Name, l.MoE, l.FFN = "dense", nil, &dense
		}
		if !rotary(i) {
			l.Name, l.Attention.RotaryDim = "no-rope "+l.Name, 0
		} else if norms {
			l.Attention = l.Attention.qkNorms(NormNoWeights)
		}
		if kind(i) == chunkedAttention && chunk > 0 {
			l.Name, l.Attention.Window, l.Attention.Chunked = "chunked "+l.Name, chunk, true
		}
		return pre(l, rms(d.hidden))
	})
	return m
}
