package accounting

import "slices"

// A walk goes through one step of a PyTorch program on one pipeline stage and keeps
// the fullest moment. Gradients appear in backward and are gone after the update;
// with ZeRO 3 (FSDP2) weights are gathered a layer at a time.
type walk struct {
	c    *Compiled
	st   *stage
	last bool    // the stage has the head
	m    *Memory // what is the same at all moments
	best Memory

	// How the program cuts its states.
	cut     bool // FSDP2 cuts weights, gradients and moments alike; stage 2 keeps gathered weights
	reduces bool // and there are ranks to cut them among
	full    bool // weights are gathered for forward and again for backward
	stays   bool // they stay gathered in between

	compute, reduceBytes int64 // bytes of a gathered weight, of a gradient under reduction
	standing             int64 // inputs, rotary tables, DDP's buckets: there all step
	moments, during      int64 // optimizer states at the update, and in forward and backward
	updated              int64 // parameters that this rank updates
	held, whole          int64 // gradients from earlier micro-batches: shards, or not reduced yet
	hidden, tokens       int64 // the residual stream's gradient; the same of gathered tokens
	left                 int64 // what the chunked loss leaves behind

	groups   headGroups
	root     int64 // parameters of the root group
	rootHead int64 // the part of them with gradients from the head's backward on
	headDone int64 // or those of a head that is reduced before the layers' backward
	first    int64 // parameters of the embedding's own group

	// How far backward has come.
	layers     int64 // parameters of the layers not yet done
	above      int64 // parameters with gradients of those done
	aboveShard int64 // and their shards
	previous   int64 // of the layer just done, in its reduce-scatter
	saved      int64 // activations still kept
}

// autogradPeak is the peak of a PyTorch program. The moments are those at which
// torch's own memory tracker finds peaks (testdata/torcheager,
// sweep/validate/testdata/exact), each a method in the order of the step: in the loss
// and the head's backward ([Compiled.headMoments]), between two layers, in the backward
// of a layer, while a layer's gradients are reduced, in the embedding's backward and
// while the root group is reduced ([Compiled.endMoments]), and in the update.
func (c *Compiled) autogradPeak(st *stage, last bool, m *Memory) error {
	w := walk{c: c, st: st, last: last, m: m}
	w.states()
	w.wrap()
	w.accumulated()
	if err := w.stream(); err != nil {
		return err
	}
	p := &st.x.Plan
	count := c.stageSize(p, st.q)
	for k := count - 1; k >= 0; k-- { // backward walks the layers from the last to the first
		if n := k - 1; c.uniform && c.whole == nil && k == count-3 && n > 1 {
			// Between equal layers every component moves evenly, so no peak is inside:
			// step over to the second layer.
			cost := &st.costs[c.layers[0]]
			w.layers -= (cost.dense + cost.expert) * n
			w.saved -= cost.saved * n
			w.done(cost, n)
			k -= n
		}
		cost := &st.costs[c.stageSection(p, st.q, k)]
		next := w.ahead(k)
		top := k == count-1 && last
		w.layers -= cost.dense + cost.expert
		if top {
			if err := w.turn(cost, next); err != nil {
				return err
			}
		}
		if c.Ledger.Recipe.Offload&OffloadActivations != 0 {
			w.saved = cost.saved // only what the layer at work keeps is there
		}
		w.between(cost, top)
		w.inside(cost, next)
		w.saved -= cost.saved
		w.reduce(cost, next)
		w.done(cost, 1)
		w.previous = cost.trained()
	}
	w.end()
	w.update()
	w.best.PeakBytes = 0
	*m = w.best
	return m.finish(c, st.outside, st.logitsFP32)
}

// states settles what weights and optimizer hold, whatever the moment.
func (w *walk) states() {
	st, r, p := w.st, &w.c.Ledger.Recipe, &w.st.x.Plan
	prec := &r.Precision
	w.cut = p.ZeRO >= 2
	w.reduces = w.cut && st.ranks > 1
	w.full, w.stays = p.ZeRO == 3 && w.reduces, p.ZeRO == 2 && w.reduces
	w.compute = prec.Compute.Bytes()
	w.reduceBytes = min(prec.GradientBytes, r.Reduce.Bytes())
	weights, trained := st.dense+st.expert, st.trained()
	if w.cut {
		weights, trained = st.denseShard+st.expertShard, st.trainedShard()
	}
	w.m.WeightsBytes = weights*prec.WeightBytes + trained*prec.AdapterBytes
	if r.Offload&OffloadParameters != 0 {
		w.m.WeightsBytes = 0
	}
	w.moments, w.updated = st.denseMoments+st.expertMoments, st.trained()
	if p.ZeRO >= 1 {
		w.moments = cutMoments(st.denseMoments, st.dense-st.frozenDense, st.denseShard-st.frozenShard) +
			cutMoments(st.expertMoments, st.expert-st.frozenExpert, st.expertShard-st.frozenExpShard)
		w.updated = st.trainedShard()
	}
	if r.Offload&OffloadOptimizer != 0 {
		w.moments, w.updated = 0, 0
	}
	w.m.OptimizerBytes = w.updated * prec.MasterBytes
	w.during = w.moments
	if st.x.FirstStep {
		w.during = 0
	}
	if !w.cut && st.ranks > 1 {
		// DDP copies gradients to buckets that stay, and back (gradient_as_bucket_view off).
		w.standing = st.trained() * prec.GradientBytes
	}
	if p.first(st.q) {
		for _, i := range w.c.first {
			if w.c.sections[i].role == RoleEmbedding {
				w.standing += st.costs[i].work // inputs and tables
			}
		}
	}
}

// wrap settles which group of FSDP2 each part of the model is in.
func (w *walk) wrap() {
	c, st, p := w.c, w.st, &w.st.x.Plan
	rules := &c.Ledger.Profile.memory
	var head int64
	w.root, head = c.rootParameters(st, w.last)
	w.layers = st.dense + st.expert - w.root
	// torchtitan 0.3, which has the chunked loss, wraps the head with the final norm
	// apart from the embedding and leaves nothing to the root group.
	chunked := c.Ledger.Recipe.Loss == LossChunked && rules.operations
	w.groups = headGroups{
		root: w.root, head: head, table: c.Ledger.Model.Embedding.Width * st.rows, apart: rules.grouped || chunked, chunked: chunked,
		stays: rules.rootGathered || p.ZeRO == 2, reduces: w.reduces, reduceBytes: w.reduceBytes,
	}
	g := &w.groups
	g.headGrad, g.tableGrad = c.headTrained(st, head, g.table, w.last)
	g.rootGrad = w.root // a tied table is the embedding's, once
	if p.first(st.q) {
		g.rootGrad -= st.costs[0].frozenDense
	}
	if w.last {
		g.rootGrad -= st.costs[len(c.sections)-1].frozenDense
	}
	w.rootHead = g.headGrad
	if !g.apart {
		return
	}
	g.tied = c.Ledger.Model.Head.Tied && w.last && p.first(st.q)
	if p.first(st.q) {
		w.first = g.embedding()
	}
	w.root = 0
	if !g.tied || chunked {
		w.headDone, w.rootHead = w.rootHead, 0
	}
}

// accumulated settles what exists of gradients before backward where steps
// accumulate micro-batches: the shards of all, or all of them whole when only the
// last one reduces.
func (w *walk) accumulated() {
	if w.st.x.MicroBatches(&w.st.x.Plan) <= 1 {
		return
	}
	if w.reduces && w.c.Ledger.Recipe.ReduceLast {
		w.whole = w.st.trained() * w.reduceBytes
	} else {
		w.held = w.gradientBytes(w.st.trained(), w.st.trainedShard())
	}
}

// stream settles the sizes of what flows between layers.
func (w *walk) stream() (err error) {
	x := w.st.x
	w.saved = w.st.saved
	if w.hidden, err = w.c.hiddenBytes(w.st); err != nil {
		return err
	}
	w.tokens = w.hidden
	if x.Plan.SP {
		w.tokens *= x.Plan.TP
	}
	if w.groups.chunked {
		// What went into torchtitan's ChunkedLossWrapper stays until Python collects cycles
		// (torchtitan does every 50 steps); counted is the second step.
		w.left = x.MicroBatches(&x.Plan) * w.tokens
		if !x.FirstStep {
			w.left *= 2
		}
	}
	return nil
}

// gradientBytes is the size of gradients as the optimizer reads them.
func (w *walk) gradientBytes(params, shards int64) int64 {
	r := &w.c.Ledger.Recipe
	switch {
	case r.OptimizerInBackward:
		return 0 // gone as soon as it is there
	case w.cut && r.Offload&OffloadParameters != 0:
		return 0 // the shards' gradients go to the host (FSDP2's CPUOffloadPolicy)
	case w.cut:
		return shards * r.Precision.GradientBytes
	}
	return params * r.Precision.GradientBytes
}

// gathered is the size of gathered weights.
func (w *walk) gathered(params int64) int64 {
	if w.full || w.stays {
		return params * w.compute
	}
	return 0
}

// buffer is the size of an all-gather's buffer in backward.
func (w *walk) buffer(params int64) int64 {
	if w.full {
		return params * w.compute
	}
	return 0
}

// below is what is still gathered of the layers below in backward.
func (w *walk) below(params int64) int64 {
	if w.stays {
		return (params + w.first) * w.compute
	}
	return 0
}

// ahead is the number of parameters gathered ahead while layer k is at work. The
// backward of the chunked loss ends FSDP2's record of the order of layers, without
// which none is.
func (w *walk) ahead(k int64) int64 {
	switch {
	case w.groups.chunked:
		return 0
	case k == 0:
		return w.first
	}
	n := &w.st.costs[w.c.layers[w.c.stageLayer(&w.st.x.Plan, w.st.q, k-1)]]
	return n.dense + n.expert
}

// done says that backward has made the gradients of n equal layers.
func (w *walk) done(cost *sectionCost, n int64) {
	w.above += cost.trained() * n
	w.aboveShard += cost.trainedShard() * n
}

// at is what every moment of the layers' backward holds.
func (w *walk) at(phase Phase) moment {
	r := &w.c.Ledger.Recipe
	grads := w.held
	if grads == 0 {
		grads = w.gradientBytes(w.above+w.headDone, w.aboveShard+ceilDiv(w.headDone, w.st.ranks))
	}
	out := moment{phase: phase, gradients: grads, moments: w.during, kept: w.saved + w.left, reducing: w.whole}
	if w.whole > 0 && w.st.x.MicroBatches(&w.st.x.Plan) == 2 {
		out.reducing -= w.above * w.reduceBytes
	}
	if w.reduces {
		out.reducing += w.previous * w.reduceBytes
		if w.whole == 0 {
			out.work += w.rootHead * w.compute
		}
	} else if w.held == 0 && w.last {
		out.gradients += w.gradientBytes(w.rootHead, w.rootHead)
		if r.OptimizerInBackward && w.c.Ledger.Model.Head.Tied {
			out.gradients += w.rootHead * r.Precision.GradientBytes // until the embedding's is added
		}
	}
	return out
}

// turn weighs the loss and the head's backward, above the last layer.
func (w *walk) turn(cost *sectionCost, next int64) error {
	here := cost.dense + cost.expert
	turn := moment{phase: PhaseLoss, gradients: w.held, moments: w.during, kept: w.saved + max(w.left-w.tokens, 0), reducing: w.whole, gathered: w.below(w.layers + here)}
	if !w.groups.apart && w.full { // the last layer stays gathered from forward to backward
		turn.gathered += here * w.compute
	}
	if err := w.c.headMoments(w, turn, w.buffer(next)); err != nil {
		return err
	}
	w.saved -= w.st.costs[len(w.c.sections)-1].saved // the final norm is done
	return nil
}

// between weighs the moment before a layer's backward, when it is gathered.
func (w *walk) between(cost *sectionCost, top bool) {
	here := cost.dense + cost.expert
	x := w.at(PhaseBackward)
	x.work += w.hidden
	x.gathered = w.gathered(w.root) + w.gathered(here) + w.below(w.layers)
	if !top || w.groups.apart {
		x.gathered += w.buffer(here)
	}
	if w.c.Ledger.Profile.memory.operations && w.c.cutsInside(&w.st.x.Plan) {
		x.work += w.gathered(cost.expert) // each is put together out of its parts
	}
	w.see(x)
}

// inside weighs the fullest moment in a layer's backward.
func (w *walk) inside(cost *sectionCost, next int64) {
	x := w.at(PhaseBackward)
	x.work += cost.work
	x.gathered = w.gathered(w.root) + w.gathered(cost.dense+cost.expert) + w.buffer(next) + w.below(w.layers)
	w.see(x)
}

// reduce weighs the moment when a layer's gradients go into their reduce-scatter.
func (w *walk) reduce(cost *sectionCost, next int64) {
	if !w.reduces {
		return
	}
	w.previous = 0
	x := w.at(PhaseBackward)
	x.work += w.hidden + cost.trained()*w.reduceBytes
	x.gathered = w.gathered(w.root) + w.buffer(next) + w.below(w.layers)
	if w.whole == 0 { // else they were added to the whole ones
		x.reducing += cost.trained() * w.compute
	}
	w.see(x)
}

// end weighs what follows the layers' backward: the embedding's, and the root group's
// reduction.
func (w *walk) end() {
	w.saved = max(w.saved, 0)
	look := w.at(PhaseEnd)
	look.work += w.hidden
	w.previous = 0
	w.c.endMoments(w, look, w.at(PhaseEnd))
}

// update weighs the optimizer's step.
func (w *walk) update() {
	r := &w.c.Ledger.Recipe
	x := moment{phase: PhaseOptimizer, gradients: w.gradientBytes(w.st.trained(), w.st.trainedShard()), moments: w.moments, kept: w.left}
	if r.Foreach && r.Optimizer.MatrixMoments > 1 {
		x.work = w.updated * r.Precision.MomentBytes // the root of the second moment
	}
	w.see(x)
}

// cutsInside says that FSDP2 cuts each expert's matrices, because there are more ranks
// than experts (torchtitan/distributed/fsdp.py, apply_fsdp_to_decoder).
func (c *Compiled) cutsInside(p *Plan) bool {
	ranks := p.ShardRanks()
	if p.EP > 1 {
		ranks *= p.TP
	}
	return len(c.limits.experts) > 0 && ranks > slices.Max(c.limits.experts)
}

// hiddenBytes is the gradient of the residual stream of one micro-batch.
func (c *Compiled) hiddenBytes(st *stage) (int64, error) {
	p, prec := &st.x.Plan, &c.Ledger.Recipe.Precision
	each := prec.Compute.Bytes()
	if prec.Autocast {
		each = prec.Weights.Bytes()
	}
	n, err := mulChecked(st.x.MicroBatch, st.x.Context)
	if err == nil {
		n, err = mulChecked(n, c.Ledger.Model.Hidden*each)
	}
	ranks := p.CP
	if p.SP {
		ranks *= p.TP
	}
	return ceilDiv(n, ranks), err
}

// cutMoments cuts an optimizer's moments in the proportion in which parameters
// are cut into shards.
func cutMoments(moments, params, shard int64) int64 {
	if params == 0 {
		return 0
	}
	if each := moments / params; each*params == moments {
		return each * shard
	}
	return int64(float64(moments) / float64(params) * float64(shard))
}

// stageLayer is the k-th layer of stage q, counted over all of its chunks.
func (c *Compiled) stageLayer(p *Plan, q, k int64) int64 {
	if p.PP == 1 {
		return k
	}
	for j := range p.chunks() {
		lo, hi := p.chunkLayers(c.limits.layers, q, j)
		if k < hi-lo {
			return lo + k
		}
		k -= hi - lo
	}
	return c.limits.layers - 1
}

// stageSection is the section of the k-th layer of stage q, as it is recomputed.
func (c *Compiled) stageSection(p *Plan, q, k int64) int {
	i := c.layers[c.stageLayer(p, q, k)]
	if c.whole != nil && c.Ledger.Recipe.Recompute.again(k, k, 1) == 0 {
		i += len(c.sections)
	}
	return i
}

// stageSize is the number of layers of stage q.
func (c *Compiled) stageSize(p *Plan, q int64) (n int64) {
	if each, even := p.evenly(c.limits.layers); even {
		return each * p.chunks()
	}
	for j := range p.chunks() {
		lo, hi := p.chunkLayers(c.limits.layers, q, j)
		n += hi - lo
	}
	return n
}
