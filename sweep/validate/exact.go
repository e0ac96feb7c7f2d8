package validate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"headroom/accounting"
	"headroom/internal/suggest"
)

// An exact table holds bytes that a framework's own code stored or allocated, run
// on fake tensors: no noise, one definition. Its kind is told by its columns.
type exactTable struct {
	marks   []string // columns that no other table has: any one of them tells the kind
	needs   []string // columns without which no row can be read
	columns []string // all others that are understood
	rows    func(c *cells) []Row
}

// exactTables lists the kinds.
func exactTables() []exactTable { return []exactTable{savedTable, peakTable, moduleTable} }

// tableOf finds the kind of a table by the names of its columns.
func tableOf(names []string) *exactTable {
	for _, t := range exactTables() {
		for _, mark := range t.marks {
			if slices.Contains(names, mark) {
				return &t
			}
		}
	}
	return nil
}

// IsExact says whether the first line of a CSV table is that of a table of saved
// tensors (saved_tensors.csv, megatron_saved.csv) or of peaks (fsdp_peaks.csv) and
// not that of measured runs.
func IsExact(header string) bool {
	names := strings.Split(strings.TrimSpace(strings.TrimPrefix(header, "\ufeff")), ",")
	for i := range names {
		names[i] = strings.Trim(strings.TrimSpace(names[i]), `"`)
	}
	return tableOf(names) != nil
}

// Exact compares a table of saved tensors or of peaks with the profile whose
// framework it was read off. A row that cannot be predicted is skipped with the
// reason; an error is a table that cannot be read at all.
func Exact(file string, r io.Reader) (*Report, error) {
	in := csv.NewReader(withoutMark(limit(r)))
	in.FieldsPerRecord = -1
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:1:1: the file is empty: its first line must name the columns", file)
	}
	if err != nil {
		return nil, csvError(file, err)
	}
	t := tableOf(header)
	if t == nil {
		return nil, fmt.Errorf("%s:1:1: the columns are those of no table of saved tensors or peaks", file)
	}
	out := &Report{Rows: []Row{}}
	at := map[string]int{}
	known := slices.Concat(t.marks, t.needs, t.columns)
	var problems []error
	for i, name := range header {
		_, col := in.FieldPos(i)
		if _, twice := at[name]; twice {
			problems = append(problems, fmt.Errorf("%s:1:%d: column %s is there twice", file, col, name))
		}
		at[name] = i
		if !slices.Contains(known, name) {
			hint := ""
			if near := suggest.Nearest(name, known, 1); len(near) > 0 {
				hint = "; did you mean " + near[0] + "?"
			}
			out.Bad = append(out.Bad, fmt.Sprintf("%s:1:%d: column %s is not known and not read%s", file, col, clip(name), hint))
		}
	}
	for _, name := range t.needs {
		if _, ok := at[name]; !ok {
			problems = append(problems, fmt.Errorf("%s:1:1: there is no column %s", file, name))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	unread := func(id, why string) {
		out.Measurements++
		out.Bad = append(out.Bad, why)
		out.Rows = append(out.Rows, Row{ID: id, Metric: unreadMetric, Skipped: why})
	}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if p := new(csv.ParseError); errors.As(err, &p) && p.Line == p.StartLine {
			unread("", csvError(file, err).Error())
			continue // only that line is no CSV
		}
		if err != nil {
			return nil, csvError(file, err)
		}
		if len(record) != len(header) {
			line, _ := in.FieldPos(0)
			id := ""
			if i, ok := at["id"]; ok && i < len(record) {
				id = strings.TrimSpace(record[i])
			}
			unread(id, fmt.Sprintf("%s:%d:1: %d cells, but the header names %d columns", file, line, len(record), len(header)))
			continue
		}
		place := func(i int) string {
			line, col := in.FieldPos(i)
			return fmt.Sprintf("%s:%d:%d", file, line, col)
		}
		rows := t.rows(&cells{at: at, record: record, place: place})
		if len(rows) == 0 {
			rows = []Row{{ID: strings.TrimSpace(record[at["id"]]), Metric: unreadMetric, Skipped: "nothing is measured: no figure is given"}}
		}
		out.Measurements++
		out.Rows = append(out.Rows, rows...)
	}
	out.Memory, out.Time = summarize(out.Rows, isMemory), summarize(out.Rows, isTime)
	return out, nil
}

// cells is one row of an exact table. Its readers note the first cell that is
// wrong in err.
type cells struct {
	at     map[string]int
	record []string
	place  func(i int) string // file:line:col of a cell
	err    error
}

func (c *cells) text(name string) string {
	if i, ok := c.at[name]; ok {
		return strings.TrimSpace(c.record[i])
	}
	return ""
}

func (c *cells) fail(name, want string) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %s: %q is %s", c.place(c.at[name]), name, c.text(name), want)
	}
}

// count is a positive whole number.
func (c *cells) count(name string) int64 {
	n, err := strconv.ParseInt(c.text(name), 10, 64)
	if err != nil || n < 1 {
		c.fail(name, "not a positive count")
	}
	return n
}

// orOne is a count that is 1 where the cell is empty.
func (c *cells) orOne(name string) int64 {
	if c.text(name) == "" {
		return 1
	}
	return c.count(name)
}

// bytes is a figure, and whether there is one.
func (c *cells) bytes(name string) (int64, bool) {
	if c.text(name) == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(c.text(name), 10, 64)
	if err != nil || n < 0 {
		c.fail(name, "not a number of bytes")
	}
	return n, true
}

// yes reads yes or no.
func (c *cells) yes(name string) bool {
	switch c.text(name) {
	case "yes":
		return true
	case "no", "":
	default:
		c.fail(name, "neither yes nor no")
	}
	return false
}

// one reads a word out of a list; an empty cell is the first.
func (c *cells) one(name string, words ...string) string {
	w := c.text(name)
	if w == "" {
		return words[0]
	}
	if !slices.Contains(words, w) {
		c.fail(name, "none of "+strings.Join(words, ", "))
	}
	return w
}

// evaluate counts a case of an exact table.
func evaluate(o accounting.Options, change func(*accounting.Setting)) (*accounting.Case, *accounting.Report, error) {
	c, err := o.Resolve()
	if err != nil {
		return nil, nil, err
	}
	if change != nil {
		change(&c.Setting)
	}
	k, err := c.Compile()
	if err != nil {
		return nil, nil, err
	}
	r := new(accounting.Report)
	k.Evaluate(&c.Setting, r)
	if r.RuledOut() {
		return nil, nil, errors.New(r.Reason.String())
	}
	return c, r, nil
}

// compare fills in a prediction. Nothing predicted where nothing was found is
// right; a row without a figure to divide by is shown and not scored.
func (r Row) compare(predicted, measured int64) Row {
	r.Predicted, r.Measured = float64(predicted), float64(measured)
	switch {
	case measured > 0:
		r.Error, r.Scored = r.Predicted/r.Measured-1, true
	case predicted == 0:
		r.Scored = true
	default:
		r.Why = "nothing was found"
	}
	return r
}
