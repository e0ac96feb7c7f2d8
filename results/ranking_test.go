package results

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTopPerGroup(t *testing.T) {
	const n = 5000
	d := buildDir(t, testPlan(n, 700))
	by := []SortKey{{Column: "price_usd_per_gpu_hour"}, {Column: "headroom_bytes", Descending: true}}
	order, err := newOrder(by)
	require.NoError(t, err)
	f := func(limit int, key func(*Row) string, per ...string) {
		t.Helper()
		groups := map[string][]Row{}
		for id := range int64(n) {
			row := testRow(id)
			groups[key(&row)] = append(groups[key(&row)], row)
		}
		var want []Row
		var names []string
		for name := range groups {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			rows := groups[name]
			slices.SortFunc(rows, func(a, b Row) int { return order.compare(&a, &b) })
			want = append(want, rows[:min(limit, len(rows))]...)
		}
		for _, workers := range []int{1, 4} {
			got, err := d.Top(t.Context(), TopOptions{By: by, Per: per, Limit: limit, Concurrency: workers})
			require.NoError(t, err)
			require.Equal(t, want, got.Rows)
			require.EqualValues(t, n, got.Matched)
		}
	}
	f(1, func(r *Row) string { return r.Model }, "model")
	f(3, func(r *Row) string { return string(rune('0'+r.TP)) + r.Accelerator }, "tp", "accelerator")
	f(2, func(r *Row) string { return map[bool]string{false: "0", true: "1"}[r.SP] }, "sp")
	f(1, func(r *Row) string { return map[bool]string{true: "a", false: "z"}[r.PriceUSDPerGPUHour > 0] }, "price_usd_per_gpu_hour")
	f(7, func(*Row) string { return "" })

	_, err = d.Top(t.Context(), TopOptions{Per: []string{"modle"}, Limit: 1})
	require.EqualError(t, err, `unknown column "modle": did you mean model or model_step_causal_flops?`)

	// What is read is what was asked for.
	got, err := d.Top(t.Context(), TopOptions{By: by[1:], Per: []string{"model"}, Columns: []string{"tp"}, Limit: 1})
	require.NoError(t, err)
	for _, row := range got.Rows {
		want := testRow(row.CaseID)
		require.Equal(t, Row{CaseID: want.CaseID, Model: want.Model, TP: want.TP, HeadroomBytes: want.HeadroomBytes}, row)
	}
}

func TestRankingIsBounded(t *testing.T) {
	cs, err := LookupColumns("case_id")
	require.NoError(t, err)
	r := newRanking(nil, cs, 1)
	r.held = mostRanked - 2 // as if so many groups were in
	var errs []error
	for id := range int64(5) {
		errs = append(errs, r.offer(&Row{CaseID: id}))
	}
	require.Equal(t, 2, slices.IndexFunc(errs, func(err error) bool { return err != nil }))
	require.ErrorIs(t, cmp.Or(errs...), ErrTooManyGroups)
}
