package accounting

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// A cudaBlock is a part of a segment of PyTorch's caching allocator.
type cudaBlock struct {
	size, order int64
	free, small bool
	prev, next  *cudaBlock
}

// A cachingAllocator replays c10/cuda/CUDACachingAllocator.cpp without expandable
// segments: sizes rounded to 512 bytes; segments of 2 MiB up to 1 MiB, of 20 MiB up to
// 10 MiB, otherwise rounded to 2 MiB; best fit; a block is split where more than 512
// bytes (1 MiB in large segments) remain; neighbours merge. The host runs up to ahead
// launches before the device, and a block that another stream has used is free once the
// device has come by.
type cachingAllocator struct {
	pools                [2][]*cudaBlock // free blocks by size, large and small
	blocks               int64
	reserved             int64
	host, device, ahead  int64
	waiting              []*cudaBlock
	waitingFor           []int64
	allocated, allocPeak int64
}

func byFit(a, b *cudaBlock) int {
	if a.size != b.size {
		return int(min(max(a.size-b.size, -1), 1))
	}
	return int(min(max(a.order-b.order, -1), 1))
}

func (a *cachingAllocator) pool(small bool) *[]*cudaBlock {
	if small {
		return &a.pools[1]
	}
	return &a.pools[0]
}

func (a *cachingAllocator) insert(b *cudaBlock) {
	p := a.pool(b.small)
	i, _ := slices.BinarySearchFunc(*p, b, byFit)
	*p = slices.Insert(*p, i, b)
}

func (a *cachingAllocator) remove(b *cudaBlock) {
	p := a.pool(b.small)
	i, _ := slices.BinarySearchFunc(*p, b, byFit)
	*p = slices.Delete(*p, i, i+1)
}

func (a *cachingAllocator) launch(n int64) {
	a.host += n
	a.device = max(a.device, a.host-a.ahead)
}

func (a *cachingAllocator) synchronize() { a.device = a.host }

func (a *cachingAllocator) malloc(n int64) *cudaBlock {
	for len(a.waiting) > 0 && a.waitingFor[0] <= a.device {
		a.release(a.waiting[0])
		a.waiting, a.waitingFor = a.waiting[1:], a.waitingFor[1:]
	}
	size := max(ceilDiv(n, 512)*512, 512)
	small, rest := size <= mib, int64(mib+1)
	if small {
		rest = 512
	}
	p := a.pool(small)
	i, _ := slices.BinarySearchFunc(*p, &cudaBlock{size: size}, byFit)
	var b *cudaBlock
	if i < len(*p) {
		b = (*p)[i]
		*p = slices.Delete(*p, i, i+1)
	} else {
		segment := ceilDiv(size, 2*mib) * 2 * mib
		if !small && size < 10*mib {
			segment = 20 * mib
		}
		a.blocks++
		b = &cudaBlock{size: segment, order: a.blocks, small: small}
		a.reserved += segment
	}
	if b.size-size >= rest {
		a.blocks++
		r := &cudaBlock{size: b.size - size, order: a.blocks, small: small, free: true, prev: b, next: b.next}
		if b.next != nil {
			b.next.prev = r
		}
		b.next, b.size = r, size
		a.insert(r)
	}
	b.free = false
	a.allocated += b.size
	a.allocPeak = max(a.allocPeak, a.allocated)
	return b
}

func (a *cachingAllocator) release(b *cudaBlock) {
	b.free = true
	if n := b.next; n != nil && n.free {
		a.remove(n)
		b.size, b.next = b.size+n.size, n.next
		if n.next != nil {
			n.next.prev = b
		}
	}
	if p := b.prev; p != nil && p.free {
		a.remove(p)
		p.size, p.next = p.size+b.size, b.next
		if b.next != nil {
			b.next.prev = p
		}
		b = p
	}
	a.insert(b)
}

func (a *cachingAllocator) drop(blocks ...*cudaBlock) {
	for _, b := range blocks {
		a.allocated -= b.size
		a.release(b)
	}
}

// dropRecorded frees a tensor that a collective has used.
func (a *cachingAllocator) dropRecorded(blocks ...*cudaBlock) {
	for _, b := range blocks {
		a.allocated -= b.size
		a.waiting, a.waitingFor = append(a.waiting, b), append(a.waitingFor, a.host)
	}
}

// A megatronReplay runs training steps of one rank of Megatron-Core of 2024 with
// sequence parallelism and flash attention, tensor by tensor.
type megatronReplay struct {
	cachingAllocator
	t, p                 int64 // tensor-parallel ranks, pipeline stages
	d, q, kv, f, v, lays int64 // widths; layers of the stage
	full, unpaced        bool  // full recompute; no waiting between passes
	tokens, hidden       int64 // bytes of a whole 16-bit activation of width 1 and d
}

func (r *megatronReplay) collective() { r.launch(7) }

// kept is what one layer keeps for backward, in the order of its making.
type kept map[string]*cudaBlock

func (r *megatronReplay) layerForward(x *cudaBlock) (kept, *cudaBlock) {
	k := kept{"x": x}
	block := func(norm string, products func()) *cudaBlock {
		k[norm] = r.malloc(r.hidden / r.t)
		r.launch(1)
		whole := r.malloc(r.hidden)
		r.collective()
		products()
		r.dropRecorded(whole)
		return nil
	}
	out := func(mask, sum string) *cudaBlock {
		whole := r.malloc(r.hidden)
		r.launch(1)
		share := r.malloc(r.hidden / r.t)
		r.collective()
		r.dropRecorded(whole)
		k[mask] = r.malloc(r.hidden / 2 / r.t)
		y := r.malloc(r.hidden / r.t)
		r.launch(2)
		r.dropRecorded(share)
		if sum != "" {
			k[sum] = y
		}
		return y
	}
	block("norm1", func() { k["qkv"] = r.malloc(r.tokens * (r.q + 2*r.kv) / r.t); r.launch(1) })
	k["q"], k["k"] = r.malloc(r.tokens*r.q/r.t), r.malloc(r.tokens*r.kv/r.t)
	k["o"] = r.malloc(r.tokens * r.q / r.t)
	r.launch(5)
	out("mask1", "x2")
	block("norm2", func() { k["up"] = r.malloc(r.tokens * 2 * r.f / r.t); r.launch(1) })
	k["act"] = r.malloc(r.tokens * r.f / r.t)
	r.launch(2)
	return k, out("mask2", "")
}

func (r *megatronReplay) layerBackward(k kept, grad *cudaBlock) *cudaBlock {
	// One block: the gathered gradient of its output, the gradient of what the last
	// product read, that of the first product's output, the gathered input, and the
	// scattered gradient of the input.
	block := func(mask, last, norm, in string, inner, first int64, gone ...string) {
		g := r.malloc(r.hidden / r.t)
		r.launch(1)
		r.drop(k[mask])
		whole := r.malloc(r.hidden)
		r.collective()
		d := r.malloc(inner)
		r.launch(2)
		r.dropRecorded(whole, g)
		r.drop(k[last])
		e := r.malloc(first)
		r.launch(3)
		r.drop(d)
		for _, n := range gone {
			r.drop(k[n])
		}
		gathered := r.malloc(r.hidden)
		r.collective()
		dx := r.malloc(r.hidden)
		r.launch(1)
		share := r.malloc(r.hidden / r.t)
		r.collective()
		r.launch(1)
		r.dropRecorded(dx, gathered, k[norm])
		r.drop(e)
		y := r.malloc(r.hidden / r.t)
		r.launch(2)
		r.dropRecorded(share)
		r.drop(k[in])
		sum := r.malloc(r.hidden / r.t)
		r.launch(1)
		r.drop(y, grad)
		grad = sum
	}
	block("mask2", "act", "norm2", "x2", r.tokens*r.f/r.t, r.tokens*2*r.f/r.t, "up")
	block("mask1", "o", "norm1", "x", r.tokens*r.q/r.t, r.tokens*(r.q+2*r.kv)/r.t, "q", "k", "qkv")
	return grad
}

// keepInput drops all that a checkpointed layer does not keep.
func (r *megatronReplay) keepInput(k kept) kept {
	for _, n := range slices.Sorted(maps.Keys(k)) {
		if n != "x" {
			r.drop(k[n])
		}
	}
	return kept{"x": k["x"]}
}

// steps is the reserved memory after training steps of stage 0 with so many
// data-parallel ranks.
func (r *megatronReplay) steps(n, dp int64) {
	weights := []int64{r.v * r.d / r.t}
	for range r.lays {
		weights = append(weights, (r.q+2*r.kv)*r.d/r.t, r.q*r.d/r.t, 2*r.f*r.d/r.t, r.f*r.d/r.t, r.d, r.d)
	}
	if r.p == 1 {
		weights = append(weights, r.v*r.d/r.t)
	}
	sum := int64(0)
	var made []*cudaBlock
	for _, w := range weights {
		sum += w
		made = append(made, r.malloc(2*w))
	}
	r.malloc(2 * sum) // the contiguous buffers of parameters and gradients
	r.malloc(4 * sum)
	r.drop(made...)
	var owned []int64 // the first rank's share, from the last parameter on
	for left := ceilDiv(sum, dp); left > 0; weights = weights[:len(weights)-1] {
		owned = append(owned, min(left, weights[len(weights)-1]))
		left -= owned[len(owned)-1]
	}
	for _, w := range owned {
		r.malloc(4 * w)
	}
	for range 3 {
		r.malloc(32 * mib)
	}
	type run struct {
		layers []kept
		head   []*cudaBlock
	}
	var flying []run
	forward := func() {
		x := r.malloc(r.hidden / r.t)
		var one run
		for range r.lays {
			var k kept
			k, x = r.layerForward(x)
			if r.full {
				k = r.keepInput(k)
			}
			one.layers = append(one.layers, k)
		}
		if r.p > 1 {
			r.drop(x)
		} else {
			norm := r.malloc(r.hidden / r.t)
			whole := r.malloc(r.hidden)
			r.collective()
			logits := r.malloc(r.tokens * r.v / r.t)
			r.launch(1)
			r.dropRecorded(whole)
			upcast := r.malloc(2 * r.tokens * r.v / r.t)
			softmax := r.malloc(2 * r.tokens * r.v / r.t)
			r.launch(15)
			r.drop(upcast, logits)
			one.head = []*cudaBlock{x, norm, softmax}
		}
		if !r.unpaced {
			r.synchronize() // the pipeline's transfer, or the check of the loss
		}
		flying = append(flying, one)
	}
	backward := func() {
		one := flying[0]
		flying = flying[1:]
		if r.p == 1 {
			g := r.malloc(r.tokens * r.v / r.t)
			r.drop(one.head[2])
			whole := r.malloc(r.hidden)
			r.launch(2)
			r.drop(whole, g, one.head[1], one.head[0])
		}
		grad := r.malloc(r.hidden / r.t)
		for _, k := range slices.Backward(one.layers) {
			if r.full {
				var y *cudaBlock
				k, y = r.layerForward(k["x"])
				r.drop(y)
			}
			grad = r.layerBackward(k, grad)
		}
		r.drop(grad)
		if r.p > 1 && !r.unpaced {
			r.synchronize()
		}
	}
	for step := range n {
		for range r.p - 1 {
			forward()
		}
		for range 4 {
			forward()
			backward()
		}
		for range r.p - 1 {
			backward()
		}
		r.synchronize()
		for _, w := range owned {
			if step == 0 {
				r.malloc(4 * w)
				r.malloc(4 * w)
			}
		}
	}
}

// What PyTorch reserves is what a replay of its allocator reserves, under which the
// tensors of collectives wait for the device.
func TestReservedEqualsReplay(t *testing.T) {
	const gib = 1 << 30
	for _, one := range []struct {
		model        string
		tp, pp, dp   int64
		context      int64
		d, q, kv, f  int64
		vocab, depth int64
		recompute    string
		unpaced      bool
	}{
		{"llama-3-8b", 2, 1, 4, 8192, 4096, 4096, 1024, 14336, 128256, 32, "selective", false},
		{"llama-3-8b", 2, 2, 2, 8192, 4096, 4096, 1024, 14336, 128256, 32, "selective", false},
		{"llama-3-8b", 2, 4, 1, 8192, 4096, 4096, 1024, 14336, 128256, 32, "selective", false},
		{"llama-3-8b", 4, 2, 1, 8192, 4096, 4096, 1024, 14336, 128256, 32, "selective", false},
		{"llama-3-8b", 8, 1, 1, 8192, 4096, 4096, 1024, 14336, 128256, 32, "selective", false},
		{"llama-3-8b", 4, 1, 16, 4096, 4096, 4096, 1024, 14336, 128256, 32, "selective", false},
		{"llama-3-70b", 8, 4, 2, 8192, 8192, 8192, 1024, 28672, 128256, 80, "selective", false},
		{"llama-3-70b", 8, 8, 4, 4096, 8192, 8192, 1024, 28672, 128256, 80, "selective", false},
		{"llama-3-8b", 4, 4, 1, 8192, 4096, 4096, 1024, 14336, 128256, 32, "full", false},
		{"llama-3-70b", 8, 8, 1, 8192, 8192, 8192, 1024, 28672, 128256, 80, "full", false},
		{"llama-3-70b", 8, 16, 1, 8192, 8192, 8192, 1024, 28672, 128256, 80, "full", false},
		{"llama-3-70b", 8, 16, 1, 8192, 8192, 8192, 1024, 28672, 128256, 80, "full", true},
		{"llama-3-70b", 8, 20, 1, 8192, 8192, 8192, 1024, 28672, 128256, 80, "full", true},
	} {
		t.Run(fmt.Sprintf("%s tp%d pp%d dp%d %s %v", one.model, one.tp, one.pp, one.dp, one.recompute, one.unpaced), func(t *testing.T) {
			model, err := arch.Lookup(one.model, arch.Options{})
			require.NoError(t, err)
			o := Options{Model: model, Profile: "megatron-2024", TP: one.tp, PP: one.pp, DP: one.dp, Context: one.context, MicroBatch: 1, GlobalBatch: one.dp * 2 * one.pp, Dropout: "0.1", Recompute: one.recompute}
			c, err := o.Resolve()
			require.NoError(t, err)
			k, err := c.Compile()
			require.NoError(t, err)
			profile := *c.Profile
			profile.memory.unpaced = one.unpaced
			k.Ledger.Profile = &profile
			var m Memory
			require.NoError(t, k.StageMemory(&c.Setting, 0, &m))

			r := megatronReplay{t: one.tp, p: one.pp, d: one.d, q: one.q, kv: one.kv, f: one.f, v: one.vocab, lays: one.depth / one.pp}
			r.ahead, r.full, r.unpaced = launchesAhead, one.recompute == "full", one.unpaced
			r.tokens, r.hidden = 2*one.context, 2*one.context*one.d
			r.steps(3, one.dp)
			t.Logf("allocated %.2f, replayed %.2f; reserved %.2f, replayed %.2f", float64(m.AllocatedBytes)/gib, float64(r.allocPeak)/gib, float64(m.ReservedBytes)/gib, float64(r.reserved)/gib)
			require.InEpsilon(t, float64(r.reserved), float64(m.ReservedBytes), 0.04)
			profile.memory.records = false
			var without Memory
			require.NoError(t, k.StageMemory(&c.Setting, 0, &without))
			require.Less(t, without.ReservedBytes, m.ReservedBytes)
			require.Equal(t, without.AllocatedBytes, m.AllocatedBytes)
			require.Equal(t, without.PeakBytes, m.PeakBytes)
		})
	}
}
