package arch

var _ = register(&family{
	types:  []string{"llama"},
	source: "transformers/models/llama/modeling_llama.py",
	build:  buildLlama,
})

// buildLlama reads the body that most others vary: RMSNorm before attention and
// feed-forward, rotary positions, gated feed-forward. Both bias keys exist
// since LLaMA-derived models used them; head_dim since Mistral-Nemo.
func buildLlama(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 32000, hidden: 4096, ffn: 11008, layers: 32, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 32})
	bias := c.flag(false, "attention_bias")
	c.ignore("sliding_window", "use_sliding_window", "max_window_layers") // the code has no windows
	ffn := gated(d.ffn, c.flag(false, "mlp_bias"), c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &ffn}, rms(d.hidden)))
	return m
}
