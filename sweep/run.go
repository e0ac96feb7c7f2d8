package sweep

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"headroom/grids"
	"headroom/results"
)

// Options say how to run a study. The zero value runs all of it on every core.
// None of them changes a byte of the dataset, but for Engine.
type Options struct {
	Workers  int         // goroutines; 0 = one a core
	Shard    Shard       // the share of the parts to do
	Progress *Progress   // counts as the sweep goes; may be nil
	FS       results.FS  // nil = the host's
	Engine   string      // version of the engine, part of the run id
	Tell     func(Event) // called as things happen, by several goroutines; may be nil
	// Kill, when closed, stops at once: parts in hand are dropped. Cancelling the
	// context of [Run] lets them be finished and committed.
	Kill <-chan struct{}

	onCase func(index int64) // tests make cases panic with it
}

// A Shard is one of Count equal shares of a study's parts, for one process or
// machine of several. The zero value is all of them.
type Shard struct {
	Index, Count int // 1 ≤ Index ≤ Count
}

func (s Shard) has(part int) bool { return s.Count <= 1 || part%s.Count == s.Index-1 }

// Check says what is wrong with a shard.
func (s Shard) Check() error {
	if s == (Shard{}) || s.Count >= 1 && s.Index >= 1 && s.Index <= s.Count {
		return nil
	}
	return fmt.Errorf("shard %d/%d: write i/N with i from 1 to N", s.Index, s.Count)
}

// ErrInterrupted says that a sweep was stopped before its end. Committed parts
// stay, and running the study again goes on from there.
var ErrInterrupted = errors.New("interrupted")

// A Failure is a case whose evaluation panicked: a bug of ours, or of a profile.
type Failure struct {
	Case    int64  `json:"case"`
	Message string `json:"message"`
	Stack   string `json:"-"`
}

// maxFailures is how many failures a summary tells in full.
const maxFailures = 10

// A Summary tells what a run did and what the dataset holds.
type Summary struct {
	Dir      string           `json:"dir"`
	RunID    string           `json:"run_id"`
	Complete bool             `json:"complete"` // every part is committed and the manifest written
	Parts    int              `json:"parts"`    // of the study
	Done     int              `json:"parts_done"`
	Resumed  int              `json:"parts_resumed"` // of this run's share, committed before it and sound
	Damaged  int              `json:"parts_damaged"` // of this run's share, committed before it and made anew
	Written  int              `json:"parts_written"` // by this run
	Rows     int64            `json:"rows"`          // in committed parts
	Cases    int64            `json:"cases"`         // evaluated in committed parts
	Bytes    int64            `json:"bytes"`
	Status   map[string]int64 `json:"status"`
	Reason   map[string]int64 `json:"reason"`
	Failures []Failure        `json:"failures,omitempty"` // of this run, the first few
}

// Run evaluates a study into its dataset, or what is left of it: parts that are
// committed are skipped. The error is [ErrInterrupted] after a cancellation, one
// of package results' (another study's directory, a full disk), or a bug's; the
// summary holds what was achieved in any case.
func Run(ctx context.Context, s *Study, opt Options) (Summary, error) {
	if err := opt.Shard.Check(); err != nil {
		return Summary{}, err
	}
	if s.Out.Dir == "" {
		return Summary{}, errors.New("the study names no output directory: give -o DIR, or out: {dir: DIR}")
	}
	if err := s.checkParts(); err != nil {
		return Summary{}, err
	}
	if opt.FS == nil {
		opt.FS = results.OS()
	}
	if opt.Progress == nil {
		opt.Progress = new(Progress)
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Tell == nil {
		opt.Tell = func(Event) {}
	}
	e, err := newEngine(s)
	if err != nil {
		return Summary{}, err
	}
	ds, err := results.Create(opt.FS, s.Out.Dir, s.dataset(opt.Engine))
	if err != nil {
		return Summary{}, err
	}
	r := runner{engine: e, opt: opt, dataset: ds}
	todo, share, err := resume(ctx, ds, opt)
	if err != nil {
		sum, sumErr := r.summary()
		return sum, errors.Join(err, sumErr)
	}
	r.todo = todo
	for _, t := range todo {
		lo, hi := ds.Range(t.part)
		opt.Progress.caseTotal.Add(hi - lo)
		if t.damaged {
			opt.Progress.damaged.Add(1)
			opt.Tell(Event{Kind: Damaged, Part: t.part})
		}
	}
	opt.Progress.partsTotal.Store(int64(len(todo)))
	opt.Progress.resumed.Store(int64(share - len(todo)))
	runErr := r.run(ctx)
	sum, err := r.summary()
	sum.Resumed, sum.Damaged = share-len(todo), int(opt.Progress.damaged.Load())
	return sum, errors.Join(runErr, err)
}

// checkParts refuses more parts than a directory holds well.
func (s *Study) checkParts() error {
	const most = 1_000_000
	n := s.grid.Len()
	if (n-1)/s.Out.PartRows < most {
		return nil
	}
	p := Problem{Path: "out.part_rows", Msg: fmt.Sprintf("%d cases make more than %d parts of %d", n, most, s.Out.PartRows)}
	if need := (n-1)/most + 1; need <= maxPartRows {
		p.Hint = fmt.Sprintf("set part_rows to %d or more, or sweep fewer cases", need)
	} else {
		p.Hint = "sweep fewer cases: `headroom plan` shows what each axis and constraint does"
	}
	return Problems{p}
}

// A runner is one call of Run. Workers take the next part of todo until there is
// none, the context is cancelled or one of them fails; parts are committed by
// package results, each on its own.
type runner struct {
	*engine
	opt     Options
	dataset *results.Dataset
	todo    []task
	taken   atomic.Int64 // parts of todo that a worker has begun
	written atomic.Int64

	mu       sync.Mutex
	failures []Failure
}

func (r *runner) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, min(r.opt.Workers, len(r.todo)))
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			if errs[w] = r.work(ctx); errs[w] != nil {
				stop() // the others finish what they have
			}
		})
	}
	wg.Wait()
	var bad []error
	interrupted := false
	for _, err := range errs {
		if errors.Is(err, ErrInterrupted) {
			interrupted = true
		} else if err != nil && !slices.ContainsFunc(bad, func(b error) bool { return b.Error() == err.Error() }) {
			bad = append(bad, err) // a full disk fails every worker in the same way
		}
	}
	if len(bad) == 0 && (interrupted || int(r.written.Load()) < len(r.todo)) {
		bad = append(bad, ErrInterrupted)
	}
	return errors.Join(bad...)
}

// work makes one part after the other.
func (r *runner) work(ctx context.Context) error {
	v := newEvaluator(r.engine)
	v.onCase = r.opt.onCase
	var err error
	if v.chooser, err = newChooser(r.study); err != nil {
		return err
	}
	for ctx.Err() == nil {
		i := int(r.taken.Add(1)) - 1
		if i >= len(r.todo) {
			return nil
		}
		t := r.todo[i]
		write := r.dataset.WritePart
		if t.damaged {
			write = r.dataset.RewritePart
		}
		m, err := write(t.part, func(w *results.PartWriter) error { return r.part(v, t.part, w) })
		if err != nil {
			return err
		}
		r.written.Add(1)
		r.opt.Progress.parts.Add(1)
		r.opt.Progress.rows.Add(m.Rows)
		r.opt.Progress.bytes.Add(m.Bytes)
		r.opt.Tell(Event{Kind: Committed, Part: m.Part, Marker: m})
	}
	return nil
}

// part evaluates the cases of one part.
func (r *runner) part(v *evaluator, part int, w *results.PartWriter) error {
	const step = 4096 // cases between looks at Kill and updates of the counters
	lo, hi := r.dataset.Range(part)
	c := r.study.grid.Cursor(lo, hi)
	v.kernel = nil // so that a part's rows depend on nothing before it
	if v.chooser != nil {
		v.chooser.begin()
	}
	for lo < hi {
		select {
		case <-r.opt.Kill:
			return ErrInterrupted
		default:
		}
		if err := r.cases(v, c, min(step, hi-lo), w); err != nil {
			return err
		}
		lo += step
	}
	if v.chooser == nil {
		return nil
	}
	return v.again(c, func(failure *Failure) error {
		if failure != nil {
			r.fail(failure)
		}
		return w.WriteCounted(&v.row)
	})
}

// cases evaluates the next n cases of a cursor. It does not allocate, but for a
// model's first case and for failures.
func (r *runner) cases(v *evaluator, c *grids.Cursor, n int64, w *results.PartWriter) error {
	var fits, oom, ruledOut, internal int64
	for range n {
		c.Next()
		if failure := v.next(c); failure != nil {
			r.fail(failure)
		}
		switch v.row.Status {
		case results.StatusFits:
			fits++
			v.best.offer(&v.row)
		case results.StatusOOM:
			oom++
		case results.StatusRuledOut:
			ruledOut++
		default:
			internal++
		}
		if r.study.Keep.Status == KeepFits && v.row.Status != results.StatusFits {
			w.Drop(v.row.Status, v.row.Reason)
			continue
		}
		if v.chooser != nil {
			v.chooser.offer(c, &v.row)
			w.Drop(v.row.Status, v.row.Reason)
			continue
		}
		if err := w.Write(&v.row); err != nil {
			return err
		}
	}
	p := r.opt.Progress
	p.cases.Add(n)
	p.fits.Add(fits)
	p.oom.Add(oom)
	p.ruledOut.Add(ruledOut)
	p.internal.Add(internal)
	p.offer(&v.best)
	return nil
}

func (r *runner) fail(f *Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) < maxFailures {
		r.failures = append(r.failures, *f)
		r.opt.Tell(Event{Kind: Failed, Failure: *f})
	}
}

// summary reads the state of the dataset, and writes its manifest if it is
// complete.
func (r *runner) summary() (Summary, error) {
	sum := Summary{
		Dir: r.dataset.Dir(), RunID: r.dataset.RunID(), Parts: r.dataset.Parts(),
		Written: int(r.written.Load()), Failures: r.failures, Status: map[string]int64{}, Reason: map[string]int64{},
	}
	markers, err := r.dataset.Committed()
	if err != nil {
		return sum, err
	}
	for _, m := range markers {
		sum.Done++
		sum.Rows += m.Rows
		sum.Cases += m.Cases
		sum.Bytes += m.Bytes
		for k, n := range m.Status {
			sum.Status[k] += n
		}
		for k, n := range m.Reason {
			sum.Reason[k] += n
		}
	}
	if sum.Done < sum.Parts {
		return sum, nil
	}
	if _, err := r.dataset.Commit(); err != nil {
		return sum, err
	}
	sum.Complete = true
	return sum, nil
}
