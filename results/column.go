package results

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"headroom/internal/suggest"
)

// Column describes one column of the dataset, or of a [Table].
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // int32, int64, float64, bool or string
	Unit     string `json:"unit"`
	Meaning  string `json:"meaning"`
	Nullable bool   `json:"nullable,omitempty"`

	field int // index of the field in Row
}

// columns is the schema, derived once from the tags of Row.
var columns = describe(reflect.TypeFor[Row]())

var columnByName = func() map[string]*Column {
	m := make(map[string]*Column, len(columns))
	for i := range columns {
		m[columns[i].Name] = &columns[i]
	}
	return m
}()

// columnsJSON is the schema as it stands in every file's metadata.
var columnsJSON = func() string {
	b, err := json.Marshal(columns)
	if err != nil {
		panic(fmt.Sprintf("results: %v", err)) // a column is plain text
	}
	return string(b)
}()

func describe(t reflect.Type) []Column {
	cs := make([]Column, t.NumField())
	for i := range cs {
		f := t.Field(i)
		name, encoding, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		cs[i] = Column{
			Name: name, Type: f.Type.String(), Unit: f.Tag.Get("unit"), Meaning: f.Tag.Get("doc"),
			Nullable: slices.Contains(strings.Split(encoding, ","), "optional"), field: i,
		}
	}
	return cs
}

// Columns returns every column of a row, in order.
func Columns() []Column { return slices.Clone(columns) }

// LookupColumns returns the named columns in the order of names. A name that is
// no column is a [*ColumnError] with the nearest one.
func LookupColumns(names ...string) ([]Column, error) {
	cs := make([]Column, 0, len(names))
	for _, name := range names {
		c, ok := columnByName[name]
		if !ok {
			return nil, &ColumnError{Name: name, Nearest: suggest.Nearest(name, columnNames(), 3)}
		}
		cs = append(cs, *c)
	}
	return cs, nil
}

// Value returns the row's value of c as int64, float64, bool or string, or nil
// where a nullable column is empty. It panics if c is not a column of [Row].
func (c *Column) Value(row *Row) any {
	v := reflect.ValueOf(row).Elem().Field(c.field)
	if c.Nullable && v.IsZero() {
		return nil
	}
	switch v.Kind() {
	case reflect.Int32, reflect.Int64:
		return v.Int()
	default:
		return v.Interface()
	}
}

// floatFields are the columns that must hold finite numbers, and where a row has
// them.
var floatFields = func() (fields []floatField) {
	for i := range columns {
		if c := &columns[i]; c.Type == "float64" {
			fields = append(fields, floatField{c, reflect.TypeFor[Row]().Field(c.field).Offset})
		}
	}
	return fields
}()

type floatField struct {
	column *Column
	offset uintptr
}

// checkFinite reports a NaN or an infinity: readers disagree about both, so they
// must be classified by status before they reach a row.
func checkFinite(row *Row) error {
	for i := range floatFields {
		f := &floatFields[i]
		if x := *(*float64)(unsafe.Add(unsafe.Pointer(row), f.offset)); x-x != 0 { // NaN − NaN and ∞ − ∞ are NaN
			return fmt.Errorf("results: case %d: %s is %v; a row holds finite numbers only", row.CaseID, f.column.Name, x)
		}
	}
	return nil
}

// columnNames are the names of all columns, in order.
func columnNames() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}
