package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

// Whatever the plan, the chunks of all stages hold every layer once (twice with
// DualPipe), in order.
func TestChunksHoldEveryLayer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			PP: rapid.Int64Range(2, 8).Draw(t, "pp"), VPP: 1,
			Schedule: Schedule(rapid.IntRange(0, len(scheduleText)-1).Draw(t, "schedule")),
		}
		layers := rapid.Int64Range(p.PP, 64).Draw(t, "layers")
		if !p.Schedule.folded() {
			p.VPP = rapid.Int64Range(1, 4).Draw(t, "vpp")
			p.FirstLayers = rapid.Int64Range(0, 8).Draw(t, "first")
			p.LastLayers = rapid.Int64Range(0, 8).Draw(t, "last")
		}
		if !p.dealt(layers) {
			return
		}
		times := map[int64]int{}
		for q := range p.PP {
			for j := range p.chunks() {
				lo, hi := p.chunkLayers(layers, q, j)
				require.LessOrEqual(t, lo, hi)
				for i := lo; i < hi; i++ {
					times[i]++
				}
			}
		}
		want := 1
		if p.Schedule == DualPipe {
			want = 2
		}
		require.Len(t, times, int(layers))
		for i, n := range times {
			require.Equal(t, want, n, "layer %d", i)
		}
	})
}

// Megatron-Core's own rule: 12 layers on 4 stages with 2 in the first leave 10 for
// three, which do not divide; 11 do. 6 layers on 4·2 chunks with embedding and loss
// accounted for leave the first and the last chunk without a layer.
func TestUnequalStages(t *testing.T) {
	sizes := func(p Plan, layers int64) (n []int64) {
		for q := range p.PP {
			n = append(n, 0)
			for j := range p.chunks() {
				lo, hi := p.chunkLayers(layers, q, j)
				n[q] += hi - lo
			}
		}
		return n
	}
	p := Plan{PP: 4, VPP: 1, FirstLayers: 2}
	require.False(t, p.dealt(12))
	require.True(t, p.dealt(11))
	require.Equal(t, []int64{2, 3, 3, 3}, sizes(p, 11))
	p = Plan{PP: 4, VPP: 2, FirstLayers: 2, LastLayers: 4}
	require.True(t, p.dealt(14))
	require.Equal(t, []int64{2, 4, 4, 4}, sizes(p, 14))
	require.Equal(t, []int64{1, 2, 2, 1}, sizes(Plan{PP: 4, VPP: 2}, 6))
	// Megatron-Bridge's layouts of DeepSeek-V3 and Kimi-K2 (recipes/deepseek/deepseek_v3.py
	// and its performance recipe of H100: "Et|(tt|)*30mL"): the last chunk lacks what does
	// not divide, the first one the rest.
	require.Equal(t, []int64{16, 16, 16, 13}, sizes(Plan{PP: 4, VPP: 1}, 61))
	require.Equal(t, []int64{8, 8, 8, 8, 8, 8, 8, 5}, sizes(Plan{PP: 8, VPP: 1}, 61))
	require.Equal(t, []int64{32, 29}, sizes(Plan{PP: 2, VPP: 8}, 61))
	require.Equal(t, []int64{7, 8, 8, 8, 8, 8, 8, 6}, sizes(Plan{PP: 8, VPP: 4}, 61))
	require.Equal(t, []int64{8, 8, 8, 9}, sizes(Plan{PP: 4, VPP: 4}, 33)) // too many to lack
}

// Sharding over fewer ranks keeps more, down to the ranks alone, and the plan that
// cannot be is ruled out.
func TestHybridSharding(t *testing.T) {
	m, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	f := func(profile string, zero, replicas int64) Report {
		t.Helper()
		c, err := Options{Model: m, Profile: profile, ZeRO: &zero, GPUs: 64, Replicas: replicas, Context: 1024}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var r Report
		k.Evaluate(&c.Setting, &r)
		return r
	}
	for _, profile := range []string{"megatron", "fsdp2", "deepspeed"} {
		for _, zero := range []int64{1, 2, 3} {
			whole, half, alone := f(profile, zero, 1), f(profile, zero, 8), f(profile, zero, 64)
			require.Equal(t, OK, half.Reason)
			require.Less(t, states(&whole.Memory), states(&half.Memory))
			require.Less(t, states(&half.Memory), states(&alone.Memory))
		}
	}
	require.Equal(t, ReasonReplicas, f("fsdp2", 3, 7).Reason)
}

// The published memory of schedules (DeepSeek-V3, table 2; Qi et al. 2024): DualPipe
// holds two copies of the weights and p + 1 activations, ZB-V as much as 1F1B's
// first stage everywhere.
func TestFoldedSchedules(t *testing.T) {
	got, err := DualPipe.foldedPeak(8, 3, 64, []int64{10, 10})
	require.NoError(t, err)
	require.Equal(t, int64(90), got)
	got, err = ZBV.foldedPeak(8, 5, 64, []int64{5, 5})
	require.NoError(t, err)
	require.Equal(t, int64(80), got)
	m, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	weights := map[string]int64{}
	for _, s := range ScheduleNames() {
		o := Options{Model: m, Schedule: s, PP: 4, GPUs: 8, GlobalBatch: 64, Context: 1024}
		if s == "interleaved" {
			o.VPP = 2
		}
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var r Report
		k.Evaluate(&c.Setting, &r)
		require.Equal(t, OK, r.Reason, s)
		var sum int64
		for q := range int64(4) {
			var m Memory
			require.NoError(t, k.StageMemory(&c.Setting, q, &m))
			sum += m.WeightsBytes
		}
		weights[s] = sum
	}
	require.Equal(t, weights["1f1b"], weights["zb-v"])
	require.Equal(t, 2*weights["1f1b"], weights["dualpipe"])
}
