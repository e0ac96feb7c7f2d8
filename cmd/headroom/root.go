package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"syscall"

	"headroom/results"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// run does what the arguments say and returns the exit code.
func run(s *state) (code int) {
	s.Level = new(slog.LevelVar)
	s.Level.Set(slog.LevelWarn)
	out := &checkedWriter{w: bufio.NewWriterSize(s.Stdout.Writer, 1<<16)}
	s.Stdout = &stream{Writer: out, TTY: s.Stdout.TTY, Columns: s.Stdout.Columns}
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(s.Stderr, "headroom: internal error: %v\nhint: this is a bug in headroom; --log-level debug shows where it happened\n", r)
			if s.Level.Level() <= slog.LevelDebug {
				fmt.Fprintf(s.Stderr, "%s", debug.Stack())
			}
			code = exitInternal
		}
		if err := out.flush(); err != nil && code == exitOK && !errors.Is(err, syscall.EPIPE) {
			fmt.Fprintf(s.Stderr, "headroom: writing to standard output: %v\n", err)
			code = exitIO
		}
	}()

	root := newRoot(s)
	root.SetArgs(s.Args)
	cmd, err := root.ExecuteC()
	switch {
	case err == nil:
		return exitOK
	case errors.Is(out.err, syscall.EPIPE) && errors.Is(err, syscall.EPIPE):
		return exitOK // headroom export | head: the reader has what it wanted
	case cmd == root && strings.HasPrefix(err.Error(), "unknown command"):
		err = unknownCommand(root, s.Args)
	case strings.HasPrefix(err.Error(), "unknown command"): // cobra's own commands, such as completion bash
		err = misuse(err, "usage: "+cmd.UseLine())
	}
	return s.report(cmd, err)
}

func newRoot(s *state) *cobra.Command {
	root := &cobra.Command{
		Use:   "headroom",
		Short: "Plan the training of transformers: does it fit, how long, how much",
		Long: `headroom answers, before anyone rents a GPU: does it fit (memory, by component),
how much work it is (FLOPs), and what to rent: for one configuration, or for
millions of them written to a Parquet dataset.

` + exitCodes,
		Example: `  headroom explain --model llama-3.1-8b --seq 8192    # one case, every number
  headroom limit --model gpt2-xl --capacity 80GB      # the largest batch that fits
  headroom sweep                                      # the preset study, on embedded data`,
		Version:                    version(),
		SilenceUsage:               true,
		SilenceErrors:              true,
		DisableSuggestions:         true,
		SuggestionsMinimumDistance: 1,
	}
	root.SetVersionTemplate("headroom {{.Version}}\n")
	root.SetIn(s.Stdin)
	root.SetOut(s.Stdout)
	root.SetErr(s.Stderr)
	root.SetFlagErrorFunc(flagError)

	level := "warn"
	g := root.PersistentFlags()
	g.BoolVar(&s.JSON, "json", false, "machine-readable results on standard output")
	g.BoolVarP(&s.Quiet, "quiet", "q", false, "no progress, only results and errors")
	g.StringVar(&level, "log-level", level, "debug, info, warn or error, on standard error")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if err := s.Level.UnmarshalText([]byte(level)); err != nil {
			return usage("use debug, info, warn or error", "--log-level %q is no log level", level)
		}
		s.Log = s.logger()
		return nil
	}
	fixed(root, "log-level", "debug", "info", "warn", "error")

	root.AddCommand(newCommit(s), newDiff(s), newExplain(s), newExport(s), newLimit(s), newModels(s), newGPUs(s), newPrices(s), newPick(s), newPlan(s), newSweep(s), newTop(s), newValidate(s), newVerify(s), newVersion(s), newWhy(s))
	return root
}

// orExample gives a command that was asked for nothing an example to show, and says
// so: headroom explain alone. One flag is a question, and what it lacks is an error.
func (s *state) orExample(cmd *cobra.Command, flags ...[2]string) error {
	asked := false
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { asked = asked || f.Changed })
	if asked {
		return nil
	}
	line := cmd.CommandPath()
	for _, f := range flags {
		if err := cmd.Flags().Set(f[0], f[1]); err != nil {
			return err
		}
		line += " --" + f[0] + " " + f[1]
	}
	if !s.Quiet {
		fmt.Fprintf(s.Stderr, "nothing was asked for: this is %s\n", line)
	}
	return nil
}

// fixed completes a flag from a fixed list.
func fixed(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag does not exist: caught by any test
	}
}

// dynamic completes a flag from a list made when it is asked for, beside files
// when those are possible values too.
func dynamic(cmd *cobra.Command, flag string, files bool, values func() []string) {
	directive := cobra.ShellCompDirectiveNoFileComp
	if files {
		directive = cobra.ShellCompDirectiveDefault
	}
	err := cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, v := range values() {
			if strings.HasPrefix(v, typed) {
				out = append(out, v)
			}
		}
		return out, directive
	})
	if err != nil {
		panic(err)
	}
}

// newVersion answers those who ask for a command where others ask for a flag.
func newVersion(s *state) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Tell which build this is, and the versions that decide a dataset",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if s.JSON {
				return s.writeJSON(map[string]any{"version": version(), "engine_version": engineVersion, "schema_version": results.SchemaVersion})
			}
			fmt.Fprintf(s.Stdout, "headroom %s\nengine %s, schema of datasets %d\n", version(), engineVersion, results.SchemaVersion)
			return nil
		},
	}
}

// version tells which build this is.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	var revision, modified string
	for _, kv := range info.Settings {
		switch kv.Key {
		case "vcs.revision":
			revision = kv.Value
		case "vcs.modified":
			if kv.Value == "true" {
				modified = ", modified"
			}
		}
	}
	if len(revision) > 12 {
		v += ", commit " + revision[:12] + modified
	}
	return v + ", " + info.GoVersion
}

// A checkedWriter remembers the first error, so that a full disk behind a
// redirection is told instead of lost.
type checkedWriter struct {
	w   *bufio.Writer
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

func (c *checkedWriter) flush() error {
	if err := c.w.Flush(); err != nil && c.err == nil {
		c.err = err
	}
	return c.err
}

var _ io.Writer = (*checkedWriter)(nil)
