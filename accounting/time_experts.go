package accounting

import "headroom/accounting/arch"

// experts adds a routed feed-forward, balanced over the ranks.
func (u *unitContext) experts(l *arch.Layer, f, b *passTime) {
	x := l.MoE
	p := &u.x.Plan
	d := float64(l.FFNNorm.Width)
	if d == 0 {
		d = float64(l.InputNorm.Width)
	}
	f.kernels += u.stack.KernelsMoE
	b.kernels += u.stack.KernelsMoE
	u.linear(f, b, u.local, float64(x.Experts), d, false)
	etp := float64(p.ETP)
	routed := float64(u.tokens / float64(p.TP) * etp * float64(x.TopK)) // rows of this rank
	experts := float64(x.Experts) / float64(p.EP)
	width := float64(x.Expert.Width) / etp
	n := width
	if x.Expert.Gated {
		n = 2 * width
	}
	// Rows of one expert are padded to tiles: half a tile is lost on average.
	const tile = 128
	padded := routed + float64(experts*(tile/2))
	if u.routed.Path == RoutedDropless {
		f.host += u.stack.RoutedHost
		b.host += u.stack.RoutedHost
	}
	var gf, gb passTime
	u.linear(&gf, &gb, padded, n, d, true)
	u.linear(&gf, &gb, padded, d, width, true)
	grouped := u.m.Calibration.Grouped
	// Every local expert is read, backward once more and its gradient read and written.
	weights := experts * (n + width) * d * u.bytes / u.m.stream()
	both, inputs := max(gb.matmul/grouped, 3*weights), max((gb.matmul-gb.gradients)/grouped, weights)
	f.matmul += max(gf.matmul/grouped, weights)
	b.matmul += both
	b.gradients += both - inputs
	f.elementwise += gf.elementwise
	b.elementwise += gb.elementwise
	u.activation(f, b, routed*width, x.Expert.Gated)
	if u.r.recomputes(MoEActivation) {
		u.once(b, routed*width, u.activationPasses(x.Expert.Gated)[0])
	}
	u.expertBiases(f, b, &x.Expert, routed, d)
	tokens := spread{float64(x.TopK), float64(x.Groups), float64(x.TopKGroups)}
	// Rows are written in the order of the experts and read back: from and to one row of a
	// token for each rank that wants it, or its only one before it is sent in copies, which
	// the receiver sorts by expert, and back (MoEAlltoAllTokenDispatcher and
	// MoEFlexTokenDispatcher of Megatron-Core's transformer/moe/token_dispatcher.py).
	moved := 2 * (1 + tokens.wanted(float64(p.EP))/tokens.copies)
	if u.routed.AllToAll {
		moved = 2 * (1 + 1/tokens.copies)
		if p.EP > 1 && experts > 1 {
			moved += 4
		}
		if u.m.Format >= FormatFP8 && u.routed.Path != RoutedCapacity {
			moved += 4 // copied to rows that scales can be had of, and back (TransformerEngine's Fp8Padding)
		}
		tokens = spread{copies: 1}
	}
	u.stream(f, routed*d, moved)
	u.stream(b, routed*d, moved)
	dispatch := u.m.exchange(u.ep, u.bytes*routed/etp*d, tokens)
	if !u.routed.Overlap {
		dispatch *= u.stack.EPExposed
	}
	f.ep += 2 * dispatch
	b.ep += 2 * dispatch
	if p.ETP > 1 {
		etpGroup := group{p.ETP, 1}
		f.tp += float64(u.stack.TPExposed * 2 * u.m.gather(etpGroup, u.bytes*routed*d))
		b.tp += float64(u.stack.TPExposed * 2 * u.m.gather(etpGroup, u.bytes*routed*d))
	}
	if x.Shared != nil {
		u.ffn(x.Shared, d, f, b, 1)
	}
}

// expertBiases adds what Megatron-Core does for the down-projections' biases in kernels of
// its own: split by expert, times the router's weight, added and joined, in the weight's type
// (TEGroupedMLP._apply_bias in transformer/moe/experts.py). That is fp32 where tokens are sent
// once, otherwise 16 bits; an fp32 value counts two passes. The fused path adds them in its
// kernel.
func (u *unitContext) expertBiases(f, b *passTime, x *arch.FFN, rows, d float64) {
	if !x.DownBias || !u.stack.Overlaps || u.routed.Path == RoutedFused {
		return
	}
	// Product 2, sum 5, joined 4, back to 16 bits 3; backward to fp32 3, the sum's 3, joined
	// 2, and the gradients of bias and weight 12.
	forward, backward := 14.0, 20.0
	if u.routed.AllToAll {
		// Product 1, sum 3, joined 2; backward joined 2, and the two gradients 6.
		forward, backward = 6, 8
	}
	u.stream(f, rows*d, forward)
	u.stream(b, rows*d, backward)
}
