package accounting

// chunks is how many parts of the model a stage holds.
func (p *Plan) chunks() int64 {
	if p.Schedule.folded() {
		return 2
	}
	return p.VPP
}

// first and last say whether stage q holds the embedding and the head.
func (p *Plan) first(q int64) bool { return q == 0 || p.Schedule == DualPipe && q == p.PP-1 }

func (p *Plan) last(q int64) bool {
	switch p.Schedule {
	case ZBV:
		return q == 0
	case DualPipe:
		return q == 0 || q == p.PP-1
	}
	return q == p.PP-1
}

// chunkLayers is the range of layers that stage q holds in its chunk j.
func (p *Plan) chunkLayers(layers, q, j int64) (lo, hi int64) {
	switch {
	case p.Schedule == ZBV: // down the stages and up again
		if j == 1 {
			q = 2*p.PP - 1 - q
		}
		return deal(layers, 2*p.PP, q)
	case p.Schedule == DualPipe: // once from either end
		if j == 1 {
			q = p.PP - 1 - q
		}
		return deal(layers, p.PP, q)
	case p.FirstLayers > 0 || p.LastLayers > 0:
		first, inner, last := p.unequal(layers)
		row := first + (p.PP-2)*inner + last
		lo = j * row
		if q > 0 {
			lo += first + (q-1)*inner
		}
		switch q {
		case 0:
			return lo, lo + first
		case p.PP - 1:
			return lo, lo + last
		}
		return lo, lo + inner
	}
	return deal(layers, p.PP*p.VPP, j*p.PP+q)
}

// evenly is the number of layers of every chunk where all hold equally many.
func (p *Plan) evenly(layers int64) (each int64, ok bool) {
	n := p.PP * p.VPP
	switch p.Schedule {
	case ZBV:
		n = 2 * p.PP
	case DualPipe:
		n = p.PP
	}
	return layers / n, layers%n == 0 && p.FirstLayers+p.LastLayers == 0
}

// innerAlike says that the stages between the first and the last hold equally many
// layers.
func (p *Plan) innerAlike(layers int64) bool {
	if p.Schedule.folded() {
		_, even := p.evenly(layers)
		return even
	}
	_, _, short := shortfall(layers, p.PP*p.VPP)
	return p.FirstLayers+p.LastLayers > 0 || layers%(p.PP*p.VPP) == 0 || short
}

// unequal is the number of layers of one chunk of the first stage, of the inner
// ones and of the last, where the plan gives those of the first or the last stage
// and the rest is dealt evenly (Megatron-Core, transformer_block.py,
// get_num_layers_to_build).
func (p *Plan) unequal(layers int64) (first, inner, last int64) {
	rest, stages := layers-p.FirstLayers-p.LastLayers, p.PP
	if p.FirstLayers > 0 {
		stages--
	}
	if p.LastLayers > 0 {
		stages--
	}
	if stages > 0 {
		inner = rest / (stages * p.VPP)
	}
	first, last = inner, inner
	if p.FirstLayers > 0 {
		first = p.FirstLayers / p.VPP
	}
	if p.LastLayers > 0 {
		last = p.LastLayers / p.VPP
	}
	return first, inner, last
}

// dealt says that the layers a plan gives its first and last stage leave the
// others whole layers.
func (p *Plan) dealt(layers int64) bool {
	if p.FirstLayers == 0 && p.LastLayers == 0 {
		return true
	}
	first, inner, last := p.unequal(layers)
	return p.PP > 1 && !p.Schedule.folded() && min(p.FirstLayers, p.LastLayers) >= 0 && min(first, last) > 0 && (p.PP == 2 || inner > 0) &&
		p.VPP*(first+(p.PP-2)*inner+last) == layers
}

// deal is the range of layers that chunk k of so many chunks holds. Layers are
// dealt evenly; where they do not divide, the first and the last chunk hold fewer:
// see [shortfall].
func deal(layers, chunks, k int64) (lo, hi int64) {
	each, first, ok := shortfall(layers, chunks)
	if !ok {
		return k * layers / chunks, (k + 1) * layers / chunks
	}
	lo, hi = k*each-first, (k+1)*each-first
	return max(lo, 0), min(hi, layers)
}

// shortfall deals layers that do not divide: each chunk holds so many, the first
// one fewer by first, and the last what is left. The embedding and the head stand in
// for a layer each (Megatron-Core's account_for_embedding_in_pipeline_split and
// account_for_loss_in_pipeline_split, as Llama 3.1 405B was trained). Where one or
// three are missing, the last chunk lacks them and the first one what it cannot
// lack (Megatron-Bridge's layouts of DeepSeek-V3, whose last chunk predicts a further token as
// well: 61 layers as 15 × 4 + 1, and as 1 + 30 × 2 + 0). With one layer a chunk those
// two are left with the embedding and the head alone. It is not ok where layers
// divide, or more are missing.
func shortfall(layers, chunks int64) (each, first int64, ok bool) {
	each = ceilDiv(layers, chunks)
	switch missing := each*chunks - layers; {
	case missing == 0 || missing > min(3, 2*each):
		return each, 0, false
	case missing == 2:
		return each, 1, true
	default:
		return each, max(missing-each, 0), true
	}
}
