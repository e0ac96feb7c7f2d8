package sweep

import (
	"cmp"
	"sync"
	"sync/atomic"

	"headroom/results"
)

// Progress counts what a running sweep has done. Workers add to it, one
// goroutine of the caller reads [Progress.Snapshot] and draws. The zero value is
// ready; it must not be copied.
type Progress struct {
	cases, caseTotal    atomic.Int64
	parts, partsTotal   atomic.Int64
	resumed             atomic.Int64 // parts that were committed before
	damaged             atomic.Int64 // parts that were committed and are made anew
	fits, oom, ruledOut atomic.Int64
	internal            atomic.Int64
	rows, bytes         atomic.Int64

	mu   sync.Mutex
	best Best
}

// A Best is the best case that a run has seen: of the largest model that fits the
// cheapest run, or the fastest where nothing has a price. The zero value is none.
type Best struct {
	CaseID                int64   `json:"case_id"`
	Model                 string  `json:"model"`
	Accelerator           string  `json:"accelerator"`
	GPUs                  int32   `json:"gpus"`
	CostUSD               float64 `json:"cost_usd,omitempty"` // 0 without a price or tokens
	TokensPerSecondPerGPU float64 `json:"tokens_per_second_per_gpu,omitempty"`
	HeadroomBytes         int64   `json:"headroom_bytes"`
	parameters            int64
}

// beats says whether b comes before another case. The lowest case id wins a tie,
// so that the answer does not depend on which worker is faster.
func (b *Best) beats(o *Best) bool {
	if b.parameters != o.parameters {
		return b.parameters > o.parameters // also over none, which has no parameters
	}
	if (b.CostUSD == 0) != (o.CostUSD == 0) {
		return o.CostUSD == 0
	}
	return cmp.Or(
		cmp.Compare(b.CostUSD, o.CostUSD),
		cmp.Compare(o.TokensPerSecondPerGPU, b.TokensPerSecondPerGPU),
		cmp.Compare(o.HeadroomBytes, b.HeadroomBytes),
		cmp.Compare(b.CaseID, o.CaseID),
	) < 0
}

// offer takes a row that fits if it is better. Most rows lose at once, by size.
func (b *Best) offer(row *results.Row) {
	if row.ParametersTotal < b.parameters {
		return
	}
	o := Best{
		CaseID: row.CaseID, Model: row.Model, Accelerator: row.Accelerator, GPUs: row.GPUs, CostUSD: row.CostUSD,
		TokensPerSecondPerGPU: row.TokensPerSecondPerGPU, HeadroomBytes: row.HeadroomBytes, parameters: row.ParametersTotal,
	}
	if o.beats(b) {
		*b = o
	}
}

// offer takes the best case of a worker.
func (p *Progress) offer(b *Best) {
	if b.parameters == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.beats(&p.best) {
		p.best = *b
	}
}

// A Snapshot is the state of a sweep at one moment. Counts of cases move as they
// are evaluated, those of parts and bytes as parts are committed.
type Snapshot struct {
	Cases         int64 `json:"cases"`       // evaluated in this run
	CasesTotal    int64 `json:"cases_total"` // to evaluate in this run
	Parts         int64 `json:"parts"`       // committed in this run
	PartsTotal    int64 `json:"parts_total"` // of this run, those resumed left out
	Resumed       int64 `json:"resumed"`     // parts committed before this run
	Damaged       int64 `json:"damaged"`     // parts whose file did not hold what was committed
	Fits          int64 `json:"fits"`
	OOM           int64 `json:"oom"`
	RuledOut      int64 `json:"ruled_out"`
	InternalError int64 `json:"internal"`
	Rows          int64 `json:"rows"`           // of parts committed in this run
	Bytes         int64 `json:"bytes"`          // of parts committed in this run
	Best          *Best `json:"best,omitempty"` // nil while nothing fits
}

// Snapshot reads the counters.
func (p *Progress) Snapshot() Snapshot {
	s := Snapshot{
		Cases: p.cases.Load(), CasesTotal: p.caseTotal.Load(), Parts: p.parts.Load(), PartsTotal: p.partsTotal.Load(),
		Resumed: p.resumed.Load(), Damaged: p.damaged.Load(), Fits: p.fits.Load(), OOM: p.oom.Load(), RuledOut: p.ruledOut.Load(),
		InternalError: p.internal.Load(), Rows: p.rows.Load(), Bytes: p.bytes.Load(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.best.parameters > 0 {
		best := p.best
		s.Best = &best
	}
	return s
}

// An Event is something that happens while a sweep runs: what a log holds.
type Event struct {
	Kind    EventKind
	Part    int            // of Committed and Damaged
	Marker  results.Marker // of Committed
	Failure Failure        // of Failed; only the first few are told
}

// An EventKind is what happened.
type EventKind uint8

const (
	Committed EventKind = iota // a part was committed
	Damaged                    // a part does not hold what was committed: it is made anew
	Failed                     // the evaluation of a case panicked
)
