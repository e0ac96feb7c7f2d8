package accounting

import "headroom/accounting/arch"

// A passes counts how often the values of an operation that is bound by memory
// are read or written, in units of one activation value. It depends on who wrote
// the operation: one kernel, or PyTorch's operations one after the other, some of
// them on fp32 copies of twice the size.
type passes struct {
	rms        [2]float64 // RMSNorm forward and backward
	rmsUpcasts bool       // RMSNorm works on fp32 copies, which rms counts: an fp32 input costs no more
	layerNorm  [2]float64 // one kernel in PyTorch too
	rotation   float64    // either direction
	gate       [2]float64 // activation of the gate, and the product with the up-projection
	activation [2]float64 // without a gate
	residual   [2]float64 // the two residual additions of a layer
	dropout    [2]float64 // its two dropouts with their masks, beside the additions
	loss       [2]float64 // a logit
	bias       float64    // the gradient of a bias: its sum over the tokens, where no product makes it
	// unpad is what code that takes padding away before FlashAttention passes over queries,
	// keys and values, and the other way round over the result that it pads again.
	unpad [2]float64
}

// fusedPasses are those of one kernel an operation: each input is read and each
// output written once.
var fusedPasses = passes{
	rms: [2]float64{2, 3}, layerNorm: [2]float64{2, 3}, rotation: 2, gate: [2]float64{3, 5}, activation: [2]float64{2, 3},
	residual: [2]float64{6, 4},
	dropout:  [2]float64{1, 5}, // in one kernel with the addition: the masks; backward a kernel each
	loss:     [2]float64{5, 4}, // fp32 copy, softmax, pick
}

// plainPasses are those of modelling code in PyTorch (transformers' llama and
// torchtitan's of 2024 alike), an fp32 value being two passes.
var plainPasses = passes{
	// x.float() 3, pow 4, mean 2, times rsqrt 4, back to 16 bits 3, times weight 2; backward
	// reads the saved input of each as well and adds the two ways through the mean.
	rms: [2]float64{18, 30}, rmsUpcasts: true,
	// Its backward is two kernels, for the input and for weight and bias, that read the same
	// (aten/src/ATen/native/cuda/layer_norm_kernel.cu, LayerNormBackwardKernelImplInternal).
	layerNorm: [2]float64{2, 5},
	// halves turned and joined 3, two products 4, their sum 3; or the same as fp32 complex
	// numbers.
	rotation:   10,
	gate:       [2]float64{5, 8}, // silu 2, product 3
	activation: [2]float64{2, 3},
	residual:   [2]float64{6, 4},
	dropout:    [2]float64{5, 5},
	bias:       1,                // addmm's backward sums the gradient (tools/autograd/derivatives.yaml)
	loss:       [2]float64{7, 7}, // fp32 copy 3, log-softmax 4; backward 4, and back to 16 bits 3
}

// mptPasses are those of llm-foundry's MPT: PyTorch's kernels one after the other, and
// flash-attn's fused cross-entropy on 16-bit logits, one pass forward and two backward
// (csrc/xentropy). Composer then computes its two train metrics, LanguageCrossEntropy
// and LanguagePerplexity, from the same logits with PyTorch's cross-entropy, under
// autocast and without a backward (llm-foundry 0.3, models/mpt/modeling_mpt.py;
// composer/trainer/trainer.py, _eval_train_metrics; composer/metrics/nlp.py). Around
// FlashAttention it gathers the tokens that are no padding, all of them, and fills zeros
// with the result (models/layers/attention.py, flash_attn_fn; flash-attn 2.4.2,
// bert_padding.py: gather, and backward zeros and scatter_); not around its port to Triton.
var mptPasses = passes{
	rms: plainPasses.rms, rmsUpcasts: true, layerNorm: plainPasses.layerNorm, rotation: plainPasses.rotation, gate: plainPasses.gate, activation: plainPasses.activation,
	residual: plainPasses.residual, dropout: plainPasses.dropout, bias: plainPasses.bias,
	loss: [2]float64{1 + 2*7, 2}, unpad: [2]float64{2, 3},
}

// mptNarrowPasses are the same under amp_fp8, which is TransformerEngine's context without
// torch.amp's (composer 0.16 and 0.17, core/precision.py): cross-entropy of the metrics
// stays in 16 bits, a log-softmax that reads and writes. te.Linear quantises the gradient
// of its output and sums it for the bias in one kernel (TransformerEngine 0.10,
// pytorch/module/base.py, grad_output_preprocess).
var mptNarrowPasses = passes{
	rms: plainPasses.rms, rmsUpcasts: true, layerNorm: plainPasses.layerNorm, rotation: plainPasses.rotation, gate: plainPasses.gate, activation: plainPasses.activation,
	residual: plainPasses.residual, dropout: plainPasses.dropout,
	loss: [2]float64{1 + 2*2, 2}, unpad: [2]float64{2, 3},
}

// megatronPasses are those of Megatron-Core without --cross-entropy-loss-fusion, whose
// vocabulary-parallel loss passes over fp32 logits.
var megatronPasses = passes{
	rms: [2]float64{2, 3}, layerNorm: [2]float64{2, 3}, rotation: 2, gate: [2]float64{3, 5}, activation: [2]float64{2, 3},
	residual: [2]float64{6, 4}, dropout: [2]float64{1, 5},
	// fp32 copy 3, maximum 2, minus it 4, exponential 4, sum 2, quotient 4; backward times
	// the gradient 4, and back to 16 bits 3 (tensor_parallel/cross_entropy.py).
	loss: [2]float64{19, 7},
}

// megatron2023Passes are those of Megatron-LM until 2023, with rotation and gate in plain
// PyTorch (megatron/model/transformer.py, rotary_pos_embedding.py).
var megatron2023Passes = passes{
	rms: [2]float64{2, 3}, layerNorm: [2]float64{2, 3}, rotation: 10, gate: [2]float64{5, 8}, activation: [2]float64{2, 3},
	residual: [2]float64{6, 4}, dropout: [2]float64{1, 5}, loss: [2]float64{19, 7},
}

// flashPasses are those of code on flash-attn's fused norm, rotation and loss, with
// the gate in plain PyTorch and the residual in fp32 (InternLM's modeling_internlm.py
// of 2023, residual_in_fp32).
var flashPasses = passes{
	rms: [2]float64{3, 5}, layerNorm: [2]float64{3, 5}, rotation: 2, gate: [2]float64{5, 8}, activation: [2]float64{2, 3},
	residual: [2]float64{10, 8}, dropout: [2]float64{5, 5}, loss: [2]float64{3, 2},
}

// norm is the passes of a norm of that kind over a stream whose values are so many times
// as wide as an activation.
func (p *passes) norm(kind arch.NormKind, wide float64) (forward, backward float64) {
	switch kind {
	case arch.NoNorm:
		return 0, 0
	case arch.LayerNorm, arch.LayerNormNoBias, arch.NormNoWeights:
		return wide * p.layerNorm[0], wide * p.layerNorm[1]
	}
	if p.rmsUpcasts {
		wide = 1
	}
	return wide * p.rms[0], wide * p.rms[1]
}

// activationPasses are those of the nonlinearity of a feed-forward, a value of its width.
func (u *unitContext) activationPasses(gated bool) *[2]float64 {
	if gated {
		return &u.passes.gate
	}
	return &u.passes.activation
}

// activation adds the nonlinearity of a feed-forward over so many values.
func (u *unitContext) activation(f, b *passTime, values float64, gated bool) {
	n := u.activationPasses(gated)
	times := 1.0
	if !gated && u.passes.bias == 0 { // fused with the addition of an fp32 bias
		times = u.wide()
	}
	u.stream(f, values, times*n[0])
	u.stream(b, values, times*n[1])
}
