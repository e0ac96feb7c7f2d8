package accounting

import "headroom/accounting/arch"

func (u *unitContext) attention(l *arch.Layer, cs *compiledSection, f, b *passTime) {
	a := &l.Attention
	p := &u.x.Plan
	t := float64(p.TP)
	q, v := float64(a.Heads*a.HeadDim)/t, float64(a.Heads*a.ValueDim)/t
	kvHeads := max(float64(a.KVHeads)/t, 1)
	kv := float64(kvHeads * float64(a.HeadDim+a.ValueDim))
	d := float64(l.InputNorm.Width)
	if d == 0 {
		d = float64(a.Heads * a.HeadDim)
	}
	if x := a.MLA; x != nil {
		if x.QRank > 0 {
			u.linear(f, b, u.local, float64(x.QRank), d, true)
			u.linear(f, b, u.tokens, q, float64(x.QRank), true)
		} else {
			u.linear(f, b, u.tokens, q, d, true)
		}
		u.linear(f, b, u.local, float64(x.KVRank+x.RopeDim), d, true)
		u.linear(f, b, u.tokens, float64(a.Heads*(x.NopeDim+a.ValueDim))/t, float64(x.KVRank), true)
		kv = float64(x.KVRank + x.RopeDim)
		f.kernels += 8
		b.kernels += 14
	} else {
		u.linear(f, b, u.tokens, q+kv, d, true)
		u.bias(b, a.QBias, u.tokens*q)
		u.bias(b, a.KBias, u.tokens*kv)
	}
	u.linear(f, b, u.tokens, d, v, true)
	u.bias(b, a.OBias, u.tokens*d)
	// Rotation reads and writes queries and keys.
	if a.RotaryDim > 0 || a.MLA != nil {
		u.stream(f, u.tokens*(q+float64(kv/2)), u.passes.rotation)
		u.stream(b, u.tokens*(q+float64(kv/2)), u.passes.rotation)
	}
	span := cs.span(u.x.Context, Causal)
	width := cs.flops.span / t // FLOPs of a token and key
	if u.r.Attention == Unfused {
		u.unfused(a, width, f, b)
		return
	}
	switch u.r.Attention {
	case Flash, Flash2, Flash3:
		in, out := u.passes.unpad[0], u.passes.unpad[1]
		u.stream(f, u.tokens, float64((q+kv)*in)+float64(v*out))
		u.stream(b, u.tokens, float64((q+kv)*out)+float64(v*in))
	}
	work := u.tokens * (float64(width*span) + float64(cs.flops.square/t*float64(u.x.Context)))
	if u.routed.Path == RoutedFused && l.MoE != nil {
		work /= u.m.Calibration.AttentionFP8
	}
	f.attention += u.fused(work, 2*span, a, false)
	b.attention += u.fused(work, 2*span, a, true)
	if p.CP > 1 {
		u.ring(a, q, v, kv, f, b)
	}
}

// flash1 is the time of FlashAttention 1 against FlashAttention 2, which is about twice as
// fast, 1.7 to 3 times on A100 (Dao 2023, section 4.1). tritonPort is the time of its port
// to Triton against it, of which FlashAttention 2 is 1.3 to 2.5 times as fast (same place):
// the ratio of the geometric means.
const (
	flash1     = 2
	tritonPort = 0.8
)

// fused is the time of fused attention, one direction, in the recipe's kernel.
func (u *unitContext) fused(work, span float64, a *arch.Attention, backward bool) float64 {
	width := float64(a.HeadDim+a.ValueDim) / 2
	switch u.r.Attention.under(u.profile) {
	case Flash2:
		return u.m.earlyAttention(work, span, width, backward)
	case Flash1:
		// Its rate hardly depends on the width of a head (Dao 2023, figures 4 to 6).
		return flash1 * u.m.earlyAttention(work, span, 128, backward)
	case Triton:
		return tritonPort * flash1 * u.m.earlyAttention(work, span, 128, backward)
	}
	return u.m.attention(work, span, width, backward)
}

// Passes over the S×S scores of unfused attention: scores written; mask, scale
// and softmax read and write; dropout reads, writes and writes its mask; the
// product with the values reads. Backward reads and writes each gradient as well.
const (
	scorePassesForward  = 6
	scorePassesBackward = 9
)

// unfused is attention through stored scores, all S² of them.
func (u *unitContext) unfused(a *arch.Attention, width float64, f, b *passTime) {
	s := float64(u.x.Context)
	heads := float64(a.Heads) / float64(u.x.Plan.TP)
	batch := u.tokens / s * heads
	// Batched products of each head; their waves fill together.
	both := u.m.product(u.tokens*heads/batch*batch, s, float64(a.HeadDim), false) + u.m.product(u.tokens*heads, float64(a.ValueDim), s, false)
	f.attention += both
	b.attention += 2 * both
	traffic := u.bytes * u.tokens * heads * s / u.m.stream()
	forward, backward, kernels := u.softmaxPasses(a)
	f.attention += float64((scorePassesForward + forward) * traffic)
	b.attention += float64((scorePassesBackward + backward) * traffic)
	f.kernels += kernels
	b.kernels += kernels
}
