package accounting

// Under torch.amp a product reads 16-bit copies of its fp32 weights and of its input, which
// the residual stream and the norms leave in fp32 (aten/src/ATen/autocast_mode.h: products
// in 16 bits, norms in fp32, sums in the wider type). Bytes of a value: read in 4, written in
// 2, and the other way round for its gradient, which [unitContext.accumulate] adds to those
// of the micro-batches before.
const autocastValue = 4 + 2

// autocast adds the copies around one product rows×k by k×n and its gradients. A weight's is
// made once a pass and cached; a compiler fuses the input's with what made it.
func (u *unitContext) autocast(f, b *passTime, rows, n, k float64) {
	if !u.r.Precision.Autocast {
		return
	}
	input := autocastValue * rows * k
	if u.r.Compile {
		input = 0
	}
	copies := (float64(autocastValue*n*k) + input) / u.m.stream()
	f.elementwise += copies
	b.elementwise += copies
}

// wide is how many 16-bit values a value of the residual stream is.
func (u *unitContext) wide() float64 {
	if u.r.Precision.Autocast {
		return 2
	}
	return 1
}
