package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"headroom/results"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

func newSweep(s *state) *cobra.Command {
	var f studyFlags
	var workers int
	var shard string
	cmd := &cobra.Command{
		Use:   "sweep [STUDY]",
		Short: "Evaluate every case of a study into a Parquet dataset",
		Long: `sweep evaluates a study, a YAML file or an embedded one, and writes a dataset: a
directory of Parquet files. Without a study it runs the embedded preset into
` + defaultDir + `.

Running the same command again continues where it stopped, or shows the result when
it is complete. It reads what is there, and makes anew what does not hold what was
committed. Ctrl-C finishes and commits the parts in hand; a second
one stops at once. The directory of another study is never touched.

` + presetHelp(),
		Example: `  headroom sweep                                        # the preset, into ` + defaultDir + `
  headroom sweep study.yaml -o runs.ds
  headroom sweep study.yaml --set context=8Ki,32Ki --set 'micro_batch=1..8'
  headroom sweep study.yaml -o /shared/runs.ds --shard 3/16   # on machine 3 of 16
  headroom sweep seed --json --quiet                    # an embedded study, for a script`,
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			part, err := parseShard(shard)
			if err != nil {
				return err
			}
			const most = 1024 // each holds the pages of an open file
			if workers < 0 || workers > most {
				return usage(fmt.Sprintf("0 means one a core, and %d is the most", most), "--workers %d: write a positive number", workers)
			}
			if err := s.checkProgress(); err != nil {
				return err
			}
			study, err := f.load(s, args)
			if err != nil {
				return err
			}
			return s.sweep(study, sweep.Options{Workers: workers, Shard: part, Engine: engineVersion})
		},
	}
	f.register(cmd)
	p := cmd.Flags()
	p.IntVar(&workers, "workers", 0, "goroutines that evaluate; 0 is one a core")
	p.StringVar(&shard, "shard", "", "only share `i/N` of the parts, for one of N processes over one directory")
	p.StringVar(&s.Progress, "progress", "auto", "progress on standard error: auto, plain, json or none")
	fixed(cmd, "progress", "auto", "plain", "json", "none")
	return cmd
}

func (s *state) checkProgress() error {
	if styles := []string{"auto", "plain", "json", "none"}; !slices.Contains(styles, s.Progress) {
		return usage("use "+strings.Join(styles, ", "), "--progress %q is no style", s.Progress)
	}
	return nil
}

// parseShard reads i/N.
func parseShard(text string) (sweep.Shard, error) {
	if text == "" {
		return sweep.Shard{}, nil
	}
	i, n, ok := strings.Cut(text, "/")
	index, err1 := strconv.Atoi(i)
	count, err2 := strconv.Atoi(n)
	shard := sweep.Shard{Index: index, Count: count}
	if !ok || err1 != nil || err2 != nil || shard == (sweep.Shard{}) || shard.Check() != nil {
		return shard, usage("the third of sixteen is --shard 3/16", "--shard %q: write i/N with i from 1 to N", text)
	}
	return shard, nil
}

// sweepAnswer is `sweep --json`. Speeds are of this run, on this machine, and not
// part of the dataset.
type sweepAnswer struct {
	Study string `json:"study"`
	sweep.Summary
	Workers        int     `json:"workers"`
	Seconds        float64 `json:"seconds"`
	CPUSeconds     float64 `json:"cpu_seconds"` // of all cores; 0 where the system does not say
	CasesPerSecond float64 `json:"cases_per_second"`
	RowsPerSecond  float64 `json:"rows_per_second"`
	// CasesPerSecondPerCore is by processor time, or by the workers where that is not
	// known.
	CasesPerSecondPerCore float64           `json:"cases_per_second_per_core"`
	BytesPerRow           float64           `json:"bytes_per_row"` // of the dataset
	AllocsPerCase         float64           `json:"allocations_per_case"`
	PeakRSSBytes          int64             `json:"peak_rss_bytes"` // 0 where the system does not say
	Best                  []json.RawMessage `json:"best"`
	Notes                 []string          `json:"notes,omitempty"`
}

// sweep runs a study and shows the best of what came out.
func (s *state) sweep(study *sweep.Study, opt sweep.Options) error {
	opt.Progress = new(sweep.Progress)
	if opt.Workers == 0 {
		opt.Workers = s.CPUs
	}
	s.Log.Info("sweep", "study", study.Name, "cases", study.Cases(), "dir", study.Out.Dir, "workers", opt.Workers)
	// What workers hold is kept from part to part, so that little garbage is made: a
	// small heap costs next to nothing here, and 16 workers stay within 256 MiB.
	debug.SetGCPercent(20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	spent := s.CPUSeconds()
	shown := s.startProgress(opt.Progress)
	ctx, kill, stop := s.interruptible(shown)
	opt.Kill, opt.Tell = kill, s.logEvent
	sum, err := sweep.Run(ctx, study, opt)
	signal := stop()
	elapsed := time.Since(shown.begun)
	spent = s.CPUSeconds() - spent
	shown.stop()
	runtime.ReadMemStats(&after)
	s.Log.Info("swept", "parts_written", sum.Written, "parts_resumed", sum.Resumed, "rows", sum.Rows, "bytes", sum.Bytes, "seconds", elapsed.Seconds(), "complete", sum.Complete)
	if errors.Is(err, sweep.ErrInterrupted) && signal != nil {
		return s.interrupted(study, &sum, signal)
	}
	if err != nil {
		return err
	}

	a := sweepAnswer{Study: study.Name, Summary: sum, Workers: opt.Workers, Seconds: elapsed.Seconds(), CPUSeconds: spent, PeakRSSBytes: s.PeakRSS(), Best: []json.RawMessage{}}
	if a.Notes, err = study.Notes(); err != nil {
		return err
	}
	if done := opt.Progress.Snapshot(); done.Cases > 0 {
		a.CasesPerSecond = float64(done.Cases) / elapsed.Seconds()
		a.RowsPerSecond = float64(done.Rows) / elapsed.Seconds()
		a.CasesPerSecondPerCore = a.CasesPerSecond / float64(opt.Workers)
		if spent > 0 {
			a.CasesPerSecondPerCore = float64(done.Cases) / spent
		}
		a.AllocsPerCase = float64(after.Mallocs-before.Mallocs) / float64(done.Cases)
	}
	if sum.Rows > 0 {
		a.BytesPerRow = float64(sum.Bytes) / float64(sum.Rows)
	}
	if err := s.printSweep(study, &a, opt.Shard); err != nil {
		return err
	}
	return failedCases(&sum)
}

// logEvent writes what happens while a sweep runs into the log.
func (s *state) logEvent(e sweep.Event) {
	switch e.Kind {
	case sweep.Committed:
		s.Log.Debug("part committed", "part", e.Part, "cases", e.Marker.Cases, "rows", e.Marker.Rows, "bytes", e.Marker.Bytes)
	case sweep.Damaged:
		s.Log.Warn("part does not hold what was committed: made anew", "part", e.Part)
	case sweep.Failed:
		s.Log.Warn("case could not be evaluated", "case", e.Failure.Case, "panic", e.Failure.Message)
		s.Log.Debug("where the case panicked", "case", e.Failure.Case, "stack", e.Failure.Stack)
	}
}

// failedCases tells of cases whose evaluation was a fault of headroom: of this run,
// or of one before it whose rows are in the dataset.
func failedCases(sum *sweep.Summary) error {
	n := sum.Status[results.StatusInternal]
	if n == 0 {
		return nil
	}
	which := "; headroom top --where 'status == \"internal\"' lists them"
	if len(sum.Failures) > 0 {
		which = fmt.Sprintf(", the first of this run is case %d: %s", sum.Failures[0].Case, sum.Failures[0].Message)
	}
	return &failure{
		err:  fmt.Errorf("%s could not be evaluated%s", plural(n, "case"), which),
		hint: "this is a bug in headroom; the rows of these cases say status internal", code: exitInternal,
	}
}

// interruptible returns a context that the first interrupt cancels and a channel
// that the second closes. stop returns the signal that came first, if any.
func (s *state) interruptible(shown *progress) (ctx context.Context, kill <-chan struct{}, stop func() signalled) {
	ctx, cancel := context.WithCancel(context.Background())
	now := make(chan struct{})
	signals, release := s.Signals()
	quit, first := make(chan struct{}), make(chan signalled, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case sig := <-signals:
				switch n {
				case 0:
					first <- sig
					shown.say("finishing the parts in hand; interrupt again to stop at once")
					cancel()
				case 1:
					close(now)
				default:
					s.Exit(exitInterrupted)
				}
			}
		}
	}()
	return ctx, now, func() signalled {
		release()
		close(quit)
		cancel()
		select {
		case sig := <-first:
			return sig
		default:
			return nil
		}
	}
}

// interrupted tells how to go on.
func (s *state) interrupted(study *sweep.Study, sum *sweep.Summary, signal signalled) error {
	code := exitInterrupted
	if signal == syscall.SIGTERM {
		code = exitTerminated
	}
	words := make([]string, len(s.Args))
	for i, a := range s.Args {
		words[i] = quoted(a)
	}
	return &failure{
		err:  fmt.Errorf("interrupted: %d of %s of %s are committed", sum.Done, plural(int64(sum.Parts), "part"), study.Out.Dir),
		hint: "resume with: headroom " + strings.Join(words, " "), code: code,
	}
}

// printSweep tells what a run did and shows the best rows.
func (s *state) printSweep(study *sweep.Study, a *sweepAnswer, shard sweep.Shard) error {
	d, err := openDataset(study.Out.Dir)
	if err != nil {
		return err
	}
	fits, err := results.CompileFilter("fits")
	if err != nil {
		return err
	}
	by, err := results.ParseSortKeys(bestOrder)
	if err != nil {
		return err
	}
	columns := summary(d)
	best := results.TopOptions{Where: fits, By: by, Columns: columns, Limit: 10, Concurrency: s.CPUs}
	if best.Per = groupsOf(study); len(best.Per) > 0 {
		best.Limit = 1
	}
	top, err := d.Top(context.Background(), best)
	if err != nil {
		return err
	}
	if s.JSON {
		if a.Best, err = jsonRows(top.Rows, columns); err != nil {
			return err
		}
		return s.writeJSON(a)
	}
	if !s.Quiet && s.Progress != "json" {
		s.tellRun(study, a, shard)
	}
	if err := s.printRows(&top, columns, true); err != nil {
		return err
	}
	fmt.Fprintf(s.Stdout, "\ndataset: %s (%s, %s)\n", study.Out.Dir, plural(a.Rows, "row"), inGiB(a.Bytes))
	order := "--by cost_usd"
	if study.Tokens == 0 {
		order = "--by=-tokens_per_second_per_gpu"
	}
	fmt.Fprintf(s.Stdout, "rank it: headroom top %s --per accelerator %s\n", quoted(study.Out.Dir), order)
	fmt.Fprintf(s.Stdout, "query it: duckdb -c %s\n", duckDBQuery(study.Out.Dir))
	return nil
}

// duckDBQuery is a query of a dataset as one word of a shell.
func duckDBQuery(dir string) string {
	const head, tail = "SELECT model, accelerator, max(context_tokens) FROM '", "/data/*.parquet' WHERE status = 'fits' GROUP BY ALL ORDER BY ALL"
	if strings.ContainsAny(dir, "'\"$`\\!") {
		return quoted(head + strings.ReplaceAll(dir, "'", "''") + tail)
	}
	return `"` + head + dir + tail + `"` // easier to change than with quotes inside of quotes
}

// groupsOf are the columns for each of whose values a sweep shows the best row: as
// many axes as make a table that a person reads.
func groupsOf(study *sweep.Study) (columns []string) {
	const mostRows = 24
	rows := 1
	for _, axis := range []struct{ name, column string }{{"model", "model"}, {"context", "context_tokens"}, {"accelerator", "accelerator"}, {"gpus", "gpus"}} {
		a := study.Axis(axis.name)
		if a == nil || len(a.Values) < 2 {
			continue
		}
		if study.Keep.Best > 0 && !slices.Contains(study.Keep.Per, axis.name) {
			continue // the best of others may not be there
		}
		if rows *= len(a.Values); rows > mostRows {
			break
		}
		columns = append(columns, axis.column)
	}
	return columns
}

// tellRun is the one summary line of a run, on standard error.
func (s *state) tellRun(study *sweep.Study, a *sweepAnswer, shard sweep.Shard) {
	switch {
	case a.Written == 0 && a.Complete:
		fmt.Fprintf(s.Stderr, "%s is complete: nothing to do\n", study.Out.Dir)
	default:
		done := a.Status["fits"] + a.Status["oom"] + a.Status["ruled_out"]
		fmt.Fprintf(s.Stderr, "%s in %.2f s, %s/s on %s: %s fit, %s out of memory, %s ruled out\n",
			plural(a.Cases, "case"), a.Seconds, short(a.CasesPerSecond), plural(int64(a.Workers), "worker"),
			shareOf(a.Status["fits"], done), shareOf(a.Status["oom"], done), shareOf(a.Status["ruled_out"], done))
	}
	if a.Resumed > 0 && a.Written > 0 {
		fmt.Fprintf(s.Stderr, "resumed: %s were committed before\n", plural(int64(a.Resumed), "part"))
	}
	if a.Damaged > 0 {
		fmt.Fprintf(s.Stderr, "made anew: %s did not hold what was committed\n", plural(int64(a.Damaged), "part"))
	}
	for _, n := range a.Notes {
		wrapped(s.Stderr, "note: ", n)
	}
	if !a.Complete {
		note := "other shards are still to come"
		if shard.Count <= 1 {
			note = "run the same command again"
		}
		fmt.Fprintf(s.Stderr, "%d of %d parts are committed: %s\n", a.Done, a.Parts, note)
	}
}
