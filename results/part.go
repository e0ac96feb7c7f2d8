package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
)

// Metadata keys of a part's file.
const (
	MetaStudy         = "headroom.study"
	MetaName          = "headroom.name"
	MetaRunID         = "headroom.run_id"
	MetaEngine        = "headroom.engine_version"
	MetaSchemaVersion = "headroom.schema_version"
	MetaColumns       = "headroom.columns"
)

// PartWriter takes the cases of one part, in order. It is not safe for
// concurrent use.
type PartWriter struct {
	encoder *partEncoder
	lo, hi  int64
	next    int64 // the lowest case id that may come
	rows    int64
	status  tally
	reason  tally
}

// Write adds an evaluated case to the part, as a row. The row is copied. Case
// ids must rise and lie in the part's range, floats must be finite.
func (w *PartWriter) Write(row *Row) error {
	if err := w.WriteCounted(row); err != nil {
		return err
	}
	w.count(row.Status, row.Reason)
	return nil
}

// WriteCounted is Write for a case that [PartWriter.Drop] has counted: rows that
// are chosen when all cases of the part are known.
func (w *PartWriter) WriteCounted(row *Row) error {
	if row.CaseID < w.next || row.CaseID >= w.hi {
		return fmt.Errorf("results: case %d cannot follow here: the part takes cases from %d up to %d", row.CaseID, w.next, w.hi-1)
	}
	if err := checkFinite(row); err != nil {
		return err
	}
	w.next = row.CaseID + 1
	w.rows++
	return w.encoder.write(row)
}

// Drop counts an evaluated case that the study does not keep as a row.
func (w *PartWriter) Drop(status, reason string) { w.count(status, reason) }

func (w *PartWriter) count(status, reason string) {
	w.status.add(status)
	if reason != "" {
		w.reason.add(reason)
	}
}

func (w *PartWriter) counts() (Counts, error) {
	c := newCounts()
	w.status.into(c.Status)
	w.reason.into(c.Reason)
	for status, n := range c.Status {
		switch status {
		case StatusFits, StatusOOM, StatusRuledOut, StatusInternal:
			c.Cases += n
		default:
			return c, fmt.Errorf("results: unknown status %q", status)
		}
	}
	if c.Cases > w.hi-w.lo {
		return c, fmt.Errorf("results: %d cases in a part of %d", c.Cases, w.hi-w.lo)
	}
	return c, nil
}

// tally counts names that tend to come in runs.
type tally struct {
	last   string
	n      int64
	counts map[string]int64
}

func (t *tally) add(name string) {
	if name != t.last {
		t.settle()
		t.last = name
	}
	t.n++
}

func (t *tally) settle() {
	if t.n == 0 {
		return
	}
	if t.counts == nil {
		t.counts = map[string]int64{}
	}
	t.counts[t.last] += t.n
	t.n = 0
}

func (t *tally) into(m map[string]int64) {
	t.settle()
	for k, n := range t.counts {
		m[k] += n
	}
}

// WritePart makes a part: fill hands its cases to the writer, in order. The part
// is committed when WritePart returns without an error, and otherwise leaves no
// trace. A part that is done is not made again: fill is not called.
//
// The error of fill is returned as it is; otherwise the error is an [*IOError],
// or a [*NondeterministicError] if the part was committed before with other
// bytes.
func (d *Dataset) WritePart(part int, fill func(*PartWriter) error) (Marker, error) {
	if part < 0 || part >= d.parts {
		return Marker{}, fmt.Errorf("results: part %d of %d", part, d.parts)
	}
	if m, done, err := d.committed(part); done || err != nil {
		return m, err
	}
	return d.makePart(part, fill)
}

// RewritePart is [Dataset.WritePart] for a part whose file is not sound: a new
// file takes its place.
func (d *Dataset) RewritePart(part int, fill func(*PartWriter) error) (Marker, error) {
	if part < 0 || part >= d.parts {
		return Marker{}, fmt.Errorf("results: part %d of %d", part, d.parts)
	}
	return d.makePart(part, fill)
}

// makePart writes and commits a part, whatever is there.
func (d *Dataset) makePart(part int, fill func(*PartWriter) error) (Marker, error) {
	temp := d.temp(d.number(part), ".parquet")
	m, err := d.encodePart(part, temp, fill)
	if err != nil {
		return Marker{}, err
	}
	err = d.commitPart(m, temp)
	if errors.Is(err, fs.ErrNotExist) {
		// A faster attempt at the same part sweeps our files away when it is done.
		if other, done, _ := d.committed(part); done && other.SHA256 == m.SHA256 {
			err = nil
		}
	}
	if err != nil {
		_ = d.fs.Remove(temp) // gone already, or of no use to anybody
		return Marker{}, err
	}
	return m, d.sweep(d.number(part) + ".")
}

// encodePart writes a part's rows durably to a temporary file, or removes it.
func (d *Dataset) encodePart(part int, temp string, fill func(*PartWriter) error) (Marker, error) {
	f, err := d.fs.Create(temp)
	if err != nil {
		return Marker{}, ioError("writing", temp, err)
	}
	sink := &hashingWriter{w: f, h: sha256.New()}
	lo, hi := d.Range(part)
	w := &PartWriter{lo: lo, hi: hi, next: lo}
	encoder := d.encoder()
	defer d.release(encoder)
	w.encoder, err = encoder, encoder.begin(sink, &d.plan, d.runID)
	if err == nil {
		err = fill(w)
	}
	if err == nil {
		err = w.encoder.close()
	}
	if err == nil {
		err = ioError("syncing", temp, f.Sync())
	}
	closeErr := f.Close()
	switch {
	case sink.err != nil: // what the encoder makes of it may hide the cause
		err = ioError("writing", temp, sink.err)
	case err == nil && closeErr != nil:
		err = ioError("writing", temp, closeErr)
	}
	var counts Counts
	if err == nil {
		counts, err = w.counts()
	}
	if err != nil {
		_ = d.fs.Remove(temp)
		return Marker{}, err
	}
	return Marker{
		Part: part, RunID: d.runID, FirstCase: lo, EndCase: hi, Rows: w.rows,
		Bytes: sink.n, SHA256: hex.EncodeToString(sink.h.Sum(nil)), Counts: counts,
	}, nil
}

// commitPart gives a finished file its name and publishes its marker.
func (d *Dataset) commitPart(m Marker, temp string) error {
	if err := d.checkSame(m); err != nil {
		return err
	}
	path := d.PartPath(m.Part)
	if err := d.fs.Rename(temp, path); err != nil {
		return ioError("writing", path, err)
	}
	if err := d.fs.SyncDir(filepath.Dir(path)); err != nil {
		return ioError("syncing", filepath.Dir(path), err)
	}
	b, err := m.encode()
	if err != nil {
		return fmt.Errorf("results: marker: %w", err)
	}
	marker := d.markerPath(m.Part)
	old, err := readFile(d.fs, marker)
	if err == nil && bytes.Equal(old, b) {
		return nil // the file was lost, its marker was not
	}
	// A marker that is there and cannot be read is worth nothing: replace it.
	replace := err == nil
	err = publish(d.fs, d.temp(d.number(m.Part), ".json"), marker, b, replace)
	if errors.Is(err, fs.ErrExist) {
		return d.checkSame(m) // another attempt committed in the meantime
	}
	return ioError("writing", marker, err)
}

// checkSame compares a part just made with a marker that is already there.
func (d *Dataset) checkSame(m Marker) error {
	old, err := d.Marker(m.Part)
	_, damaged := errors.AsType[*DamagedError](err)
	switch {
	case damaged || errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case old.SHA256 != m.SHA256:
		return &NondeterministicError{Part: m.Part, Committed: old.SHA256, Made: m.SHA256}
	}
	return nil
}

// hashingWriter counts and hashes what passes, and remembers the first error.
type hashingWriter struct {
	w   io.Writer
	h   hash.Hash
	n   int64
	err error
}

func (w *hashingWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.n += int64(n)
	_, _ = w.h.Write(b[:n]) // a hash does not fail
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}
