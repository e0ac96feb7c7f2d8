package accounting

import (
	"cmp"
	"slices"

	"headroom/accounting/arch"
)

// megatronProfile is Megatron-Core with fused kernels (fused norms, swiglu and
// softmax, flash attention) and the fp32 gradient buffer of Megatron-LM's --bf16.
// Each saved tensor is what autograd holds in megatron.core 0.16.1, read off its
// modules one by one.
var megatronProfile = Profile{
	Name:      "megatron",
	Summary:   "Megatron-Core: fused kernels, fp32 gradient buffer, distributed optimizer",
	Precision: "bf16-mixed",
	Optimizer: "adamw",
	Attention: Flash,
	CuDNN:     true,
	passes:    &megatronPasses,
	ZeRO:      1,
	SP:        true,
	MaxZeRO:   3,
	Parallel:  true,
	Predicts:  true,
	Overlaps:  OverlapTP | OverlapGradReduce | OverlapParamGather,
	Offloads:  OffloadOptimizer,
	Routed:    []RoutedPath{RoutedCapacity, RoutedGraphed, RoutedFused},
	Modules:   CoreAttention | MoEActivation | LayerNorms | MLAUp | DenseMLP | MoELayer | SharedExperts,
	Blocks:    true,
	Saved:     func(m *arch.Model, r Recipe, s *Section) { megatronSaved(m, r, s, false); s.narrow(r) },
	Work:      func(_ *arch.Model, r Recipe, s *Section) []Tensor { return megatronWork(r, s, false) },
	memory:    memoryRules{style: styleBuffers, runtime: transformerEngineRuntime, vocabMultiple: megatronVocabMultiple, narrowCopies: 2},
}

// megatronVocabMultiple is the default of --make-vocab-size-divisible-by.
const megatronVocabMultiple = 128

// megatron2025Profile keeps the same tensors; only its routed layers are slower.
var megatron2025Profile = func() Profile {
	p := megatronProfile
	p.Name, p.EarlyMoE = "megatron-2025", true
	p.Routed = []RoutedPath{RoutedCapacity, RoutedGraphed}
	p.Summary = "Megatron-Core and TransformerEngine before mid-2026: the same memory, slower mixtures of experts"
	return p
}()

// megatron2024Profile is the year before that.
var megatron2024Profile = func() Profile {
	p := megatron2025Profile
	p.Name, p.EarlyCasts, p.memory.records = "megatron-2024", true, true
	p.memory.runtime.multicastBytes = multicast2023
	p.Summary = "Megatron-Core and TransformerEngine before 2025: the same memory, slower quantisation"
	return p
}()

// megatron2023Profile is the same before SwiGLU and rotary positions were fused:
// 20 + 8r bytes a token and width instead of 14 + 6k + 6r. Flash attention takes
// contiguous copies of q, k and v and its output is copied back to [s, b, d]; SiLU
// keeps its output apart; the TorchScript of bias, dropout and residual keeps its
// masks even where dropout is 0.
var megatron2023Profile = Profile{
	Name:       "megatron-2023",
	Summary:    "Megatron-LM of 2023: unfused SwiGLU and RMSNorm",
	Precision:  "bf16-mixed",
	Optimizer:  "adamw",
	Attention:  Flash,
	ZeRO:       1,
	MaxZeRO:    1,
	EarlyCasts: true,
	passes:     &megatron2023Passes,
	Parallel:   true,
	Modules:    CoreAttention,
	Blocks:     true,
	Overlaps:   OverlapTP | OverlapGradReduce | OverlapParamGather,
	Saved:      func(m *arch.Model, r Recipe, s *Section) { megatronSaved(m, r, s, true) },
	Work:       func(_ *arch.Model, r Recipe, s *Section) []Tensor { return megatronWork(r, s, false) },
	memory:     memoryRules{style: styleBuffers, runtime: megatronRuntime, vocabMultiple: megatronVocabMultiple, records: true},
}

func megatronSaved(m *arch.Model, r Recipe, s *Section, unfused bool) {
	const core = "megatron/core/transformer"
	half := BF16
	if r.Precision.Compute == FP32 {
		half = FP32
	}
	keep := func(component, name string, dt DType, shard Shard, source string, shape ...Expr) {
		s.keep(component, Tensor{Name: name, Shape: append([]Expr{Prod(SymS), Prod(SymB)}, shape...), DType: dt, Shard: shard, Source: core + source})
	}
	// A norm keeps its input and, for each token, its fp32 statistics.
	norm := func(component string, width Expr, shard Shard, kind arch.NormKind) {
		keep(component, "input", half, shard, "/torch_norm.py", width)
		stats := Int(1)
		if kind == arch.LayerNorm || kind == arch.LayerNormNoBias {
			stats = Int(2) // mean and reciprocal deviation
		}
		keep(component, "statistics", FP32, shard, "/torch_norm.py", stats)
	}
	switch s.Role {
	case RoleEmbedding:
		s.keep("token_embedding", Tensor{Name: "tokens", Shape: []Expr{Prod(SymB), Prod(SymS)}, DType: Int64, Shard: Tokens, Source: core + "/../models/common/embeddings"})
		s.keep("token_embedding", Tensor{Name: "outside_mask", Shape: []Expr{Prod(SymB), Prod(SymS)}, DType: Bool, Shard: Tokens, When: When{MinTP: 2}, Source: core + "/../tensor_parallel/layers.py: VocabParallelEmbedding"})
		if width := rotaryWidth(m); r.Recompute.Mode == RecomputeFull && width > 0 {
			// An argument of the checkpointed layers.
			s.keep("token_embedding", Tensor{Name: "rotary_angles", Shape: []Expr{Prod(SymS), Int(width)}, DType: FP32, Shard: Tokens, Source: core + "/../models/common/embeddings/rotary_pos_embedding.py"})
		}
		s.keep("position_embedding", Tensor{Name: "positions", Shape: []Expr{Prod(SymB), Prod(SymS)}, DType: Int64, Shard: Tokens, Source: core + "/../models/common/embeddings"})
		if r.Dropout > 0 {
			keep("token_embedding", "dropout_mask", Bool, TokensSP, "/../models/common/embeddings", symD)
		}
		if m.Embedding.Norm.Kind != arch.NoNorm {
			norm("embedding_norm", symD, TokensSP, m.Embedding.Norm.Kind)
		}
	case RoleHead:
		if m.FinalNorm.Kind != arch.NoNorm {
			norm("final_norm", symD, TokensSP, m.FinalNorm.Kind)
		}
		keep("head", "input", half, TokensSP, "/../tensor_parallel/layers.py", symD)
		// Vocabulary-parallel cross-entropy keeps the softmax in fp32, a mask of the
		// targets outside this rank's rows and the targets within them.
		keep("loss", "softmax", FP32, TokensVoc, "/../tensor_parallel/cross_entropy.py", symV)
		keep("loss", "target_mask", Bool, Tokens, "/../tensor_parallel/cross_entropy.py")
		keep("loss", "targets", Int64, Tokens, "/../tensor_parallel/cross_entropy.py")
		if n := r.MTP; n > 0 && !m.Head.None {
			keep("prediction_head", "input", half, TokensSP, "/../tensor_parallel/layers.py", symD.Scale(n))
			keep("prediction_loss", "softmax", FP32, TokensVoc, "/../tensor_parallel/cross_entropy.py", symV.Scale(n))
			keep("prediction_loss", "target_mask", Bool, Tokens, "/../tensor_parallel/cross_entropy.py", Int(n))
			keep("prediction_loss", "targets", Int64, Tokens, "/../tensor_parallel/cross_entropy.py", Int(n))
		}
	case RolePrediction:
		megatronPrediction(r, s, keep, half)
		fallthrough
	case RoleEncoder, RoleLayer:
		l := s.Layer
		if r.Recompute.Mode == RecomputeFull {
			keep(s.Components[0].Name, layerInput, half, TokensSP, "/transformer_block.py", symD)
			return
		}
		if l.InputNorm.Kind != arch.NoNorm {
			norm("input_norm", symD, TokensSP, l.InputNorm.Kind)
		}
		megatronAttention(r, s, keep, norm, half, unfused)
		if r.Dropout > 0 || unfused {
			keep("out", "dropout_mask", Bool, TokensSP, "/../fusions/fused_bias_dropout.py", symD)
			ffnOut := "down"
			if l.MoE != nil {
				ffnOut = "expert_down"
			}
			keep(ffnOut, "dropout_mask", Bool, TokensSP, "/../fusions/fused_bias_dropout.py", symD)
		}
		for _, n := range []struct {
			name string
			norm arch.Norm
		}{{"post_attention_norm", l.PostAttnNorm}, {"ffn_norm", l.FFNNorm}, {"post_ffn_norm", l.PostFFNNorm}} {
			if n.norm.Kind != arch.NoNorm {
				norm(n.name, symD, TokensSP, n.norm.Kind)
			}
		}
		megatronFFN(s, keep, half, unfused)
		s.recomputed(r)
	}
}

// rotaryWidth is the width of the rotary part of a head, 0 where no layer has one.
func rotaryWidth(m *arch.Model) (width int64) {
	for _, k := range m.Sequence {
		width = max(width, m.Kinds[k].Attention.RotaryDim)
	}
	return width
}

// maxFusedSoftmax is the longest row that the fused softmax kernel takes
// (megatron/core/fusions/fused_softmax.py, is_kernel_available).
const maxFusedSoftmax = 4096

type keepFunc func(component, name string, dt DType, shard Shard, source string, shape ...Expr)

// megatronAttention follows attention.py: the fused qkv projection, rotary
// positions, core attention and the output projection.
func megatronAttention(r Recipe, s *Section, keep keepFunc, norm func(string, Expr, Shard, arch.NormKind), half DType, unfused bool) {
	const core = "megatron/core/transformer"
	const source = "/attention.py"
	a := &s.Layer.Attention
	q, k, v := Prod(SymH, SymK), Prod(SymG, SymK), Prod(SymG, SymKV)
	if a.MLA != nil {
		const mla = "/multi_latent_attention.py"
		first := "q_down"
		if a.MLA.QRank == 0 {
			first = "q"
		}
		keep(first, "input", half, TokensSP, mla, symD)
		if a.MLA.QRank > 0 {
			keep("q_down", "latent", half, TokensSP, mla, Prod(SymRQ))
			keep("q_up", "normalised_latent", half, TokensSP, mla, Prod(SymRQ))
		}
		keep("kv_down", "latent", half, TokensSP, mla, Prod(SymRKV).Plus(Prod(SymRope)))
		keep("kv_up", "normalised_latent", half, TokensSP, mla, Prod(SymRKV))
		keep("kv_up", "q", half, TokensTP, mla, q)
		keep("kv_up", "k", half, TokensTP, mla, Prod(SymH, SymK))
		// v is a view: it keeps the whole output of the up-projection alive.
		keep("kv_up", "kv_up_output", half, TokensTP, mla, Prod(SymH, SymNope).Plus(Prod(SymH, SymKV)))
	} else {
		keep("qkv", "input", half, TokensSP, source, symD)
		if unfused {
			if r.Attention.fused() {
				keep("qkv", "q_copy", half, TokensTP, " (2023): FlashSelfAttention", q)
				keep("qkv", "kv_copy", half, TokensKV, " (2023): FlashSelfAttention", k.Plus(v))
				keep("softmax", "attention_output", half, TokensTP, " (2023): before its copy to [s, b, d]", Prod(SymH, SymKV))
			} else {
				keep("qkv", "qkv_output", half, TokensTP, source, q.Plus(Prod(SymH, SymK)).Plus(Prod(SymH, SymKV)))
			}
		}
		// Grouped heads are sliced out of the fused output, which copies the queries; a
		// rank of a single group slices by a view.
		grouped := a.KVHeads != a.Heads
		oneGroup := When{MaxTP: a.KVHeads - 1}
		// Attention that is not fused copies keys and values to all heads.
		repeats := grouped && r.Attention == Unfused && r.Recompute.Mode != RecomputeSelective
		if !unfused {
			const rope = "/../models/common/embeddings/rope_utils.py"
			if repeats {
				keep("qkv", "k_repeated", half, TokensTP, "/dot_product_attention.py", q)
				keep("qkv", "v_repeated", half, TokensTP, "/dot_product_attention.py", Prod(SymH, SymKV))
			} else {
				// One matrix makes q, k and v; v stays a view of its output, so the whole
				// output lives on. With rotary positions or head norms q and k are new tensors.
				keep("qkv", "qkv_output_q", half, TokensTP, source+": v is a view of the fused output", q)
				keep("qkv", "qkv_output_kv", half, TokensKV, source+": v is a view of the fused output", k.Plus(v))
			}
			switch {
			case a.RotaryDim > 0:
				keep("qkv", "q_rotated", half, TokensTP, rope, q)
				if !repeats {
					keep("qkv", "k_rotated", half, TokensKV, rope, k)
				}
				// Cosine and sine of every position for queries and for keys, made by each layer
				// and not cut by tp.
				s.keep("qkv", Tensor{Name: "cos_sin", Shape: []Expr{Int(4), Prod(SymS), Prod(SymRope)}, DType: half, Shard: Tokens, Source: core + rope})
			case a.QNorm.Kind != arch.NoNorm:
				keep("qkv", "q_normalised", half, TokensTP, source, q)
			case grouped && a.KVHeads > 1:
				s.keep("qkv", Tensor{Name: "q_copied", Shape: []Expr{Prod(SymS), Prod(SymB), q}, DType: half, Shard: TokensTP, When: oneGroup, Source: core + source})
			}
			if a.RotaryDim == 0 && a.QNorm.Kind != arch.NoNorm && !repeats {
				keep("qkv", "k_normalised", half, TokensKV, source, k)
			}
		}
		if a.QNorm.Kind != arch.NoNorm {
			// The norms of heads read parts of the fused output.
			if grouped && a.KVHeads > 1 {
				s.keep("q_norm", Tensor{Name: "input", Shape: []Expr{Prod(SymS), Prod(SymB), q}, DType: half, Shard: TokensTP, When: oneGroup, Source: core + "/torch_norm.py"})
			}
			if repeats {
				keep("k_norm", "input", half, TokensKV, "/torch_norm.py", k)
			}
			stats := int64(1)
			if a.QNorm.Kind == arch.LayerNorm || a.QNorm.Kind == arch.LayerNormNoBias {
				stats = 2
			}
			keep("q_norm", "statistics", FP32, TokensTP, "/torch_norm.py", Prod(SymH).Scale(stats))
			keep("k_norm", "statistics", FP32, TokensKV, "/torch_norm.py", Prod(SymG).Scale(stats))
		}
	}
	out := Prod(SymH, SymKV)
	switch {
	case r.recomputes(CoreAttention):
		// core attention is run again: only its inputs (above) and output remain
		keep("out", "input", half, TokensTP, "/dot_product_attention.py", out)
	case r.Attention.fused():
		keep("out", "input", half, TokensTP, " (flash output)", out)
		keep("softmax", "log_sum_exp", FP32, TokensTP, " (flash)", Prod(SymH))
		if a.MLA == nil {
			// 16 bits for each value of the output, beside the projection's input: what ten
			// runs on two generations of the code hold more than the tensors around the
			// kernel (H800, Megatron 2023, accounting.md section 8; B200, Megatron and
			// TransformerEngine 2026, simumax), and runs with unfused attention do not
			// (golden values). With latent attention the fused rotary kernel, which copies v
			// out of the up-projection, saves as much.
			s.keep("softmax", Tensor{Name: "kernel_output", Shape: []Expr{Prod(SymS), Prod(SymB), out}, DType: half, Shard: TokensTP, Kernel: true, Source: "fused attention's own context"})
		}
	default:
		scores := Prod(SymH, SymS)
		if r.Softmax != SoftmaxFused {
			// Without the fused kernel masked_fill keeps the causal mask.
			mask := Tensor{Name: "causal_mask", Shape: []Expr{Prod(SymS), Prod(SymS)}, DType: Bool, Shard: Tokens, Source: core + "/../fusions/fused_softmax.py"}
			if r.Softmax == SoftmaxByLength && half != FP32 {
				mask.When.MinContext = maxFusedSoftmax + 1
			}
			s.keep("softmax", mask)
		}
		keep("softmax", "probabilities", half, TokensTP, "/../fusions/fused_softmax.py", scores)
		if r.Dropout > 0 {
			keep("softmax", "dropout_mask", Bool, TokensTP, "/dot_product_attention.py", scores)
			keep("av", "dropped_probabilities", half, TokensTP, "/dot_product_attention.py", scores)
		}
		keep("out", "input", half, TokensTP, "/dot_product_attention.py", out)
	}
}

// megatronFFN follows mlp.py and moe/experts.py: the input of the first product,
// its output (gate and up together) and the input of the last.
func megatronFFN(s *Section, keep keepFunc, half DType, unfused bool) {
	block := func(prefix string, gated bool, width Expr, in, inner Shard, source string) {
		first := prefix + "up"
		if gated {
			first = prefix + "gate"
			keep(first, "output", half, inner, source, width)
		}
		keep(prefix+"up", "output", half, inner, source, width)
		if unfused && gated {
			keep(prefix+"activation", "output", half, inner, source+" (2023): SiLU before the product", width)
		}
		keep(prefix+"down", "input", half, inner, source, width)
		if in != numShards {
			rows := symD
			if prefix == "expert_" {
				rows = Prod(SymTopK, SymD)
			}
			keep(first, "input", half, in, source, rows)
		}
	}
	l := s.Layer
	if f := l.FFN; f != nil {
		in := TokensSP
		if l.Parallel && l.FFNNorm.Kind == arch.NoNorm {
			in = numShards // shares the norm output that attention keeps
		}
		block("", f.Gated, Prod(SymF), in, TokensTP, "/mlp.py")
	}
	if moe := l.MoE; moe != nil {
		keep("router", "input", half, TokensSP, "/moe/router.py", symD)
		keep("router", "logits", FP32, TokensSP, "/moe/router.py", Prod(SymE))
		keep("router", "probabilities", FP32, TokensSP, "/moe/router.py", Prod(SymE))
		keep("router", "routing_map", Bool, TokensSP, "/moe/router.py", Prod(SymE))
		block("expert_", moe.Expert.Gated, Prod(SymTopK, SymFE), TokensEPIn, TokensEP, "/moe/experts.py")
		if moe.Shared != nil {
			// The shared expert reads the router's input: kept once.
			block("shared_", moe.Shared.Gated, Prod(SymFS), numShards, TokensTP, "/moe/shared_experts.py")
		}
	}
}

// megatronWork is what a layer's backward holds at its widest, beside what
// forward kept: the gradient that comes in (gathered when sequence parallelism
// cuts it) and the gradient of the first product's output; the gradient of the
// activation takes the place of the last product's freed input.
//
// In the loss, beside the fp32 softmax: forward has the 16-bit logits, backward
// their 16-bit gradient in their place, 6 bytes a logit in all: golden values of
// Megatron-LM (last ranks of 1, 2 and 4 stages), simumax, the H800 runs. Under
// DeepSpeed and InternEvo the 16-bit logits live on and the fp32 ones twice (12):
// there the runs that ran out of memory say so.
func megatronWork(r Recipe, s *Section, held bool) []Tensor {
	half := r.Precision.Compute
	tokens := func(name string, dt DType, shard Shard, width Expr) Tensor {
		return Tensor{Name: name, Shape: []Expr{Prod(SymS), Prod(SymB), width}, DType: dt, Shard: shard}
	}
	switch s.Role {
	case RoleHead:
		out := []Tensor{tokens("logits", half, TokensVoc, symV), tokens("gathered_input", half, Tokens, symD)}
		if held {
			out = append(out, tokens("logits_fp32", FP32, TokensVoc, symV), tokens("logits_gradient", half, TokensVoc, symV))
		}
		return out
	case RoleEncoder, RoleLayer, RolePrediction:
		out := []Tensor{tokens("output_gradient", half, TokensSP, symD), tokens("gathered_gradient", half, Tokens, symD)}
		if s.Layer.FFN != nil {
			wide := Prod(SymF)
			if s.Layer.FFN.Gated {
				wide = wide.Scale(2)
			}
			return append(out, tokens("first_product_gradient", half, TokensTP, wide))
		}
		return append(out, tokens("first_product_gradient", half, TokensEP, Prod(SymTopK, SymFE).Scale(2)), tokens("expert_gradient", half, TokensEPIn, Prod(SymTopK, SymD)))
	}
	return nil
}

// recomputes says that selective recompute runs the module again.
func (r *Recipe) recomputes(m Modules) bool {
	return r.Recompute.Mode == RecomputeSelective && cmp.Or(r.Recompute.Modules, CoreAttention)&m != 0
}

// recomputed takes away what Megatron-Core's selective recompute does not keep. A
// module that is checkpointed keeps its input alone (moe/moe_layer.py, mlp.py,
// shared_experts.py); of the norms, the experts' activation and latent attention's
// up-projections the result is discarded and made again before it is needed
// (tensor_parallel/random.py, CheckpointWithoutOutput).
func (s *Section) recomputed(r Recipe) {
	if r.Recompute.Mode != RecomputeSelective {
		return
	}
	drop := func(gone func(component, tensor string) bool) {
		for i := range s.Components {
			c := &s.Components[i]
			c.Saved = slices.DeleteFunc(c.Saved, func(t Tensor) bool { return gone(c.Name, t.Name) })
		}
	}
	first := "up"
	if s.Component("gate") != nil {
		first = "gate"
	}
	if r.recomputes(DenseMLP) {
		drop(func(c, t string) bool {
			return moduleOf(c) == DenseMLP && !(c == first && t == "input") && t != "dropout_mask"
		})
	}
	if r.recomputes(MoELayer) {
		drop(func(c, t string) bool {
			return moduleOf(c)&(MoELayer|SharedExperts) != 0 && !(c == "router" && t == "input") && t != "dropout_mask"
		})
	}
	if r.recomputes(SharedExperts) {
		drop(func(c, _ string) bool { return moduleOf(c) == SharedExperts })
	}
	if r.recomputes(MoEActivation) {
		drop(func(c, t string) bool { return c == "expert_down" && t == "input" })
	}
	if r.recomputes(MLAUp) {
		drop(func(c, t string) bool {
			return c == "kv_up" && t != "normalised_latent" || c == "q_up" && t != "normalised_latent"
		})
	}
	if r.recomputes(LayerNorms) {
		drop(func(c, t string) bool {
			return t == "input" && (c == "qkv" || c == "q_down" || c == "q" || c == first || c == "router")
		})
	}
}

// narrow makes the inputs of fp8 products one byte a value: TransformerEngine keeps
// the quantised input for the gradient of the weight in place of the 16-bit one
// (transformer_engine/pytorch/module/linear.py, layernorm_linear.py). In nvfp4 they
// are counted as in bf16.
func (s *Section) narrow(r Recipe) {
	if s.Layer == nil || !r.Precision.eightBit() {
		return
	}
	for i := range s.Components {
		c := &s.Components[i]
		if c.Group == GroupNorm || c.Group == GroupRouter {
			continue
		}
		for j := range c.Saved {
			if t := &c.Saved[j]; t.Name == "input" && t.DType == BF16 {
				t.DType = FP8
			}
		}
	}
}

// eightBit says that the layers' products run in fp8, with one scale or in blocks.
func (p *Precision) eightBit() bool { return p.Products == FormatFP8 || p.Products == FormatMXFP8 }
