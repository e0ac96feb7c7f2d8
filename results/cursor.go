package results

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// cursor reads one column of a row group into a field of rows.
type cursor struct {
	column  *Column
	kind    parquet.Kind
	index   int // of the column in the file
	pages   parquet.Pages
	page    parquet.Page
	values  parquet.ValueReader
	buf     []parquet.Value
	strings map[string]string // one copy of each string
}

// maxInterned bounds the memory of a column with many different strings.
const maxInterned = 1 << 14

// cursors finds the columns in a file, which an older schema may have written.
func cursors(f *parquet.File, cols []Column) ([]*cursor, error) {
	out := make([]*cursor, 0, len(cols))
	var lacking error
	err := guard(func() error {
		at := map[string]int{}
		leaves := f.Root().Columns()
		for i, leaf := range leaves {
			at[leaf.Name()] = i
		}
		for i := range cols {
			c := &cols[i]
			index, ok := at[c.Name]
			if !ok {
				version, _ := f.Lookup(MetaSchemaVersion)
				lacking = fmt.Errorf("results: the dataset has no column %s: it has schema version %q, this program's is %d", c.Name, version, SchemaVersion)
				return nil
			}
			kind := kinds[c.Type]
			if leaf := leaves[index]; !leaf.Leaf() || leaf.Repeated() || leaf.Type().Kind() != kind {
				return fmt.Errorf("column %s is not of type %s", c.Name, c.Type)
			}
			out = append(out, &cursor{column: c, kind: kind, index: index, buf: make([]parquet.Value, 256), strings: map[string]string{}})
		}
		return nil
	})
	if err == nil {
		err = lacking
	}
	return out, err
}

// kinds are the physical types of the columns' types.
var kinds = map[string]parquet.Kind{
	"int32": parquet.Int32, "int64": parquet.Int64, "float64": parquet.Double, "bool": parquet.Boolean, "string": parquet.ByteArray,
}

// open starts a row group at one of its rows.
func (c *cursor) open(g parquet.RowGroup, row int64) error {
	if err := c.close(); err != nil {
		return err
	}
	chunks := g.ColumnChunks()
	if c.index >= len(chunks) {
		return fmt.Errorf("column %s: no chunk", c.column.Name)
	}
	c.pages = chunks[c.index].Pages()
	if row > 0 {
		return c.pages.SeekToRow(row)
	}
	return nil
}

func (c *cursor) close() error {
	if c.page != nil {
		parquet.Release(c.page)
		c.page, c.values = nil, nil
	}
	if c.pages == nil {
		return nil
	}
	pages := c.pages
	c.pages = nil
	return pages.Close()
}

// fill reads the column's next len(rows) values.
func (c *cursor) fill(rows reflect.Value) error {
	for i, n := 0, rows.Len(); i < n; {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return fmt.Errorf("column %s: %w", c.column.Name, noEOF(err))
			}
			c.page, c.values = page, page.Values()
		}
		got, err := c.values.ReadValues(c.buf[:min(n-i, len(c.buf))])
		for _, v := range c.buf[:got] {
			c.set(rows.Index(i).Field(c.column.field), v)
			i++
		}
		if errors.Is(err, io.EOF) || err == nil && got == 0 {
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		} else if err != nil {
			return fmt.Errorf("column %s: %w", c.column.Name, err)
		}
	}
	return nil
}

// set stores a value; NULL is the zero value.
func (c *cursor) set(field reflect.Value, v parquet.Value) {
	switch {
	case v.IsNull():
		field.SetZero()
	case c.kind == parquet.Int32:
		field.SetInt(int64(v.Int32()))
	case c.kind == parquet.Int64:
		field.SetInt(v.Int64())
	case c.kind == parquet.Double:
		field.SetFloat(v.Double())
	case c.kind == parquet.Boolean:
		field.SetBool(v.Boolean())
	default:
		b := v.ByteArray()
		s, ok := c.strings[string(b)] // does not allocate
		if !ok {
			if len(c.strings) >= maxInterned {
				clear(c.strings)
			}
			s = string(b)
			c.strings[s] = s
		}
		field.SetString(s)
	}
}

// noEOF turns an early end into the error it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// scanFile hands the chosen columns of a file to visit, batch by batch.
func scanFile(ctx context.Context, f *parquet.File, cols []Column, visit func([]Row) error) error {
	cs, err := cursors(f, cols)
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range cs {
			_ = c.close() // nothing is lost by it
		}
	}()
	batch := make([]Row, batchRows)
	for _, g := range f.RowGroups() {
		err := guard(func() error { return openAll(cs, g, 0) })
		if err != nil {
			return err
		}
		for left := g.NumRows(); left > 0; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			rows := batch[:min(int64(len(batch)), left)]
			left -= int64(len(rows))
			if err := guard(func() error { return fillAll(cs, rows) }); err != nil {
				return err
			}
			if err := visit(rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func openAll(cs []*cursor, g parquet.RowGroup, row int64) error {
	for _, c := range cs {
		if err := c.open(g, row); err != nil {
			return err
		}
	}
	return nil
}

func fillAll(cs []*cursor, rows []Row) error {
	v := reflect.ValueOf(rows)
	for _, c := range cs {
		if err := c.fill(v); err != nil {
			return err
		}
	}
	return nil
}
