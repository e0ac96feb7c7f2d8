package validate

import (
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// exactFile compares a table of testdata/exact.
func exactFile(t *testing.T, name string) *Report {
	t.Helper()
	f, err := os.Open("testdata/exact/" + name)
	require.NoError(t, err)
	defer f.Close()
	r, err := Exact(name, f)
	require.NoError(t, err)
	require.Empty(t, r.Bad)
	return r
}

// within holds every scored row of a table within an error, and returns the median
// of each metric.
func within(t *testing.T, name string, most float64) map[string]float64 {
	t.Helper()
	errors := map[string][]float64{}
	for _, row := range exactFile(t, name).Rows {
		require.Empty(t, row.Skipped, "%s %s", row.ID, row.Metric)
		if row.Scored {
			errors[row.Metric] = append(errors[row.Metric], math.Abs(row.Error))
			require.LessOrEqual(t, math.Abs(row.Error), most, "%s %s %s: predicted %.0f in %s, measured %.0f in %s", row.ID, row.Model, row.Metric, row.Predicted, row.Phase, row.Measured, row.MeasuredPhase)
		}
	}
	out := map[string]float64{}
	for metric, e := range errors {
		slices.Sort(e)
		out[metric] = e[len(e)/2]
		t.Logf("%s: %d rows, median %.3f %%, worst %.2f %%", metric, len(e), 100*out[metric], 100*e[len(e)-1])
	}
	return out
}

// Peaks of whole steps under FSDP2 and DDP, first and steady, from torchtitan's own
// code on fake tensors: published shapes, and further ones (fsdp_peaks.py with
// fsdp_cases.txt) that peak in other moments.
func TestPeaksOfSteps(t *testing.T) {
	require.Less(t, within(t, "fsdp_peaks.csv", 0.001)["peak_bytes"], 0.0001)
	require.Less(t, within(t, "more_fsdp_peaks.csv", 0.01)["peak_bytes"], 0.001)
	require.Less(t, within(t, "more_fsdp_peaks_0.3.csv", 0.015)["peak_bytes"], 0.001)
}

// What Megatron-Core keeps by module, from its own code on fake tensors.
func TestMegatronModules(t *testing.T) {
	within(t, "megatron_saved.csv", 0.001)
}
