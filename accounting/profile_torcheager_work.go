package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// torchEagerWork is what backward holds at its widest beside the saved tensors,
// found by torch's memory tracker on fake tensors. In the loss: the gradients of
// the negative log-likelihood and of the log-softmax, fp32. In a layer: the moment
// at which the gated product is taken apart; with eager attention and from some
// context on, the moment at which the softmax is.
func torchEagerWork(m *arch.Model, r Recipe, s *Section) []Tensor {
	out := fsdp2Work(m, r, s)
	t := &tape{model: m, code: &m.Code, recipe: &r}
	if s.Layer == nil || t.sdpaRuns() {
		return out
	}
	attention := t.softmaxWork(s)
	from := s.turn(out, attention)
	if from == 1 {
		out = nil
	}
	for i := range out {
		out[i].When = When{MaxContext: from - 1}
	}
	for i := range attention {
		attention[i].When = When{MinContext: from}
	}
	return append(out, attention...)
}

// softmaxWork is what lives in the backward of eager attention's softmax: its
// gradient on either side in the type it runs in, and the gradients of the
// feed-forward and output weights. What the feed-forward, the output projection and
// the product with the values kept is gone: it counts negative.
func (t *tape) softmaxWork(s *Section) []Tensor {
	softmax := FP32
	if t.code.Softmax != arch.SoftmaxFP32 && !t.recipe.Precision.Autocast {
		softmax = t.hidden()
	}
	scores := []Expr{batch, heads, context, context}
	out := []Tensor{
		{Name: "probabilities_gradient", Shape: scores, DType: softmax, Shard: TokensTP},
		{Name: "scores_gradient", Shape: scores, DType: softmax, Shard: TokensTP},
		{Name: "output_gradient", Shape: []Expr{batch, context, symD}, DType: t.hidden(), Shard: TokensSP},
	}
	replay := Section{Role: s.Role, Layer: s.Layer, Values: s.Values}
	r := *t.recipe
	r.Recompute, r.Precision.Autocast = RecomputeNone, t.recipe.Precision.Autocast
	played := &tape{section: &replay, model: t.model, code: t.code, recipe: &r}
	played.layer(s.Layer)
	for i := range replay.Components {
		c := &replay.Components[i]
		if !feedForward(c.Name) && c.Name != "av" && c.Name != "out" {
			continue
		}
		for _, x := range c.Saved {
			x.Shape = slices.Clone(x.Shape)
			x.Shape[0] = x.Shape[0].Scale(-1)
			x.Name = "freed " + x.Name
			out = append(out, x)
		}
	}
	for i := range s.Components {
		if c := &s.Components[i]; feedForward(c.Name) || c.Name == "out" {
			for _, w := range c.Weights {
				if w.Shard != ByExpert {
					out = append(out, Tensor{Name: w.Name + "_gradient", Shape: w.Shape, DType: t.hidden(), Shard: w.Shard})
				}
			}
		}
	}
	return out
}

func feedForward(component string) bool {
	switch component {
	case "ffn_norm", "gate", "up", "activation", "product", "down", "post_ffn_norm":
		return true
	}
	return false
}

// turn is the context from which the activations of the second list are the larger.
func (s *Section) turn(first, second []Tensor) int64 {
	size := func(list []Tensor, context int64) (sum float64) {
		v := s.Values
		v[SymB], v[SymS] = 1, context
		for i := range list {
			if list[i].Shard >= Tokens {
				sum += list[i].Bytes().Float(&v, 0)
			}
		}
		return sum
	}
	low, high := int64(1), int64(1)<<20
	if size(second, high) <= size(first, high) {
		return high
	}
	for low < high {
		mid := low + (high-low)/2
		if size(second, mid) > size(first, mid) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}
