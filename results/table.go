package results

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Table is rows of values under columns, for people and for programs. A value is
// an int, int32, int64, float64, bool or string, or nil where there is none.
type Table struct {
	Columns []Column
	Rows    [][]any
}

// NewTable shows the named columns of rows.
func NewTable(rows []Row, names ...string) (Table, error) {
	cs, err := LookupColumns(names...)
	if err != nil {
		return Table{}, err
	}
	t := Table{Columns: cs, Rows: make([][]any, len(rows))}
	for i := range rows {
		t.Rows[i] = make([]any, len(cs))
		for j := range cs {
			t.Rows[i][j] = cs[j].Value(&rows[i])
		}
	}
	return t, nil
}

// Format is how a table is written.
type Format string

const (
	// Text is aligned for a terminal, in units for people.
	Text Format = "text"
	// Markdown is a table of GitHub's Markdown, in units for people.
	Markdown Format = "markdown"
	// CSV has the columns' names and full precision; nothing stands for nil.
	CSV Format = "csv"
	// JSONL has one object a row, with the columns' names and full precision.
	JSONL Format = "jsonl"
)

// Formats are all formats, for help and completion.
func Formats() []Format { return []Format{Text, Markdown, CSV, JSONL} }

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	for _, f := range Formats() {
		if string(f) == name {
			return f, nil
		}
	}
	return "", fmt.Errorf("unknown table format %q: use text, markdown, csv or jsonl", name)
}

// Write writes the table. Text and Markdown show bytes as GiB, FLOP with one
// decimal prefix a column, money with cents and large numbers in groups of three
// digits; CSV and JSONL show values as they are.
func (t *Table) Write(w io.Writer, f Format) error {
	buffered := bufio.NewWriter(w)
	var err error
	switch f {
	case Text:
		t.writeText(buffered)
	case Markdown:
		t.writeMarkdown(buffered)
	case CSV:
		err = t.writeCSV(buffered)
	case JSONL:
		err = t.writeJSONL(buffered)
	default:
		_, err = ParseFormat(string(f))
	}
	if flushErr := buffered.Flush(); err == nil {
		err = flushErr
	}
	return err
}

// cells are the table's headers and values for people.
func (t *Table) cells() (header []string, rows [][]string) {
	header = make([]string, len(t.Columns))
	rows = make([][]string, len(t.Rows))
	for i := range rows {
		rows[i] = make([]string, len(t.Columns))
	}
	for j := range t.Columns {
		s := t.scale(j)
		header[j] = s.header
		for i, row := range t.Rows {
			rows[i][j] = printable(s.format(row[j]))
		}
	}
	return header, rows
}

// writeText breaks headers between words where they are wider than what stands
// below them, so that a table is as narrow as its values.
func (t *Table) writeText(w *bufio.Writer) {
	header, rows := t.cells()
	width := make([]int, len(header))
	for _, row := range rows {
		for j, cell := range row {
			width[j] = max(width[j], utf8.RuneCountInString(cell))
		}
	}
	lines := make([][]string, len(header))
	deepest := 0
	for j, h := range header {
		lines[j], width[j] = wrap(h, width[j])
		deepest = max(deepest, len(lines[j]))
	}
	above := make([][]string, deepest, deepest+len(rows))
	for i := range above {
		above[i] = make([]string, len(header))
		for j := range header {
			if k := i - (deepest - len(lines[j])); k >= 0 { // they stand on the first row
				above[i][j] = lines[j][k]
			}
		}
	}
	for _, row := range append(above, rows...) {
		var line strings.Builder
		for j, cell := range row {
			if j > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[j]-utf8.RuneCountInString(cell))
			if t.Columns[j].numeric() {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		_, _ = w.WriteString(strings.TrimRight(line.String(), " ") + "\n") // Flush reports
	}
}

// wrap breaks words into at most two lines that are no wider than width, or than
// they have to be.
func wrap(text string, width int) (lines []string, widest int) {
	words := strings.Fields(text)
	best := utf8.RuneCountInString(text)
	lines = []string{text}
	for i := 1; i < len(words) && best > width; i++ {
		above, below := strings.Join(words[:i], " "), strings.Join(words[i:], " ")
		if n := max(utf8.RuneCountInString(above), utf8.RuneCountInString(below)); n < best {
			best, lines = n, []string{above, below}
		}
	}
	return lines, max(best, width)
}

func (t *Table) writeMarkdown(w *bufio.Writer) {
	header, rows := t.cells()
	line := func(cells []string) {
		for _, cell := range cells {
			_, _ = w.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		_, _ = w.WriteString("|\n") // Flush reports
	}
	line(header)
	rule := make([]string, len(header))
	for j := range rule {
		rule[j] = "---"
		if t.Columns[j].numeric() {
			rule[j] = "---:"
		}
	}
	line(rule)
	for _, row := range rows {
		line(row)
	}
}

func (t *Table) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := t.csvHeader(c); err != nil {
		return err
	}
	return t.csvRows(c)
}

func (t *Table) csvHeader(c *csv.Writer) error {
	record := make([]string, len(t.Columns))
	for j, column := range t.Columns {
		record[j] = column.Name
	}
	return c.Write(record)
}

func (t *Table) csvRows(c *csv.Writer) error {
	record := make([]string, len(t.Columns))
	for _, row := range t.Rows {
		for j, v := range row {
			record[j] = exact(v)
		}
		if err := c.Write(record); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (t *Table) writeJSONL(w *bufio.Writer) error {
	for i, row := range t.Rows {
		sep := byte('{')
		for j, v := range row {
			name, err := json.Marshal(t.Columns[j].Name)
			if err != nil {
				return fmt.Errorf("results: column %d: %w", j, err)
			}
			value, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("results: row %d: %s: %w", i, t.Columns[j].Name, err)
			}
			_ = w.WriteByte(sep) // Flush reports
			_, _ = w.Write(name)
			_ = w.WriteByte(':')
			_, _ = w.Write(value)
			sep = ','
		}
		if len(row) == 0 {
			_ = w.WriteByte(sep)
		}
		_, _ = w.WriteString("}\n")
	}
	return nil
}

// numeric columns are aligned on the right.
func (c *Column) numeric() bool {
	switch c.Type {
	case "int", "int32", "int64", "float64":
		return true
	default:
		return false
	}
}

// scale is how a column is shown to people.
type scale struct {
	header string
	format func(any) string
}

// scale chooses it by the column's unit and values.
func (t *Table) scale(j int) scale {
	c := t.Columns[j]
	words := strings.ReplaceAll(c.Name, "_", " ")
	switch {
	case c.Unit == "bytes":
		return scale{strings.TrimSuffix(words, " bytes") + " GiB", func(v any) string {
			return number(v, func(x float64) string { return group(strconv.FormatFloat(x/(1<<30), 'f', 2, 64)) })
		}}
	case c.Unit == "FLOP":
		var largest float64
		for _, row := range t.Rows {
			if x, ok := toFloat(row[j]); ok && !math.IsInf(x, 0) {
				largest = max(largest, math.Abs(x))
			}
		}
		prefix, factor := decimalPrefix(largest)
		name := strings.TrimSuffix(strings.ReplaceAll(words+" ", " flops ", " "), " ")
		return scale{name + " " + prefix + "FLOP", func(v any) string {
			return number(v, func(x float64) string { return group(strconv.FormatFloat(x/factor, 'f', 3, 64)) })
		}}
	case strings.HasPrefix(c.Unit, "USD"):
		name, _, _ := strings.Cut(words, " usd")
		return scale{name + " " + c.Unit, func(v any) string {
			return number(v, func(x float64) string { return group(strconv.FormatFloat(x, 'f', 2, 64)) })
		}}
	case c.Unit == "index": // to be copied, not compared
		return scale{words, exact}
	case c.Unit == "tokens/s/GPU":
		return scale{c.Unit, func(v any) string { return number(v, significant) }}
	case c.Unit == "ratio":
		return scale{words + " %", func(v any) string {
			return number(v, func(x float64) string { return strconv.FormatFloat(100*x, 'f', 1, 64) })
		}}
	case c.Type == "float64":
		return scale{words, func(v any) string { return number(v, significant) }}
	case c.Type == "bool":
		return scale{words, func(v any) string {
			return map[any]string{true: "yes", false: "no", nil: "-"}[v]
		}}
	case c.numeric():
		return scale{words, func(v any) string {
			if v == nil {
				return "-"
			}
			return group(exact(v))
		}}
	default:
		return scale{words, exact}
	}
}

// significant shows four digits that matter, and whole numbers in full; without an
// exponent where that is readable.
func significant(x float64) string {
	size := math.Abs(x)
	if size != 0 && (size < 1e-4 || size >= 1e12) || math.IsNaN(x) {
		return strconv.FormatFloat(x, 'g', 4, 64)
	}
	decimals := 0
	for limit := 1000.0; size != 0 && size < limit && decimals < 7; limit /= 10 {
		decimals++
	}
	return group(strconv.FormatFloat(x, 'f', decimals, 64))
}

// number formats a value as a float, and nil as "-".
func number(v any, format func(float64) string) string {
	if x, ok := toFloat(v); ok {
		return format(x)
	}
	if v == nil {
		return "-"
	}
	return exact(v)
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int32:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	default:
		return 0, false
	}
}

// exact writes a value with full precision; nil is empty.
func exact(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// decimalPrefix is the SI prefix that leaves one to three digits before the
// point.
func decimalPrefix(x float64) (prefix string, factor float64) {
	factor = 1
	for _, p := range []string{"", "k", "M", "G", "T", "P", "E", "Z", "Y"} {
		prefix = p
		if x < factor*1000 || p == "Y" {
			break
		}
		factor *= 1000
	}
	return prefix, factor
}

// group separates the digits before the point in threes: 1,234,567.89.
func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	if strings.Trim(whole, "0123456789") != "" { // NaN, Inf
		return sign + s
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if point {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// printable keeps names from breaking the table, or commanding the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}
