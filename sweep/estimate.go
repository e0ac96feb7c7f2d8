package sweep

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"headroom/grids"
	"headroom/results"
)

// An Estimate is what running a study would take on this machine, from a sample of
// its cases. Seconds depend on what else the machine does; the rest is the same
// every time.
type Estimate struct {
	Workers int     `json:"workers"`
	Seconds float64 `json:"estimated_seconds"` // by the clock, with so many workers
	Rows    int64   `json:"estimated_rows"`    // that the study keeps
	Bytes   int64   `json:"estimated_bytes"`   // of the dataset
	Sampled int64   `json:"sampled_cases"`
}

const (
	// Runs of neighbouring cases that are sampled, spread over a study: long enough for
	// pages and dictionaries to be like those of parts, many enough to meet most models.
	sampleRuns  = 16
	sampleCases = 16 << 10
	// A study of so few cases is sampled whole.
	sampleWhole = 256 << 10
	// Where each part keeps its best rows, whole parts are sampled: so many cases.
	sampleBest = 2 << 20
)

// A span is a range of cases.
type span struct{ lo, hi int64 }

// sampleSpans are the cases to sample.
func (s *Study) sampleSpans() (spans []span) {
	n := s.grid.Len()
	length, runs := int64(sampleCases), int64(sampleRuns)
	switch {
	case s.Keep.Best > 0:
		length = min(s.Out.PartRows, sampleBest/4)
		parts := (n-1)/s.Out.PartRows + 1
		runs = min(sampleBest/length, parts)
		for i := range runs {
			lo := (2*i + 1) * parts / (2 * runs) * s.Out.PartRows
			spans = append(spans, span{lo, min(lo+length, n)})
		}
		return spans
	case n <= sampleWhole:
		length = sampleWhole / 2
		runs = (n-1)/length + 1
	}
	for i := range runs {
		lo := i * length
		if n > sampleWhole {
			lo = n/runs*i + (n/runs-length)/2 // in the middle of its share
		}
		spans = append(spans, span{lo, min(lo+length, n)})
	}
	return spans
}

// estimate measures a sample with as many workers as a run has.
func (s *Study) estimate(ds results.Plan, workers int) (Estimate, error) {
	e, err := newEngine(s)
	if err != nil {
		return Estimate{}, err
	}
	spans := s.sampleSpans()
	samplers := make([]sampler, max(min(workers, len(spans)), 1))
	runs := make([]results.RunSize, len(spans))
	var next atomic.Int64
	errs := make([]error, len(samplers))
	var wg sync.WaitGroup
	for w := range samplers {
		wg.Go(func() { errs[w] = samplers[w].run(e, &ds, spans, runs, &next) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return Estimate{}, err
	}
	var cases, rows int64
	var busy time.Duration
	for i := range samplers {
		cases, busy = cases+samplers[i].cases, busy+samplers[i].busy
	}
	for i := range runs {
		rows += runs[i].Rows
	}
	n, parts := s.grid.Len(), (s.grid.Len()-1)/s.Out.PartRows+1
	out := Estimate{Workers: workers, Sampled: cases, Rows: int64(float64(n) * float64(rows) / float64(cases))}
	if s.Keep.Status == KeepFits && s.Keep.Best == 0 && n > sampleWhole {
		share, err := s.shareThatFits(e)
		if err != nil {
			return out, err
		}
		out.Rows = int64(share * float64(n))
	}
	if s.Keep.Best > 0 && s.Out.PartRows > sampleBest/4 {
		out.Rows = rows * parts / int64(len(spans)) // a longer part has no more to choose
	}
	out.Bytes = parts * samplers[0].sample.Bytes(runs, (out.Rows+parts-1)/parts)
	each, err := partSeconds(&ds)
	if err != nil {
		return out, err
	}
	// The workers take the parts in turn; the last turn may leave some idle.
	turns := (parts-1)/int64(workers) + 1
	most := min(turns*s.Out.PartRows, n)
	if (parts-1)%int64(workers) == 0 { // the last turn is of the last part alone
		most = (turns-1)*s.Out.PartRows + n - (parts-1)*s.Out.PartRows
	}
	out.Seconds = busy.Seconds()/float64(cases)*float64(most) + each*float64(turns)
	return out, nil
}

// shareThatFits is the part of the cases that fit, from short runs at many places:
// what fits changes from model to model more than what a row takes.
func (s *Study) shareThatFits(e *engine) (float64, error) {
	const places, length = 256, 256
	v := newEvaluator(e)
	fits, n := 0, s.grid.Len()
	for i := range int64(places) {
		// Steps by the golden ratio meet no axis in step.
		at := math.Mod(float64(i)*0.6180339887498949, 1)
		lo := min(int64(at*float64(n)), n-length)
		v.kernel = nil
		for c := s.grid.Cursor(lo, lo+length); c.Next(); {
			if failure := v.next(c); failure != nil {
				return 0, failure.error()
			}
			if v.row.Status == results.StatusFits {
				fits++
			}
		}
	}
	return float64(fits) / (places * length), nil
}

// A sampler is one worker of an estimate.
type sampler struct {
	sample *results.Sample
	cases  int64
	busy   time.Duration
}

func (x *sampler) run(e *engine, ds *results.Plan, spans []span, runs []results.RunSize, next *atomic.Int64) error {
	var err error
	if x.sample, err = results.NewSample(ds); err != nil {
		return err
	}
	v := newEvaluator(e)
	if v.chooser, err = newChooser(e.study); err != nil {
		return err
	}
	for {
		i := int(next.Add(1)) - 1
		if i >= len(spans) {
			return nil
		}
		at := spans[i]
		// What a run pays once, compiling models, is not paid for each sample.
		for c := e.study.grid.Cursor(at.lo, min(at.lo+64, at.hi)); c.Next(); {
			if failure := v.next(c); failure != nil {
				return failure.error()
			}
		}
		start := time.Now()
		if runs[i], err = x.take(e.study, v, at); err != nil {
			return err
		}
		x.busy += time.Since(start)
		x.cases += at.hi - at.lo
	}
}

// take evaluates and encodes a span as a part does.
func (x *sampler) take(s *Study, v *evaluator, at span) (results.RunSize, error) {
	c := s.grid.Cursor(at.lo, at.hi)
	v.kernel = nil
	if v.chooser != nil {
		v.chooser.begin()
	}
	for c.Next() {
		if failure := v.next(c); failure != nil {
			return results.RunSize{}, failure.error()
		}
		switch {
		case s.Keep.Status == KeepFits && v.row.Status != results.StatusFits:
		case v.chooser != nil:
			v.chooser.offer(c, &v.row)
		default:
			if err := x.sample.Write(&v.row); err != nil {
				return results.RunSize{}, err
			}
		}
	}
	if v.chooser != nil {
		if err := v.again(c, func(f *Failure) error {
			if f != nil {
				return f.error()
			}
			return x.sample.Write(&v.row)
		}); err != nil {
			return results.RunSize{}, err
		}
	}
	return x.sample.EndRun()
}

// again evaluates the chosen cases once more, in order.
func (v *evaluator) again(c *grids.Cursor, each func(*Failure) error) error {
	for _, id := range v.chooser.chosen() {
		c.GoTo(id)
		c.Next()
		if err := each(v.next(c)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Failure) error() error { return fmt.Errorf("case %d: %s", f.Case, f.Message) }

// partSeconds is what a part costs whatever it holds: files made, synced and named.
// Some parts without rows are committed in a directory for temporary files.
func partSeconds(ds *results.Plan) (float64, error) {
	const parts = 4
	dir, err := os.MkdirTemp("", "headroom-plan-")
	if err != nil {
		return 0, nil //nolint:nilerr // where nothing can be written, the rest is told all the same
	}
	defer func() { _ = os.RemoveAll(dir) }()
	small := *ds
	small.Cases, small.PartRows = parts, 1
	d, err := results.Create(results.OS(), filepath.Join(dir, "ds"), small)
	if err != nil {
		return 0, nil //nolint:nilerr // as above
	}
	start := time.Now()
	for part := range parts {
		if _, err := d.WritePart(part, func(*results.PartWriter) error { return nil }); err != nil {
			return 0, nil //nolint:nilerr // as above
		}
	}
	return time.Since(start).Seconds() / parts, nil
}
