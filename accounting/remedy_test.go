package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// Whatever is proposed does fit, and a case that fits needs nothing.
func TestRemediesFit(t *testing.T) {
	m, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	c, err := Options{Model: m, Context: 8192, MicroBatch: 4, GlobalBatch: 64, GPUs: 8, UsableBytes: 79 << 30}.Resolve()
	require.NoError(t, err)
	all, err := c.Remedies()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, r := range all {
		require.LessOrEqual(t, r.PeakBytes, c.Setting.UsableBytes, r.Change)
	}
}

// Misfits of all kinds have a remedy, and what is said to fit does.
func TestRemediesOfMisfits(t *testing.T) {
	f := func(model string, o Options) {
		t.Helper()
		m, err := arch.Lookup(model, arch.Options{})
		require.NoError(t, err)
		o.Model, o.UsableBytes = m, 79<<30
		c, err := o.Resolve()
		require.NoError(t, err)
		e, err := c.Explain(false)
		require.NoError(t, err)
		require.Equal(t, "oom", e.Status)
		require.Equal(t, e.Memory.PeakBytes-o.UsableBytes, e.Memory.ShortfallBytes)
		require.NotEmpty(t, e.Remedies, "%s on profile %s", model, o.Profile)
		for _, r := range e.Remedies {
			require.LessOrEqual(t, r.PeakBytes, o.UsableBytes, r.Change)
		}
	}
	f("llama-3.1-8b", Options{GPUs: 8, Context: 8192, MicroBatch: 4, GlobalBatch: 32})
	f("llama-3.1-8b", Options{Profile: "torch-eager", Recipe: "bf16-mixed", Context: 4096, MicroBatch: 8, GlobalBatch: 8})
	f("llama-3.1-70b", Options{GPUs: 8, Context: 4096})
	f("llama-3.1-70b", Options{Profile: "fsdp2", GPUs: 8, Context: 8192})
	f("llama-3.1-70b", Options{Profile: "deepspeed", GPUs: 8, Context: 8192})
	f("deepseek-v3", Options{GPUs: 64, EP: 8, TP: 1, Context: 4096})
	f("qwen3-30b-a3b", Options{GPUs: 8, EP: 8, Context: 32768})
}
