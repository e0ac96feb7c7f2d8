package accounting

import (
	"fmt"
	"strings"

	"headroom/internal/suggest"
)

// A Precision says in how many bytes the states of one trained parameter are
// kept. Its name is part of every output (accounting.md 5.1).
type Precision struct {
	Name    string
	Weights DType // as kept between steps; the type of compute unless Compute says otherwise
	Compute DType // the type matrix products and most activations use
	// Bytes a parameter.
	WeightBytes   int64
	GradientBytes int64
	MasterBytes   int64 // an fp32 copy of 16-bit weights, kept by the optimizer
	MomentBytes   int64 // one optimizer moment
	AdapterBytes  int64 // what an adapter's weight has beyond WeightBytes
	Autocast      bool  // fp32 weights are cast to 16 bits by torch.amp at each use
	// Products is the format of the layers' matrix products where it is narrower than
	// Compute. Attention, norms, the head and the optimizer stay in Compute and wider.
	Products Format
	Half     bool // the 16-bit format is fp16, not bf16
	Reduce16 bool // gradients are reduced in 16 bits, though kept wider
	Source   string
}

// Precisions are the known recipes, the first is the default of real models.
var precisions = []Precision{
	{Name: "bf16-mixed", Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 4, MasterBytes: 4, MomentBytes: 4, Source: "Megatron-Core with fp32 gradient accumulation"},
	{Name: "fp32", Weights: FP32, Compute: FP32, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "plain PyTorch; the worked example"},
	{Name: "fp16-mixed", Half: true, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 6, MasterBytes: 4, MomentBytes: 4, Source: "Megatron-Core fp16: 16-bit gradients and their fp32 copy"},
	{Name: "bf16-mixed-grad16", Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 2, MasterBytes: 4, MomentBytes: 4, Source: "DeepSpeed ZeRO, 16-bit gradients"},
	{Name: "bf16-deepspeed", Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 6, MasterBytes: 4, MomentBytes: 4, Source: "DeepSpeed BF16_Optimizer: whole fp32 gradients, and the 16-bit ones that a backward adds to them"},
	{Name: "fp16-deepspeed", Half: true, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 4, MasterBytes: 4, MomentBytes: 4, Source: "DeepSpeed ZeRO-1 of 2021, fp16: 16-bit gradients and their flat copy under reduction"},
	{Name: "fp16-mixed-grad16", Half: true, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 2, MasterBytes: 4, MomentBytes: 4, Source: "DeepSpeed ZeRO, 16-bit gradients, fp16"},
	{Name: "autocast", Weights: FP32, Compute: BF16, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Autocast: true, Source: "torch.amp bf16 over fp32 parameters"},
	{Name: "bf16-pure", Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 2, MomentBytes: 2, Source: "torchtune, small-GPU fine-tuning: everything in bf16"},
	{Name: "fp32-compute", Weights: FP32, Compute: FP32, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "FSDP2 without mixed precision: fp32 throughout"},
	{Name: "fsdp-mixed", Weights: FP32, Compute: BF16, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "FSDP2 MixedPrecisionPolicy: fp32 shards, bf16 only while gathered"},
	{Name: "fsdp-pure", Reduce16: true, Weights: FP32, Compute: BF16, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "FSDP under Composer's mixed_precision PURE, and DEFAULT from 0.13.2 to 0.16.3: fp32 shards, gradients reduced in bf16 (composer/trainer/mosaic_fsdp_utils.py)"},
	{Name: "fp8-mixed", Products: FormatFP8, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 4, MasterBytes: 4, MomentBytes: 4, Source: "TransformerEngine fp8 (delayed or current scaling): bf16 states, fp8 matrix products of the layers"},
	{Name: "mxfp8-mixed", Products: FormatMXFP8, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 4, MasterBytes: 4, MomentBytes: 4, Source: "TransformerEngine mxfp8: bf16 states, block-scaled fp8 matrix products of the layers"},
	{Name: "nvfp4-mixed", Products: FormatFP4, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 4, MasterBytes: 4, MomentBytes: 4, Source: "TransformerEngine nvfp4: bf16 states, fp4 matrix products of the layers"},
	{Name: "fp8-mixed-grad16", Products: FormatFP8, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 2, MasterBytes: 4, MomentBytes: 4, Source: "fp8-mixed with grad_reduce_in_fp32 = False: NVIDIA's performance recipes"},
	{Name: "mxfp8-mixed-grad16", Products: FormatMXFP8, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 2, MasterBytes: 4, MomentBytes: 4, Source: "mxfp8-mixed with grad_reduce_in_fp32 = False: NVIDIA's performance recipes"},
	{Name: "nvfp4-mixed-grad16", Products: FormatFP4, Weights: BF16, Compute: BF16, WeightBytes: 2, GradientBytes: 2, MasterBytes: 4, MomentBytes: 4, Source: "nvfp4-mixed with grad_reduce_in_fp32 = False: NVIDIA's performance recipes"},
	{Name: "fsdp-fp8", Products: FormatFP8, Weights: FP32, Compute: BF16, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "FSDP2 with torchao float8 linear layers: fp32 shards, fp8 matrix products of the layers"},
	{Name: "fsdp-fp8-pure", Reduce16: true, Products: FormatFP8, Weights: FP32, Compute: BF16, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "fsdp-pure with TransformerEngine's fp8 linear layers (composer/core/precision.py, amp_fp8)"},
	{Name: "fsdp-mxfp8", Products: FormatMXFP8, Weights: FP32, Compute: BF16, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "FSDP2 with torchao mxfp8 linear layers"},
	{Name: "fsdp-nvfp4", Products: FormatFP4, Weights: FP32, Compute: BF16, WeightBytes: 4, GradientBytes: 4, MomentBytes: 4, Source: "FSDP2 with torchao nvfp4 linear layers"},
}

var precisionAliases = map[string]string{
	"bf16": "bf16-mixed", "fp16": "fp16-mixed", "mixed": "bf16-mixed", "amp": "autocast", "float32": "fp32", "fsdp": "fsdp-mixed",
	"fp8": "fp8-mixed", "mxfp8": "mxfp8-mixed", "nvfp4": "nvfp4-mixed", "fp4": "nvfp4-mixed",
}

// PrecisionNames lists the known recipes, default first.
func PrecisionNames() []string { return names(precisions, func(p Precision) string { return p.Name }) }

// ParsePrecision finds a recipe by name; an unknown one is an error that names the nearest.
func ParsePrecision(name string) (Precision, error) {
	key := strings.ToLower(name)
	if a, ok := precisionAliases[key]; ok {
		key = a
	}
	return find("recipe", key, precisions, func(p Precision) string { return p.Name })
}

// An Optimizer says how many moments are kept and what an update costs.
type Optimizer struct {
	Name string
	// Moments kept for a matrix and for a vector parameter.
	MatrixMoments, VectorMoments int64
	Factored                     bool // second moment as row and column sums (Adafactor)
	// Bits of a moment that is kept in codes, with an fp32 scale for each Block of them;
	// 0 = as the recipe has moments (bitsandbytes and torchao/optim/subclass_*bit.py).
	Bits, Block int64
	Ops         []OptimizerOp
}

// An OptimizerOp is one line of an optimizer's arithmetic.
type OptimizerOp struct {
	Name  string
	FLOPs int64 // a parameter
}

// adamwOps are the 14 operations of one AdamW update. The bias corrections fold
// into the step size, one scalar a step: nothing a parameter.
var adamwOps = []OptimizerOp{
	{"first moment: β₁m + (1−β₁)g", 3},
	{"second moment: β₂v + (1−β₂)g²", 4},
	{"bias correction, folded into the step size", 0},
	{"step: θ − α·m/(√v + ε)", 5},
	{"decoupled decay: θ − ηλθ", 2},
}

var optimizers = []Optimizer{
	{Name: "adamw", MatrixMoments: 2, VectorMoments: 2, Ops: adamwOps},
	{Name: "sgd", Ops: []OptimizerOp{{"step: θ − ηg", 2}}},
	{Name: "momentum", MatrixMoments: 1, VectorMoments: 1, Ops: []OptimizerOp{{"momentum: μm + g", 2}, {"step: θ − ηm", 2}}},
	{Name: "lion", MatrixMoments: 1, VectorMoments: 1, Ops: []OptimizerOp{{"update: sign(β₁m + (1−β₁)g)", 4}, {"decay and step", 4}, {"moment: β₂m + (1−β₂)g", 3}}},
	{Name: "adafactor", VectorMoments: 1, Factored: true, Ops: []OptimizerOp{{"factored second moment", 4}, {"step", 5}}},
	{Name: "muon", MatrixMoments: 1, VectorMoments: 2, Ops: []OptimizerOp{{"momentum", 2}, {"step and decay", 4}}},
	{Name: "adam8bit", MatrixMoments: 2, VectorMoments: 2, Bits: 8, Block: 256, Ops: adamwOps},
	{Name: "adam4bit", MatrixMoments: 2, VectorMoments: 2, Bits: 4, Block: 128, Ops: adamwOps},
}

// FLOPsPerParameter is the arithmetic of one update of one parameter.
func (o Optimizer) FLOPsPerParameter() int64 {
	var n int64
	for _, op := range o.Ops {
		n += op.FLOPs
	}
	return n
}

// OptimizerNames lists the known optimizers, default first.
func OptimizerNames() []string { return names(optimizers, func(o Optimizer) string { return o.Name }) }

var optimizerAliases = map[string]string{
	"adam": "adamw", "decoupled_adamw": "adamw", "fusedadam": "adamw", "adamw_8bit": "adam8bit", "adam_8bit": "adam8bit", "paged_adamw_8bit": "adam8bit", "adamw_4bit": "adam4bit",
}

// ParseOptimizer finds an optimizer by name; an unknown one is an error that names the nearest.
func ParseOptimizer(name string) (Optimizer, error) {
	key := strings.ToLower(name)
	if a, ok := optimizerAliases[key]; ok {
		key = a
	}
	return find("optimizer", key, optimizers, func(o Optimizer) string { return o.Name })
}

// AttentionKernel says whether the S×S scores are stored.
type AttentionKernel uint8

// Attention kernels.
const (
	Flash   AttentionKernel = iota // fused: the scores never reach memory; in the kernel that the framework takes
	Unfused                        // scores, softmax and its copies are stored
	Flash1                         // FlashAttention 1, before July 2023: the memory of flash, but slower
	Triton                         // the port of Flash1 to Triton (HazyResearch's flash_attn_triton.py): a little faster
	Flash2                         // FlashAttention 2, which has Ampere's instructions also on Hopper
	Flash3                         // FlashAttention 3 and cuDNN's, with the part's own
)

// AttentionNote explains the names that do not speak for themselves.
const AttentionNote = "flash: the framework's own; flash1: FlashAttention before July 2023; triton: its port; flash2: with Ampere's instructions on Hopper; flash3: FlashAttention 3 or cuDNN"

// AttentionNames lists the attention kernels.
func AttentionNames() []string {
	return []string{"flash", "unfused", "flash1", "triton", "flash2", "flash3"}
}

// String is the name of the flag value.
func (a AttentionKernel) String() string {
	return [...]string{"flash", "unfused", "flash1", "triton", "flash2", "flash3"}[a]
}

// fused says that the scores never reach memory.
func (a AttentionKernel) fused() bool { return a != Unfused }

// under is the kernel that is meant under a profile: flash is the framework's own.
func (a AttentionKernel) under(p *Profile) AttentionKernel {
	if a == Flash && !p.CuDNN {
		return Flash2
	}
	return a
}

// early says that a kernel knows Ampere's instructions alone.
func (a AttentionKernel) early() bool { return a == Flash1 || a == Triton || a == Flash2 }

// ParseAttention reads the name of a kernel; sdpa and eager, their names in
// Hugging Face code, are understood.
func ParseAttention(name string) (AttentionKernel, error) {
	switch strings.ToLower(name) {
	case "flash", "sdpa", "te", "fused":
		return Flash, nil
	case "unfused", "eager", "core":
		return Unfused, nil
	case "flash1":
		return Flash1, nil
	case "triton":
		return Triton, nil
	case "flash2":
		return Flash2, nil
	case "flash3":
		return Flash3, nil
	}
	return 0, unknown("attention", name, AttentionNames())
}

// SoftmaxKernel is the code of Megatron's causal softmax where attention is unfused.
type SoftmaxKernel uint8

// Softmax kernels.
const (
	SoftmaxByLength SoftmaxKernel = iota // the fused kernel where it can run
	SoftmaxFused                         // the fused kernel
	SoftmaxTorch                         // PyTorch's, of scores filled in with a mask
)

// LossKernel says what the cross-entropy stores.
type LossKernel uint8

// Loss kernels.
const (
	LossEager   LossKernel = iota // the framework's own: fp32 logits and log-softmax are stored
	LossFused                     // one kernel: the gradient takes the place of the logits
	LossChunked                   // head and loss run over slices of the tokens
)

// String is the name of the flag value.
func (l LossKernel) String() string { return [...]string{"eager", "fused", "chunked"}[l] }

// ParseLoss reads "eager", "fused" or "chunked".
func ParseLoss(name string) (LossKernel, error) {
	for l := LossEager; l <= LossChunked; l++ {
		if strings.EqualFold(name, l.String()) {
			return l, nil
		}
	}
	return 0, unknown("loss", name, []string{"eager", "fused", "chunked"})
}

// A Recipe is how a model is trained, apart from where: number formats,
// optimizer, kernels and what is recomputed.
type Recipe struct {
	Precision Precision
	Optimizer Optimizer
	Attention AttentionKernel
	Recompute Recompute
	Loss      LossKernel
	Dropout   float64       // probability; 0 = off
	Routed    Routed        // how routed feed-forwards run
	MTP       int64         // layers that predict a further token
	Softmax   SoftmaxKernel // of Megatron's unfused attention
	Trainable Trainable
	Offload   Offload
	// Compile says that torch.compile (or XLA) fuses what the framework writes as
	// single operations, layer by layer, and keeps only what products and attention
	// read. Profiles with kernels of their own do not depend on it.
	Compile bool
	// OptimizerInBackward updates each parameter as soon as its gradient is there and
	// drops the gradient (torchtune's optimizer_in_bwd, torchtitan's
	// early_step_in_backward).
	OptimizerInBackward bool
	// Foreach: the optimizer's update runs over lists of tensors (PyTorch's foreach),
	// which makes temporaries as large as one moment, and not in one fused kernel.
	Foreach bool
	// Reduce is the type in which FSDP2 reduces gradients, and Megatron keeps and reduces
	// them (grad_reduce_in_fp32); the zero value is fp32.
	Reduce DType
	// ReduceLast: gradients are reduced in the last micro-batch only and kept whole
	// until then (FSDP2's set_requires_gradient_sync).
	ReduceLast bool
	Overlap    Overlap // communication behind computation
}

func names[T any](all []T, name func(T) string) []string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = name(x)
	}
	return out
}

func find[T any](kind, key string, all []T, name func(T) string) (T, error) {
	for _, x := range all {
		if name(x) == key {
			return x, nil
		}
	}
	var zero T
	return zero, unknown(kind, key, names(all, name))
}

// An UnknownNameError is a name that is in no list, with the nearest ones that are.
type UnknownNameError struct {
	Kind, Name string
	Known      []string
	Nearest    []string
}

func unknown(kind, name string, known []string) error {
	return &UnknownNameError{Kind: kind, Name: name, Known: known, Nearest: suggest.Nearest(name, known, 1)}
}

func (e *UnknownNameError) Error() string {
	hint := "known: " + strings.Join(e.Known, ", ")
	if len(e.Nearest) > 0 {
		hint = fmt.Sprintf("did you mean %s? (%s)", e.Nearest[0], hint)
	}
	return fmt.Sprintf("unknown %s %q; %s", e.Kind, e.Name, hint)
}
