package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"headroom/internal/digits"
	"headroom/results"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

func newPlan(s *state) *cobra.Command {
	var f studyFlags
	var list, yaml, keys bool
	cmd := &cobra.Command{
		Use:   "plan [STUDY]",
		Short: "Show what sweeping a study would do, without doing it",
		Long: `plan loads and checks a study and tells how many cases it has, before and after its
constraints, how many parts, and about how many bytes the dataset takes. Nothing is
written.

` + presetHelp(),
		Example: `  headroom plan                      # of the embedded preset
  headroom plan study.yaml --set tp=1,2,4
  headroom plan study.yaml --json
  headroom plan --list               # the embedded studies
  headroom plan --keys               # every key of a study, and the variable that overrides it
  headroom plan overnight --yaml > mine.yaml   # begin a study from one of them`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if list {
				return s.printPresets()
			}
			if keys {
				return s.printKeys()
			}
			if yaml {
				return s.printStudy(args)
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
	cmd.Flags().BoolVar(&keys, "keys", false, "list the keys of a study with their meanings")
	cmd.Flags().BoolVar(&yaml, "yaml", false, "print the embedded study as it is written")
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
		fmt.Fprintf(w, " of %s before constraints", digits.Grouped(a.Raw))
	}
	fmt.Fprint(w, "\n\n")
	t := table("axis", ">n", "values")
	for _, axis := range a.Axes {
		t.add(axis.Name, thousands(int64(len(axis.Values))), clipList(axis.Values, 90))
	}
	t.write(w, "  ", s.bold)
	for _, m := range a.Models {
		if strings.HasPrefix(m.Source, "scaled from ") {
			fmt.Fprintf(w, "\n%s: %s parameters, %s\n", m.Name, thousands(m.Parameters), m.Notes[len(m.Notes)-1])
		}
	}
	fmt.Fprintf(w, "\n%s of %s rows, about %s in %s\n", plural(a.Parts, "part"), thousands(a.PartRows), inGiB(a.Bytes), a.Dir)
	fmt.Fprintf(w, "about %s in %s with %s on this machine, as %s tell\n",
		plural(roughly(a.Rows), "row"), roughTime(a.Seconds), plural(int64(a.Workers), "worker"), plural(a.Sampled, "sampled case"))
	for _, n := range a.Notes {
		wrapped(w, "note: ", n)
	}
	switch {
	case a.OtherStudy:
		fmt.Fprintf(w, "%s belongs to another study: sweep would refuse it; name another with -o\n", a.Dir)
	case a.Committed == a.Parts:
		fmt.Fprintln(w, "all parts are committed: nothing to do")
	case a.Committed > 0:
		fmt.Fprintf(w, "%s are committed already\n", plural(a.Committed, "part"))
	}
}

// roughly rounds an estimate to two digits.
func roughly(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit/2) / unit * unit
}

// roughTime writes an estimate of seconds.
func roughTime(seconds float64) string {
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.0f h", seconds/3600)
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

// preset is an embedded study in a list.
type preset struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Cases int64  `json:"cases"`
}

func (s *state) printPresets() error {
	var all []preset
	for _, name := range sweep.PresetNames() {
		src, err := sweep.Preset(name)
		if err != nil {
			return err
		}
		study, err := sweep.Load(src)
		if err != nil {
			return err
		}
		all = append(all, preset{name, sweep.PresetAbout(name), study.Cases()})
	}
	if s.JSON {
		return s.writeJSON(map[string]any{"studies": sweep.PresetNames(), "presets": all})
	}
	t := table("study", ">cases", "about")
	for _, p := range all {
		t.add(p.Name, thousands(p.Cases), p.About)
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}

// printKeys lists every key that a study may have.
func (s *state) printKeys() error {
	if s.JSON {
		return s.writeJSON(map[string]any{"keys": sweep.Keys()})
	}
	t := table("key", "variable", "meaning")
	for _, k := range sweep.Keys() {
		t.add(k.Path, k.Env, k.Doc)
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}

// printStudy prints the text of an embedded study.
func (s *state) printStudy(args []string) error {
	src, _, err := s.source(args)
	if err != nil {
		return err
	}
	if src.Data == nil {
		return usage("headroom plan --list names them", "--yaml prints embedded studies, and %s is a file", src.File)
	}
	_, err = s.Stdout.Write(src.Data)
	return err
}
