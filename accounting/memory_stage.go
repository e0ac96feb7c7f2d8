package accounting

import "slices"

// A sectionCost is what one section of the ledger costs on this rank, for one
// micro-batch: computed once a case, whatever the number of stages.
type sectionCost struct {
	dense, expert               int64 // parameters
	frozenDense, frozenExpert   int64 // the part of them that has no gradient
	frozenShard, frozenExpShard int64 // and of the shards below
	left                        int64 // parameters that the memory sum leaves out
	denseMoments, expertMoments int64 // optimizer moments, bytes
	casts                       int64 // parameters that autocast or fp8 products copy
	denseShard, expertShard     int64 // parameters after ZeRO cuts them
	saved, work                 int64 // bytes kept for backward; working set of backward
	kernel                      int64 // the part of saved that kernels keep of their own
	copies                      int64 // the part of saved, head and loss included, that copies weights
}

// sectionCosts holds the costs of all sections; models with more kinds of layer
// than fit here do not exist among published ones and cost an allocation.
type sectionCosts [16]sectionCost

// A stage is one pipeline stage while it is being counted: the sum of its
// sections.
type stage struct {
	x     *Setting
	costs []sectionCost
	stageSums
	trace *[]Memory // every moment that was weighed, when a timeline is asked for
}

// stageSums are the numbers of a stage.
type stageSums struct {
	q     int64
	rows  int64 // vocabulary rows of a tensor-parallel rank
	ranks int64 // data-parallel ranks that share dense states, dp·cp
	// outside is what lies outside the allocator, on every stage alike.
	outside int64

	sectionCost       // of all sections; saved by all micro-batches in flight, work of the widest
	widestSaved int64 // what the layer keeps that keeps most
	logits      int64 // saved by the loss
	headIn      int64 // saved by the head's product
	lossWork    int64
	logitsFP32  int64 // one fp32 copy of the logits
}

func (c *Compiled) stage(x *Setting) stage {
	p := &x.Plan
	return stage{x: x, stageSums: stageSums{rows: c.vocabRows(p), ranks: p.ShardRanks(), outside: c.Ledger.Profile.memory.runtime.outside(p)}}
}

// memory finds the worst stage and phase.
func (c *Compiled) memory(x *Setting, out *Memory) error {
	if err := c.worstStage(x, out); err != nil {
		return err
	}
	out.DeviceBytes += c.Ledger.Profile.memory.runtime.multicast(x)
	return nil
}

// worstStage is the peak of the stage that has the highest.
func (c *Compiled) worstStage(x *Setting, out *Memory) error {
	kept := x.Memo.stages(c, x)
	if kept.known() {
		for i := range kept.stages {
			st := stage{x: x, costs: kept.costs, stageSums: kept.stages[i].sums}
			m := kept.stages[i].held
			if err := c.worst(&st, &m, out); err != nil {
				return err
			}
		}
		return nil
	}
	var space sectionCosts
	st := c.stage(x)
	var err error
	if st.costs, err = c.price(&st, space[:0]); err != nil {
		return err
	}
	kept.begin(&st)
	p := &x.Plan
	inner := int64(0)
	if p.PP > 3 && c.uniform && p.Schedule != DualPipe { // of which the middle stages may keep most
		inner = c.stageSize(p, 1)
	}
	for q := range p.PP {
		// Among the inner stages of equal layers the first keeps the most micro-batches.
		if q > 1 && q < p.PP-1 && inner > 0 && (p.innerAlike(c.limits.layers) || c.stageSize(p, q) <= inner) {
			continue
		}
		one, m := st, Memory{}
		if err := c.holdStage(&one, q, &m); err != nil {
			return err
		}
		kept.add(&one, &m)
		if err := c.worst(&one, &m, out); err != nil {
			return err
		}
	}
	kept.finish()
	return nil
}

// worst puts the peak of a stage into out if it is the highest so far.
func (c *Compiled) worst(st *stage, m, out *Memory) error {
	if err := c.stagePeak(st, m); err != nil {
		return err
	}
	if st.q == 0 || m.PeakBytes > out.PeakBytes {
		*out = *m
	}
	return nil
}

// StageMemory is the peak of pipeline stage q over its phases; the plan must have
// passed [Compiled.Check].
func (c *Compiled) StageMemory(x *Setting, q int64, m *Memory) error {
	var space sectionCosts
	st := c.stage(x)
	var err error
	if st.costs, err = c.price(&st, space[:0]); err != nil {
		return err
	}
	if err := c.stageMemory(st, q, m); err != nil {
		return err
	}
	m.DeviceBytes += c.Ledger.Profile.memory.runtime.multicast(x)
	return nil
}

// price is the cost of every section, appended to costs.
func (c *Compiled) price(st *stage, costs []sectionCost) ([]sectionCost, error) {
	kept, known := st.x.Memo.price(c, st.x)
	if known {
		costs = append(costs, kept.costs...)
	} else {
		for i := range len(c.sections) + len(c.whole) {
			k, err := c.section(i).price(st)
			if err != nil {
				return nil, err
			}
			costs = append(costs, k)
		}
		kept.keep(costs)
	}
	for i := range costs {
		k := &costs[i]
		k.denseShard, k.expertShard = c.shards(st, c.section(i), k.dense, k.expert, false)
		if k.frozenDense+k.frozenExpert > 0 {
			k.frozenShard, k.frozenExpShard = c.shards(st, c.section(i), k.frozenDense, k.frozenExpert, true)
		}
	}
	return costs, nil
}

// section is a section by its number; those without recompute follow the others.
func (c *Compiled) section(i int) *compiledSection {
	if i < len(c.sections) {
		return &c.sections[i]
	}
	return &c.whole[i-len(c.sections)]
}

// price is the cost of a section before ZeRO cuts it.
func (cs *compiledSection) price(st *stage) (k sectionCost, err error) {
	b, s := st.x.MicroBatch, st.x.Context
	d := divisors(&st.x.Plan, cs.kvHeads)
	k.dense, k.expert = perRank(&cs.weights, st.rows, &d)
	k.left, _ = perRank(&cs.left, st.rows, &d)
	dense, expert := perRank(&cs.casts, st.rows, &d)
	k.casts = dense + expert
	k.frozenDense, k.frozenExpert = perRank(&cs.frozen, st.rows, &d)
	k.denseMoments, k.expertMoments = perRank(&cs.moments, st.rows, &d)
	if k.saved, err = sumTerms(cs.saved, b, s, st.rows, &d); err != nil {
		return k, err
	}
	if k.kernel, err = sumTerms(cs.kernel, b, s, st.rows, &d); err != nil {
		return k, err
	}
	if k.copies, err = sumTerms(cs.copies, b, s, st.rows, &d); err != nil {
		return k, err
	}
	k.work, err = widest(&cs.work, b, s, st.rows, &d)
	return k, err
}

// stageMemory adds up stage q and finds its worst phase.
func (c *Compiled) stageMemory(st stage, q int64, m *Memory) error {
	if err := c.holdStage(&st, q, m); err != nil {
		return err
	}
	return c.stagePeak(&st, m)
}

// holdStage adds up what stage q holds, whatever the ZeRO stage and what the device
// offers: a [Memo] keeps it between cases that differ in those alone.
func (c *Compiled) holdStage(st *stage, q int64, m *Memory) error {
	x, p := st.x, &st.x.Plan
	st.q, m.Stage = q, q
	micro := x.MicroBatches(p)
	var size [maxChunks]int64 // what one micro-batch leaves in each chunk
	if each, even := p.evenly(c.limits.layers); even && c.uniform && c.whole == nil {
		// All chunks hold equally many of the same layers: they are counted together.
		n := each * p.chunks()
		if err := c.hold(st, c.layers[0], n, n, &size[0], m); err != nil {
			return err
		}
		for j := p.chunks() - 1; j >= 0; j-- {
			size[j] = size[0] / p.chunks()
		}
	} else {
		before := int64(0)
		for j := range p.chunks() {
			lo, hi := p.chunkLayers(c.limits.layers, q, j)
			if err := c.holdChunk(st, lo, hi, before, &size[j], m); err != nil {
				return err
			}
			before += hi - lo
		}
	}
	if p.first(q) {
		for _, i := range c.first {
			if err := c.hold(st, i, 1, 1, &size[0], m); err != nil {
				return err
			}
		}
	}
	var err error
	switch {
	case p.Schedule.folded():
		st.saved, err = p.Schedule.foldedPeak(p.PP, q, micro, size[:2])
	case p.VPP == 1:
		st.saved, err = mulChecked(size[0], p.Schedule.inFlight(p.PP, q, micro))
	default:
		st.saved, err = interleavedPeak(p.PP, q, micro, size[:p.VPP])
	}
	if err != nil {
		return err
	}
	if c.Ledger.Recipe.Offload&OffloadActivations != 0 {
		st.saved = min(st.saved, st.widestSaved) // of the layer at work
	}
	if p.last(q) {
		if err := c.holdHead(st, m); err != nil {
			return err
		}
	}
	m.ParametersPerRank = st.dense + st.expert + st.left
	return nil
}

// stagePeak is the worst phase of a stage that [Compiled.holdStage] has added up.
func (c *Compiled) stagePeak(st *stage, m *Memory) error {
	if c.Ledger.Profile.memory.style == styleAutograd {
		return c.autogradPeak(st, st.x.Plan.last(st.q), m)
	}
	return c.bufferPeak(st, m)
}

// holdChunk adds the layers lo to hi, which follow so many others of their stage.
func (c *Compiled) holdChunk(st *stage, lo, hi, before int64, size *int64, m *Memory) error {
	r := &c.Ledger.Recipe.Recompute
	unit := r.unit()
	for i := lo; i < hi; {
		// Equal layers in a row are counted together.
		n := min(c.runs[i], hi-i)
		at := i - lo
		again := r.again(at, before+at, n)
		if again > 0 {
			inputs := ceilDiv(at+again, unit) - ceilDiv(at, unit)
			if err := c.hold(st, c.layers[i], again, inputs, size, m); err != nil {
				return err
			}
			if unit > 1 {
				// One unit is run again as a whole: all of its layers' tensors at once.
				whole, err := mulChecked(st.costs[c.layers[i]+len(c.sections)].saved, min(unit, hi-lo)-1)
				if err != nil {
					return err
				}
				st.work = max(st.work, st.costs[c.layers[i]].work+whole)
			}
		}
		if again < n {
			if err := c.hold(st, c.layers[i]+len(c.sections), n-again, n-again, size, m); err != nil {
				return err
			}
		}
		i += n
	}
	return nil
}

// hold adds n equal sections to a stage, and to size what one micro-batch leaves
// in the so many of them that keep anything.
func (c *Compiled) hold(st *stage, section int, n, times int64, size *int64, m *Memory) error {
	k := &st.costs[section]
	m.SavedTotalBytes += (k.saved - k.copies - k.kernel) * times
	m.WeightCopiesBytes += k.copies * times
	if role := c.section(section).role; role == RoleLayer || role == RoleEncoder {
		m.SavedPerLayerBytes = max(m.SavedPerLayerBytes, k.saved-k.copies-k.kernel)
	}
	st.states(k, n)
	st.work = max(st.work, k.work)
	st.widestSaved = max(st.widestSaved, k.saved)
	saved, err := mulChecked(k.saved, times)
	if err != nil {
		return err
	}
	*size, err = addChecked(*size, saved)
	return err
}

// states adds the parameters of n equal sections.
func (st *stage) states(k *sectionCost, n int64) {
	st.dense += k.dense * n
	st.expert += k.expert * n
	st.left += k.left * n
	st.denseMoments += k.denseMoments * n
	st.casts += k.casts * n
	st.expertMoments += k.expertMoments * n
	st.denseShard += k.denseShard * n
	st.expertShard += k.expertShard * n
	st.frozenDense += k.frozenDense * n
	st.frozenExpert += k.frozenExpert * n
	st.frozenShard += k.frozenShard * n
	st.frozenExpShard += k.frozenExpShard * n
}

// trained and trainedShard are the parameters with gradients, whole and cut.
func (k *sectionCost) trained() int64 {
	return k.dense + k.expert - k.frozenDense - k.frozenExpert
}

func (k *sectionCost) trainedShard() int64 {
	return k.denseShard + k.expertShard - k.frozenShard - k.frozenExpShard
}

func (c *Compiled) holdHead(st *stage, m *Memory) error {
	head := len(c.sections) - 1
	k := &st.costs[head]
	st.states(k, 1)
	d := divisors(&st.x.Plan, 1)
	var err error
	if st.logits, err = sumTerms(c.sections[head].logits, st.x.MicroBatch, st.x.Context, st.rows, &d); err != nil {
		return err
	}
	st.lossWork = k.work
	if st.headIn, err = sumTerms(c.sections[head].headIn, st.x.MicroBatch, st.x.Context, st.rows, &d); err != nil {
		return err
	}
	if r := &c.Ledger.Profile.memory; c.Ledger.Recipe.Loss != LossChunked && !c.Ledger.Model.Head.None && !r.holdsLogits {
		tokens, err := mulChecked(st.x.MicroBatch, ceilDiv(st.x.Context, st.x.Plan.CP))
		if err != nil {
			return err
		}
		if st.logitsFP32, err = mulChecked(tokens, 4*st.rows); err != nil {
			return err
		}
	}
	if err := c.holdPrediction(st, m); err != nil {
		return err
	}
	m.SavedTotalBytes += k.saved + st.headIn + st.logits - k.copies
	m.WeightCopiesBytes += k.copies
	st.saved, err = addChecked(st.saved, k.saved)
	// A tied head on another stage than the embedding holds its own copy of the table, and
	// prediction layers do.
	if (c.Ledger.Model.Head.Tied || c.Ledger.Recipe.MTP > 0) && !st.x.Plan.first(st.q) && !c.Ledger.Profile.excluded("token_embedding") {
		copied := c.Ledger.Model.Embedding.Width * st.rows
		if c.sections[0].frozen[ByVocab] > 0 {
			st.frozenDense += copied
			st.frozenShard += ceilDiv(copied, st.ranks)
		}
		st.dense += copied
		st.denseShard += ceilDiv(copied, st.ranks)
		st.denseMoments += c.sections[0].moments[ByVocab] * st.rows
	}
	return err
}

// shards is what is left of one section's parameters, or of its frozen ones, when
// ZeRO cuts them: FSDP2 pads the first dimension of each tensor to a multiple of the ranks, ZeRO's flat
// buffers pad the sum.
func (c *Compiled) shards(st *stage, cs *compiledSection, dense, expert int64, frozen bool) (ds, es int64) {
	p := &st.x.Plan
	es = ceilDiv(expert, p.ExpertShardRanks())
	if c.Ledger.Profile.memory.style != styleAutograd || p.TP > 1 || st.ranks == 1 {
		return ceilDiv(dense, st.ranks), es
	}
	for i := range cs.shapes {
		if s := &cs.shapes[i]; s.shard != ByExpert && (s.frozen || !frozen) {
			ds += ceilDiv(s.rows, st.ranks) * s.rest * s.count
		}
	}
	return ds, es
}

// widest is the working set at its larger moment.
func widest(work *[numMoments][]term, b, s, vocabRows int64, d *[numShards]int64) (int64, error) {
	var sums [numMoments]int64
	for i := range work {
		var err error
		if sums[i], err = sumTerms(work[i], b, s, vocabRows, d); err != nil {
			return 0, err
		}
	}
	return addChecked(sums[0], slices.Max(sums[1:]))
}
