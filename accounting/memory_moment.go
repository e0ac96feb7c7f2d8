package accounting

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

// see weighs one moment.
func (w *walk) see(x moment) {
	t := *w.m
	t.Phase, t.GradientsBytes, t.OptimizerBytes = x.phase, x.gradients, t.OptimizerBytes+x.moments
	t.ActivationsBytes, t.LogitsBytes = x.kept+x.work, x.logits+x.logitsWork
	t.TemporaryBytes = x.work + x.logitsWork
	t.BuffersBytes = x.gathered + x.reducing + w.standing
	t.GatheredBytes, t.ReducingBytes = x.gathered, x.reducing
	w.st.note(&t)
	t.PeakBytes = t.GradientsBytes + t.OptimizerBytes + t.ActivationsBytes + t.LogitsBytes + t.BuffersBytes
	if w.best.PeakBytes == 0 || t.PeakBytes > w.best.PeakBytes {
		w.best = t
	}
}
