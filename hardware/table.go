package hardware

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"headroom/internal/suggest"
)

const (
	tableLimit   = 16 << 20 // bytes; the largest table here is a quarter of a megabyte
	problemLimit = 100      // problems reported before the rest is only counted
)

// table reads a CSV file with a header strictly: every column is known, every
// cell is valid UTF-8 without control characters, and every problem is kept
// with its position so that all are reported together.
type table struct {
	file     string
	index    map[string]int // column name → position
	rows     []row
	problems []error
	more     int // problems beyond problemLimit
}

// row is one record. Its methods parse a cell and record what is wrong with it.
type row struct {
	t       *table
	line    int
	cells   []string
	columns []int // byte column of each cell
	bad     bool
}

// readTable reads r, whose errors are named after file. Columns in required
// must be in the header, those in optional may be, others may not.
func readTable(file string, r io.Reader, required, optional []string) *table {
	t := &table{file: file, index: map[string]int{}}
	data, err := io.ReadAll(io.LimitReader(r, tableLimit+1))
	if err != nil {
		t.report(&CellError{file, 1, 1, "", err.Error()})
		return t
	}
	if len(data) > tableLimit {
		t.report(&CellError{file, 1, 1, "", fmt.Sprintf("more than %d MiB: not a table of this kind", tableLimit>>20)})
		return t
	}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	reader.FieldsPerRecord = -1
	header, err := reader.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("empty: the first line must name the columns")
		}
		t.syntax(err)
		return t
	}
	if t.header(reader, header, required, optional); len(t.problems) > 0 {
		return t
	}
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.syntax(err)
			break
		}
		r := row{t: t, cells: cells, columns: make([]int, len(cells))}
		for i := range cells {
			line, column := reader.FieldPos(i)
			if i == 0 {
				r.line = line
			}
			r.columns[i] = column
		}
		if len(cells) != len(header) {
			t.report(&CellError{file, r.line, 1, "", fmt.Sprintf("%d cells, but the header names %d columns", len(cells), len(header))})
			continue
		}
		for i, cell := range cells {
			if strings.ContainsFunc(cell, unicode.IsControl) || !utf8.ValidString(cell) {
				r.fail(header[i], "%s is not plain text", quote(cell))
			}
		}
		t.rows = append(t.rows, r)
	}
	return t
}

func (t *table) header(reader *csv.Reader, header, required, optional []string) {
	known := append(append([]string(nil), required...), optional...)
	for i, name := range header {
		line, column := reader.FieldPos(i)
		switch _, twice := t.index[name]; {
		case twice:
			t.report(&CellError{t.file, line, column, "", "column " + quote(name) + " is there twice"})
		case !slices.Contains(known, name):
			msg := "unknown column " + quote(name)
			if q := suggest.Question(suggest.Nearest(name, known, 1)); q != "" {
				msg += ": " + q
			}
			t.report(&CellError{t.file, line, column, "", msg})
		default:
			t.index[name] = i
		}
	}
	for _, name := range required {
		if _, ok := t.index[name]; !ok {
			t.report(&CellError{t.file, 1, 1, "", "column " + quote(name) + " is missing"})
		}
	}
}

func (t *table) report(err error) {
	if len(t.problems) == problemLimit {
		t.more++
		return
	}
	t.problems = append(t.problems, err)
}

func (t *table) syntax(err error) {
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		t.report(&CellError{t.file, p.Line, max(p.Column, 1), "", "not CSV: " + p.Err.Error()})
		return
	}
	t.report(&CellError{t.file, 1, 1, "", err.Error()})
}

// err returns every problem found, one a line, or nil.
func (t *table) err() error {
	if t.more > 0 {
		return errors.Join(append(t.problems, fmt.Errorf("%s: and %d more problems", t.file, t.more))...)
	}
	return errors.Join(t.problems...)
}

// fail records what is wrong with the cell of that name, or with the row.
func (r *row) fail(name, format string, args ...any) {
	r.bad = true
	column := 1
	if i, ok := r.t.index[name]; ok {
		column = r.columns[i]
	}
	r.t.report(&CellError{r.t.file, r.line, column, name, fmt.Sprintf(format, args...)})
}

// text returns the cell as it stands; a column that the file lacks is empty.
func (r *row) text(name string) string {
	if i, ok := r.t.index[name]; ok {
		return r.cells[i]
	}
	return ""
}

// need returns the cell, which may not be empty.
func (r *row) need(name string) string {
	s := r.text(name)
	if strings.TrimSpace(s) == "" {
		r.fail(name, "is empty")
	}
	return s
}

// number parses a decimal number greater than zero; an empty cell is unknown.
func (r *row) number(name string) Optional[float64] {
	v := r.numberOrZero(name)
	if v.Known && v.Value == 0 {
		r.fail(name, "is 0: leave the cell empty when it is not known")
		return Optional[float64]{}
	}
	return v
}

// numberOrZero is number for a quantity that may really be zero.
func (r *row) numberOrZero(name string) Optional[float64] {
	s := r.text(name)
	if s == "" {
		return Optional[float64]{}
	}
	v, err := strconv.ParseFloat(s, 64)
	switch {
	// ParseFloat also takes NaN, Inf, hexadecimal and underscores.
	case strings.Trim(s, "+-.0123456789eE") != "" || errors.Is(err, strconv.ErrSyntax):
		r.fail(name, "%s is not a number", quote(s))
	case err != nil || math.IsInf(v, 0):
		r.fail(name, "%s is too large", quote(s))
	case v < 0 || v == 0 && math.Signbit(v):
		r.fail(name, "%s is negative", s)
	default:
		return Known(v)
	}
	return Optional[float64]{}
}

// needNumber is number for a cell that may not be empty.
func (r *row) needNumber(name string) float64 {
	if r.need(name) == "" {
		return 0
	}
	return r.number(name).Value
}

// count parses a whole number from 1 to a million; an empty cell is unknown.
func (r *row) count(name string) Optional[int64] {
	s := r.text(name)
	if s == "" {
		return Optional[int64]{}
	}
	v, err := strconv.ParseInt(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		r.fail(name, "%s is not a whole number", quote(s))
	case err != nil || v < 1 || v > 1e6:
		r.fail(name, "%s is not from 1 to 1000000", s)
	default:
		return Known(v)
	}
	return Optional[int64]{}
}

// needCount is count for a cell that may not be empty.
func (r *row) needCount(name string) int64 {
	if r.need(name) == "" {
		return 0
	}
	return r.count(name).Value
}

// choice returns the cell, which must be one of the options.
func (r *row) choice(name string, options ...string) string {
	s := r.need(name)
	if s != "" && !slices.Contains(options, s) {
		msg := quote(s) + " is none of " + strings.Join(options, ", ")
		if q := suggest.Question(suggest.Nearest(s, options, 1)); q != "" {
			msg = quote(s) + " is unknown: " + q
		}
		r.fail(name, "%s", msg)
	}
	return s
}

// quote shows a cell without letting a monstrous one flood the message.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
