package main

import (
	"context"
	"strings"

	"headroom/results"

	"github.com/spf13/cobra"
)

func newExport(s *state) *cobra.Command {
	var where, names, format string
	cmd := &cobra.Command{
		Use:   "export [DIR]",
		Short: "Write the rows of a dataset as CSV or JSON Lines",
		Long: `export writes the committed rows to standard output, in case order, with the names
and the full precision of the Parquet columns. What is NULL there is empty in CSV and
null in JSON. Tools that read Parquet need no export: they open DIR/data.`,
		Example: `  headroom export > rows.csv                   # of ` + defaultDir + `
  headroom export runs.ds --format jsonl --where fits
  headroom export runs.ds --columns model,accelerator,tp,peak_bytes > peaks.csv`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			o := results.ExportOptions{Format: results.Format(format)}
			if o.Format != results.CSV && o.Format != results.JSONL {
				return usage("headroom top writes text and markdown", "--format %q is not csv or jsonl", format)
			}
			if s.JSON {
				o.Format = results.JSONL
			}
			var err error
			if where != "" {
				if o.Where, err = results.CompileFilter(where); err != nil {
					return misuse(err, hintOf(err))
				}
			}
			if strings.TrimSpace(names) != "" {
				if o.Columns, err = columnNames(names); err != nil {
					return misuse(err, "headroom top --list shows the columns")
				}
			}
			dir, d, err := datasetArg(args)
			if err != nil {
				return err
			}
			if _, err = d.Export(context.Background(), s.Stdout, o); err != nil {
				return err
			}
			missing, err := d.Missing()
			if len(missing) > 0 {
				s.warnIncomplete(dir, len(missing))
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&where, "where", "", "only rows for which the `CONDITION` holds")
	f.StringVar(&names, "columns", "", "only `COLUMN`[,COLUMN]…")
	f.StringVar(&format, "format", "csv", "`FORMAT`: csv or jsonl")
	dynamic(cmd, "columns", false, allColumns)
	fixed(cmd, "format", "csv", "jsonl")
	return cmd
}
