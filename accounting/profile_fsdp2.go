package accounting

import "headroom/accounting/arch"

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

// fsdp2023Profile is torch's FSDP before torch 2.1, whose torch.utils.checkpoint runs
// a layer again to its end (torch/utils/checkpoint.py; set_checkpoint_early_stop came
// with 2.1).
var fsdp2023Profile = func() Profile {
	p := TorchTitan{RootGathered: true}.Profile("fsdp-2023", "torch FSDP before torch 2.1: full recompute runs a layer to its end")
	p.WholeRecompute = true
	p.Overlaps = 0 // torch's symmetric memory came with 2.5
	return p
}()

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
	// FusedLoss: one kernel takes the 16-bit logits, which it keeps for backward, in place
	// of PyTorch's cross-entropy on their fp32 copy.
	FusedLoss bool
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
		WholeExperts:        true,
		EveryLayer:          true,
		Offloads:            OffloadOptimizer | OffloadParameters,
		OptimizerInBackward: true,
		Overlaps:            OverlapTP,
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
	// Under autocast each linear layer keeps its own 16-bit cast of its input. With
	// sequence parallelism it is gathered before the product and kept so (DTensor:
	// torch/distributed/tensor/parallel/style.py, PrepareModuleInput).
	input := func(component string, copies int64) {
		if !r.Precision.Autocast || r.Compile {
			copies = 1 // equal casts are one to a compiler
		}
		for range copies {
			keep(component, "input", half, Tokens, symD)
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
			if t.FusedLoss {
				keep("loss", "logits", half, TokensVoc, symV)
				return
			}
			// cross_entropy(logits.float()) keeps the fp32 log-probabilities.
			keep("loss", "log_probabilities", FP32, TokensVoc, symV)
		case LossChunked, LossFused:
			// The gradient of the head's input is gathered chunk by chunk in fp32 and cast:
			// backward starts from it.
			keep("loss", "input_gradient", half, Tokens, symD)
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
			keep(s.Components[0].Name, layerInput, stream, TokensSP, symD)
			t.selected(r, s, half, keep)
			return
		}
		norm("input_norm", l.InputNorm)
		if a.MLA != nil {
			t.latentAttention(a, half, keep)
		} else {
			input("qkv", 3)
			keep("qkv", "q", half, TokensTP, q)
			// torchtitan 0.3, which has the chunked loss, attends with grouped heads; before,
			// repeat_kv copied keys and values to all heads, unless one is all that a rank has.
			if repeats := !t.grouped(r) && a.KVHeads != a.Heads; repeats && a.KVHeads > 1 {
				few := When{MaxTP: a.KVHeads - 1}
				keep("qkv", "k_repeated", half, TokensTP, q)
				keep("qkv", "v_repeated", half, TokensTP, out)
				s.when("qkv", 2, few)
				keep("qkv", "k", half, TokensKV, k)
				keep("qkv", "v", half, TokensKV, v)
				s.when("qkv", 2, When{MinTP: a.KVHeads})
			} else {
				keep("qkv", "k", half, TokensKV, k)
				keep("qkv", "v", half, TokensKV, v)
			}
			if a.QNorm.Kind != arch.NoNorm {
				keep("q_norm", "input", half, TokensTP, Prod(SymH, SymK))
				keep("q_norm", "statistics", FP32, TokensTP, Prod(SymH))
				keep("k_norm", "input", half, TokensKV, k)
				keep("k_norm", "statistics", FP32, TokensKV, Prod(SymG))
			}
		}
		if r.Attention.fused() {
			keep("softmax", "log_sum_exp", FP32, TokensTP, Prod(SymH))
		} else {
			keep("softmax", "probabilities", half, TokensTP, Prod(SymH, SymS))
		}
		keep("out", "input", half, TokensTP, out)
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
			t.experts(moe, half, keep)
			ffn("expert_", &moe.Expert, Prod(SymTopK, SymFE), TokensEP)
			if moe.Shared != nil {
				keep("shared_up", "input", half, Tokens, symD)
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

// when limits the last n saved tensors of a component to some sizes.
func (s *Section) when(component string, n int, w When) {
	if c := s.Component(component); c != nil {
		for i := len(c.Saved) - n; i < len(c.Saved); i++ {
			c.Saved[i].When = w
		}
	}
}
