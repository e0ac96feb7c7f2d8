package accounting

// sharded adds gathering of weights and scattering of gradients where ZeRO-3
// cuts them: prefetched behind the unit's own computation.
func (u *unitContext) sharded(c *Compiled, cs *compiledSection, f, b *passTime) {
	p := &u.x.Plan
	if p.ZeRO < 3 || u.shard.size <= 1 {
		return
	}
	d := divisors(p, cs.kvHeads)
	dense, expert := perRank(&cs.weights, c.vocabRows(p), &d)
	elements := float64(dense + expert)
	gather := u.m.gather(u.shard, u.weightBytes()*elements/u.stack.Gather)
	scatter := u.m.gather(u.shard, u.reduceBytes()*elements/u.stack.Gather)
	if u.stack.EachWeight {
		gather += float64(float64(cs.tensors()-1) * u.m.ring(u.shard))
	}
	if u.r.Offload&OffloadParameters != 0 { // each shard comes from the host, its gradients go there
		mine := elements / float64(u.shard.size) / u.m.HostRate
		gather = max(gather, u.bytes*mine)
		scatter = max(scatter, u.reduceBytes()*mine)
	}
	exposed := func(busy, wire float64) float64 {
		h := u.stack.DPHidden
		return float64(h*(overlapped(busy, wire)-busy)) + float64((1-h)*wire)
	}
	f.dp = exposed(f.device()+f.launch, gather)
	b.dp = exposed(b.device()+b.launch, gather+scatter)
}

// reduceBytes is the size of one gradient value on the wire.
func (u *unitContext) reduceBytes() float64 {
	if u.r.Precision.GradientBytes == 2 || u.r.Precision.Half || u.r.Precision.Reduce16 {
		return 2 // Megatron reduces fp16 gradients before it widens them
	}
	return 4
}
