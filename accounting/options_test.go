package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

var (
	trainables = []string{"all", "lora:16:q_proj+v_proj", "lora:8:all-linear", "lora:8:q_proj:dropout", "freeze:embedding+head", "freeze:attention", "freeze:router+experts"}
	offloads   = []string{"none", "optimizer", "optimizer+parameters", "activations"}
)

func TestParseTrainableAndOffload(t *testing.T) {
	for _, text := range trainables {
		x, err := ParseTrainable(text)
		require.NoError(t, err)
		require.Equal(t, text, x.String())
	}
	for _, text := range offloads {
		x, err := ParseOffload(text)
		require.NoError(t, err)
		require.Equal(t, text, x.String())
	}
	x, err := ParseTrainable("LoRA:4")
	require.NoError(t, err)
	require.Equal(t, "lora:4:q_proj+v_proj", x.String())
	x, err = ParseTrainable("lora:4:dropout")
	require.NoError(t, err)
	require.Equal(t, "lora:4:q_proj+v_proj:dropout", x.String())
	bad := func(err error, want string) {
		t.Helper()
		require.ErrorContains(t, err, want)
	}
	_, err = ParseTrainable("lora:0")
	bad(err, "write lora:16")
	_, err = ParseTrainable("lora:16:q_poj")
	bad(err, "did you mean q_proj?")
	_, err = ParseTrainable("freeze:embeding")
	bad(err, "did you mean embedding?")
	_, err = ParseTrainable("freeze")
	bad(err, "name what is frozen")
	_, err = ParseOffload("optimiser")
	bad(err, "did you mean optimizer?")
}

// peft prints trainable params: 4,194,304 || all params: 6,742,609,920 for
// Llama-2-7B with rank 8 on q_proj and v_proj.
func TestLoRACounts(t *testing.T) {
	m, err := arch.Lookup("llama-2-7b", arch.Options{})
	require.NoError(t, err)
	c, err := Options{Model: m, Trainable: "lora:8", Context: 512}.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	require.Equal(t, int64(4_194_304), k.Counts.Trainable)
	require.Equal(t, int64(6_742_609_920), k.Counts.Total)
}

// Frozen weights have weights alone: the states are those of the adapters and 2
// bytes for everything else.
func TestLoRAStates(t *testing.T) {
	m, err := arch.Lookup("llama-2-7b", arch.Options{})
	require.NoError(t, err)
	zero := int64(0)
	c, r := explained(t, Options{Model: m, Profile: "megatron", Trainable: "lora:8", ZeRO: &zero, Context: 512})
	require.Equal(t, OK, r.Reason)
	k, err := c.Compile()
	require.NoError(t, err)
	trained := k.Counts.Trainable
	require.Equal(t, trained*4, r.Memory.GradientsBytes)
	require.Equal(t, trained*12, r.Memory.OptimizerBytes)
	require.Equal(t, k.Counts.Total*2, r.Memory.WeightsBytes)
	// Backward of a frozen product is half of that of a trained one.
	_, whole := explained(t, Options{Model: m, Profile: "megatron", ZeRO: &zero, Context: 512})
	require.Less(t, r.FLOPs.Model, whole.FLOPs.Model)
	require.Greater(t, r.FLOPs.Model, whole.FLOPs.Model*2/3)
}

// peft's adapters are fp32 over 16-bit weights (autocast_adapter_dtype).
func TestPEFTStates(t *testing.T) {
	m, err := arch.Lookup("llama-2-7b", arch.Options{})
	require.NoError(t, err)
	c, r := explained(t, Options{Model: m, Profile: "torch-eager", Recipe: "bf16-pure", Trainable: "lora:8", Context: 512})
	require.Equal(t, OK, r.Reason)
	k, err := c.Compile()
	require.NoError(t, err)
	trained := k.Counts.Trainable
	require.Equal(t, trained*8, r.Memory.OptimizerBytes)
	require.Equal(t, k.Counts.Total*2+trained*2, r.Memory.WeightsBytes)
}

// torchtitan's expert parallelism takes the tensor-parallel ranks too.
func TestWholeExperts(t *testing.T) {
	m, err := arch.Dimensions{Hidden: 512, Layers: 2, Vocab: 1000, Heads: 8, FFN: 256, Experts: 16}.Model()
	require.NoError(t, err)
	for profile, want := range map[string]int64{"fsdp2": 1, "megatron": 2} {
		c, err := Options{Model: m, Profile: profile, Context: 128, GPUs: 8, TP: 2, EP: 4}.Resolve()
		require.NoError(t, err)
		require.Equal(t, want, c.Setting.Plan.ETP, profile)
	}
}

// A frozen body under a trained head keeps nothing in its layers and runs no
// backward there.
func TestFrozenBody(t *testing.T) {
	m, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	for _, profile := range []string{"megatron", "torch-eager", "fsdp2"} {
		c, r := explained(t, Options{Model: m, Profile: profile, Trainable: "freeze:embedding+norms+attention+mlp", Context: 1024})
		require.Equal(t, OK, r.Reason)
		require.Zero(t, r.Memory.SavedPerLayerBytes, profile)
		k, err := c.Compile()
		require.NoError(t, err)
		require.Equal(t, k.Counts.Head, k.Counts.Trainable, profile)
	}
}

// What each option saves, and where it cannot be.
func TestOptions(t *testing.T) {
	m, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	stage := func(z int64) *int64 { return &z }
	f := func(o Options) Report {
		t.Helper()
		o.Model = m
		if o.Context == 0 {
			o.Context = 2048
		}
		_, r := explained(t, o)
		return r
	}
	plain := f(Options{Profile: "torch-eager", Recipe: "bf16-pure", Context: 8192, MicroBatch: 2}).Memory
	early := f(Options{Profile: "torch-eager", Recipe: "bf16-pure", Context: 256, OptimizerInBackward: true}).Memory
	require.Less(t, early.PeakBytes, f(Options{Profile: "torch-eager", Recipe: "bf16-pure", Context: 256}).Memory.PeakBytes)
	away := f(Options{Profile: "torch-eager", Recipe: "bf16-pure", Context: 8192, MicroBatch: 2, Offload: "activations"}).Memory
	require.Less(t, away.PeakBytes, plain.PeakBytes)
	compiled := f(Options{Profile: "torch-eager", Recipe: "bf16-pure", Compile: true}).Memory
	require.Less(t, compiled.SavedPerLayerBytes, plain.SavedPerLayerBytes)
	require.Less(t, f(Options{Profile: "fsdp2", GPUs: 8, Compile: true}).Memory.SavedPerLayerBytes, f(Options{Profile: "fsdp2", GPUs: 8}).Memory.SavedPerLayerBytes)

	host := f(Options{Profile: "deepspeed", GPUs: 8, Offload: "optimizer"}).Memory
	require.Zero(t, host.OptimizerBytes+host.GradientsBytes)
	require.Positive(t, host.WeightsBytes)
	host = f(Options{Profile: "deepspeed", GPUs: 8, Offload: "optimizer+parameters"}).Memory
	require.Zero(t, states(&host))
	host = f(Options{Profile: "fsdp2", GPUs: 8, Offload: "parameters"}).Memory
	require.Zero(t, states(&host)+host.GradientsBytes, "CPUOffloadPolicy moves all three")
	host = f(Options{Profile: "megatron", GPUs: 8, Offload: "optimizer"}).Memory
	require.Zero(t, host.OptimizerBytes)
	require.Positive(t, host.GradientsBytes)

	require.Equal(t, ReasonOffload, f(Options{Profile: "deepspeed", GPUs: 8, ZeRO: stage(2), Offload: "parameters"}).Reason)
	require.Equal(t, ReasonProfileOption, f(Options{Profile: "megatron", Offload: "activations"}).Reason)
	require.Equal(t, ReasonProfileOption, f(Options{Profile: "deepspeed", OptimizerInBackward: true}).Reason)
	require.Equal(t, ReasonOptimizerInBackward, f(Options{Profile: "fsdp2", GPUs: 8, GlobalBatch: 32, OptimizerInBackward: true}).Reason)
}

// Training fewer parameters, offloading more or compiling never needs more memory.
func TestOptionsNeverCost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _, _ := drawCase(t)
		c.Recipe.MTP = 0     // which goes with training everything
		c.Recipe.Overlap = 0 // which goes with compiled layers
		bare, ok := evaluate(t, c, func(c *Case) {
			c.Recipe.Trainable, c.Recipe.Offload, c.Recipe.Compile, c.Recipe.OptimizerInBackward = Trainable{}, 0, false, false
		})
		require.True(t, ok)
		for _, text := range []string{"freeze:embedding", "freeze:embedding+head+attention", "freeze:mlp+experts", "lora:4:q_proj"} {
			trained, err := ParseTrainable(text)
			require.NoError(t, err)
			less, ok := evaluate(t, c, func(c *Case) { *c = clean(c); c.Recipe.Trainable = trained })
			require.True(t, ok)
			if trained.Rank == 0 { // adapters are extra weights
				require.LessOrEqual(t, less.Memory.PeakBytes, bare.Memory.PeakBytes, text)
			}
		}
		for _, o := range []Offload{OffloadOptimizer, OffloadOptimizer | OffloadParameters, OffloadActivations} {
			if less, ok := evaluate(t, c, func(c *Case) { *c = clean(c); c.Recipe.Offload = o }); ok {
				require.LessOrEqual(t, less.Memory.PeakBytes, bare.Memory.PeakBytes, o.String())
			}
		}
		if less, ok := evaluate(t, c, func(c *Case) { *c = clean(c); c.Recipe.Compile = true }); ok {
			require.LessOrEqual(t, less.Memory.PeakBytes, bare.Memory.PeakBytes, "compiled")
		}
		if less, ok := evaluate(t, c, func(c *Case) { *c = clean(c); c.Recipe.OptimizerInBackward = true }); ok {
			require.LessOrEqual(t, less.Memory.PeakBytes, bare.Memory.PeakBytes, "update in backward")
		}
	})
}

// clean is the case without options.
func clean(c *Case) Case {
	out := *c
	out.Recipe.Trainable, out.Recipe.Offload, out.Recipe.Compile, out.Recipe.OptimizerInBackward = Trainable{}, 0, false, false
	return out
}

// grad_reduce_in_fp32 = False halves Megatron's gradients; Adam in 4 bits keeps two
// moments of half a byte and a scale for 128 of them (torchao/optim/subclass_4bit.py).
func TestSmallStates(t *testing.T) {
	m, err := arch.Lookup("llama-2-7b", arch.Options{})
	require.NoError(t, err)
	memory := func(o Options) Memory {
		o.Model, o.Context, o.MicroBatch, o.GlobalBatch, o.GPUs = m, 512, 1, 1, 1
		return memoryOf(t, o)
	}
	n, err := m.ParameterCount()
	require.NoError(t, err)
	require.Equal(t, 4*n.Total, memory(Options{Profile: "megatron"}).GradientsBytes)
	require.Equal(t, 2*n.Total, memory(Options{Profile: "megatron", Recipe: "bf16-mixed-grad16"}).GradientsBytes)
	require.Equal(t, 2*n.Total, memory(Options{Profile: "megatron", Recipe: "mxfp8-mixed-grad16"}).GradientsBytes)
	pure := func(optimizer string) int64 {
		return memory(Options{Profile: "torch-eager", Recipe: "bf16-pure", Optimizer: optimizer}).OptimizerBytes
	}
	require.InEpsilon(t, float64(4*n.Total), float64(pure("adamw")), 1e-3)
	require.InEpsilon(t, 2*(1+4.0/256)*float64(n.Total), float64(pure("adam8bit")), 1e-3)
	require.InEpsilon(t, 2*(0.5+4.0/128)*float64(n.Total), float64(pure("adam4bit")), 1e-3)
}

// Offloading what autograd keeps leaves autocast's cache of 16-bit weights on the device
// until the forward pass has ended (aten/src/ATen/autocast_mode.cpp, cached_casts), as full
// recompute does.
func TestOffloadLeavesAutocastCache(t *testing.T) {
	m, err := arch.Lookup("mixtral-8x7b", arch.Options{})
	require.NoError(t, err)
	peak := func(recompute string) int64 {
		return memoryOf(t, Options{Model: m, Context: 256, MicroBatch: 2, Profile: "torch-eager", Recipe: "autocast", Attention: "unfused", Offload: "activations", OptimizerInBackward: true, Recompute: recompute}).PeakBytes
	}
	require.LessOrEqual(t, peak("full"), peak("none"))
}

// memoryOf is the memory of a case.
func memoryOf(t *testing.T, o Options) Memory {
	t.Helper()
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	var r Report
	k.Evaluate(&c.Setting, &r)
	require.Equal(t, OK, r.Reason)
	return r.Memory
}

// Every moment of a step that explain lists holds no less than nothing of each part,
// and no more together than the fullest, whatever is trained.
func TestTimeline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _, _ := drawCase(t)
		*c = clean(c)
		c.Recipe.MTP = 0 // which goes with training everything
		for _, text := range append([]string{"freeze:embedding", "freeze:norms+embedding", "freeze:head"}, trainables...) {
			var err error
			c.Recipe.Trainable, err = ParseTrainable(text)
			require.NoError(t, err)
			k, err := c.Compile()
			require.NoError(t, err)
			var r Report
			if k.Evaluate(&c.Setting, &r); r.RuledOut() {
				continue
			}
			moments, err := k.Timeline(&c.Setting)
			require.NoError(t, err, text)
			for _, m := range moments {
				require.GreaterOrEqual(t, min(m.WeightsBytes, m.OptimizerBytes, m.GradientsBytes, m.ActivationsBytes, m.LogitsBytes, m.BuffersBytes), int64(0), "%s %s", text, m.Phase)
				require.LessOrEqual(t, m.AllocatedBytes, r.Memory.AllocatedBytes, "%s %s", text, m.Phase)
			}
		}
	})
}
