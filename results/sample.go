package results

import (
	"crypto/sha256"
	"io"
	"math"
)

// A Sample encodes rows as parts do, run by run, to learn what parts would take.
// Nothing is kept. It is not safe for concurrent use.
type Sample struct {
	encoder *partEncoder
	sink    hashingWriter
	empty   int64 // bytes of a file without rows
}

// A RunSize is what a run of rows took, in bytes.
type RunSize struct{ Rows, Pages, Dictionaries int64 }

// NewSample begins a sample of a plan's rows.
func NewSample(p *Plan) (*Sample, error) {
	s := &Sample{encoder: new(partEncoder), sink: hashingWriter{w: io.Discard, h: sha256.New()}}
	begin := func() error { return s.encoder.begin(&s.sink, p, p.RunID()) }
	if err := begin(); err != nil {
		return nil, err
	}
	if err := s.encoder.close(); err != nil {
		return nil, err
	}
	s.empty = s.sink.n
	return s, begin()
}

// Write adds a row to the run.
func (s *Sample) Write(row *Row) error {
	if err := checkFinite(row); err != nil {
		return err
	}
	return s.encoder.write(row)
}

// EndRun ends a run of neighbouring rows: it makes a row group of its own.
func (s *Sample) EndRun() (r RunSize, err error) {
	e := s.encoder
	if err := e.flush(); err != nil {
		return r, err
	}
	if err := e.endGroup(); err != nil {
		return r, err
	}
	for i := range e.groups {
		r.Rows += e.groups[i].rows
		for _, x := range e.groups[i].columns {
			d := int64(0)
			if x.dictionary > 0 {
				d = x.data - x.dictionary
			}
			r.Dictionaries += d
			r.Pages += x.compressed - d
		}
	}
	e.groups = e.groups[:0]
	return r, nil
}

// Bytes that a page and a column chunk take whatever they hold: header and frame of a
// page, its place in the indexes, the chunk's in the footer.
const (
	pageBytes           = 36
	indexBytesPerPage   = 30
	footerBytesPerChunk = 85
)

// Bytes estimates the size of a part with so many rows like those of runs.
//
// A row group is like a run, but longer: its pages are as many bytes a row, and its
// dictionaries grow more slowly, about as the square root of the rows, for
// neighbouring cases repeat each other.
func (s *Sample) Bytes(runs []RunSize, rows int64) int64 {
	var all RunSize
	var runPages int64
	for _, r := range runs {
		runPages += (r.Rows + pageRows - 1) / pageRows
		all.Rows, all.Pages, all.Dictionaries = all.Rows+r.Rows, all.Pages+r.Pages, all.Dictionaries+r.Dictionaries
	}
	if rows == 0 || all.Rows == 0 {
		return s.empty
	}
	groups := (rows + rowGroupRows - 1) / rowGroupRows
	pages := (rows + pageRows - 1) / pageRows
	run := float64(all.Rows) / float64(len(runs))
	group := float64(min(rows, rowGroupRows))
	size := float64(s.empty)
	values := max(all.Pages-pageBytes*runPages*int64(len(columns)), 0)
	size += float64(values) / float64(all.Rows) * float64(rows)
	size += float64(all.Dictionaries) / float64(len(runs)) * math.Sqrt(group/run) * float64(groups)
	size += float64(len(columns)) * float64((pageBytes+indexBytesPerPage)*pages+footerBytesPerChunk*groups)
	return int64(size)
}
