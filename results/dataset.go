package results

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	planName    = "_plan.json"
	successName = "_SUCCESS.json"
	dataDir     = "data"
	markerDir   = "_committed"
	tempDir     = "_tmp"
)

// Dataset is a directory of committed parts. Its methods are safe for
// concurrent use, also by several processes over one directory.
type Dataset struct {
	fs    FS
	dir   string
	plan  Plan
	runID string
	parts int
	// schemaVersion is that of the dataset: of another program, perhaps.
	schemaVersion int

	mu   sync.Mutex
	idle []*partEncoder // kept from part to part: each holds a page of every column and an open row group
}

// encoder takes an idle encoder, or a new one.
func (d *Dataset) encoder() *partEncoder {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.idle); n > 0 {
		e := d.idle[n-1]
		d.idle = d.idle[:n-1]
		return e
	}
	return new(partEncoder)
}

func (d *Dataset) release(e *partEncoder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, e)
}

// Create makes the dataset of a plan in dir, or continues the one that is there.
// It returns an [*OtherStudyError] if dir belongs to another plan, a
// [*NotDatasetError] if it holds other things, a [*DamagedError] if its plan
// cannot be read, and an [*IOError] if the file system refuses.
func Create(fsys FS, dir string, plan Plan) (*Dataset, error) {
	if err := plan.validate(); err != nil {
		return nil, err
	}
	d := newDataset(fsys, dir, plan)
	found, err := d.readPlan()
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.lay(); err != nil {
			return nil, err
		}
		found, err = d.readPlan()
	}
	if err != nil {
		return nil, err
	}
	if found.RunID != d.runID {
		return nil, &OtherStudyError{Dir: dir, Diff: diffPlans(found, plan)}
	}
	// Tools that copy a dataset tend to leave out folders that are empty.
	return d, d.layFolders()
}

// Open opens a dataset for reading, complete or not. It returns a
// [*NotDatasetError] if dir has no plan, or an error as [Create] does.
func Open(fsys FS, dir string) (*Dataset, error) {
	found, err := newDataset(fsys, dir, Plan{PartRows: 1}).readPlan()
	if err != nil {
		if _, listErr := fsys.List(dir); errors.Is(err, fs.ErrNotExist) && listErr == nil {
			return nil, &NotDatasetError{Dir: dir}
		}
		return nil, err
	}
	if err := found.validate(); err != nil {
		return nil, &DamagedError{Part: -1, Path: filepath.Join(dir, planName), Err: err}
	}
	d := newDataset(fsys, dir, found.Plan)
	d.runID, d.schemaVersion = found.RunID, found.SchemaVersion
	return d, nil
}

func newDataset(fsys FS, dir string, plan Plan) *Dataset {
	return &Dataset{fs: fsys, dir: dir, plan: plan, runID: plan.RunID(), parts: int(plan.parts()), schemaVersion: SchemaVersion}
}

// lay makes the directories and publishes the plan. The plan comes last and
// durably, so that a directory with a plan is ready to take parts.
func (d *Dataset) lay() error {
	names, err := d.fs.List(d.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ioError("reading", d.dir, err)
	}
	for _, name := range names {
		// What starts with "_" may be ours from an attempt that was cut short.
		if name != dataDir && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, ".") {
			return &NotDatasetError{Dir: d.dir, Found: name}
		}
	}
	if err := d.layFolders(); err != nil {
		return err
	}
	if err := d.fs.SyncDir(d.dir); err != nil {
		return ioError("syncing", d.dir, err)
	}
	// A directory above that may be passed but not read cannot be synced.
	above := filepath.Dir(filepath.Clean(d.dir))
	if err := d.fs.SyncDir(above); err != nil && !errors.Is(err, fs.ErrPermission) {
		return ioError("syncing", above, err)
	}
	b, err := d.plan.encode()
	if err != nil {
		return fmt.Errorf("results: plan: %w", err)
	}
	path := filepath.Join(d.dir, planName)
	err = publish(d.fs, d.temp("plan", ".json"), path, b, false)
	if err != nil && !errors.Is(err, fs.ErrExist) { // another process may have been faster
		return ioError("writing", path, err)
	}
	return nil
}

// layFolders makes the folders that are not there yet.
func (d *Dataset) layFolders() error {
	for _, sub := range []string{tempDir, dataDir, markerDir} {
		if err := d.fs.Mkdir(filepath.Join(d.dir, sub)); err != nil {
			return ioError("making", filepath.Join(d.dir, sub), err)
		}
	}
	return nil
}

func (d *Dataset) readPlan() (planFile, error) {
	path := filepath.Join(d.dir, planName)
	b, err := readFile(d.fs, path)
	if err != nil {
		return planFile{}, ioError("reading", path, err)
	}
	var f planFile
	if err := decodeStrict(b, &f); err != nil {
		return planFile{}, &DamagedError{Part: -1, Path: path, Err: err}
	}
	if f.SchemaVersion == SchemaVersion && f.RunID != f.Plan.RunID() {
		return planFile{}, &DamagedError{Part: -1, Path: path, Err: errors.New("its run id does not match its content")}
	}
	return f, nil
}

// Dir is the directory of the dataset.
func (d *Dataset) Dir() string { return d.dir }

// Plan is what the dataset was made with.
func (d *Dataset) Plan() Plan { return d.plan }

// RunID is the identity of the plan.
func (d *Dataset) RunID() string { return d.runID }

// Parts is the number of parts, committed or not.
func (d *Dataset) Parts() int { return d.parts }

// Range is the range of case ids [lo, hi) of a part.
func (d *Dataset) Range(part int) (lo, hi int64) { return d.plan.bounds(part) }

// PartPath is the file of a part.
func (d *Dataset) PartPath(part int) string {
	return filepath.Join(d.dir, dataDir, "part-"+d.number(part)+".parquet")
}

func (d *Dataset) markerPath(part int) string {
	return filepath.Join(d.dir, markerDir, d.number(part)+".json")
}

// number is a part's number in file names, wide enough to sort by name.
func (d *Dataset) number(part int) string {
	width := max(5, len(strconv.Itoa(d.parts-1)))
	return fmt.Sprintf("%0*d", width, part)
}

// temp is a private name for one attempt.
func (d *Dataset) temp(stem, ext string) string {
	var attempt [8]byte
	_, _ = rand.Read(attempt[:]) // never fails, by its contract
	return filepath.Join(d.dir, tempDir, stem+"."+hex.EncodeToString(attempt[:])+ext)
}

// Marker reads the marker of a part. The error is a [*DamagedError] if the
// marker cannot be the one of this part, and wraps fs.ErrNotExist if the part is
// not committed.
func (d *Dataset) Marker(part int) (Marker, error) {
	path := d.markerPath(part)
	b, err := readFile(d.fs, path)
	if err != nil {
		return Marker{}, ioError("reading", path, err)
	}
	var m Marker
	if err := decodeStrict(b, &m); err != nil {
		return Marker{}, &DamagedError{Part: -1, Path: path, Err: err}
	}
	if err := m.check(&d.plan, d.runID, part); err != nil {
		return Marker{}, &DamagedError{Part: -1, Path: path, Err: err}
	}
	if intact, err := m.encode(); err != nil || !bytes.Equal(b, intact) {
		return Marker{}, &DamagedError{Part: -1, Path: path, Err: errors.New("it is not what was committed")}
	}
	return m, nil
}

// Done tells whether a part is committed: its marker holds, and its file is
// there with the size the marker states. ([Dataset.Sound] compares every byte.) A
// part that is not done can be written, whatever the reason.
func (d *Dataset) Done(part int) (bool, error) {
	_, done, err := d.committed(part)
	return done, err
}

// committed returns the marker of a part that is done.
func (d *Dataset) committed(part int) (m Marker, done bool, err error) {
	m, err = d.Marker(part)
	if _, damaged := errors.AsType[*DamagedError](err); damaged || errors.Is(err, fs.ErrNotExist) {
		return Marker{}, false, nil
	}
	if err != nil {
		return Marker{}, false, err
	}
	r, err := d.fs.Open(d.PartPath(part))
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, ioError("reading", d.PartPath(part), err)
	}
	size := r.Size()
	if err := r.Close(); err != nil {
		return m, false, ioError("reading", d.PartPath(part), err)
	}
	return m, size == m.Bytes, nil
}

// Committed returns the markers of the parts that are done, in order.
func (d *Dataset) Committed() ([]Marker, error) {
	names, err := d.fs.List(filepath.Join(d.dir, markerDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, ioError("reading", filepath.Join(d.dir, markerDir), err)
	}
	var markers []Marker
	for _, name := range names {
		part, err := strconv.Atoi(strings.TrimSuffix(name, ".json"))
		if err != nil || part < 0 || part >= d.parts || name != d.number(part)+".json" {
			continue // not a marker of ours
		}
		m, done, err := d.committed(part)
		if err != nil {
			return nil, err
		}
		if done {
			markers = append(markers, m)
		}
	}
	slices.SortFunc(markers, func(a, b Marker) int { return a.Part - b.Part })
	return markers, nil
}

// Missing returns the parts that are not done, in order.
func (d *Dataset) Missing() ([]int, error) {
	markers, err := d.Committed()
	if err != nil {
		return nil, err
	}
	return missing(markers, d.parts), nil
}

func missing(markers []Marker, parts int) []int {
	var out []int
	for part, next := 0, 0; part < parts; part++ {
		if next < len(markers) && markers[next].Part == part {
			next++
			continue
		}
		out = append(out, part)
	}
	return out
}

// Commit writes the manifest when every part is done, and clears what attempts
// left behind. Otherwise it returns an [*IncompleteError]. It may be called
// again at any time, and writes nothing if nothing is left to do.
func (d *Dataset) Commit() (Manifest, error) {
	markers, err := d.Committed()
	if err != nil {
		return Manifest{}, err
	}
	if lacking := missing(markers, d.parts); len(lacking) > 0 {
		return Manifest{}, &IncompleteError{Dir: d.dir, Missing: lacking, Parts: d.parts}
	}
	m := d.manifest(markers)
	b, err := encodeJSON(m)
	if err != nil {
		return Manifest{}, fmt.Errorf("results: manifest: %w", err)
	}
	path := filepath.Join(d.dir, successName)
	holds := func() bool {
		old, err := readFile(d.fs, path)
		return err == nil && bytes.Equal(old, b)
	}
	if !holds() {
		// A manifest that is damaged or outdated is derived data: replace it. If
		// our temporary file has vanished, another process has committed.
		err := publish(d.fs, d.temp("manifest", ".json"), path, b, true)
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && holds()) {
			return Manifest{}, ioError("writing", path, err)
		}
	}
	return m, d.sweep("")
}

// sweep removes what attempts left behind: the temporary files whose names start
// with prefix. It is only called for parts that are committed, so an
// attempt that still runs has nothing left to win, and finds the marker.
func (d *Dataset) sweep(prefix string) error {
	dir := filepath.Join(d.dir, tempDir)
	names, err := d.fs.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ioError("reading", dir, err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		path := filepath.Join(dir, name)
		err := d.fs.Remove(path)
		// Who may only read cannot clean either, and need not.
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			return ioError("removing", path, err)
		}
	}
	return nil
}
