package accounting

// autogradPeak is the peak of a PyTorch program: gradients appear in backward and
// are gone after the update. With ZeRO 3 (FSDP2) weights are gathered a layer at
// a time. The moments are those at which torch's own memory tracker finds peaks
// (truth/fake_runs_README.md): in the loss, in the head's backward, in the
// backward of a layer, and at the end, when the root group is reduced.
func (c *Compiled) autogradPeak(st *stage, last bool, m *Memory) error {
	prec := &c.Ledger.Recipe.Precision
	x, p := st.x, &st.x.Plan
	all, shard := st.dense+st.expert, st.denseShard+st.expertShard
	cut := p.ZeRO >= 2 // FSDP2 cuts weights, gradients and moments alike; stage 2 keeps gathered weights
	weights, moments := all, st.denseMoments+st.expertMoments
	if p.ZeRO >= 1 {
		moments = cutMoments(st.denseMoments, st.dense, st.denseShard) + cutMoments(st.expertMoments, st.expert, st.expertShard)
	}
	if cut {
		weights = shard
	}
	gradient := func(params, shards int64) int64 {
		if cut {
			return shards * prec.GradientBytes
		}
		return params * prec.GradientBytes
	}
	m.WeightsBytes = weights * prec.WeightBytes
	m.OptimizerBytes = moments
	if p.ZeRO >= 1 {
		m.OptimizerBytes += shard * prec.MasterBytes
	} else {
		m.OptimizerBytes += all * prec.MasterBytes
	}
	ddp := !cut && st.ranks > 1 // torch DDP: gradients are views of buckets that stay

	compute := prec.Compute.Bytes()
	root, rootHead := c.rootParameters(st, last)
	// torchtitan 0.3, which has the chunked loss, wraps the head apart from the
	// embedding and reduces it chunk by chunk, before the layers' backward.
	apart := c.Ledger.Recipe.Loss == LossChunked
	headGroup, headDone := rootHead, int64(0)
	if apart {
		headDone, root, rootHead = rootHead, 0, 0
	}
	best := Memory{}
	try := func(phase Phase, gradients, activations, logits, buffers int64) {
		t := *m
		t.Phase, t.GradientsBytes, t.ActivationsBytes, t.LogitsBytes, t.BuffersBytes = phase, gradients, activations, logits, buffers
		st.note(t)
		total := gradients + activations + logits + buffers
		if best.PeakBytes == 0 || total > best.PeakBytes {
			best = t
			best.PeakBytes = total
		}
	}
	// What exists of gradients before backward: all of them when steps accumulate
	// micro-batches or DDP keeps its buckets.
	held := int64(0)
	if x.MicroBatches(p) > 1 || ddp {
		held = gradient(all, shard)
	}
	gathered := func(params int64) int64 {
		if p.ZeRO == 3 && st.ranks > 1 {
			return params * compute
		}
		return 0
	}
	always := int64(0) // stage 2: weights stay gathered from forward to backward
	if p.ZeRO == 2 && st.ranks > 1 {
		always = all * compute
	}

	// Backward walks the layers from the last to the first.
	count := c.stageSize(p, st.q)
	above := int64(0)      // parameters of layers already done
	aboveShard := int64(0) // and their shards
	saved := st.saved      // activations still kept
	previous := int64(0)   // parameters of the layer just done, in its reduce-scatter
	for k := count - 1; k >= 0; k-- {
		if n := k - 1; c.uniform && c.whole == nil && k == count-3 && n > 1 {
			// Between equal layers every component moves evenly, so no peak is inside:
			// step over to the second layer.
			cost := &st.costs[c.layers[0]]
			above += (cost.dense + cost.expert) * n
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
		if k == count-1 && last {
			loss := gathered(here) + always
			if c.Ledger.Profile.memory.rootGathered {
				loss += gathered(root)
			}
			d := divisors(p, 1)
			head := &c.sections[len(c.sections)-1]
			gradient16, err := sumTerms(head.headWork, x.MicroBatch, x.Context, st.rows, &d)
			if err != nil {
				return err
			}
			if apart {
				// Every chunk's head runs forward and backward in turn: its weights gathered,
				// its gradient whole in fp32, and reduced at the end.
				whole := headGroup * prec.GradientBytes
				try(PhaseLoss, held, saved, st.logits+st.lossWork+gradient16, gathered(headGroup)+always+whole)
				try(PhaseLoss, held, saved, st.logits+gradient16, gathered(headGroup)+always+2*whole+whole/st.ranks)
			} else {
				try(PhaseLoss, held, saved, st.logits+st.lossWork, loss)
			}
			// The head's backward: 16-bit gradient of the logits, the root group and its
			// gather buffer, the head's own gradient.
			if !apart {
				try(PhaseHead, held, saved, gradient16, gathered(here)+2*gathered(root)+always+rootHead*compute)
			}
			saved -= st.costs[len(c.sections)-1].saved // the final norm is done
		}
		g := held
		if g == 0 {
			g = gradient(above+headDone, aboveShard+ceilDiv(headDone, st.ranks))
		}
		buffers := gathered(root) + gathered(here) + gathered(next) + always
		if st.ranks > 1 && cut {
			buffers += previous*prec.GradientBytes + rootHead*compute
		} else if held == 0 && last {
			g += gradient(rootHead, rootHead)
		}
		try(PhaseBackward, g, saved+cost.work, 0, buffers)
		above, aboveShard, previous = above+here, aboveShard+cost.denseShard+cost.expertShard, here
		saved -= cost.saved
	}
	g := held
	if g == 0 {
		g = gradient(above, aboveShard)
	}
	if apart && p.first(st.q) {
		root = c.Ledger.Model.Embedding.Width * st.rows // the embedding, its own group
	}
	end := gathered(root) + always
	if cut && st.ranks > 1 {
		end += root*(compute+prec.GradientBytes) + previous*prec.GradientBytes
		try(PhaseEnd, g, max(saved, 0), 0, end)
		try(PhaseOptimizer, gradient(all, shard), 0, 0, 0)
	} else {
		// A tied table gets a gradient from the head and one from the look-up, which
		// autograd adds up in place at the very end.
		if model := c.Ledger.Model; model.Head.Tied && last && p.first(st.q) {
			try(PhaseEnd, gradient(all, shard), max(saved, 0), 0, always+model.Embedding.Width*st.rows*prec.GradientBytes)
		}
		try(PhaseOptimizer, gradient(all, shard), 0, 0, always)
	}
	best.PeakBytes = 0
	*m = best
	return m.finish(c, p, st.logitsFP32)
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
