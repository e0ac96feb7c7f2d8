package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"headroom/internal/suggest"
	"headroom/results"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

// defaultDir is where sweep writes, and where top and why look, when nobody says.
const defaultDir = "headroom.ds"

// bestOrder ranks rows when nobody says how: the largest model that fits, the
// cheapest run of it first, or the fastest where nothing has a price.
const bestOrder = "-parameters_total,cost_usd,-tokens_per_second_per_gpu,-headroom_bytes"

// summaryColumns are shown when nobody says which. Those that say nothing are left
// out for people, and those that say the same in every row are said once.
var summaryColumns = []string{
	"case_id", "model", "context_tokens", "accelerator", "gpus", "micro_batch", "global_batch",
	"tp", "pp", "vpp", "cp", "ep", "dp", "zero", "recompute", "recipe", "profile",
	"peak_bytes", "headroom_bytes", "step_seconds", "tokens_per_second_per_gpu", "mfu_causal", "cost_usd", "status",
}

// summary are the columns that tell the rows of a dataset apart and say what they come
// to: the summary's, those of the study's axes, and more. A name that is no column of
// this program's is left out.
func summary(d *results.Dataset, more ...string) []string {
	p := d.Plan()
	names := slices.Clone(summaryColumns)
	for _, name := range append(sweep.AxisColumns(&p), more...) {
		if _, err := results.LookupColumns(name); err != nil || slices.Contains(names, name) {
			continue
		}
		names = slices.Insert(names, slices.Index(names, "peak_bytes"), name)
	}
	return names
}

// outcomes are the summary columns that are no settings.
var outcomes = []string{"case_id", "peak_bytes", "headroom_bytes", "step_seconds", "tokens_per_second_per_gpu", "mfu_causal", "cost_usd"}

// silent are settings with the value that says nothing.
var silent = map[string]any{
	"tp": int64(1), "pp": int64(1), "vpp": int64(1), "cp": int64(1), "ep": int64(1), "dp": int64(1), "zero": int64(0), "gpus": int64(1),
	"recompute": "none", "status": results.StatusFits,
}

func newTop(s *state) *cobra.Command {
	var where, by, per, columns, format string
	var limit int
	var list bool
	cmd := &cobra.Command{
		Use:   "top [DIR]",
		Short: "Rank and filter the rows of a dataset",
		Long: `top reads the committed parts of a dataset, keeps the rows that match a condition
and prints the first of an order, or the first of each group. Conditions are those of
https://expr-lang.org on the columns (--list names them), with fits and the units
KB … TB, KiB … TiB.`,
		Example: `  headroom top                                   # the best rows of ` + defaultDir + `
  headroom top runs.ds --per model --by cost_usd  # the cheapest fit of each model
  headroom top runs.ds --where 'fits && context_tokens >= 8192' --by price_usd_per_gpu_hour
  headroom top runs.ds --where 'status == "oom"' --by=-headroom_bytes --limit 5
  headroom top runs.ds --columns model,accelerator,peak_bytes --format csv > best.csv
  headroom top --list                            # every column, its unit and meaning`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return s.printColumns()
			}
			o := results.TopOptions{Limit: limit, Concurrency: s.CPUs}
			var err error
			if where != "" {
				if o.Where, err = results.CompileFilter(where); err != nil {
					return misuse(err, hintOf(err))
				}
			}
			if o.By, err = results.ParseSortKeys(by); err != nil {
				return misuse(err, "headroom top --list shows the columns")
			}
			for name := range strings.SplitSeq(per, ",") {
				if per != "" {
					o.Per = append(o.Per, strings.TrimSpace(name))
				}
			}
			if _, err := results.LookupColumns(o.Per...); err != nil {
				return misuse(err, "headroom top --list shows the columns")
			}
			if len(o.Per) > 0 && !cmd.Flags().Changed("limit") {
				o.Limit = 1
			}
			names, err := columnNames(columns)
			if err != nil {
				return misuse(err, "headroom top --list shows the columns")
			}
			if limit < 1 {
				return usage("", "--limit %d: write a positive number", limit)
			}
			if !slices.Contains(results.Formats(), results.Format(format)) {
				return usage("", "--format %q is not text, markdown, csv or jsonl", format)
			}
			dir := defaultDir
			if len(args) > 0 {
				dir = args[0]
			}
			d, err := openDataset(dir)
			if err != nil {
				return err
			}
			if columns == "" {
				more := slices.Clone(o.Per)
				if cmd.Flags().Changed("by") {
					for _, k := range o.By {
						more = append(more, k.Column)
					}
				}
				names = summary(d, more...)
			}
			o.Columns = names
			top, err := d.Top(context.Background(), o)
			if errors.Is(err, results.ErrTooManyGroups) {
				return misuse(err, "")
			}
			if err != nil {
				return err
			}
			if err := s.printTop(dir, &top, names, columns == "", results.Format(format)); err != nil || top.Matched > 0 {
				return err
			}
			return s.hintTexts(d, o.Where)
		},
	}
	f := cmd.Flags()
	f.StringVar(&where, "where", "fits", "only rows for which the `CONDITION` holds; empty for all")
	f.StringVar(&by, "by", bestOrder, "order by `COLUMN`[,COLUMN]…, a minus sign for the largest first")
	f.StringVar(&per, "per", "", "the first rows of each `COLUMN`[,COLUMN]…, one each unless --limit says how many")
	f.StringVar(&columns, "columns", "", "show `COLUMN`[,COLUMN]…, or all")
	f.IntVarP(&limit, "limit", "n", 10, "show `N` rows")
	f.StringVar(&format, "format", "text", "`FORMAT` of the table: text, markdown, csv or jsonl")
	f.BoolVar(&list, "list", false, "list the columns with their units and meanings")
	dynamic(cmd, "by", false, allColumns)
	dynamic(cmd, "per", false, allColumns)
	dynamic(cmd, "columns", false, allColumns)
	fixed(cmd, "format", "text", "markdown", "csv", "jsonl")
	return cmd
}

// openDataset opens a dataset for reading.
func openDataset(dir string) (*results.Dataset, error) {
	d, err := results.Open(results.OS(), dir)
	const hint = "headroom sweep makes one; headroom top DIR reads another"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage(hint, "there is no dataset in %s", dir)
	case errors.Is(err, syscall.ENOTDIR):
		return nil, usage(hint, "%s is a file; a dataset is a directory", dir)
	}
	return d, err
}

// columnNames reads --columns.
func columnNames(text string) ([]string, error) {
	switch text {
	case "":
		return summaryColumns, nil
	case "all":
		return allColumns(), nil
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		names = append(names, strings.TrimSpace(name))
	}
	_, err := results.LookupColumns(names...)
	return names, err
}

func allColumns() []string {
	var names []string
	for _, c := range results.Columns() {
		names = append(names, c.Name)
	}
	return names
}

// topAnswer is `top --json`.
type topAnswer struct {
	Dataset  string            `json:"dataset"`
	RunID    string            `json:"run_id"`
	Study    string            `json:"study"`
	Complete bool              `json:"complete"`
	Missing  int               `json:"missing_parts"`
	Scanned  int64             `json:"scanned"`
	Matched  int64             `json:"matched"`
	Rows     []json.RawMessage `json:"rows"`
}

func (s *state) printTop(dir string, top *results.TopResult, names []string, trim bool, format results.Format) error {
	if s.JSON {
		rows, err := jsonRows(top.Rows, names)
		if err != nil {
			return err
		}
		return s.writeJSON(topAnswer{
			dir, top.Summary.RunID, top.Summary.Name, top.Summary.Complete, len(top.Summary.Missing), top.Scanned, top.Matched, rows,
		})
	}
	if format != results.Text {
		t, err := results.NewTable(top.Rows, names...)
		if err != nil {
			return err
		}
		return t.Write(s.Stdout, format)
	}
	if err := s.printRows(top, names, trim); err != nil {
		return err
	}
	if !top.Summary.Complete {
		s.warnIncomplete(dir, len(top.Summary.Missing))
	}
	return nil
}

// hintTexts says of a filter that no row matches which of its texts no row holds.
func (s *state) hintTexts(d *results.Dataset, f *results.Filter) error {
	for _, c := range f.Texts() {
		distinct, err := d.Top(context.Background(), results.TopOptions{Columns: []string{c.Column}, Per: []string{c.Column}, Limit: 1, Concurrency: s.CPUs})
		if errors.Is(err, results.ErrTooManyGroups) {
			continue
		}
		if err != nil {
			return err
		}
		columns, err := results.LookupColumns(c.Column)
		if err != nil {
			return err
		}
		var held []string
		for i := range distinct.Rows {
			held = append(held, fmt.Sprint(columns[0].Value(&distinct.Rows[i])))
		}
		for _, v := range c.Values {
			if slices.Contains(held, v) {
				continue
			}
			hint := fmt.Sprintf("hint: %s is %q in no row", c.Column, v)
			if q := suggest.Question(suggest.Nearest(v, held, 3)); q != "" {
				hint += ": " + q
			}
			fmt.Fprintln(s.Stderr, hint)
		}
	}
	return nil
}

// printRows shows rows to a person, with how many there are.
func (s *state) printRows(top *results.TopResult, names []string, trim bool) error {
	if len(top.Rows) == 0 {
		fmt.Fprintf(s.Stdout, "none of %s matches\n", plural(top.Scanned, "row"))
		return nil
	}
	t, err := results.NewTable(top.Rows, names...)
	if err != nil {
		return err
	}
	var common string
	var hidden []string
	if trim {
		t, common = terse(t)
		if s.Stdout.TTY {
			t, hidden = narrow(t, s.Stdout.width())
		}
	}
	if err := t.Write(s.Stdout, results.Text); err != nil {
		return err
	}
	if common != "" {
		fmt.Fprintf(s.Stdout, "in every row: %s\n", common)
	}
	if len(hidden) > 0 {
		fmt.Fprintf(s.Stdout, "too wide for the terminal: %s\n", strings.Join(hidden, ", "))
	}
	fmt.Fprintf(s.Stdout, "%s of %s that match, of %s\n", thousands(int64(len(top.Rows))), thousands(top.Matched), plural(top.Scanned, "row"))
	return nil
}

func (s *state) warnIncomplete(dir string, missing int) {
	fmt.Fprintf(s.Stderr, "note: %s is incomplete, %s missing: headroom sweep with the same study continues it\n", dir, plural(int64(missing), "part"))
}

// terse leaves out the columns that say nothing in any row, and says once what the
// settings that are the same in every row are.
func terse(t results.Table) (out results.Table, common string) {
	out.Rows = make([][]any, len(t.Rows))
	var said []string
	for j, c := range t.Columns {
		quiet, setting := silent[c.Name], !slices.Contains(outcomes, c.Name)
		same := !slices.ContainsFunc(t.Rows, func(r []any) bool { return r[j] != t.Rows[0][j] })
		switch {
		case same && t.Rows[0][j] == nil, setting && same && t.Rows[0][j] == quiet:
			continue
		case setting && same && len(t.Rows) > 1:
			said = append(said, strings.ReplaceAll(c.Name, "_", " ")+" "+valueText(t.Rows[0][j]))
			continue
		}
		out.Columns = append(out.Columns, c)
		for i := range t.Rows {
			out.Rows[i] = append(out.Rows[i], t.Rows[i][j])
		}
	}
	return out, strings.Join(said, " · ")
}

// widthOrder are the summary columns that a narrow terminal does without, the first
// ones first.
var widthOrder = []string{
	"profile", "recipe", "mfu_causal", "global_batch", "headroom_bytes", "tokens_per_second_per_gpu", "dp", "vpp", "step_seconds",
	"zero", "recompute", "status", "ep", "cp", "micro_batch", "peak_bytes", "pp", "tp",
}

// narrow leaves columns out until the table is no wider than width.
func narrow(t results.Table, width int) (out results.Table, hidden []string) {
	for _, name := range widthOrder {
		if tableWidth(&t) <= width {
			break
		}
		j := slices.IndexFunc(t.Columns, func(c results.Column) bool { return c.Name == name })
		if j < 0 {
			continue
		}
		hidden = append(hidden, name)
		t.Columns = slices.Delete(slices.Clone(t.Columns), j, j+1)
		for i := range t.Rows {
			t.Rows[i] = slices.Delete(slices.Clone(t.Rows[i]), j, j+1)
		}
	}
	return t, hidden
}

// tableWidth is the width of the longest line of a table.
func tableWidth(t *results.Table) int {
	var b bytes.Buffer
	_ = t.Write(&b, results.Text) // a buffer takes everything
	widest := 0
	for line := range strings.Lines(b.String()) {
		widest = max(widest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return widest
}

// jsonRows writes each row as an object, its columns in order and exact.
func jsonRows(rows []results.Row, names []string) ([]json.RawMessage, error) {
	t, err := results.NewTable(rows, names...)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Write(&b, results.JSONL); err != nil {
		return nil, err
	}
	out := make([]json.RawMessage, 0, len(rows))
	for line := range bytes.Lines(b.Bytes()) {
		out = append(out, bytes.TrimSpace(line))
	}
	return out, nil
}

func (s *state) printColumns() error {
	all := results.Columns()
	if s.JSON {
		return s.writeJSON(map[string]any{"columns": all})
	}
	t := table("column", "type", "unit", "meaning")
	for _, c := range all {
		t.add(c.Name, c.Type, c.Unit, c.Meaning)
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}
