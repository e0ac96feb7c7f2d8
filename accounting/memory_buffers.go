package accounting

// bufferPeak is the peak of a framework whose gradients live in one buffer all
// step: the loss of the last stage or the widest layer's backward, on top of the
// states and what is in flight.
func (c *Compiled) bufferPeak(st *stage, m *Memory) error {
	prec := &c.Ledger.Recipe.Precision
	p := &st.x.Plan
	all, shard := st.dense+st.expert, st.denseShard+st.expertShard
	trained, trainedShard := st.trained(), st.trainedShard()
	weights, gradients, master := all, trained, trained
	moments := st.denseMoments + st.expertMoments
	if p.ZeRO >= 1 {
		master = trainedShard
		moments = ceilDiv(st.denseMoments, st.ranks) + ceilDiv(st.expertMoments, p.ExpertShardRanks())
	}
	if p.ZeRO >= 2 {
		gradients = trainedShard
	}
	if p.ZeRO >= 3 {
		weights = shard
	}
	m.WeightsBytes = weights * prec.WeightBytes
	m.GradientsBytes = gradients * prec.GradientBytes
	m.OptimizerBytes = master*prec.MasterBytes + moments
	offload := c.Ledger.Recipe.Offload
	if offload&OffloadOptimizer != 0 {
		m.OptimizerBytes = 0
		if p.ZeRO >= 2 && c.Ledger.Profile.memory.reduceElements > 0 {
			m.GradientsBytes = 0 // ZeRO-Offload: each bucket's share goes to the host once reduced
		}
	}
	if offload&OffloadParameters != 0 {
		m.WeightsBytes = 0
	}
	m.ActivationsBytes, m.LogitsBytes = st.saved, st.headIn+st.logits
	if c.Ledger.Profile.memory.style == styleSheet {
		m.Phase = PhaseAll
		return m.finish(c, st.outside, 0)
	}
	rules := &c.Ledger.Profile.memory
	compute := prec.Compute.Bytes()
	var gathered, reduced int64
	if p.ZeRO >= 3 && st.ranks > 1 {
		gathered = c.gatheredParameters(st) * compute
	}
	updated, made := trained, rules.updateBytes+rules.flatBytes
	if p.ZeRO >= 1 {
		reduced, updated = rules.reduceElements*compute, trainedShard
	}
	if p.ZeRO >= 2 && st.ranks > 1 && rules.reduceElements == 0 {
		// Where no bucket bounds it (Megatron-FSDP), one layer's gradient is whole while
		// the layer before is being reduced.
		reduced = 2 * c.largestTrained(st) * prec.GradientBytes
	}
	if p.ZeRO >= 3 && rules.fsdp {
		reduced, made = 0, rules.updateBytes
	}
	if offload&OffloadOptimizer != 0 {
		made = 0 // the host makes the update
	}
	if !prec.Autocast {
		reduced += st.casts * rules.narrowCopies
	}
	// In the loss and in the widest layer's backward everything in flight is alive;
	// at the update the activations are gone and its flat tensors come. Their blocks
	// are too large for those that activations left behind: the cache holds both.
	lossBytes := m.LogitsBytes + st.lossWork
	loss := bufferMoment{PhaseLoss, st.saved, lossBytes, reduced + gathered}
	backward := bufferMoment{PhaseBackward, st.saved + st.work, 0, reduced + gathered}
	update := bufferMoment{PhaseOptimizer, 0, 0, reduced + updated*made}
	for _, t := range [...]bufferMoment{loss, backward, update} {
		t.put(m)
		st.note(m)
	}
	moving := max(lossBytes, st.work) + st.saved + gathered
	ahead, behind, err := c.recorded(st)
	if err != nil {
		return err
	}
	held := max(lossBytes+ahead, st.work+behind) + st.saved + gathered
	cache := held + updated*made - max(moving, updated*made) + st.logitsFP32
	switch {
	case updated*made > moving:
		update.put(m)
	case lossBytes >= st.work:
		loss.put(m)
	default:
		backward.put(m)
	}
	return m.finish(c, st.outside, cache)
}

// A bufferMoment is what differs between the moments of [Compiled.bufferPeak], in
// bytes.
type bufferMoment struct {
	phase                        Phase
	activations, logits, buffers int64
}

func (t *bufferMoment) put(m *Memory) {
	m.Phase, m.ActivationsBytes, m.LogitsBytes, m.BuffersBytes = t.phase, t.activations, t.logits, t.buffers
}

// gatheredParameters is how many parameters ZeRO-3 holds whole at once: as many as
// the framework is told to keep, at least the largest layer; otherwise the
// embedding and head, the layer at work and the next one.
func (c *Compiled) gatheredParameters(st *stage) int64 {
	largest := c.largestLayer(st)
	if live := c.Ledger.Profile.memory.liveElements; live > 0 {
		return min(max(live, largest), st.dense+st.expert)
	}
	root, _ := c.rootParameters(st, st.x.Plan.last(st.q))
	return min(root+2*largest, st.dense+st.expert)
}

// largestLayer is the parameters of the largest layer on this rank.
func (c *Compiled) largestLayer(st *stage) (most int64) {
	for i := range c.sections {
		if role := c.sections[i].role; role == RoleLayer || role == RoleEncoder {
			most = max(most, st.costs[i].dense+st.costs[i].expert)
		}
	}
	return most
}

// largestTrained is the most parameters with gradients that a layer has.
func (c *Compiled) largestTrained(st *stage) (most int64) {
	for i := range c.sections {
		if role := c.sections[i].role; role == RoleLayer || role == RoleEncoder {
			most = max(most, st.costs[i].trained())
		}
	}
	return most
}
