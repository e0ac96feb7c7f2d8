package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"headroom/internal/suggest"
	"headroom/results"
	"headroom/sweep"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes. They are part of the stable interface: scripts branch on them.
const (
	exitOK          = 0
	exitOther       = 1   // anything without a code of its own
	exitUsage       = 2   // arguments or a study that cannot be understood
	exitIncomplete  = 3   // the dataset lacks parts, or nothing is feasible where that was required
	exitOtherStudy  = 4   // the output belongs to another study
	exitInternal    = 70  // a bug of headroom
	exitIO          = 74  // a file could not be read or written
	exitTemporary   = 75  // may work when tried again
	exitInterrupted = 130 // stopped by Ctrl-C, after a clean commit
	exitTerminated  = 143 // stopped by SIGTERM, after a clean commit
)

const exitCodes = `Exit codes: 0 ok · 1 other · 2 usage or configuration · 3 incomplete, or nothing
feasible where it was required · 4 the output belongs to another study · 70 a bug
in headroom · 74 a file could not be read or written · 75 temporary, try again ·
130/143 interrupted after a clean stop`

// A failure is an error with what a person should do next and what a script sees.
type failure struct {
	err  error
	hint string
	code int
	// shown says that the person has been told already.
	shown bool
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage is an error in what was asked for.
func usage(hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint, code: exitUsage}
}

// misuse marks an error as one of usage.
func misuse(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &failure{err: err, hint: hint, code: exitUsage}
}

// classify finds the exit code and the hint of an error. Errors of the packages
// below carry their hints themselves and are told apart by type.
func classify(err error) (code int, hint string) {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code, f.hint
	}
	code = exitOther
	switch {
	case is[sweep.Problems](err), is[*results.FilterError](err), is[*results.ColumnError](err):
		code = exitUsage
	case is[*results.OtherStudyError](err):
		code = exitOtherStudy
	case is[*results.IncompleteError](err):
		code = exitIncomplete
	case is[*results.NotDatasetError](err):
		code = exitUsage
	case is[*results.NondeterministicError](err):
		code = exitInternal
	case is[*results.DamagedError](err):
		code = exitIO
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ESTALE):
		code = exitTemporary
	case is[*results.IOError](err), is[*fs.PathError](err), is[syscall.Errno](err):
		code = exitIO
	}
	return code, hintOf(err)
}

// hintOf is the next step that an error itself knows.
func hintOf(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

// is says whether an error of that type is in the chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// report tells a person what went wrong and returns the exit code.
func (s *state) report(cmd *cobra.Command, err error) int {
	if f, ok := errors.AsType[*failure](err); ok && f.shown {
		return f.code
	}
	code, hint := classify(err)
	name := "headroom"
	if cmd != nil {
		name = cmd.CommandPath()
	}
	message := strings.TrimSpace(err.Error())
	lines := strings.Split(message, "\n")
	problems, isStudy := errors.AsType[sweep.Problems](err)
	switch {
	case isStudy && len(problems) > 1:
		// Each line begins with its place, as editors like it.
		message = fmt.Sprintf("%d problems in the study\n%s", len(problems), message)
	case len(lines) > 1 && !slices.ContainsFunc(lines[1:], isDetail):
		message = fmt.Sprintf("%d problems\n  %s", len(lines), strings.Join(lines, "\n  "))
	}
	fmt.Fprintf(s.Stderr, "%s: %s\n", name, message)
	if hint != "" {
		fmt.Fprintf(s.Stderr, "hint: %s\n", hint)
	}
	return code
}

// isDetail says that a line belongs to the problem of the line before it.
func isDetail(line string) bool { return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") }

// flagError explains a flag that was not understood; cobra suggests commands but
// not flags.
func flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help lists the flags"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		add := func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		}
		cmd.Flags().VisitAll(add)
		cmd.InheritedFlags().VisitAll(add)
		name := unknown.GetSpecifiedName()
		msg := "unknown flag --" + name
		near := suggest.Nearest(name, names, 3)
		for i := range near {
			near[i] = "--" + near[i]
		}
		if q := suggest.Question(near); q != "" {
			msg += ": " + q
		}
		return usage(hint, "%s", msg)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usage(hint, "--%s: %s", invalid.GetFlag().Name, plainNumber(invalid))
	}
	return misuse(err, hint)
}

// plainNumber rewords strconv's errors, which name a Go function.
func plainNumber(e *pflag.InvalidValueError) string {
	msg := e.Unwrap().Error()
	if strings.HasPrefix(msg, "strconv.") {
		return fmt.Sprintf("%q is not a %s", e.GetValue(), e.GetFlag().Value.Type())
	}
	return msg
}

// unknownCommand rewords cobra's error for a command that does not exist.
func unknownCommand(root *cobra.Command, args []string) error {
	name := ""
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			name = a
			break
		}
	}
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	msg := fmt.Sprintf("unknown command %q", name)
	if q := suggest.Question(suggest.Nearest(name, names, 3)); q != "" {
		msg += ": " + q
	}
	return usage("headroom --help lists the commands", "%s", msg)
}

// noArgs is cobra.NoArgs in our words.
func noArgs(cmd *cobra.Command, args []string) error { return atMost(0)(cmd, args) }

// atMost takes up to n arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		hint := fmt.Sprintf("usage: %s; %s --help has examples", cmd.UseLine(), cmd.CommandPath())
		return usage(hint, "unexpected argument %q", args[n])
	}
}

// exactly takes n arguments, whose names an error can tell.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			hint := fmt.Sprintf("usage: %s; %s --help has examples", cmd.UseLine(), cmd.CommandPath())
			return usage(hint, "%s is missing", names[len(args)])
		}
		return atMost(len(names))(cmd, args)
	}
}
