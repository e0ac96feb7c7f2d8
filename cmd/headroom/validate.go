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
	"gonum.org/v1/gonum/stat"
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
a model, "in series" within a model, GPU and precision, and "pairs" the share of pairs of
runs of a model, over 5 % apart, that are predicted in their order: repeated runs differ
by up to that. The baseline gives every run one constant efficiency.

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
		s.printFamilies("Time, one node and many apart", "family", r.Time.Scales)
		s.printFamilies("Time by GPU", "gpu", r.Time.GPUs)
		s.printFamilies("Time by model", "model", r.Time.Models)
	}
	if r.Baseline.Scored > 0 {
		fmt.Fprintf(w, "  one constant efficiency for all runs would err by %s\n", unsigned(r.Baseline.MacroMedian))
	}
	s.printOrders(r.Time.Orders)
	if held != nil {
		s.printSummary("Time, each family predicted without its own runs", &held.Unseen)
		s.printFamilies("The same, one node and many apart", "family", held.Unseen.Scales)
		fmt.Fprintf(w, "  an eighth of the groups of model and GPU held out in turn: %s; of the runs: %s\n", unsigned(held.Groups.MacroMedian), unsigned(held.Rows.MacroMedian))
		fmt.Fprintf(w, "  inside an error bar made from the other families: %s of the runs; the bars reach %s on average, interval score %.3f\n", percent(held.Coverage, 1), unsigned(held.Spread), held.Score)
		for _, f := range slices.Sorted(maps.Keys(held.FamilyCoverage)) {
			fmt.Fprintf(w, "    %s %s\n", f, percent(held.FamilyCoverage[f], 1))
		}
		s.heading("Kernels measured alone, their shapes held out")
		t := table("kernel", ">rates", ">median", ">held out", ">90th percentile", ">bias")
		for _, k := range validate.StudyKernels() {
			t.add(k.Name, thousands(int64(k.Rates)), unsigned(k.Seen), unsigned(k.Unseen), unsigned(k.P90), signed(k.Bias))
		}
		t.write(w, "  ", s.bold)
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
	t := table("family", "metric", ">rows", ">skipped", ">median", ">90th percentile", ">macro", ">bias", ">worst", "worst row", ">rank", ">in series", ">pairs")
	for _, f := range sum.Families {
		if f.Scored == 0 {
			t.add(f.Name, words(f.Metric), "0", thousands(int64(f.Skipped)))
			continue
		}
		rank, series, pairs := ranked(f.Rank, f.RankModels), ranked(f.SeriesRank, f.Series), ""
		if f.Pairs > 0 {
			pairs = percent(f.Ordered, 1)
		}
		t.add(f.Name, words(f.Metric), thousands(int64(f.Scored)), thousands(int64(f.Skipped)),
			unsigned(f.Median), unsigned(f.P90), unsigned(f.Macro), signed(f.Bias), signed(f.Worst), f.WorstID, rank, series, pairs)
	}
	t.write(s.Stdout, "  ", s.bold)
	fmt.Fprintf(s.Stdout, "  mean over families: %s, %s rows\n", unsigned(sum.MacroMedian), thousands(int64(sum.Scored)))
}

// ranked is a mean rank correlation over n groups.
func ranked(rho float64, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", rho)
}

// printFamilies prints one list of a summary.
func (s *state) printFamilies(title, name string, all []validate.Family) {
	if len(all) == 0 {
		return
	}
	s.heading(title)
	t := table(name, ">rows", ">mean", ">median", ">90th percentile", ">bias", ">worst", "worst row")
	for _, f := range all {
		t.add(f.Name, thousands(int64(f.Scored)), unsigned(f.Mean), unsigned(f.Median), unsigned(f.P90), signed(f.Bias), signed(f.Worst), f.WorstID)
	}
	t.write(s.Stdout, "  ", s.bold)
}

// ordered is the rank correlation within a model that is aimed at.
const ordered = 0.95

func (s *state) printOrders(all []validate.Order) {
	if len(all) == 0 {
		return
	}
	s.heading("Order within a model")
	t := table("family", "model", ">runs", ">largest / smallest", ">rank", ">of a perfect prediction")
	var ranks []float64
	reached := 0
	for _, o := range all {
		t.add(o.Family, o.Model, thousands(int64(o.Rows)), fmt.Sprintf("%.2f", o.Spread), fmt.Sprintf("%.3f", o.Rank), fmt.Sprintf("%.3f", o.Perfect))
		ranks = append(ranks, o.Rank)
		if o.Rank >= ordered {
			reached++
		}
	}
	t.write(s.Stdout, "  ", s.bold)
	slices.Sort(ranks)
	rank, perfect := validate.MeanRank(all)
	fmt.Fprintf(s.Stdout, "  rank correlation: mean %.3f, median %.3f, %d of %d models at %g or more; of a prediction without error,\n  were each run measured once and repeatable to 2 %%: mean %.3f\n",
		rank, stat.Quantile(0.5, stat.LinInterp, ranks, nil), reached, len(all), ordered, perfect)
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
