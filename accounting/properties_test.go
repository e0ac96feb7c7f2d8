package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

// drawCase draws a preset, a profile and a plan that can exist.
func drawCase(t *rapid.T) (*Case, *Compiled, Report) {
	models := []string{"llama-3.1-8b", "mixtral-8x7b", "deepseek-v2-lite", "gpt2-xl", "gemma-2-9b", "qwen3-30b-a3b", "bloom-560m", "olmo-1b"}
	pow := func(name string, most int64) int64 {
		n := int64(1)
		for range rapid.Int64Range(0, most).Draw(t, name) {
			n *= 2
		}
		return n
	}
	for {
		m, err := arch.Lookup(rapid.SampledFrom(models).Draw(t, "model"), arch.Options{})
		require.NoError(t, err)
		zero := rapid.Int64Range(0, 3).Draw(t, "zero")
		o := Options{
			Model: m, Profile: rapid.SampledFrom(ProfileNames()).Draw(t, "profile"),
			Context: 256 * pow("s", 3), MicroBatch: pow("b", 3), TP: pow("tp", 3), PP: pow("pp", 2), CP: pow("cp", 1), EP: pow("ep", 2), DP: pow("dp", 3),
			VPP: pow("vpp", 1), ZeRO: &zero, Recompute: rapid.SampledFrom(recomputes).Draw(t, "recompute"),
			Trainable: rapid.SampledFrom(append([]string{"all", "all"}, trainables...)).Draw(t, "trainable"),
			Offload:   rapid.SampledFrom(append([]string{"none", "none", "none"}, offloads...)).Draw(t, "offload"),
			Compile:   rapid.Bool().Draw(t, "compile"), OptimizerInBackward: rapid.IntRange(0, 3).Draw(t, "in backward") == 0,
			Schedule: rapid.SampledFrom(ScheduleNames()).Draw(t, "schedule"), Replicas: pow("replicas", 1),
			FirstLayers: rapid.SampledFrom([]int64{0, 0, 2, 4}).Draw(t, "first"), Attention: rapid.SampledFrom([]string{"flash", "unfused"}).Draw(t, "attention"),
			MoE: rapid.SampledFrom(RoutedNames()).Draw(t, "moe"), MTP: rapid.SampledFrom([]int64{0, 0, 1}).Draw(t, "mtp"), Overlap: rapid.SampledFrom(OverlapNames()).Draw(t, "overlap"),
		}
		o.GlobalBatch = o.MicroBatch * o.DP * o.PP * rapid.Int64Range(1, 3).Draw(t, "m")
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var r Report
		k.Evaluate(&c.Setting, &r)
		if !r.RuledOut() {
			return c, k, r
		}
	}
}

func evaluate(t *rapid.T, c *Case, change func(*Case)) (Report, bool) {
	next := *c
	change(&next)
	next.Setting.GPUs = next.Setting.Plan.GPUs()
	k, err := next.Compile()
	require.NoError(t, err)
	var r Report
	k.Evaluate(&next.Setting, &r)
	return r, !r.RuledOut()
}

func states(m *Memory) int64 { return m.WeightsBytes + m.OptimizerBytes }

// mostStates is the most that any stage keeps between steps: the stage at the
// peak need not be the one with the most parameters.
func mostStates(t *rapid.T, c *Case) int64 {
	k, err := c.Compile()
	require.NoError(t, err)
	var most int64
	for q := range c.Setting.Plan.PP {
		var m Memory
		require.NoError(t, k.StageMemory(&c.Setting, q, &m))
		kept := states(&m)
		if c.Profile.memory.style == styleBuffers {
			kept += m.GradientsBytes // they stay all step
		}
		most = max(most, kept)
	}
	return most
}

func TestMemoryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _, r := drawCase(t)
		m := &r.Memory
		sum := m.WeightsBytes + m.GradientsBytes + m.OptimizerBytes + m.ActivationsBytes + m.LogitsBytes + m.BuffersBytes + m.RuntimeBytes
		require.Equal(t, m.PeakBytes, sum, "the components sum to the peak")
		require.GreaterOrEqual(t, m.PeakBytes, states(m), "never below the states")
		require.LessOrEqual(t, m.AllocatedBytes, m.ReservedBytes)
		require.LessOrEqual(t, m.AllocatedBytes, m.PeakBytes)
		require.LessOrEqual(t, m.ReservedBytes, m.DeviceBytes)
		require.LessOrEqual(t, m.PeakBytes, m.DeviceBytes)

		if next, ok := evaluate(t, c, func(c *Case) { c.Setting.MicroBatch *= 2; c.Setting.GlobalBatch *= 2 }); ok {
			require.GreaterOrEqual(t, next.Memory.PeakBytes, m.PeakBytes, "monotone in the micro-batch")
		}
		if next, ok := evaluate(t, c, func(c *Case) { c.Setting.Context *= 2 }); ok {
			require.GreaterOrEqual(t, next.Memory.PeakBytes, m.PeakBytes, "monotone in the context")
		}
		for name, change := range map[string]func(*Case){
			"zero": func(c *Case) { c.Setting.Plan.ZeRO++ },
			"tp":   func(c *Case) { c.Setting.Plan.TP *= 2 },
			"pp":   func(c *Case) { c.Setting.Plan.PP *= 2; c.Setting.GlobalBatch *= 2 },
			"cp":   func(c *Case) { c.Setting.Plan.CP *= 2 },
		} {
			if _, ok := evaluate(t, c, change); ok {
				next := *c
				change(&next)
				next.Setting.GPUs = next.Setting.Plan.GPUs()
				require.LessOrEqual(t, mostStates(t, &next), mostStates(t, c), "more %s never has more states", name)
			}
		}
		if r.MicroBatches >= 1 && c.Model.Layers()/c.Setting.Plan.PP >= 2 {
			none, _ := evaluate(t, c, func(c *Case) { c.Recipe.Recompute = Recompute{} })
			full, _ := evaluate(t, c, func(c *Case) { c.Recipe.Recompute = Recompute{Mode: RecomputeFull} })
			require.LessOrEqual(t, full.Memory.PeakBytes, none.Memory.PeakBytes, "recompute never needs more")
		}
	})
}
