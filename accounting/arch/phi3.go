package arch

var _ = register(&family{
	types:  []string{"phi3"},
	source: "transformers/models/phi3/modeling_phi3.py",
	build:  buildPhi3,
})

// buildPhi3: a llama body without biases whose q, k, v and whose gate, up are
// one matrix each. The modelling code never reads attention_bias.
func buildPhi3(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 32064, hidden: 3072, ffn: 8192, layers: 32, positions: 4096})
	h := c.heads(d.hidden, headDefaults{heads: 32})
	c.ignore("embd_layer", "img_processor", "audio_processor", "vision_lora", "speech_lora")
	for _, tower := range []string{"img_processor", "audio_processor", "vision_lora", "speech_lora"} {
		if c.has(tower) {
			c.note("only the language model is counted, without vision or audio towers and adapters")
		}
	}
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	m.Code.FusedQKV, m.Code.FusedGateUp = true, true
	a := h.attention()
	a.RotaryDim = c.rotaryDim(h.width, 1)
	l := pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, rms(d.hidden))
	m.uniform(d.layers, windowed(l, slidingAttention, c.window(0)))
	return m
}
