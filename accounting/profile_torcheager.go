package accounting

import (
	"headroom/accounting/arch"
)

// torchEagerProfile is Hugging Face modelling code run by PyTorch without
// compilation: each tensor that autograd keeps, operation by operation.
var torchEagerProfile = Profile{
	Name:      "torch-eager",
	Summary:   "Hugging Face transformers 5.23 modelling code in eager PyTorch 2.15, sdpa or eager attention, with DDP or FSDP around it",
	Precision: "autocast",
	// "bf16" is the whole model in bf16: there are no fp32 master weights.
	Precisions:          map[string]string{"bf16-mixed": "bf16-pure"},
	Optimizer:           "adamw",
	Attention:           Flash,
	MaxZeRO:             3,
	Offloads:            OffloadOptimizer | OffloadParameters | OffloadActivations,
	OptimizerInBackward: true,
	Accumulates:         true,
	PEFT:                true,
	passes:              &plainPasses,
	Saved:               torchEagerSaved,
	Work:                torchEagerWork,
	Recompute:           []RecomputeMode{RecomputeNone, RecomputeFull},
	memory:              memoryRules{style: styleAutograd, runtime: torchRuntime},
}

// torchEagerSaved plays the section's forward pass.
func torchEagerSaved(m *arch.Model, r Recipe, s *Section) {
	t := &tape{section: s, model: m, code: &m.Code, recipe: &r, source: "transformers 5.23 modeling_" + m.Type + ".py"}
	switch s.Role {
	case RoleEmbedding:
		t.embedding()
	case RoleEncoder, RoleLayer:
		if r.Recompute.Mode == RecomputeFull {
			t.checkpoint()
			return
		}
		if r.Compile {
			TorchTitan{}.saved(m, r, s) // the compiler decides, whatever code it compiles
			return
		}
		t.layer(s.Layer)
	case RoleHead:
		t.head()
	}
	if r.Precision.Autocast {
		t.weightCopies()
	}
}

// weightCopies writes the 16-bit copy that autocast makes of every matrix, once a
// forward pass; backward needs it. Grouped products of experts stay as they are.
func (t *tape) weightCopies() {
	for i := range t.section.Components {
		c := &t.section.Components[i]
		for _, w := range c.Weights {
			batched := w.Shard == ByExpert && t.code.Router == arch.RouterDense
			off := c.Name == "router" && t.code.Router == arch.RouterSoftmaxClamped
			if w.Uses != nil && !off || batched {
				c.Saved = append(c.Saved, Tensor{Name: w.Name + "_copy", Shape: w.Shape, DType: t.compute(), Shard: w.Shard, Copy: true, Source: "torch.amp weight cache"})
			}
		}
	}
}

var (
	batch   = Prod(SymB)
	context = Prod(SymS)
	heads   = Prod(SymH)
	kvHeads = Prod(SymG)
)

// embedding plays the look-ups. What the layers share (rotary tables, a mask) is
// made before the first layer and counted here.
func (t *tape) embedding() {
	e := &t.model.Embedding
	t.at = "token_embedding"
	t.note("token_ids", Int64, Tokens, batch, context)
	if e.Positions > 0 {
		t.at = "position_embedding"
		if t.code.Positions != arch.PositionsBuffer {
			t.note("position_ids", Int64, Tokens, t.numbered()...)
		}
	}
	if e.TokenTypes > 0 {
		t.at = "type_embedding"
		t.note("token_types", Int64, Tokens, t.numbered()...)
	}
	x := t.fresh(t.hidden(), TokensSP, batch, context, symD)
	if e.Width != t.model.Hidden {
		x.shape[2] = Prod(SymEmb)
		x = t.linear("embedding_projection", x, TokensSP, symD)
	}
	x = t.norm("embedding_norm", e.Norm, t.code.Norm, x)
	t.at = "embedding_dropout"
	t.dropout(t.code.Dropout.Embedding, x)
	t.sharedTables()
}

// numbered is the shape of position and type numbers.
func (t *tape) numbered() []Expr {
	if t.code.Positions == arch.PositionsBatch {
		return []Expr{batch, context}
	}
	return []Expr{context}
}

// sharedTables writes the cosine and sine tables and masks that every layer reads.
func (t *tape) sharedTables() {
	t.at = "rotary_tables"
	rope := &t.code.Rope
	var seen []tableKey
	for _, k := range t.model.Sequence {
		a := &t.model.Kinds[k].Attention
		if a.RotaryDim == 0 || rope.PerLayer > 0 {
			continue
		}
		key := tableKey{dim: a.RotaryDim}
		if rope.ByKind {
			key.windowed = a.Window > 0
		}
		if containsTable(seen, key) {
			continue
		}
		seen = append(seen, key)
		t.tables(a.RotaryDim, 2)
	}
	if t.code.ALiBiMask && t.sdpaRuns() && !t.recipe.Precision.Autocast {
		t.at = "causal_mask"
		t.note("mask", t.hidden(), TokensTP, batch, Int(t.model.Kinds[0].Attention.Heads), context, context)
	}
	if t.code.MaskFill {
		t.at = "causal_mask"
		t.note("mask", Bool, Tokens, batch, context, context)
	}
}

// sdpaRuns says that attention goes through scaled_dot_product_attention.
func (t *tape) sdpaRuns() bool { return t.recipe.Attention.fused() && !t.code.EagerOnly }

type tableKey struct {
	dim      int64
	windowed bool
}

func containsTable(seen []tableKey, k tableKey) bool {
	for _, s := range seen {
		if s == k {
			return true
		}
	}
	return false
}

// tables writes n rotary tables.
func (t *tape) tables(dim, n int64) {
	d := t.tableType()
	dim += dim % 2 // an odd width has a frequency more
	if t.code.Rope.Half {
		dim /= 2
	}
	switch {
	case t.code.Rope.Tables == arch.TablesComplex: // one table of dim/2 complex64 angles
		t.note("rotary_angles", FP32, Tokens, context, Int(dim))
	case n == 2:
		t.note("cos", d, Tokens, context, Int(dim))
		t.note("sin", d, Tokens, context, Int(dim))
	default:
		t.note("cos_sin", d, Tokens, Int(n), context, Int(dim))
	}
}

func (t *tape) tableType() DType {
	switch t.code.Rope.Tables {
	case arch.TablesFP32, arch.TablesComplex:
		return FP32
	case arch.TablesCompute:
		return t.compute()
	default:
		return t.hidden()
	}
}

// checkpoint keeps the input of a layer that backward runs again
// (GradientCheckpointingLayer, torch.utils.checkpoint).
func (t *tape) checkpoint() {
	t.at = t.section.Components[0].Name
	t.note(layerInput, t.hidden(), TokensSP, batch, context, symD)
}

// layer plays one decoder layer.
func (t *tape) layer(l *arch.Layer) {
	d := &t.code.Dropout
	x := t.fresh(t.hidden(), TokensSP, batch, context, symD)
	in := x
	if !l.PostNorm {
		in = t.norm("input_norm", l.InputNorm, t.code.Norm, x)
	}
	a := t.attention(&l.Attention, in)
	if !(l.Parallel && t.code.OneDropout) {
		t.at = "out"
		a = t.dropout(d.Residual, a)
	}
	a = t.norm("post_attention_norm", l.PostAttnNorm, t.code.Norm, a)
	switch {
	case l.Parallel:
		if l.FFNNorm.Kind != arch.NoNorm {
			in = t.norm("ffn_norm", l.FFNNorm, t.code.Norm, x)
		}
	case l.PostNorm:
		x = t.like(x, wider(x.dtype, a.dtype))
		x = t.norm("input_norm", l.InputNorm, t.code.Norm, x)
		in = x
	default:
		x = t.like(x, wider(x.dtype, a.dtype))
		in = t.norm("ffn_norm", l.FFNNorm, t.code.Norm, x)
	}
	var f value
	if l.MoE != nil {
		f = t.moe(l.MoE, in)
	} else {
		f = t.ffn("", l.FFN, Prod(SymF), in)
	}
	t.at = t.section.last("down", "expert_down")
	f = t.dropout(d.FFN, f)
	f = t.norm("post_ffn_norm", l.PostFFNNorm, t.code.Norm, f)
	if l.PostNorm {
		t.norm("ffn_norm", l.FFNNorm, t.code.Norm, t.like(x, wider(x.dtype, f.dtype)))
	}
}

// last is the first of the names that is a component of the section.
func (s *Section) last(names ...string) string {
	for _, n := range names {
		if s.Component(n) != nil {
			return n
		}
	}
	return names[0]
}

// biased is the result of a product with a bias: of another type where the code
// adds an fp32 bias to a 16-bit product by hand.
func (t *tape) biased(has bool, v value) value {
	if has && t.code.BiasAfter {
		return t.cast(v, wider(v.dtype, t.hidden()))
	}
	return v
}

// ffn plays one dense feed-forward block; prefix "shared_" is the shared expert.
func (t *tape) ffn(prefix string, f *arch.FFN, width Expr, x value) value {
	var h value
	if f.Gated {
		var gate, up value
		if t.code.FusedGateUp {
			both := t.linear(prefix+"gate", x, TokensTP, width.Scale(2))
			gate = both.view(batch, context, width)
			up = gate
		} else {
			gate = t.linear(prefix+"gate", x, TokensTP, width)
			up = t.linear(prefix+"up", x, TokensTP, width)
		}
		act := t.activation(prefix+"activation", f.Activation, gate)
		t.at = prefix + "product"
		h = t.multiply("activated", act, "up", up)
	} else {
		up := t.biased(f.UpBias, t.linear(prefix+"up", x, TokensTP, width))
		h = t.activation(prefix+"activation", f.Activation, up)
	}
	return t.biased(f.DownBias, t.linear(prefix+"down", h, TokensSP, symD))
}

// head plays everything after the last layer. Logits are upcast to fp32, the
// log-softmax keeps its result; labels are padded by one token and shifted
// (transformers loss/loss_utils.py, ForCausalLMLoss).
func (t *tape) head() {
	m := t.model
	x := t.fresh(t.hidden(), TokensSP, batch, context, symD)
	x = t.norm("final_norm", m.FinalNorm, t.code.Norm, x)
	if m.Head.None {
		return
	}
	if m.Embedding.Width != m.Hidden {
		x = t.linear("head_projection", x, TokensSP, Prod(SymEmb))
	}
	if t.code.HeadTransform {
		x = t.activation("head_transform", m.Kinds[0].FFN.Activation, t.linear("head_transform", x, TokensSP, symD))
		x = t.norm("head_norm", arch.NewNorm(arch.LayerNorm, m.Hidden), t.code.Norm, x)
	}
	logits := t.linear("head", x, TokensVoc, symV)
	if m.Head.Softcap {
		t.keep("tanh", logits)
	}
	t.at = "loss"
	if t.recipe.Loss == LossChunked {
		// torchtune's CEWithChunkedOutputLoss: the head makes the logits of all chunks, the
		// loss widens one after the other.
		t.note("logits", t.compute(), TokensVoc, batch, context, symV)
	}
	if t.recipe.Loss == LossEager || t.recipe.Loss == LossChunked && !t.recipe.Compile {
		t.note("log_probabilities", FP32, TokensVoc, batch, context, symV)
	}
	t.note("labels", Int64, Tokens, batch, context)
	t.row(Tensor{Name: "label_padding", Shape: []Expr{Int(1)}, DType: Int64, When: When{MaxBatch: 1}})
	t.note("total_weight", FP32, Whole)
}
