package accounting

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkEvaluate is the cost of one case, all stages and phases.
func BenchmarkEvaluate(b *testing.B) {
	m := llamaLike(12288, 96, 96, 96, 49152, 51200, false, true)
	for _, name := range ProfileNames() {
		p, err := ParseProfile(name)
		require.NoError(b, err)
		prec, err := p.precision("")
		require.NoError(b, err)
		c, err := Compile(NewLedger(m, Recipe{Precision: prec, Optimizer: optimizers[0]}, p))
		require.NoError(b, err)
		for _, pp := range []int64{1, 8, 32} {
			plan := Plan{TP: 8, PP: pp, VPP: 1, CP: 1, EP: 1, ETP: 8, DP: 32 / pp, SP: true, ZeRO: 1}
			if !p.Parallel {
				plan = SingleGPU
				if pp > 1 {
					continue
				}
			}
			x := Setting{Workload: Workload{Context: 2048, MicroBatch: 1, GlobalBatch: 1024}, Plan: plan, GPUs: plan.GPUs()}
			var r Report
			b.Run(fmt.Sprintf("profile=%s/pp=%d", name, pp), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.Evaluate(&x, &r)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cases/s")
			})
			require.False(b, r.RuledOut(), r.Reason.String())
		}
	}
}
