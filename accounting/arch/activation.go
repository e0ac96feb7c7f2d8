package arch

import (
	"maps"
	"slices"
	"strings"

	"headroom/internal/suggest"
)

// learnedValues is the table of activations, ACT2CLS of transformers/activations.py
// under the names configs use, with the number of values each instance learns.
var learnedValues = map[string]int64{
	"gelu": 0, "gelu_10": 0, "gelu_accurate": 0, "gelu_fast": 0, "gelu_new": 0, "gelu_python": 0, "gelu_python_tanh": 0,
	"gelu_pytorch_tanh": 0, "hardswish": 0, "laplace": 0, "leaky_relu": 0, "linear": 0, "mish": 0, "quick_gelu": 0,
	"relu": 0, "relu2": 0, "relu6": 0, "sigmoid": 0, "silu": 0, "sqrtsoftplus": 0, "swish": 0, "tanh": 0,
	"prelu": 1, "xielu": 2,
}

// activation reads the name of an activation; absent and null give def. A name that
// the modelling code could not build is refused.
func (c *config) activation(def string, keys ...string) string {
	s := c.text(def, keys...)
	if _, ok := learnedValues[s]; s == "" || ok {
		return s
	}
	hint := ""
	if near := suggest.Nearest(s, slices.Sorted(maps.Keys(learnedValues)), 3); len(near) > 0 {
		hint = "; the nearest known ones are " + strings.Join(near, ", ")
	}
	key, _ := c.find(keys)
	c.fail(key, "%q is not an activation headroom knows%s", clip(s), hint)
	return def
}

// learnActivations adds what the activations of dense layers learn, an instance a
// feed-forward block.
func (c *config) learnActivations(m *Model) {
	for i := range m.Kinds {
		l := &m.Kinds[i]
		if l.MoE != nil && learnedValues[l.MoE.Expert.Activation] > 0 {
			c.contradict("hidden_act", "is %q; an activation that learns is not read among experts", l.MoE.Expert.Activation)
		}
		if l.FFN == nil {
			continue
		}
		if n := learnedValues[l.FFN.Activation]; n > 0 {
			l.Extras = append(l.Extras, Extra{Name: l.FFN.Activation + " values", Shape: []int64{1}, Count: n})
		}
	}
}
