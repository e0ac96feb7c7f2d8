package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"headroom/sweep/validate"

	"github.com/spf13/cobra"
)

func newValidate(s *state) *cobra.Command {
	var file string
	var rows, holdOut bool
	cmd := &cobra.Command{
		Use:   "validate [--measured FILE.csv]",
		Short: "Compare predictions with published measurements",
		Long: `validate predicts each published run of a table and compares what its source
measured, as the source defined it: memory that PyTorch allocated or reserved or that
the device showed, step time, throughput, TFLOPS and MFU with the source's own
convention. Rows that lack an input are skipped, and the reason is given.

Errors are summed up by family of publication. "macro" is the mean over models and
GPUs of the median error of each, so that long series of like runs weigh no more than
single ones; "bias" is the median signed error; "rank" is Spearman's correlation within
a model. The baseline gives every run one constant efficiency.

Tables of exact bytes, read off a framework's own code on fake tensors, are told by
their columns: what PyTorch's autograd keeps of Hugging Face models (saved_tensors.csv)
is compared with profile torch-eager, peaks of torchtitan's steps (fsdp_peaks.csv) with
fsdp2, and what Megatron-Core keeps by module (megatron_saved.csv) with megatron.

Without --measured the table that the time model was fitted on is read; --hold-out
shows its error on each family with constants fitted on all the others.`,
		Example: `  headroom validate
  headroom validate --rows --json
  headroom validate --measured mine.csv`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			measured := validate.Builtin()
			var bad []validate.CellError
			if file != "" {
				fsys, name := s.open(file)
				f, err := fsys.Open(name)
				if err != nil {
					return misuse(fmt.Errorf("%s can not be read: %w", file, err), "give the path of a CSV table of measured runs")
				}
				defer f.Close()
				in := bufio.NewReader(f)
				if validate.IsExact(firstLine(in)) {
					r, err := validate.Exact(file, in)
					if err != nil {
						return misuse(err, "the columns are those of saved_tensors.csv, fsdp_peaks.csv or megatron_saved.csv")
					}
					return s.showValidation(r, nil, rows)
				}
				if measured, bad, err = validate.Read(file, in); err != nil {
					return misuse(err, "a row holds one measured run; an empty cell is unknown")
				}
			}
			r := validate.Run(measured, bad)
			var held *validate.Holdout
			if holdOut {
				held = validate.Study(measured)
			}
			return s.showValidation(r, held, rows)
		},
	}
	p := cmd.Flags()
	p.StringVar(&file, "measured", "", "a CSV table of measured runs")
	p.BoolVar(&rows, "rows", false, "list every measurement")
	p.BoolVar(&holdOut, "hold-out", false, "fit the time model again without each family in turn, and show the errors on it")
	if err := cmd.MarkFlagFilename("measured", "csv"); err != nil {
		panic(err) // the flag was defined above
	}
	return cmd
}

// firstLine looks at the first line without taking it.
func firstLine(in *bufio.Reader) string {
	head, _ := in.Peek(4096) // less at the end of the file
	line, _, _ := strings.Cut(string(head), "\n")
	return line
}

func (s *state) showValidation(r *validate.Report, held *validate.Holdout, rows bool) error {
	if s.JSON {
		return s.writeJSON(struct {
			*validate.Report
			HeldOut *validate.Holdout `json:"held_out,omitempty"`
		}{r, held})
	}
	s.printValidation(r, held, rows)
	return nil
}

func (s *state) printValidation(r *validate.Report, held *validate.Holdout, rows bool) {
	w := s.Stdout
	fmt.Fprintf(w, "%s measurements\n", thousands(int64(r.Measurements)))
	for _, b := range r.Bad {
		fmt.Fprintf(w, "  left out: %s\n", b)
	}
	if rows {
		s.printMeasurements(r.Rows)
	}
	s.printSummary("Memory", &r.Memory)
	if n := r.Memory.FitsTested; n > 0 {
		fmt.Fprintf(w, "  runs published as out of memory: %d, of which predicted to fit: %d\n", n, r.Memory.WrongFits)
	}
	if len(r.Time.Families) > 0 {
		s.printSummary("Time", &r.Time)
	}
	if r.Baseline.Scored > 0 {
		fmt.Fprintf(w, "  one constant efficiency for all runs would err by %s\n", unsigned(r.Baseline.MacroMedian))
	}
	if held != nil {
		s.printSummary("Time, each family predicted without its own runs", &held.Unseen)
		fmt.Fprintf(w, "  inside the error bar: %s of the runs\n", percent(held.Coverage, 1))
	}
	reasons := map[string]int{}
	for _, f := range slices.Concat(r.Memory.Families, r.Time.Families) {
		for why, n := range f.Reasons {
			reasons[why] += n
		}
	}
	if len(reasons) > 0 {
		s.heading("Skipped")
		t := table(">", "")
		for _, why := range slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
			return cmp.Or(reasons[b]-reasons[a], cmp.Compare(a, b))
		}) {
			t.add(thousands(int64(reasons[why])), why)
		}
		t.write(w, "  ", plain)
	}
}

func (s *state) printSummary(title string, sum *validate.Summary) {
	s.heading(title)
	t := table("family", "metric", ">rows", ">skipped", ">median", ">90th percentile", ">macro", ">bias", ">worst", "worst row", ">rank")
	for _, f := range sum.Families {
		if f.Scored == 0 {
			t.add(f.Name, words(f.Metric), "0", thousands(int64(f.Skipped)))
			continue
		}
		rank := ""
		if f.RankModels > 0 {
			rank = fmt.Sprintf("%.3f", f.Rank)
		}
		t.add(f.Name, words(f.Metric), thousands(int64(f.Scored)), thousands(int64(f.Skipped)),
			unsigned(f.Median), unsigned(f.P90), unsigned(f.Macro), signed(f.Bias), signed(f.Worst), f.WorstID, rank)
	}
	t.write(s.Stdout, "  ", s.bold)
	fmt.Fprintf(s.Stdout, "  mean over families: %s, %s rows\n", unsigned(sum.MacroMedian), thousands(int64(sum.Scored)))
}

func (s *state) printMeasurements(rows []validate.Row) {
	s.heading("Measurements")
	t := table("id", "model", "gpu", "metric", ">predicted", ">measured", ">error", "remark")
	for i := range rows {
		r := &rows[i]
		value := func(x float64) string {
			if unitOf(r.Metric) == "bytes" {
				return inGiB(int64(x))
			}
			return significant(x)
		}
		switch {
		case r.Skipped != "":
			t.add(r.ID, r.Model, r.GPU, words(r.Metric), "", value(r.Measured), "", "skipped: "+r.Skipped)
		case r.Right != nil:
			t.add(r.ID, r.Model, r.GPU, "out of memory", inGiB(int64(r.Predicted)), inGiB(int64(r.Measured)), "", map[bool]string{true: "predicted so", false: "predicted to fit"}[*r.Right])
		default:
			t.add(r.ID, r.Model, r.GPU, words(r.Metric), value(r.Predicted), value(r.Measured), signed(r.Error), r.Why)
		}
	}
	t.write(s.Stdout, "  ", s.bold)
}

// unsigned is a relative error, to a tenth of a percent.
func unsigned(x float64) string { return fmt.Sprintf("%.1f %%", 100*math.Abs(x)) }

// signed is a relative error with its direction: plus is predicted too much.
func signed(x float64) string { return fmt.Sprintf("%+.1f %%", 100*x) }
