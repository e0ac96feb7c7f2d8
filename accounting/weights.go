package accounting

import (
	"fmt"

	"headroom/accounting/arch"
)

// weightSections derives every weight of a model, component by component, with
// the rule by which tensor and expert parallelism cut it (Megatron-LM,
// Shoeybi et al. 2019: column-parallel q, k, v, gate, up; row-parallel o, down;
// vocabulary-parallel tables; norms, routers and row-parallel biases whole).
func weightSections(m *arch.Model, predictions int64) []Section {
	out := []Section{embeddingSection(m)}
	for _, role := range []Role{RoleEncoder, RoleLayer} {
		sequence := m.Sequence
		if role == RoleEncoder {
			sequence = m.Encoder
		}
		for kind := range m.Kinds {
			var count int64
			for _, k := range sequence {
				if k == kind {
					count++
				}
			}
			if count > 0 {
				out = append(out, layerSection(m, role, kind, count))
			}
		}
	}
	if predictions > 0 && len(m.Sequence) > 0 {
		out = append(out, predictionSection(m, predictions))
	}
	head := headSection(m)
	head.predict(predictions)
	return append(out, head)
}

func baseValues(m *arch.Model) Values {
	var v Values
	v[SymD] = m.Hidden
	v[SymV] = m.Embedding.Vocab
	v[SymEmb] = m.Embedding.Width
	v[SymPos] = m.Embedding.Positions
	return v
}

var (
	symD, symV = Prod(SymD), Prod(SymV)
	tokens     = Prod(SymB, SymS)
)

func embeddingSection(m *arch.Model) Section {
	s := Section{Name: "embedding", Role: RoleEmbedding, Count: 1, Values: baseValues(m)}
	e := m.Embedding
	width := s.dim(e.Width, SymD, SymEmb)
	s.add("token_embedding", GroupEmbedding, Tensor{Name: "token_embedding", Shape: []Expr{symV, width}, Shard: ByVocab})
	if e.Positions > 0 {
		s.add("position_embedding", GroupEmbedding, Tensor{Name: "position_embedding", Shape: []Expr{Prod(SymPos), symD}})
	}
	if e.TokenTypes > 0 {
		s.add("type_embedding", GroupEmbedding, Tensor{Name: "type_embedding", Shape: []Expr{Int(e.TokenTypes), symD}})
	}
	s.norm("embedding_norm", e.Norm)
	if e.Width != m.Hidden {
		s.add("embedding_projection", GroupEmbedding, Tensor{Name: "embedding_projection", Shape: []Expr{symD, width}, Uses: tokens})
	}
	s.norm("encoder_norm", m.EncNorm)
	for _, x := range m.Extras {
		s.extra(x)
	}
	return s
}

func headSection(m *arch.Model) Section {
	s := Section{Name: "head", Role: RoleHead, Count: 1, Values: baseValues(m)}
	width := s.dim(m.Embedding.Width, SymD, SymEmb)
	s.norm("final_norm", m.FinalNorm)
	if m.Embedding.Width != m.Hidden && !m.Head.None {
		s.add("head_projection", GroupHead, Tensor{Name: "head_projection", Shape: []Expr{width, symD}, Uses: tokens})
	}
	if !m.Head.None {
		w := []Tensor{{Name: "head", Shape: []Expr{symV, width}, Shard: ByVocab, Uses: tokens, Tied: m.Head.Tied}}
		if m.Head.Bias {
			w = append(w, Tensor{Name: "head_bias", Shape: []Expr{symV}, Shard: ByVocab})
		}
		s.add("head", GroupHead, w...)
		s.add("loss", GroupLoss)
	}
	return s
}

func layerSection(m *arch.Model, role Role, kind int, count int64) Section {
	layer := &m.Kinds[kind]
	s := Section{Name: layer.Name, Role: role, Kind: kind, Count: count, Layer: layer, Values: baseValues(m)}
	v := &s.Values
	a := &layer.Attention
	v[SymH], v[SymG], v[SymK], v[SymKV] = a.Heads, a.KVHeads, a.HeadDim, a.ValueDim
	if mla := a.MLA; mla != nil {
		v[SymRQ], v[SymRKV], v[SymNope], v[SymRope] = mla.QRank, mla.KVRank, mla.NopeDim, mla.RopeDim
	} else {
		v[SymRope] = a.RotaryDim
	}
	if layer.FFN != nil {
		v[SymF] = layer.FFN.Width
	}
	if moe := layer.MoE; moe != nil {
		v[SymE], v[SymTopK], v[SymFE] = moe.Experts, moe.TopK, moe.Expert.Width
		if moe.Shared != nil {
			v[SymFS] = moe.Shared.Width
		}
	}

	s.norm("input_norm", layer.InputNorm)
	s.attention("", a)
	s.norm("post_attention_norm", layer.PostAttnNorm)
	if layer.Cross != nil {
		s.norm("cross_norm", layer.CrossNorm)
		s.attention("cross_", layer.Cross)
	}
	s.norm("ffn_norm", layer.FFNNorm)
	if f := layer.FFN; f != nil {
		s.ffn("", f, Prod(SymF), tokens, ByTP)
	}
	if moe := layer.MoE; moe != nil {
		s.moe(moe)
	}
	s.norm("post_ffn_norm", layer.PostFFNNorm)
	for _, x := range layer.Extras {
		s.extra(x)
	}
	return s
}

func (s *Section) add(name string, g Group, weights ...Tensor) {
	s.Components = append(s.Components, Component{Name: name, Group: g, Weights: weights})
}

// dim is a width as a symbol where one of the candidates has that value, and as
// a plain number where none has.
func (s *Section) dim(n int64, candidates ...Symbol) Expr {
	for _, c := range candidates {
		if s.Values[c] == n {
			return Prod(c)
		}
	}
	return Int(n)
}

func (s *Section) norm(name string, n arch.Norm) {
	if n.Kind == arch.NoNorm {
		return
	}
	v := &s.Values
	width := s.dim(n.Weights, SymD, SymK, SymRQ, SymRKV)
	switch n.Weights {
	case v[SymH] * v[SymK]:
		width = Prod(SymH, SymK)
	case v[SymG] * v[SymK]:
		width = Prod(SymG, SymK)
	}
	if n.Weights == v[SymD] {
		width = symD
	}
	// Weights of their own for each head are cut with the heads (StableLM 2).
	shard := Whole
	if n.Weights > n.Width {
		switch n.Weights {
		case v[SymH] * n.Width:
			shard = ByTP
		case v[SymG] * n.Width:
			shard = ByKV
		}
	}
	var w []Tensor
	if n.Elements() > 0 {
		w = append(w, Tensor{Name: name, Shape: []Expr{width}, Shard: shard})
	}
	if n.Kind == arch.LayerNorm {
		w = append(w, Tensor{Name: name + "_bias", Shape: []Expr{width}, Shard: shard})
	}
	s.add(name, GroupNorm, w...)
}

func (s *Section) extra(x arch.Extra) {
	n := max(x.Count, 1)
	t := Tensor{Name: x.Name}
	for _, d := range x.Shape {
		t.Shape = append(t.Shape, Int(d))
	}
	if x.Matrix {
		t.Uses = tokens
		if x.Once {
			t.Uses = Prod(SymB)
		}
	}
	group := GroupResidual
	if x.Position {
		group = GroupEmbedding
	}
	weights := make([]Tensor, n)
	for i := range weights {
		weights[i] = t
		if n > 1 {
			weights[i].Name = fmt.Sprintf("%s_%d", x.Name, i)
		}
	}
	s.add(x.Name, group, weights...)
}

// attention writes the projections and the two score products. prefix tells
// cross-attention from self-attention.
func (s *Section) attention(prefix string, a *arch.Attention) {
	q, kv := Prod(SymH, SymK), Prod(SymG, SymK)
	values, out := Prod(SymG, SymKV), Prod(SymH, SymKV)
	if a.MLA != nil {
		s.mla(a)
	} else {
		w := []Tensor{{Name: "q", Shape: []Expr{q, symD}, Shard: ByTP, Uses: tokens}}
		if a.QBias {
			w = append(w, Tensor{Name: "q_bias", Shape: []Expr{q}, Shard: ByTP})
		}
		w = append(w, Tensor{Name: "k", Shape: []Expr{kv, symD}, Shard: ByKV, Uses: tokens})
		if a.KBias {
			w = append(w, Tensor{Name: "k_bias", Shape: []Expr{kv}, Shard: ByKV})
		}
		w = append(w, Tensor{Name: "v", Shape: []Expr{values, symD}, Shard: ByKV, Uses: tokens})
		if a.VBias {
			w = append(w, Tensor{Name: "v_bias", Shape: []Expr{values}, Shard: ByKV})
		}
		s.add(prefix+"qkv", GroupQKV, w...)
	}
	s.norm(prefix+"q_norm", a.QNorm)
	s.norm(prefix+"k_norm", a.KNorm)
	s.add(prefix+"qk", GroupQK)
	keys := SymSpan
	if prefix != "" {
		keys = SymS // of the encoder's output, without a causal mask
	}
	s.Components[len(s.Components)-1].Products = Prod(SymB, SymS, keys, SymH, SymK).Scale(2)
	var extra []Tensor
	if a.Sinks {
		extra = append(extra, Tensor{Name: "sinks", Shape: []Expr{Prod(SymH)}, Shard: ByTP})
	}
	if a.RelativeBuckets > 0 {
		extra = append(extra, Tensor{Name: "relative_positions", Shape: []Expr{Int(a.RelativeBuckets), Prod(SymH)}})
	}
	s.add(prefix+"softmax", GroupSoftmax, extra...)
	s.add(prefix+"av", GroupAV)
	s.Components[len(s.Components)-1].Products = Prod(SymB, SymS, keys, SymH, SymKV).Scale(2)
	w := []Tensor{{Name: "o", Shape: []Expr{symD, out}, Shard: ByTP, Uses: tokens}}
	if a.OBias {
		w = append(w, Tensor{Name: "o_bias", Shape: []Expr{symD}})
	}
	s.add(prefix+"out", GroupOut, w...)
}

// mla writes multi-head latent attention (DeepSeek-V2, section 2.1): the latents
// are whole on every tensor-parallel rank, the up-projections are cut by head.
func (s *Section) mla(a *arch.Attention) {
	mla := a.MLA
	q := Prod(SymH, SymK)
	if mla.QRank > 0 {
		s.add("q_down", GroupQKV, Tensor{Name: "q_down", Shape: []Expr{Prod(SymRQ), symD}, Uses: tokens})
		s.norm("q_latent_norm", mla.QNorm)
		s.add("q_up", GroupQKV, Tensor{Name: "q_up", Shape: []Expr{q, Prod(SymRQ)}, Shard: ByTP, Uses: tokens})
	} else {
		s.add("q", GroupQKV, Tensor{Name: "q", Shape: []Expr{q, symD}, Shard: ByTP, Uses: tokens})
	}
	w := []Tensor{{Name: "kv_down", Shape: []Expr{Prod(SymRKV).Plus(Prod(SymRope)), symD}, Uses: tokens}}
	if a.KBias {
		w = append(w, Tensor{Name: "kv_down_bias", Shape: []Expr{Prod(SymRKV).Plus(Prod(SymRope))}})
	}
	s.add("kv_down", GroupQKV, w...)
	if mla.QRank > 0 && a.QBias {
		c := s.Component("q_down")
		c.Weights = append(c.Weights, Tensor{Name: "q_down_bias", Shape: []Expr{Prod(SymRQ)}})
	}
	s.norm("kv_latent_norm", mla.KVNorm)
	s.add("kv_up", GroupQKV, Tensor{Name: "kv_up", Shape: []Expr{Prod(SymH, SymNope).Plus(Prod(SymH, SymKV)), Prod(SymRKV)}, Shard: ByTP, Uses: tokens})
}

// ffn writes one dense feed-forward block; prefix "shared_" is the shared expert.
func (s *Section) ffn(prefix string, f *arch.FFN, width, uses Expr, shard Shard) {
	matrix := func(name string, bias bool) {
		w := []Tensor{{Name: prefix + name, Shape: []Expr{width, symD}, Shard: shard, Uses: uses}}
		if bias {
			w = append(w, Tensor{Name: prefix + name + "_bias", Shape: []Expr{width}, Shard: shard})
		}
		s.add(prefix+name, GroupFFN, w...)
	}
	if f.Gated {
		matrix("gate", f.UpBias)
	}
	matrix("up", f.UpBias)
	s.add(prefix+"activation", GroupFFN)
	if f.Gated {
		s.add(prefix+"product", GroupFFN)
	}
	w := []Tensor{{Name: prefix + "down", Shape: []Expr{symD, width}, Shard: shard, Uses: uses}}
	if f.DownBias {
		w = append(w, Tensor{Name: prefix + "down_bias", Shape: []Expr{symD}})
	}
	s.add(prefix+"down", GroupFFN, w...)
}

// moe writes the router, the routed experts (K of E run for each token) and the
// shared experts.
func (s *Section) moe(moe *arch.MoE) {
	experts := Prod(SymE)
	w := []Tensor{{Name: "router", Shape: []Expr{experts, symD}, Uses: tokens}}
	if moe.RouterBias {
		w = append(w, Tensor{Name: "router_bias", Shape: []Expr{experts}})
	}
	if moe.CorrectionBias {
		w = append(w, Tensor{Name: "correction_bias", Shape: []Expr{experts}, Untrained: true})
	}
	s.add("router", GroupRouter, w...)

	// A token runs through K of the E experts: each of the E·f·d elements is used
	// K/E times a token, so the FLOPs are K·f·d, written with K in place of E.
	f, width := &moe.Expert, Prod(SymFE)
	matrix := func(name string, bias bool, rows, cols Expr) {
		w := []Tensor{{Name: name, Shape: []Expr{experts, rows, cols}, Shard: ByExpert}}
		if bias {
			w = append(w, Tensor{Name: name + "_bias", Shape: []Expr{experts, rows}, Shard: ByExpert})
		}
		s.add(name, GroupFFN, w...)
		s.Components[len(s.Components)-1].Products = tokens.Times(Prod(SymTopK)).Times(rows).Times(cols).Scale(2)
	}
	if f.Gated {
		matrix("expert_gate", f.UpBias, width, symD)
	}
	matrix("expert_up", f.UpBias, width, symD)
	s.add("expert_activation", GroupFFN)
	if f.Gated {
		s.add("expert_product", GroupFFN)
	}
	matrix("expert_down", f.DownBias, symD, width)
	if moe.Shared != nil {
		s.ffn("shared_", moe.Shared, Prod(SymFS), tokens, ByTP)
		if moe.SharedGate {
			s.add("shared_expert_gate", GroupRouter, Tensor{Name: "shared_expert_gate", Shape: []Expr{Int(1), symD}, Uses: tokens})
		}
	}
}
