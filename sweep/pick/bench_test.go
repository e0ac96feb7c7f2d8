package pick

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
)

// BenchmarkPick searches the whole market for the runs that planners ask about.
func BenchmarkPick(b *testing.B) {
	for _, x := range []struct {
		model          string
		context, batch int64
		tokens         float64
	}{
		{"llama-3.1-8b", 8192, 512, 1e12},
		{"llama-3.1-405b", 8192, 2048, 15e12},
		{"deepseek-v3", 4096, 15360, 14.8e12},
	} {
		b.Run("model="+x.model, func(b *testing.B) {
			m, err := arch.Lookup(x.model, arch.Options{})
			require.NoError(b, err)
			offers, err := hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{Pricing: []hardware.Pricing{hardware.OnDemand}})
			require.NoError(b, err)
			var candidates int64
			for b.Loop() {
				r, err := Pick(Query{
					Case:         accounting.Options{Model: m, Context: x.context, GlobalBatch: x.batch, Tokens: int64(x.tokens)},
					Accelerators: hardware.Accelerators(), Offers: offers,
				})
				require.NoError(b, err)
				candidates += r.Candidates
			}
			b.ReportMetric(float64(candidates)/b.Elapsed().Seconds(), "candidates/s")
		})
	}
}
