package accounting

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// torchEagerTotal sums what the profile keeps of a model at micro-batch b and
// context s.
func torchEagerTotal(t testing.TB, m *arch.Model, precision, attention string, dropout float64, b, s int64) int64 {
	t.Helper()
	p, err := ParsePrecision(map[string]string{"bf16": "bf16-pure"}[precision])
	if precision != "bf16" {
		p, err = ParsePrecision(precision)
	}
	require.NoError(t, err)
	kernel, err := ParseAttention(attention)
	require.NoError(t, err)
	l := NewLedger(m, Recipe{Precision: p, Attention: kernel, Dropout: dropout, Optimizer: optimizers[0]}, &torchEagerProfile).At(b, s)
	var total int64
	for i := range l.Sections {
		section := &l.Sections[i]
		v := section.Values
		v[SymB], v[SymS] = b, s
		n, err := section.Sum((*Component).SavedBytes).Scale(section.Count).Eval(&v)
		require.NoError(t, err)
		total += n
	}
	return total
}

// The tensors that autograd really keeps, counted on fake tensors with
// transformers 5.23.0 and torch 2.15.0: published models cut to one, two and
// three layers. Every row is met to the byte.
func TestTorchEagerKeepsWhatPyTorchKeeps(t *testing.T) {
	for _, r := range readCSV(t, "torcheager_open.csv") {
		dropout, err := strconv.ParseFloat(r["dropout"], 64)
		require.NoError(t, err)
		for _, layers := range []int64{1, 2, 3} {
			m, err := arch.Lookup(r["model"], arch.Options{Layers: layers})
			require.NoError(t, err)
			got := torchEagerTotal(t, m, r["precision"], r["attention"], dropout, atoi(t, r["batch"]), atoi(t, r["seq"]))
			require.Equal(t, atoi(t, r["saved_"+strconv.FormatInt(layers, 10)]), got, "%s %s %s %s, %d layers", r["id"], r["model"], r["precision"], r["attention"], layers)
		}
	}
}
