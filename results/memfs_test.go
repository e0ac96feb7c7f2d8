package results

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// memFS is a file system in memory that can fail at a chosen operation and knows
// what would survive a loss of power: only what was synced, entries of
// directories included.
type memFS struct {
	mu   sync.Mutex
	dirs map[string]*memDir

	ops    int              // operations so far
	failAt int              // the operation that fails, from 1; 0 for none
	err    error            // what it fails with
	dead   bool             // every operation fails from failAt on: the process is gone
	torn   bool             // the failing write leaves half of its bytes
	trace  []string         // name of each operation
	quiet  bool             // keeps no trace
	kinds  map[string]error // standing errors by operation name
}

type memDir struct {
	live, durable map[string]*memFile
	synced        bool // its own entry in its parent survives
}

type memFile struct {
	data    []byte
	durable []byte
}

var errCrash = errors.New("process killed")

func newMemFS() *memFS { return &memFS{dirs: map[string]*memDir{".": newMemDir()}} }

func newMemDir() *memDir {
	return &memDir{live: map[string]*memFile{}, durable: map[string]*memFile{}}
}

// step counts an operation and decides whether it fails.
func (m *memFS) step(op, name string) error {
	m.ops++
	if !m.quiet {
		m.trace = append(m.trace, op+" "+name)
	}
	if m.failAt > 0 && (m.ops == m.failAt || m.dead && m.ops > m.failAt) {
		return &fs.PathError{Op: op, Path: name, Err: m.err}
	}
	if err := m.kinds[op]; err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// crash ends the process; with power, what was not synced is lost.
func (m *memFS) crash(power bool) {
	m.failAt, m.dead = 0, false
	if !power {
		return
	}
	for name, d := range m.dirs {
		if !m.survives(name) {
			delete(m.dirs, name)
			continue
		}
		d.live = maps.Clone(d.durable)
		for _, f := range d.live {
			f.data = slices.Clone(f.durable)
		}
	}
}

// survives tells whether a directory and all above it are durable.
func (m *memFS) survives(dir string) bool {
	return dir == "." || m.dirs[dir] != nil && m.dirs[dir].synced && m.survives(filepath.Dir(dir))
}

func (m *memFS) find(name string) (*memDir, string, error) {
	d, ok := m.dirs[filepath.Dir(name)]
	if !ok {
		return nil, "", &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
	}
	return d, filepath.Base(name), nil
}

func (m *memFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("create", name); err != nil {
		return nil, err
	}
	d, base, err := m.find(name)
	if err != nil {
		return nil, err
	}
	if d.live[base] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	d.live[base] = &memFile{}
	return &memHandle{m, d.live[base], name}, nil
}

type memHandle struct {
	m    *memFS
	f    *memFile
	name string
}

func (h *memHandle) Write(b []byte) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.step("write", h.name); err != nil {
		n := 0
		if h.m.torn && h.m.ops == h.m.failAt {
			n = len(b) / 2
			h.f.data = append(h.f.data, b[:n]...)
		}
		return n, err
	}
	h.f.data = append(h.f.data, b...)
	return len(b), nil
}

func (h *memHandle) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.step("sync", h.name); err != nil {
		return err
	}
	h.f.durable = slices.Clone(h.f.data)
	return nil
}

func (h *memHandle) Close() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return h.m.step("close", h.name)
}

func (m *memFS) Open(name string) (Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("open", name); err != nil {
		return nil, err
	}
	d, base, err := m.find(name)
	if err != nil {
		return nil, err
	}
	if d.live[base] == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return memReader{strings.NewReader(string(d.live[base].data))}, nil
}

type memReader struct{ *strings.Reader }

func (memReader) Close() error { return nil }

func (m *memFS) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.move("rename", oldName, newName, true)
}

func (m *memFS) Link(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.move("link", oldName, newName, false)
}

func (m *memFS) move(op, oldName, newName string, rename bool) error {
	if err := m.step(op, newName); err != nil {
		return err
	}
	from, oldBase, err := m.find(oldName)
	if err != nil {
		return err
	}
	to, newBase, err := m.find(newName)
	if err != nil {
		return err
	}
	f := from.live[oldBase]
	if f == nil {
		return &fs.PathError{Op: op, Path: oldName, Err: fs.ErrNotExist}
	}
	if rename {
		delete(from.live, oldBase)
	} else if to.live[newBase] != nil {
		return &fs.PathError{Op: op, Path: newName, Err: fs.ErrExist}
	}
	to.live[newBase] = f
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("remove", name); err != nil {
		return err
	}
	d, base, err := m.find(name)
	if err != nil {
		return err
	}
	if d.live[base] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.live, base)
	return nil
}

func (m *memFS) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("list", dir); err != nil {
		return nil, err
	}
	d, ok := m.dirs[dir]
	if !ok {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	names := slices.Collect(maps.Keys(d.live))
	for sub := range m.dirs {
		if sub != dir && filepath.Dir(sub) == dir {
			names = append(names, filepath.Base(sub))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (m *memFS) Mkdir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("mkdir", dir); err != nil {
		return err
	}
	if d := m.dirs[filepath.Dir(dir)]; d != nil && d.live[filepath.Base(dir)] != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	}
	for ; m.dirs[dir] == nil; dir = filepath.Dir(dir) {
		m.dirs[dir] = newMemDir()
	}
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step("syncdir", dir); err != nil {
		return err
	}
	d, ok := m.dirs[dir]
	if !ok {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: fs.ErrNotExist}
	}
	d.durable = maps.Clone(d.live)
	for name, sub := range m.dirs {
		if filepath.Dir(name) == dir {
			sub.synced = true
		}
	}
	return nil
}

// files returns every file with its content.
func (m *memFS) files() map[string]string {
	out := map[string]string{}
	for dir, d := range m.dirs {
		for base, f := range d.live {
			out[filepath.Join(dir, base)] = string(f.data)
		}
	}
	return out
}

// memFSOf is a file system that holds these files.
func memFSOf(files map[string]string) *memFS {
	m := newMemFS()
	m.quiet = true
	for name, data := range files {
		_ = m.Mkdir(filepath.Dir(name)) // never fails here
		m.dirs[filepath.Dir(name)].live[filepath.Base(name)] = &memFile{data: []byte(data)}
	}
	return m
}
