package accounting

import "headroom/accounting/arch"

// fsdp2Profile is torchtitan on torch FSDP2: fp32 shards, bf16 while gathered,
// the fused RMSNorm of torch ≥ 2.9, flash attention through SDPA with keys and
// values repeated to all heads. With ZeRO 2 gathered weights stay from forward to
// backward (reshard_after_forward off); with ZeRO 0 it is torch DDP under autocast,
// as torchtitan applies it. Tensors: truth/fake_runs_README.md, read off the
// framework's own code.
var fsdp2Profile = Profile{
	Name:       "fsdp2",
	Summary:    "torchtitan on torch FSDP2: fp32 shards, bf16 compute, fused norms, SDPA flash",
	Precision:  "fsdp-mixed",
	Precisions: map[string]string{"fp32": "fsdp-mixed", "bf16-mixed": "fsdp-mixed"},
	Optimizer:  "adamw",
	Attention:  Flash,
	ZeRO:       3,
	MaxZeRO:    3,
	passes:     &plainPasses,
	SP:         true,
	Parallel:   true,
	EveryLayer: true,
	Saved:      func(m *arch.Model, r Recipe, s *Section) { fsdp2Saved(m, r, s, fusedNorm) },
	Work:       fsdp2Work,
	memory:     memoryRules{style: styleAutograd, runtime: torchRuntime, operations: true},
}

// fsdp2In2024Profile is the same in mid 2024: torchtitan's own RMSNorm, whose
// input is upcast to fp32, and a root group that stays gathered.
var fsdp2In2024Profile = Profile{
	Name:       "fsdp2-2024",
	Summary:    "torchtitan of 2024: RMSNorm in fp32 pieces, root group kept gathered",
	Precision:  "fsdp-mixed",
	Precisions: fsdp2Profile.Precisions,
	Optimizer:  "adamw",
	Attention:  Flash,
	ZeRO:       3,
	MaxZeRO:    3,
	passes:     &plainPasses,
	SP:         true,
	Parallel:   true,
	EveryLayer: true,
	Saved:      func(m *arch.Model, r Recipe, s *Section) { fsdp2Saved(m, r, s, manualNorm) },
	Work:       fsdp2Work,
	memory:     memoryRules{style: styleAutograd, runtime: torchRuntime, operations: true, rootGathered: true},
}

// normCode says which code normalises, because they keep different tensors.
type normCode uint8

const (
	fusedNorm  normCode = iota // aten::_fused_rms_norm: input and fp32 reciprocal deviation
	manualNorm                 // x.float(), and the 16-bit normalised value
)

func fsdp2Saved(m *arch.Model, r Recipe, s *Section, code normCode) {
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
		case code == manualNorm && half != FP32:
			keep(component, "input_fp32", FP32, TokensSP, symD)
			keep(component, "normalised", half, TokensSP, symD)
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
		if !r.Precision.Autocast {
			copies = 1
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
			// The gradient of the head's input is gathered chunk by chunk in fp32 and cast.
			keep("loss", "input_gradient_fp32", FP32, TokensSP, symD)
			keep("loss", "input_gradient", half, TokensSP, symD)
		}
	case RoleEncoder, RoleLayer:
		l := s.Layer
		a := &l.Attention
		if r.Recompute.Mode == RecomputeFull {
			keep(s.Components[0].Name, "layer_input", stream, TokensSP, symD)
			return
		}
		q, k, v, out := Prod(SymH, SymK), Prod(SymG, SymK), Prod(SymG, SymKV), Prod(SymH, SymKV)
		if r.Recompute.Mode == RecomputeSelective {
			// torchtitan's op-level selection keeps the outputs of every second matrix
			// product (wq, wv, w1, w2) and of attention.
			keep(s.Components[0].Name, "layer_input", stream, TokensSP, symD)
			keep("qkv", "q", half, TokensTP, q)
			keep("qkv", "v", half, TokensKV, v)
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
			if r.Loss == LossChunked {
				// torchtitan 0.3, which has the chunked loss, attends with grouped heads
				keep("qkv", "k", half, TokensKV, k)
				keep("qkv", "v", half, TokensKV, v)
			} else {
				// repeat_kv: keys and values at all heads
				keep("qkv", "k_repeated", half, TokensTP, q)
				keep("qkv", "v_repeated", half, TokensTP, out)
			}
			if a.QNorm.Kind != arch.NoNorm {
				keep("q_norm", "input", half, TokensTP, q)
				keep("k_norm", "input", half, TokensKV, k)
			}
			if r.Attention == Flash {
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
				wide("activation", "output")
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

// fsdp2Work is what torch's tracker finds beside the saved tensors. In the loss,
// the gradients of the negative log-likelihood and of the log-softmax, fp32. In a
// layer, the moment at which the gated product is taken apart: the incoming
// gradient and those of gate and up (that of their product stands in for the last
// product's input, already freed), and the last matrix's own gradient.
func fsdp2Work(m *arch.Model, r Recipe, s *Section) []Tensor {
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
			return []Tensor{chunk("log_probabilities", FP32), chunk("nll_gradient", FP32), chunk("log_softmax_gradient", FP32), logits}
		}
		if r.Loss == LossEager {
			return []Tensor{tokens("nll_gradient", FP32, TokensVoc, symV), tokens("log_softmax_gradient", FP32, TokensVoc, symV), later}
		}
		return nil
	case RoleEncoder, RoleLayer:
		out := []Tensor{tokens("output_gradient", half, TokensSP, symD)}
		if s.Layer.FFN != nil {
			n := int64(1)
			if s.Layer.FFN.Gated {
				n = 2
			}
			return append(out, tokens("gradients", half, TokensTP, Prod(SymF).Scale(n)),
				Tensor{Name: "down_gradient", Shape: []Expr{symD, Prod(SymF)}, DType: half, Shard: ByTP})
		}
		return append(out, tokens("gradients", half, TokensEP, Prod(SymTopK, SymFE).Scale(2)), tokens("expert_gradient", half, TokensEPIn, Prod(SymTopK, SymD)),
			Tensor{Name: "down_gradient", Shape: []Expr{Prod(SymE), symD, Prod(SymFE)}, DType: half, Shard: ByExpert})
	}
	return nil
}
