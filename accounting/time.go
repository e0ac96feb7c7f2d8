package accounting

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

// Time predicts one step of a case that [Compiled.Check] allows. It does not
// allocate and is safe for concurrent use with different results and memos.
func (c *Compiled) Time(x *Setting, m *Machine, out *Time) {
	work := c.stepFLOPs(x)
	c.time(x, m, &work, out)
}

// unit is the time of one unit of a section, from the slot where it is known.
func (c *Compiled) unit(u *unitContext, s *unitSlot, section int) *unitTime {
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
	frozenDense, frozenExpert := perRank(&cs.frozen, c.vocabRows(&u.x.Plan), &d)
	dense, expert = dense-frozenDense, expert-frozenExpert // what is reduced and updated
	w.dense, w.expert = float64(dense), float64(expert)
	w.both, w.back = w.forward.total()+w.backward.total(), w.backward.total()
	s.known[i] = section < maxSections-1
	return w
}

// A stageTime is one pipeline stage: seconds of a micro-batch and parameters.
type stageTime struct{ both, backward, weights, dense, expert, accumulate float64 }

func (t *stageTime) add(w *unitTime, n float64) {
	t.both += float64(n * w.both)
	t.backward += float64(n * w.back)
	t.weights += float64(n * w.backward.gradients)
	t.dense += float64(n * w.dense)
	t.expert += float64(n * w.expert)
}

// stageTime sums up stage q; parts, if asked for, gets its named parts.
func (c *Compiled) stageTime(u *unitContext, s *unitSlot, q int64, parts *passTime) (t stageTime) {
	p := &u.x.Plan
	if p.first(q) {
		for _, i := range c.first {
			c.addUnit(u, s, i, 1, &t, parts)
		}
	}
	if each, even := p.evenly(c.limits.layers); even && c.uniform {
		c.addUnit(u, s, c.layers[0], each*p.chunks(), &t, parts)
	} else {
		for j := range p.chunks() {
			lo, hi := p.chunkLayers(c.limits.layers, q, j)
			for i := lo; i < hi; {
				n := min(c.runs[i], hi-i)
				c.addUnit(u, s, c.layers[i], n, &t, parts)
				i += n
			}
		}
	}
	if p.last(q) {
		if n := u.r.MTP; n > 0 {
			c.addUnit(u, s, c.prediction, n, &t, parts)
		}
		c.addUnit(u, s, len(c.sections)-1, 1, &t, parts)
	}
	t.accumulate = u.accumulate(t.dense + t.expert)
	return t
}

func (c *Compiled) addUnit(u *unitContext, s *unitSlot, section int, n int64, t *stageTime, parts *passTime) {
	w := c.unit(u, s, section)
	t.add(w, float64(n))
	if parts != nil {
		parts.add(&w.forward, float64(n))
		parts.add(&w.backward, float64(n))
	}
}

// A pace is how fast the stages of a pipeline are, whatever the number of
// micro-batches: what a [Memo] keeps.
type pace struct {
	slow          stageTime
	parts         passTime // of the slowest stage
	all           float64  // sum of forward and backward over the stages
	allAdds       float64  // what adding up gradients takes, over the stages
	dense, expert float64  // parameters of the stages that hold most
	send          float64  // activations and gradients of a micro-batch to the next stage
	doublings     float64  // of the fast domains
	step          float64  // what the framework adds once a step
	ends          [4]stepEnd
}

// A stepEnd is what comes at the end of a step, by ZeRO stage.
type stepEnd struct {
	known               bool
	synchronise, update float64
	again               float64 // what ZeRO-2 adds for each micro-batch but the last
}

// pace finds the pace of a case's pipeline.
func (c *Compiled) pace(u *unitContext, s *unitSlot, out *pace) {
	p, m := &u.x.Plan, u.m
	if p.PP > 1 {
		bytes := u.bytes * u.tokens * float64(c.Ledger.Model.Hidden) / float64(p.TP) // scattered over the tensor-parallel ranks
		// Without chunks a stage waits for what it sends and receives
		// (forward_backward_pipelining_without_interleaving of Megatron-Core's
		// pipeline_parallel/schedules.py).
		out.send = 2 * float64(p.chunks()) * m.send(p.TP*p.CP*p.DP, bytes)
	}
	// With equal layers and equal stages inside, all stages but the first and the last
	// are the second.
	alike := p.PP > 3 && c.uniform && p.innerAlike(c.limits.layers)
	var slowest int64
	for q := int64(0); q < p.PP; q++ {
		t := c.stageTime(u, s, q, nil)
		out.all += t.both
		out.allAdds += t.accumulate
		if alike && q == 1 {
			out.all += float64(float64(p.PP-3) * t.both)
			out.allAdds += float64(float64(p.PP-3) * t.accumulate)
			q = p.PP - 2
		}
		out.dense, out.expert = max(out.dense, t.dense), max(out.expert, t.expert)
		if q == 0 || t.both > out.slow.both {
			out.slow, slowest = t, q
		}
	}
	c.stageTime(u, s, slowest, &out.parts)
	out.doublings = m.doublings(p)
	out.step = u.stack.Step
}

func (c *Compiled) time(x *Setting, m *Machine, work *StepFLOPs, out *Time) {
	var own pace
	k := &own
	kept := x.Memo.paceOf(c, x, m)
	if kept != nil {
		k = &kept.pace
	}
	p := &x.Plan
	end := &k.ends[p.ZeRO]
	if kept == nil || !kept.known || !end.known {
		u := c.unitContext(x, m)
		switch {
		case kept == nil:
			var s unitSlot
			c.pace(&u, &s, k)
		case !kept.known:
			c.pace(&u, x.Memo.unitsOf(c, x, m), k)
			kept.known = true
		}
		end.synchronise, end.again = c.synchronise(&u, k.dense, k.expert, &k.slow)
		end.update = c.update(&u, k.dense, k.expert)
		end.known = true
	}
	*out = Time{}
	parts := &k.parts
	micro := float64(x.MicroBatches(p))
	if p.Schedule == DualPipe {
		micro /= 2 // from either end; a stage's time is that of both
	}
	send := k.send
	if p.chunks() > 1 {
		// With chunks a message travels while another chunk computes, but for the
		// micro-batches that fill and drain the pipeline (overlap_p2p_comm of Megatron-Core;
		// DeepSeek-V3, section 3.2.1).
		send *= min(float64(p.PP)/micro, 1)
	}
	adds := 1.0 // the share of micro-batches whose gradients are added to others
	if !c.Ledger.Recipe.Precision.widens() {
		adds = 1 - 1/float64(x.MicroBatches(p))
	}
	busy := k.slow.both + send + float64(adds*k.slow.accumulate)
	pipeline := pipelineSeconds(p.Schedule, busy, k.all+float64(send*float64(p.PP))+float64(adds*k.allAdds), k.slow.weights, p.VPP, micro)
	out.ComputeSeconds = micro * parts.matmul
	out.AttentionSeconds = micro * parts.attention
	out.ElementwiseSeconds = float64(micro*parts.elementwise) + float64(micro*adds*k.slow.accumulate)
	out.RecomputeSeconds = micro * parts.recompute
	out.LaunchSeconds = micro * parts.launch
	out.TPCommSeconds, out.CPCommSeconds, out.EPCommSeconds = micro*parts.tp, micro*parts.cp, float64(micro*parts.ep)
	// Nothing runs beside the forwards that fill a pipeline and the backwards that drain it,
	// on average over its ranks one of pp micro-batches.
	out.EPCommSeconds += float64(micro * parts.hidden * min(float64(p.PP)/float64(x.MicroBatches(p)), 1))
	out.PPCommSeconds = micro * send
	out.BubbleSeconds = max(pipeline-float64(micro*busy), 0)
	out.DPCommSeconds = float64(micro*parts.dp) + end.synchronise + float64((micro-1)*end.again)
	out.OptimizerSeconds = end.update
	out.OverheadSeconds = k.step
	out.StragglerSeconds = float64((pipeline + out.DPCommSeconds) * m.Calibration.Straggler * k.doublings)
	out.StepSeconds = out.ComputeSeconds + out.AttentionSeconds + out.ElementwiseSeconds + out.RecomputeSeconds + out.LaunchSeconds +
		out.TPCommSeconds + out.CPCommSeconds + out.EPCommSeconds + out.DPCommSeconds + out.PPCommSeconds + out.BubbleSeconds +
		out.OptimizerSeconds + out.StragglerSeconds + out.OverheadSeconds
	doubt := c.Doubt(m, out)
	spread := exp(m.Calibration.Band.Spread(&doubt))
	out.LowSeconds, out.HighSeconds = out.StepSeconds/spread, out.StepSeconds*spread
	seconds := out.StepSeconds * float64(p.GPUs())
	out.TokensPerSecondPerGPU = float64(x.GlobalBatch*x.Context) / seconds
	out.MFU, out.HFU = work.Model/(seconds*m.PrintedPeak), work.Hardware/(seconds*m.PrintedPeak)
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
	if r.Optimizer.Bits > 0 {
		// A byte a moment or less, but each is decoded, updated and found again in a table of
		// 256 (bitsandbytes): as slow as fp32 moments.
		moments = 4 * r.Optimizer.MatrixMoments
	}
	states := float64(2*(master+moments) + r.Precision.GradientBytes + r.Precision.WeightBytes)
	gradients := float64(2 * r.Precision.GradientBytes) // zeroed, and read for the norm
	if r.OptimizerInBackward {
		gradients = 0 // each is gone after its update, and there is no norm of them all
	}
	shards, expertShards := 1.0, 1.0
	if p.ZeRO >= 1 {
		shards, expertShards = float64(p.ShardRanks()), float64(p.ExpertShardRanks())
	}
	bytes := float64(states * (dense/shards + expert/expertShards) * u.stack.Optimizer)
	if p.ZeRO >= 2 {
		gradients /= shards
	}
	if r.Offload&OffloadOptimizer != 0 {
		// The host updates its states at its memory's rate; gradients go to it and weights
		// come back.
		mine := dense/shards + expert/expertShards
		moved := float64((r.Precision.GradientBytes + r.Precision.WeightBytes)) * mine
		return float64(states*mine)/hostMemory + moved/u.m.HostRate
	}
	return (bytes + float64(gradients*(dense+expert))) / u.m.stream()
}

// hostMemory is one accelerator's share of its host's memory, bytes a second: about
// 200 GB/s of two processors over eight (an assumption; no offloaded run is measured).
const hostMemory = 25e9
