package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// colourful is a study in which every kind of column varies: floats of time and
// money, mixtures of experts, all statuses.
const colourful = `study: colourful
grid:
  model: [gpt2, llama-3.1-8b, mixtral-8x7b, {name: odd, hidden: 384, layers: 7, vocab: 1001, heads: 6}]
  profile: [megatron, fsdp2, deepspeed]
  context: [1000, 4Ki]
  micro_batch: [1, 3]
  global_batch: [48]
  gpus: [8, 24]
  tp: [1, 2]
  pp: [1, 3]
  ep: [1, 2]
  recompute: [none, full]
  accelerator: [a100-sxm-80gb, h100-sxm, mi300x, l4]
tokens: 300B
out: {part_rows: 700}
`

// A sweeper runs the study under a program and an environment, and compares.
type sweeper struct {
	*testing.T
	dir  string
	want map[string]string
	runs int
}

func newSweeper(t *testing.T) *sweeper {
	s := &sweeper{T: t, dir: t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "study.yaml"), []byte(colourful), 0o666))
	s.want = s.run("headroom", nil)
	require.Greater(t, len(s.want), 10)
	return s
}

func (s *sweeper) run(program string, env []string, args ...string) map[string]string {
	s.Helper()
	s.runs++
	out := fmt.Sprintf("%d.ds", s.runs)
	cmd := exec.Command(program, append([]string{"sweep", "study.yaml", "-o", out, "--quiet"}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), env...)
	said, err := cmd.CombinedOutput()
	require.NoError(s, err, "%v: %s", env, said)
	return readTree(s, filepath.Join(s.dir, out))
}

// readTree is the content of every file below a directory.
func readTree(t require.TestingT, root string) map[string]string {
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, root)] = string(text)
		return err
	}))
	return files
}

func (s *sweeper) same(program string, env []string, args ...string) {
	s.Helper()
	got := s.run(program, env, args...)
	require.Len(s, got, len(s.want))
	for name := range s.want {
		require.True(s, s.want[name] == got[name], "%v %v: %s differs", env, args, name)
	}
}

// The bytes of a dataset depend neither on the number of processors or workers nor
// on the language, the time zone and the instructions that a machine offers.
func TestSameBytesInAnyEnvironment(t *testing.T) {
	s := newSweeper(t)
	most := 16
	if testing.Short() {
		most = 3
	}
	for n := 1; n <= most; n += 1 + n/4 {
		s.same("headroom", []string{fmt.Sprintf("GOMAXPROCS=%d", n)})
	}
	s.same("headroom", []string{"GOMAXPROCS=16"}, "--workers", "5")
	for _, env := range [][]string{
		{"LANG=de_DE.UTF-8", "LC_ALL=de_DE.UTF-8", "LC_NUMERIC=de_DE.UTF-8", "TZ=Asia/Kathmandu"},
		{"LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "TZ=America/St_Johns"},
		{"LANG=ar_EG.UTF-8", "LC_ALL=C", "LANGUAGE=ar", "TZ=No/Where"},
		{"LANG=", "LC_ALL=", "TZ="},
		{"GODEBUG=cpu.all=off"}, // no instruction beyond what every processor has
		{"GOGC=5"},
	} {
		s.same("headroom", env)
	}
}

// Nor on the level of instructions that the program was built for: from v3 on the
// compiler may fuse x*y + z into one instruction that rounds once.
func TestSameBytesForOtherBuilds(t *testing.T) {
	switch {
	case runtime.GOARCH != "amd64":
		t.Skip("GOAMD64 has no meaning on " + runtime.GOARCH)
	case os.Getenv("OTHER_BUILDS") == "":
		t.Skip("builds the program three times, which takes minutes: OTHER_BUILDS=1 asks for it")
	}
	s := newSweeper(t)
	for _, level := range []string{"v1", "v3", "purego"} {
		program := filepath.Join(s.dir, "headroom-"+level)
		args, env := []string{"build", "-o", program, "."}, os.Environ()
		if level == "purego" { // what other processors run in place of assembly
			args = slices.Insert(args, 1, "-tags", "purego")
		} else {
			env = append(env, "GOAMD64="+level)
		}
		build := exec.Command("go", args...)
		build.Env = env
		said, err := build.CombinedOutput()
		require.NoError(t, err, "%s", said)
		if said, err := exec.Command(program, "--version").CombinedOutput(); err != nil {
			t.Skipf("this processor runs no %s program: %s", level, said)
		}
		s.same(program, nil)
	}
}
