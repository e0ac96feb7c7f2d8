package arch

import (
	"encoding/json"
	"fmt"
)

var _ = register(&family{
	types:  []string{"gpt_neo"},
	source: "transformers/models/gpt_neo/modeling_gpt_neo.py",
	build:  buildGPTNeo,
})

// buildGPTNeo: a GPT-2 body whose q, k and v have no bias while the output
// projection has one, with global and local layers in turn.
func buildGPTNeo(c *config, _ string) *Model {
	d := dims{
		vocab:     c.dim(50257, "vocab_size"),
		hidden:    c.dim(2048, "hidden_size"),
		layers:    c.depth(24, "num_layers", "num_hidden_layers"),
		positions: c.dim(2048, "max_position_embeddings"),
	}
	h := heads{q: c.dim(16, "num_heads", "num_attention_heads")}
	h.kv, h.width = h.q, c.perHead(d.hidden, h.q)
	ffn := plain(c.quiet(4*d.hidden, "intermediate_size"), true, c.activation("gelu_new", "activation_function"))
	window := c.quiet(256, "window_size")
	kind := c.gptNeoPattern(d.layers)
	m := c.newModel(d, layerNorm(d.hidden), true)
	m.Embedding.Positions = d.positions
	m.stack(d.layers, func(i int64) Layer {
		l := Layer{Name: "dense", Attention: h.attention().biases(false, true).norotary(), FFN: &ffn}
		return windowed(pre(l, layerNorm(d.hidden)), kind(i), window)
	})
	return m
}

// gptNeoPattern expands attention_types, a list of [[kinds…], repeats], of which
// attention_layers is the expanded form.
func (c *config) gptNeoPattern(layers int64) func(int64) string {
	c.ignore("attention_layers")
	def := func(i int64) string {
		if i%2 == 1 {
			return slidingAttention
		}
		return fullAttention
	}
	items := c.list("attention_types")
	if items == nil {
		return def
	}
	var kinds []string
	for n, item := range items {
		path := join(c.path, fmt.Sprintf("attention_types[%d]", n))
		pair, _ := item.v.([]*value)
		if len(pair) != 2 {
			c.add(item, path, "is %s; want [[\"global\", \"local\"], repeats]", item.kind())
			return def
		}
		names, _ := pair[0].v.([]*value)
		if _, ok := pair[1].v.(json.Number); !ok || len(names) == 0 {
			c.add(item, path, "is %s; want [[\"global\", \"local\"], repeats]", item.kind())
			return def
		}
		repeats, ok := c.integer(path+"[1]", pair[1], 1, maxLayers)
		if !ok {
			return def
		}
		var one []string
		for k, name := range names {
			switch s, _ := name.v.(string); s {
			case "global":
				one = append(one, fullAttention)
			case "local":
				one = append(one, slidingAttention)
			default:
				c.add(name, fmt.Sprintf("%s[0][%d]", path, k), "is %s; want global or local", name.kind())
				return def
			}
		}
		if int64(len(kinds))+repeats*int64(len(one)) > maxLayers {
			c.add(item, path, "lists more than %d layers", maxLayers)
			return def
		}
		for range repeats {
			kinds = append(kinds, one...)
		}
	}
	return c.pattern("attention_types", kinds, layers, def)
}
