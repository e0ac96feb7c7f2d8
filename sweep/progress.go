package sweep

import "sync/atomic"

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
	bytes               atomic.Int64
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
	Bytes         int64 `json:"bytes"` // of parts committed in this run
}

// Snapshot reads the counters.
func (p *Progress) Snapshot() Snapshot {
	return Snapshot{
		Cases: p.cases.Load(), CasesTotal: p.caseTotal.Load(), Parts: p.parts.Load(), PartsTotal: p.partsTotal.Load(),
		Resumed: p.resumed.Load(), Damaged: p.damaged.Load(), Fits: p.fits.Load(), OOM: p.oom.Load(), RuledOut: p.ruledOut.Load(),
		InternalError: p.internal.Load(), Bytes: p.bytes.Load(),
	}
}
