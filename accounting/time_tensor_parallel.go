package accounting

import "headroom/accounting/arch"

// layerTensorParallel adds the tensor-parallel communication of a layer: attention and
// feed-forward each gather their input and reduce their output, and backward the other
// way round. It says what the gathers of inputs take, which selective recompute can make
// again.
func (u *unitContext) layerTensorParallel(l *arch.Layer, d float64, f, b *passTime) (gathers float64) {
	times := 2.0
	if l.Parallel || l.MoE != nil { // experts gather what is sent to them, if they are cut
		times = 1
	}
	bytes := u.gatheredWidths()
	forward, backward := float64(times*u.tpExposed()*u.tensorParallel(d, bytes[0])), float64(times*u.tpExposed()*u.tensorParallel(d, bytes[1]))
	f.tp += forward
	b.tp += backward
	gathers = float64(forward / 2) // with sequence parallelism and in 16 bits
	if u.r.Overlap&OverlapTP != 0 && u.stack.Operations && u.x.Plan.SP {
		forward, backward, again := u.asyncTensorParallel(l, d, gathers/times)
		f.tp -= forward
		b.tp -= backward
		gathers -= again
	}
	return gathers
}

// tensorParallel is one gather and one reduction of a micro-batch's activations,
// which is an all-reduce without sequence parallelism. What is gathered has so many bytes
// a value.
func (u *unitContext) tensorParallel(d, gathered float64) float64 {
	values := u.tokens * d
	if u.x.Plan.SP {
		return u.m.gather(u.tp, gathered*values) + u.m.gather(u.tp, u.bytes*values)
	}
	return u.m.reduce(u.tp, u.bytes*values)
}

// gatheredWidths is the bytes of a value that forward and backward gather. TransformerEngine
// quantises the input of a product, and the gradient of its output, before it gathers them
// (_all_gather_fp8, _all_gather_mxfp8 and _all_gather_nvfp4 of pytorch/distributed.py);
// blocks of the gradient are of rows for one product and of columns for the other, so that
// both are sent, with a scale for every 32 values of 8 bits or 16 of 4.
func (u *unitContext) gatheredWidths() [2]float64 {
	if u.stack.Overlaps {
		switch u.m.Format {
		case FormatFP8:
			return [2]float64{1, 1}
		case FormatMXFP8:
			return [2]float64{1 + 1.0/32, 2 + 2.0/32}
		case FormatFP4:
			return [2]float64{0.5 + 1.0/16, 1 + 2.0/16}
		}
	}
	return [2]float64{u.bytes, u.bytes}
}

// tpExposed is the share of tensor-parallel communication that nothing hides. Without
// --tp-comm-overlap Megatron-Core hides what backward reduces behind the gradient of the
// weights (LinearWithGradAccumulationAndAsyncCommunication in tensor_parallel/layers.py):
// both of its all-reduces, or with sequence parallelism the two scatters of its two
// gathers and two scatters, so that half and three quarters of both directions are left.
func (u *unitContext) tpExposed() float64 {
	switch {
	case u.r.Overlap.behind(OverlapTP, u.profile) || !u.stack.Overlaps:
		return u.stack.TPExposed
	case u.x.Plan.SP:
		return 0.75
	}
	return 0.5
}
