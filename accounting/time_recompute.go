package accounting

// repeat adds what the recipe recomputes to backward; last is the product that
// ends the layer, which no backward needs, gathers what tensor parallelism takes to
// gather the inputs of products.
func (u *unitContext) repeat(cs *compiledSection, f, b *passTime, last, gathers float64) {
	switch u.r.Recompute.Mode {
	case RecomputeFull:
		if !u.stops {
			last = 0
		}
		b.recompute = float64(u.again * (f.matmul + f.attention + f.elementwise - last))
		b.tp += float64(u.again * f.tp)
		b.cp += float64(u.again * f.cp)
		b.ep += float64(u.again * f.ep)
		b.kernels += float64(u.again * f.kernels)
		b.host += float64(u.again * f.host)
	case RecomputeSelective:
		if u.stack.Operations {
			// torchtitan keeps every second matrix product and the attention output.
			b.recompute = float64(f.matmul/2) + f.elementwise
			b.kernels += float64(f.kernels * 0.7)
			if u.x.Plan.SP {
				// What its policy saves is reduced (reduce_scatter_tensor in _save_list of
				// torchtitan/parallelisms/parallelize_llama.py), not what is gathered.
				b.tp += gathers
			}
			return
		}
		if u.r.recomputes(CoreAttention) {
			b.recompute += f.attention
		}
		if cs.again.token > 0 { // whole modules, by their share of the products
			b.recompute += float64(f.matmul * cs.again.token / cs.flops.token)
		}
	}
}

// once adds traffic of forward that backward repeats.
func (u *unitContext) once(b *passTime, elements, times float64) {
	var again passTime
	u.stream(&again, elements, times)
	b.recompute += again.elementwise
}
