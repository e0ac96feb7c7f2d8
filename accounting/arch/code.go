package arch

// Code says how the published modelling code (Hugging Face transformers 5.23)
// computes what the other fields of a Model describe, where that changes which
// tensors autograd keeps. It changes no parameter and no FLOP. The zero value is
// the llama code, which most others copy.
type Code struct {
	FusedQKV    bool // one matrix for q, k and v; the three are views of its output
	FusedGateUp bool // one matrix for gate and up; the two are views of its output

	Norm         NormCode // norms of the hidden state
	HeadNorm     NormCode // norms of queries and keys
	HeadNormLate bool     // queries and keys are normalised after the rotary embedding

	Rope     RopeCode
	KV       KVCode
	ClipQKV  bool // queries, keys and values are clamped, each keeping its input
	Scores   ScoresCode
	Softmax  SoftmaxCode
	MaskFill bool // the causal mask is filled in with masked_fill, which keeps it

	EagerOnly    bool // the class refuses sdpa
	ExplicitMask bool // sdpa always gets a mask, which rules the flash kernel out
	ALiBiMask    bool // that mask has the ALiBi biases of every head in it
	BiasAfter    bool // biases are added after the product, not in it (Falcon)
	OneDropout   bool // attention and feed-forward share one residual dropout

	Positions     PositionCode // how learned positions are numbered
	HeadTransform bool         // a dense layer, an activation and a norm before the head (BERT)

	Router   RouterCode
	NormTopK bool // the weights of the chosen experts are divided by their sum
	RouterUp bool // the router's 16-bit weight is upcast at each use
	Grouped  bool // experts are chosen from the best groups: a mask of scores is kept (DeepSeek-V2)

	Dropout Dropout
}

// NormCode tells how a norm is computed.
type NormCode uint8

// Norm codes. RMS norms upcast to fp32 and are composed of elementwise
// operations, each with its own saved operands.
const (
	NormRMS          NormCode = iota // weight · x̂.to(input type): keeps the 16-bit x̂ (llama)
	NormRMSWide                      // (weight · x̂).to(input type): keeps x̂ in fp32 (OLMo 2, gpt-oss)
	NormRMSPlusOne                   // x̂ · (1 + weight) in fp32, and the sum 1 + weight (Gemma)
	NormLayer                        // torch.nn.functional.layer_norm: input, mean, 1/σ
	NormLayerFP32                    // layer_norm of an fp32 copy, no weights (OLMo)
	NormLayerPlusOne                 // layer_norm with 1 + weight (Nemotron)
	NormLayerManual                  // mean and variance by hand in fp32 (Cohere)
	NormL2                           // x · 1/rms(x) without weights (Llama 4 queries and keys)
)

// RopeCode tells how rotary positions are applied. The products with the cosine
// and sine tables keep the tables.
type RopeCode struct {
	Tables   RopeTables
	PerLayer int64 // tables that every layer makes for itself; 0 = one pair for all layers
	// Cat says that the rotated part is concatenated with the rest, which leaves
	// queries and keys laid out heads first; flash attention's output then has that
	// layout too, and the output projection keeps a copy of it.
	Cat    bool
	ByKind bool // sliding and full layers have tables of their own (Gemma 3)
	Back   bool // the result is cast back to the type the queries came in
	Half   bool // the tables hold each angle once, not twice (gpt-oss)
}

// RopeTables is the type of the tables.
type RopeTables uint8

// Types of rotary tables.
const (
	TablesHidden  RopeTables = iota // the type of the hidden state
	TablesFP32                      // fp32
	TablesComplex                   // one complex64 table
	TablesCompute                   // the type of matrix products (GPT-J: einsum)
)

// KVCode tells how keys and values come out of a fused projection.
type KVCode uint8

// Key/value codes.
const (
	KVViews    KVCode = iota // views
	KVCopied                 // copies (CodeGen)
	KVPicked                 // copies picked by an index tensor (Falcon-7B)
	KVExpanded               // the same, copied to all query heads (Falcon-40B)
)

// ScoresCode tells in what type eager attention multiplies queries and keys.
type ScoresCode uint8

// Score codes.
const (
	ScoresNative ScoresCode = iota
	ScoresFP32              // queries and keys are upcast (GPT-J, GPT-Neo)
	ScoresUpcast            // the same with autocast off (GPT-2's reorder_and_upcast_attn)
)

// SoftmaxCode tells in what type eager attention's softmax runs.
type SoftmaxCode uint8

// Softmax codes.
const (
	SoftmaxFP32   SoftmaxCode = iota // fp32, then a copy in the type of the queries
	SoftmaxNative                    // the type of the scores, then the type of the values
	SoftmaxHidden                    // the type of the hidden state (Falcon)
)

// PositionCode tells where the numbers of learned positions come from.
type PositionCode uint8

// Position codes.
const (
	PositionsOnce   PositionCode = iota // made once, for all sequences
	PositionsBatch                      // made for every sequence (OPT)
	PositionsBuffer                     // a buffer of the model (GPT-1)
)

// RouterCode tells how a router turns logits into expert weights.
type RouterCode uint8

// Router codes.
const (
	RouterSoftmax        RouterCode = iota // softmax over all experts in fp32, weights in fp32 (Mixtral)
	RouterSoftmaxNarrow                    // the same, weights cast to 16 bits (Qwen)
	RouterSoftmaxFP32                      // router itself in fp32, weights fp32 (DeepSeek-V2)
	RouterSoftmaxBack                      // the same, weights in the type of its logits (Hunyuan)
	RouterSoftmaxClamped                   // router in fp32, clamped sum, weights cast (ERNIE 4.5)
	RouterTopSoftmax                       // softmax over the chosen experts, in fp32, weights cast (Granite)
	RouterTopNative                        // the same in the type of the logits (gpt-oss)
	RouterSigmoid                          // sigmoid of fp32 logits (MiniMax-M2)
	RouterSigmoidFP32                      // router itself in fp32 (DeepSeek-V3)
	RouterSparseMixer                      // two masked softmaxes (PhiMoE)
	RouterDense                            // every expert runs on every token, inputs scaled by a sigmoid (Llama 4)
)

// Dropout holds the rates that a config states, by the place where they act; a
// place that the code does not have stays zero.
type Dropout struct {
	Embedding float64 // after the embedding
	Attention float64 // on the softmax
	Residual  float64 // on the attention output
	FFN       float64 // on the feed-forward output
}
