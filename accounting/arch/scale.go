package arch

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// ScaleFamily makes a model of about target parameters in the proportions of
// base. It keeps the head width, query heads a key/value head, feed-forward and
// latent widths over the model width, experts, vocabulary, positions, tying, and
// the pattern of layer kinds; width over depth is kept as near as whole numbers
// allow. The rule says in one sentence how sizes were rounded. The count of the
// result is exact, and near target rather than equal to it.
//
// It returns an error for encoders, for models with tensors outside the stack,
// and for a target that no depth from 1 layer on comes within a factor of two of.
func ScaleFamily(base *Model, target int64) (*Model, string, error) {
	if target < 1 {
		return nil, "", fmt.Errorf("a family member of %d parameters: want a positive number", target)
	}
	s, err := newScaler(base)
	if err != nil {
		return nil, "", fmt.Errorf("%s cannot be scaled: %w", base.Name, err)
	}
	// Width first, with the depth that keeps its proportion; then the depth alone.
	k := nearestTo(target, maxDim/s.hidden(1), func(k int64) int64 { return s.count(k, s.depth(k)) })
	layers := nearestTo(target, 8*s.depth(k)+8, func(l int64) int64 { return s.count(k, l) })
	if n := s.count(k, layers); n < 0 || gap(n, target) > target/2 {
		return nil, "", fmt.Errorf("%s has no member near %d parameters: the nearest is %d layers of width %d with %d parameters",
			base.Name, target, layers, s.hidden(k), n)
	}
	m := s.build(k, layers)
	m.Name = fmt.Sprintf("%s@%s", base.Name, short(target))
	m.Source = fmt.Sprintf("scaled from %s", base.Name)
	rule := fmt.Sprintf("width in steps of %d (%d query heads a step), feed-forward at %s of the width rounded to a multiple of %d, "+
		"depth in proportion to the width and then moved to the nearest count",
		s.hidden(1), s.heads(1), ratio(s.ffn(), base.Hidden), s.grain)
	m.Notes = append(slices.Clone(base.Notes), "scaled from "+base.Name+": "+rule)
	return m, rule, nil
}

// nearestTo finds the x from 1 to most whose count is nearest target. Counts grow
// with x; a negative one is beyond int64.
func nearestTo(target, most int64, count func(x int64) int64) int64 {
	x := 1 + int64(sort.Search(int(most-1), func(i int) bool {
		n := count(int64(i) + 1)
		return n < 0 || n >= target
	}))
	if n := count(x); x > 1 && (n < 0 || gap(count(x-1), target) <= gap(n, target)) {
		x--
	}
	return x
}

func gap(a, b int64) int64 { return max(a, b) - min(a, b) }

// short writes a count the way people name models: 3B, 350M, 1300000001.
func short(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1_000_000_000_000, "T"}, {1_000_000_000, "B"}, {1_000_000, "M"}} {
		if n%(u.size/10) == 0 && n >= u.size {
			if n%u.size == 0 {
				return fmt.Sprintf("%d%s", n/u.size, u.name)
			}
			return fmt.Sprintf("%.1f%s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprint(n)
}

func ratio(a, b int64) string { return fmt.Sprintf("%.4g", float64(a)/float64(b)) }

// A scaler resizes a model in steps: k steps have k/steps of the base's width.
type scaler struct {
	base   *Model
	steps  int64 // of the base model
	grain  int64 // feed-forward widths are multiples of it
	prefix int   // layers before the repeating pattern
	period int
}

func newScaler(m *Model) (*scaler, error) {
	switch {
	case len(m.Encoder) > 0:
		return nil, fmt.Errorf("it has an encoder")
	case len(m.Extras) > 0 || m.Embedding.Width != m.Hidden:
		return nil, fmt.Errorf("it has tensors outside the stack")
	case len(m.Sequence) == 0:
		return nil, fmt.Errorf("it has no layers")
	}
	s := &scaler{base: m}
	first := m.Kinds[m.Sequence[0]].Attention
	for _, l := range m.Kinds {
		if l.Attention.Heads != first.Heads || l.Attention.KVHeads != first.KVHeads {
			return nil, fmt.Errorf("its layers differ in heads")
		}
	}
	// A step is the smallest share of the width that leaves whole heads in the
	// same groups: one key/value head, or one query head where all share one.
	s.steps = first.KVHeads
	if first.KVHeads == 1 {
		s.steps = first.Heads
	}
	for m.Hidden%s.steps != 0 || first.Heads%s.steps != 0 {
		s.steps--
	}
	s.grain = 256
	for s.grain > 1 && s.ffn()%s.grain != 0 {
		s.grain /= 2
	}
	s.prefix, s.period = repeating(m.Sequence)
	return s, nil
}

// repeating finds the shortest prefix and pattern that make up a sequence. A
// sequence that never repeats is one pattern.
func repeating(seq []int) (prefix, period int) {
	prefix, period = 0, len(seq)
	for p := 0; p < len(seq); p++ {
		for q := 1; p+q < period+prefix && p+2*q <= len(seq); q++ {
			if slices.Equal(seq[p+q:], seq[p:len(seq)-q]) {
				prefix, period = p, q
				break
			}
		}
	}
	return prefix, period
}

// ffn is the feed-forward width of the base: of a dense layer if it has one.
func (s *scaler) ffn() int64 {
	width := int64(1)
	for _, l := range s.base.Kinds {
		if l.FFN != nil {
			return l.FFN.Width
		}
		width = l.MoE.Expert.Width
	}
	return width
}

func (s *scaler) hidden(k int64) int64 { return s.base.Hidden / s.steps * k }
func (s *scaler) heads(k int64) int64  { return s.base.Kinds[0].Attention.Heads / s.steps * k }

// depth keeps the proportion of depth to width, rounded to the nearest layer.
func (s *scaler) depth(k int64) int64 {
	return min(maxLayers, max(1, (2*s.base.Layers()*k+s.steps)/(2*s.steps)))
}

// count is -1 when the parameters overflow or the width is beyond any model.
func (s *scaler) count(k, layers int64) int64 {
	if s.hidden(k) > maxDim {
		return -1
	}
	c, err := s.build(k, layers).ParameterCount()
	if err != nil {
		return -1
	}
	return c.Total
}

// width scales a width to a multiple of grain, at least one.
func (s *scaler) width(w, k, grain int64) int64 {
	for grain > 1 && w%grain != 0 {
		grain /= 2
	}
	exact := float64(w) * float64(k) / float64(s.steps)
	return max(1, int64(math.Round(exact/float64(grain)))) * grain
}

func (s *scaler) build(k, layers int64) *Model {
	m := *s.base
	m.MTP = nil
	m.Hidden = s.hidden(k)
	m.Embedding.Width = m.Hidden
	m.Embedding.Norm = s.norm(m.Embedding.Norm, k)
	m.FinalNorm = s.norm(m.FinalNorm, k)
	m.Kinds = make([]Layer, len(s.base.Kinds))
	for i, l := range s.base.Kinds {
		m.Kinds[i] = s.layer(l, k)
	}
	m.Sequence = make([]int, layers)
	for i := range m.Sequence {
		j := i
		if j >= s.prefix {
			j = s.prefix + (i-s.prefix)%s.period
		}
		m.Sequence[i] = s.base.Sequence[j]
	}
	return &m
}

func (s *scaler) layer(l Layer, k int64) Layer {
	for _, n := range []*Norm{&l.InputNorm, &l.PostAttnNorm, &l.CrossNorm, &l.FFNNorm, &l.PostFFNNorm} {
		*n = s.norm(*n, k)
	}
	l.Attention = s.attention(l.Attention, k)
	if l.FFN != nil {
		f := *l.FFN
		f.Width = s.width(f.Width, k, s.grain)
		l.FFN = &f
	}
	if l.MoE != nil {
		e := *l.MoE
		e.Expert.Width = s.width(e.Expert.Width, k, s.grain)
		if e.Shared != nil {
			f := *e.Shared // as many experts wide as it was, where it was
			if f.Width%l.MoE.Expert.Width == 0 {
				f.Width = f.Width / l.MoE.Expert.Width * e.Expert.Width
			} else {
				f.Width = s.width(f.Width, k, s.grain)
			}
			e.Shared = &f
		}
		l.MoE = &e
	}
	return l
}

func (s *scaler) attention(a Attention, k int64) Attention {
	a.QNorm = s.headNorm(a.QNorm, a.HeadDim, k)
	a.KNorm = s.headNorm(a.KNorm, a.HeadDim, k)
	a.Heads = a.Heads / s.steps * k
	if a.KVHeads > 1 {
		a.KVHeads = max(1, a.KVHeads*k/s.steps)
	}
	if a.MLA != nil {
		m := *a.MLA
		if m.QRank > 0 {
			m.QRank = s.width(m.QRank, k, 64)
			m.QNorm = NewNorm(m.QNorm.Kind, m.QRank)
		}
		m.KVRank = s.width(m.KVRank, k, 64)
		m.KVNorm = NewNorm(m.KVNorm.Kind, m.KVRank)
		a.MLA = &m
	}
	return a
}

// norm scales a norm over the model's width.
func (s *scaler) norm(n Norm, k int64) Norm {
	n.Width, n.Weights = n.Width/s.steps*k, n.Weights/s.steps*k
	return n
}

// headNorm scales a norm of queries or keys: over all heads, or a weight for
// each; a weight that all heads share stays.
func (s *scaler) headNorm(n Norm, headDim, k int64) Norm {
	if n.Width > headDim {
		n.Width = n.Width / s.steps * k
	}
	if n.Weights > headDim {
		n.Weights = n.Weights / s.steps * k
	}
	return n
}
