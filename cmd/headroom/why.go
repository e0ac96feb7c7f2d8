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
		Use:   "why [DIR] CASE_ID",
		Short: "Show one row of a dataset in full, and the command that explains it",
		Long: `why shows every column of one case with its unit and meaning, and the explain
command that takes the case apart.`,
		Example: `  headroom why 17                  # of ` + defaultDir + `
  headroom why runs.ds 123456
  headroom why runs.ds 123456 --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exactly("CASE_ID")(cmd, args)
			}
			return atMost(2)(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir, text := defaultDir, args[len(args)-1]
			if len(args) == 2 {
				dir = args[0]
			}
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil || id < 0 {
				return usage("the column case_id of headroom top has them", "%q is no case id: write a whole number", text)
			}
			d, err := openDataset(dir)
			if err != nil {
				return err
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
