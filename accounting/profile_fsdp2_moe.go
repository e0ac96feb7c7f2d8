package accounting

import (
	"slices"
	"strings"

	"headroom/accounting/arch"
)

// experts writes what torchtitan's routed block keeps around its grouped products
// (torchtitan 0.3, models/common/moe.py and token_dispatcher.py). The router runs in
// fp32 under autocast, on a copy of its input; the results of the experts are widened
// to fp32 and multiplied by their scores there. Token numbers are kept twice, sorted
// and divided by the experts of a token.
func (TorchTitan) experts(moe *arch.MoE, half DType, keep keepTokens) {
	if half != FP32 {
		keep("router", "input_fp32", FP32, TokensEPIn, symD)
	}
	keep("router", "scores", FP32, TokensEPIn, Prod(SymE))
	keep("router", "choice", Int64, TokensEPIn, Prod(SymTopK))
	first := "expert_up"
	if moe.Expert.Gated {
		first = "expert_gate"
	}
	keep(first, "token_order", Int64, TokensEPIn, Prod(SymTopK))
	keep(first, "token_numbers", Int64, TokensEPIn, Prod(SymTopK))
	keep(first, "input", half, TokensEPIn, Prod(SymTopK, SymD))
	keep("expert_down", "output_fp32", FP32, TokensEPIn, Prod(SymTopK, SymD))
	keep("expert_down", "scores", FP32, TokensEPIn, Prod(SymTopK))
}

// expertWork is what lives in the backward of a routed block, which begins with the
// shared experts: when the experts' results and their scores get their gradients in
// fp32 (moment 1), and when the first grouped products have made the gradients of
// their input, one a matrix (moment 4). replay is the layer without recompute.
func expertWork(r Recipe, s, replay *Section) (out []Tensor) {
	half := r.Precision.Compute
	moe := s.Layer.MoE
	both := func(t Tensor) {
		for _, moment := range [...]uint8{1, 4} {
			t.Moment = moment
			out = append(out, t)
		}
	}
	tokens := func(name string, dt DType, shard Shard, width Expr) Tensor {
		return Tensor{Name: name, Shape: []Expr{Prod(SymB), Prod(SymS), width}, DType: dt, Shard: shard}
	}
	routed := func(moment uint8, name string, dt DType, shard Shard, width Expr) {
		t := tokens(name, dt, shard, width)
		t.Moment = moment
		out = append(out, t)
	}
	both(tokens("residual_gradient", half, TokensSP, symD))
	if moe.Shared != nil {
		both(tokens("shared_input_gradient", half, Tokens, symD))
	}
	wide := Prod(SymTopK, SymD)
	routed(1, "combined_gradient", FP32, TokensEPIn, wide)
	routed(1, "expert_output_gradient", FP32, TokensEPIn, wide)
	routed(1, "score_products", FP32, TokensEPIn, wide)
	routed(4, "input_gradient", half, TokensEPIn, wide)
	if moe.Expert.Gated {
		routed(4, "input_gradient_of_gate", half, TokensEPIn, wide)
	}
	routed(4, "gate_gradient", half, TokensEP, Prod(SymTopK, SymFE))
	for i := range s.Components {
		c := &s.Components[i]
		shared := strings.HasPrefix(c.Name, "shared_")
		for _, w := range c.Weights {
			w = Tensor{Name: w.Name + "_gradient", Shape: w.Shape, DType: half, Shard: w.Shard}
			switch {
			case shared:
				both(w)
			case w.Shard == ByExpert:
				w.Moment = 4
				out = append(out, w)
			}
		}
		for _, x := range replay.Components[i].Saved {
			x.Shape = slices.Clone(x.Shape)
			x.Shape[0] = x.Shape[0].Scale(-1)
			switch {
			case shared:
				both(x)
			case strings.HasPrefix(c.Name, "expert_") && (x.Name != "input" || c.Name == "expert_down"):
				x.Moment = 4
				out = append(out, x)
			}
		}
	}
	return out
}

// aboveAttention says that backward reaches a component of a layer before attention.
func aboveAttention(component string) bool {
	return feedForward(component) || component == "router" || strings.HasPrefix(component, "expert_") || strings.HasPrefix(component, "shared_")
}
