package accounting

import (
	"math"

	"headroom/accounting/arch"
)

// A passTime is the time of one direction through one unit (a layer, the embedding,
// the head) on one rank for one micro-batch, in seconds.
type passTime struct {
	matmul, attention, elementwise float64
	recompute                      float64 // of backward: what it computes again
	tp, cp, ep, dp                 float64 // communication that nothing hides
	launch                         float64 // the device waits for the host
	hidden                         float64 // of backward: exchange of tokens that runs beside another micro-batch
	kernels                        float64
	host                           float64 // what the host takes beside starting kernels
}

func (p *passTime) add(o *passTime, times float64) {
	p.matmul += float64(o.matmul * times)
	p.attention += float64(o.attention * times)
	p.elementwise += float64(o.elementwise * times)
	p.recompute += float64(o.recompute * times)
	p.tp += float64(o.tp * times)
	p.cp += float64(o.cp * times)
	p.ep += float64(o.ep * times)
	p.dp += float64(o.dp * times)
	p.hidden += float64(o.hidden * times)
	p.launch += float64(o.launch * times)
}

// addRouted adds the routed feed-forward of a layer, whose own kernels take so many
// times as long.
func (p *passTime) addRouted(o *passTime, times float64) {
	p.matmul += float64(o.matmul * times)
	p.elementwise += float64(o.elementwise * times)
	p.recompute += float64(o.recompute * times)
	p.tp += o.tp
	p.ep += o.ep
	p.kernels += o.kernels
	p.host += o.host
}

// device is what the device is busy with or waits for its peers.
func (p *passTime) device() float64 {
	return p.matmul + p.attention + p.elementwise + p.recompute + p.tp + p.cp + p.ep
}

func (p *passTime) total() float64 { return p.device() + p.dp + p.launch }

// unitTime is forward and backward of one unit.
type unitTime struct {
	forward, backward passTime
	both, back        float64 // seconds of both, and of backward
	dense, expert     float64 // parameters on this rank
}

// overlapped is the time of two activities that run side by side and slow each
// other where they are of like length: the fourth-power mean of a and b, 19 %
// above the longer one when they are equal.
func overlapped(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return math.Max(a, b)
	}
	if a < b {
		a, b = b, a
	}
	r := b / a
	r *= r
	return float64(a * math.Sqrt(math.Sqrt(1+float64(r*r))))
}

// A unitContext is what the units of a case share.
type unitContext struct {
	m       *Machine
	x       *Setting
	r       *Recipe
	profile *Profile
	stack   *Stack
	tokens  float64 // of a micro-batch on one context-parallel rank
	local   float64 // of those, on one rank of the sequence-parallel region
	bytes   float64 // an activation value
	passes  *passes
	early   float64 // factor of quantisation
	tp      group
	cp      group
	ep      group
	shard   group   // over which ZeRO-3 cuts weights
	again   float64 // the part of the layers that full recompute runs again
	routed  Routed
	stops   bool // full recompute ends with the last tensor that backward wants
	// PyTorch's own context parallelism, and attention that takes grouped heads.
	torchRing, grouped bool
	// ownSoftmax says that unfused attention runs Megatron's code.
	ownSoftmax bool
}

func (c *Compiled) unitContext(x *Setting, m *Machine) unitContext {
	p := &x.Plan
	u := unitContext{m: m, x: x, r: &c.Ledger.Recipe, profile: c.Ledger.Profile, stack: &m.Calibration.Stacks[c.Ledger.stack()]}
	u.passes, u.early = &fusedPasses, 1
	if c.Ledger.Profile.EarlyCasts {
		u.early = m.Calibration.EarlyCasts
	}
	if x := c.Ledger.Profile.passes; x != nil && !u.r.Compile {
		u.passes = x
	}
	u.tokens = float64(x.MicroBatch*x.Context) / float64(p.CP)
	u.local = u.tokens
	if p.SP {
		u.local /= float64(p.TP)
	}
	u.bytes = float64(u.r.Precision.Compute.Bytes())
	u.tp = group{p.TP, 1}
	u.cp = group{p.CP, p.TP}
	u.ep = group{p.EP, p.ETP}
	u.stops = u.stack.EarlyStop && !c.Ledger.Profile.WholeRecompute && !(c.Ledger.Profile.LayerCompile && u.r.Compile)
	u.again = u.r.Recompute.share(c.limits.layers, p)
	u.shard = group{p.ShardRanks(), p.TP}
	u.routed = c.routed(p, m)
	rules := &c.Ledger.Profile.memory
	u.torchRing, u.grouped = rules.style == styleAutograd && rules.operations, rules.grouped || u.r.Loss == LossChunked
	u.ownSoftmax = c.Ledger.stack() == stackMegatronUnfused
	return u
}

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
	// Tensor parallelism: attention and feed-forward each gather their input and
	// reduce their output, and backward the other way round.
	d := float64(c.Ledger.Model.Hidden)
	times := 2.0
	if l.Parallel || l.MoE != nil && u.x.Plan.ETP == 1 {
		times = 1
	}
	wide := u.gatheredWidths()
	f.tp = float64(times * u.tpExposed() * u.tensorParallel(d, wide[0]))
	b.tp = float64(times * u.tpExposed() * u.tensorParallel(d, wide[1]))
	gathers := float64(f.tp / 2) // of the inputs, with sequence parallelism and in 16 bits
	if u.r.Overlap&OverlapTP != 0 && u.stack.Operations && u.x.Plan.SP {
		forward, backward, again := u.asyncTensorParallel(l, d, gathers/times)
		f.tp -= forward
		b.tp -= backward
		gathers -= again
	}
	if cs.fixed.token > 0 { // frozen weights have no gradient of their own
		b.matmul -= float64(f.matmul * cs.fixed.token / cs.flops.token)
	}
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

// tensorParallel is one gather and one reduction of a micro-batch's activations,
// which is an all-reduce without sequence parallelism. What is gathered has so many bytes
// a value.
func (u *unitContext) tensorParallel(d, gathered float64) float64 {
	values := u.tokens * d
	if u.x.Plan.SP {
		return u.m.gather(u.tp, gathered*values) + u.m.gather(u.tp, u.bytes*values)
	}
	return u.m.reduce(u.tp, u.bytes*values)
}

// gatheredWidths is the bytes of a value that forward and backward gather. TransformerEngine
// quantises the input of a product, and the gradient of its output, before it gathers them
// (_all_gather_fp8, _all_gather_mxfp8 and _all_gather_nvfp4 of pytorch/distributed.py);
// blocks of the gradient are of rows for one product and of columns for the other, so that
// both are sent, with a scale for every 32 values of 8 bits or 16 of 4.
func (u *unitContext) gatheredWidths() [2]float64 {
	if u.stack.Overlaps {
		switch u.m.Format {
		case FormatFP8:
			return [2]float64{1, 1}
		case FormatMXFP8:
			return [2]float64{1 + 1.0/32, 2 + 2.0/32}
		case FormatFP4:
			return [2]float64{0.5 + 1.0/16, 1 + 2.0/16}
		}
	}
	return [2]float64{u.bytes, u.bytes}
}

// tpExposed is the share of tensor-parallel communication that nothing hides. Without
// --tp-comm-overlap Megatron-Core hides what backward reduces behind the gradient of the
// weights (LinearWithGradAccumulationAndAsyncCommunication in tensor_parallel/layers.py):
// both of its all-reduces, or with sequence parallelism the two scatters of its two
// gathers and two scatters, so that half and three quarters of both directions are left.
func (u *unitContext) tpExposed() float64 {
	switch {
	case u.r.Overlap.behind(OverlapTP, u.profile) || !u.stack.Overlaps:
		return u.stack.TPExposed
	case u.x.Plan.SP:
		return 0.75
	}
	return 0.5
}

// linear adds a product tokens×k by k×n and its two gradients.
func (u *unitContext) linear(f, b *passTime, rows, n, k float64, narrow bool) {
	f.matmul += u.m.product(rows, n, k, narrow)
	b.matmul += u.m.product(rows, k, n, narrow) + u.m.product(n, k, rows, narrow)
	u.autocast(f, b, rows, n, k)
	if narrow && u.m.Format >= FormatFP8 {
		cast := u.m.Calibration.Cast[u.m.Format] * u.early / u.m.stream()
		f.elementwise += float64(cast * rows * k)
		b.elementwise += float64(cast * rows * n)
	}
}

// bias adds the gradient of a bias of a product with so many results.
func (u *unitContext) bias(b *passTime, has bool, values float64) {
	if has {
		u.stream(b, values, u.passes.bias)
	}
}

// stream adds traffic of values elements, passed over so many times.
func (u *unitContext) stream(p *passTime, elements, times float64) {
	p.elementwise += elements * float64(times*u.bytes) * u.stack.Elementwise / u.m.stream()
}

// once adds traffic of forward that backward repeats.
func (u *unitContext) once(b *passTime, elements, times float64) {
	var again passTime
	u.stream(&again, elements, times)
	b.recompute += again.elementwise
}

func (u *unitContext) attention(l *arch.Layer, cs *compiledSection, f, b *passTime) {
	a := &l.Attention
	p := &u.x.Plan
	t := float64(p.TP)
	q, v := float64(a.Heads*a.HeadDim)/t, float64(a.Heads*a.ValueDim)/t
	kvHeads := math.Max(float64(a.KVHeads)/t, 1)
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

// tritonPort is the time of the port of FlashAttention 1 to Triton against it: of the
// two, FlashAttention 2 is 1.3 to 2.5 and 1.7 to 3 times as fast (Dao 2023, section 4.1),
// here their geometric means.
const tritonPort = 0.8

// fused is the time of fused attention, one direction, in the recipe's kernel.
func (u *unitContext) fused(work, span float64, a *arch.Attention, backward bool) float64 {
	switch u.r.Attention {
	case Flash1:
		// Its rate hardly depends on the width of a head (Dao 2023, figures 4 to 6).
		return u.m.Calibration.Flash1 * u.m.attention(work, span, 128, backward)
	case Triton:
		return tritonPort * u.m.Calibration.Flash1 * u.m.attention(work, span, 128, backward)
	}
	return u.m.attention(work, span, float64(a.HeadDim+a.ValueDim)/2, backward)
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
		nf, nb := u.passes.norm(x.Kind)
		if nf < plainPasses.rms[0] { // which counts fp32 already
			nf, nb = wide*nf, wide*nb
		}
		forward += float64(nf)
		backward += float64(nb)
	}
	if u.r.recomputes(LayerNorms) {
		u.once(b, u.local*d, forward-float64(wide*u.passes.residual[0]))
	}
	u.stream(f, u.local*d, forward)
	u.stream(b, u.local*d, backward)
	for _, x := range [...]*arch.Norm{&l.Attention.QNorm, &l.Attention.KNorm} {
		nf, nb := u.passes.norm(x.Kind)
		heads := float64(l.Attention.Heads*l.Attention.HeadDim) / float64(u.x.Plan.TP)
		u.stream(f, u.tokens*heads, nf)
		u.stream(b, u.tokens*heads, nb)
	}
	if u.r.Dropout > 0 {
		u.stream(f, u.local*d, wide*u.passes.dropout[0])
		u.stream(b, u.local*d, wide*u.passes.dropout[1])
	}
}

// repeat adds what the recipe recomputes to backward; last is the product that
// ends the layer, which no backward needs, gathers what tensor parallelism takes to
// gather the inputs of products.
func (u *unitContext) repeat(cs *compiledSection, f, b *passTime, last, gathers float64) {
	switch u.r.Recompute.Mode {
	case RecomputeFull:
		if !u.stops {
			last = 0
		}
		b.recompute = float64(u.again * (f.matmul + f.attention + f.elementwise - last))
		b.tp += float64(u.again * f.tp)
		b.cp += float64(u.again * f.cp)
		b.ep += float64(u.again * f.ep)
		b.kernels += float64(u.again * f.kernels)
		b.host += float64(u.again * f.host)
	case RecomputeSelective:
		if u.stack.Operations {
			// torchtitan keeps every second matrix product and the attention output.
			b.recompute = float64(f.matmul/2) + f.elementwise
			b.kernels += float64(f.kernels * 0.7)
			if u.x.Plan.SP {
				// What its policy saves is reduced (reduce_scatter_tensor in _save_list of
				// torchtitan/parallelisms/parallelize_llama.py), not what is gathered.
				b.tp += gathers
			}
			return
		}
		if u.r.recomputes(CoreAttention) {
			b.recompute += f.attention
		}
		if cs.again.token > 0 { // whole modules, by their share of the products
			b.recompute += float64(f.matmul * cs.again.token / cs.flops.token)
		}
	}
}

// host adds the wait for the host where it starts kernels more slowly than the
// device runs them.
func (u *unitContext) host(f, b *passTime) {
	for _, p := range [...]*passTime{f, b} {
		busy := p.device() + float64(p.kernels*kernelGap)
		host := float64(p.kernels*u.stack.Launch) + p.host
		if u.routed.Path == RoutedFused {
			host = 0 // one graph for the step
		}
		p.launch = queued(busy, host) - p.device()
	}
}

// queued is the time of a pass whose kernels take the device a and the host b. The host
// waits for nothing and queues up to a thousand of them, so that the slower of the two
// is what counts; where they are of like length short kernels find the queue empty after
// long ones have filled it. The eighth-power mean, 9 % above the longer one when they
// are equal: unlike activities that share the device ([overlapped]), these two share
// nothing.
func queued(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b <= 0 {
		return a
	}
	r := b / a
	r *= r
	r *= r
	return float64(a * math.Sqrt(math.Sqrt(math.Sqrt(1+float64(r*r)))))
}

// kernelGap is the time between two kernels on the device, seconds: launch
// latency and tail that no queue hides.
const kernelGap = 1.5e-6

// sharded adds gathering of weights and scattering of gradients where ZeRO-3
// cuts them: prefetched behind the unit's own computation.
func (u *unitContext) sharded(c *Compiled, cs *compiledSection, f, b *passTime) {
	p := &u.x.Plan
	if p.ZeRO < 3 || u.shard.size <= 1 {
		return
	}
	d := divisors(p, cs.kvHeads)
	dense, expert := perRank(&cs.weights, c.vocabRows(p), &d)
	elements := float64(dense + expert)
	gather := u.m.gather(u.shard, u.weightBytes()*elements/u.stack.Gather)
	scatter := u.m.gather(u.shard, u.reduceBytes()*elements/u.stack.Gather)
	if u.stack.EachWeight {
		gather += float64(float64(cs.tensors()-1) * u.m.ring(u.shard))
	}
	if u.r.Offload&OffloadParameters != 0 { // each shard comes from the host, its gradients go there
		mine := elements / float64(u.shard.size) / u.m.HostRate
		gather = math.Max(gather, u.bytes*mine)
		scatter = math.Max(scatter, u.reduceBytes()*mine)
	}
	exposed := func(busy, wire float64) float64 {
		h := u.stack.DPHidden
		return float64(h*(overlapped(busy, wire)-busy)) + float64((1-h)*wire)
	}
	f.dp = exposed(f.device()+f.launch, gather)
	b.dp = exposed(b.device()+b.launch, gather+scatter)
}

// reduceBytes is the size of one gradient value on the wire.
func (u *unitContext) reduceBytes() float64 {
	if u.r.Precision.GradientBytes == 2 || u.r.Precision.Half || u.r.Precision.Reduce16 {
		return 2 // Megatron reduces fp16 gradients before it widens them
	}
	return 4
}

// head is the final norm, the head and the loss.
func (c *Compiled) head(u *unitContext, out *unitTime) {
	*out = unitTime{}
	f, b := &out.forward, &out.backward
	model := c.Ledger.Model
	d := float64(model.Embedding.Width)
	rows := float64(c.vocabRows(&u.x.Plan))
	if !model.Head.None {
		uses := float64(1 + u.r.MTP)
		u.linear(f, b, float64(uses*u.tokens), rows, d, false)
		logits := float64(uses * u.tokens * rows)
		loss := u.passes.loss
		switch p := c.Ledger.Profile; {
		case u.r.Loss == LossEager && p.LayerCompile:
			loss = p.passes.loss
		case u.r.Loss != LossEager || u.r.Compile:
			loss = [2]float64{2, 2}
		}
		u.stream(f, logits, loss[0])
		u.stream(b, logits, loss[1])
	}
	u.stream(f, u.local*float64(model.Hidden), 2)
	u.stream(b, u.local*float64(model.Hidden), 3)
	f.kernels, b.kernels = 10, 14
	f.tp = u.tpExposed() * u.m.gather(u.tp, u.bytes*u.tokens*d)
	b.tp = f.tp
	u.host(f, b)
	u.sharded(c, &c.sections[len(c.sections)-1], f, b)
}

// embedding is the look-up of the token table.
func (c *Compiled) embedding(u *unitContext, out *unitTime) {
	*out = unitTime{}
	f, b := &out.forward, &out.backward
	d := float64(c.Ledger.Model.Hidden)
	u.stream(f, u.tokens*d, 2)
	u.stream(b, u.tokens*d, 4) // sorted or atomic additions
	f.kernels, b.kernels = 4, 6
	u.host(f, b)
	u.sharded(c, &c.sections[c.first[0]], f, b)
}
