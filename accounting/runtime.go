package accounting

const mib = 1 << 20

// runtimeRules are what a device holds beside the framework's tensors. Each
// constant is named, sourced and printed by explain.
type runtimeRules struct {
	// workspaceBytes is what cuBLAS and cuBLASLt get from PyTorch's allocator.
	workspaceBytes int64
	// fragmentation is reserved over allocated memory, in thousandths above one.
	fragmentation int64
	// contextBytes is the CUDA context with its modules.
	contextBytes int64
	// groupBytes is what NCCL keeps for one communicator.
	groupBytes int64
}

// torchRuntime is a PyTorch process on an NVIDIA GPU.
//
// workspaceBytes: 32 MiB each for cuBLAS and cuBLASLt, PyTorch's defaults on
// compute capability 9.0 and later (aten/src/ATen/cuda/CUDABlas.cpp,
// CublasHandlePool.cpp). fragmentation: median of reserved/allocated over six Megatron runs on B200 that
// publish both (1.028–1.069). contextBytes: 0.5–0.9 GiB on A100 and H100.
// groupBytes: 0.5–2 GiB for the two to five groups of published 3D layouts.
var torchRuntime = runtimeRules{workspaceBytes: 64 * mib, fragmentation: 40, contextBytes: 700 * mib, groupBytes: 400 * mib}

func (r *runtimeRules) reserved(allocated int64) int64 {
	return allocated + allocated/1000*r.fragmentation
}

func (r *runtimeRules) device(reserved int64, p *Plan) int64 {
	n := reserved + r.contextBytes
	for _, size := range [...]int64{p.TP, p.PP, p.CP, p.DP, p.EP} {
		if size > 1 {
			n += r.groupBytes
		}
	}
	return n
}
