package sweep

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/results"
)

// A faultyFS is the host's file system, of which every operation fails from a
// chosen one on: a disk that fills up, a permission that is taken away.
type faultyFS struct {
	results.FS
	left atomic.Int64 // operations before the fault
	err  error
}

func (f *faultyFS) fault() error {
	if f.left.Add(-1) < 0 {
		return f.err
	}
	return nil
}

func (f *faultyFS) Create(name string) (results.File, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name)
	return &faultyFile{file, f}, err
}

func (f *faultyFS) Open(name string) (results.Reader, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.FS.Open(name)
}

func (f *faultyFS) Rename(oldName, newName string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.FS.Rename(oldName, newName)
}

func (f *faultyFS) Link(oldName, newName string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.FS.Link(oldName, newName)
}

func (f *faultyFS) Remove(name string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *faultyFS) List(dir string) ([]string, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.FS.List(dir)
}

func (f *faultyFS) Mkdir(dir string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.FS.Mkdir(dir)
}

func (f *faultyFS) SyncDir(dir string) error {
	if err := f.fault(); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}

type faultyFile struct {
	results.File
	fs *faultyFS
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if err := f.fs.fault(); err != nil {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, err
	}
	return f.File.Write(b)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.fault(); err != nil {
		return err
	}
	return f.File.Sync()
}

// A whole sweep whose disk fails somewhere, with several workers: the error says
// so, and the next run ends with the bytes of an undisturbed one.
func TestSweepOnFailingDisk(t *testing.T) {
	study := loadText(t, varied, "accelerator=h100-sxm", "out.part_rows=300")
	study.Out.Dir = filepath.Join(t.TempDir(), "calm.ds")
	counting := &faultyFS{FS: results.OS()}
	counting.left.Store(1 << 40)
	_, err := Run(context.Background(), study, Options{Workers: 2, FS: counting})
	require.NoError(t, err)
	want := contents(t, study.Out.Dir)
	operations := 1<<40 - counting.left.Load()
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, fault := range []error{syscall.ENOSPC, syscall.EACCES, syscall.EROFS, syscall.EIO, syscall.EDQUOT} {
		for range 3 {
			study.Out.Dir = filepath.Join(t.TempDir(), "x.ds")
			disk := &faultyFS{FS: results.OS(), err: fault}
			at := r.Int64N(operations)
			disk.left.Store(at)
			_, err := Run(context.Background(), study, Options{Workers: 3, FS: disk})
			if err != nil {
				require.ErrorIs(t, err, fault, "operation %d", at)
				var io *results.IOError
				require.ErrorAs(t, err, &io)
				require.NotEmpty(t, io.Hint())
			}
			sum := run(t, study, Options{Workers: 2})
			require.True(t, sum.Complete)
			require.Equal(t, want, contents(t, study.Out.Dir), "%v at operation %d", fault, at)
		}
	}
}
