package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// torchEagerWork is what backward holds at its widest beside the saved tensors,
// found by torch's memory tracker on fake tensors. In the loss: the gradients of
// the negative log-likelihood and of the log-softmax, fp32. In a layer: the moment
// at which the gated product is taken apart, or with eager attention the one at
// which the softmax is, whichever holds more.
func torchEagerWork(m *arch.Model, r Recipe, s *Section) []Tensor {
	out := productWork(r, s)
	t := &tape{model: m, code: &m.Code, recipe: &r}
	if s.Layer == nil || t.sdpaRuns() {
		return out
	}
	for i := range out {
		out[i].Moment = 1
	}
	attention := t.softmaxWork(s)
	for i := range attention {
		attention[i].Moment = 2
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
	r.Recompute, r.Precision.Autocast = Recompute{}, t.recipe.Precision.Autocast
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
