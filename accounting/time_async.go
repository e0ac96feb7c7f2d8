package accounting

import "headroom/accounting/arch"

// asyncTensorParallel is what torchtitan's asynchronous tensor parallelism hides, seconds:
// of forward, of backward, and of a gather that selective recompute makes again. A
// compiler joins a gather with the products that read it, and a product with the scatter
// that is its only reader, in as many pieces as there are ranks, and passes one piece on
// while it multiplies the next (torch/_inductor/fx_passes/micro_pipeline_tp.py,
// fuse_all_gather_matmul, fuse_matmul_reduce_scatter). In backward the scatters follow
// sums of several products, which do not match; the gathers of gradients do, and so do
// those of recomputed inputs, with the one product in two that runs again.
func (u *unitContext) asyncTensorParallel(l *arch.Layer, d, one float64) (forward, backward, again float64) {
	a := &l.Attention
	if l.FFN == nil || a.MLA != nil || l.Parallel {
		return 0, 0, 0 // not what the patterns are made for
	}
	size := float64(u.x.Plan.TP)
	hides := func(n, k float64) float64 {
		pieces := size * u.m.product(u.tokens/size, n, k, true)
		return u.m.product(u.tokens, n, k, true) + one - overlapped(pieces, one)
	}
	q, v := float64(a.Heads*a.HeadDim)/size, float64(a.Heads*a.ValueDim)/size
	key := float64(a.KVHeads*a.HeadDim) / size
	width := float64(l.FFN.Width) / size
	up := width
	if l.FFN.Gated {
		up = 2 * width
	}
	forward = hides(q+2*key, d) + hides(d, v) + hides(up, d) + hides(d, width)
	backward = hides(v, d) + hides(width, d)
	again = hides(key, d) + hides(width, d)
	return forward, backward, again
}
