package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// Routed tokens: every token once for each of its K experts.
var routed = Prod(SymB, SymS, SymTopK)

// moe plays a routed feed-forward block whose experts run as grouped matrix
// products (transformers integrations/moe.py, grouped_mm_experts_forward).
func (t *tape) moe(m *arch.MoE, x value) value {
	t.at = "router"
	if t.code.Router == arch.RouterDense {
		return t.denseExperts(m, x)
	}
	weights := t.router(x)
	t.at = "expert_" + map[bool]string{true: "gate", false: "up"}[m.Expert.Gated]
	first := t.at
	t.note("token_order", Int64, TokensEPIn, routed)
	t.note("weight_order", Int64, TokensEPIn, routed)
	if m.Expert.UpBias {
		t.note("expert_ids", Int64, TokensEPIn, routed)
	}
	t.note("offsets", Int32, Whole, Prod(SymE))
	in := t.fresh(x.dtype, TokensEPIn, routed, symD)
	h := t.expert(m, first, in)
	out := t.grouped("expert_down", h, TokensEPIn, symD)
	if m.Expert.DownBias {
		out = t.like(out, out.dtype)
	}
	t.keep("weights", t.fresh(weights, TokensEPIn, routed))
	t.keep("output", out)
	t.note("restored_order", Int64, TokensEPIn, routed)
	y := t.fresh(x.dtype, TokensSP, batch, context, symD)
	if m.Shared != nil {
		shared := t.ffn("shared_", m.Shared, Prod(SymFS), x)
		if m.SharedGate {
			gate := t.linear("shared_expert_gate", x, Tokens, Int(1))
			t.keep("sigmoid", gate)
			t.keep("shared_output", shared)
		}
	}
	return y
}

// grouped is a grouped matrix product, which autocast leaves alone.
func (t *tape) grouped(component string, x value, shard Shard, width Expr) value {
	t.at = component
	t.keep("input", x)
	return t.fresh(x.dtype, shard, append(slices.Clone(x.shape[:len(x.shape)-1]), width)...)
}

// expert plays the first product and the gate of all experts.
func (t *tape) expert(m *arch.MoE, component string, in value) value {
	width := Prod(SymFE)
	if !m.Expert.Gated {
		return t.activation("expert_activation", m.Expert.Activation, t.grouped(component, in, TokensEP, width))
	}
	both := t.grouped(component, in, TokensEP, width.Scale(2))
	if m.Expert.UpBias {
		both = t.like(both, both.dtype)
	}
	half := append(append([]Expr(nil), in.shape[:len(in.shape)-1]...), width)
	gate := both.view(half...)
	if t.code.Router == arch.RouterTopNative {
		// gpt-oss: clamp(gate)·sigmoid(α·clamp(gate))·(clamp(up) + 1)
		t.at = "expert_activation"
		t.keep("gate_up", gate)
		t.keep("sigmoid", t.like(gate, gate.dtype))
		t.keep("clamped_gate", t.like(gate, gate.dtype))
		t.at = "expert_product"
		return t.multiply("up_plus_one", t.like(gate, gate.dtype), "activated", t.like(gate, gate.dtype))
	}
	act := t.activation("expert_activation", m.Expert.Activation, gate)
	t.at = "expert_product"
	return t.multiply("activated", act, "up", gate)
}

// router plays the choice of experts and returns the type of their weights.
func (t *tape) router(x value) DType {
	all, chosen := []Expr{batch, context, Prod(SymE)}, []Expr{batch, context, Prod(SymTopK)}
	note := func(name string, d DType, shape []Expr) { t.note(name, d, Tokens, shape...) }
	one := []Expr{batch, context}
	in := t.product(x)
	switch t.code.Router {
	case arch.RouterSoftmaxFP32, arch.RouterSoftmaxBack, arch.RouterSigmoidFP32:
		in = t.product(t.cast(x, FP32))
	case arch.RouterSoftmaxClamped: // autocast is off
		in = t.cast(x, FP32)
	}
	t.keep("input", in)
	logits := in.dtype
	softmax := t.wide(in).dtype // autocast runs softmax in fp32
	weights := FP32
	switch t.code.Router {
	case arch.RouterSparseMixer:
		for range 2 {
			note("mask", Bool, all)
			note("probabilities", softmax, all)
			note("choice", Int64, one)
			note("chosen_weight", softmax, one)
		}
		return softmax
	case arch.RouterTopSoftmax:
		note("choice", Int64, chosen)
		note("probabilities", FP32, chosen)
		return x.dtype
	case arch.RouterTopNative:
		note("choice", Int64, chosen)
		note("probabilities", logits, chosen)
		return logits
	case arch.RouterSoftmaxClamped:
		note("probabilities", FP32, all)
		note("weight_sum_before_clamp", FP32, one)
		weights = x.dtype
	case arch.RouterSoftmaxNarrow, arch.RouterSoftmaxBack:
		note("probabilities", FP32, all)
		weights = logits
	case arch.RouterSigmoidFP32:
		note("probabilities", logits, all)
		weights = logits
	default:
		note("probabilities", FP32, all)
	}
	if t.code.RouterUp && t.hidden() != FP32 {
		t.note("router_fp32", FP32, Whole, symD, Prod(SymE))
	}
	if t.code.Grouped {
		note("group_mask", Bool, all)
	}
	note("choice", Int64, chosen)
	if t.code.NormTopK {
		d := FP32
		if t.code.Router == arch.RouterSigmoidFP32 {
			d = logits
		}
		note("weight_sum", FP32, one)
		note("chosen_weights", d, chosen)
	}
	return weights
}

// denseExperts plays Llama 4's block: every expert runs on every token, the
// input scaled by its score.
func (t *tape) denseExperts(m *arch.MoE, x value) value {
	router := t.product(x)
	t.keep("input", router)
	t.note("choice", Int64, Tokens, batch, context, Prod(SymTopK))
	t.note("scores", FP32, Tokens, batch, context, Prod(SymE))
	t.at = "expert_gate"
	t.note("scores_cast", router.dtype, Tokens, Prod(SymE), batch, context)
	t.note("copied_input", x.dtype, TokensEPIn, Prod(SymE), batch, context, symD)
	in := t.product(t.fresh(x.dtype, TokensEPIn, Prod(SymE), batch, context, symD))
	t.linear("expert_down", t.expert(m, "expert_gate", in), TokensEPIn, symD)
	if m.Shared != nil {
		t.ffn("shared_", m.Shared, Prod(SymFS), x)
	}
	return t.fresh(x.dtype, TokensSP, batch, context, symD)
}
