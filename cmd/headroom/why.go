package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"headroom/accounting"
	"headroom/hardware"
	"headroom/results"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

func newWhy(s *state) *cobra.Command {
	return &cobra.Command{
		Use:   "why [DIR] [CASE_ID]",
		Short: "Show one row of a dataset in full, what would make it fit, and the command that explains it",
		Long: `why shows every column of one case with its unit and meaning, and the explain
command that takes the case apart. Of a case that does not fit it shows the smallest
change of each kind that would make it fit, each evaluated; of one that cannot exist,
what is wrong with it. Without a CASE_ID it shows the first row of headroom top.`,
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
			return s.printWhy(d, &row)
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

func (s *state) printWhy(d *results.Dataset, row *results.Row) error {
	all := results.Columns()
	command, lacks := explainRow(d, row)
	if s.JSON {
		rows, err := jsonRows([]results.Row{*row}, allColumns())
		if err != nil {
			return err
		}
		return s.writeJSON(struct {
			Row     json.RawMessage  `json:"row"`
			Columns []results.Column `json:"columns"`
			Explain string           `json:"explain"`
			Lacks   []string         `json:"explain_lacks,omitempty"`
			accountingAnswer
		}{rows[0], all, command, lacks, answer(d, row)})
	}
	t := table("column", ">value", "unit", "meaning")
	for i := range all {
		t.add(all[i].Name, valueText(all[i].Value(row)), all[i].Unit, all[i].Meaning)
	}
	t.write(s.Stdout, "", s.bold)
	a := answer(d, row)
	if a.WhyNot != "" {
		fmt.Fprintf(s.Stdout, "\nit can not exist: %s\n", a.WhyNot)
	}
	if len(a.Remedies) > 0 {
		s.heading("The smallest changes that make it fit")
		printRemedies(s.Stdout, a.Remedies)
	}
	if a.Note != "" {
		fmt.Fprintf(s.Stdout, "\n%s\n", a.Note)
	}
	fmt.Fprintln(s.Stdout)
	if command != "" {
		fmt.Fprintln(s.Stdout, "explain it:", command)
	}
	for _, l := range lacks {
		fmt.Fprintln(s.Stdout, l)
	}
	return nil
}

// An accountingAnswer is what the arithmetic adds to a row that does not fit.
type accountingAnswer struct {
	WhyNot   string              `json:"why_not,omitempty"`
	Remedies []accounting.Remedy `json:"remedies,omitempty"`
	Note     string              `json:"note,omitempty"`
}

// answer evaluates the row's case again.
func answer(d *results.Dataset, r *results.Row) (a accountingAnswer) {
	if r.Status != results.StatusOOM && r.Status != results.StatusRuledOut {
		if r.Status == results.StatusFits && r.StepSeconds == 0 {
			a.Note = untimed(d, r)
		}
		return a
	}
	c, err := caseOf(d, r)
	if err != nil {
		a.Note = "what would make it fit is not known: " + err.Error()
		return a
	}
	k, err := c.Compile()
	if err != nil {
		a.Note = "what would make it fit is not known: " + err.Error()
		return a
	}
	var report accounting.Report
	k.Evaluate(&c.Setting, &report)
	if report.RuledOut() {
		a.WhyNot = k.WhyNot(&c.Setting, report.Reason)
		return a
	}
	if a.Remedies, err = c.Remedies(); err != nil || len(a.Remedies) == 0 {
		a.Note = "no single change that was tried makes it fit, nor one together with full recompute"
	}
	return a
}

// untimed tells why a row that fits has no time, "" where that is not known.
func untimed(d *results.Dataset, r *results.Row) string {
	c, err := caseOf(d, r)
	if err != nil {
		return ""
	}
	a, err := hardware.Lookup(r.Accelerator)
	if err != nil {
		return ""
	}
	if _, err = accounting.NewMachine(a.PerDevice(), &c.Recipe.Precision, 0); err != nil {
		return "it fits into the memory, and has no time and no cost: " + err.Error()
	}
	return ""
}

// caseOf is the case of a row; the error says why it cannot be put together again.
func caseOf(d *results.Dataset, r *results.Row) (*accounting.Case, error) {
	p := d.Plan()
	m, err := sweep.ModelOf(&p, r.Model)
	if err != nil {
		return nil, err
	}
	o := rowCase(r).Options()
	o.Model, o.UsableBytes = m, r.UsableBytes
	return o.Resolve()
}

// rowCase is what a row says of its case.
func rowCase(r *results.Row) *accounting.CaseFields {
	return &accounting.CaseFields{
		Model: r.Model, Context: r.ContextTokens, MicroBatch: int64(r.MicroBatch), GlobalBatch: int64(r.GlobalBatch),
		Accelerator: r.Accelerator, GPUs: int64(r.GPUs),
		TP: int64(r.TP), SP: r.SP, PP: int64(r.PP), VPP: int64(r.VPP), CP: int64(r.CP), EP: int64(r.EP), DP: int64(r.DP), ZeRO: int64(r.ZeRO),
		Schedule: r.Schedule, Replicas: int64(r.Replicas), FirstLayers: int64(r.FirstLayers), LastLayers: int64(r.LastLayers),
		Recipe: r.Recipe, Profile: r.Profile, Optimizer: r.Optimizer, Attention: r.Attention, Recompute: r.Recompute, Loss: r.Loss, MoE: r.MoE, MTP: int64(r.MTP),
		Dropout: r.Dropout, Compile: r.Compiled, Trainable: r.Trainable, Offload: r.Offload, InBackward: r.InBackward, Overlap: r.Overlap,
	}
}

// explainRow is the command that takes a row's case apart, with its price, and in a
// sentence each what the dataset does not hold of it. Of a model that the study gave the
// dimensions of there is no command.
func explainRow(d *results.Dataset, r *results.Row) (command string, lacks []string) {
	p := d.Plan()
	if _, own := p.Models[r.Model]; own {
		if !strings.HasSuffix(r.Model, ".json") {
			return "", []string{fmt.Sprintf("only the study describes the model %s: headroom explain --hidden … --layers … takes such a description", r.Model)}
		}
		if !filepath.IsAbs(r.Model) {
			lacks = append(lacks, "the model's path is relative to the study's file")
		}
	}
	words := explainWords(r.Model, rowCase(r))
	if g := r.NetworkGbits; slices.Contains(sweep.AxisColumns(&p), "network_gbits") {
		words = append(words, "--network", strconv.FormatFloat(g, 'g', -1, 64))
	}
	terms, err := sweep.TermsOf(&p)
	switch {
	case err != nil:
		lacks = append(lacks, "what the study says of tokens and prices can not be read: "+err.Error())
	case r.Status == results.StatusFits && terms.Tokens > 0:
		words = append(words, moneyWords(&terms)...)
		if terms.Prices.Table != "" {
			lacks = append(lacks, "its price is of the study's own table: add --prices FILE.csv")
		}
	}
	return strings.Join(words, " "), lacks
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

// printRemedies lists changes that make a case fit.
func printRemedies(w io.Writer, all []accounting.Remedy) {
	t := table("change", ">peak", ">GPUs")
	for _, r := range all {
		t.add(r.Change, inGiB(r.PeakBytes), thousands(r.GPUs))
	}
	t.write(w, "  ", plain)
}
