package accounting

import "math"

// A passTime is the time of one direction through one unit (a layer, the embedding,
// the head) on one rank for one micro-batch, in seconds.
type passTime struct {
	matmul, attention, elementwise float64
	gradients                      float64 // of backward's matmul: gradients of weights
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
	p.gradients += float64(o.gradients * times)
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
		return max(a, b)
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
	stack   Stack
	passes  *passes // of the profile, or those of fused code where layers are compiled
	routed  Routed

	tokens float64 // of a micro-batch on one context-parallel rank
	local  float64 // of those, on one rank of the sequence-parallel region
	bytes  float64 // an activation value
	early  float64 // factor of quantisation
	again  float64 // the part of the layers that full recompute runs again

	tp, cp, ep group
	shard      group // over which ZeRO-3 cuts weights

	stops      bool // full recompute ends with the last tensor that backward wants
	torchRing  bool // context parallelism is PyTorch's own
	grouped    bool // attention takes keys and values of grouped heads as they are
	ownSoftmax bool // unfused attention runs Megatron's code
}

func (c *Compiled) unitContext(x *Setting, m *Machine) unitContext {
	p := &x.Plan
	u := unitContext{m: m, x: x, r: &c.Ledger.Recipe, profile: c.Ledger.Profile, stack: m.Calibration.stack(c.Ledger.stack())}
	u.passes, u.early = &fusedPasses, 1
	if u.profile.EarlyCasts {
		u.early = m.Calibration.EarlyCasts
	}
	if x := u.profile.passes; x != nil && !u.r.Compile {
		u.passes = x
	}
	if x := u.profile.narrowPasses; x != nil && !u.r.Compile && m.Format >= FormatFP8 {
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
	u.stops = u.stack.EarlyStop && !u.profile.WholeRecompute && !(u.profile.LayerCompile && u.r.Compile)
	u.again = u.r.Recompute.share(c.limits.layers, p)
	u.shard = group{p.ShardRanks(), p.TP}
	u.routed = c.routed(p, m)
	rules := &u.profile.memory
	u.torchRing, u.grouped = rules.style == styleAutograd && rules.operations, rules.grouped || u.r.Loss == LossChunked
	u.ownSoftmax = c.Ledger.stack() == stackMegatronUnfused
	return u
}

// linear adds a product tokens×k by k×n and its two gradients.
func (u *unitContext) linear(f, b *passTime, rows, n, k float64, narrow bool) {
	f.matmul += u.m.product(rows, n, k, narrow)
	gradients := u.m.product(n, k, rows, narrow)
	b.matmul += u.m.product(rows, k, n, narrow) + gradients
	b.gradients += gradients
	u.autocast(f, b, rows, n, k)
	if narrow && u.m.Format >= FormatFP8 {
		cast := u.m.Calibration.Cast[u.m.Format] * u.early / u.m.stream()
		f.elementwise += float64(cast * rows * k)
		b.elementwise += float64(cast * rows * n)
		if u.profile.CastsWeights {
			f.elementwise += u.m.Calibration.Cast[u.m.Format] * n * k / u.m.stream()
		}
	}
}

// frozen takes away the gradients of a section's frozen weights, by their share of its
// products: only the gradients of inputs pass through them.
func (u *unitContext) frozen(cs *compiledSection, b *passTime) {
	if cs.fixed.token > 0 {
		none := float64(b.gradients * cs.fixed.token / cs.flops.token)
		b.matmul -= none
		b.gradients -= none
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
