package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// On a terminal the last column folds to its width; elsewhere a row is a line.
func TestTableFolds(t *testing.T) {
	f := func(tty bool, columns int, want string) {
		t.Helper()
		var b bytes.Buffer
		x := table("name", ">n", "meaning")
		x.add("a", "1", "short")
		x.add("bb", "22", "memory that a process can allocate on the accelerator")
		x.write(&stream{Writer: &b, TTY: tty, Columns: func() int { return columns }}, " ", plain)
		require.Equal(t, want, b.String())
	}
	whole := " name   n  meaning\n a      1  short\n bb    22  memory that a process can allocate on the accelerator\n"
	f(false, 40, whole)
	f(true, 200, whole)
	f(true, 30, whole) // too narrow to be of use
	f(true, 40, " name   n  meaning\n a      1  short\n bb    22  memory that a process can\n           allocate on the accelerator\n")
}
