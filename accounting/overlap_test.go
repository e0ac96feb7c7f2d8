package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOverlapNames(t *testing.T) {
	for _, name := range OverlapNames() {
		o, err := ParseOverlap(name)
		require.NoError(t, err)
		require.Equal(t, name, o.String())
	}
	o, err := ParseOverlap("param_gather, grad_reduce")
	require.NoError(t, err)
	require.Equal(t, "grad-reduce+param-gather", o.String())
	_, err = ParseOverlap("grad-reduc")
	require.ErrorContains(t, err, "did you mean grad-reduce?")
	_, err = ParseOverlap("param-gather")
	require.ErrorContains(t, err, "needs grad-reduce")
	_, err = ParseOverlap("+")
	require.Error(t, err)
}

func overlapCase(t require.TestingT, o Options) (*Case, *Compiled) {
	o.Model = llamaLike(4096, 4, 32, 8, 14336, 32000, true, false)
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	return c, k
}

// Without --overlap-grad-reduce one bucket of fp32 gradients is reduced when the last
// backward has ended and the 16-bit weights are gathered before the next forward: none of
// it is hidden, whatever the number of micro-batches.
func TestGradientsInTheOpen(t *testing.T) {
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	step := func(overlap string, batch int64) (out Time, c *Case, k *Compiled) {
		c, k = overlapCase(t, Options{Overlap: overlap, GPUs: 8, Context: 4096, MicroBatch: 1, GlobalBatch: batch})
		k.Time(&c.Setting, m, &out)
		return out, c, k
	}
	open, c, k := step("none", 64)
	u := k.unitContext(&c.Setting, m)
	var slot unitSlot
	var p pace
	k.pace(&u, &slot, &p)
	weights := p.dense
	g := group{8, 1}
	require.InEpsilon(t, m.gather(g, 4*weights)+m.gather(g, 2*weights), open.DPCommSeconds, 1e-9)
	twice, _, _ := step("none", 128)
	require.Equal(t, open.DPCommSeconds, twice.DPCommSeconds)
	half, _, _ := step("grad-reduce", 64)
	both, _, _ := step("grad-reduce+param-gather", 64)
	auto, _, _ := step("auto", 64)
	require.Greater(t, half.DPCommSeconds, m.gather(g, 2*weights))
	require.Less(t, half.DPCommSeconds, open.DPCommSeconds)
	require.Less(t, both.DPCommSeconds, half.DPCommSeconds)
	require.Equal(t, auto.DPCommSeconds, both.DPCommSeconds)
}

// What is overlapped never takes longer, and nothing but communication depends on it.
func TestOverlapProperties(t *testing.T) {
	m := machine(t, "h100-sxm", "bf16-mixed")
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			TP: rapid.SampledFrom([]int64{1, 2, 8}).Draw(t, "tp"), GPUs: rapid.SampledFrom([]int64{8, 64}).Draw(t, "gpus"),
			Context: 4096, MicroBatch: 1, GlobalBatch: 128, Profile: rapid.SampledFrom([]string{"megatron", "megatron-2024"}).Draw(t, "profile"),
		}
		last := Time{StepSeconds: 1e9}
		for _, overlap := range []string{"none", "grad-reduce", "grad-reduce+param-gather", "tp+grad-reduce+param-gather"} {
			o.Overlap = overlap
			c, k := overlapCase(t, o)
			require.Equal(t, OK, k.Check(&c.Setting.Workload, &c.Setting.Plan, c.Setting.GPUs))
			var out Time
			k.Time(&c.Setting, m, &out)
			require.LessOrEqual(t, out.StepSeconds, last.StepSeconds*(1+1e-9))
			if last.ComputeSeconds > 0 {
				require.Equal(t, last.ComputeSeconds+last.AttentionSeconds+last.ElementwiseSeconds, out.ComputeSeconds+out.AttentionSeconds+out.ElementwiseSeconds)
			}
			last = out
		}
	})
}

// Asynchronous tensor parallelism hides some of the communication, never all: the
// scatters of backward stay in the open. It takes compiled layers.
func TestAsyncTensorParallel(t *testing.T) {
	m := machine(t, "h100-sxm", "fsdp-mixed")
	tp := func(overlap string, compile bool) (float64, Reason) {
		c, k := overlapCase(t, Options{Profile: "fsdp2", Overlap: overlap, Compile: compile, Recompute: "selective", TP: 8, GPUs: 64, Context: 8192, MicroBatch: 12, GlobalBatch: 96})
		var out Time
		k.Time(&c.Setting, m, &out)
		return out.TPCommSeconds, k.Check(&c.Setting.Workload, &c.Setting.Plan, c.Setting.GPUs)
	}
	plain, _ := tp("auto", true)
	async, reason := tp("tp", true)
	require.Equal(t, OK, reason)
	require.Less(t, async, 0.6*plain)
	require.Greater(t, async, 0.2*plain) // two of ten
	_, reason = tp("tp", false)
	require.Equal(t, ReasonProfileOption, reason)
	none, reason := tp("none", true)
	require.Equal(t, OK, reason)
	require.Equal(t, plain, none)
}

// What a framework can not be told stays as it is: a stated overlap of tensor parallelism
// leaves torchtitan's gradients behind the backward pass, at every ZeRO stage, and a
// framework without a choice takes no statement at all.
func TestOverlapUntold(t *testing.T) {
	m := machine(t, "h100-sxm", "fsdp-mixed")
	for zero := range int64(4) {
		data := func(overlap string) float64 {
			c, k := overlapCase(t, Options{Profile: "fsdp2", Overlap: overlap, Compile: true, ZeRO: &zero, TP: 2, GPUs: 64, Context: 8192, MicroBatch: 1, GlobalBatch: 32})
			var out Time
			k.Time(&c.Setting, m, &out)
			return out.DPCommSeconds
		}
		require.Equal(t, data("auto"), data("none"), "stage %d", zero)
		// A faster layer hides a little less.
		require.InEpsilon(t, 1+data("auto"), 1+data("tp"), 1e-2, "stage %d", zero)
	}
	for _, profile := range ProfileNames() {
		c, k := overlapCase(t, Options{Profile: profile, Overlap: "none", GPUs: 8, Context: 4096, MicroBatch: 1, GlobalBatch: 8})
		told := k.Check(&c.Setting.Workload, &c.Setting.Plan, c.Setting.GPUs) == OK
		require.Equal(t, c.Profile.Overlaps != 0, told, profile)
	}
}
