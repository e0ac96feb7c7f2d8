package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"headroom/results"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

func newPlan(s *state) *cobra.Command {
	var f studyFlags
	var list bool
	cmd := &cobra.Command{
		Use:   "plan [STUDY]",
		Short: "Show what sweeping a study would do, without doing it",
		Long: `plan loads and checks a study and tells how many cases it has, before and after its
constraints, how many parts, and about how many bytes the dataset takes. Nothing is
written.`,
		Example: `  headroom plan                      # of the embedded preset
  headroom plan study.yaml --set tp=1,2,4
  headroom plan study.yaml --json
  headroom plan --list               # the embedded studies`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if list {
				return s.printPresets()
			}
			study, err := f.load(s, args)
			if err != nil {
				return err
			}
			plan, err := study.Plan(engineVersion)
			if err != nil {
				return err
			}
			a := planAnswer{Plan: plan}
			if err := a.look(study.Out.Dir); err != nil {
				return err
			}
			if s.JSON {
				return s.writeJSON(a)
			}
			s.printPlan(&a)
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "list the embedded studies")
	return cmd
}

// planAnswer is `plan --json`.
type planAnswer struct {
	sweep.Plan
	Committed  int64 `json:"committed_parts"`       // already in the directory
	OtherStudy bool  `json:"other_study,omitempty"` // the directory belongs to another study: sweep would refuse
}

// look finds what is already in the output directory.
func (a *planAnswer) look(dir string) error {
	d, err := results.Open(results.OS(), dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case d.RunID() != a.RunID:
		a.OtherStudy = true
		return nil
	}
	markers, err := d.Committed()
	a.Committed = int64(len(markers))
	return err
}

func (s *state) printPlan(a *planAnswer) {
	w := s.Stdout
	fmt.Fprintf(w, "study %s: %s", a.Study, plural(a.Cases, "case"))
	if a.Raw != "" && a.Raw != fmt.Sprint(a.Cases) {
		fmt.Fprintf(w, " of %s before constraints", grouped(a.Raw))
	}
	fmt.Fprint(w, "\n\n")
	t := table("axis", ">n", "values")
	for _, axis := range a.Axes {
		t.add(axis.Name, thousands(int64(len(axis.Values))), clipList(axis.Values, 90))
	}
	t.write(w, "  ", s.bold)
	fmt.Fprintf(w, "\n%s of %s rows, about %s in %s\n", plural(a.Parts, "part"), thousands(a.PartRows), inGiB(a.Bytes), a.Dir)
	switch {
	case a.OtherStudy:
		fmt.Fprintf(w, "%s belongs to another study: sweep would refuse it; name another with -o\n", a.Dir)
	case a.Committed == a.Parts:
		fmt.Fprintln(w, "all parts are committed: nothing to do")
	case a.Committed > 0:
		fmt.Fprintf(w, "%s are committed already\n", plural(a.Committed, "part"))
	}
}

// clipList joins values up to a width and tells that there are more.
func clipList(values []string, width int) string {
	var b strings.Builder
	for i, v := range values {
		if b.Len()+len(v) > width && i < len(values)-1 {
			return b.String() + "… " + values[len(values)-1]
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(v)
	}
	return b.String()
}

func (s *state) printPresets() error {
	if s.JSON {
		return s.writeJSON(map[string]any{"studies": sweep.PresetNames()})
	}
	for _, name := range sweep.PresetNames() {
		fmt.Fprintln(s.Stdout, name)
	}
	return nil
}
