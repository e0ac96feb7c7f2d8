package accounting

const mib = 1 << 20

// runtimeRules are what a device holds beside the framework's tensors. Each
// constant is named, sourced and printed by explain.
type runtimeRules struct {
	// workspaceBytes is what cuBLAS and cuBLASLt get from PyTorch's allocator.
	workspaceBytes int64
	// fragmentation is what the allocator's rounding and splitting lose, in
	// thousandths of allocated memory.
	fragmentation int64
	// caches: a caching allocator keeps blocks that no later request can use. Where the
	// loss makes several fp32 copies of the logits, the 16-bit logits of the next step
	// split one of their blocks and one more is needed: the cache is one copy larger.
	caches bool
	// contextBytes is the CUDA context with its modules.
	contextBytes int64
	// groupBytes is what NCCL keeps for one communicator; worldGroups are those that
	// every job has beside the dimensions of its plan.
	groupBytes, worldGroups int64
	// multicastBytes is what NCCL adds to a communicator for each of its ranks in a
	// node whose switch reduces (NVLS), where they are more than two.
	multicastBytes int64
}

// Buffers of NVLS a rank: 16 channels, twice (reduced and broadcast). NCCL 2.18 to 2.20
// takes 4 MiB with 2 MiB of alignment each, as soon as the communicator exists; 2.22
// and later eight steps of 128 KiB when the first collective needs them
// (src/transport/nvls.cc: nvlsTotalSize).
const (
	multicast2023 = 16 * 2 * 6 * mib
	multicastNow  = 16 * 2 * mib
)

// maxMulticast is how many ranks NVLS joins at most (src/include/device.h,
// NCCL_MAX_NVLS_ARITY).
const maxMulticast = 32

// torchRuntime is a PyTorch process on an NVIDIA GPU; where its numbers come from
// is in [memoryRules.constants].
var torchRuntime = runtimeRules{
	workspaceBytes: 64 * mib, fragmentation: 20, caches: true, contextBytes: 700 * mib, groupBytes: 400 * mib, multicastBytes: multicastNow,
}

// megatronRuntime has two groups more, and the NCCL of 2023 and early 2024.
var megatronRuntime = runtimeRules{
	workspaceBytes: 64 * mib, fragmentation: 20, caches: true, contextBytes: 700 * mib, groupBytes: 400 * mib, worldGroups: 2, multicastBytes: multicast2023,
}

// transformerEngineRuntime has TransformerEngine's workspace beside PyTorch's.
var transformerEngineRuntime = runtimeRules{
	workspaceBytes: 96 * mib, fragmentation: 20, caches: true, contextBytes: 700 * mib, groupBytes: 400 * mib, worldGroups: 2, multicastBytes: multicastNow,
}

func (r *runtimeRules) fragmented(allocated int64) int64 {
	return allocated + allocated/1000*r.fragmentation
}

// outside is what lies outside PyTorch's allocator: context and communicators.
func (r *runtimeRules) outside(p *Plan) int64 {
	n := r.contextBytes
	if p.GPUs() > 1 {
		n += r.worldGroups * r.groupBytes
	}
	for _, size := range [...]int64{p.TP, p.PP, p.CP, p.DP, p.EP} {
		if size > 1 {
			n += r.groupBytes
		}
	}
	return n
}

// multicast is what NVLS takes on the accelerator of the case, where it is known. It is
// shown and not asked for: NCCL goes on without it where it cannot be had
// (src/init.cc of 2.27), and one peak holds for all accelerators.
func (r *runtimeRules) multicast(x *Setting) int64 {
	if m := x.Machine; m != nil && m.Multicast {
		return r.multicastBytes * r.multicastRanks(&x.Plan, m.Domain)
	}
	return 0
}

// multicastRanks counts the ranks of all communicators of a rank that are in its fast
// domain, where a communicator has more than two there. Ranks are dealt to tp, cp, dp
// and pp in this order.
func (r *runtimeRules) multicastRanks(p *Plan, domain int64) (n int64) {
	join := func(ranks int64) {
		if ranks > 2 {
			n += min(ranks, maxMulticast)
		}
	}
	local := func(size, stride int64) int64 { return min(size, max(domain/stride, 1)) }
	tp, pp := local(p.TP, 1), local(p.PP, p.TP*p.CP*p.DP)
	if r.worldGroups > 0 {
		join(local(p.GPUs(), 1))
		if p.ZeRO == 0 {
			// The norm of the gradients; a distributed optimizer takes the world for it
			// (megatron/core/optimizer/distrib_optimizer.py, get_model_parallel_group).
			join(tp * pp)
		}
	}
	join(tp)
	join(pp)
	join(local(p.CP, p.TP))
	join(local(p.DP, p.TP*p.CP))
	join(local(p.EP, p.ETP))
	return n
}

// constants are the numbers of the memory model that are not sizes of tensors, with
// their sources.
func (m *memoryRules) constants() []ConstantField {
	var out []ConstantField
	add := func(name string, value int64, source string) {
		if value > 0 {
			out = append(out, ConstantField{Name: name, Value: float64(value), Source: source})
		}
	}
	r := &m.runtime
	add("workspace_bytes", r.workspaceBytes, "32 MiB each for cuBLAS and cuBLASLt: PyTorch's defaults from compute capability 9.0 on (aten/src/ATen/cuda/CublasHandlePool.cpp, CUDABlas.cpp); profile megatron 32 MiB more for TransformerEngine's (transformer_engine/pytorch/module/base.py, get_cublas_workspace_size_bytes)")
	add("fragmentation_per_thousand", r.fragmentation, "six Megatron runs on B200 that publish allocated and reserved memory: 1–3 % beside one fp32 copy of the logits")
	if m.records {
		add("launches_ahead", launchesAhead, "launches that the driver queues before the host waits: NVIDIA's developer forum, topic 68937; blocks of tensor-parallel collectives are given out again once the device has run them (PyTorch before 2.8)")
	}
	add("context_bytes", r.contextBytes, "CUDA context with its modules: 0.5–0.9 GiB on A100 and H100")
	add("group_bytes", r.groupBytes, "NCCL on NVLink: 24 channels with buffers of 0.5, 4.7 and 4 MiB for its three protocols (src/init.cc, computeBuffSizes), to ring and tree neighbours alike")
	add("multicast_bytes", r.multicastBytes, "a rank of a communicator with more than two in a node whose switch reduces (NVLink from Hopper on): 16 channels of buffers, NCCL's src/transport/nvls.cc; 2.18 to 2.20 in profiles of 2023 and 2024, later ones in others")
	add("world_groups", r.worldGroups, "beside the plan's dimensions: the world and the model-parallel group (megatron/core/parallel_state.py)")
	add("vocabulary_multiple", m.vocabMultiple, "Megatron's --make-vocab-size-divisible-by, a tensor-parallel rank")
	add("narrow_copy_bytes", m.narrowCopies, "a parameter of the layers' matrices, where products run in fp8: TransformerEngine's fp8 copy and its transpose, kept over the micro-batches of a step (transformer_engine/pytorch/module/base.py, get_weight_workspace)")
	add("reduce_elements", m.reduceElements, "reduce_bucket_size of the framework's defaults")
	add("live_elements", m.liveElements, "stage3_max_live_parameters of DeepSpeed's defaults")
	add("update_bytes_per_parameter", m.updateBytes+m.flatBytes, "fp32 gradient of the shard and temporaries of the optimizer, read off its step")
	return out
}
