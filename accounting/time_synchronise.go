package accounting

import "math"

// synchronise is what of the gradient reduction (and of the gathering of updated
// weights, where the optimizer is sharded) the last backward does not hide. again is
// the same of every backward before it, which the next forward hides too: ZeRO-2 keeps
// no gradients but the shard's, so that each micro-batch's are reduced at once
// (DeepSpeed's stage 2, Megatron-FSDP's optim_grads), while stages 0 and 1 add them up
// where they are.
func (c *Compiled) synchronise(u *unitContext, dense, expert float64, slow *stageTime) (last, again float64) {
	p := &u.x.Plan
	// One bucket at least comes after what hides the others.
	exposed := func(t, behind float64) float64 { return max(t-float64(u.stack.DPHidden*behind), 0.03*t) }
	copies := max(p.Replicas, 1)
	if p.ZeRO == 3 {
		if copies == 1 {
			return 0, 0
		}
		// HSDP: the shards' gradients are reduced among the replicas behind backward.
		t := u.m.reduce(group{copies, p.TP * p.ShardRanks()}, float64(u.reduceBytes()*dense)/float64(p.ShardRanks()))
		return exposed(t, slow.backward), 0
	}
	reduce, gather := c.gradients(u, group{p.DP * p.CP, p.TP}, dense)
	reduceExperts, gatherExperts := c.gradients(u, group{p.ExpertDP(), p.EP * p.ETP}, expert)
	reduce += reduceExperts
	gather += gatherExperts
	if p.ZeRO == 2 {
		again = exposed(reduce, slow.both)
	}
	if u.profile.Broadcasts { // after the update, before the next forward
		return exposed(reduce, slow.backward) + gather, again
	}
	switch {
	case u.profile.ReducesLast && p.ZeRO <= 1, !u.r.Overlap.behind(OverlapGradReduce, u.profile):
		return reduce + gather, again
	case !u.r.Overlap.behind(OverlapParamGather, u.profile):
		return exposed(reduce, slow.backward) + gather, again
	}
	return exposed(reduce+gather, slow.backward), again
}

// gradients is the time of reducing so many gradients over the group and of gathering
// the updated weights.
func (c *Compiled) gradients(u *unitContext, g group, elements float64) (reduce, gather float64) {
	if elements == 0 || g.size <= 1 {
		return 0, 0
	}
	p := &u.x.Plan
	bytes, wire := u.weightBytes()*elements, u.reduceBytes()*elements
	copies := max(p.Replicas, 1)
	shard := group{g.size / copies, g.stride}
	// Megatron-Core's bucket: 40 million values, or a million a rank.
	buckets := math.Ceil(elements / max(40e6, 1e6*float64(g.size)))
	if !u.r.Overlap.behind(OverlapGradReduce, u.profile) {
		buckets = 1 // nothing to hide: bucket_size = None
	}
	if u.profile.Broadcasts {
		buckets = math.Ceil(elements / float64(u.profile.memory.reduceElements))
	}
	switch {
	case p.ZeRO == 0:
		return buckets * u.m.reduce(g, wire/buckets), 0
	case u.profile.Broadcasts:
		return buckets * u.m.reduce(g, wire/buckets), u.m.broadcast(shard, bytes, min(float64(shard.size), c.tensors()/float64(p.PP)))
	}
	reduce, gather = float64(buckets*u.m.gather(shard, wire/buckets)), buckets*u.m.gather(shard, bytes/buckets)
	if copies > 1 {
		// Each rank's shard is then reduced among the ranks that hold the same one
		// (Megatron-Core's distributed_data_parallel/param_and_grad_buffer.py).
		reduce += float64(buckets * u.m.reduce(group{copies, g.stride * shard.size}, wire/buckets/float64(shard.size)))
	}
	return reduce, gather
}

// weightBytes is the size of one updated weight on the wire: NVIDIA's recipes with one fp8
// scale a tensor keep weights in fp8 (fp8_param_gather of Megatron-Bridge's
// training/mixed_precision.py, fp8_params of NeMo's recipes/precision/mixed_precision.py); in
// blocks they are quantised by each rank after (reuse_grad_buf_for_mxfp8_param_ag).
func (u *unitContext) weightBytes() float64 {
	if u.stack.Overlaps && u.m.Format == FormatFP8 {
		return 1
	}
	return u.bytes
}

// tensors is how many weight tensors the model has.
func (c *Compiled) tensors() float64 {
	var n int64
	for i := range c.sections {
		n += c.sections[i].count * c.sections[i].tensors()
	}
	return float64(n)
}

// tensors is how many weight tensors the section has once.
func (s *compiledSection) tensors() (n int64) {
	for i := range s.shapes {
		n += s.shapes[i].count
	}
	return n
}
