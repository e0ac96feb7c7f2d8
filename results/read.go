package results

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
)

// Summary describes the committed parts of a dataset.
type Summary struct {
	// Manifest sums the parts that are there. Its Parts carry no run id.
	Manifest
	// Complete tells that all parts are in and the manifest is written.
	Complete bool
	// Missing are the parts that are not there, in order.
	Missing []int
}

// Summary reads the manifest, or sums the markers of a dataset that has none yet.
func (d *Dataset) Summary() (Summary, error) {
	path := filepath.Join(d.dir, successName)
	b, err := readFile(d.fs, path)
	if err == nil {
		var m Manifest
		err := decodeStrict(b, &m)
		if err == nil {
			err = d.checkManifest(&m)
		}
		if err != nil {
			return Summary{}, &DamagedError{Part: -1, Path: path, Err: err}
		}
		return Summary{Manifest: m, Complete: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Summary{}, ioError("reading", path, err)
	}
	markers, err := d.Committed()
	if err != nil {
		return Summary{}, err
	}
	m := d.manifest(markers)
	return Summary{Manifest: m, Missing: missing(markers, d.parts)}, nil
}

func (d *Dataset) checkManifest(m *Manifest) error {
	if m.RunID != d.runID || len(m.Parts) != d.parts {
		return errors.New("it does not belong to the plan beside it")
	}
	for i, part := range m.Parts {
		part.RunID = m.RunID
		if err := part.check(&d.plan, d.runID, i); err != nil {
			return err
		}
	}
	return nil
}

// ScanOptions say what to read. The zero value reads everything.
type ScanOptions struct {
	// Columns are the fields of the row that are needed; nil for all. Others
	// may be zero. The case id and the columns of Where are always read.
	Columns []string
	// Where keeps the rows that match; nil for all.
	Where *Filter
}

// Scan streams the rows of the committed parts in case order. The row is only
// valid until the next one. After an error, which is the last thing yielded,
// nothing follows: a [*DamagedError] names the part that cannot be read.
func (d *Dataset) Scan(ctx context.Context, o ScanOptions) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		s, err := d.Summary()
		if err != nil {
			yield(nil, err)
			return
		}
		cols, err := o.columns()
		if err != nil {
			yield(nil, err)
			return
		}
		matches := o.Where.matcher()
		var stop bool
		for _, part := range s.Parts {
			err := d.scanPart(ctx, part, cols, func(rows []Row) error {
				for i := range rows {
					ok, err := matches(&rows[i])
					if err != nil {
						return err
					}
					if ok && !yield(&rows[i], nil) {
						stop = true
						return errStop
					}
				}
				return nil
			})
			if stop {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// errStop ends a scan early.
var errStop = errors.New("stop")

// columns is everything a scan has to read, in order of the schema.
func (o *ScanOptions) columns() ([]Column, error) {
	if o.Columns == nil {
		return columns, nil
	}
	wanted, err := LookupColumns(o.Columns...)
	if err != nil {
		return nil, err
	}
	needed := make([]bool, len(columns))
	needed[0] = true // case_id: order, ties, errors
	for _, c := range wanted {
		needed[c.field] = true
	}
	for _, i := range o.Where.fields() {
		needed[i] = true
	}
	var cs []Column
	for i, c := range columns {
		if needed[i] {
			cs = append(cs, c)
		}
	}
	return cs, nil
}

// scanPart hands the chosen columns of a committed part to visit, batch by
// batch; the batch is reused. Not one byte is decoded before the whole file
// proves to be what was committed: the decoder trusts sizes inside of a file,
// and hashing costs a fraction of decoding.
func (d *Dataset) scanPart(ctx context.Context, m Marker, cols []Column, visit func([]Row) error) error {
	return d.openPart(ctx, m, func(f *parquet.File) error {
		return scanFile(ctx, f, cols, visit)
	})
}

// openPart verifies a part and opens it. An error of read is blamed on the part
// if it is a partError.
func (d *Dataset) openPart(ctx context.Context, m Marker, read func(*parquet.File) error) error {
	return d.withPart(ctx, m, func(r Reader) error {
		return decode(r, r.Size(), func(f *parquet.File) error {
			if f.NumRows() != m.Rows {
				return &partError{fmt.Errorf("it holds %d rows, committed were %d", f.NumRows(), m.Rows)}
			}
			return read(f)
		})
	})
}

// verifyPart compares the bytes of a part with its marker.
func (d *Dataset) verifyPart(ctx context.Context, m Marker) error {
	return d.withPart(ctx, m, func(Reader) error { return nil })
}

// withPart opens a part's file after proving that it holds what was committed.
func (d *Dataset) withPart(ctx context.Context, m Marker, use func(Reader) error) (err error) {
	path := d.PartPath(m.Part)
	defer func() {
		if fault, ok := errors.AsType[*partError](err); ok {
			err = &DamagedError{Part: m.Part, Path: path, Err: fault}
		}
	}()
	r, err := d.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &partError{errors.New("the file is gone")}
	}
	if err != nil {
		return ioError("reading", path, err)
	}
	defer func() {
		if closeErr := r.Close(); err == nil {
			err = ioError("reading", path, closeErr)
		}
	}()
	if err := verify(ctx, r, path, m); err != nil {
		return err
	}
	return use(r)
}

// partError is a fault of the file, as opposed to one of its visitor.
type partError struct{ error }

func (e *partError) Unwrap() error { return e.error }

// verify compares a file with its marker.
func verify(ctx context.Context, r Reader, path string, m Marker) error {
	if r.Size() != m.Bytes {
		return &partError{fmt.Errorf("it has %d bytes, committed were %d", r.Size(), m.Bytes)}
	}
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for at := int64(0); at < m.Bytes; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := r.ReadAt(buf[:min(int64(len(buf)), m.Bytes-at)], at)
		_, _ = h.Write(buf[:n]) // a hash does not fail
		at += int64(n)
		if err != nil && !(errors.Is(err, io.EOF) && at == m.Bytes) {
			return ioError("reading", path, err)
		}
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != m.SHA256 {
		return &partError{fmt.Errorf("its sha256 is %.12s…, committed was %.12s…", sum, m.SHA256)}
	}
	return nil
}

// decode opens Parquet bytes.
func decode(r io.ReaderAt, size int64, read func(*parquet.File) error) error {
	var f *parquet.File
	err := guard(func() (err error) {
		// The decoder reserves what the last bytes ask for: up to 4 GiB.
		var tail [8]byte
		if _, err := r.ReadAt(tail[:], size-int64(len(tail))); err != nil {
			return fmt.Errorf("footer: %w", noEOF(err))
		}
		if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size-12 {
			return fmt.Errorf("footer of %d bytes in a file of %d", n, size)
		}
		// A section keeps a footer that lies about its place from reading beyond.
		f, err = parquet.OpenFile(io.NewSectionReader(r, 0, size), size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
		return err
	})
	if err != nil {
		return err
	}
	return read(f)
}

// guard runs the decoder: its errors, and its panics, are faults of the file.
func guard(decode func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &partError{fmt.Errorf("decoding: %v", p)}
		}
	}()
	if err := decode(); err != nil {
		return &partError{err}
	}
	return nil
}
