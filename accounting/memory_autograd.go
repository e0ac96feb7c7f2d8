package accounting

import "slices"

// A moment is what one rank holds at one point of a PyTorch step beside its
// weights, in bytes.
type moment struct {
	phase      Phase
	gradients  int64 // as the optimizer will read them
	moments    int64 // optimizer states
	kept, work int64 // activations kept for backward; made in backward, also what reduction reads
	// of head and loss: kept for backward; made in loss and backward
	logits, logitsWork int64
	gathered           int64 // whole weights and all-gather buffers
	reducing           int64 // whole gradients of sharded weights and their copy under reduction
}

// A walk goes through one step of a PyTorch program and keeps the fullest moment.
type walk struct {
	st       *stage
	m        *Memory // what is the same at all moments
	standing int64   // inputs, rotary tables, DDP's buckets
	best     Memory
}

// see weighs one moment.
func (w *walk) see(x moment) {
	t := *w.m
	t.Phase, t.GradientsBytes, t.OptimizerBytes = x.phase, x.gradients, t.OptimizerBytes+x.moments
	t.ActivationsBytes, t.LogitsBytes = x.kept+x.work, x.logits+x.logitsWork
	t.TemporaryBytes = x.work + x.logitsWork
	t.BuffersBytes = x.gathered + x.reducing + w.standing
	t.GatheredBytes, t.ReducingBytes = x.gathered, x.reducing
	w.st.note(t)
	t.PeakBytes = t.GradientsBytes + t.OptimizerBytes + t.ActivationsBytes + t.LogitsBytes + t.BuffersBytes
	if w.best.PeakBytes == 0 || t.PeakBytes > w.best.PeakBytes {
		w.best = t
	}
}

// autogradPeak is the peak of a PyTorch program: gradients appear in backward and
// are gone after the update. With ZeRO 3 (FSDP2) weights are gathered a layer at
// a time. The moments are those at which torch's own memory tracker finds peaks
// (testdata/fsdp): in the loss, in the head's backward, between two layers, in the
// backward of a layer, while a layer's gradients are reduced, in the embedding's
// backward, while the root group is reduced, and in the update.
func (c *Compiled) autogradPeak(st *stage, last bool, m *Memory) error {
	r, rules := &c.Ledger.Recipe, &c.Ledger.Profile.memory
	prec := &r.Precision
	x, p := st.x, &st.x.Plan
	all, shard := st.dense+st.expert, st.denseShard+st.expertShard
	cut := p.ZeRO >= 2 // FSDP2 cuts weights, gradients and moments alike; stage 2 keeps gathered weights
	reduces := cut && st.ranks > 1
	ddp := !cut && st.ranks > 1
	compute := prec.Compute.Bytes()
	reduceBytes := min(prec.GradientBytes, r.Reduce.Bytes())
	gradientBytes := func(params, shards int64) int64 {
		switch {
		case r.OptimizerInBackward:
			return 0 // gone as soon as it is there
		case cut && r.Offload&OffloadParameters != 0:
			return 0 // the shards' gradients go to the host (FSDP2's CPUOffloadPolicy)
		case cut:
			return shards * prec.GradientBytes
		}
		return params * prec.GradientBytes
	}
	away := r.Offload&OffloadActivations != 0 // only what the layer at work keeps is there
	w := walk{st: st, m: m}
	m.WeightsBytes = all * prec.WeightBytes
	if cut {
		m.WeightsBytes = shard * prec.WeightBytes
	}
	if wide := st.trained(); prec.AdapterBytes > 0 {
		if cut {
			wide = st.trainedShard()
		}
		m.WeightsBytes += wide * prec.AdapterBytes
	}
	if r.Offload&OffloadParameters != 0 {
		m.WeightsBytes = 0
	}
	moments := st.denseMoments + st.expertMoments
	trained, trainedShard := st.trained(), st.trainedShard()
	master := trained * prec.MasterBytes
	updated := trained
	if p.ZeRO >= 1 {
		moments = cutMoments(st.denseMoments, st.dense-st.frozenDense, st.denseShard-st.frozenShard) +
			cutMoments(st.expertMoments, st.expert-st.frozenExpert, st.expertShard-st.frozenExpShard)
		master, updated = trainedShard*prec.MasterBytes, trainedShard
	}
	if r.Offload&OffloadOptimizer != 0 {
		moments, master, updated = 0, 0, 0
	}
	m.OptimizerBytes = master
	during := moments // in forward and backward
	if x.FirstStep {
		during = 0
	}
	if ddp {
		// Gradients are copied to buckets that stay, and back (gradient_as_bucket_view off).
		w.standing = trained * prec.GradientBytes
	}
	if p.first(st.q) {
		for _, i := range c.first {
			if c.sections[i].role == RoleEmbedding {
				w.standing += st.costs[i].work // inputs and tables
			}
		}
	}

	root, rootHead := c.rootParameters(st, last)
	layers := all - root // parameters of the layers not yet done
	// torchtitan 0.3, which has the chunked loss, wraps the head with the final norm
	// apart from the embedding and leaves nothing to the root group.
	chunked := r.Loss == LossChunked && rules.operations
	apart := rules.grouped || chunked
	g := headGroups{root: root, head: rootHead, table: c.Ledger.Model.Embedding.Width * st.rows, apart: apart, chunked: chunked, stays: rules.rootGathered || p.ZeRO == 2, reduces: reduces, reduceBytes: reduceBytes}
	g.headGrad, g.tableGrad = c.headTrained(st, rootHead, g.table, last)
	g.rootGrad = root - (rootHead - g.headGrad)
	if p.first(st.q) {
		g.rootGrad -= st.costs[0].frozenDense
	}
	rootHead = g.headGrad
	headDone := int64(0) // parameters of a head that is reduced before the layers' backward
	first := int64(0)    // parameters of the embedding's own group
	if apart {
		g.tied = c.Ledger.Model.Head.Tied && last && p.first(st.q)
		if p.first(st.q) {
			first = g.embedding()
		}
		root = 0
		if !g.tied || chunked {
			headDone, rootHead = rootHead, 0
		}
	}
	// What exists of gradients before backward where steps accumulate micro-batches:
	// the shards of all, or all of them whole when only the last one reduces.
	held, whole := int64(0), int64(0)
	micro := x.MicroBatches(p)
	if micro > 1 {
		if reduces && r.ReduceLast {
			whole = trained * reduceBytes
		} else {
			held = gradientBytes(trained, trainedShard)
		}
	}
	full, stays := p.ZeRO == 3 && reduces, p.ZeRO == 2 && reduces
	gathered := func(params int64) int64 {
		if full || stays {
			return params * compute
		}
		return 0
	}
	buffer := func(params int64) int64 { // of an all-gather
		if full {
			return params * compute
		}
		return 0
	}
	// With stage 2 the weights of the layers below are still gathered in backward.
	below := func(params int64) int64 {
		if stays {
			return (params + first) * compute
		}
		return 0
	}
	hidden, err := c.hiddenBytes(st)
	if err != nil {
		return err
	}

	// Backward walks the layers from the last to the first.
	count := c.stageSize(p, st.q)
	above := int64(0)      // parameters with gradients of layers already done
	aboveShard := int64(0) // and their shards
	saved := st.saved      // activations still kept
	previous := int64(0)   // parameters of the layer just done, in its reduce-scatter
	// What went into torchtitan's ChunkedLossWrapper stays until Python collects cycles
	// (torchtitan does every 50 steps); counted is the second step. Its backward ends
	// FSDP2's record of the order of layers, without which none is gathered ahead.
	left := int64(0)
	gatheredTokens := hidden // gathered from sequence parallelism
	if p.SP {
		gatheredTokens *= p.TP
	}
	if chunked && rules.operations {
		left = micro * gatheredTokens
		if !x.FirstStep {
			left *= 2
		}
	}
	at := func(phase Phase) moment {
		grads := held
		if grads == 0 {
			grads = gradientBytes(above+headDone, aboveShard+ceilDiv(headDone, st.ranks))
		}
		out := moment{phase: phase, gradients: grads, moments: during, kept: saved + left, reducing: whole}
		if whole > 0 && micro == 2 {
			out.reducing -= above * reduceBytes
		}
		if reduces {
			out.reducing += previous * reduceBytes
			if whole == 0 {
				out.work += rootHead * compute
			}
		} else if held == 0 && last {
			out.gradients += gradientBytes(rootHead, rootHead)
			if r.OptimizerInBackward && c.Ledger.Model.Head.Tied {
				out.gradients += rootHead * prec.GradientBytes // until the embedding's is added
			}
		}
		return out
	}
	for k := count - 1; k >= 0; k-- {
		if n := k - 1; c.uniform && c.whole == nil && k == count-3 && n > 1 {
			// Between equal layers every component moves evenly, so no peak is inside:
			// step over to the second layer.
			cost := &st.costs[c.layers[0]]
			above += cost.trained() * n
			layers -= (cost.dense + cost.expert) * n
			aboveShard += cost.trainedShard() * n
			saved -= cost.saved * n
			k -= n
		}
		cost := &st.costs[c.stageSection(p, st.q, k)]
		here := cost.dense + cost.expert
		next := int64(0)
		if k > 0 && !(chunked && rules.operations) {
			n := &st.costs[c.layers[c.stageLayer(p, st.q, k-1)]]
			next = n.dense + n.expert
		} else if k == 0 && !chunked {
			next = first
		}
		layers -= here
		if k == count-1 && last {
			turn := moment{phase: PhaseLoss, gradients: held, moments: during, kept: saved + max(left-gatheredTokens, 0), reducing: whole, gathered: below(layers + here)}
			if !apart && full { // the last layer stays gathered from forward to backward
				turn.gathered += here * compute
			}
			if err := c.headMoments(&w, turn, g, buffer(next), hidden, gatheredTokens); err != nil {
				return err
			}
			saved -= st.costs[len(c.sections)-1].saved // the final norm is done
		}
		if away {
			saved = cost.saved
		}
		between := at(PhaseBackward)
		between.work += hidden
		between.gathered = gathered(root) + gathered(here) + below(layers)
		if k < count-1 || !last || apart {
			between.gathered += buffer(here)
		}
		if rules.operations && c.cutsInside(p) {
			between.work += gathered(cost.expert) // each is put together out of its parts
		}
		w.see(between)
		inside := at(PhaseBackward)
		inside.work += cost.work
		inside.gathered = gathered(root) + gathered(here) + buffer(next) + below(layers)
		w.see(inside)
		saved -= cost.saved
		if reduces {
			previous = 0
			reduce := at(PhaseBackward)
			reduce.work += hidden + cost.trained()*reduceBytes
			reduce.gathered = gathered(root) + buffer(next) + below(layers)
			if whole == 0 { // else they were added to the whole ones
				reduce.reducing += cost.trained() * compute
			}
			w.see(reduce)
		}
		above, aboveShard, previous = above+cost.trained(), aboveShard+cost.trainedShard(), cost.trained()
	}
	saved = max(saved, 0)
	look := at(PhaseEnd)
	look.work += hidden
	previous = 0
	c.endMoments(&w, look, at(PhaseEnd), g, hidden, last)
	update := moment{phase: PhaseOptimizer, gradients: gradientBytes(trained, trainedShard), moments: moments, kept: left}
	if r.Foreach && r.Optimizer.MatrixMoments > 1 {
		update.work = updated * prec.MomentBytes // the root of the second moment
	}
	w.see(update)
	w.best.PeakBytes = 0
	*m = w.best
	return m.finish(c, x, st.logitsFP32)
}

// headGroups is how FSDP2 wraps what is not a layer.
type headGroups struct {
	root  int64 // parameters of embedding, final norm and head
	head  int64 // of final norm and head
	table int64 // of the embedding, and of the head's matrix
	// The parts of them that have gradients.
	rootGrad, headGrad, tableGrad int64
	apart                         bool  // head and embedding are groups of their own (torchtitan 0.3)
	tied                          bool  // which then are one
	chunked                       bool  // the loss runs chunk by chunk
	stays                         bool  // the group is gathered from forward to backward
	reduces                       bool  // gradients are cut
	reduceBytes                   int64 // a gradient under reduction
}

// embedding is the number of parameters of the group in which the embedding is.
func (g *headGroups) embedding() int64 {
	if g.tied {
		return g.head
	}
	return g.table
}

// headMoments weighs the loss and the head's backward; turn is what else is held
// then, next the buffer in which the layer below the last is gathered ahead, hidden
// the gradient of the residual stream and tokens the same of gathered tokens.
func (c *Compiled) headMoments(w *walk, turn moment, g headGroups, next, hidden, tokens int64) error {
	st := w.st
	prec := &c.Ledger.Recipe.Precision
	compute := prec.Compute.Bytes()
	d := divisors(&st.x.Plan, 1)
	head := &c.sections[len(c.sections)-1]
	gradient16, err := sumTerms(head.headWork, st.x.MicroBatch, st.x.Context, st.rows, &d)
	if err != nil {
		return err
	}
	whole := func(params int64) int64 { // gathered
		if g.reduces {
			return params * compute
		}
		return 0
	}
	shard := ceilDiv(g.headGrad, st.ranks) * prec.GradientBytes
	loss := turn
	loss.logits = st.headIn + st.logits
	loss.logitsWork = st.lossWork
	if g.chunked {
		// Every chunk's head runs forward and backward in turn: its weights gathered,
		// its gradient added up whole and reduced in the last.
		const chunks = 8
		copied := int64(0)
		if st.x.MicroBatch > 1 {
			copied = tokens // chunks of several sequences are copies
		}
		gathers := tokens / compute * FP32.Bytes() // the input's gradient, in fp32
		logProbabilities := (st.lossWork - copied - gathers) / 3
		loss.kept += copied
		loss.logits = st.headIn + gathers + gradient16
		loss.gathered += whole(g.head)
		if g.reduces {
			loss.reducing += g.headGrad * g.reduceBytes
		} else if turn.gradients == 0 {
			loss.gradients += g.headGrad * prec.GradientBytes
		}
		reduce := loss
		loss.logits += logProbabilities
		loss.logitsWork = 2 * logProbabilities
		w.see(loss)
		if g.reduces {
			reduce.logitsWork = tokens / chunks
			reduce.work = shard + g.headGrad*g.reduceBytes
			w.see(reduce)
		}
		return nil
	}
	switch {
	case g.apart:
		loss.gathered += whole(g.head)
	case g.stays:
		loss.gathered += whole(g.root)
	}
	w.see(loss)
	if prec.Autocast && c.Ledger.Recipe.Loss == LossEager {
		// In forward the 16-bit logits and their fp32 copy are there beside the
		// log-probabilities, and autocast's copies of all weights, whatever is recomputed.
		forward := loss
		forward.logits, forward.logitsWork = loss.logits+3*gradient16, 0
		forward.kept += max(st.casts*compute-w.m.WeightCopiesBytes, 0)
		w.see(forward)
	}
	// The head's backward: 16-bit gradient of the logits, the root group and its
	// gather buffer; then the gradients of the head and of its input.
	back := turn
	back.phase, back.logits, back.logitsWork = PhaseHead, st.headIn, gradient16
	if g.apart {
		back.gathered += whole(g.head)
	} else {
		back.gathered += whole(g.root)
		if !g.stays {
			gather := back
			gather.gathered += whole(g.root)
			w.see(gather)
		}
	}
	back.work, back.logitsWork = hidden, gradient16
	if g.reduces {
		back.work += g.headGrad * compute
	} else if turn.gradients == 0 {
		back.gradients += g.headGrad * prec.GradientBytes
	}
	w.see(back)
	if !g.apart || !g.reduces {
		return nil
	}
	// A group of its own is reduced at once, unless it waits for the embedding's share
	// of a tied matrix, and gathered again for the final norm.
	again := turn
	again.phase, again.work = PhaseHead, hidden
	if g.tied {
		again.work += g.tableGrad * compute
	} else {
		reduce := turn
		reduce.phase, reduce.work = PhaseHead, hidden+shard+g.headGrad*g.reduceBytes
		reduce.reducing += g.headGrad * compute
		w.see(reduce)
		again.gradients += shard
		again.reducing += g.headGrad * g.reduceBytes
	}
	again.gathered += whole(g.head) + max(next, whole(g.head))
	w.see(again)
	return nil
}

// endMoments weighs the embedding's backward and then the reduction of the root
// group or of the embedding's own; look and end are what else is held at either.
func (c *Compiled) endMoments(w *walk, look, end moment, g headGroups, hidden int64, last bool) {
	if !w.st.x.Plan.first(w.st.q) {
		return
	}
	prec, rules := &c.Ledger.Recipe.Precision, &c.Ledger.Profile.memory
	compute := prec.Compute.Bytes()
	tied := c.Ledger.Model.Head.Tied && last
	if !g.reduces {
		// A tied table gets a gradient from the head and one from the look-up, which
		// autograd adds up in place at the very end.
		if tied {
			end.gradients += g.tableGrad * prec.GradientBytes
		}
		w.see(end)
		return
	}
	group, whole, reduced := g.root, g.rootGrad, g.rootGrad // what of it has a gradient, and is reduced
	if g.apart {
		group, whole, reduced = g.embedding(), g.tableGrad, g.tableGrad
		if g.tied {
			reduced = g.headGrad
		}
		if !g.stays { // gathered for the embedding, which has no use for it
			look.gathered = 2 * group * compute
			w.see(look)
		}
	}
	look.gathered = group * compute
	look.work += g.tableGrad * compute
	switch tp := w.st.x.Plan.TP; {
	case tp == 1 || !rules.operations:
	case g.apart:
		look.work += (tp - 1) * hidden // of gathered tokens
	default:
		// DTensor makes the whole vocabulary's gradient, and copies its own rows out of it
		// (torch/distributed/tensor/_ops/_embedding_ops.py) when those of tokens are gone.
		look.work -= hidden
		look.reducing += tp * g.tableGrad * compute
	}
	if tied && !g.chunked {
		look.work += g.tableGrad * compute // the sum of the two gradients
	}
	w.see(look)
	end.work = reduced * g.reduceBytes
	end.reducing += whole * compute
	if g.apart {
		end.work += ceilDiv(reduced, w.st.ranks) * prec.GradientBytes
	}
	w.see(end)
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

// rootParameters is FSDP2's root group on this stage (embedding, final norm and
// head), and the part of it whose gradient exists from the head's backward on.
func (c *Compiled) rootParameters(st *stage, last bool) (params, head int64) {
	add := func(i int) int64 {
		n := st.costs[i].dense + st.costs[i].expert
		params += n
		return n
	}
	if st.x.Plan.first(st.q) {
		for _, i := range c.first {
			if c.sections[i].role == RoleEmbedding {
				add(i)
			}
		}
	}
	if last {
		head = add(len(c.sections) - 1)
		if c.Ledger.Model.Head.Tied {
			head += c.Ledger.Model.Embedding.Width * st.rows
		}
	}
	return params, head
}

// headTrained is the part of final norm and head, and of the token table, that has
// gradients.
func (c *Compiled) headTrained(st *stage, head, table int64, last bool) (headGrad, tableGrad int64) {
	headGrad, tableGrad = head, table
	if c.sections[0].frozen[ByVocab] > 0 {
		tableGrad = 0
		if c.Ledger.Model.Head.Tied && last {
			headGrad -= table
		}
	}
	if last {
		headGrad -= st.costs[len(c.sections)-1].frozenDense
	}
	return max(headGrad, 0), tableGrad
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
