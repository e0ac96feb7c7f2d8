package accounting

import "headroom/accounting/arch"

// deepspeedProfile is DeepSpeed's ZeRO engine around Hugging Face modelling code:
// the tensors of torch-eager, states in flat buffers. Buckets are DeepSpeed's
// defaults (deepspeed/runtime/zero/config.py: reduce_bucket_size 5e8,
// stage3_max_live_parameters 1e9 elements); the update makes the fp32 gradient of
// the partition (stage_1_and_2.py, stage3.py), its fused Adam no temporaries.
var deepspeedProfile = Profile{
	Name:        "deepspeed",
	Summary:     "DeepSpeed ZeRO around Hugging Face transformers: 16-bit gradients, flat fp32 partitions",
	Precision:   "bf16-mixed-grad16",
	Precisions:  map[string]string{"bf16-mixed": "bf16-mixed-grad16", "fp16-mixed": "fp16-mixed-grad16"},
	Optimizer:   "adamw",
	Attention:   Flash,
	ZeRO:        3,
	MaxZeRO:     3,
	Offloads:    OffloadOptimizer | OffloadParameters,
	passes:      &plainPasses,
	Accumulates: true,
	Saved:       torchEagerSaved,
	Recompute:   []RecomputeMode{RecomputeNone, RecomputeFull},
	Work:        deepspeedWork,
	memory:      memoryRules{style: styleBuffers, runtime: megatronRuntime, updateBytes: 4, reduceElements: 5e8, liveElements: 1e9},
}

// deepspeedWork is [torchEagerWork] and the logits that the model's output holds
// into backward: the 16-bit ones and, until transformers 4.45, their fp32 copy.
func deepspeedWork(m *arch.Model, r Recipe, s *Section) []Tensor {
	out := torchEagerWork(m, r, s)
	if s.Role == RoleHead && !m.Head.None && r.Loss == LossEager {
		logits := func(name string, dt DType) Tensor {
			return Tensor{Name: name, Shape: []Expr{batch, context, symV}, DType: dt, Shard: TokensVoc, Source: "transformers < 4.45: logits.float()"}
		}
		out = append(out, logits("logits", r.Precision.Compute), logits("logits_fp32", FP32))
	}
	return out
}

// megatronDeepspeedProfile is DeepSpeed's engine around the Megatron-LM of 2021 to
// 2023, as BLOOM was trained.
var megatronDeepspeedProfile = Profile{
	Name:        "megatron-deepspeed",
	Summary:     "Megatron-DeepSpeed: Megatron-LM of 2021 to 2023 under DeepSpeed's ZeRO and pipeline engine",
	Precision:   "bf16-deepspeed",
	Precisions:  map[string]string{"bf16-mixed": "bf16-deepspeed", "fp16-mixed": "fp16-deepspeed"},
	Optimizer:   "adamw",
	Attention:   Unfused,
	ZeRO:        1,
	passes:      &megatron2023Passes,
	MaxZeRO:     3,
	Offloads:    OffloadOptimizer | OffloadParameters,
	Parallel:    true,
	Accumulates: true,
	// Pipelines turn the reduction in backward off (deepspeed/runtime/pipe/engine.py,
	// enable_backward_allreduce), and stages 0 and 1 have no hooks for it without
	// overlap_comm (deepspeed/runtime/zero/stage_1_and_2.py).
	ReducesLast: true,
	Routed:      []RoutedPath{RoutedCapacity}, // deepspeed/moe/sharded_moe.py
	Modules:     CoreAttention,
	Blocks:      true,
	Saved:       func(m *arch.Model, r Recipe, s *Section) { megatronSaved(m, r, s, true) },
	Work:        megatronDeepspeedWork,
	memory: memoryRules{
		style: styleBuffers, runtime: megatronRuntime, vocabMultiple: megatronVocabMultiple, holdsLogits: true, records: true, unpaced: true,
		updateBytes: 4, reduceElements: 5e8, liveElements: 1e9,
	},
}

// megatronDeepspeedWork is Megatron's, and the 16-bit logits of one micro-batch
// more: the last stage of DeepSpeed's pipeline engine has two buffers and does not
// free its outputs after their backward (deepspeed/runtime/pipe/engine.py,
// _exec_backward_pass; schedule.py, num_pipe_buffers).
func megatronDeepspeedWork(_ *arch.Model, r Recipe, s *Section) []Tensor {
	out := megatronWork(r, s, true)
	if s.Role == RoleHead {
		out = append(out, Tensor{Name: "pipe_buffer_logits", Shape: []Expr{batch, context, symV}, DType: r.Precision.Compute, Shard: TokensVoc, Source: "deepspeed/runtime/pipe/engine.py"})
	}
	return out
}

// internevoProfile is InternEvo of 2023: whole parameters dealt to ranks, one flat
// fp32 tensor for each (internlm/solver/optimizer/hybrid_zero_optim.py). The update
// makes the flat 16-bit gradient (2), its fp32 copy (4) and the two temporaries of
// torch's AdamW on one tensor, √v and the denominator (8). reduce_bucket_size is
// 512 Mi elements in its configs.
var internevoProfile = Profile{
	Name:        "internevo",
	Summary:     "InternEvo of 2023: ZeRO-1 over flat tensors, or FSDP; torch's AdamW on one flat tensor",
	Precision:   "bf16-mixed-grad16",
	Precisions:  map[string]string{"bf16-mixed": "bf16-mixed-grad16", "fp16-mixed": "fp16-mixed-grad16"},
	Optimizer:   "adamw",
	Attention:   Flash1, // its container has flash-attn 1.0.5 (doc/en/install.md)
	ZeRO:        1,
	Broadcasts:  true, // _partition_param_list, reduce_tensor with dst_rank None, broadcast_params
	passes:      &flashPasses,
	MaxZeRO:     3,
	Parallel:    true,
	Accumulates: true,
	Routed:      []RoutedPath{RoutedCapacity}, // GShard's, internlm/model/moe/gshard_layer.py
	Modules:     CoreAttention,
	Blocks:      true,
	Saved:       func(m *arch.Model, r Recipe, s *Section) { megatronSaved(m, r, s, true) },
	Work:        func(_ *arch.Model, r Recipe, s *Section) []Tensor { return megatronWork(r, s, true) },
	memory:      memoryRules{style: styleBuffers, runtime: megatronRuntime, holdsLogits: true, records: true, updateBytes: 12, flatBytes: 2, reduceElements: 512 << 20, fsdp: true},
}
