package arch

import (
	"errors"
	"fmt"
	"math/bits"
)

// Counts are exact numbers of learned values: every tensor that training
// changes, a tied matrix once. Rotary frequencies, masks and ALiBi slopes are
// not learned and not in them.
type Counts struct {
	Total int64
	// Active is what one token uses: routed experts × top-k/experts, shared
	// experts whole, everything else.
	Active int64
	// ActiveLessEmbedding leaves out the input embedding (unless the head needs
	// it: a tied table stays), ActiveLessEnds embedding and head. Model cards use
	// all three conventions.
	ActiveLessEmbedding int64
	ActiveLessEnds      int64

	Embedding    int64 // token table
	Position     int64 // learned positions
	Head         int64 // head matrix and bias that are not the token table
	NonEmbedding int64 // Total less Embedding, Position and Head
	MTP          int64 // multi-token-prediction layers: not in Total

	Kinds []KindCount // in the order of Model.Kinds
}

// KindCount is the size of one kind of layer.
type KindCount struct {
	Name     string
	Layers   int64 // of this kind, encoder and decoder together
	PerLayer int64
	Active   int64 // of one layer
}

// ErrOverflow reports a count beyond int64.
var ErrOverflow = errors.New("the parameters do not fit in 63 bits")

// ParameterCount counts the parameters of a Model by adding up its tensors. It
// is a derivation of its own beside the ledger's.
func (m *Model) ParameterCount() (Counts, error) {
	var s sum
	c := Counts{
		Embedding: s.mul(m.Embedding.Vocab, m.Embedding.Width),
		Position:  s.mul(m.Embedding.Positions, m.Hidden),
	}
	rest := s.add(s.mul(m.Embedding.TokenTypes, m.Hidden), m.Embedding.Norm.Elements(), m.FinalNorm.Elements(), m.EncNorm.Elements())
	if w := m.Embedding.Width; w != m.Hidden {
		rest = s.add(rest, s.mul(w, m.Hidden))
		if !m.Head.None {
			rest = s.add(rest, s.mul(m.Hidden, w))
		}
	}
	for _, e := range m.Extras {
		n := s.extra(e)
		if e.Position {
			c.Position = s.add(c.Position, n)
		} else {
			rest = s.add(rest, n)
		}
	}
	if !m.Head.None {
		if !m.Head.Tied {
			c.Head = s.mul(m.Embedding.Vocab, m.Embedding.Width)
		}
		if m.Head.Bias {
			if m.Head.Tied { // the part of a language-model head that is not the table
				rest = s.add(rest, m.Embedding.Vocab)
			} else {
				c.Head = s.add(c.Head, m.Embedding.Vocab)
			}
		}
	}
	number := make([]int64, len(m.Kinds))
	for _, k := range m.Sequence {
		number[k]++
	}
	for _, k := range m.Encoder {
		number[k]++
	}
	c.Active = rest
	for i, l := range m.Kinds {
		total, active := s.layer(l, m.Hidden)
		c.Kinds = append(c.Kinds, KindCount{Name: l.Name, Layers: number[i], PerLayer: total, Active: active})
		rest = s.add(rest, s.mul(number[i], total))
		c.Active = s.add(c.Active, s.mul(number[i], active))
	}
	for _, e := range m.MTP {
		c.MTP = s.add(c.MTP, s.extra(e))
	}
	ends := s.add(c.Embedding, c.Position, c.Head)
	c.NonEmbedding = rest
	c.Total = s.add(rest, ends)
	c.ActiveLessEnds = c.Active
	c.Active = s.add(c.Active, ends)
	c.ActiveLessEmbedding = s.add(c.ActiveLessEnds, c.Head)
	if m.Head.Tied && !m.Head.None {
		c.ActiveLessEmbedding = s.add(c.ActiveLessEnds, c.Embedding)
	}
	if s.overflow {
		return Counts{}, ErrOverflow
	}
	return c, nil
}

// A sum multiplies and adds non-negative numbers and remembers an overflow.
type sum struct{ overflow bool }

func (s *sum) mul(xs ...int64) int64 {
	out := int64(1)
	for _, x := range xs {
		hi, lo := bits.Mul64(uint64(out), uint64(x))
		if x < 0 || hi != 0 || int64(lo) < 0 {
			s.overflow = true
			return 0
		}
		out = int64(lo)
	}
	return out
}

func (s *sum) add(xs ...int64) int64 {
	var out int64
	for _, x := range xs {
		if x < 0 || out+x < 0 {
			s.overflow = true
			return 0
		}
		out += x
	}
	return out
}

func (s *sum) extra(e Extra) int64 {
	n := max(e.Count, 1)
	for _, d := range e.Shape {
		n = s.mul(n, d)
	}
	return n
}

// bias is n values where a switch is on.
func bias(on bool, n int64) int64 {
	if on {
		return n
	}
	return 0
}

func (s *sum) layer(l Layer, d int64) (total, active int64) {
	for _, n := range []Norm{l.InputNorm, l.PostAttnNorm, l.CrossNorm, l.FFNNorm, l.PostFFNNorm} {
		total = s.add(total, n.Elements())
	}
	for _, e := range l.Extras {
		total = s.add(total, s.extra(e))
	}
	total = s.add(total, s.attention(l.Attention, d))
	if l.Cross != nil {
		total = s.add(total, s.attention(*l.Cross, d))
	}
	if l.FFN != nil {
		total = s.add(total, s.ffn(*l.FFN, d))
	}
	active = total
	if e := l.MoE; e != nil {
		always := s.add(s.mul(d, e.Experts), bias(e.RouterBias, e.Experts), bias(e.CorrectionBias, e.Experts), bias(e.SharedGate, d))
		if e.Shared != nil {
			always = s.add(always, s.ffn(*e.Shared, d))
		}
		one := s.ffn(e.Expert, d)
		total = s.add(total, always, s.mul(e.Experts, one))
		active = s.add(active, always, s.mul(min(e.TopK, e.Experts), one))
	}
	return total, active
}

func (s *sum) attention(a Attention, d int64) int64 {
	q, k, v := s.mul(a.Heads, a.HeadDim), s.mul(a.KVHeads, a.HeadDim), s.mul(a.KVHeads, a.ValueDim)
	o := s.mul(a.Heads, a.ValueDim)
	n := s.add(s.mul(o, d), bias(a.OBias, d), a.QNorm.Elements(), a.KNorm.Elements(),
		bias(a.Sinks, a.Heads), s.mul(a.RelativeBuckets, a.Heads))
	if m := a.MLA; m != nil {
		if m.QRank > 0 {
			n = s.add(n, s.mul(d, m.QRank), bias(a.QBias, m.QRank), m.QNorm.Elements(), s.mul(m.QRank, q))
		} else {
			n = s.add(n, s.mul(d, q))
		}
		latent := s.add(m.KVRank, m.RopeDim)
		return s.add(n, s.mul(d, latent), bias(a.KBias, latent), m.KVNorm.Elements(),
			s.mul(m.KVRank, a.Heads, s.add(m.NopeDim, a.ValueDim)))
	}
	return s.add(n, s.mul(d, q), bias(a.QBias, q), s.mul(d, k), bias(a.KBias, k), s.mul(d, v), bias(a.VBias, v))
}

func (s *sum) ffn(f FFN, d int64) int64 {
	up := int64(1)
	if f.Gated {
		up = 2
	}
	return s.add(s.mul(up+1, d, f.Width), bias(f.UpBias, s.mul(up, f.Width)), bias(f.DownBias, d))
}

// String gives the total with its name, for messages.
func (c Counts) String() string { return fmt.Sprintf("%d parameters", c.Total) }
