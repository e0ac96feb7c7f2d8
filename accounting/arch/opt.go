package arch

var _ = register(&family{
	types:  []string{"opt"},
	source: "transformers/models/opt/modeling_opt.py",
	build:  buildOPT,
})

// optPositionOffset: OPTLearnedPositionalEmbedding skips two rows, a left-over
// of fairseq's padding index.
const optPositionOffset = 2

// buildOPT: a GPT body. The token table may be narrower than the model
// (opt-350m: 512 of 1024), with a projection in and one out; models that
// normalise after the residual have no final norm.
func buildOPT(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 50272, hidden: 768, layers: 12, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 12, fixed: true, single: true})
	bias := c.flag(true, "enable_bias")
	c.ignore("output_projection", "scale_embeddings")
	if !c.flag(true, "learned_embeddings") {
		c.fail("learned_embeddings", "is false; OPT's code always learns its positions")
	}
	norm := layerNorm(d.hidden)
	if !c.flag(true, "layer_norm_elementwise_affine") {
		norm = NewNorm(NormNoWeights, d.hidden)
	}
	before := c.flag(true, "do_layer_norm_before")
	final := norm
	if c.flag(false, "_remove_final_layer_norm") || !before {
		final = Norm{}
	}
	ffn := plain(c.dim(3072, "ffn_dim"), bias, c.activation("relu", "activation_function"))
	m := c.newModel(d, final, true)
	m.Embedding.Positions = d.positions + optPositionOffset
	if width := c.quiet(d.hidden, "word_embed_proj_dim"); width != d.hidden {
		m.Embedding.Width = width
	}
	l := Layer{Name: "dense", Attention: h.attention().biases(bias, bias).norotary(), FFN: &ffn, PostNorm: !before}
	m.uniform(d.layers, pre(l, norm))
	return m
}
