package arch

import "strings"

var _ = register(&family{
	types:  []string{"exaone4"},
	source: "transformers/models/exaone4/modeling_exaone4.py",
	build:  buildExaone4,
})

// buildExaone4: norms only after the blocks, as OLMo 2, and over each head of q
// and k; full attention without rotary positions between sliding layers.
func buildExaone4(c *config, _ string) *Model {
	d := c.dims(dims{vocab: 102400, hidden: 4096, ffn: 16384, layers: 32, positions: 2048})
	h := c.heads(d.hidden, headDefaults{heads: 32, kv: 32})
	ffn := gated(d.ffn, false, c.activation("silu", "hidden_act"))
	m := c.newModel(d, rms(d.hidden), false)
	window := c.window(4096)
	kind := c.layerTypes(d.layers, c.exaone4Pattern(d.layers, window))
	l := Layer{Name: "dense", Attention: h.attention().qkNorms(RMSNorm), FFN: &ffn}
	l.PostAttnNorm, l.PostFFNNorm = rms(d.hidden), rms(d.hidden)
	m.stack(d.layers, func(i int64) Layer {
		l := l
		if kind(i) == fullAttention && window > 0 {
			l.Attention.RotaryDim = 0
		}
		return windowed(l, kind(i), window)
	})
	return m
}

// exaone4Pattern reads sliding_window_pattern: a number n, every nth layer being
// full, or letters that repeat, "LLLG", with L for local and G for global, the
// last layer of the model always global.
func (c *config) exaone4Pattern(layers, window int64) func(int64) string {
	if window == 0 {
		c.ignore("sliding_window_pattern")
		return all(fullAttention)
	}
	v := c.obj.at["sliding_window_pattern"]
	if v != nil {
		if s, ok := v.v.(string); ok {
			c.ignore("sliding_window_pattern")
			if s == "" || strings.Trim(s, "LG") != "" {
				c.fail("sliding_window_pattern", "is %q; want letters L and G, or a number", clip(s))
				return all(fullAttention)
			}
			return func(i int64) string {
				if i != layers-1 && s[i%int64(len(s))] == 'L' {
					return slidingAttention
				}
				return fullAttention
			}
		}
	}
	return everyNth(c.quiet(4, "sliding_window_pattern"))
}
