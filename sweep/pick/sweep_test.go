package pick_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
	"headroom/hardware"
	"headroom/results"
	"headroom/sweep"
	"headroom/sweep/pick"
)

// Pick and a sweep over the same space come to the same plans, hours and dollars:
// the cheapest and the fastest row of the dataset are its winners.
func TestPickAgreesWithADataset(t *testing.T) {
	gpus := []int64{1, 4, 8, 16}
	f := func(model, prices string, filter hardware.PriceFilter) {
		t.Helper()
		s, err := sweep.Load(sweep.Source{File: "test.yaml", Data: fmt.Appendf(nil, `
study: agree
grid:
  model: [%s]
  context: 1024
  global_batch: 16
  micro_batch: [1, 2, 4, 8, 16]
  recompute: [none, selective, full]
  accelerator: [h100-sxm, a100-sxm-80gb, l40s, t4]
  gpus: [1, 4, 8, 16]
  plan: auto
tokens: 1B
prices: %s
`, model, prices)})
		require.NoError(t, err)
		s.Out.Dir = t.TempDir()
		_, err = sweep.Run(context.Background(), s, sweep.Options{Workers: 2})
		require.NoError(t, err)
		d, err := results.Open(results.OS(), s.Out.Dir)
		require.NoError(t, err)
		var rows []results.Row
		for row, err := range d.Scan(context.Background(), results.ScanOptions{}) {
			require.NoError(t, err)
			if row.Status == results.StatusFits && row.CostUSD > 0 {
				rows = append(rows, *row)
			}
		}
		require.NotEmpty(t, rows)

		q := pick.Query{
			Case: accounting.Options{Model: s.Models[0], Context: 1024, GlobalBatch: 16, Tokens: 1e9},
			GPUs: gpus, Workers: 2,
		}
		for _, name := range []string{"h100-sxm", "a100-sxm-80gb", "l40s", "t4"} {
			a, err := hardware.Lookup(name)
			require.NoError(t, err)
			q.Accelerators = append(q.Accelerators, a)
		}
		q.Offers, err = hardware.SelectPrices(hardware.Prices(), filter)
		require.NoError(t, err)
		r, err := pick.Pick(q)
		require.NoError(t, err)
		cheapest := slices.MinFunc(rows, func(a, b results.Row) int { return cmp.Compare(a.CostUSD, b.CostUSD) })
		fastest := slices.MinFunc(rows, func(a, b results.Row) int { return cmp.Compare(a.StepSeconds, b.StepSeconds) })
		require.InEpsilon(t, cheapest.CostUSD, *r.Winner.Cost.USD, 1e-12)
		require.Equal(t, cheapest.Accelerator, r.Winner.Accelerator)
		require.EqualValues(t, cheapest.GPUs, r.Winner.GPUs)
		require.InEpsilon(t, cheapest.GPUHours, r.Winner.Cost.GPUHours, 1e-12)
		require.Equal(t, cheapest.StepSeconds, r.Winner.Step.Seconds)
		require.Equal(t, fastest.StepSeconds, r.Fastest.Step.Seconds)
		require.Equal(t, fastest.Accelerator, r.Fastest.Accelerator)
	}
	f("gpt2", "{pricing: on_demand}", hardware.PriceFilter{Pricing: []hardware.Pricing{hardware.OnDemand}})
	f("gpt2", "{pricing: on_demand, providers: [azure, lambda]}", hardware.PriceFilter{Pricing: []hardware.Pricing{hardware.OnDemand}, Providers: []string{"azure", "lambda"}})
	f("granite-3.0-1b-a400m-base", "{pricing: spot}", hardware.PriceFilter{Pricing: []hardware.Pricing{hardware.Spot}})
}
