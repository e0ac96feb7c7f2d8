package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// fsdp2Profile is torchtitan on torch FSDP2: fp32 shards, bf16 while gathered,
// the fused RMSNorm of torch ≥ 2.9, flash attention through SDPA with keys and
// values repeated to all heads. With ZeRO 2 gathered weights stay from forward to
// backward (reshard_after_forward off); with ZeRO 0 it is torch DDP under autocast,
// as torchtitan applies it. Tensors: truth/fake_runs_README.md, read off the
// framework's own code.
var fsdp2Profile = TorchTitan{}.Profile("fsdp2", "torchtitan on torch FSDP2: fp32 shards, bf16 compute, fused norms, SDPA flash")

// fsdp2In2024Profile is the same in mid 2024: torchtitan's own RMSNorm, whose
// input is upcast to fp32, and a root group that stays gathered.
var fsdp2In2024Profile = TorchTitan{Norm: ManualNorm, RootGathered: true}.
	Profile("fsdp2-2024", "torchtitan of 2024: RMSNorm in fp32 pieces, root group kept gathered")

// A TorchTitan is a generation of torchtitan and of the torch under it; the zero
// value is torchtitan 0.1 on torch 2.9 or later.
type TorchTitan struct {
	Norm TitanNorm
	// RootGathered: the root group (embedding, final norm, head) stays gathered from
	// forward to backward, as FSDP2 did until mid 2025.
	RootGathered bool
	// Grouped: torchtitan 0.3, which attends with grouped heads and wraps embedding
	// and head apart.
	Grouped bool
}

// TitanNorm says which code normalises, because they keep different tensors.
type TitanNorm uint8

// Norms of torchtitan.
const (
	FusedNorm     TitanNorm = iota // aten::_fused_rms_norm: input and fp32 reciprocal deviation
	ManualNorm                     // x.float(), and the 16-bit normalised value
	CompositeNorm                  // at::rms_norm in fp32 pieces, before torch 2.9: both in fp32
)

// Profile is the framework profile of that generation.
func (t TorchTitan) Profile(name, summary string) Profile {
	return Profile{
		Name:                name,
		Summary:             summary,
		Precision:           "fsdp-mixed",
		Precisions:          map[string]string{"fp32": "fsdp-mixed", "bf16-mixed": "fsdp-mixed"},
		Optimizer:           "adamw",
		Attention:           Flash,
		ZeRO:                3,
		MaxZeRO:             3,
		SP:                  true,
		Parallel:            true,
		EveryLayer:          true,
		Offloads:            OffloadOptimizer | OffloadParameters,
		OptimizerInBackward: true,
		passes:              &plainPasses,
		Saved:               t.saved,
		Work:                t.work,
		memory:              memoryRules{style: styleAutograd, runtime: torchRuntime, operations: true, rootGathered: t.RootGathered, grouped: t.Grouped},
	}
}

// grouped says that the code is torchtitan 0.3's, which has the chunked loss.
func (t TorchTitan) grouped(r Recipe) bool { return t.Grouped || r.Loss == LossChunked }

// saved attaches what autograd keeps. Compiled layers keep the same but for
// elementwise results that only elementwise work reads in backward, which is
// computed again there: the result of the activation and the pieces of norms. What a
// product or attention reads in backward is materialised and kept
// (torch/_functorch/partitioners.py, min_cut_rematerialization_partition,
// ban_if_materialized_backward).
func (t TorchTitan) saved(m *arch.Model, r Recipe, s *Section) {
	const source = "torchtitan/models/llama3/model.py"
	half := r.Precision.Compute
	stream := half // the residual stream: fp32 under autocast
	if r.Precision.Autocast {
		stream = FP32
	}
	keep := func(component, name string, dt DType, shard Shard, shape ...Expr) {
		s.keep(component, Tensor{Name: name, Shape: append([]Expr{Prod(SymB), Prod(SymS)}, shape...), DType: dt, Shard: shard, Source: source})
	}
	norm := func(component string, n arch.Norm) {
		if n.Kind == arch.NoNorm {
			return
		}
		switch {
		case r.Compile:
			keep(component, "input", stream, TokensSP, symD)
		case t.Norm == ManualNorm && half != FP32:
			keep(component, "input_fp32", FP32, TokensSP, symD)
			keep(component, "normalised", half, TokensSP, symD)
		case t.Norm == CompositeNorm && half != FP32:
			keep(component, "input_fp32", FP32, TokensSP, symD)
			keep(component, "normalised_fp32", FP32, TokensSP, symD)
		default:
			keep(component, "input", stream, TokensSP, symD)
		}
		stats := int64(1)
		if n.Kind == arch.LayerNorm || n.Kind == arch.LayerNormNoBias {
			stats = 2
		}
		keep(component, "statistics", FP32, TokensSP, Int(stats))
	}
	// Under autocast each linear layer keeps its own 16-bit cast of its input.
	input := func(component string, copies int64) {
		if !r.Precision.Autocast || r.Compile {
			copies = 1 // equal casts are one to a compiler
		}
		for range copies {
			keep(component, "input", half, TokensSP, symD)
		}
	}
	switch s.Role {
	case RoleEmbedding:
		keep("token_embedding", "tokens", Int64, Tokens)
	case RoleHead:
		norm("final_norm", m.FinalNorm)
		input("head", 1)
		if r.Precision.Autocast {
			s.weightCasts(half)
		}
		switch r.Loss {
		case LossEager:
			// cross_entropy(logits.float()) keeps the fp32 log-probabilities.
			keep("loss", "log_probabilities", FP32, TokensVoc, symV)
		case LossChunked, LossFused:
			// The gradient of the head's input is gathered chunk by chunk in fp32 and cast:
			// backward starts from it.
			keep("loss", "input_gradient", half, TokensSP, symD)
		}
	case RoleEncoder, RoleLayer:
		l := s.Layer
		a := &l.Attention
		if r.Recompute.Mode == RecomputeFull {
			keep(s.Components[0].Name, layerInput, stream, TokensSP, symD)
			return
		}
		q, k, v, out := Prod(SymH, SymK), Prod(SymG, SymK), Prod(SymG, SymKV), Prod(SymH, SymKV)
		if r.Recompute.Mode == RecomputeSelective {
			// torchtitan's op-level selection keeps the outputs of every second matrix
			// product (wq, wv, w1, w2) and of attention.
			keep(s.Components[0].Name, layerInput, stream, TokensSP, symD)
			if t.grouped(r) { // one fused matrix
				keep("qkv", "qkv_output_q", half, TokensTP, q)
				keep("qkv", "qkv_output_kv", half, TokensKV, k.Plus(v))
			} else {
				keep("qkv", "q", half, TokensTP, q)
				keep("qkv", "v", half, TokensKV, v)
			}
			keep("out", "input", half, TokensTP, out)
			keep("softmax", "log_sum_exp", FP32, TokensTP, Prod(SymH))
			if l.FFN != nil {
				keep("gate", "output", half, TokensTP, Prod(SymF))
				keep("down", "output", half, TokensSP, symD)
			} else {
				keep("expert_gate", "output", half, TokensEP, Prod(SymTopK, SymFE))
				keep("expert_down", "output", half, TokensEPIn, Prod(SymTopK, SymD))
			}
			return
		}
		norm("input_norm", l.InputNorm)
		if a.MLA != nil {
			megatronAttention(r, s, func(component, name string, dt DType, shard Shard, _ string, shape ...Expr) {
				keep(component, name, dt, shard, shape...)
			}, func(component string, width Expr, shard Shard, _ arch.NormKind) {
				keep(component, "input", half, shard, width)
			}, half, false)
		} else {
			input("qkv", 3)
			keep("qkv", "q", half, TokensTP, q)
			copies, shardK, shardV := "", TokensKV, TokensKV
			// torchtitan 0.3, which has the chunked loss, attends with grouped heads; before,
			// repeat_kv copied keys and values to all heads.
			if !t.grouped(r) && a.KVHeads != a.Heads {
				copies, shardK, shardV, k, v = "_repeated", TokensTP, TokensTP, q, out
			}
			keep("qkv", "k"+copies, half, shardK, k)
			keep("qkv", "v"+copies, half, shardV, v)
			if a.QNorm.Kind != arch.NoNorm {
				keep("q_norm", "input", half, TokensTP, q)
				keep("k_norm", "input", half, TokensKV, k)
			}
			if r.Attention.fused() {
				keep("softmax", "log_sum_exp", FP32, TokensTP, Prod(SymH))
			} else {
				keep("softmax", "probabilities", half, TokensTP, Prod(SymH, SymS))
			}
			keep("out", "input", half, TokensTP, out)
		}
		norm("ffn_norm", l.FFNNorm)
		norm("post_attention_norm", l.PostAttnNorm)
		norm("post_ffn_norm", l.PostFFNNorm)
		ffn := func(prefix string, f *arch.FFN, width Expr, inner Shard) {
			wide := func(component, name string) { keep(prefix+component, name, half, inner, width) }
			if f.Gated {
				wide("gate", "output")
				if !r.Compile {
					wide("activation", "output")
				}
			}
			wide("up", "output")
			wide("down", "input")
		}
		if l.FFN != nil {
			copies := int64(1)
			if l.FFN.Gated {
				copies = 2
			}
			input("up", copies)
			ffn("", l.FFN, Prod(SymF), TokensTP)
		}
		if moe := l.MoE; moe != nil {
			input("router", 1)
			keep("router", "scores", FP32, TokensSP, Prod(SymE))
			keep("expert_up", "input", half, TokensEPIn, Prod(SymTopK, SymD))
			ffn("expert_", &moe.Expert, Prod(SymTopK, SymFE), TokensEP)
			keep("expert_down", "output", half, TokensEPIn, Prod(SymTopK, SymD))
			if moe.Shared != nil {
				ffn("shared_", moe.Shared, Prod(SymFS), TokensTP)
			}
		}
		if r.Precision.Autocast {
			s.weightCasts(half)
		}
	}
}

// weightCasts keeps the 16-bit copy that autocast makes of every matrix, which
// backward needs.
func (s *Section) weightCasts(half DType) {
	for i := range s.Components {
		c := &s.Components[i]
		for _, w := range c.Weights {
			if w.Uses != nil || w.Shard == ByExpert {
				c.Saved = append(c.Saved, Tensor{Name: w.Name + "_cast", Shape: w.Shape, DType: half, Shard: w.Shard, Copy: true, Source: "torch.amp weight cache"})
			}
		}
	}
}

// work is what torch's tracker finds beside the saved tensors:
// [productWork], and in a layer two moments more of which the fullest counts: in the
// backward of attention, and when the projections of queries, keys and values get
// their gradients.
func (t TorchTitan) work(m *arch.Model, r Recipe, s *Section) []Tensor {
	if s.Role == RoleEmbedding {
		return t.standing(m, r)
	}
	out := productWork(r, s)
	if s.Layer == nil || s.Layer.FFN == nil || s.Layer.Attention.MLA != nil {
		return out
	}
	for i := range out {
		out[i].Moment = 1
	}
	// What is kept by operation is copied when the layer runs again, and freed: values,
	// to all heads, or the output of the fused matrix.
	freed := func(shard Shard, width Expr) {
		out = append(out, Tensor{Name: "freed", Shape: []Expr{Prod(SymB).Scale(-1), Prod(SymS), width}, DType: r.Precision.Compute, Shard: shard})
	}
	switch a := &s.Layer.Attention; {
	case r.Recompute.Mode != RecomputeSelective:
	case t.grouped(r):
		freed(TokensTP, Prod(SymH, SymK))
		freed(TokensKV, Prod(SymG, SymK).Plus(Prod(SymG, SymKV)))
		freed(TokensSP, symD) // the last product: torchtitan 0.3 runs all of the layer again
	case a.KVHeads != a.Heads:
		freed(TokensKV, Prod(SymG, SymKV))
	}
	none := r
	none.Recompute = Recompute{}
	replay := Section{Role: s.Role, Layer: s.Layer, Values: s.Values, Components: make([]Component, len(s.Components))}
	for i := range replay.Components {
		replay.Components[i].Name = s.Components[i].Name
	}
	t.saved(m, none, &replay)
	return append(out, t.attentionWork(r, s, &replay)...)
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
	for _, x := range replay.component("qkv").Saved {
		switch x.Name {
		case "k", "v", "k_repeated", "v_repeated":
			x.Name += "_gradient"
			x.Moment = 2
			out = append(out, x)
		}
	}
	only(3, "q_gradient", TokensTP, q)
	only(3, "input_gradient", TokensSP, symD)
	if t.grouped(r) { // one matrix makes all three
		only(3, "kv_gradient", TokensKV, Prod(SymG, SymK).Plus(Prod(SymG, SymKV)))
	} else {
		only(3, "input_gradient_of_q", TokensSP, symD)
	}
	for i := range replay.Components {
		c := &replay.Components[i]
		above := feedForward(c.Name)
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
			if above || c.Name != "input_norm" && (c.Name != "qkv" || x.Name != "input") {
				freed(3)
			}
		}
	}
	for i := range s.Components {
		for _, w := range s.Components[i].Weights {
			if w.Uses == nil {
				continue
			}
			switch name := s.Components[i].Name; {
			case feedForward(name), name == "out":
				add(w.Name+"_gradient", w.Shard, w.Shape...)
			case name == "qkv":
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
			copied := tokens("chunks", half, TokensSP, symD)
			copied.When = When{MinBatch: 2}
			return []Tensor{copied, tokens("input_gradient_fp32", FP32, TokensSP, symD), chunk("log_probabilities", FP32), chunk("nll_gradient", FP32), chunk("log_softmax_gradient", FP32), logits}
		}
		if r.Loss == LossEager {
			return []Tensor{tokens("nll_gradient", FP32, TokensVoc, symV), tokens("log_softmax_gradient", FP32, TokensVoc, symV), later}
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
