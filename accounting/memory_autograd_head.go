package accounting

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
// then, next the buffer in which the layer below the last is gathered ahead.
func (c *Compiled) headMoments(w *walk, turn moment, next int64) error {
	st, g, hidden, tokens := w.st, &w.groups, w.hidden, w.tokens
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
		kept := w.m.WeightCopiesBytes
		if c.Ledger.Recipe.Offload&OffloadActivations != 0 {
			kept = 0 // the host has autograd's; autocast's cache is another owner, and stays
		}
		forward.kept += max(st.casts*compute-kept, 0)
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
func (c *Compiled) endMoments(w *walk, look, end moment) {
	g, hidden, last := &w.groups, w.hidden, w.last
	if !w.st.x.Plan.first(w.st.q) {
		return
	}
	prec, rules := &c.Ledger.Recipe.Precision, &c.Ledger.Profile.memory
	compute := prec.Compute.Bytes()
	tied := c.Ledger.Model.Head.Tied && last
	if !g.reduces {
		// A tied table gets a gradient from the head and one from the look-up, which
		// autograd adds up in place at the very end (torch/csrc/autograd/input_buffer.cpp,
		// can_accumulate_inplace). A fake run makes a third: fake tensors are a subclass.
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
		look.work += g.tableGrad * compute // the sum of the two gradients, as fake runs have it
	}
	w.see(look)
	end.work = reduced * g.reduceBytes
	end.reducing += whole * compute
	if g.apart {
		end.work += ceilDiv(reduced, w.st.ranks) * prec.GradientBytes
	}
	w.see(end)
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
