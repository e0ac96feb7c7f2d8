package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

func TestWhyNot(t *testing.T) {
	llama, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	mixtral, err := arch.Lookup("mixtral-8x7b", arch.Options{})
	require.NoError(t, err)
	gpt2, err := arch.Lookup("gpt2", arch.Options{})
	require.NoError(t, err)
	f := func(o Options, want string) {
		t.Helper()
		if o.Model == nil {
			o.Model = llama
		}
		if o.Context == 0 {
			o.Context = 4096
		}
		c, err := o.Resolve()
		require.NoError(t, err)
		e, err := c.Explain(false)
		require.NoError(t, err)
		require.Equal(t, "ruled_out", e.Status)
		require.Equal(t, "this case can not exist: "+want, e.Notes[len(e.Notes)-1])
	}
	zero := func(z int64) *int64 { return &z }
	f(Options{TP: 3, GPUs: 3}, "tp 3 does not divide 32 attention heads: 1, 2, 4, 8, 16, 32 do")
	f(Options{PP: 33, GPUs: 33}, "33 pipeline stages for 32 layers: at most 32")
	f(Options{PP: 2, GPUs: 6, TP: 2}, "tp 2 · pp 2 · cp 1 · dp 1 are 4 ranks, not 6 GPUs")
	f(Options{PP: 4, VPP: 3, GPUs: 4}, "pp 4 · vpp 3 are 12 chunks, which divide neither 32 layers nor 34 (with embedding and head as one each): vpp 1, 2, 4, 8 will do")
	f(Options{PP: 4, VPP: 2, GPUs: 4, GlobalBatch: 6}, "the interleaved schedule runs micro-batches in groups of pp 4, and a rank has 6: a global batch of 8 would do")
	f(Options{Model: mixtral, EP: 3, GPUs: 3}, "ep 3 does not divide 8 experts: 1, 2, 4, 8 do")
	f(Options{CP: 3, GPUs: 3}, "context parallelism gives each of 3 ranks two parts of the context, and 4096 tokens are no multiple of 6")
	f(Options{GPUs: 8, MicroBatch: 3, GlobalBatch: 32}, "a global batch of 32 sequences is no multiple of micro-batch 3 · dp 8 = 24")
	f(Options{Model: gpt2, Context: 2048}, "a context of 2048 tokens is longer than the learned position table of 1024")
	f(Options{Profile: "torch-eager", TP: 2, GPUs: 2}, "profile torch-eager has data parallelism alone: tp, pp, vpp, cp and ep are 1 there")
	f(Options{Profile: "megatron-2023", ZeRO: zero(3), GPUs: 2}, "profile megatron-2023 has ZeRO stages up to 1, not 3")
	f(Options{Profile: "torch-eager", Recompute: "selective"}, "profile torch-eager has no recompute selective: it has none, full")
	f(Options{Profile: "deepspeed", GPUs: 8, Offload: "activations"}, "profile deepspeed can not offload activations; it can offload optimizer+parameters")
	f(Options{Profile: "fsdp2", GPUs: 8, Overlap: "grad-reduce"}, "profile fsdp2 can not be told to overlap grad-reduce")
	f(Options{Profile: "fsdp2", GPUs: 8, TP: 8, Overlap: "tp"}, "profile fsdp2 overlaps tensor parallelism in compiled layers alone")
	f(Options{Model: mixtral, Profile: "fsdp2", MoE: "graphed"}, "profile fsdp2 has no routed path graphed: it has dropless")
	f(Options{Model: mixtral, Profile: "megatron-2025", Recipe: "mxfp8-mixed", MoE: "fused"}, "profile megatron-2025 has no routed path fused: it has dropless, capacity, graphed")
	f(Options{Model: mixtral, MoE: "fused"}, "the fused kernels of routed layers take mxfp8 alone, and recipe bf16-mixed has 16-bit")
	f(Options{Model: mixtral, MoE: "fused", Recipe: "mxfp8-mixed", PP: 2, GPUs: 2}, "the fused path overlaps the exchange of tokens, which on pp 2 needs vpp > 1")
	f(Options{Model: mixtral, EP: 8, GPUs: 16, PP: 2, MoE: "graphed+overlap"}, "the exchange of tokens overlaps (--moe …+overlap) only with ep > 1, in a pipeline with vpp > 1 or under dualpipe, and without full recompute: ep is 8, pp 2, vpp 1, recompute none")
	f(Options{PP: 4, GPUs: 4, FirstLayers: 3}, "32 layers less 3 of the first and 0 of the last stage (0 = as the others) leave the other stages no whole number each, in chunks of 1")
	f(Options{Schedule: "dualpipe", PP: 3, GPUs: 3}, "schedule dualpipe on pp 3 and 32 layers: the schedule needs pp > 1 (dualpipe an even number of stages), and zb-v two layers a stage")
}

// Whatever a plan is, what is wrong with it can be said, and a plan that is ruled out
// has no numbers.
func TestWhyNotOfAnyPlan(t *testing.T) {
	names := []string{"llama-3.1-8b", "mixtral-8x7b", "deepseek-v2-lite", "gpt2-xl"}
	rapid.Check(t, func(t *rapid.T) {
		m, err := arch.Lookup(rapid.SampledFrom(names).Draw(t, "model"), arch.Options{})
		require.NoError(t, err)
		size := rapid.Int64Range(0, 12)
		zero := rapid.Int64Range(0, 3).Draw(t, "zero")
		o := Options{
			Model: m, Profile: rapid.SampledFrom(ProfileNames()).Draw(t, "profile"), ZeRO: &zero, Context: rapid.Int64Range(1, 9000).Draw(t, "context"),
			TP: size.Draw(t, "tp"), PP: size.Draw(t, "pp"), VPP: size.Draw(t, "vpp"), CP: size.Draw(t, "cp"), EP: size.Draw(t, "ep"), ETP: size.Draw(t, "etp"), DP: size.Draw(t, "dp"),
			GPUs: rapid.Int64Range(0, 100).Draw(t, "gpus"), MicroBatch: size.Draw(t, "b"), GlobalBatch: rapid.Int64Range(0, 100).Draw(t, "B"),
			Replicas: rapid.Int64Range(0, 4).Draw(t, "replicas"), FirstLayers: rapid.Int64Range(0, 4).Draw(t, "first"), LastLayers: rapid.Int64Range(0, 4).Draw(t, "last"),
			Schedule: rapid.SampledFrom(ScheduleNames()).Draw(t, "schedule"), Recompute: rapid.SampledFrom(recomputes).Draw(t, "recompute"),
			MoE: rapid.SampledFrom(RoutedNames()).Draw(t, "moe"), MTP: rapid.Int64Range(0, 1).Draw(t, "mtp"), Overlap: rapid.SampledFrom(OverlapNames()).Draw(t, "overlap"),
			Offload: rapid.SampledFrom(offloads).Draw(t, "offload"), OptimizerInBackward: rapid.Bool().Draw(t, "in backward"),
		}
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var r Report
		k.Evaluate(&c.Setting, &r)
		if !r.RuledOut() {
			require.Positive(t, r.Memory.PeakBytes)
			return
		}
		require.Zero(t, r.Memory)
		require.NotEmpty(t, k.WhyNot(&c.Setting, r.Reason))
	})
}
