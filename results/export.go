package results

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"io"
)

// ExportOptions say what [Dataset.Export] writes.
type ExportOptions struct {
	// Format is [CSV] or [JSONL]: values as they are, with the columns' names.
	Format Format
	// Columns are those written, in that order; nil for all.
	Columns []string
	// Where keeps the rows that match; nil for all.
	Where *Filter
}

// Export writes the committed rows in case order, as a stream: memory does not
// grow with the dataset. It returns how many rows were written.
func (d *Dataset) Export(ctx context.Context, w io.Writer, o ExportOptions) (rows int64, err error) {
	if o.Columns == nil {
		o.Columns = columnNames()
	}
	t, err := NewTable(nil, o.Columns...)
	if err != nil {
		return 0, err
	}
	buffered := bufio.NewWriterSize(w, 64<<10)
	var write func() error
	switch o.Format {
	case CSV:
		c := csv.NewWriter(buffered)
		if err := t.csvHeader(c); err != nil {
			return 0, err
		}
		write = func() error { return t.csvRows(c) }
	case JSONL:
		write = func() error { return t.writeJSONL(buffered) }
	default:
		return 0, fmt.Errorf("results: rows are exported as csv or jsonl, not as %q", o.Format)
	}
	t.Rows = [][]any{make([]any, len(t.Columns))}
	for row, err := range d.Scan(ctx, ScanOptions{Columns: o.Columns, Where: o.Where}) {
		if err != nil {
			return rows, err
		}
		for j := range t.Columns {
			t.Rows[0][j] = t.Columns[j].Value(row)
		}
		if err := write(); err != nil {
			return rows, err
		}
		rows++
	}
	return rows, buffered.Flush()
}
