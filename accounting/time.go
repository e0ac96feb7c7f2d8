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

// A Timer keeps the times of layers between cases that differ in depth, schedule
// or batch alone, so that a sweep computes them once for each (micro-batch,
// context, tp, sp, cp, ep, ZeRO group, compiled model, machine). It is not safe for
// concurrent use. The zero value is ready.
type Timer struct{ slots [timerSlots]timerSlot }

const timerSlots = 64

// timerKey is everything that the time of a unit depends on.
type timerKey struct {
	model                             *Compiled
	machine                           *Machine
	microBatch, context               int64
	tp, cp, ep, etp, shardRanks, zero int64
	sp                                bool
	again                             float64
}

type timerSlot struct {
	key   timerKey
	known [maxSections]bool
	units [maxSections]unitTime
}

// maxSections bounds the kinds of unit (embedding, kinds of layer, head) whose
// time is kept; a layer of a further kind is computed again for every run of them.
const maxSections = 16

// slot finds the slot of the case, emptied if it held another.
func (t *Timer) slot(c *Compiled, x *Setting, m *Machine) *timerSlot {
	p := &x.Plan
	k := timerKey{model: c, machine: m, microBatch: x.MicroBatch, context: x.Context, tp: p.TP, cp: p.CP, ep: p.EP, etp: p.ETP, sp: p.SP, again: c.Ledger.Recipe.Recompute.share(c.limits.layers, p)}
	if p.ZeRO >= 3 {
		k.zero, k.shardRanks = p.ZeRO, p.ShardRanks()
	}
	// Fibonacci hashing of the sizes; any spread will do.
	h := uint64(k.microBatch*31+k.context) * 0x9e3779b97f4a7c15
	h ^= uint64(k.tp*1009+k.cp*9176+k.ep*65537+k.etp*131+k.shardRanks*524287) * 0xbf58476d1ce4e5b9
	s := &t.slots[h>>58%timerSlots]
	if s.key != k {
		s.key, s.known = k, [maxSections]bool{}
	}
	return s
}

// Time predicts one step of a case that [Compiled.Check] allows. It does not
// allocate and is safe for concurrent use with different results.
func (c *Compiled) Time(x *Setting, m *Machine, out *Time) {
	var s timerSlot
	c.time(x, m, &s, out)
}

// Time is [Compiled.Time] with what the timer keeps.
func (t *Timer) Time(c *Compiled, x *Setting, m *Machine, out *Time) {
	c.time(x, m, t.slot(c, x, m), out)
}

// unit is the time of one unit of a section, from the slot where it is known.
func (c *Compiled) unit(u *unitContext, s *timerSlot, section int) *unitTime {
	i := min(section, maxSections-1)
	w := &s.units[i]
	if s.known[i] {
		return w
	}
	switch c.sections[section].role {
	case RoleEmbedding:
		c.embedding(u, w)
	case RoleHead:
		c.head(u, w)
	default:
		c.layer(u, section, w)
	}
	cs := &c.sections[section]
	d := divisors(&u.x.Plan, cs.kvHeads)
	dense, expert := perRank(&cs.weights, c.vocabRows(&u.x.Plan), &d)
	w.dense, w.expert = float64(dense), float64(expert)
	w.both, w.back = w.forward.total()+w.backward.total(), w.backward.total()
	s.known[i] = section < maxSections-1
	return w
}

// A stageTime is one pipeline stage: seconds of a micro-batch and parameters.
type stageTime struct{ both, backward, weights, dense, expert float64 }

func (t *stageTime) add(w *unitTime, n float64) {
	t.both += float64(n * w.both)
	t.backward += float64(n * w.back)
	t.weights += float64(n * w.backward.matmul / 2) // the other half is gradients of inputs
	t.dense += float64(n * w.dense)
	t.expert += float64(n * w.expert)
}

// stageTime sums up stage q; parts, if asked for, gets its named parts.
func (c *Compiled) stageTime(u *unitContext, s *timerSlot, q int64, parts *passTime) (t stageTime) {
	p := &u.x.Plan
	if p.first(q) {
		for _, i := range c.first {
			c.addUnit(u, s, i, 1, &t, parts)
		}
	}
	for j := range p.chunks() {
		lo, hi := p.chunkLayers(c.limits.layers, q, j)
		for i := lo; i < hi; {
			n := min(c.runs[i], hi-i)
			c.addUnit(u, s, c.layers[i], n, &t, parts)
			i += n
		}
	}
	if p.last(q) {
		c.addUnit(u, s, len(c.sections)-1, 1, &t, parts)
	}
	return t
}

func (c *Compiled) addUnit(u *unitContext, s *timerSlot, section int, n int64, t *stageTime, parts *passTime) {
	w := c.unit(u, s, section)
	t.add(w, float64(n))
	if parts != nil {
		parts.add(&w.forward, float64(n))
		parts.add(&w.backward, float64(n))
	}
}

func (c *Compiled) time(x *Setting, m *Machine, s *timerSlot, out *Time) {
	*out = Time{}
	p := &x.Plan
	u := c.unitContext(x, m)
	micro := float64(x.MicroBatches(p))
	if p.Schedule == DualPipe {
		micro /= 2 // from either end; a stage's time below is that of both
	}
	send := 0.0
	if p.PP > 1 {
		bytes := u.bytes * u.tokens * float64(c.Ledger.Model.Hidden) / float64(p.TP) // scattered over the tensor-parallel ranks
		send = 2 * float64(p.VPP) * u.stack.PPExposed * m.send(p.TP*p.CP*p.DP, bytes)
	}
	var slow stageTime
	var slowest int64
	var all, dense, expert float64
	// With equal layers, evenly dealt, all stages but the first and the last are the second.
	alike := p.PP > 3 && c.runs[0] == c.limits.layers && c.limits.layers%(p.PP*p.chunks()) == 0 && p.FirstLayers+p.LastLayers == 0
	for q := int64(0); q < p.PP; q++ {
		t := c.stageTime(&u, s, q, nil)
		all += t.both
		if alike && q == 1 {
			all += float64(float64(p.PP-3) * t.both)
			q = p.PP - 2
		}
		dense, expert = math.Max(dense, t.dense), math.Max(expert, t.expert)
		if q == 0 || t.both > slow.both {
			slow, slowest = t, q
		}
	}
	all += float64(send * float64(p.PP))
	busy := slow.both + send
	pipeline := pipelineSeconds(p.Schedule, busy, all, slow.weights, p.VPP, micro)
	var parts passTime
	c.stageTime(&u, s, slowest, &parts)
	out.ComputeSeconds = micro * parts.matmul
	out.AttentionSeconds = micro * parts.attention
	out.ElementwiseSeconds = micro * parts.elementwise
	out.RecomputeSeconds = micro * parts.recompute
	out.LaunchSeconds = micro * parts.launch
	out.TPCommSeconds, out.CPCommSeconds, out.EPCommSeconds = micro*parts.tp, micro*parts.cp, micro*parts.ep
	out.PPCommSeconds = micro * send
	out.BubbleSeconds = math.Max(pipeline-float64(micro*busy), 0)
	out.DPCommSeconds = float64(micro*parts.dp) + c.synchronise(&u, dense, expert, slow.backward)
	out.OptimizerSeconds = c.update(&u, dense, expert)
	out.OverheadSeconds = u.stack.Step
	if domains := float64(p.GPUs()) / float64(m.Domain); domains > 1 {
		out.StragglerSeconds = (pipeline + out.DPCommSeconds) * m.Calibration.Straggler * log2(domains)
	}
	out.StepSeconds = out.ComputeSeconds + out.AttentionSeconds + out.ElementwiseSeconds + out.RecomputeSeconds + out.LaunchSeconds +
		out.TPCommSeconds + out.CPCommSeconds + out.EPCommSeconds + out.DPCommSeconds + out.PPCommSeconds + out.BubbleSeconds +
		out.OptimizerSeconds + out.StragglerSeconds + out.OverheadSeconds
	spread := c.band(m)
	out.LowSeconds, out.HighSeconds = out.StepSeconds/spread, out.StepSeconds*spread
	seconds := out.StepSeconds * float64(p.GPUs())
	out.TokensPerSecondPerGPU = float64(x.GlobalBatch*x.Context) / seconds
	work := c.stepFLOPs(x.GlobalBatch, x.Context, x.Convention, p)
	out.MFU, out.HFU = work.Model/(seconds*m.PrintedPeak), work.Hardware/(seconds*m.PrintedPeak)
}

// synchronise is what of the gradient reduction (and of the gathering of updated
// weights, where the optimizer is sharded) the last backward does not hide.
func (c *Compiled) synchronise(u *unitContext, dense, expert, backward float64) float64 {
	p := &u.x.Plan
	wire := u.reduceBytes()
	if p.ZeRO == 3 {
		if p.Replicas <= 1 {
			return 0
		}
		// HSDP: the shards' gradients are reduced among the replicas behind backward.
		t := u.m.reduce(group{p.Replicas, p.TP * p.ShardRanks()}, float64(wire*dense)/float64(p.ShardRanks()))
		return math.Max(t-float64(u.stack.DPHidden*backward), 0.03*t)
	}
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
		shards, expertShards = float64(p.ShardRanks()), float64(p.ExpertShardRanks())
	}
	bytes := float64(states * (dense/shards + expert/expertShards) * u.stack.Optimizer)
	if p.ZeRO >= 2 {
		gradients /= shards
	}
	return (bytes + float64(gradients*(dense+expert))) / u.m.stream()
}

// band is the factor between a prediction and either end of its error bar.
func (c *Compiled) band(m *Machine) float64 {
	b := m.Calibration.BandDense
	if len(c.limits.experts) > 0 {
		b = m.Calibration.BandMoE
	}
	if m.Inherited {
		b = math.Sqrt(float64(b*b) + float64(m.Calibration.BandNew*m.Calibration.BandNew))
	}
	return exp(b)
}
