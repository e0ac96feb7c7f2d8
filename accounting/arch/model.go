package arch

import "slices"

// A Model is the architecture of one transformer in the words of this package,
// whatever its config.json called them. It holds no tensor list: the ledger of
// package accounting derives weights, FLOPs and activations from it.
//
// A Model is immutable once built; every function takes it by pointer and only
// reads it.
type Model struct {
	Name   string // the name it was asked for by: a preset, or a path
	Type   string // Hugging Face model_type, "seed" for the worked example
	Source string // where the dimensions come from

	Hidden       int64 // model width d
	MaxPositions int64 // longest context the model was built for; 0 = not stated

	Embedding Embedding
	Kinds     []Layer // the distinct kinds of layer
	Sequence  []int   // layer i of the (decoder) stack is Kinds[Sequence[i]]
	Encoder   []int   // the same for the encoder of an encoder-decoder model
	FinalNorm Norm    // after the last layer
	EncNorm   Norm    // after the last encoder layer
	Head      Head
	Extras    []Extra // learned tensors outside the stack that fit nowhere above
	MTP       []Extra // multi-token-prediction layers: a row apart, not in the total

	Code  Code     // what the published modelling code does beside the mathematics
	Notes []string // assumptions a reader of the result must know, a sentence each
}

// Layers is the number of layers L of the main (decoder) stack.
func (m *Model) Layers() int64 { return int64(len(m.Sequence)) }

// Routed says that some layer is a mixture of experts.
func (m *Model) Routed() bool {
	return slices.ContainsFunc(m.Kinds, func(l Layer) bool { return l.MoE != nil })
}

// An Embedding is everything between token numbers and the first layer.
type Embedding struct {
	Vocab      int64 // rows of the token table, V
	Width      int64 // width of the token table; if not Hidden, a matrix projects it in and one out to the head
	Positions  int64 // rows of the learned position table; 0 = none
	TokenTypes int64 // rows of the token-type table (BERT); 0 = none
	Norm       Norm  // norm after the embedding (BLOOM, BERT)
	Scaled     bool  // multiplied by a constant (Gemma: √d); no weight
}

// A Head turns the last hidden state into logits.
type Head struct {
	None bool // no language-model head
	Tied bool // shares the token table: counted once
	Bias bool // one bias a vocabulary row
	// Softcap says that logits pass through tanh (Gemma 2).
	Softcap bool
	// Scaled says that logits are multiplied by a constant (Cohere, Granite).
	Scaled bool
}

// NormKind tells norms apart by the weights they hold.
type NormKind uint8

// Norm kinds. The zero value is "no norm here".
const (
	NoNorm          NormKind = iota
	RMSNorm                  // weight
	LayerNorm                // weight and bias
	LayerNormNoBias          // mean-subtracting, weight only
	NormNoWeights            // normalises, learns nothing (OLMo)
)

// A Norm is one normalisation.
type Norm struct {
	Kind    NormKind
	Width   int64 // elements normalised together
	Weights int64 // elements of the weight; Width, or heads·Width for per-head weights
}

// Elements is the number of learned values.
func (n Norm) Elements() int64 {
	switch n.Kind {
	case RMSNorm, LayerNormNoBias:
		return n.Weights
	case LayerNorm:
		return 2 * n.Weights
	default:
		return 0
	}
}

// NewNorm returns a norm over width elements with as many weights.
func NewNorm(kind NormKind, width int64) Norm {
	return Norm{Kind: kind, Width: width, Weights: width}
}

// A Layer is one kind of transformer layer.
type Layer struct {
	Name string // names the kind in tables: "dense", "moe", "sliding", …

	Attention Attention
	Cross     *Attention // cross-attention of a decoder; nil = none
	FFN       *FFN       // nil when the layer has experts in its place
	MoE       *MoE

	InputNorm    Norm // before attention
	PostAttnNorm Norm // on the attention output, inside the residual branch (Gemma 2, OLMo 2)
	CrossNorm    Norm // before cross-attention
	FFNNorm      Norm // before the feed-forward
	PostFFNNorm  Norm // on the feed-forward output, inside the residual branch

	Parallel bool // attention and feed-forward read the same input and are added once
	// PostNorm says that InputNorm and FFNNorm come after the residual additions
	// of attention and feed-forward instead of before them (BERT, GPT-1, OPT-350M).
	PostNorm bool
	Extras   []Extra // learned scalars and the like
}

// Attention is one attention block. Query and key heads are HeadDim wide,
// values ValueDim; with MLA, HeadDim = nope + rope.
type Attention struct {
	Heads, KVHeads    int64 // a, g
	HeadDim, ValueDim int64 // d_qk, d_v of one head
	RotaryDim         int64 // how much of HeadDim is rotated; 0 = no rotary positions
	Window            int64 // tokens a query sees; 0 = all
	Chunked           bool  // Window tokens are a fixed chunk, not a sliding one (Llama 4)
	Bidirectional     bool  // no causal mask (encoders, cross-attention)
	ALiBi             bool

	QBias, KBias, VBias, OBias bool
	QNorm, KNorm               Norm
	Sinks                      bool  // one learned scalar a head beside the softmax (gpt-oss)
	RelativeBuckets            int64 // rows of a learned relative-position table held by this layer (T5)
	Softcap                    bool  // scores pass through tanh (Gemma 2)

	MLA *MLA // multi-head latent attention; nil = none
}

// MLA holds the latent widths of multi-head latent attention.
// QRank 0 means that queries are projected directly.
type MLA struct {
	QRank, KVRank    int64
	NopeDim, RopeDim int64 // per head; HeadDim = NopeDim + RopeDim
	QNorm, KVNorm    Norm  // on the latents
}

// An FFN is one dense feed-forward block (or one expert).
type FFN struct {
	Width      int64 // f
	Gated      bool  // three matrices (gate, up, down) instead of two
	UpBias     bool  // also of the gate
	DownBias   bool
	Activation string // "silu", "gelu", "gelu_new", "relu", "relu2", "xielu", …
}

// A MoE is a routed feed-forward block.
type MoE struct {
	Experts, TopK  int64
	Expert         FFN
	Shared         *FFN // shared experts as one FFN; nil = none
	SharedGate     bool // a d-wide gate on the shared expert (Qwen2-MoE)
	RouterBias     bool
	CorrectionBias bool // one learned value an expert, outside gradient descent (DeepSeek-V3)
	// Groups are equal parts of the experts, and a token chooses its experts from so many
	// of them (n_group and topk_group; DeepSeek-V2, section 2.2.2); 0 = from all.
	Groups, TopKGroups int64
}

// An Extra is a learned tensor that no field above describes.
type Extra struct {
	Name     string
	Shape    []int64
	Count    int64 // how many tensors of this shape; 0 means 1
	Matrix   bool  // a matrix product that every token runs through, for FLOPs
	Once     bool  // Matrix, but only the first token of a sequence runs through it
	Position bool  // counts as embedding
}

// Elements is the number of learned values, all copies together.
func (e Extra) Elements() int64 {
	n := max(e.Count, 1)
	for _, s := range e.Shape {
		n *= s
	}
	return n
}
