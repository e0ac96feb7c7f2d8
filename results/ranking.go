package results

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
)

// mostRanked bounds the rows that a ranking keeps: about half a GiB.
const mostRanked = 1 << 20

// ErrTooManyGroups says that a ranking would hold more rows than memory should.
var ErrTooManyGroups = errors.New("results: too many groups")

// A ranking keeps the first rows of each group, whatever their number.
type ranking struct {
	order  order
	groups order // of the columns that make groups
	limit  int
	heaps  map[string]*topHeap // by the values of those columns
	held   int                 // rows in all heaps
	key    []byte
}

func newRanking(o order, per []Column, limit int) *ranking {
	r := &ranking{order: o, limit: limit, heaps: map[string]*topHeap{}}
	for _, c := range per {
		r.groups = append(r.groups, orderKey{field: c.field, nullable: c.Nullable})
	}
	return r
}

// offer takes a copy of the row if it is among the first of its group so far.
func (r *ranking) offer(row *Row) error {
	heap := r.heaps[string(r.group(row))]
	if heap == nil {
		heap = &topHeap{order: r.order}
		r.heaps[string(r.key)] = heap
	}
	before := len(heap.rows)
	heap.offer(row, r.limit)
	r.held += len(heap.rows) - before
	if r.held > mostRanked && len(r.heaps) > 1 {
		return fmt.Errorf("%w: %d already, with %d rows to keep; group by fewer columns, or filter", ErrTooManyGroups, len(r.heaps), r.held)
	}
	return nil
}

// group is the key of a row's group, valid until the next one.
func (r *ranking) group(row *Row) []byte {
	r.key = r.key[:0]
	if len(r.groups) == 0 {
		return r.key
	}
	v := reflect.ValueOf(row).Elem()
	for _, g := range r.groups {
		switch f := v.Field(g.field); f.Kind() {
		case reflect.String:
			r.key = binary.AppendUvarint(r.key, uint64(f.Len()))
			r.key = append(r.key, f.String()...)
		case reflect.Float64:
			r.key = binary.LittleEndian.AppendUint64(r.key, math.Float64bits(f.Float()))
		case reflect.Bool:
			r.key = append(r.key, byte(boolToInt(f.Bool())))
		default:
			r.key = binary.AppendVarint(r.key, f.Int())
		}
	}
	return r.key
}

// merge takes over what another ranking of the same kind holds.
func (r *ranking) merge(other *ranking) error {
	for _, heap := range other.heaps {
		for i := range heap.rows {
			if err := r.offer(&heap.rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// rows are the first rows of all groups, group by group.
func (r *ranking) rows() []Row {
	all := make([]Row, 0, r.held)
	for _, heap := range r.heaps {
		all = append(all, heap.rows...)
	}
	slices.SortFunc(all, func(a, b Row) int {
		if c := r.groups.compareKeys(&a, &b); c != 0 {
			return c
		}
		return r.order.compare(&a, &b)
	})
	return all
}
