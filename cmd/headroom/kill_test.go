//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headroom/results"
)

// brief is a study of many short parts, so that a kill at any moment is likely to
// meet a step of the commit protocol.
const brief = `study: brief
grid:
  model: [seed-gpt2-xl, llama-3.1-8b]
  context: [1Ki, 4Ki]
  micro_batch: 1..4
  gpus: [8, 16]
  tp: [1, 2, 8]
  accelerator: [a100-sxm-80gb, h100-sxm]
out: {part_rows: 8}
`

// newBrief is a stopper with the study and a dataset of it that nothing disturbed,
// and how long that took.
func newBrief(t *testing.T) (s *stopper, want map[string]string, took time.Duration) {
	s = &stopper{t, t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "study.yaml"), []byte(brief), 0o666))
	began := time.Now()
	code, said := s.sweep("calm.ds", 0)
	require.Zero(t, code, said)
	took = time.Since(began)
	want = s.tree("calm.ds")
	require.Len(t, want, 2*24+2, "parts and markers, plan and manifest") // nothing in _tmp
	return s, want, took
}

func (s *stopper) requireTree(want map[string]string, out string) {
	s.Helper()
	got := s.tree(out)
	for name := range got {
		require.Contains(s, want, name, out)
	}
	for name := range want {
		require.True(s, want[name] == got[name], "%s%s differs", out, name)
	}
}

// A process that is killed at a random moment, again and again, leaves a dataset in
// which everything that is committed is sound, and which ends with the bytes of an
// undisturbed run and without a temporary file.
func TestKilledAtRandomMoments(t *testing.T) {
	s, want, took := newBrief(t)
	kills := 100
	if testing.Short() {
		kills = 15
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killed, finished := 0, 0
	patience := took / 2 // of a run that is to be killed
	for killed < kills || finished == 0 {
		out := fmt.Sprintf("%d.ds", finished)
		cmd := exec.Command("headroom", "sweep", "study.yaml", "-o", out, "--quiet")
		cmd.Dir = s.dir
		var said bytes.Buffer
		cmd.Stderr = &said
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(random.Float64()*float64(patience)), func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			s.requireTree(want, out)
			require.NoError(t, os.RemoveAll(filepath.Join(s.dir, out)))
			finished++
			patience = took / 2
			continue
		}
		require.Equal(t, "signal: killed", err.Error(), said.String())
		killed++
		patience += patience / 20 // on a machine that became busy none would come to its end
		d, err := results.Open(results.OS(), filepath.Join(s.dir, out))
		if _, early := errors.AsType[*results.NotDatasetError](err); early || errors.Is(err, os.ErrNotExist) {
			continue // killed before the plan was there
		}
		require.NoError(t, err)
		v, err := d.Verify(t.Context())
		require.NoError(t, err)
		require.True(t, v.Sound(), "%v %v", v.Damaged, v.Strange)
	}
	t.Logf("calm run %v, %d kills, %d datasets finished", took, killed, finished)
}

// Several processes bring their shards to one directory, two of them the same one;
// one is killed and started again. The last to end finds the dataset complete.
func TestManyProcesses(t *testing.T) {
	s, want, _ := newBrief(t)
	const shards = 5
	start := func(out string, args ...string) *exec.Cmd {
		cmd := exec.Command("headroom", append([]string{"sweep", "study.yaml", "-o", out, "--quiet"}, args...)...)
		cmd.Dir = s.dir
		cmd.Stderr = new(bytes.Buffer)
		require.NoError(t, cmd.Start())
		return cmd
	}
	wait := func(cmds []*exec.Cmd) {
		t.Helper()
		for _, cmd := range cmds {
			require.NoError(t, cmd.Wait(), "%v: %s", cmd.Args, cmd.Stderr)
		}
	}
	var cmds []*exec.Cmd
	for i := range shards {
		cmds = append(cmds, start("shards.ds", "--shard", fmt.Sprintf("%d/%d", i+1, shards), "--workers", "1"))
	}
	unlucky := start("shards.ds", "--shard", "2/5", "--workers", "1")
	time.Sleep(20 * time.Millisecond)
	_ = unlucky.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = unlucky.Wait()
	wait(cmds)
	s.requireTree(want, "shards.ds")

	// All do everything.
	cmds = nil
	for range 4 {
		cmds = append(cmds, start("same.ds"))
	}
	wait(cmds)
	s.requireTree(want, "same.ds")

	// A process with another study is turned away whenever it comes.
	other := strings.Replace(brief, "tp: [1, 2, 8]", "tp: [1, 2, 4]", 1)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "other.yaml"), []byte(other), 0o666))
	cmd := exec.Command("headroom", "sweep", "other.yaml", "-o", "same.ds", "--quiet")
	cmd.Dir = s.dir
	require.Error(t, cmd.Run())
	require.Equal(t, exitOtherStudy, cmd.ProcessState.ExitCode())
	s.requireTree(want, "same.ds")
}
