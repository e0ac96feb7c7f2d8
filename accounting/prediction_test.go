package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// predicting is a case with n prediction layers, compiled and evaluated.
func predicting(t *testing.T, name string, n int64, o Options) (*Compiled, Report) {
	t.Helper()
	var err error
	o.Model, err = arch.Lookup(name, arch.Options{})
	require.NoError(t, err)
	o.MTP, o.Profile = n, "megatron"
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	c.Setting.Machine = machine(t, "h800-sxm", "bf16-mixed")
	var r Report
	k.Evaluate(&c.Setting, &r)
	require.False(t, r.RuledOut(), r.Reason)
	return k, r
}

// A prediction layer has the parameters that the config's do (DeepSeek-V3's 11.6 billion,
// its embedding and head being the model's own), is in no total, and is trained.
func TestPredictionParameters(t *testing.T) {
	for _, name := range []string{"deepseek-v3", "glm-4.5", "glm-4.5-air", "mimo-7b"} {
		m, err := arch.Lookup(name, arch.Options{})
		require.NoError(t, err)
		require.Equal(t, int64(1), m.Predictions())
		without, _ := predicting(t, name, 0, Options{})
		k, _ := predicting(t, name, 1, Options{})
		require.Equal(t, without.Counts.Total, k.Counts.Total, name)
		require.Equal(t, without.Counts.Active, k.Counts.Active, name)
		n, err := k.Ledger.Section("prediction").Sum((*Component).Parameters).Eval(&k.Ledger.Section("prediction").Values)
		require.NoError(t, err)
		require.Equal(t, k.Counts.MTP, n, name)
		require.Greater(t, k.Counts.Trainable, without.Counts.Trainable+n*99/100, name)
	}
	k, _ := predicting(t, "deepseek-v3", 1, Options{})
	require.Equal(t, int64(11_610_068_224), k.Counts.MTP)
}

// Forward runs one more layer of experts, the projection of 2d to d, and the head again.
func TestPredictionFLOPs(t *testing.T) {
	const s = 4096
	without, _ := predicting(t, "deepseek-v3", 0, Options{})
	k, _ := predicting(t, "deepseek-v3", 1, Options{})
	var layer float64
	for i := range k.sections {
		if k.Ledger.Sections[i].Name == "moe" {
			layer = k.sections[i].flops.at(s, k.sections[i].keys(s, Causal))
		}
	}
	const d, v = 7168, 129280
	want := layer + 2*s*(2*d*d+d*v)
	require.InEpsilon(t, want, k.ForwardFLOPs(1, s, Causal)-without.ForwardFLOPs(1, s, Causal), 1e-12)
}

// The last stage holds the layer, and a copy of the embedding where that is another
// stage's; the other stages do not change. Nothing gets smaller or faster.
func TestPredictionIsOnTheLastStage(t *testing.T) {
	o := Options{PP: 4, EP: 8, DP: 8, GlobalBatch: 64, Recompute: "full"}
	without, before := predicting(t, "deepseek-v3", 0, o)
	k, after := predicting(t, "deepseek-v3", 1, o)
	require.Greater(t, after.Time.StepSeconds, before.Time.StepSeconds)
	require.GreaterOrEqual(t, after.Memory.PeakBytes, before.Memory.PeakBytes)
	c, err := Options{Model: k.Ledger.Model, MTP: 1, PP: 4, EP: 8, DP: 8, GlobalBatch: 64}.Resolve()
	require.NoError(t, err)
	var a, b Memory
	for q := range int64(4) {
		require.NoError(t, without.StageMemory(&c.Setting, q, &a))
		require.NoError(t, k.StageMemory(&c.Setting, q, &b))
		if q < 3 {
			require.Equal(t, a.PeakBytes, b.PeakBytes)
			continue
		}
		experts := int64(3 * 256 * 2048 * 7168)
		layer := k.Counts.MTP - experts + experts/8
		require.Equal(t, layer+int64(129280*7168), b.ParametersPerRank-a.ParametersPerRank)
		require.Greater(t, b.PeakBytes, a.PeakBytes)
	}
}

func TestPredictionIsMegatrons(t *testing.T) {
	m, err := arch.Lookup("deepseek-v3", arch.Options{})
	require.NoError(t, err)
	f := func(o Options, want string) {
		t.Helper()
		o.Model, o.MTP = m, 1
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		require.Equal(t, ReasonProfileOption, k.Check(&c.Setting.Workload, &c.Setting.Plan, c.Setting.GPUs))
		require.Equal(t, want, k.WhyNot(&c.Setting, ReasonProfileOption))
	}
	f(Options{Profile: "fsdp2"}, "profile fsdp2 does not train layers of multi-token prediction, or not with frozen parameters or behind an encoder")
	f(Options{Trainable: "freeze:embedding"}, "profile megatron does not train layers of multi-token prediction, or not with frozen parameters or behind an encoder")
}
