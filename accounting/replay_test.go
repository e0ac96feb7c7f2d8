package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

// What every stage holds of activations is what an event simulation of the schedule
// holds, layer by layer: dense and expert layers mixed, uneven stages, embedding and
// head stages, recompute of some layers and in units.
func TestStagesEqualReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := rapid.SampledFrom([]string{"deepseek-v2-lite", "llama-3.1-8b", "gemma-2-9b", "mixtral-8x7b"}).Draw(t, "model")
		p := rapid.Int64Range(1, 5).Draw(t, "pp")
		v := rapid.Int64Range(1, 3).Draw(t, "vpp")
		if p == 1 {
			v = 1
		}
		layers := p * v * rapid.Int64Range(1, 4).Draw(t, "layers a chunk")
		o := Options{
			PP: p, VPP: v, Context: 256, MicroBatch: 2, DP: 2,
			Recompute: rapid.SampledFrom([]string{"none", "selective", "full", "full:block:1", "full:block:2", "full:uniform:2", "full:uniform:3"}).Draw(t, "recompute"),
			Schedule:  rapid.SampledFrom([]string{"1f1b", "gpipe"}).Draw(t, "schedule"),
		}
		m := rapid.Int64Range(1, 9).Draw(t, "m")
		if v > 1 {
			o.Schedule = "interleaved"
			m = p * rapid.Int64Range(1, 3).Draw(t, "groups")
		}
		if p > 2 && rapid.Bool().Draw(t, "uneven") {
			o.FirstLayers, o.LastLayers = v, 2*v
			layers = 3*v + (p-2)*v*rapid.Int64Range(1, 3).Draw(t, "inner")
		}
		o.GlobalBatch = o.MicroBatch * o.DP * m
		var err error
		o.Model, err = arch.Lookup(model, arch.Options{Layers: layers})
		require.NoError(t, err)
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		x := &c.Setting
		require.Equal(t, OK, k.Check(&x.Workload, &x.Plan, x.GPUs))
		st := k.stage(x)
		st.costs, err = k.price(&st, nil)
		require.NoError(t, err)

		sizes := make([][]int64, p)
		for q := range p {
			for j := range v {
				lo, hi := x.Plan.chunkLayers(layers, q, j)
				size := int64(0)
				for i := lo; i < hi; i++ {
					size += layerBytes(k, &st, i, i-lo)
				}
				sizes[q] = append(sizes[q], size)
			}
		}
		for _, i := range k.first {
			sizes[0][0] += st.costs[i].saved
		}
		peak := replay(t, x.Plan.Schedule, p, v, m, func(q, chunk int64) int64 { return sizes[q][chunk] })
		worst := int64(0)
		for q := range p {
			one, held := st, Memory{}
			require.NoError(t, k.holdStage(&one, q, &held))
			want := peak[q]
			if q == p-1 {
				want += st.costs[len(k.sections)-1].saved // the final norm, of one micro-batch
			}
			require.Equal(t, want, one.saved, "stage %d of %d", q, p)
			var all Memory
			require.NoError(t, k.StageMemory(x, q, &all))
			worst = max(worst, all.PeakBytes)
		}
		var r Report
		k.Evaluate(x, &r)
		require.Equal(t, worst, r.Memory.PeakBytes, "the worst of all stages")
	})
}

// layerBytes is what layer i keeps, the at-th of its chunk.
func layerBytes(k *Compiled, st *stage, i, at int64) int64 {
	r := k.Ledger.Recipe.Recompute
	whole := 0
	if r.Block && at >= r.Layers {
		whole = len(k.sections)
	}
	if !r.Block && r.Layers > 1 && at%r.Layers != 0 {
		return 0 // in a unit whose first layer keeps the input
	}
	return st.costs[k.layers[i]+whole].saved
}
