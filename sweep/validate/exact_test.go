package validate

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
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
	within(t, "more_fsdp_peaks_hsdp.csv", 0.001)
	within(t, "more_ddp_peaks.csv", 0.01)
}

// The same with tensor and sequence parallelism, mixtures of experts, expert
// parallelism, head norms and latent attention.
func TestPeaksOfParallelSteps(t *testing.T) {
	require.Less(t, within(t, "more_fsdp_peaks_parallel.csv", 0.012)["peak_bytes"], 0.0002)
}

// What autograd keeps of models with peft's adapters, by
// accounting/testdata/torcheager/saved_tensors.py: to the byte.
func TestSavedOfAdapters(t *testing.T) {
	within(t, "lora_saved_tensors.csv", 0)
}

// What autograd keeps of 78 more published models, by
// accounting/testdata/torcheager/saved_tensors.py: to the byte.
func TestSavedOfMoreModels(t *testing.T) {
	within(t, "more_saved_tensors.csv", 0)
}

// What Megatron-Core keeps by module, from its own code on fake tensors.
func TestMegatronModules(t *testing.T) {
	within(t, "megatron_saved.csv", 0.001)
	within(t, "more_megatron_saved.csv", 0.001) // megatron_saved.py with megatron_cases.txt
}

// One file a rule in testdata/bad/exact, and all that Exact says about it: of the
// table, of its lines, and of rows that cannot be predicted.
func TestBadExact(t *testing.T) {
	t.Chdir("testdata/bad/exact")
	tested := map[string]bool{}
	f := func(name string, want ...string) {
		t.Helper()
		name += ".csv"
		tested[name] = true
		in, err := os.Open(name)
		require.NoError(t, err)
		defer in.Close()
		r, err := Exact(name, in)
		if err != nil {
			require.Nil(t, r)
			require.EqualError(t, err, strings.Join(want, "\n"))
			return
		}
		got := r.Bad
		for _, row := range r.Rows {
			got = append(got, row.Skipped)
		}
		require.Equal(t, want, got)
	}
	f("attention_unknown", `unknown attention "sdqa"; known: flash, unfused, flash1, triton, flash2, flash3`)
	f("batch_text", `batch_text.csv:2:18: batch: "one" is not a positive count`)
	f("bytes_negative", `bytes_negative.csv:2:23: saved_1_layer_bytes: "-1" is not a number of bytes`)
	short := "cell_missing.csv:2:1: 3 cells, but the header names 7 columns"
	f("cell_missing", short, short) // told, and its row skipped
	f("column_misspelt", `column_misspelt.csv:1:39: column "dropuot" is not known and not read; did you mean dropout?`)
	f("column_twice", "column_twice.csv:1:9: column slug is there twice")
	f("columns_missing",
		"columns_missing.csv:1:1: there is no column precision",
		"columns_missing.csv:1:1: there is no column attention",
		"columns_missing.csv:1:1: there is no column batch",
		"columns_missing.csv:1:1: there is no column seq",
	)
	f("empty", "empty.csv:1:1: the file is empty: its first line must name the columns")
	f("model_unknown", `no model is called "gtp2"; the nearest are gpt2, gpt2-xl, gpt2-large`)
	f("no_kind", "no_kind.csv:1:1: the columns are those of no table of saved tensors or peaks")
	f("precision_unknown", `unknown recipe "bf61"; did you mean bf16-pure? (known: `+strings.Join(accounting.PrecisionNames(), ", ")+")")
	f("quote_in_header", `quote_in_header.csv:1:6: bare " in non-quoted-field`)
	broken := `quote_open.csv:2:9: extraneous or missing " in quoted-field`
	f("quote_open", broken, broken)
	f("seq_huge", `seq_huge.csv:2:20: seq: "99999999999999999999" is not a positive count`)

	files, err := filepath.Glob("*")
	require.NoError(t, err)
	for _, name := range files {
		require.True(t, tested[name], "%s has no row in this test", name)
	}
}

// FuzzExact: any table is read, or refused with its place.
func FuzzExact(f *testing.F) {
	f.Add(savedRows)
	for _, pattern := range []string{"testdata/exact/*.csv", "testdata/bad/exact/*.csv"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, name := range files {
			text, err := os.ReadFile(name)
			require.NoError(f, err)
			lines := strings.SplitAfter(string(text), "\n")
			f.Add(strings.Join(lines[:min(3, len(lines))], ""))
		}
	}
	f.Fuzz(func(t *testing.T, in string) {
		r, err := Exact("x.csv", strings.NewReader(in))
		if err != nil {
			require.ErrorContains(t, err, "x.csv:")
			return
		}
		for _, row := range r.Rows {
			if row.Scored {
				require.False(t, math.IsNaN(row.Error) || math.IsInf(row.Error, 0))
			}
		}
	})
}
