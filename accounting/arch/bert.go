package arch

import "strings"

var _ = register(&family{
	types:  []string{"bert", "roberta", "xlm-roberta", "camembert"},
	source: "transformers/models/bert/modeling_bert.py (BertForMaskedLM), roberta/modeling_roberta.py (RobertaForMaskedLM)",
	build:  buildBERT,
})

// buildBERT counts the masked-language model, unless architectures names the bare
// encoder with its pooler: learned positions and token types with a norm after
// their sum, norms after the residual additions, and a head of a dense layer, a
// norm and the tied table with a bias. RoBERTa is the same.
func buildBERT(c *config, modelType string) *Model {
	def := dims{vocab: 30522, hidden: 768, ffn: 3072, layers: 12, positions: 512}
	if modelType == "roberta" {
		def.vocab = 50265
	}
	d := c.dims(def)
	h := c.heads(d.hidden, headDefaults{heads: 12, fixed: true, single: true})
	c.refuse("is_decoder", "a BERT with a causal mask is not read")
	c.refuse("add_cross_attention", "a BERT with cross-attention is not read")
	c.only("absolute", "position_embedding_type")
	c.ignore("directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type")
	ffn := plain(d.ffn, true, c.activation("gelu", "hidden_act"))
	m := c.newModel(d, Norm{}, true)
	m.Embedding.Positions = d.positions
	m.Embedding.TokenTypes = c.dim(2, "type_vocab_size")
	m.Embedding.Norm = layerNorm(d.hidden)
	if class := c.class(); strings.HasSuffix(class, "Model") {
		m.Head = Head{None: true}
		m.Extras = []Extra{
			{Name: "pooler", Shape: []int64{d.hidden, d.hidden}, Matrix: true, Once: true},
			{Name: "pooler bias", Shape: []int64{d.hidden}},
		}
		c.note("counted as %s: a pooler, no language-model head", class)
	} else {
		m.Head.Bias = true
		m.Extras = []Extra{
			{Name: "head transform", Shape: []int64{d.hidden, d.hidden}, Matrix: true},
			{Name: "head transform bias", Shape: []int64{d.hidden}},
			{Name: "head norm", Shape: []int64{d.hidden}, Count: 2},
		}
		if n := learnedValues[ffn.Activation]; n > 0 && modelType == "bert" { // the others' heads have GELU
			m.Extras = append(m.Extras, Extra{Name: "head " + ffn.Activation + " values", Shape: []int64{1}, Count: n})
		}
		c.note("counted as a masked-language model: no pooler, a head with a dense layer")
	}
	a := h.attention().biases(true, true).norotary()
	a.Bidirectional = true
	m.uniform(d.layers, pre(Layer{Name: "encoder", Attention: a, FFN: &ffn, PostNorm: true}, layerNorm(d.hidden)))
	return m
}
