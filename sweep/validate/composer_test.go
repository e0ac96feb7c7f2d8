package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
)

// H100 rows in the manner of llm-foundry's tables, none of them measured, with sizes,
// micro-batches and GPUs of scripts/train/benchmarking: all fit, all are predicted, and
// behave as the GPU does.
func TestComposerOnHopper(t *testing.T) {
	rows := unseen(t)
	type key struct {
		model, precision, notes string
		gpus, context           int64
	}
	const amp, pure = "DEFAULT", "PURE"
	mode := func(m *Measurement) string {
		if strings.Contains(m.Notes, "MP mode PURE") {
			return pure
		}
		return amp
	}
	// Tokens a second and GPU, and against the 16-bit peak the work that is counted.
	rate, share := map[key]float64{}, map[key]float64{}
	for i := range rows {
		m := &rows[i]
		if m.Family() != "llmfoundry" {
			continue
		}
		trial, err := m.Trial()
		require.NoError(t, err, m.ID)
		require.False(t, trial.SearchLayout || trial.SearchMicroBatch || trial.SearchRecompute, m.ID)
		e, err := trial.Evaluate()
		require.NoError(t, err, m.ID)
		require.Empty(t, e.NoTime, m.ID)
		require.True(t, e.Report.Fits(), m.ID)
		k := key{m.Model, m.Precision, mode(m), m.GPUs, m.Context}
		rate[k] = float64(e.Report.TokensPerStep) / float64(m.GPUs) / e.Report.Time.StepSeconds
		share[k] = e.rate(false) / e.Machine.Peak16
	}
	require.Len(t, rate, 25)
	at := func(of map[key]float64, model, precision string, gpus, context int64) float64 {
		k := key{model, precision, amp, gpus, context}
		require.Contains(t, of, k)
		return of[k]
	}

	// Products in fp8 gain as layers widen, where micro-batches outgrow the weights that
	// each quantises; less than their peak's double, and next to nothing behind attention.
	before := 0.98
	for _, model := range []string{"MPT-125m", "MPT-1b", "MPT-3b", "MPT-7b"} {
		gain := at(rate, model, "fp8", 8, 2048) / at(rate, model, "bf16", 8, 2048)
		require.Greater(t, gain, before, model)
		before = gain
	}
	for model, gpus := range map[string]int64{"MPT-13b": 8, "MPT-30b": 8, "MPT-70b": 64} {
		gain := at(rate, model, "fp8", gpus, 2048) / at(rate, model, "bf16", gpus, 2048)
		require.Greater(t, gain, 1.1, model)
		require.Less(t, gain, 1.6, model)
	}
	require.Less(t, at(rate, "MPT-7b", "fp8", 8, 65536), 1.1*at(rate, "MPT-7b", "bf16", 8, 65536))

	// More GPUs and longer contexts are slower; wider layers use more of the peak.
	require.Greater(t, at(rate, "MPT-1b", "bf16", 8, 2048), 0.95*at(rate, "MPT-1b", "bf16", 64, 2048))
	for _, model := range []string{"MPT-7b", "MPT-30b"} {
		many, most := at(rate, model, "bf16", 128, 2048), at(rate, model, "bf16", 512, 2048)
		require.Greater(t, many, most)
		require.Less(t, many, 1.15*most)
	}
	require.Greater(t, at(rate, "MPT-125m", "bf16", 8, 512), at(rate, "MPT-125m", "bf16", 8, 2048))
	require.Greater(t, at(rate, "MPT-125m", "bf16", 8, 2048), 5*at(rate, "MPT-125m", "bf16", 8, 65536))
	for i, model := range []string{"MPT-125m", "MPT-1b", "MPT-3b", "MPT-7b"} {
		require.InDelta(t, 0.32+0.06*float64(i), at(share, model, "bf16", 8, 2048), 0.1, model)
	}

	// Gradients reduced in 16 bits are no slower.
	require.GreaterOrEqual(t, rate[key{"MPT-7b", "bf16", pure, 128, 2048}], at(rate, "MPT-7b", "bf16", 128, 2048))

	// Against A100, an attention of Ampere's instructions gains what these reach of the
	// peak of 989 TFLOPS, for 312.
	builtin := Builtin()
	for i := range builtin {
		m := &builtin[i]
		if m.Family() != "llmfoundry" || m.GPU != "A100-80GB" || m.Context != 65536 {
			continue
		}
		new, known := rate[key{m.Model, "bf16", amp, m.GPUs, m.Context}]
		if !known {
			continue
		}
		trial, err := m.Trial()
		require.NoError(t, err)
		e, err := trial.Evaluate()
		require.NoError(t, err)
		old := float64(e.Report.TokensPerStep) / float64(m.GPUs) / e.Report.Time.StepSeconds
		require.InDelta(t, accounting.Shipped().EarlyAttention*989.4/312, new/old, 0.15, m.ID)
	}
}
