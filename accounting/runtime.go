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
}

// torchRuntime is a PyTorch process on an NVIDIA GPU.
//
// workspaceBytes: 32 MiB each for cuBLAS and cuBLASLt, PyTorch's defaults on
// compute capability 9.0 and later (aten/src/ATen/cuda/CUDABlas.cpp,
// CublasHandlePool.cpp). fragmentation and the copy of the logits: six Megatron
// runs on B200 publish allocated and reserved memory; with one fp32 copy of the
// logits taken off, 1–3 % remain. contextBytes: 0.5–0.9 GiB on A100 and H100.
// groupBytes: 0.5–2 GiB for the two to five groups of published 3D layouts.
var torchRuntime = runtimeRules{
	workspaceBytes: 64 * mib, fragmentation: 20, caches: true, contextBytes: 700 * mib, groupBytes: 400 * mib,
}

// megatronRuntime has two groups more: the world (barriers, timers) and the model
// parallel group (gradient norm), megatron/core/parallel_state.py.
var megatronRuntime = runtimeRules{
	workspaceBytes: 64 * mib, fragmentation: 20, caches: true, contextBytes: 700 * mib, groupBytes: 400 * mib, worldGroups: 2,
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
