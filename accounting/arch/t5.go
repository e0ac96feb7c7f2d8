package arch

import "strings"

var _ = register(&family{
	types:  []string{"t5", "mt5"},
	source: "transformers/models/t5/modeling_t5.py (T5ForConditionalGeneration), mt5/modeling_mt5.py",
	build:  buildT5,
})

// buildT5: an encoder and a decoder without biases, RMSNorm before each block,
// relative positions that the first layer of each stack learns for all, a head
// width of its own. T5 v1.1 has a gated feed-forward and an untied head.
func buildT5(c *config, modelType string) *Model {
	def := dims{vocab: 32128, hidden: 512, ffn: 2048, layers: 6}
	headCount, activation, tied := int64(8), "relu", true
	if modelType == "mt5" {
		def = dims{vocab: 250112, hidden: 512, ffn: 1024, layers: 8}
		headCount, activation, tied = 6, "gated-gelu", false
	}
	c.aliases("d_model", "hidden_size")
	c.aliases("num_heads", "num_attention_heads")
	hidden := c.dim(def.hidden, "d_model")
	h := heads{q: c.dim(headCount, "num_heads"), width: c.dim(64, "d_kv")}
	h.kv = h.q
	layers := c.depth(def.layers, "num_layers", "num_hidden_layers")
	decoder := layers
	if n, ok := c.number(1, "num_decoder_layers"); ok && c.layers == 0 {
		decoder = n
	}
	if decoder > maxLayers {
		c.fail("num_decoder_layers", "is %d; more than %d layers is not a transformer", decoder, maxLayers)
		decoder = 1
	}
	buckets := c.dim(32, "relative_attention_num_buckets")
	c.ignore("relative_attention_max_distance", "n_positions", "scale_decoder_outputs")
	if c.has("is_encoder_decoder") && !c.flag(true, "is_encoder_decoder") {
		c.fail("is_encoder_decoder", "is false; half a T5 is not read")
	}
	proj := c.text(activation, "feed_forward_proj")
	ffn := plain(c.dim(def.ffn, "d_ff"), false, strings.TrimPrefix(proj, "gated-"))
	if c.has("is_gated_act") && c.flag(false, "is_gated_act") != strings.HasPrefix(proj, "gated-") {
		c.contradict("is_gated_act", "is %v, but feed_forward_proj is %q", c.flag(false, "is_gated_act"), clip(proj))
	}
	switch {
	case proj == "gated-gelu":
		ffn.Gated, ffn.Activation = true, "gelu_new"
	case strings.HasPrefix(proj, "gated-"):
		ffn.Gated = true
	case strings.Contains(proj, "-"):
		c.fail("feed_forward_proj", "is %q; want an activation or gated- and an activation", clip(proj))
	default:
		c.activation(activation, "feed_forward_proj")
	}
	ffn.Activation = c.activation(ffn.Activation, "dense_act_fn")
	m := c.newModel(dims{vocab: c.dim(def.vocab, "vocab_size"), hidden: hidden}, rms(hidden), tied)
	m.EncNorm = rms(hidden)
	m.Head.Scaled = m.Head.Tied
	layer := func(first int64, name string, build func(*Layer)) func(int64) Layer {
		return func(i int64) Layer {
			l := pre(Layer{Name: name, Attention: h.attention().norotary(), FFN: &ffn}, rms(hidden))
			if i == first {
				l.Name, l.Attention.RelativeBuckets = name+" 0", buckets
			}
			build(&l)
			return l
		}
	}
	m.encoderStack(layers, layer(0, "encoder", func(l *Layer) { l.Attention.Bidirectional = true }))
	m.stack(decoder, layer(0, "decoder", func(l *Layer) {
		cross := h.attention().norotary()
		cross.Bidirectional = true
		l.Cross, l.CrossNorm = &cross, rms(hidden)
	}))
	return m
}
