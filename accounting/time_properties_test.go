package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
	"headroom/hardware"
)

// Whatever the framework, model, plan and overlap: no part of a step is negative, the parts
// sum to it, and a network twice as fast never makes it longer.
func TestTimeOfAnyCase(t *testing.T) {
	models := map[string]*arch.Model{}
	for _, name := range []string{"llama-3.1-8b", "qwen3-30b-a3b", "deepseek-v2-lite", "gpt2-xl"} {
		m, err := arch.Lookup(name, arch.Options{})
		require.NoError(t, err)
		models[name] = m
	}
	h100, err := hardware.Lookup("h100-sxm")
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		pow := func(name string, most int) int64 { return 1 << rapid.IntRange(0, most).Draw(t, name) }
		zero := rapid.Int64Range(0, 3).Draw(t, "zero")
		o := Options{
			Model: models[rapid.SampledFrom([]string{"llama-3.1-8b", "qwen3-30b-a3b", "deepseek-v2-lite", "gpt2-xl"}).Draw(t, "model")], Profile: rapid.SampledFrom(append(ProfileNames(), "megatron")).Draw(t, "profile"),
			Attention: rapid.SampledFrom(AttentionNames()).Draw(t, "attention"), Recompute: rapid.SampledFrom([]string{"none", "full", "selective"}).Draw(t, "recompute"),
			Overlap: rapid.SampledFrom(OverlapNames()).Draw(t, "overlap"), MoE: rapid.SampledFrom(RoutedNames()).Draw(t, "moe"), Compile: rapid.Bool().Draw(t, "compile"),
			ZeRO: &zero, MicroBatch: pow("micro", 2), Context: 1024,
		}
		if rapid.Bool().Draw(t, "parallel") {
			o.TP, o.PP, o.VPP, o.CP, o.EP = pow("tp", 3), pow("pp", 2), pow("vpp", 1), pow("cp", 1), pow("ep", 3)
		}
		o.DP = pow("dp", 6)
		o.GlobalBatch = o.MicroBatch * o.DP * max(o.PP, 1) * rapid.Int64Range(1, 4).Draw(t, "batches")
		c, err := o.Resolve()
		if err != nil {
			t.Skip(err)
		}
		k, err := c.Compile()
		require.NoError(t, err)
		x := &c.Setting
		if k.Check(&x.Workload, &x.Plan, x.GPUs) != OK {
			t.Skip("ruled out") // rapid draws another, and fails where too few are left
		}
		step := func(gbits float64) (out Time) {
			m, err := NewMachine(h100, &c.Recipe.Precision, gbits*hardware.BytesPerGbit)
			require.NoError(t, err)
			k.Time(x, m, &out)
			return out
		}
		slow, fast := step(100), step(200)
		sum := 0.0
		for _, part := range []float64{
			slow.ComputeSeconds, slow.AttentionSeconds, slow.ElementwiseSeconds, slow.RecomputeSeconds, slow.LaunchSeconds, slow.TPCommSeconds, slow.CPCommSeconds,
			slow.EPCommSeconds, slow.DPCommSeconds, slow.PPCommSeconds, slow.BubbleSeconds, slow.OptimizerSeconds, slow.StragglerSeconds, slow.OverheadSeconds,
		} {
			require.GreaterOrEqual(t, part, 0.0)
			sum += part
		}
		require.InEpsilon(t, slow.StepSeconds, sum, 1e-12)
		require.LessOrEqual(t, fast.StepSeconds, slow.StepSeconds*(1+1e-12))
	})
}
