package accounting

// A moment is what one rank holds at one point of a PyTorch step beside its
// weights, in bytes.
type moment struct {
	phase      Phase
	gradients  int64 // as the optimizer will read them
	moments    int64 // optimizer states
	kept, work int64 // activations kept for backward; made in backward
	// of head and loss: kept for backward; made in loss and backward
	logits, logitsWork int64
	gathered           int64 // whole weights and all-gather buffers
	reducing           int64 // whole gradients of sharded weights and their copy under reduction
}

// A walk goes through one step of a PyTorch program and keeps the fullest moment.
type walk struct {
	st       *stage
	m        *Memory // what is the same at all moments
	standing int64   // DDP's buckets
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
		if cut {
			return shards * prec.GradientBytes
		}
		return params * prec.GradientBytes
	}
	w := walk{st: st, m: m}
	m.WeightsBytes = all * prec.WeightBytes
	if cut {
		m.WeightsBytes = shard * prec.WeightBytes
	}
	moments := st.denseMoments + st.expertMoments
	master := all * prec.MasterBytes
	updated := all
	if p.ZeRO >= 1 {
		moments = cutMoments(st.denseMoments, st.dense, st.denseShard) + cutMoments(st.expertMoments, st.expert, st.expertShard)
		master, updated = shard*prec.MasterBytes, shard
	}
	m.OptimizerBytes = master
	during := moments // in forward and backward
	if x.FirstStep {
		during = 0
	}
	if ddp {
		// Gradients are copied to buckets that stay, and back (gradient_as_bucket_view off).
		w.standing = all * prec.GradientBytes
	}

	root, rootHead := c.rootParameters(st, last)
	// torchtitan 0.3, which has the chunked loss, wraps the head apart from the
	// embedding and reduces it chunk by chunk, before the layers' backward.
	apart := r.Loss == LossChunked
	headGroup, headDone := rootHead, int64(0)
	if apart {
		headDone, root, rootHead = rootHead, 0, 0
	}
	// What exists of gradients before backward where steps accumulate micro-batches:
	// the shards of all, or all of them whole when only the last one reduces.
	held, whole := int64(0), int64(0)
	micro := x.MicroBatches(p)
	if micro > 1 {
		if reduces && r.ReduceLast {
			whole = all * reduceBytes
		} else {
			held = gradientBytes(all, shard)
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
			return params * compute
		}
		return 0
	}
	hidden, err := c.hiddenBytes(st)
	if err != nil {
		return err
	}

	// Backward walks the layers from the last to the first.
	count := c.stageSize(p, st.q)
	layers := all - root - headDone // parameters of the layers not yet done
	above := int64(0)               // parameters of layers already done
	aboveShard := int64(0)          // and their shards
	saved := st.saved               // activations still kept
	previous := int64(0)            // parameters of the layer just done, in its reduce-scatter
	at := func(phase Phase) moment {
		g := held
		if g == 0 {
			g = gradientBytes(above+headDone, aboveShard+ceilDiv(headDone, st.ranks))
		}
		out := moment{phase: phase, gradients: g, moments: during, kept: saved, reducing: whole}
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
		}
		return out
	}
	for k := count - 1; k >= 0; k-- {
		if n := k - 1; c.uniform && c.whole == nil && k == count-3 && n > 1 {
			// Between equal layers every component moves evenly, so no peak is inside:
			// step over to the second layer.
			cost := &st.costs[c.layers[0]]
			above += (cost.dense + cost.expert) * n
			layers -= (cost.dense + cost.expert) * n
			aboveShard += (cost.denseShard + cost.expertShard) * n
			saved -= cost.saved * n
			k -= n
		}
		cost := &st.costs[c.stageSection(p, st.q, k)]
		here := cost.dense + cost.expert
		next := int64(0)
		if k > 0 {
			n := &st.costs[c.layers[c.stageLayer(p, st.q, k-1)]]
			next = n.dense + n.expert
		}
		layers -= here
		if k == count-1 && last {
			// The last layer stays gathered from forward to backward.
			turn := moment{phase: PhaseLoss, gradients: held, moments: during, kept: saved, reducing: whole, gathered: gathered(here) + below(layers)}
			if err := c.headMoments(&w, turn, root, rootHead, headGroup, apart, rules.rootGathered || stays, reduces); err != nil {
				return err
			}
			saved -= st.costs[len(c.sections)-1].saved // the final norm is done
		}
		between := at(PhaseBackward)
		between.work += hidden
		between.gathered = gathered(root) + gathered(here) + below(layers)
		if k < count-1 || !last {
			between.gathered += buffer(here)
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
			reduce.work += hidden
			reduce.gathered = gathered(root) + buffer(next) + below(layers)
			reduce.reducing += here * reduceBytes
			if whole == 0 { // else they were added to the whole ones
				reduce.reducing += here * compute
			}
			w.see(reduce)
		}
		above, aboveShard, previous = above+here, aboveShard+cost.denseShard+cost.expertShard, here
	}
	saved = max(saved, 0)
	if apart && p.first(st.q) {
		root = c.Ledger.Model.Embedding.Width * st.rows // the embedding, its own group
	}
	look := at(PhaseEnd)
	look.work += hidden
	look.gathered = gathered(root)
	previous = 0
	c.endMoments(&w, look, at(PhaseEnd), root, last, reduces, reduceBytes)
	update := moment{phase: PhaseOptimizer, gradients: gradientBytes(all, shard), moments: moments}
	if r.Foreach && r.Optimizer.MatrixMoments > 1 {
		update.work = updated * prec.MomentBytes // the root of the second moment
	}
	w.see(update)
	w.best.PeakBytes = 0
	*m = w.best
	return m.finish(c, p, st.logitsFP32)
}

// headMoments weighs the loss and the head's backward; turn is what else is held
// then.
func (c *Compiled) headMoments(w *walk, turn moment, root, rootHead, headGroup int64, apart, rootStays, reduces bool) error {
	st, r := w.st, &c.Ledger.Recipe
	prec := &r.Precision
	compute := prec.Compute.Bytes()
	d := divisors(&st.x.Plan, 1)
	head := &c.sections[len(c.sections)-1]
	gradient16, err := sumTerms(head.headWork, st.x.MicroBatch, st.x.Context, st.rows, &d)
	if err != nil {
		return err
	}
	whole := func(params int64) int64 { // gathered
		if reduces {
			return params * compute
		}
		return 0
	}
	loss := turn
	loss.logits = st.headIn + st.logits
	if apart {
		// Every chunk's head runs forward and backward in turn: its weights gathered,
		// its gradient whole in fp32, and reduced at the end.
		headWhole := headGroup * prec.GradientBytes
		loss.logitsWork = st.lossWork + gradient16
		loss.gathered += whole(headGroup)
		loss.reducing += headWhole
		w.see(loss)
		loss.logitsWork = gradient16
		loss.reducing += headWhole + headWhole/st.ranks
		w.see(loss)
		return nil
	}
	if rootStays {
		loss.gathered += whole(root)
	}
	loss.logitsWork = st.lossWork
	w.see(loss)
	// The head's backward: 16-bit gradient of the logits, the root group and its
	// gather buffer; then the gradients of the head and of its input.
	back := turn
	back.phase, back.logits, back.logitsWork = PhaseHead, st.headIn, gradient16
	back.gathered += whole(root)
	if !rootStays {
		gather := back
		gather.gathered += whole(root)
		w.see(gather)
	}
	hidden, err := c.hiddenBytes(st)
	if err != nil {
		return err
	}
	back.logitsWork += hidden
	if reduces {
		back.work += rootHead * compute
	} else if turn.gradients == 0 {
		back.gradients += rootHead * prec.GradientBytes
	}
	w.see(back)
	return nil
}

// endMoments weighs the embedding's backward and then the reduction of the root
// group; look and end are what else is held at either.
func (c *Compiled) endMoments(w *walk, look, end moment, root int64, last, reduces bool, reduceBytes int64) {
	if !w.st.x.Plan.first(w.st.q) {
		return
	}
	prec := &c.Ledger.Recipe.Precision
	compute := prec.Compute.Bytes()
	table := c.Ledger.Model.Embedding.Width * w.st.rows
	tied := c.Ledger.Model.Head.Tied && last
	if !reduces {
		// A tied table gets a gradient from the head and one from the look-up, which
		// autograd adds up in place at the very end.
		if tied {
			end.gradients += table * prec.GradientBytes
		}
		w.see(end)
		return
	}
	look.work += table * compute
	if tied {
		look.work += table * compute // the sum of the two gradients
	}
	w.see(look)
	end.work = 0
	end.reducing += root * (compute + reduceBytes)
	w.see(end)
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
