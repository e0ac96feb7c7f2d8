package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// attention plays one self-attention block from its normalised input to the
// output projection.
func (t *tape) attention(a *arch.Attention, x value) value {
	var q, k, v value
	if a.MLA != nil {
		q, k, v = t.latentHeads(a, x)
	} else {
		q, k, v = t.heads(a, x)
	}
	var out value
	if t.sdpaRuns() {
		out = t.sdpa(a, q, k, v)
	} else {
		out = t.eager(a, q, k, v)
	}
	return t.biased(a.OBias, t.linear("out", out, TokensSP, symD))
}

// heads plays the projections, norms and rotary embedding of queries, keys and values.
func (t *tape) heads(a *arch.Attention, x value) (q, k, v value) {
	qw, kw, vw := Prod(SymH, SymK), Prod(SymG, SymK), Prod(SymG, SymKV)
	if t.code.FusedQKV {
		all := t.biased(a.QBias, t.linear("qkv", x, TokensTP, qw.Plus(kw).Plus(vw)))
		q, k, v = all, all, all
	} else {
		q = t.linear("qkv", x, TokensTP, qw)
		k = t.linear("qkv", x, TokensKV, kw)
		v = t.linear("qkv", x, TokensKV, vw)
	}
	if !t.code.HeadNormLate {
		q, k = t.headNorms(a, q, k)
	}
	if t.code.ClipQKV {
		t.at = "qkv"
		t.keep("q_before_clamp", t.like(q, q.dtype))
		t.keep("k_before_clamp", t.like(k, k.dtype))
		t.keep("v_before_clamp", t.like(v, v.dtype))
	}
	q = q.view(batch, heads, context, Prod(SymK))
	k = k.view(batch, kvHeads, context, Prod(SymK))
	v = v.view(batch, kvHeads, context, Prod(SymKV))
	switch t.code.KV {
	case arch.KVCopied:
		v = t.like(v, v.dtype)
	case arch.KVPicked, arch.KVExpanded:
		t.at = "qkv"
		t.note("pick", Int64, Whole, Int(2))
		if t.code.KV == arch.KVExpanded {
			k.shape, v.shape = slices.Clone(k.shape), slices.Clone(v.shape)
			k.shape[1], v.shape[1] = heads, heads
		}
		k, v = t.like(k, k.dtype), t.like(v, v.dtype)
	}
	if a.RotaryDim > 0 {
		if n := t.code.Rope.PerLayer; n > 0 {
			t.at = "qk"
			t.tables(a.RotaryDim, n)
		}
		q, k = t.rotate(q), t.rotate(k)
	}
	if t.code.HeadNormLate {
		q, k = t.headNorms(a, q, k)
		q, k = q.view(batch, heads, context, Prod(SymK)), k.view(batch, kvHeads, context, Prod(SymK))
	}
	return q, k, v
}

// headNorms plays the norms on queries and keys: over each head, or over the
// whole width (OLMo 2).
func (t *tape) headNorms(a *arch.Attention, q, k value) (value, value) {
	one := func(component string, n arch.Norm, count Expr, x value) value {
		if n.Kind == arch.NoNorm {
			return x
		}
		whole := x.view(batch, context, count.Times(Prod(SymK)))
		if n.Width == a.HeadDim {
			whole = x.view(batch, context, count, Prod(SymK))
		}
		return t.norm(component, n, t.code.HeadNorm, whole)
	}
	return one("q_norm", a.QNorm, heads, q), one("k_norm", a.KNorm, kvHeads, k)
}

// rotate plays the rotary embedding of queries or keys. The products keep the
// tables alone, which need no gradient.
func (t *tape) rotate(x value) value {
	d := wider(x.dtype, t.tableType())
	if t.code.Rope.Back {
		d = x.dtype
	}
	out := t.like(x, d)
	out.headsFirst = x.headsFirst || t.code.Rope.Cat
	return out
}

// latentHeads plays multi-head latent attention's projections (DeepSeek-V2).
func (t *tape) latentHeads(a *arch.Attention, x value) (q, k, v value) {
	mla := a.MLA
	qw := Prod(SymH, SymK)
	if mla.QRank > 0 {
		down := t.linear("q_down", x, Tokens, Prod(SymRQ))
		down = t.norm("q_latent_norm", mla.QNorm, arch.NormRMS, down)
		q = t.linear("q_up", down, TokensTP, qw)
	} else {
		q = t.linear("q", x, TokensTP, qw)
	}
	both := t.linear("kv_down", x, Tokens, Prod(SymRKV).Plus(Prod(SymRope)))
	latent := t.norm("kv_latent_norm", mla.KVNorm, arch.NormRMS, both.view(batch, context, Prod(SymRKV)))
	up := t.linear("kv_up", latent, TokensTP, Prod(SymH, SymNope).Plus(Prod(SymH, SymKV)))
	v = up.view(batch, heads, context, Prod(SymKV))
	// Queries and keys are concatenated from a rotated part and the rest.
	rotated := wider(q.dtype, t.tableType())
	if t.code.Rope.Back {
		rotated = q.dtype
	}
	shape := []Expr{batch, heads, context, Prod(SymK)}
	q, k = t.fresh(rotated, TokensTP, shape...), t.fresh(rotated, TokensTP, shape...)
	q.headsFirst, k.headsFirst = true, true
	return q, k, v
}

// repeated is keys or values copied to every query head; one head alone is
// expanded by a view.
func (t *tape) repeated(a *arch.Attention, v value) value {
	if t.code.KV == arch.KVExpanded || a.KVHeads == a.Heads || a.KVHeads == 1 {
		return v
	}
	return t.copied(v)
}

// copied is a copy with all query heads.
func (t *tape) copied(v value) value {
	shape := slices.Clone(v.shape)
	shape[1] = heads
	return t.fresh(v.dtype, TokensTP, shape...)
}

// PyTorch's flash attention takes heads up to maxFlashHead wide, and pads them to
// a multiple of flashMultiple (aten/src/ATen/native/transformers/attention.cpp).
const (
	maxFlashHead  = 256
	flashMultiple = 8
)

// padded is q, k or v of n heads as flash attention reads it.
func (t *tape) padded(a *arch.Attention, v value, n Expr) value {
	if a.HeadDim%flashMultiple == 0 {
		return v
	}
	width := (a.HeadDim/flashMultiple + 1) * flashMultiple
	return t.fresh(v.dtype, v.store.shard, batch, context, n, Int(width))
}

// sdpa plays scaled_dot_product_attention as CUDA dispatches it: flash where it
// can run, the memory-efficient kernel otherwise. Both keep their inputs, their
// output, the log-sum-exp and the state of the random generator.
func (t *tape) sdpa(a *arch.Attention, q, k, v value) value {
	t.at = "softmax"
	q = t.product(q)
	out := t.fresh(q.dtype, TokensTP, batch, context, Prod(SymH, SymKV))
	flash := !t.code.ExplicitMask && q.dtype != FP32 && a.HeadDim == a.ValueDim && a.HeadDim <= maxFlashHead
	// Flash attention's output has the layout of the queries, and is padded like
	// them: the projection then reads a copy. The memory-efficient kernel's output is
	// laid out by tokens.
	copies := q.headsFirst || a.HeadDim%flashMultiple != 0
	projected := out
	if copies {
		projected = t.fresh(out.dtype, TokensTP, out.shape...)
	}
	// A window needs an explicit mask once the context reaches it.
	switch {
	case t.code.ExplicitMask:
		t.kernel(a, q, k, v, out, false, true)
		return out
	case a.Window == 0:
		t.kernel(a, q, k, v, out, flash, false)
		if !flash {
			return out
		}
		return projected
	}
	t.under(When{MaxContext: a.Window - 1}, func() {
		t.kernel(a, q, k, v, out, flash, false)
		if flash && copies {
			t.at = "out"
			t.keep("input", projected)
		}
	})
	t.at = "softmax"
	t.under(When{MinContext: a.Window}, func() { t.kernel(a, q, k, v, out, false, true) })
	out.store.kept = []When{{}} // by one branch or the other
	return out
}

// kernel writes what one attention kernel keeps.
func (t *tape) kernel(a *arch.Attention, q, k, v, out value, flash, masked bool) {
	if flash {
		t.keep("q", t.padded(a, q, heads))
		t.keep("k", t.padded(a, t.product(k), kvHeads))
		t.keep("v", t.padded(a, t.product(v), kvHeads))
		t.keep("output", t.padded(a, out, heads))
		t.note("logsumexp", FP32, TokensTP, batch, heads, context)
		t.note("random_state", Int64, Whole, Int(3))
		return
	}
	switch {
	case t.code.KV == arch.KVPicked:
		k, v = t.copied(t.product(k)), t.copied(t.product(v))
	case masked:
		k, v = t.expandedProduct(a, t.repeated(a, k)), t.expandedProduct(a, t.repeated(a, v))
	case a.KVHeads < a.Heads && t.code.KV != arch.KVExpanded:
		k, v = t.copied(t.product(k)), t.copied(t.product(v))
	default:
		k, v = t.product(k), t.product(v)
	}
	t.keep("q", q)
	t.keep("k", k)
	t.keep("v", v)
	if masked {
		switch {
		case !t.code.ALiBiMask:
			t.note("mask", q.dtype, Tokens, batch, context, context)
		case t.recipe.Precision.Autocast: // a cast of the mask that all layers share
			t.note("mask", q.dtype, TokensTP, batch, heads, context, context)
		}
	}
	t.keep("output", out)
	t.note("logsumexp", FP32, TokensTP, batch, heads, context)
	t.note("random_state", Int64, Whole, Int(2))
}

// folded keeps v as a batched product reads it, with batch and heads as one
// dimension: a part of a larger storage, or one head that stands for all, is a
// view for a single sequence and a copy for more.
func (t *tape) folded(name string, a *arch.Attention, v value) {
	one := t.expanded(a, v)
	if !one && elems(v.shape).Equal(elems(v.store.shape)) {
		t.keep(name, v)
		return
	}
	t.under(When{MaxBatch: 1}, func() { t.keep(name, v) })
	t.under(When{MinBatch: 2}, func() {
		if one {
			t.keep(name, t.copied(v))
		} else {
			t.keep(name, t.like(v, v.dtype))
		}
	})
}

// expanded says that v is one head that a view repeats for every query head.
func (t *tape) expanded(a *arch.Attention, v value) bool {
	return a.KVHeads == 1 && a.Heads > 1 && v.shape[1].Equal(kvHeads)
}

// expandedProduct is [tape.product] of keys or values: a cast of an expanded
// view writes every head out.
func (t *tape) expandedProduct(a *arch.Attention, v value) value {
	if p := t.product(v); p.store == v.store || t.code.KV == arch.KVPicked || !t.expanded(a, v) {
		return p
	}
	return t.copied(t.cast(v, t.compute()))
}

// elems is the number of elements of a shape.
func elems(shape []Expr) Expr {
	t := Tensor{Shape: shape}
	return t.Elems()
}

// eager plays attention written out: scores, softmax, weighted sum.
func (t *tape) eager(a *arch.Attention, q, k, v value) value {
	if t.code.Scores != arch.ScoresNative {
		q, k = t.cast(q, FP32), t.cast(k, FP32)
	}
	k, v = t.repeated(a, k), t.repeated(a, v)
	queries := q.dtype
	t.at = "qk"
	if t.code.Scores != arch.ScoresUpcast {
		q, k = t.product(q), t.expandedProduct(a, k)
	}
	t.folded("k", a, k)
	t.folded("q", a, q)
	scores := t.fresh(q.dtype, TokensTP, batch, heads, context, context)
	t.at = "softmax"
	if a.Softcap {
		t.keep("softcap_tanh", scores)
		scores = t.like(scores, scores.dtype)
	}
	var p value
	switch {
	case a.Sinks: // one more column, and the position of each row's maximum
		p = t.fresh(wider(scores.dtype, t.hidden()), TokensTP, batch, heads, context, context.Plus(Int(1)))
		t.note("argmax", Int64, TokensTP, batch, heads, context)
		t.keep("probabilities", p)
		p = p.view(scores.shape...)
	case t.code.Softmax == arch.SoftmaxFP32:
		p = t.like(scores, FP32)
		t.keep("probabilities", p)
		p = t.cast(p, queries)
	case t.code.Softmax == arch.SoftmaxHidden:
		p = t.like(scores, t.hidden())
		t.keep("probabilities", p)
	default:
		p = t.like(t.wide(scores), wider(scores.dtype, t.wide(scores).dtype))
		t.keep("probabilities", p)
		p = t.cast(p, v.dtype)
	}
	p = t.dropout(t.code.Dropout.Attention, p)
	t.at = "av"
	t.keep("probabilities", t.product(p))
	t.folded("v", a, t.expandedProduct(a, v))
	return t.fresh(t.product(v).dtype, TokensTP, batch, context, Prod(SymH, SymKV))
}
