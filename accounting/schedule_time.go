package accounting

// pipelineSeconds is the time of one step of a pipeline with v chunks a stage and
// m micro-batches. slowest is forward and backward of one micro-batch on the
// slowest stage, weights the part of it that computes gradients of weights, and
// all the sum of forward and backward over the stages.
//
// The slowest stage is busy for m micro-batches; before its first and after its
// last one every other stage passes one micro-batch once, a v-th of its time with
// interleaved chunks (Narayanan et al. 2021, section 2.2: a bubble of (p − 1)/v
// micro-batches when all stages are equal; GPipe's is the same). Zero-bubble
// schedules put gradients of weights into the bubble: with F + B + W the forward
// and the gradients of inputs and of weights, ZB-H1 leaves (p − 1)(F + B − W) and
// ZB-H2 (p − 1)(F + B − 2W) (Qi et al. 2023, section 2.3); ZB-V as little. DualPipe
// leaves (p/2 − 1)(F + 2B − 3W) with B = 2W and no gain
// from its overlap (DeepSeek-V3, table 2).
func pipelineSeconds(s Schedule, slowest, all, weights float64, v int64, m float64) float64 {
	busy := float64(m * slowest)
	bubble := (all - slowest) / float64(v)
	if slowest > 0 {
		others := (all - slowest) / slowest // in units of the slowest stage
		switch s {
		case ZBH1:
			bubble -= float64(2 * others * weights)
		case ZBH2, ZBV:
			bubble -= float64(3 * others * weights)
		case DualPipe: // a stage's time here is that of its two halves
			bubble = float64((others-1)/2) * ((slowest - weights) / 2)
		}
	}
	return busy + max(bubble, 0)
}
