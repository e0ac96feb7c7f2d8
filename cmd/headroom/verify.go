package main

import (
	"context"
	"fmt"

	"headroom/results"

	"github.com/spf13/cobra"
)

// datasetArg is the dataset that a command's arguments name.
func datasetArg(args []string) (dir string, d *results.Dataset, err error) {
	dir = defaultDir
	if len(args) > 0 {
		dir = args[0]
	}
	d, err = openDataset(dir)
	return dir, d, err
}

func newVerify(s *state) *cobra.Command {
	var discard bool
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Check every file of a dataset against what was committed",
		Long: `verify hashes every committed part and compares it with its marker, and the
manifest with the markers. It exits with 74 if a file is damaged or one lies among
the parts that is none of them. Parts that are not there yet are told, and
are no damage.`,
		Example: `  headroom verify                      # of ` + defaultDir + `
  headroom verify runs.ds --json
  headroom verify runs.ds --discard    # remove damaged files; the next sweep makes them anew`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, d, err := datasetArg(args)
			if err != nil {
				return err
			}
			v, err := d.Verify(context.Background())
			if err != nil {
				return err
			}
			if discard {
				if err := d.Discard(v.Damaged); err != nil {
					return err
				}
			}
			if s.JSON {
				err = s.writeJSON(newVerifyAnswer(dir, d, &v, discard))
			} else {
				s.printVerification(dir, d, &v, discard)
			}
			if err != nil || v.Sound() {
				return err
			}
			return &failure{err: fmt.Errorf("%s is damaged", dir), code: exitIO, shown: true}
		},
	}
	cmd.Flags().BoolVar(&discard, "discard", false, "remove the damaged files, so that the next sweep makes them anew")
	return cmd
}

// verifyAnswer is `verify --json`.
type verifyAnswer struct {
	Dataset   string       `json:"dataset"`
	RunID     string       `json:"run_id"`
	Sound     bool         `json:"sound"`
	Parts     int          `json:"parts"`
	Compared  int          `json:"compared_parts"`
	Bytes     int64        `json:"compared_bytes"`
	Missing   int          `json:"missing_parts"`
	Damaged   []damagedOne `json:"damaged"`
	Strange   []string     `json:"strange"`
	Discarded bool         `json:"discarded"`
}

type damagedOne struct {
	Part    int    `json:"part"` // -1 for a file that is no part
	Path    string `json:"path"`
	Message string `json:"message"`
}

func newVerifyAnswer(dir string, d *results.Dataset, v *results.Verification, discard bool) verifyAnswer {
	a := verifyAnswer{
		Dataset: dir, RunID: d.RunID(), Sound: v.Sound(), Parts: d.Parts(), Compared: v.Parts, Bytes: v.Bytes,
		Missing: len(v.Missing), Damaged: []damagedOne{}, Strange: append([]string{}, v.Strange...), Discarded: discard && len(v.Damaged) > 0,
	}
	for _, e := range v.Damaged {
		a.Damaged = append(a.Damaged, damagedOne{e.Part, e.Path, e.Err.Error()})
	}
	return a
}

func (s *state) printVerification(dir string, d *results.Dataset, v *results.Verification, discard bool) {
	fmt.Fprintf(s.Stdout, "%s: %s of %s compared, %s\n", dir, plural(int64(v.Parts), "part"), thousands(int64(d.Parts())), inGiB(v.Bytes))
	for _, e := range v.Damaged {
		fmt.Fprintln(s.Stdout, e.Error())
	}
	for _, path := range v.Strange {
		fmt.Fprintf(s.Stdout, "%s is no part of this dataset\n", path)
	}
	switch {
	case len(v.Damaged) > 0 && discard:
		fmt.Fprintf(s.Stderr, "removed %s: headroom sweep with the same study makes what they held anew\n", plural(int64(len(v.Damaged)), "damaged file"))
	case len(v.Damaged) > 0:
		fmt.Fprintln(s.Stderr, "hint: headroom verify --discard removes damaged files; the same sweep then makes them anew")
	case len(v.Strange) > 0:
		fmt.Fprintln(s.Stderr, "hint: programs that read every file of the folder would read these too: move them away")
	}
	if len(v.Missing) > 0 {
		s.warnIncomplete(dir, len(v.Missing))
	} else if v.Sound() {
		fmt.Fprintln(s.Stdout, "sound")
	}
}

func newCommit(s *state) *cobra.Command {
	return &cobra.Command{
		Use:   "commit [DIR]",
		Short: "Finish a dataset whose parts are all in",
		Long: `commit writes the manifest of a dataset to which several processes or machines have
brought their parts, and clears what broken attempts left. It exits with 3 and names
the parts if some are missing, and does nothing where nothing is left to do.`,
		Example: `  headroom commit runs.ds
  headroom commit runs.ds --json`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, d, err := datasetArg(args)
			if err != nil {
				return err
			}
			m, err := d.Commit()
			if err != nil {
				return err
			}
			if s.JSON {
				return s.writeJSON(struct {
					Dataset string `json:"dataset"`
					results.Manifest
				}{dir, m})
			}
			fmt.Fprintf(s.Stdout, "%s is complete: %s in %s, %s\n", dir, plural(m.Rows, "row"), plural(int64(len(m.Parts)), "part"), inGiB(m.Bytes))
			return nil
		},
	}
}
