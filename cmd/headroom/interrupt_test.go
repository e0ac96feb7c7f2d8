//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stoppable is a study that takes long enough to be stopped in the middle.
const stoppable = `study: stoppable
grid:
  model: [seed-gpt2-xl, llama-3.1-8b, qwen2.5-7b]
  context: 1Ki..64Ki:1Ki
  micro_batch: 1..32
  gpus: [8, 16, 32, 64]
  tp: [1, 2, 4, 8]
  accelerator: [a100-sxm-80gb, h100-sxm, h200-sxm, b200-sxm, mi300x]
out: {part_rows: 4Ki}
`

// A stopper runs sweeps of one study in a directory and ends them early. The
// headroom on the PATH is this test binary: see TestMain.
type stopper struct {
	*testing.T
	dir string
}

func newStopper(t *testing.T) *stopper {
	s := &stopper{t, t.TempDir()}
	study := stoppable
	if testing.Short() {
		study = strings.Replace(study, "64Ki:1Ki", "16Ki:1Ki", 1)
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "study.yaml"), []byte(study), 0o666))
	return s
}

// sweep runs into out. When at least committed parts more are there than before,
// it sends the signals, one after the other. It returns the exit code, -1 after a
// kill, and what was said.
func (s *stopper) sweep(out string, committed int, signals ...os.Signal) (code int, stderr string) {
	s.Helper()
	before := len(s.parts(out))
	cmd := exec.Command("headroom", "sweep", "study.yaml", "-o", out)
	cmd.Dir = s.dir
	var said bytes.Buffer
	cmd.Stderr = &said
	require.NoError(s, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	for {
		select {
		case <-exited:
			return cmd.ProcessState.ExitCode(), said.String()
		default:
		}
		if len(signals) > 0 && len(s.parts(out)) >= before+committed {
			for _, sig := range signals {
				_ = cmd.Process.Signal(sig) // it may have ended in this instant
			}
			signals = nil
		}
		time.Sleep(time.Millisecond)
	}
}

// parts are the markers of committed parts.
func (s *stopper) parts(out string) []string {
	found, err := filepath.Glob(filepath.Join(s.dir, out, "_committed", "*.json"))
	require.NoError(s, err)
	return found
}

// tree reads a dataset, the files of attempts included.
func (s *stopper) tree(out string) map[string]string {
	s.Helper()
	return readTree(s, filepath.Join(s.dir, out))
}

// sameAsUndisturbed completes a dataset and compares it with one made in one go.
func (s *stopper) sameAsUndisturbed(out string) {
	s.Helper()
	code, said := s.sweep(out, 0)
	require.Zero(s, code, said)
	code, said = s.sweep("undisturbed.ds", 0)
	require.Zero(s, code, said)
	want, got := s.tree("undisturbed.ds"), s.tree(out)
	require.Greater(s, len(want), 50)
	require.Len(s, got, len(want))
	for name := range want {
		require.True(s, want[name] == got[name], "%s differs", name)
	}
}

// However a sweep is stopped, running it again gives the bytes of an undisturbed run.
func TestStoppedSweeps(t *testing.T) {
	s := newStopper(t)
	for name, test := range map[string]func(*stopper){"killed": killed, "interrupted": interrupted, "interrupted twice": interruptedTwice} {
		t.Run(name, func(t *testing.T) { test(&stopper{t, s.dir}) })
	}
}

func killed(s *stopper) {
	kills := 0
	for _, after := range []int{0, 1, 5, 20} {
		if code, _ := s.sweep("killed.ds", after, syscall.SIGKILL); code == -1 {
			kills++
		}
	}
	require.Positive(s, kills)
	s.sameAsUndisturbed("killed.ds")
}

func interrupted(s *stopper) {
	code, said := s.sweep("stopped.ds", 1, syscall.SIGINT)
	require.Equal(s, 130, code, said)
	require.Contains(s, said, "finishing the parts in hand; interrupt again to stop at once")
	require.Regexp(s, `interrupted: \d+ of \d+ parts of stopped\.ds are committed`, said)
	require.Contains(s, said, "hint: resume with: headroom sweep study.yaml -o stopped.ds\n")

	code, said = s.sweep("stopped.ds", 1, syscall.SIGTERM)
	require.Equal(s, 143, code, said)
	s.sameAsUndisturbed("stopped.ds")
}

func interruptedTwice(s *stopper) {
	code, said := s.sweep("twice.ds", 1, syscall.SIGINT, syscall.SIGINT)
	require.Equal(s, 130, code, said)
	s.sameAsUndisturbed("twice.ds")
}
