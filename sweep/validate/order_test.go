package validate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Runs far apart are put in order by any good prediction; of runs closer together than
// measurements repeat nobody can tell the order.
func TestOrders(t *testing.T) {
	t.Parallel()
	run := func(model string, measured, predicted float64) Row {
		return Row{Family: "f", Model: model, Metric: "step_seconds", Scored: true, Measured: measured, Predicted: predicted}
	}
	rows := []Row{
		run("far", 1, 1.1), run("far", 2, 1.9), run("far", 4, 5), run("far", 8, 4.5),
		run("near", 1, 1), run("near", 1.001, 1.001), run("near", 1.002, 1.002), run("near", 1.003, 1.003),
		run("few", 1, 1), run("few", 2, 2), run("few", 3, 3),
		{Family: "f", Model: "far", Metric: "step_seconds", Skipped: "no batch", Measured: 9},
	}
	all := func(string) bool { return true }
	got := orders(rows, all)
	require.Len(t, got, 2, "three runs are too few")
	far, near := got[0], got[1]
	require.Equal(t, Order{Family: "f", Model: "far", Metric: "step_seconds", Rows: 4, Rank: 0.8, Perfect: 1, Spread: 8}, far)
	require.Equal(t, "near", near.Model)
	require.InDelta(t, 1, near.Rank, 1e-12)
	require.InDelta(t, 0, near.Perfect, 0.15)
	require.Equal(t, got, orders(rows, all), "the same draws each time")
	require.Empty(t, orders(rows, func(metric string) bool { return metric == "allocated_bytes" }))
}
