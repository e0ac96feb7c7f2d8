package results

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"
)

// A Rank orders rows by one column of numbers.
type Rank struct {
	offset     uintptr
	kind       reflect.Kind
	nullable   bool
	descending bool
}

// NewRank reads an order such as "cost_usd" or "-mfu_causal": a column of numbers,
// with "-" before it for the largest first.
func NewRank(s string) (Rank, error) {
	keys, err := ParseSortKeys(s)
	if err != nil {
		return Rank{}, err
	}
	if len(keys) > 1 {
		return Rank{}, fmt.Errorf("%q is %d columns, and only one ranks", s, len(keys))
	}
	c := columnByName[keys[0].Column]
	f := reflect.TypeFor[Row]().Field(c.field)
	switch f.Type.Kind() {
	case reflect.Int32, reflect.Int64, reflect.Float64:
	default:
		return Rank{}, fmt.Errorf("%s is a %s, and only numbers rank", c.Name, c.Type)
	}
	return Rank{offset: f.Offset, kind: f.Type.Kind(), nullable: c.Nullable, descending: keys[0].Descending}, nil
}

// Of is a number that is the lower the better a row is; NULL is worse than all. It
// does not allocate.
func (r *Rank) Of(row *Row) float64 {
	var x float64
	switch at := unsafe.Add(unsafe.Pointer(row), r.offset); r.kind {
	case reflect.Int32:
		x = float64(*(*int32)(at))
	case reflect.Int64:
		x = float64(*(*int64)(at))
	default:
		x = *(*float64)(at)
	}
	switch {
	case r.nullable && x == 0:
		return math.Inf(1)
	case r.descending:
		return -x
	}
	return x
}
