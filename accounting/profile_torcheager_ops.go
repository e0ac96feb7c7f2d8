package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// A storage is memory that a tensor of the forward pass lives in. Views share it,
// and autograd's keeping it twice costs nothing the second time.
type storage struct {
	shape []Expr
	dtype DType
	shard Shard
	kept  []When // conditions under which autograd keeps it already
}

// A value is a tensor of the forward pass as autograd sees it.
type value struct {
	shape []Expr
	dtype DType
	store *storage
	// headsFirst says that the memory runs over heads before tokens.
	headsFirst bool
}

// A tape plays the forward pass of one section, operation by operation, and
// writes to the section what PyTorch's autograd keeps of each: the operands and
// results that its backward formula names (pytorch
// tools/autograd/derivatives.yaml), every storage once, parameters left out.
// Under autocast, matrix products cast their inputs to 16 bits and softmax,
// norms, powers and exponentials theirs to fp32 (pytorch
// aten/src/ATen/autocast_mode.h); each cast of an activation is a new tensor.
type tape struct {
	section *Section
	model   *arch.Model
	code    *arch.Code
	recipe  *Recipe
	at      string // component that operations write to
	when    When   // condition of the branch being played
	source  string
}

// under plays a branch that the code takes only at some sizes.
func (t *tape) under(when When, branch func()) {
	before := t.when
	t.when = when
	branch()
	t.when = before
}

// hidden is the type of parameters and of the residual stream.
func (t *tape) hidden() DType {
	if t.recipe.Precision.Autocast {
		return t.recipe.Precision.Weights
	}
	return t.recipe.Precision.Compute
}

func (t *tape) compute() DType { return t.recipe.Precision.Compute }

func (t *tape) fresh(d DType, shard Shard, shape ...Expr) value {
	return value{shape: shape, dtype: d, store: &storage{shape: shape, dtype: d, shard: shard}}
}

// like is a new tensor of the shape of v.
func (t *tape) like(v value, d DType) value {
	out := t.fresh(d, v.store.shard, v.shape...)
	out.headsFirst = v.headsFirst
	return out
}

// view is v in another shape.
func (v value) view(shape ...Expr) value { v.shape = shape; return v }

// cast is Tensor.to: the same tensor where the type is the same, a new one otherwise.
func (t *tape) cast(v value, d DType) value {
	if v.dtype == d {
		return v
	}
	return t.like(v, d)
}

// product is v as a matrix product reads it.
func (t *tape) product(v value) value {
	if t.recipe.Precision.Autocast {
		return t.cast(v, t.compute())
	}
	return v
}

// wide is v as an operation reads it that autocast runs in fp32.
func (t *tape) wide(v value) value {
	if t.recipe.Precision.Autocast {
		return t.cast(v, FP32)
	}
	return v
}

// wider is the type of an elementwise result of two tensors.
func wider(a, b DType) DType {
	if a == FP32 || b == FP32 {
		return FP32
	}
	return a
}

// keep writes that autograd keeps v.
func (t *tape) keep(name string, v value) {
	if slices.Contains(v.store.kept, When{}) || slices.Contains(v.store.kept, t.when) {
		return
	}
	v.store.kept = append(v.store.kept, t.when)
	t.row(Tensor{Name: name, Shape: v.store.shape, DType: v.store.dtype, Shard: v.store.shard})
}

// note writes a tensor that nothing else reads.
func (t *tape) note(name string, d DType, shard Shard, shape ...Expr) {
	t.row(Tensor{Name: name, Shape: shape, DType: d, Shard: shard})
}

func (t *tape) row(x Tensor) {
	x.Source = t.source
	if x.When == (When{}) {
		x.When = t.when
	}
	c := t.section.Component(t.at)
	if c == nil {
		t.section.add(t.at, GroupResidual)
		c = t.section.Component(t.at)
	}
	c.Saved = append(c.Saved, x)
}

// linear is a matrix product with a weight: it keeps its input.
func (t *tape) linear(component string, x value, shard Shard, width Expr) value {
	t.at = component
	in := t.product(x)
	t.keep("input", in)
	return t.fresh(in.dtype, shard, append(slices.Clone(x.shape[:len(x.shape)-1]), width)...)
}

// multiply keeps both factors, each for the gradient of the other.
func (t *tape) multiply(nameA string, a value, nameB string, b value) value {
	t.keep(nameA, a)
	t.keep(nameB, b)
	return t.like(a, wider(a.dtype, b.dtype))
}

// dropout keeps a mask of one byte an element.
func (t *tape) dropout(rate float64, x value) value {
	if t.recipe.Dropout == 0 || rate == 0 {
		return x
	}
	t.note("dropout_mask", Bool, x.store.shard, x.shape...)
	return t.like(x, x.dtype)
}

// norm plays one normalisation over the last dimension of x.
func (t *tape) norm(component string, n arch.Norm, code arch.NormCode, x value) value {
	if n.Kind == arch.NoNorm {
		return x
	}
	t.at = component
	lead := x.shape[:len(x.shape)-1]
	stat := func(name string) { t.note(name, FP32, x.store.shard, lead...) }
	width := Int(n.Weights)
	if c := t.section.Component(component); c != nil && len(c.Weights) > 0 {
		width = c.Weights[0].Elems()
	}
	switch code {
	case arch.NormLayer:
		in := t.wide(x)
		t.keep("input", in)
		stat("mean")
		stat("rstd")
		return t.like(in, in.dtype)
	case arch.NormLayerFP32:
		in := t.cast(x, FP32)
		t.keep("input_fp32", in)
		stat("mean")
		stat("rstd")
		return t.cast(t.like(in, FP32), x.dtype)
	case arch.NormLayerPlusOne:
		// Input, 1 + weight and bias are cast to 16 bits by hand under autocast, and
		// the casts of weights are weight copies.
		in := t.product(x)
		t.keep("input", in)
		if t.recipe.Precision.Autocast {
			t.row(Tensor{Name: "weight_and_bias_copy", Shape: []Expr{width.Scale(2)}, DType: in.dtype, Copy: true})
		} else {
			t.note("one_plus_weight", t.hidden(), Whole, width)
		}
		stat("mean")
		stat("rstd")
		return t.like(in, in.dtype)
	case arch.NormLayerManual:
		stat("rstd")
		t.note("centred_squared", FP32, x.store.shard, x.shape...)
		t.note("centred", FP32, x.store.shard, x.shape...)
		t.note("normalised", FP32, x.store.shard, x.shape...)
		if t.hidden() != FP32 {
			t.note("weight_fp32", FP32, Whole, width)
		}
		return t.cast(t.like(x, FP32), x.dtype)
	}
	// The RMS norms: x.float().pow(2).mean().rsqrt() · x.float().
	in := t.cast(x, FP32)
	t.keep("input_fp32", in)
	stat("rstd")
	normalised := t.like(in, FP32)
	switch code {
	case arch.NormL2:
		return t.cast(normalised, x.dtype)
	case arch.NormRMSPlusOne:
		t.keep("normalised", normalised)
		t.note("one_plus_weight", FP32, Whole, width)
		return t.cast(t.like(in, FP32), x.dtype)
	case arch.NormRMSWide:
		t.keep("normalised", normalised)
		return t.cast(t.like(in, FP32), x.dtype)
	default:
		normalised = t.cast(normalised, x.dtype)
		t.keep("normalised", normalised)
		return t.like(in, wider(t.hidden(), x.dtype))
	}
}

// activation plays an activation function of transformers/activations.py.
func (t *tape) activation(component, name string, x value) value {
	t.at = component
	same := func(d DType) value { return t.like(x, d) }
	switch name {
	case "relu", "sigmoid", "tanh": // keep their result
		out := same(x.dtype)
		t.keep("output", out)
		return out
	case "relu2":
		relu := same(x.dtype)
		t.keep("relu", relu)
		in := t.wide(relu)
		t.keep("relu_fp32", in)
		return t.like(in, in.dtype)
	case "quick_gelu":
		return t.multiply("input", x, "sigmoid", same(x.dtype))
	case "gelu_new": // 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
		cubed := t.wide(x)
		t.keep("input", cubed)
		inner := wider(x.dtype, cubed.dtype)
		t.keep("tanh", same(inner))
		return t.multiply("half", same(x.dtype), "one_plus_tanh", same(inner))
	case "gelu_fast": // 0.5·x·(1 + tanh(x·0.79788·(1 + 0.044715·x·x)))
		t.multiply("scaled", same(x.dtype), "input", x)
		t.multiply("scaled_2", same(x.dtype), "one_plus_square", same(x.dtype))
		t.keep("tanh", same(x.dtype))
		return t.multiply("half", same(x.dtype), "one_plus_tanh", same(x.dtype))
	case "xielu":
		// where(x > 0, α_p·x·x + βx, (expm1(min(x, ε)) − x)·α_n + βx)
		t.keep("input", x)
		d := wider(x.dtype, t.hidden())
		t.note("alphas", d, Whole, Int(2))
		t.keep("alpha_x", same(d))
		t.keep("expm1", t.wide(same(x.dtype)))
		t.keep("expm1_less_x", same(d))
		t.note("positive", Bool, x.store.shard, x.shape...)
		return same(d)
	default: // gelu, gelu_pytorch_tanh, silu: one kernel that keeps its input
		t.keep("input", x)
		return same(x.dtype)
	}
}
