package arch

import "fmt"

var _ = register(&family{
	types:  []string{"smollm3"},
	source: "transformers/models/smollm3/modeling_smollm3.py",
	build:  buildSmolLM3,
})

// buildSmolLM3: a llama body in which every fourth layer has no rotary
// positions; tied when the key is absent.
func buildSmolLM3(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 128256, hidden: 2048, ffn: 11008, layers: 36, positions: 32768})
	h := c.heads(d.hidden, headDefaults{heads: 16, kv: 4})
	bias := c.flag(false, "attention_bias")
	ffn := gated(d.ffn, c.flag(false, "mlp_bias"), c.activation("silu", "hidden_act"))
	c.ignore("max_window_layers")
	window := c.window(0)
	if !c.flag(false, "use_sliding_window") {
		window = 0
	}
	rotary := c.rotaryLayers(d.layers)
	kind := c.layerTypes(d.layers, func(i int64) string {
		if window > 0 && !rotary(i) {
			return slidingAttention
		}
		return fullAttention
	})
	m := c.newModel(d, rms(d.hidden), true)
	m.stack(d.layers, func(i int64) Layer {
		l := Layer{Name: "dense", Attention: h.attention().biases(bias, bias), FFN: &ffn}
		if !rotary(i) {
			l.Name, l.Attention.RotaryDim = "no-rope", 0
		}
		return windowed(pre(l, rms(d.hidden)), kind(i), window)
	})
	return m
}

// rotaryLayers says which layers rotate q and k. no_rope_layers is, despite its
// name, 1 where a layer does; without it every no_rope_layer_interval-th layer
// does not.
func (c *config) rotaryLayers(layers int64) func(int64) bool {
	interval := c.quiet(4, "no_rope_layer_interval", "nope_layer_interval")
	def := func(i int64) bool { return (i+1)%interval != 0 }
	if len(c.list("no_rope_layers")) == 0 {
		return def
	}
	return c.switches("no_rope_layers", layers, def)
}

// switches reads a list with a 1 or a 0 for each layer.
func (c *config) switches(key string, layers int64, def func(int64) bool) func(int64) bool {
	list := c.list(key)
	on := make([]string, len(list))
	for n, v := range list {
		i, ok := c.integer(join(c.path, fmt.Sprintf("%s[%d]", key, n)), v, 0, 1)
		if !ok {
			return def
		}
		on[n] = fmt.Sprint(i)
	}
	at := c.pattern(key, on, layers, func(int64) string { return "1" })
	return func(i int64) bool { return at(i) == "1" }
}
