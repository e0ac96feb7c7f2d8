package results

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// SortKey orders rows by a column.
type SortKey struct {
	Column     string
	Descending bool
}

// ParseSortKeys reads an order such as "-headroom_bytes,tp": columns by
// priority, each with "-" before it for the largest first.
func ParseSortKeys(s string) ([]SortKey, error) {
	var keys []SortKey
	for name := range strings.SplitSeq(s, ",") {
		name, descending := strings.CutPrefix(strings.TrimSpace(name), "-")
		if _, err := LookupColumns(name); err != nil {
			return nil, err
		}
		keys = append(keys, SortKey{name, descending})
	}
	return keys, nil
}

// TopOptions say which rows [Dataset.Top] returns.
type TopOptions struct {
	// Where keeps the rows that match; nil for all.
	Where *Filter
	// By is the order; the case id breaks ties. Empty is case order. NULL comes
	// last in either direction.
	By []SortKey
	// Per are the columns that make groups: each group has its own first rows, and
	// groups come in rising order. Empty is one group.
	Per []string
	// Columns are the fields that are filled beside those of By, Per and Where; nil
	// for all.
	Columns []string
	// Limit is the number of rows, of each group, at least 1.
	Limit int
	// Concurrency is the number of parts read at once; 0 is 1.
	Concurrency int
}

// TopResult is the answer to [TopOptions].
type TopResult struct {
	// Rows are the first rows of the order.
	Rows []Row
	// Scanned counts the rows read, Matched those that passed the filter.
	Scanned, Matched int64
	// Summary describes the dataset as it was read.
	Summary Summary
}

// Top returns the first rows of the committed parts in an order. Memory is bound
// by the limit and the number of groups, whatever the size of the dataset; the
// answer does not depend on Concurrency.
func (d *Dataset) Top(ctx context.Context, o TopOptions) (TopResult, error) {
	if o.Limit < 1 {
		return TopResult{}, fmt.Errorf("results: limit is %d: must be at least 1", o.Limit)
	}
	order, err := newOrder(o.By)
	if err != nil {
		return TopResult{}, err
	}
	per, err := LookupColumns(o.Per...)
	if err != nil {
		return TopResult{}, err
	}
	read := ScanOptions{Columns: o.Columns, Where: o.Where}
	if read.Columns != nil {
		read.Columns = slices.Concat(read.Columns, o.Per)
		for _, key := range o.By {
			read.Columns = append(read.Columns, key.Column)
		}
	}
	cols, err := read.columns()
	if err != nil {
		return TopResult{}, err
	}
	s, err := d.Summary()
	if err != nil {
		return TopResult{}, err
	}

	var (
		mu               sync.Mutex
		best             = newRanking(order, per, o.Limit)
		scanned, matched int64
		next             atomic.Int64 // the part to read
		failures         = map[int]error{}
	)
	var workers errgroup.Group
	for range min(max(1, o.Concurrency), max(1, len(s.Parts))) {
		workers.Go(func() error {
			matches, mine := o.Where.matcher(), newRanking(order, per, o.Limit)
			var nScanned, nMatched int64
			for {
				i := int(next.Add(1) - 1)
				if i >= len(s.Parts) {
					break
				}
				err := d.scanPart(ctx, s.Parts[i], cols, func(rows []Row) error {
					nScanned += int64(len(rows))
					for j := range rows {
						ok, err := matches(&rows[j])
						if err != nil {
							return err
						}
						if ok {
							nMatched++
							if err := mine.offer(&rows[j]); err != nil {
								return err
							}
						}
					}
					return nil
				})
				if err != nil {
					next.Store(int64(len(s.Parts))) // the others need not start more
					mu.Lock()
					failures[i] = err
					mu.Unlock()
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			scanned, matched = scanned+nScanned, matched+nMatched
			return best.merge(mine)
		})
	}
	err = workers.Wait()
	if len(failures) > 0 {
		return TopResult{}, firstFailure(failures)
	}
	if err != nil {
		return TopResult{}, err
	}
	return TopResult{Rows: best.rows(), Scanned: scanned, Matched: matched, Summary: s}, nil
}

// firstFailure is the error of the lowest part.
func firstFailure(failures map[int]error) error {
	lowest := -1
	for i := range failures {
		if lowest < 0 || i < lowest {
			lowest = i
		}
	}
	return failures[lowest]
}

// order is a total order of rows.
type order []orderKey

type orderKey struct {
	field      int
	descending bool
	nullable   bool
}

func newOrder(keys []SortKey) (order, error) {
	var o order
	for _, key := range keys {
		cs, err := LookupColumns(key.Column)
		if err != nil {
			return nil, err
		}
		o = append(o, orderKey{cs[0].field, key.Descending, cs[0].Nullable})
	}
	return o, nil
}

func (o order) compare(a, b *Row) int {
	return cmp.Or(o.compareKeys(a, b), cmp.Compare(a.CaseID, b.CaseID))
}

// compareKeys compares by the columns alone.
func (o order) compareKeys(a, b *Row) int {
	av, bv := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for _, key := range o {
		if c := key.compare(av.Field(key.field), bv.Field(key.field)); c != 0 {
			return c
		}
	}
	return 0
}

func (k orderKey) compare(a, b reflect.Value) int {
	if k.nullable && (a.IsZero() || b.IsZero()) {
		return boolToInt(a.IsZero()) - boolToInt(b.IsZero())
	}
	c := compareFields(a, b)
	if k.descending {
		return -c
	}
	return c
}

func compareFields(a, b reflect.Value) int {
	switch a.Kind() {
	case reflect.Int32, reflect.Int64:
		return cmp.Compare(a.Int(), b.Int())
	case reflect.Float64:
		return cmp.Compare(a.Float(), b.Float())
	case reflect.Bool:
		return boolToInt(a.Bool()) - boolToInt(b.Bool())
	default:
		return cmp.Compare(a.String(), b.String())
	}
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// topHeap keeps the first rows of an order, the last of them on top.
type topHeap struct {
	order order
	rows  []Row
}

// offer takes a copy of the row if it is among the first limit rows so far.
func (h *topHeap) offer(row *Row, limit int) {
	switch {
	case len(h.rows) < limit:
		heap.Push(h, row)
	case h.order.compare(row, &h.rows[0]) < 0:
		h.rows[0] = *row
		heap.Fix(h, 0)
	}
}

func (h *topHeap) Len() int           { return len(h.rows) }
func (h *topHeap) Less(i, j int) bool { return h.order.compare(&h.rows[i], &h.rows[j]) > 0 }
func (h *topHeap) Swap(i, j int)      { h.rows[i], h.rows[j] = h.rows[j], h.rows[i] }

// Push implements heap.Interface.
func (h *topHeap) Push(row any) { h.rows = append(h.rows, *row.(*Row)) }

// Pop implements heap.Interface; a bounded heap never shrinks.
func (h *topHeap) Pop() any {
	last := h.rows[len(h.rows)-1]
	h.rows = h.rows[:len(h.rows)-1]
	return &last
}
