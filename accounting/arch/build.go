package arch

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// dims are the numbers that nearly every config states.
type dims struct{ vocab, hidden, ffn, layers, positions int64 }

// dims reads them under their most common names; def holds the model_type's
// own defaults. ffn 0 says that the family reads its feed-forward width itself.
func (c *config) dims(def dims) dims {
	d := dims{
		vocab:     c.dim(def.vocab, "vocab_size"),
		hidden:    c.dim(def.hidden, "hidden_size", "n_embd", "d_model"),
		layers:    c.depth(def.layers, "num_hidden_layers", "n_layer", "n_layers"),
		positions: c.quiet(def.positions, "max_position_embeddings", "n_positions", "max_seq_len"),
	}
	if def.ffn > 0 {
		d.ffn = c.dim(def.ffn, "intermediate_size")
	}
	return d
}

// newModel starts a decoder with the parts that nearly all share: a token
// table, a final norm and a head, tied or not.
func (c *config) newModel(d dims, final Norm, tiedDefault bool) *Model {
	return &Model{
		Hidden:       d.hidden,
		MaxPositions: d.positions,
		Embedding:    Embedding{Vocab: d.vocab, Width: d.hidden},
		FinalNorm:    final,
		Head:         Head{Tied: c.flag(tiedDefault, "tie_word_embeddings")},
	}
}

// stack fills in n layers, each of the kind that layer i has. Layers of one
// name are one kind.
func (m *Model) stack(n int64, layer func(i int64) Layer) {
	m.Sequence = m.sequence(n, layer)
}

// encoderStack does the same for the encoder.
func (m *Model) encoderStack(n int64, layer func(i int64) Layer) {
	m.Encoder = m.sequence(n, layer)
}

func (m *Model) sequence(n int64, layer func(i int64) Layer) []int {
	seq := make([]int, 0, n)
	for i := range n {
		l := layer(i)
		k := slices.IndexFunc(m.Kinds, func(k Layer) bool { return k.Name == l.Name })
		if k < 0 {
			k = len(m.Kinds)
			m.Kinds = append(m.Kinds, l)
		}
		seq = append(seq, k)
	}
	return seq
}

// uniform fills in n layers of one kind.
func (m *Model) uniform(n int64, l Layer) {
	m.stack(n, func(int64) Layer { return l })
}

func rms(width int64) Norm       { return NewNorm(RMSNorm, width) }
func layerNorm(width int64) Norm { return NewNorm(LayerNorm, width) }

// heads is the size of an attention block: query heads, key/value heads, head width.
type heads struct{ q, kv, width int64 }

// headDefaults are a model_type's own values for absent keys.
type headDefaults struct {
	heads int64
	kv    int64 // 0 = as many as heads
	width int64 // 0 = hidden / heads
	// derived says that a null head_dim is hidden / heads although an absent one is width.
	derived bool
	// fixed says that the code has no key for the head width: it is always hidden / heads.
	fixed bool
	// single says that the code has no key for key/value heads either.
	single bool
}

// heads reads the head counts under the names most decoders use. An absent
// num_key_value_heads takes the model_type's default, a null one the number of
// query heads, as the configuration classes do.
func (c *config) heads(hidden int64, def headDefaults) heads {
	h := heads{q: c.dim(def.heads, "num_attention_heads", "n_head", "n_heads")}
	h.kv = h.q
	if n, ok := c.number(1, "num_key_value_heads"); ok {
		h.kv = n
	} else if def.kv > 0 && !c.has("num_key_value_heads") && !c.isNull("num_key_value_heads") {
		h.kv = c.dim(def.kv, "num_key_value_heads")
	}
	h.width = def.width
	if c.isNull("head_dim") {
		if h.width > 0 && !def.derived {
			c.fail("head_dim", "is null; the code of this model_type needs a number")
		}
		h.width = 0
	}
	n, given := c.number(1, "head_dim")
	if given && !def.fixed {
		h.width = n
	}
	if h.width == 0 {
		h.width = c.perHead(hidden, h.q)
	}
	if given && n != h.width {
		c.contradict("head_dim", "is %d; the code of this model_type always takes the width over the heads, %d", n, h.width)
	}
	if def.single && h.kv != h.q {
		c.contradict("num_key_value_heads", "is %d; the code of this model_type has as many as query heads, %d", h.kv, h.q)
	}
	c.checkGroups(h)
	return h
}

// perHead divides the width among the heads.
func (c *config) perHead(hidden, n int64) int64 {
	if hidden%n != 0 {
		c.contradict("num_attention_heads", "%d heads do not divide the width %d", n, hidden)
	}
	return max(1, hidden/n)
}

// checkGroups refuses key/value heads that query heads cannot share evenly.
func (c *config) checkGroups(h heads) {
	switch {
	case h.kv > h.q:
		c.contradict("num_key_value_heads", "%d key/value heads are more than the %d query heads", h.kv, h.q)
	case h.q%h.kv != 0:
		c.contradict("num_key_value_heads", "%d key/value heads do not divide the %d query heads", h.kv, h.q)
	}
}

// attention turns head sizes into a causal block with full rotary positions.
func (h heads) attention() Attention {
	return Attention{Heads: h.q, KVHeads: h.kv, HeadDim: h.width, ValueDim: h.width, RotaryDim: h.width}
}

// norotary takes the rotary positions away: the positions are elsewhere.
func (a Attention) norotary() Attention {
	a.RotaryDim = 0
	return a
}

// biases sets the biases of the four projections.
func (a Attention) biases(qkv, o bool) Attention {
	a.QBias, a.KBias, a.VBias, a.OBias = qkv, qkv, qkv, o
	return a
}

// qkNorms puts a norm over each head of q and k, one weight vector for all heads.
func (a Attention) qkNorms(kind NormKind) Attention {
	a.QNorm, a.KNorm = NewNorm(kind, a.HeadDim), NewNorm(kind, a.HeadDim)
	return a
}

// rotaryDim is the rotated part of a head: a share of its width, rounded down
// as int() does.
func (c *config) rotaryDim(width int64, def float64, keys ...string) int64 {
	f := def
	if len(keys) == 0 {
		keys = []string{"partial_rotary_factor"}
	}
	for _, nested := range []string{"rope_parameters", "rope_scaling"} {
		if v := c.obj.at[nested]; v != nil {
			if o, ok := v.v.(*object); ok {
				if n := o.at["partial_rotary_factor"]; n != nil {
					f = (&config{document: c.document, path: join(c.path, nested), obj: o, self: v, read: map[string]bool{}}).real(f, "partial_rotary_factor")
				}
			}
		}
	}
	f = c.real(f, keys...)
	if !(f >= 0 && f <= 1) {
		c.fail(keys[0], "is %v; want a share of the head between 0 and 1", f)
		return 0
	}
	return int64(math.Floor(float64(width) * f))
}

// gated is a feed-forward block with gate, up and down matrices.
func gated(width int64, bias bool, activation string) FFN {
	return FFN{Width: width, Gated: true, UpBias: bias, DownBias: bias, Activation: activation}
}

// plain is a feed-forward block with two matrices.
func plain(width int64, bias bool, activation string) FFN {
	return FFN{Width: width, UpBias: bias, DownBias: bias, Activation: activation}
}

// pre puts the same norm before attention and before the feed-forward.
func pre(l Layer, n Norm) Layer {
	l.InputNorm, l.FFNNorm = n, n
	return l
}

// Values of layer_types.
const (
	fullAttention    = "full_attention"
	slidingAttention = "sliding_attention"
	chunkedAttention = "chunked_attention"
)

// layerTypes reads which attention each of n layers has. Without the key, def
// says it.
func (c *config) layerTypes(n int64, def func(i int64) string) func(i int64) string {
	list := c.list("layer_types")
	if list == nil {
		return def
	}
	types := make([]string, len(list))
	for i, v := range list {
		s, _ := v.v.(string)
		switch s {
		case fullAttention, slidingAttention, chunkedAttention:
		default:
			c.add(v, join(c.path, fmt.Sprintf("layer_types[%d]", i)), "is %s; headroom knows %s, %s, %s",
				v.kind(), fullAttention, slidingAttention, chunkedAttention)
		}
		types[i] = s
	}
	return c.pattern("layer_types", types, n, def)
}

// pattern turns a list with one entry a layer into a function of the layer. It
// must have n entries; where the number of layers is overridden, it is cut short
// or its pattern continued.
func (c *config) pattern(key string, list []string, n int64, def func(int64) string) func(int64) string {
	have := int64(len(list))
	if have == 0 || (have != n && c.layers == 0) {
		c.contradict(key, "lists %d layers; the model has %d", have, n)
		return def
	}
	every := have
	if n > have {
		if every = period(list); every == have {
			c.contradict(key, "lists %d layers without a pattern that repeats; %d layers cannot follow from it", have, n)
		}
	}
	return func(i int64) string { return list[i%every] }
}

// period is the length of the shortest pattern that the list repeats, found from
// its borders (the failure function of Knuth, Morris and Pratt).
func period(list []string) int64 {
	border := make([]int, len(list)+1) // of each beginning of the list
	border[0] = -1
	for i := range list {
		b := border[i]
		for b >= 0 && list[b] != list[i] {
			b = border[b]
		}
		border[i+1] = b + 1
	}
	if p := len(list) - border[len(list)]; p <= len(list)/2 {
		return int64(p)
	}
	return int64(len(list))
}

// all gives every layer the same attention.
func all(kind string) func(int64) string { return func(int64) string { return kind } }

// window reads a sliding window: absent gives def, null none.
func (c *config) window(def int64) int64 {
	if c.isNull("sliding_window") {
		c.ignore("sliding_window")
		return 0
	}
	return c.count(def, "sliding_window")
}

// windowed makes the layer of a layer type: sliding ones see a window.
func windowed(l Layer, kind string, window int64) Layer {
	if kind == slidingAttention && window > 0 {
		l.Name = strings.TrimPrefix("sliding "+l.Name, " ")
		l.Attention.Window = window
	}
	return l
}
