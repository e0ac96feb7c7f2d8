package results

import (
	"context"
	"fmt"
	"iter"
	"reflect"
)

// Difference is what [Diff] found between two datasets.
type Difference struct {
	// Plan has a line for each difference of the two plans.
	Plan []string
	// Same counts the cases that are in both with equal rows, Changed those
	// with different rows, OnlyA and OnlyB those in one dataset alone.
	Same, Changed, OnlyA, OnlyB int64
	// Columns counts the changed rows by column.
	Columns map[string]int64
	// Examples are the first changed rows.
	Examples []ChangedRow
}

// Equal tells that the two hold the same rows; their plans may differ.
func (d *Difference) Equal() bool { return d.Changed == 0 && d.OnlyA == 0 && d.OnlyB == 0 }

// ChangedRow is a case whose rows differ.
type ChangedRow struct{ A, B Row }

// Columns are the columns in which the rows differ.
func (c *ChangedRow) Columns() []Column {
	var out []Column
	for _, i := range changedFields(&c.A, &c.B) {
		out = append(out, columns[i])
	}
	return out
}

// Diff compares the committed rows of two datasets, case by case. It keeps at
// most examples changed rows, and streams the rest.
func Diff(ctx context.Context, a, b *Dataset, examples int) (Difference, error) {
	d := Difference{Columns: map[string]int64{}}
	if a.runID != b.runID {
		d.Plan = diffTrees(nil, "", a.plan.tree(), b.plan.tree(), "in "+a.dir, "in "+b.dir)
	}
	nextA, stopA := iter.Pull2(a.Scan(ctx, ScanOptions{}))
	defer stopA()
	nextB, stopB := iter.Pull2(b.Scan(ctx, ScanOptions{}))
	defer stopB()
	rowA, errA, moreA := nextA()
	rowB, errB, moreB := nextB()
	for moreA || moreB {
		switch {
		case errA != nil:
			return d, fmt.Errorf("%s: %w", a.dir, errA)
		case errB != nil:
			return d, fmt.Errorf("%s: %w", b.dir, errB)
		case !moreB || moreA && rowA.CaseID < rowB.CaseID:
			d.OnlyA++
			rowA, errA, moreA = nextA()
		case !moreA || rowB.CaseID < rowA.CaseID:
			d.OnlyB++
			rowB, errB, moreB = nextB()
		default:
			d.compare(rowA, rowB, examples)
			rowA, errA, moreA = nextA()
			rowB, errB, moreB = nextB()
		}
	}
	return d, nil
}

func (d *Difference) compare(a, b *Row, examples int) {
	if *a == *b {
		d.Same++
		return
	}
	d.Changed++
	for _, i := range changedFields(a, b) {
		d.Columns[columns[i].Name]++
	}
	if len(d.Examples) < examples {
		d.Examples = append(d.Examples, ChangedRow{*a, *b})
	}
}

func changedFields(a, b *Row) (fields []int) {
	av, bv := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range av.NumField() {
		if !av.Field(i).Equal(bv.Field(i)) {
			fields = append(fields, i)
		}
	}
	return fields
}
