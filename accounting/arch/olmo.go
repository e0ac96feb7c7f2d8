package arch

var _ = register(&family{
	types:  []string{"olmo", "olmo2", "olmo3", "olmoe"},
	source: "transformers/models/olmo/modeling_olmo.py, olmo2/modeling_olmo2.py, olmo3/modeling_olmo3.py, olmoe/modeling_olmoe.py",
	build:  buildOLMo,
})

// buildOLMo: OLMo's norms learn nothing. OLMo 2 and 3 normalise only the outputs
// of attention and feed-forward, and q and k over their whole width; OLMo 3
// has three sliding layers before each full one. OLMoE normalises before, as
// llama does, and q and k over the whole width.
func buildOLMo(c *config, modelType string) *Model {
	def := dims{vocab: 50304, hidden: 4096, ffn: 11008, layers: 32, positions: 2048}
	hd := headDefaults{heads: 32}
	if modelType == "olmoe" {
		def, hd = dims{vocab: 50304, hidden: 2048, ffn: 2048, layers: 16, positions: 4096}, headDefaults{heads: 16}
	}
	d := c.dims(def)
	h := c.heads(d.hidden, hd)
	bias := c.flag(false, "attention_bias")
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	a := h.attention().biases(bias, bias)
	norm := rms(d.hidden)
	if modelType == "olmo" {
		norm = NewNorm(NormNoWeights, d.hidden)
	} else {
		a.QNorm, a.KNorm = rms(h.q*h.width), rms(h.kv*h.width)
	}
	m := c.newModel(d, norm, false)
	l := Layer{Name: "dense", Attention: a, FFN: &ffn}
	switch modelType {
	case "olmo2", "olmo3":
		l.PostAttnNorm, l.PostFFNNorm = norm, norm
	case "olmoe":
		moe := c.routed(64, 8)
		moe.Expert = ffn
		l.Name, l.FFN, l.MoE = "moe", nil, &moe
		l = pre(l, norm)
	default:
		l = pre(l, norm)
	}
	if modelType != "olmo3" {
		m.uniform(d.layers, l)
		return m
	}
	window := c.window(4096)
	kind := c.layerTypes(d.layers, everyNth(4))
	m.stack(d.layers, func(i int64) Layer { return windowed(l, kind(i), window) })
	return m
}
