package accounting

import "fmt"

// DType is the type of one stored element.
type DType uint8

// Element types.
const (
	FP32 DType = iota
	BF16       // also stands for fp16: two bytes either way
	FP8
	Bool  // dropout and other masks: one byte an element in PyTorch
	Int64 // token numbers
	Int32
	FP64
)

var dtypes = [...]struct {
	name  string
	bytes int64
}{FP32: {"fp32", 4}, BF16: {"bf16", 2}, FP8: {"fp8", 1}, Bool: {"bool", 1}, Int64: {"int64", 8}, Int32: {"int32", 4}, FP64: {"fp64", 8}}

// Bytes is the size of one element.
func (d DType) Bytes() int64 { return dtypes[d].bytes }

// String is the name people write.
func (d DType) String() string { return dtypes[d].name }

// A Shard is the rule by which a tensor is cut among ranks.
type Shard uint8

// Sharding rules. Weights use the first five; saved activations the last ones,
// where "tokens" means that context parallelism cuts the sequence.
const (
	Whole      Shard = iota // every rank of the stage holds all of it
	ByTP                    // ÷ tp
	ByKV                    // ÷ min(tp, kv heads): fewer key/value heads than tp ranks are copied
	ByVocab                 // vocabulary rows padded and ÷ tp
	ByExpert                // ÷ ep, and ÷ expert-tp
	Tokens                  // activation outside the tensor-parallel region, kept whole by each tp rank: ÷ cp
	TokensSP                // the same, cut by sequence parallelism where it is on: ÷ cp, ÷ tp
	TokensTP                // activation inside the tensor-parallel region: ÷ cp, ÷ tp
	TokensKV                // keys or values: ÷ cp, ÷ min(tp, kv heads)
	TokensVoc               // logits: ÷ cp, vocabulary rows padded and ÷ tp
	TokensEP                // inside the routed experts, balanced: ÷ cp·tp (the width by expert-tp, the tokens by the rest)
	TokensEPIn              // input or output of the routed experts: ÷ cp, ÷ tp/expert-tp
	ByEP                    // ÷ ep alone
	numShards
)

var shardText = [numShards]string{
	Whole: "replicated", ByTP: "÷tp", ByKV: "÷min(tp,g)", ByVocab: "÷tp (vocabulary)", ByExpert: "÷ep",
	Tokens: "÷cp", TokensSP: "÷cp, ÷tp with sp", TokensTP: "÷cp·tp", TokensKV: "÷cp·min(tp,g)",
	TokensVoc: "÷cp·tp (vocabulary)", TokensEP: "÷cp·tp (experts)", TokensEPIn: "÷cp·tp/expert-tp (expert inputs)", ByEP: "÷ep alone",
}

// String states the rule.
func (s Shard) String() string { return shardText[s] }

// A Tensor is one stored tensor: a weight, or an activation kept for backward.
type Tensor struct {
	Name  string
	Shape []Expr // outermost first; a single entry may stand for a flattened shape
	DType DType  // weights: the recipe decides, see [Precision]
	Shard Shard
	// Uses is how often a token runs through a weight as a matrix product, nil for
	// a weight that is not one (norms, biases, tables that are looked up).
	Uses Expr
	// Tied marks a weight that is stored elsewhere already: it costs FLOPs, no memory.
	Tied bool
	// Frozen marks a weight that is not trained: no gradient, no optimizer states.
	Frozen bool
	// Untrained marks values outside gradient descent (router correction bias).
	Untrained bool
	// Parts says that only one of so many equal parts exists at a time; 0 means all.
	Parts int64
	// Later marks a working tensor of the head that lives after the loss, in the
	// backward of the head's own product.
	Later bool
	// Moment tells the working tensors of alternative moments apart: of those with a
	// moment only the larger group counts, beside those without (0).
	Moment uint8
	// Copy marks a 16-bit copy of a weight that autocast keeps until backward: it
	// costs memory like a saved tensor and is counted apart from them.
	Copy bool
	// Kernel marks what a fused kernel's own autograd function keeps beside the
	// tensors of the code around it: memory, but no part of SavedTotalBytes.
	Kernel bool
	// Source says which code keeps the tensor, for saved activations.
	Source string
	// When limits the sizes at which a saved tensor exists.
	When When
}

// numMoments is one more than the largest Tensor.Moment.
const numMoments = 7

// When says at which micro-batches and contexts a saved tensor exists; the zero
// value says always. Code takes another path where a batch is a single sequence
// (a view in place of a copy) or where the context passes a sliding window.
type When struct {
	MaxBatch, MinBatch     int64 // 0 = no limit
	MaxContext, MinContext int64 // 0 = no limit
	MaxTP, MinTP           int64 // 0 = no limit
	MinEP                  int64
}

// Holds says whether b sequences of s tokens on tp tensor-parallel and ep
// expert-parallel ranks are within the limits.
func (w When) Holds(b, s, tp, ep int64) bool {
	return b >= w.MinBatch && ep >= w.MinEP && s >= w.MinContext && tp >= w.MinTP && (w.MaxTP == 0 || tp <= w.MaxTP) &&
		(w.MaxBatch == 0 || b <= w.MaxBatch) && (w.MaxContext == 0 || s <= w.MaxContext)
}

// Elems is the number of elements, as algebra.
func (t *Tensor) Elems() Expr {
	n := Int(1)
	for _, d := range t.Shape {
		n = n.Times(d)
	}
	return n
}

// Bytes is the size in bytes, as algebra.
func (t *Tensor) Bytes() Expr { return t.Elems().Scale(t.DType.Bytes()) }

func (t *Tensor) String() string {
	return fmt.Sprintf("%s %v %s %s", t.Name, t.Shape, t.DType, t.Shard)
}
