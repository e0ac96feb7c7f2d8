package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"headroom/results"

	"github.com/spf13/cobra"
)

func newWhy(s *state) *cobra.Command {
	return &cobra.Command{
		Use:   "why [DIR] [CASE_ID]",
		Short: "Show one row of a dataset in full, and the command that explains it",
		Long: `why shows every column of one case with its unit and meaning, and the explain
command that takes the case apart. Without a CASE_ID it shows the first row of
headroom top.`,
		Example: `  headroom why                     # the best row of ` + defaultDir + `
  headroom why 17
  headroom why runs.ds 123456
  headroom why runs.ds 123456 --json`,
		Args: atMost(2),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, text, given := defaultDir, "", true
			switch len(args) {
			case 0:
				given = false
			case 1:
				text = args[0]
				if _, dataset := s.exists(text + "/_plan.json"); dataset {
					dir, given = text, false
				}
			case 2:
				dir, text = args[0], args[1]
			}
			id := int64(-1)
			if given {
				var err error
				if id, err = strconv.ParseInt(text, 10, 64); err != nil || id < 0 {
					return usage("the column case_id of headroom top has them", "%q is no case id: write a whole number", text)
				}
			}
			d, err := openDataset(dir)
			if err != nil {
				return err
			}
			if id < 0 {
				if id, err = s.bestCase(d); err != nil {
					return err
				}
			}
			row, err := d.Lookup(context.Background(), id)
			if is[*results.CaseError](err) {
				return misuse(err, "the column case_id of headroom top has the ids that are there")
			}
			if err != nil {
				return err
			}
			return s.printWhy(&row)
		},
	}
}

// bestCase is the id of the first row of `headroom top`.
func (s *state) bestCase(d *results.Dataset) (int64, error) {
	by, err := results.ParseSortKeys(bestOrder)
	if err != nil {
		return 0, err
	}
	o := results.TopOptions{By: by, Columns: []string{"case_id"}, Limit: 1, Concurrency: s.CPUs}
	if o.Where, err = results.CompileFilter("fits"); err != nil {
		return 0, err
	}
	top, err := d.Top(context.Background(), o)
	if err != nil {
		return 0, err
	}
	if len(top.Rows) == 0 {
		return 0, usage("headroom top --where '' shows the others", "none of %s fits", plural(top.Scanned, "row"))
	}
	return top.Rows[0].CaseID, nil
}

func (s *state) printWhy(row *results.Row) error {
	all := results.Columns()
	if s.JSON {
		rows, err := jsonRows([]results.Row{*row}, allColumns())
		if err != nil {
			return err
		}
		return s.writeJSON(struct {
			Row     json.RawMessage  `json:"row"`
			Columns []results.Column `json:"columns"`
			Explain string           `json:"explain"`
		}{rows[0], all, explainCommand(row)})
	}
	t := table("column", ">value", "unit", "meaning")
	for i := range all {
		t.add(all[i].Name, valueText(all[i].Value(row)), all[i].Unit, all[i].Meaning)
	}
	t.write(s.Stdout, "", s.bold)
	fmt.Fprintf(s.Stdout, "\nexplain it: %s\n", explainCommand(row))
	return nil
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case int64:
		return thousands(v)
	case float64:
		return whole(v)
	default:
		return fmt.Sprint(v)
	}
}

// explainCommand is the command that shows the ledger of a row.
func explainCommand(r *results.Row) string {
	args := []string{"headroom", "explain", "--model", quoted(r.Model)}
	add := func(flag string, n, silent int64) {
		if n != silent {
			args = append(args, "--"+flag, strconv.FormatInt(n, 10))
		}
	}
	add("seq", r.ContextTokens, 0)
	add("micro-batch", int64(r.MicroBatch), 1)
	add("global-batch", int64(r.GlobalBatch), 0)
	if r.Accelerator != "" {
		args = append(args, "--gpu", quoted(r.Accelerator))
	}
	add("gpus", int64(r.GPUs), 1)
	add("tp", int64(r.TP), 1)
	add("pp", int64(r.PP), 1)
	add("vpp", int64(r.VPP), 1)
	add("cp", int64(r.CP), 1)
	add("ep", int64(r.EP), 1)
	args = append(args, "--zero", strconv.Itoa(int(r.ZeRO)))
	if r.TP > 1 {
		args = append(args, fmt.Sprintf("--sp=%t", r.SP))
	}
	for _, f := range []struct{ flag, value string }{
		{"recipe", r.Recipe}, {"profile", r.Profile}, {"optimizer", r.Optimizer}, {"attention", r.Attention}, {"recompute", r.Recompute}, {"loss", r.Loss},
	} {
		if f.value != "" {
			args = append(args, "--"+f.flag, f.value)
		}
	}
	return strings.Join(args, " ")
}

// quoted protects a word from the shell where that is needed.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._/:@+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
