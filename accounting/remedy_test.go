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
