package accounting

import "headroom/accounting/arch"

// ring adds context parallelism to attention: every rank attends with its own queries to
// the keys and values of all. q, v and kv are the widths on one rank of queries, of
// the output, and of keys and values together.
func (u *unitContext) ring(a *arch.Attention, q, v, kv float64, f, b *passTime) {
	if u.torchRing {
		if !u.grouped {
			kv = q + v // repeat_kv copies keys and values to all heads before SDPA
		}
		u.gathered(q, v, kv, f, b)
		return
	}
	// The ring passes keys and values on while it computes.
	hops := float64(u.x.Plan.CP - 1)
	hop := float64(hops * u.hop(u.bytes*u.tokens*kv))
	// Each further block's output and gradients are added to the others' in fp32: two
	// read, one written.
	u.stream(f, u.tokens*v, 6*hops)
	u.stream(b, u.tokens*(q+kv), 6*hops)
	f.cp += overlapped(f.attention, hop) - f.attention
	b.cp += overlapped(b.attention, 2*hop) - b.attention
}

// hop is the time of passing so many bytes on to the next context-parallel rank.
func (u *unitContext) hop(bytes float64) float64 {
	return u.m.send(u.cp.stride*max(u.x.Plan.CP/2, 1), bytes)
}

// gathered is PyTorch's ring attention (torch/distributed/tensor/experimental/_attention.py
// of torch 2.6 and later, _templated_ring_attention and its backward), as torchtitan sets
// it up: rotation by all-gather, head and tail of the sequence on each rank,
// convert_to_f32. One pass is a 16-bit value read or written; what differs between ranks
// is the mean of a block that all of a rank's queries see and one that the second half
// of them sees.
//
// Run as it is written, the gather of keys and values is behind the first of the equal
// blocks of attention, and each sum of their gradients travels behind the next one. A
// compiler waits for each collective where it begins (_functional_collectives.py,
// _maybe_wrap_tensor), fuses the operations between the blocks and drops the copies that
// nothing sends.
func (u *unitContext) gathered(q, v, kv float64, f, b *passTime) {
	size := float64(u.x.Plan.CP)
	hops := size - 1
	gather := u.m.gather(u.cp, u.bytes*u.tokens*kv*size)
	rotate := u.hop(4 * u.tokens * kv) // gradients of keys and values, in fp32
	if u.r.Compile {
		// Keys and values made contiguous and joined; a block is merged in one kernel: the
		// fp32 sum read and written, the block read.
		u.stream(f, u.tokens*kv, 4)
		u.stream(f, u.tokens*v, 5*hops)
		u.stream(b, u.tokens*kv, 4+float64(5*size))
		u.stream(b, u.tokens*q, 5*size)
		f.kernels += 3 + float64(2*hops)
		b.kernels += 3 + float64(3*size)
		f.cp += gather
		b.cp += gather + float64(size*rotate)
		return
	}
	// Forward. Keys and values are made contiguous 2, and joined at each hop 2. _SDPAMerger:
	// the first block in fp32 3, the sum back in 16 bits 3; for each further block its fp32
	// copy 3, difference 6, product with the sigmoid 4, difference 6; for half of the
	// queries half of that, and the halves joined 4.
	u.stream(f, u.tokens*kv, 2+float64(2*hops))
	u.stream(f, u.tokens*v, 6+float64(hops*(19+13.5)/2))
	// Backward. fp32 zeros 2 and results back in 16 bits 3; each block's gradients added 5,
	// or to half of the rows 2.5 and the halves joined 4; those of keys and values joined
	// 4 to be sent on.
	u.stream(b, u.tokens*kv, 7+float64(2*hops)+float64(4*size)+float64(hops*(5+6.5)/2)+5)
	u.stream(b, u.tokens*q, 5+float64(hops*(5+6.5)/2)+5)
	f.kernels += 5 + float64(8*hops)
	b.kernels += 8 + float64(8*size)
	first, block := f.attention/size, b.attention/size
	f.cp += overlapped(first, gather) - first
	b.cp += overlapped(block, gather) - block + float64(hops*(overlapped(block, rotate)-block)) + rotate
}
