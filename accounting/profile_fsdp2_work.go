package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// work is what torch's tracker finds beside the saved tensors:
// [productWork], and in a layer two moments more of which the fullest counts: in the
// backward of attention, and when the projections of queries, keys and values get
// their gradients.
func (t TorchTitan) work(m *arch.Model, r Recipe, s *Section) []Tensor {
	if s.Role == RoleEmbedding {
		return t.standing(m, r)
	}
	out := productWork(r, s)
	if t.FusedLoss && s.Role == RoleHead && r.Loss == LossEager {
		gradient := Tensor{Name: "logits_gradient", Shape: []Expr{Prod(SymB), Prod(SymS), symV}, DType: r.Precision.Compute, Shard: TokensVoc}
		later := gradient
		later.Later = true
		return []Tensor{gradient, later}
	}
	if s.Layer == nil {
		return out
	}
	for i := range out {
		out[i].Moment = 1
	}
	if s.Layer.MoE != nil {
		out = nil
	}
	none := r
	none.Recompute = Recompute{}
	replay := Section{Role: s.Role, Layer: s.Layer, Values: s.Values, Components: make([]Component, len(s.Components))}
	for i := range replay.Components {
		replay.Components[i].Name = s.Components[i].Name
	}
	t.saved(m, none, &replay)
	out = append(out, t.repeated(r, s, &replay)...)
	out = append(out, t.attentionWork(r, s, &replay)...)
	if s.Layer.MoE != nil {
		return append(out, expertWork(r, s, &replay)...)
	}
	return append(out, t.parallelWork(r, s, &replay)...)
}

// parallelWork is what lives with tensor parallelism, whose products outside the
// region have gathered tokens: when the last product of the feed-forward has its
// gathered gradient (moment 4), and when the first ones have made the gradients of
// their gathered input, before these are added up and scattered (moment 5). Where all
// of a layer runs again, also its last product, which is copied before it is
// scattered along the second dimension (moment 6); backward has gathered the gradient
// of the layer's output by then.
func (t TorchTitan) parallelWork(r Recipe, s, replay *Section) (out []Tensor) {
	half := r.Precision.Compute
	add := func(moment uint8, name string, shard Shard, shape ...Expr) {
		out = append(out, Tensor{Name: name, Shape: shape, DType: half, Shard: shard, Moment: moment, When: When{MinTP: 2}})
	}
	tokens := func(moment uint8, name string, shard Shard, width Expr) {
		add(moment, name, shard, Prod(SymB), Prod(SymS), width)
	}
	tokens(4, "residual_gradient", TokensSP, symD)
	tokens(4, "output_gradient", Tokens, symD)
	tokens(4, "product_gradient", TokensTP, Prod(SymF))
	tokens(5, "residual_gradient", TokensSP, symD)
	tokens(5, "gate_gradient", TokensTP, Prod(SymF))
	tokens(5, "input_gradient", Tokens, symD)
	if s.Layer.FFN.Gated {
		tokens(5, "input_gradient_of_gate", Tokens, symD)
	}
	if r.Recompute.Mode != RecomputeNone && t.grouped(r) {
		tokens(6, "residual_gradient", TokensSP, symD)
		tokens(6, "output_gradient", Tokens, symD)
		tokens(6, "normalised", TokensSP, symD)
		if r.Recompute.Mode == RecomputeSelective {
			tokens(6, "reduced", TokensSP, symD) // not freed yet
		}
		tokens(6, "product", Tokens, symD)
		tokens(6, "product_rearranged", Tokens, symD)
		out[len(out)-1].When.MinBatch = 2
	}
	for i := range s.Components {
		name := s.Components[i].Name
		if !feedForward(name) {
			continue
		}
		for _, w := range s.Components[i].Weights {
			if w.Uses == nil {
				continue
			}
			if name == "down" {
				add(4, w.Name+"_gradient", w.Shard, w.Shape...)
			}
			add(5, w.Name+"_gradient", w.Shard, w.Shape...)
		}
		for _, x := range replay.Components[i].Saved {
			if (name != "up" && name != "gate" || x.Name != "input") && x.Shard == TokensTP {
				add(5, x.Name, x.Shard, append([]Expr{x.Shape[0].Scale(-1)}, x.Shape[1:]...)...)
			}
		}
	}
	return out
}

// standing is what is there all step: tokens, labels and the rotary table of complex
// numbers, of which torchtitan 0.3 has one a layer.
func (t TorchTitan) standing(m *arch.Model, r Recipe) []Tensor {
	tables := int64(1)
	if t.grouped(r) {
		tables = m.Layers()
	}
	return []Tensor{
		{Name: "tokens_and_labels", Shape: []Expr{Int(2), Prod(SymB), Prod(SymS)}, DType: Int64, Shard: Tokens},
		{Name: "rotary_table", Shape: []Expr{Int(tables), Prod(SymS), Int(rotaryWidth(m))}, DType: FP32, Shard: Tokens},
	}
}

// attentionWork is what lives in the backward of attention (moment 2) and of the
// projections before it (moment 3), which reach their gradients in the order value,
// key, query: the gradients of the weights above, what flows back, and less what
// the layer kept for the operations above. replay is the layer without recompute.
func (t TorchTitan) attentionWork(r Recipe, s, replay *Section) []Tensor {
	half := r.Precision.Compute
	stored := half // gradients of weights and of the residual stream
	if r.Precision.Autocast {
		stored = r.Precision.Weights
	}
	var out []Tensor
	add := func(name string, shard Shard, shape ...Expr) {
		for moment := uint8(2); moment <= 3; moment++ {
			out = append(out, Tensor{Name: name, Shape: shape, DType: stored, Shard: shard, Moment: moment})
		}
	}
	only := func(moment uint8, name string, shard Shard, width Expr) {
		out = append(out, Tensor{Name: name, Shape: []Expr{Prod(SymB), Prod(SymS), width}, DType: half, Shard: shard, Moment: moment})
	}
	add("residual_gradient", TokensSP, Prod(SymB), Prod(SymS), symD)
	q, v := Prod(SymH, SymK), Prod(SymH, SymKV)
	only(2, "attention_gradient", TokensTP, v)
	only(2, "q_gradient", TokensTP, q)
	latent := s.Layer.Attention.MLA != nil
	if latent {
		only(2, "k_gradient", TokensTP, q)
		only(2, "v_gradient", TokensTP, v)
	}
	for _, x := range replay.component("qkv").Saved {
		switch x.Name {
		case "k", "v", "k_repeated", "v_repeated":
			x.Name += "_gradient"
			x.Moment = 2
			out = append(out, x)
		}
	}
	if !latent {
		only(3, "q_gradient", TokensTP, q)
	}
	only(3, "input_gradient", Tokens, symD)
	if !latent && t.grouped(r) { // one matrix makes all three
		only(3, "kv_gradient", TokensKV, Prod(SymG, SymK).Plus(Prod(SymG, SymKV)))
	} else {
		only(3, "input_gradient_of_q", Tokens, symD)
	}
	for i := range replay.Components {
		c := &replay.Components[i]
		above := aboveAttention(c.Name)
		for _, x := range c.Saved {
			freed := func(moment uint8) {
				gone := x
				gone.Shape = slices.Clone(x.Shape)
				gone.Shape[0] = gone.Shape[0].Scale(-1)
				gone.Moment = moment
				out = append(out, gone)
			}
			if above {
				freed(2)
			}
			if above || c.Name != "input_norm" && (!projection(c.Name) || x.Name != "input") {
				freed(3)
			}
		}
	}
	for i := range s.Components {
		for _, w := range s.Components[i].Weights {
			if w.Uses == nil && w.Shard != ByExpert {
				continue
			}
			switch name := s.Components[i].Name; {
			case aboveAttention(name), name == "out":
				add(w.Name+"_gradient", w.Shard, w.Shape...)
			case projection(name):
				out = append(out, Tensor{Name: w.Name + "_gradient", Shape: w.Shape, DType: stored, Shard: w.Shard, Moment: 3})
			}
		}
	}
	return out
}

// component is [Section.Component] of a component that may be missing.
func (s *Section) component(name string) *Component {
	if c := s.Component(name); c != nil {
		return c
	}
	return new(Component)
}

// projection says that a component makes queries, keys or values.
func projection(component string) bool {
	switch component {
	case "qkv", "q", "q_down", "q_up", "kv_down", "kv_up":
		return true
	}
	return false
}

// productWork lists, in the loss, the gradients of the negative log-likelihood and
// of the log-softmax, fp32. In a layer, the moment at which the gated product is
// taken apart: the incoming gradient and those of gate and up (that of their product
// stands in for the last product's input, already freed), and the last matrix's own
// gradient.
func productWork(r Recipe, s *Section) []Tensor {
	half := r.Precision.Compute
	tokens := func(name string, dt DType, shard Shard, width Expr) Tensor {
		return Tensor{Name: name, Shape: []Expr{Prod(SymB), Prod(SymS), width}, DType: dt, Shard: shard}
	}
	switch s.Role {
	case RoleHead:
		later := tokens("logits_gradient", half, TokensVoc, symV)
		later.Later = true
		if r.Loss == LossChunked {
			// torchtitan's ChunkedLossWrapper: eight chunks, one at a time.
			const chunks = 8
			chunk := func(name string, dt DType) Tensor {
				t := tokens(name, dt, TokensVoc, symV)
				t.Parts = chunks
				return t
			}
			logits := chunk("logits", half)
			logits.Later = true
			// Chunks of several sequences are copies.
			copied := tokens("chunks", half, Tokens, symD)
			copied.When = When{MinBatch: 2}
			return []Tensor{copied, tokens("input_gradient_fp32", FP32, Tokens, symD), chunk("log_probabilities", FP32), chunk("nll_gradient", FP32), chunk("log_softmax_gradient", FP32), logits}
		}
		if r.Loss == LossEager {
			// With the vocabulary cut, the probabilities are a tensor of their own
			// (torch/distributed/tensor/parallel/loss.py).
			parallel := tokens("probabilities", FP32, TokensVoc, symV)
			parallel.When = When{MinTP: 2}
			return []Tensor{tokens("nll_gradient", FP32, TokensVoc, symV), tokens("log_softmax_gradient", FP32, TokensVoc, symV), parallel, later}
		}
		return nil
	case RoleEncoder, RoleLayer:
		// Under autocast the residual stream and the gradients of weights are fp32.
		stored := half
		if r.Precision.Autocast {
			stored = r.Precision.Weights
		}
		out := []Tensor{tokens("output_gradient", stored, TokensSP, symD)}
		if s.Layer.FFN != nil {
			n := int64(1)
			if s.Layer.FFN.Gated {
				n = 2
			}
			return append(out, tokens("gradients", half, TokensTP, Prod(SymF).Scale(n)),
				Tensor{Name: "down_gradient", Shape: []Expr{symD, Prod(SymF)}, DType: stored, Shard: ByTP})
		}
		return append(out, tokens("gradients", half, TokensEP, Prod(SymTopK, SymFE).Scale(2)), tokens("expert_gradient", half, TokensEPIn, Prod(SymTopK, SymD)),
			Tensor{Name: "down_gradient", Shape: []Expr{Prod(SymE), symD, Prod(SymFE)}, DType: half, Shard: ByExpert})
	}
	return nil
}
