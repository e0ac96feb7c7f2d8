package sweep

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/results"
)

// readRows reads every row of a dataset, in order.
func readRows(t *testing.T, dir string) []results.Row {
	t.Helper()
	d, err := results.Open(results.OS(), dir)
	require.NoError(t, err)
	var rows []results.Row
	for row, err := range d.Scan(context.Background(), results.ScanOptions{}) {
		require.NoError(t, err)
		rows = append(rows, *row)
	}
	return rows
}

// What a study of the best keeps is what one finds by sorting all rows of each part
// and group, and readers find the same best of a group in both.
func TestKeepBest(t *testing.T) {
	all := loadText(t, varied, "tokens=1B")
	all.Out.Dir = t.TempDir()
	sum := run(t, all, Options{})
	rows := readRows(t, all.Out.Dir)
	require.Len(t, rows, int(all.Cases()))

	f := func(best int, by string, value func(*results.Row) float64, per string, group func(*results.Row) string) {
		t.Helper()
		set := []string{"tokens=1B", fmt.Sprintf("keep.best=%d", best), "keep.by=" + by}
		if per != "" {
			set = append(set, "keep.per="+per)
		}
		s := loadText(t, varied, set...)
		s.Out.Dir = t.TempDir()
		got := run(t, s, Options{Workers: 2})
		require.Equal(t, sum.Status, got.Status, "the others are counted")
		require.Equal(t, sum.Reason, got.Reason)
		require.Equal(t, sum.Cases, got.Cases)

		groups := map[string][]results.Row{}
		for i := range rows {
			if r := &rows[i]; r.Status == results.StatusFits {
				key := fmt.Sprint(r.CaseID/500, " ", group(r)) // parts of 500 cases
				groups[key] = append(groups[key], *r)
			}
		}
		var want []results.Row
		for _, g := range groups {
			slices.SortStableFunc(g, func(a, b results.Row) int { return cmp.Compare(value(&a), value(&b)) })
			want = append(want, g[:min(best, len(g))]...)
		}
		slices.SortFunc(want, func(a, b results.Row) int { return cmp.Compare(a.CaseID, b.CaseID) })
		require.Equal(t, want, readRows(t, s.Out.Dir))
		require.Equal(t, int64(len(want)), got.Rows)

		top := func(dir string) []results.Row {
			d, err := results.Open(results.OS(), dir)
			require.NoError(t, err)
			keys, err := results.ParseSortKeys(by)
			require.NoError(t, err)
			where, err := results.CompileFilter("fits")
			require.NoError(t, err)
			o := results.TopOptions{Where: where, By: keys, Limit: best}
			if per != "" {
				o.Per = []string{"model", "accelerator"}
			}
			r, err := d.Top(context.Background(), o)
			require.NoError(t, err)
			return r.Rows
		}
		require.Equal(t, top(all.Out.Dir), top(s.Out.Dir))
	}
	peak := func(r *results.Row) float64 { return float64(r.PeakBytes) }
	tokens := func(r *results.Row) float64 { return -r.TokensPerSecondPerGPU }
	f(3, "peak_bytes", peak, "[model, accelerator]", func(r *results.Row) string { return r.Model + r.Accelerator })
	f(1, "-tokens_per_second_per_gpu", tokens, "[accelerator, model]", func(r *results.Row) string { return r.Model + r.Accelerator })
	f(1000, "peak_bytes", peak, "[model, accelerator]", func(r *results.Row) string { return r.Model + r.Accelerator })
	f(7, "peak_bytes", peak, "", func(*results.Row) string { return "" })
}

// Where the study gives tokens the cheapest are the best, otherwise the fastest.
func TestKeepBestDefault(t *testing.T) {
	s := loadText(t, "{grid: {model: [gpt2], accelerator: [h100-sxm]}, keep: {best: 5}}")
	require.Equal(t, Keep{Status: KeepFits, Best: 5, By: "step_seconds"}, s.Keep)
	s = loadText(t, "{grid: {model: [gpt2], accelerator: [h100-sxm]}, keep: {best: 5, per: [model]}, tokens: 1B}")
	require.Equal(t, Keep{Status: KeepFits, Best: 5, Per: []string{"model"}, By: "cost_usd"}, s.Keep)
	require.NotEqual(t, loadText(t, "{grid: {model: [gpt2], accelerator: [h100-sxm]}, keep: fits, tokens: 1B}").Canonical(), s.Canonical())
}
