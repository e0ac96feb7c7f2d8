package arch

var _ = register(&family{
	types:  []string{"gpt_bigcode"},
	source: "transformers/models/gpt_bigcode/modeling_gpt_bigcode.py",
	build:  buildGPTBigCode,
})

// buildGPTBigCode: GPT-2 with one key/value head unless multi_query is off.
func buildGPTBigCode(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 50257, hidden: 768, layers: 12, positions: 1024})
	h := heads{q: c.dim(12, "n_head", "num_attention_heads"), kv: 1}
	h.width = c.perHead(d.hidden, h.q)
	if !c.flag(true, "multi_query") {
		h.kv = h.q
	}
	if n, ok := c.number(1, "num_key_value_heads"); ok && n != h.kv {
		c.contradict("num_key_value_heads", "is %d, but multi_query makes it %d", n, h.kv)
	}
	c.refuse("add_cross_attention", "cross-attention in a decoder-only model is not read")
	c.ignore("attention_head_type", "inference_runner", "max_batch_size", "max_sequence_length", "pad_key_length",
		"pre_allocate_kv_cache", "validate_runner_input")
	ffn := plain(c.quiet(4*d.hidden, "n_inner"), true, c.activation("gelu_pytorch_tanh", "activation_function"))
	m := c.newModel(d, layerNorm(d.hidden), true)
	m.Embedding.Positions = d.positions
	m.uniform(d.layers, pre(Layer{Name: "dense", Attention: h.attention().biases(true, true).norotary(), FFN: &ffn}, layerNorm(d.hidden)))
	return m
}
