package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Verification is what [Dataset.Verify] found.
type Verification struct {
	// Parts and Bytes were compared with their markers.
	Parts int
	Bytes int64
	// Damaged are the files that do not hold what was committed.
	Damaged []*DamagedError
	// Missing are the parts that were never committed, in order.
	Missing []int
	// Strange are files among the parts that are no part's. Tools that read every
	// file of the directory would read them, too.
	Strange []string
}

// Sound tells that nothing is damaged and nothing strange lies about. A sound
// dataset may still be incomplete.
func (v *Verification) Sound() bool { return len(v.Damaged) == 0 && len(v.Strange) == 0 }

// Verify hashes every committed part and compares it with its marker, and the
// manifest with the markers. An error is one of the file system or the context;
// damage is a result.
func (d *Dataset) Verify(ctx context.Context) (Verification, error) {
	var v Verification
	damaged := func(err error) bool {
		e, ok := errors.AsType[*DamagedError](err)
		if ok {
			v.Damaged = append(v.Damaged, e)
		}
		return ok
	}
	owned := map[string]bool{}
	for part := range d.parts {
		// Also of a part without a marker: an attempt that ended between the two.
		owned[filepath.Base(d.PartPath(part))] = true
	}
	var markers []Marker
	for part := range d.parts {
		m, err := d.Marker(part)
		if errors.Is(err, fs.ErrNotExist) {
			v.Missing = append(v.Missing, part)
			continue
		}
		if damaged(err) {
			continue
		}
		if err != nil {
			return v, err
		}
		markers = append(markers, m)
		v.Parts, v.Bytes = v.Parts+1, v.Bytes+m.Bytes
		if err := d.verifyPart(ctx, m); err != nil && !damaged(err) {
			return v, err
		}
	}
	if err := d.verifyManifest(markers); err != nil && !damaged(err) {
		return v, err
	}
	dir := filepath.Join(d.dir, dataDir)
	names, err := d.fs.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return v, ioError("reading", dir, err)
	}
	for _, name := range names {
		if !owned[name] {
			v.Strange = append(v.Strange, filepath.Join(dir, name))
		}
	}
	return v, nil
}

// verifyManifest compares the manifest, if there is one, with the markers, from
// which every byte of it follows.
func (d *Dataset) verifyManifest(markers []Marker) error {
	s, err := d.Summary()
	if err != nil || !s.Complete || len(markers) < d.parts {
		return err
	}
	b, err := encodeJSON(d.manifest(markers))
	if err != nil {
		return fmt.Errorf("results: manifest: %w", err)
	}
	path := filepath.Join(d.dir, successName)
	held, err := readFile(d.fs, path)
	if err != nil {
		return ioError("reading", path, err)
	}
	if !bytes.Equal(held, b) {
		return &DamagedError{Part: -1, Path: path, Err: errors.New("it does not agree with the markers")}
	}
	return nil
}

// Sound tells whether a part is done and its file holds, byte for byte, what was
// committed. The error is one of the file system or the context.
func (d *Dataset) Sound(ctx context.Context, part int) (bool, error) {
	m, done, err := d.committed(part)
	if !done || err != nil {
		return false, err
	}
	err = d.verifyPart(ctx, m)
	if _, damaged := errors.AsType[*DamagedError](err); damaged {
		return false, nil
	}
	return err == nil, err
}

// Discard removes damaged files, so that the next sweep of the same study makes
// them anew. What else the dataset holds stays.
func (d *Dataset) Discard(damaged []*DamagedError) error {
	for _, e := range damaged {
		if err := d.fs.Remove(e.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ioError("removing", e.Path, err)
		}
	}
	return nil
}
