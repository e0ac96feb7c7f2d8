package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"headroom/results"

	"github.com/spf13/cobra"
)

func newDiff(s *state) *cobra.Command {
	var examples int
	cmd := &cobra.Command{
		Use:   "diff DIR DIR",
		Short: "Compare the rows of two datasets, case by case",
		Long: `diff compares the committed rows of two datasets by case, and their studies. It
exits with 0 if the rows are the same, whatever the studies, and with 1 if not.`,
		Example: `  headroom diff old.ds new.ds
  headroom diff old.ds new.ds --examples 20 --json`,
		Args: exactly("DIR", "DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if examples < 0 {
				return usage("", "--examples %d: write a number from 0", examples)
			}
			a, err := openDataset(args[0])
			if err != nil {
				return err
			}
			b, err := openDataset(args[1])
			if err != nil {
				return err
			}
			d, err := results.Diff(context.Background(), a, b, examples)
			if err != nil {
				return err
			}
			if s.JSON {
				err = s.writeDiff(args[0], args[1], &d)
			} else {
				s.printDiff(args[0], args[1], &d)
			}
			if err != nil || d.Equal() {
				return err
			}
			return &failure{err: fmt.Errorf("%s and %s differ", args[0], args[1]), code: exitOther, shown: true}
		},
	}
	cmd.Flags().IntVar(&examples, "examples", 5, "show `N` of the changed rows")
	return cmd
}

func (s *state) printDiff(a, b string, d *results.Difference) {
	w := s.Stdout
	for _, line := range d.Plan {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "%s with the same row, %s changed, %s in %s alone, %s in %s alone\n",
		plural(d.Same, "case"), thousands(d.Changed), thousands(d.OnlyA), a, thousands(d.OnlyB), b)
	if d.Changed == 0 {
		return
	}
	t := table("column", ">rows that differ")
	for _, name := range slices.SortedFunc(maps.Keys(d.Columns), func(x, y string) int { return int(d.Columns[y] - d.Columns[x]) }) {
		t.add(name, thousands(d.Columns[name]))
	}
	t.write(w, "", s.bold)
	for i := range d.Examples {
		e := &d.Examples[i]
		fmt.Fprintf(w, "case %d\n", e.A.CaseID)
		changed := e.Columns()
		t := table("column", ">"+a, ">"+b)
		for j := range changed {
			t.add(changed[j].Name, valueText(changed[j].Value(&e.A)), valueText(changed[j].Value(&e.B)))
		}
		t.write(w, "  ", s.bold)
	}
}

// writeDiff is `diff --json`.
func (s *state) writeDiff(a, b string, d *results.Difference) error {
	type change struct {
		A json.RawMessage `json:"a"`
		B json.RawMessage `json:"b"`
	}
	changes := []change{}
	for i := range d.Examples {
		rows, err := jsonRows([]results.Row{d.Examples[i].A, d.Examples[i].B}, allColumns())
		if err != nil {
			return err
		}
		changes = append(changes, change{rows[0], rows[1]})
	}
	return s.writeJSON(map[string]any{
		"a": a, "b": b, "equal": d.Equal(), "plan": append([]string{}, d.Plan...), "same": d.Same, "changed": d.Changed,
		"only_a": d.OnlyA, "only_b": d.OnlyB, "columns": d.Columns, "examples": changes,
	})
}
