package accounting

import "headroom/accounting/arch"

// layer is the time of one layer of a section.
func (c *Compiled) layer(u *unitContext, section int, out *unitTime) {
	*out = unitTime{}
	l := c.Ledger.Sections[section].Layer
	cs := &c.sections[section]
	f, b := &out.forward, &out.backward
	u.attention(l, cs, f, b)
	if l.Cross != nil {
		// The encoder's keys and values have their own length; the decoder's is taken.
		cross := *l
		cross.Attention = *l.Cross
		u.attention(&cross, cs, f, b)
	}
	last := 0.0 // seconds of the product that ends the layer
	switch {
	case l.MoE != nil:
		var mf, mb passTime
		u.experts(l, &mf, &mb)
		share := u.m.Calibration.RoutedApart
		if u.routed.Path == RoutedFused {
			share = 1
		}
		f.addRouted(&mf, share)
		b.addRouted(&mb, share)
	case l.FFN != nil:
		last = u.ffn(l.FFN, float64(c.Ledger.Model.Hidden), f, b, 1)
		if u.r.Dropout > 0 || l.PostFFNNorm.Kind != arch.NoNorm {
			last = 0 // something behind it keeps its result
		}
	}
	u.norms(l, float64(c.Ledger.Model.Hidden), f, b)
	if cs.role == RolePrediction {
		u.prediction(c.Ledger.Model, f, b)
	}
	f.kernels += u.stack.KernelsForward
	b.kernels += u.stack.KernelsBackward
	gathers := u.layerTensorParallel(l, float64(c.Ledger.Model.Hidden), f, b)
	u.frozen(cs, b)
	u.repeat(cs, f, b, last, gathers)
	exchange := f.ep + b.ep
	if u.routed.Overlap {
		f.ep, b.ep = 0, 0
	}
	u.host(f, b)
	if u.routed.Overlap { // behind whatever the device does, and while it waits for the host
		busy := f.matmul + f.attention + f.elementwise + f.launch + b.matmul + b.attention + b.elementwise + b.launch
		b.ep = overlapped(busy, exchange) - busy
		b.hidden = exchange - b.ep
	}
	u.sharded(c, cs, f, b)
}

// ffn adds a dense feed-forward of which each token passes rows times, and says
// how long its last product takes forward.
func (u *unitContext) ffn(x *arch.FFN, d float64, f, b *passTime, rows float64) float64 {
	width := float64(x.Width) / float64(u.x.Plan.TP)
	n := width
	if x.Gated {
		n = 2 * width
	}
	u.linear(f, b, u.tokens*rows, n, d, true)
	before := f.matmul
	u.linear(f, b, u.tokens*rows, d, width, true)
	u.bias(b, x.UpBias, u.tokens*rows*n)
	u.bias(b, x.DownBias, u.tokens*rows*d)
	u.activation(f, b, u.tokens*rows*width, x.Gated)
	return f.matmul - before
}

// norms adds norms and residual additions: a norm reads and writes, an addition
// reads two and writes one; their backwards read one more.
func (u *unitContext) norms(l *arch.Layer, d float64, f, b *passTime) {
	wide := u.wide()
	forward, backward := wide*u.passes.residual[0], wide*u.passes.residual[1]
	for _, x := range [...]*arch.Norm{&l.InputNorm, &l.FFNNorm, &l.PostAttnNorm, &l.PostFFNNorm, &l.CrossNorm} {
		nf, nb := u.passes.norm(x.Kind, wide)
		forward += float64(nf)
		backward += float64(nb)
	}
	if u.r.recomputes(LayerNorms) {
		u.once(b, u.local*d, forward-float64(wide*u.passes.residual[0]))
	}
	u.stream(f, u.local*d, forward)
	u.stream(b, u.local*d, backward)
	for _, x := range [...]*arch.Norm{&l.Attention.QNorm, &l.Attention.KNorm} {
		nf, nb := u.passes.norm(x.Kind, 1)
		heads := float64(l.Attention.Heads*l.Attention.HeadDim) / float64(u.x.Plan.TP)
		u.stream(f, u.tokens*heads, nf)
		u.stream(b, u.tokens*heads, nb)
	}
	if u.r.Dropout > 0 {
		u.stream(f, u.local*d, wide*u.passes.dropout[0])
		u.stream(b, u.local*d, wide*u.passes.dropout[1])
	}
}
