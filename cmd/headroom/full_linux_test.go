package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A real disk that fills up, and one that turns read-only under a sweep: a small
// file system in memory, which only root may mount.
func TestFullAndReadOnlyDisk(t *testing.T) {
	s, want, _ := newBrief(t)
	disk := filepath.Join(s.dir, "a disk")
	require.NoError(t, os.Mkdir(disk, 0o777))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("no file system may be mounted here: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	remount := func(flags uintptr, options string) {
		t.Helper()
		require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|flags, options))
	}
	sweep := func(code int, words ...string) {
		t.Helper()
		cmd := exec.Command("headroom", "sweep", "study.yaml", "-o", filepath.Join(disk, "x.ds"), "--quiet")
		cmd.Dir = s.dir
		var said bytes.Buffer
		cmd.Stderr = &said
		_ = cmd.Run()
		require.Equal(t, code, cmd.ProcessState.ExitCode(), said.String())
		for _, w := range words {
			require.Contains(t, said.String(), w)
		}
	}
	const out = "a disk/x.ds"
	full := []string{"no space left on device", "hint: free some space and run the same command again: committed parts are kept\n"}
	sweep(exitIO, full...)
	sweep(exitIO, full...) // again: nothing has changed
	committed := len(s.parts(out))
	require.Positive(t, committed)
	left, err := os.ReadDir(filepath.Join(disk, "x.ds", "_tmp"))
	require.NoError(t, err)
	require.Empty(t, left, "an attempt that failed takes its file away")

	remount(syscall.MS_RDONLY, "size=64m")
	sweep(exitIO, "read-only file system", "hint: make the directory accessible, or choose another output directory\n")
	require.Len(t, s.parts(out), committed)

	remount(0, "size=64m")
	sweep(exitOK)
	s.requireTree(want, out)

	remount(syscall.MS_RDONLY, "size=64m")
	sweep(exitOK) // it is complete, and nobody needs to write
}
