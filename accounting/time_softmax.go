package accounting

import "headroom/accounting/arch"

// fusedSoftmax says that unfused attention has one kernel for scale, mask and softmax.
// Megatron's takes 16-bit scores only, rows of 17 to [maxFusedSoftmax] keys, and micro-batch
// times heads of a rank in whole blocks of 128 threads: a warp for a row, and two rows a warp
// where they are short (is_kernel_available of megatron/model/fused_softmax.py since August
// 2021 and of megatron/core/fusions/fused_softmax.py; get_batch_per_block of
// megatron/fused_kernels/scaled_masked_softmax.h).
func (u *unitContext) fusedSoftmax(a *arch.Attention) bool {
	if !u.ownSoftmax || u.r.Softmax == SoftmaxFused {
		return true
	}
	s, rows := u.x.Context, u.x.MicroBatch*a.Heads/u.x.Plan.TP
	block := int64(4)
	if s <= 128 { // their next power of two is at most 128
		block = 8
	}
	return u.r.Softmax == SoftmaxByLength && u.r.Precision.Compute != FP32 &&
		s > 16 && s <= maxFusedSoftmax && s%4 == 0 && rows%block == 0
}

// What PyTorch's operations do more than that kernel (forward_torch_softmax): the scores
// widened to fp32, scaled, filled in with the mask, normalised, narrowed again, and the
// gradient back through each. A 16-bit value is a pass, an fp32 value two, a mask half; the
// kernel itself reads and writes once, and backward reads two and writes one.
const (
	torchSoftmaxForward  = 3 + 4 + 4.5 + 4 + 3 - 2
	torchSoftmaxBackward = 3 + 6 + 4.5 + 4 + 3 - 3
	torchSoftmaxKernels  = 5 - 1 // either direction
)

// The same of fp32 scores, which nothing widens, a value being a pass.
const (
	torchSoftmax32Forward  = 2 + 2.25 + 2 - 2
	torchSoftmax32Backward = 3 + 2.25 + 2 - 3
	torchSoftmax32Kernels  = 3 - 1
)

// softmaxPasses is the passes over the scores that the softmax adds, and the kernels it
// starts beside its own, forward and backward alike.
func (u *unitContext) softmaxPasses(a *arch.Attention) (forward, backward, kernels float64) {
	switch {
	case u.fusedSoftmax(a):
		return 0, 0, 0
	case u.r.Precision.Compute == FP32:
		return torchSoftmax32Forward, torchSoftmax32Backward, torchSoftmax32Kernels
	}
	return torchSoftmaxForward, torchSoftmaxBackward, torchSoftmaxKernels
}
