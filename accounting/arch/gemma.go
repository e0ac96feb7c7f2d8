package arch

var _ = register(&family{
	types:  []string{"gemma", "gemma2", "gemma3_text", "gemma3"},
	source: "transformers/models/gemma/modeling_gemma.py, gemma2/modeling_gemma2.py, gemma3/modeling_gemma3.py",
	build:  buildGemma,
})

// buildGemma: heads of width 256 whatever the model width, √d on the embedding,
// tied when the key is absent. Gemma 2 normalises before and after both blocks
// and caps its logits; Gemma 3 has norms on q and k and mostly sliding layers.
func buildGemma(c *config, modelType string) *Model {
	if modelType == "gemma3" {
		return c.textModel("gemma3_text")
	}
	def := dims{vocab: 256000, hidden: 3072, ffn: 24576, layers: 28, positions: 8192}
	hd := headDefaults{heads: 16, kv: 16, width: 256}
	if modelType != "gemma" {
		def = dims{vocab: 256000, hidden: 2304, ffn: 9216, layers: 26, positions: 8192}
		hd = headDefaults{heads: 8, kv: 4, width: 256}
	}
	if modelType == "gemma3_text" {
		def.vocab, def.positions = 262208, 131072
	}
	d := c.dims(def)
	h := c.heads(d.hidden, hd)
	bias := c.flag(false, "attention_bias")
	act := c.activation(c.activation("gelu_pytorch_tanh", "hidden_act"), "hidden_activation")
	ffn := gated(d.ffn, false, act)
	m := c.newModel(d, rms(d.hidden), true)
	m.Embedding.Scaled = true
	a := h.attention().biases(bias, bias)
	l := pre(Layer{Name: "dense", FFN: &ffn}, rms(d.hidden))
	if modelType == "gemma" {
		c.refuse("use_bidirectional_attention", "attention without a causal mask is not read")
		l.Attention = a
		m.uniform(d.layers, l)
		return m
	}
	l.PostAttnNorm, l.PostFFNNorm = rms(d.hidden), rms(d.hidden)
	second := modelType == "gemma2"
	m.Head.Softcap = c.softcap("final_logit_softcapping", second)
	a.Softcap = c.softcap("attn_logit_softcapping", second)
	period := int64(2)
	if !second {
		a = a.qkNorms(RMSNorm)
		period = c.quiet(6, "sliding_window_pattern", "_sliding_window_pattern")
	} else {
		c.ignore("sliding_window_pattern")
	}
	l.Attention = a
	window := c.window(4096)
	if c.flag(false, "use_bidirectional_attention") {
		window = window/2 + 1
		l.Attention.Bidirectional = true
	}
	kind := c.layerTypes(d.layers, everyNth(period))
	m.stack(d.layers, func(i int64) Layer { return windowed(l, kind(i), window) })
	return m
}

// softcap reads a logit cap: absent gives the model_type's default, null none.
func (c *config) softcap(key string, def bool) bool {
	if c.isNull(key) {
		c.ignore(key)
		return false
	}
	if !c.has(key) {
		return def
	}
	return c.real(0, key) != 0
}

// everyNth is full attention in every nth layer and a sliding window in those
// between.
func everyNth(n int64) func(int64) string {
	return func(i int64) string {
		if (i+1)%n != 0 {
			return slidingAttention
		}
		return fullAttention
	}
}
