package accounting

import "math"

// A Time is how long one optimizer step takes, in seconds. The parts sum to
// StepSeconds; they are those of the slowest pipeline stage.
type Time struct {
	StepSeconds float64
	// LowSeconds and HighSeconds bound what four of five runs take.
	LowSeconds, HighSeconds float64

	ComputeSeconds     float64 // matrix products, forward and backward
	AttentionSeconds   float64 // scores, softmax and weighted sum
	ElementwiseSeconds float64 // norms, activations, residuals, casts
	RecomputeSeconds   float64 // what backward computes again
	LaunchSeconds      float64 // the device waits for the host
	TPCommSeconds      float64 // exposed communication of each kind
	CPCommSeconds      float64
	EPCommSeconds      float64
	DPCommSeconds      float64 // gradient reduction, weight gathering
	PPCommSeconds      float64
	BubbleSeconds      float64 // the slowest stage waits for the others
	OptimizerSeconds   float64
	StragglerSeconds   float64 // waiting for the slowest of many ranks
	OverheadSeconds    float64 // once a step: data, logging, synchronisation

	TokensPerSecondPerGPU float64
	MFU                   float64 // model FLOPs over the printed dense peak of the compute format
	HFU                   float64 // with recompute
}

// maxSections bounds the kinds of unit whose time is kept while a case is timed;
// further kinds are computed again for every run of layers.
const maxSections = 16

// Time predicts one step of a case that [Compiled.Check] allows. It does not
// allocate and is safe for concurrent use with different results.
func (c *Compiled) Time(x *Setting, m *Machine, out *Time) {
	*out = Time{}
	p := &x.Plan
	u := c.unitContext(x, m)
	var cache [maxSections]unitTime
	var known [maxSections]bool
	unit := func(section int) *unitTime {
		if section < maxSections && known[section] {
			return &cache[section]
		}
		slot := min(section, maxSections-1)
		c.layer(&u, section, &cache[slot])
		known[slot] = section < maxSections-1
		return &cache[slot]
	}
	micro := float64(x.MicroBatches(p))
	var slowest, all, slowestBackward, slowestWeights float64
	var slow passTime
	var mostDense, mostExpert float64
	send := 0.0
	if p.PP > 1 {
		bytes := u.bytes * u.tokens * float64(c.Ledger.Model.Hidden)
		bytes /= float64(p.TP) // scattered over the tensor-parallel ranks
		send = 2 * float64(p.VPP) * u.stack.PPExposed * m.send(p.TP*p.CP*p.DP, bytes)
	}
	for q := range p.PP {
		var f, b passTime
		var dense, expert int64
		own := func(section int, n int64) {
			cs := &c.sections[section]
			d := divisors(p, cs.kvHeads)
			a, e := perRank(&cs.weights, c.vocabRows(p), &d)
			dense, expert = dense+a*n, expert+e*n
		}
		var t unitTime
		if q == 0 {
			c.embedding(&u, &t)
			f.add(&t.forward, 1)
			b.add(&t.backward, 1)
			for i, s := range c.first {
				own(s, 1)
				if i > 0 {
					w := unit(s)
					f.add(&w.forward, 1)
					b.add(&w.backward, 1)
				}
			}
		}
		for j := range p.VPP {
			lo, hi := stageLayers(c.limits.layers, p.PP*p.VPP, j*p.PP+q)
			for i := lo; i < hi; {
				n := min(c.runs[i], hi-i)
				w := unit(c.layers[i])
				f.add(&w.forward, float64(n))
				b.add(&w.backward, float64(n))
				own(c.layers[i], n)
				i += n
			}
		}
		if q == p.PP-1 {
			c.head(&u, &t)
			f.add(&t.forward, 1)
			b.add(&t.backward, 1)
			own(len(c.sections)-1, 1)
		}
		total := f.total() + b.total() + send
		all += total
		if total > slowest {
			slowest, slowestBackward = total, b.total()
			slowestWeights = b.matmul / 2 // gradients of weights, the other half is of inputs
			slow = f
			slow.add(&b, 1)
		}
		mostDense, mostExpert = math.Max(mostDense, float64(dense)), math.Max(mostExpert, float64(expert))
	}
	pipeline := pipelineSeconds(p.Schedule, slowest, all, slowestWeights, p.VPP, x.MicroBatches(p))
	out.ComputeSeconds = micro * slow.matmul
	out.AttentionSeconds = micro * slow.attention
	out.ElementwiseSeconds = micro * slow.elementwise
	out.RecomputeSeconds = micro * slow.recompute
	out.LaunchSeconds = micro * slow.launch
	out.TPCommSeconds, out.CPCommSeconds, out.EPCommSeconds = micro*slow.tp, micro*slow.cp, micro*slow.ep
	out.PPCommSeconds = micro * send
	out.BubbleSeconds = pipeline - float64(micro*slowest)
	out.DPCommSeconds = float64(micro*slow.dp) + c.synchronise(&u, mostDense, mostExpert, slowestBackward)
	out.OptimizerSeconds = c.update(&u, mostDense, mostExpert)
	out.OverheadSeconds = u.stack.Step
	if domains := float64(p.GPUs()) / float64(m.Domain); domains > 1 {
		out.StragglerSeconds = (pipeline + out.DPCommSeconds) * m.Calibration.Straggler * math.Log2(domains)
	}
	out.StepSeconds = out.ComputeSeconds + out.AttentionSeconds + out.ElementwiseSeconds + out.RecomputeSeconds + out.LaunchSeconds +
		out.TPCommSeconds + out.CPCommSeconds + out.EPCommSeconds + out.DPCommSeconds + out.PPCommSeconds + out.BubbleSeconds +
		out.OptimizerSeconds + out.StragglerSeconds + out.OverheadSeconds
	spread := math.Exp(c.band(m))
	out.LowSeconds, out.HighSeconds = out.StepSeconds/spread, out.StepSeconds*spread
	seconds := out.StepSeconds * float64(p.GPUs())
	out.TokensPerSecondPerGPU = float64(x.GlobalBatch*x.Context) / seconds
	work := c.StepFLOPs(x.GlobalBatch, x.Context, x.Convention)
	out.MFU, out.HFU = work.Model/(seconds*m.PrintedPeak), work.Hardware/(seconds*m.PrintedPeak)
}

// synchronise is what of the gradient reduction (and of the gathering of updated
// weights, where the optimizer is sharded) the last backward does not hide.
func (c *Compiled) synchronise(u *unitContext, dense, expert, backward float64) float64 {
	p := &u.x.Plan
	if p.ZeRO == 3 {
		return 0
	}
	wire := u.reduceBytes()
	cost := func(g group, elements float64) float64 {
		if elements == 0 || g.size <= 1 {
			return 0
		}
		// Megatron-Core's bucket: 40 million values, or a million a rank.
		buckets := math.Ceil(elements / math.Max(40e6, 1e6*float64(g.size)))
		if p.ZeRO == 0 {
			return buckets * u.m.reduce(g, wire*elements/buckets)
		}
		return buckets * (u.m.gather(g, wire*elements/buckets) + u.m.gather(g, u.bytes*elements/buckets))
	}
	t := cost(group{p.DP * p.CP, p.TP}, dense) + cost(group{p.ExpertDP(), p.EP * p.ETP}, expert)
	// One bucket at least comes after the last backward.
	return math.Max(t-float64(u.stack.DPHidden*backward), 0.03*t)
}

// update is the optimizer's pass over its states: every state is read and
// written, the gradient read (and once more for its norm), the working copy of
// the weights written.
func (c *Compiled) update(u *unitContext, dense, expert float64) float64 {
	p := &u.x.Plan
	r := u.r
	master := r.Precision.MasterBytes
	if master == 0 {
		master = r.Precision.WeightBytes
	}
	moments := r.Optimizer.MatrixMoments * r.Precision.MomentBytes
	if r.Optimizer.EightBit {
		moments = r.Optimizer.MatrixMoments
	}
	states := float64(2*(master+moments) + r.Precision.GradientBytes + r.Precision.WeightBytes)
	gradients := float64(2 * r.Precision.GradientBytes) // zeroed, and read for the norm
	shards, expertShards := 1.0, 1.0
	if p.ZeRO >= 1 {
		shards, expertShards = float64(p.DP*p.CP), float64(p.ExpertDP())
	}
	bytes := float64(states*(dense/shards+expert/expertShards)) * u.stack.Optimizer
	if p.ZeRO >= 2 {
		gradients /= shards
	}
	return (bytes + float64(gradients*(dense+expert))) / u.m.stream()
}

// band is the half-width of the error bar, as a natural logarithm.
func (c *Compiled) band(m *Machine) float64 {
	b := m.Calibration.BandDense
	if len(c.limits.experts) > 0 {
		b = m.Calibration.BandMoE
	}
	if m.Inherited {
		b = math.Hypot(b, m.Calibration.BandNew)
	}
	return b
}
