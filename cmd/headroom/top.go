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

	"headroom/results"

	"github.com/spf13/cobra"
)

// defaultDir is where sweep writes, and where top and why look, when nobody says.
const defaultDir = "headroom.ds"

// bestOrder ranks rows when nobody says how: the largest model that fits, the
// cheapest run of it first, or the fastest where nothing has a price.
const bestOrder = "-parameters_total,cost_usd,-tokens_per_second_per_gpu,-headroom_bytes"

// summaryColumns are shown when nobody says which. Of the plan those are left out
// that say nothing in any of the rows.
var summaryColumns = []string{
	"case_id", "model", "accelerator", "recipe", "context_tokens", "micro_batch", "global_batch", "gpus",
	"tp", "pp", "vpp", "cp", "ep", "dp", "zero", "recompute", "peak_bytes", "headroom_bytes", "step_seconds", "tokens_per_second_per_gpu", "mfu_causal", "cost_usd", "status",
}

// silent are the values with which a column of the plan says nothing.
var silent = map[string]any{
	"tp": int64(1), "pp": int64(1), "vpp": int64(1), "cp": int64(1), "ep": int64(1), "dp": int64(1), "zero": int64(0), "gpus": int64(1), "recompute": "none",
}

func newTop(s *state) *cobra.Command {
	var where, by, columns, format string
	var limit int
	var list bool
	cmd := &cobra.Command{
		Use:   "top [DIR]",
		Short: "Rank and filter the rows of a dataset",
		Long: `top reads the committed parts of a dataset, keeps the rows that match a condition
and prints the first of an order. Conditions are those of https://expr-lang.org on
the columns (--list names them), with fits and the units KB … TB, KiB … TiB.`,
		Example: `  headroom top                                   # the best rows of ` + defaultDir + `
  headroom top runs.ds --where 'fits && context_tokens >= 8192' --by price_usd_per_gpu_hour
  headroom top runs.ds --where 'status == "oom"' --by=-headroom_bytes --limit 5
  headroom top runs.ds --columns model,accelerator,peak_bytes --format csv > best.csv
  headroom top --list                            # every column, its unit and meaning`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
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
			names, err := columnNames(columns)
			if err != nil {
				return misuse(err, "headroom top --list shows the columns")
			}
			o.Columns = names
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
			top, err := d.Top(context.Background(), o)
			if err != nil {
				return err
			}
			return s.printTop(dir, &top, names, columns == "", results.Format(format))
		},
	}
	f := cmd.Flags()
	f.StringVar(&where, "where", "fits", "only rows for which the `CONDITION` holds; empty for all")
	f.StringVar(&by, "by", bestOrder, "order by `COLUMN`[,COLUMN]…, a minus sign for the largest first")
	f.StringVar(&columns, "columns", "", "show `COLUMN`[,COLUMN]…, or all")
	f.IntVarP(&limit, "limit", "n", 10, "show `N` rows")
	f.StringVar(&format, "format", "text", "`FORMAT` of the table: text, markdown, csv or jsonl")
	f.BoolVar(&list, "list", false, "list the columns with their units and meanings")
	dynamic(cmd, "by", false, allColumns)
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
	if trim {
		t = withoutSilent(t)
	}
	if err := t.Write(s.Stdout, results.Text); err != nil {
		return err
	}
	fmt.Fprintf(s.Stdout, "%s of %s that match, of %s\n", thousands(int64(len(top.Rows))), thousands(top.Matched), plural(top.Scanned, "row"))
	return nil
}

func (s *state) warnIncomplete(dir string, missing int) {
	fmt.Fprintf(s.Stderr, "note: %s is incomplete, %s missing: headroom sweep with the same study continues it\n", dir, plural(int64(missing), "part"))
}

// withoutSilent leaves out the columns that say nothing in any row.
func withoutSilent(t results.Table) results.Table {
	keep := func(j int) bool {
		quiet, known := silent[t.Columns[j].Name]
		return !known || slices.ContainsFunc(t.Rows, func(r []any) bool { return r[j] != quiet })
	}
	out := results.Table{Rows: make([][]any, len(t.Rows))}
	for j, c := range t.Columns {
		if !keep(j) {
			continue
		}
		out.Columns = append(out.Columns, c)
		for i := range t.Rows {
			out.Rows[i] = append(out.Rows[i], t.Rows[i][j])
		}
	}
	return out
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
