package main

import (
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"headroom/hardware"

	"golang.org/x/term"
)

// A stream is one output of the process.
type stream struct {
	io.Writer
	TTY bool // a person is looking
	// Columns asks the terminal how wide it is now; nil where there is none.
	Columns func() int
}

// width is the number of columns to fill, 80 where nobody says.
func (s *stream) width() int {
	if s.Columns != nil {
		if n := s.Columns(); n > 1 {
			return n
		}
	}
	return 80
}

// A state is everything a command may touch outside its own memory. Only
// processState reaches for the process itself; tests build their own.
type state struct {
	Args   []string // without the program's name
	Env    map[string]string
	Stdin  io.Reader
	Stdout *stream
	Stderr *stream
	Exit   func(code int)

	// Dir is a directory as a file system, for reading models and studies.
	Dir  func(dir string) fs.FS
	Home string // the user's home directory; "" when unknown
	CPUs int
	// WriteFile writes a file that a person asked for by name, over an older one.
	WriteFile func(path string, data []byte) error
	// Today is the day by the clock, to refuse prices of the future.
	Today hardware.Date

	// PeakRSS is the most memory this process ever had resident, in bytes; 0 where
	// the system does not say.
	PeakRSS func() int64
	// CPUSeconds is the processor time that this process has taken; 0 where the system
	// does not say.
	CPUSeconds func() float64

	// Signals asks for interrupts and terminations; stop undoes it.
	Signals func() (c <-chan signalled, stop func())

	// Set by the global flags.
	Log   *slog.Logger
	logTo *logStream
	Level *slog.LevelVar
	JSON  bool
	Quiet bool
	// Progress is how a sweep tells how far it is: auto, plain, json or none.
	Progress string
}

// signalled is a signal that arrived.
type signalled = os.Signal

// processState is the state of this process: the only function that uses the
// globals of package os.
func processState() *state {
	env := map[string]string{}
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	home, _ := os.UserHomeDir() // "" will do: only the model cache is looked up there
	dumb := env["TERM"] == "dumb"
	// A reader that goes away is an error of the write to it (see run), not the end
	// of a sweep whose progress nobody looks at any more.
	signal.Ignore(syscall.SIGPIPE)
	open := func(f *os.File) *stream {
		s := &stream{Writer: f}
		if fd := int(f.Fd()); term.IsTerminal(fd) {
			s.TTY = !dumb
			s.Columns = func() int {
				columns, _, _ := term.GetSize(fd) // 0 will do
				return columns
			}
		}
		return s
	}
	return &state{
		Args: os.Args[1:], Env: env, Home: home, CPUs: runtime.GOMAXPROCS(0),
		Stdin: os.Stdin, Stdout: open(os.Stdout), Stderr: open(os.Stderr), Exit: os.Exit,
		Dir: os.DirFS, PeakRSS: peakRSS, CPUSeconds: cpuSeconds, Today: hardware.Date(time.Now().UTC().Format(time.DateOnly)),
		WriteFile: func(path string, data []byte) error { return os.WriteFile(path, data, 0o644) },
		Signals: func() (<-chan signalled, func()) {
			c := make(chan os.Signal, 2)
			signal.Notify(c, os.Interrupt, syscall.SIGTERM)
			return c, func() { signal.Stop(c) }
		},
	}
}

// peakRSS reads VmHWM, which Linux keeps.
func peakRSS() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "kB")), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// open splits a path into a file system that can be read and a name in it.
func (s *state) open(path string) (fsys fs.FS, name string) {
	path = filepath.Clean(path)
	return s.Dir(filepath.Dir(path)), filepath.Base(path)
}

// exists says whether a path names anything, and whether that is a directory.
func (s *state) exists(path string) (isDir, ok bool) {
	info, err := fs.Stat(s.Dir(path), ".")
	if err == nil {
		return info.IsDir(), true
	}
	fsys, name := s.open(path)
	info, err = fs.Stat(fsys, name)
	return err == nil && info.IsDir(), err == nil
}

// color says whether escape codes may be written to a stream: only for a person,
// and never against NO_COLOR (no-color.org).
func (s *state) color(to *stream) bool { return to.TTY && s.Env["NO_COLOR"] == "" }

// logger writes the log of a run to standard error: text for people, JSON where
// nobody looks but a machine asked for it.
func (s *state) logger() *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.Level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey && s.Stderr.TTY {
			return slog.Attr{} // a person has a clock
		}
		return a
	}}
	s.logTo = &logStream{to: s.Stderr}
	if s.Progress == "json" {
		return slog.New(slog.NewJSONHandler(s.logTo, opts))
	}
	return slog.New(slog.NewTextHandler(s.logTo, opts))
}
