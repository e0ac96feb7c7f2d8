package results

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// FS is the file system under a dataset: the few operations its commit protocol
// is made of. Names are paths of the host. Errors wrap those of [fs] (ErrExist,
// ErrNotExist, ErrPermission). An FS is safe for concurrent use.
type FS interface {
	// Create makes a new file for writing and fails with fs.ErrExist if the
	// name is taken.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (Reader, error)
	// Rename moves a file over whatever bears the new name, atomically.
	Rename(oldName, newName string) error
	// Link gives a file a second name, atomically, and fails with fs.ErrExist
	// if that name is taken.
	Link(oldName, newName string) error
	// Remove deletes a file.
	Remove(name string) error
	// List returns the names of a directory's entries, sorted.
	List(dir string) ([]string, error)
	// Mkdir makes a directory and its parents; one that exists is no error.
	Mkdir(dir string) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(dir string) error
}

// File is a file being written.
type File interface {
	io.WriteCloser
	Sync() error
}

// Reader is a file being read.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// OS is the host's file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) Create(name string) (File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (osFS) Open(name string) (Reader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: name, Err: errors.New("is a directory")}, f.Close())
	}
	return osReader{f, info.Size()}, nil
}

type osReader struct {
	*os.File
	size int64
}

func (r osReader) Size() int64 { return r.size }

func (osFS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// Link falls back to an exclusive check and a rename where the file system has
// no hard links (exFAT, some network mounts). The gap between the two only
// matters to processes that start different studies in one directory in the
// same instant.
func (osFS) Link(oldName, newName string) error {
	err := os.Link(oldName, newName)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, statErr := os.Lstat(newName); statErr == nil {
		return &os.LinkError{Op: "link", Old: oldName, New: newName, Err: fs.ErrExist}
	}
	return os.Rename(oldName, newName)
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Mkdir(dir string) error { return os.MkdirAll(dir, 0o777) }

func (osFS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be synced there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // a file system that has no such thing, as some network mounts
	}
	return errors.Join(err, d.Close())
}

// readFile reads a small file whole.
func readFile(fsys FS, name string) ([]byte, error) {
	r, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	return b, errors.Join(err, r.Close())
}

// writeSynced makes the new file name hold b durably, or removes it again.
func writeSynced(fsys FS, name string, b []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = fsys.Remove(name) // the first error is the one that matters
	}
	return err
}

// publish makes name appear with the content b, complete or not at all, and
// durably. It fails with fs.ErrExist if name is taken, unless replace is set. tmp is
// a private name in the same file system.
func publish(fsys FS, tmp, name string, b []byte, replace bool) error {
	if err := writeSynced(fsys, tmp, b); err != nil {
		return err
	}
	if replace {
		if err := fsys.Rename(tmp, name); err != nil {
			_ = fsys.Remove(tmp)
			return err
		}
		return fsys.SyncDir(filepath.Dir(name))
	}
	err := fsys.Link(tmp, name)
	// A link that had to be a rename leaves no tmp behind.
	if rmErr := fsys.Remove(tmp); err == nil && !errors.Is(rmErr, fs.ErrNotExist) {
		err = rmErr
	}
	if err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}
