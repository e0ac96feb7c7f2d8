package results

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go"
)

// CaseError tells why a dataset has no row for a case.
type CaseError struct {
	CaseID int64
	Why    string
}

func (e *CaseError) Error() string { return fmt.Sprintf("no row for case %d: %s", e.CaseID, e.Why) }

// Lookup returns the row of one case, all columns. The error is a [*CaseError]
// if there is none.
func (d *Dataset) Lookup(ctx context.Context, caseID int64) (Row, error) {
	if caseID < 0 || caseID >= d.plan.Cases {
		return Row{}, &CaseError{caseID, fmt.Sprintf("the study has %d cases, from 0", d.plan.Cases)}
	}
	part := int(caseID / d.plan.PartRows)
	m, done, err := d.committed(part)
	if err != nil {
		return Row{}, err
	}
	if !done {
		return Row{}, &CaseError{caseID, fmt.Sprintf("part %d, which holds it, is not there yet", part)}
	}
	var row Row
	found := false
	err = d.openPart(ctx, m, func(f *parquet.File) error {
		group, at, err := findCase(ctx, f, caseID)
		if group == nil || err != nil {
			return err
		}
		cs, err := cursors(f, columns)
		if err != nil {
			return err
		}
		rows := make([]Row, 1)
		err = guard(func() error {
			if err := openAll(cs, group, at); err != nil {
				return err
			}
			return fillAll(cs, rows)
		})
		row, found = rows[0], err == nil
		return err
	})
	if err == nil && !found {
		return Row{}, &CaseError{caseID, "the study's constraints exclude it, or it was evaluated and not kept"}
	}
	return row, err
}

// findCase returns the row group that holds a case and the row's place in it, or
// nil.
func findCase(ctx context.Context, f *parquet.File, caseID int64) (parquet.RowGroup, int64, error) {
	cs, err := cursors(f, columns[:1])
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = cs[0].close() }()
	rows := make([]Row, batchRows)
	for _, g := range f.RowGroups() {
		if err := guard(func() error { return openAll(cs, g, 0) }); err != nil {
			return nil, 0, err
		}
		for at := int64(0); at < g.NumRows(); {
			if ctx.Err() != nil {
				return nil, 0, context.Cause(ctx)
			}
			batch := rows[:min(int64(len(rows)), g.NumRows()-at)]
			if err := guard(func() error { return fillAll(cs, batch) }); err != nil {
				return nil, 0, err
			}
			for i := range batch {
				if batch[i].CaseID == caseID {
					return g, at + int64(i), nil
				}
			}
			at += int64(len(batch))
		}
	}
	return nil, 0, nil
}
