package results

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// nullable are the fields of a row that may be NULL.
func nullable(r *Row) (fields []*float64) {
	for _, c := range Columns() {
		if c.Nullable {
			fields = append(fields, reflect.ValueOf(r).Elem().Field(c.field).Addr().Interface().(*float64))
		}
	}
	return fields
}

// TestNulls writes runs of values and NULLs of every length and expects the file
// to hold a NULL exactly where the row has none, as a reader other than ours
// finds it: by the definition level, not by the value.
func TestNulls(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	var rows []Row
	run := func(n int, values ...float64) {
		for range n {
			row := testRow(int64(len(rows)))
			for k, p := range nullable(&row) {
				*p = values[k%len(values)]
			}
			rows = append(rows, row)
		}
	}
	const step = 64 // of packed groups, or of another encoder's
	for nulls := range step {
		for values := 1; nulls+values <= step; values++ {
			run(nulls, 0)
			run(values, 1.5)
			run(step-nulls-values, 0)
		}
	}
	for range 4000 { // columns that differ from each other
		run(1+r.IntN(12), float64(r.IntN(2)), float64(r.IntN(3)), float64(r.IntN(2)))
	}
	b := encode(t, int64(len(rows)), func(id int64) Row { return rows[id] })
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	for j, leaf := range f.Root().Columns() {
		if !columns[j].Nullable {
			continue
		}
		at, wrong := 0, 0
		for _, group := range f.RowGroups() {
			pages := group.ColumnChunks()[j].Pages()
			for {
				page, err := pages.ReadPage()
				if err != nil {
					break
				}
				values := make([]parquet.Value, page.NumValues())
				n, _ := page.Values().ReadValues(values)
				for _, v := range values[:n] {
					if v.IsNull() != (columns[j].Value(&rows[at]) == nil) {
						wrong++
					}
					at++
				}
			}
			require.NoError(t, pages.Close())
		}
		require.Equal(t, len(rows), at, leaf.Name())
		require.Zero(t, wrong, "%s: values of %d that are NULL and should not be, or the other way about", leaf.Name(), at)
	}
}
