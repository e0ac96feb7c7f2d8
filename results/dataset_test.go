package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/internal/race"
)

// testPlan is a small study; its rows come from testRow.
func testPlan(cases, partRows int64) Plan {
	return Plan{
		Name: "test", Study: json.RawMessage(`{"grid": {"tp": [1, 2, 4]}, "study": "test"}`),
		Catalogs: "c0ffee", Engine: "0.1.0", Cases: cases, PartRows: partRows,
	}
}

// testRow is a made-up row that depends on the case alone. Its numbers mean
// nothing, but have the shape of real ones.
func testRow(id int64) Row {
	r := rand.New(rand.NewPCG(1, uint64(id)))
	row := Row{
		CaseID: id, Model: []string{"seed-gpt2-small", "llama-3.1-8b", "qwen2.5-7b"}[id/7%3],
		Accelerator: []string{"h100-sxm", "mi300x"}[id/3%2], Recipe: "bf16-mixed", Profile: "seed",
		Optimizer: "adamw", Recompute: "none", Attention: "flash", Loss: "full", Status: StatusFits,
		ContextTokens: 1024 << (id % 5), MicroBatch: 1 << (id % 3), GlobalBatch: 64, MicroBatches: 8,
		GPUs: 64, TP: 1 << (id % 4), PP: 1, VPP: 1, CP: 1, EP: 1, DP: 8, ZeRO: int32(id % 4), SP: id%2 == 1,
		ParametersTotal: 8_030_261_248, ParametersActive: 8_030_261_248, ParametersPerRank: 8_030_261_248 >> (id % 4),
		WeightsBytes: r.Int64N(1 << 36), GradientsBytes: r.Int64N(1 << 36), OptimizerBytes: r.Int64N(1 << 37),
		ActivationsBytes: r.Int64N(1 << 35), UsableBytes: 80 << 30,
		ForwardFLOPs: r.Float64() * 1e15, ModelFLOPsStep: r.Float64() * 3e15, HardwareFLOPsStep: r.Float64() * 4e15,
		OptimizerFLOPsStep: r.Float64() * 1e11, TokensPerStep: 4 << 20,
	}
	if row.Accelerator == "h100-sxm" {
		row.PriceUSDPerGPUHour = 2.99
	}
	row.PeakBytes = row.WeightsBytes + row.GradientsBytes + row.OptimizerBytes + row.ActivationsBytes
	row.HeadroomBytes = row.UsableBytes - row.PeakBytes
	if row.HeadroomBytes < 0 {
		row.Status, row.Reason = StatusOOM, "memory"
	}
	return row
}

func fillPart(d *Dataset, part int) func(*PartWriter) error {
	return func(w *PartWriter) error {
		lo, hi := d.Range(part)
		for id := lo; id < hi; id++ {
			row := testRow(id)
			if err := w.Write(&row); err != nil {
				return err
			}
		}
		return nil
	}
}

// build runs a study to its end, as a sweep does.
func build(fsys FS, dir string, plan Plan) (Manifest, error) {
	d, err := Create(fsys, dir, plan)
	if err != nil {
		return Manifest{}, err
	}
	for part := range d.Parts() {
		if _, err := d.WritePart(part, fillPart(d, part)); err != nil {
			return Manifest{}, err
		}
	}
	return d.Commit()
}

func buildDir(t *testing.T, plan Plan) *Dataset {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out.ds")
	_, err := build(OS(), dir, plan)
	require.NoError(t, err)
	d, err := Open(OS(), dir)
	require.NoError(t, err)
	return d
}

// requireFiles compares two directories without printing their bytes.
func requireFiles(t *testing.T, want, got map[string]string, msg string) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), msg)
	for name := range want {
		require.True(t, want[name] == got[name], "%s: %s differs", msg, name)
	}
}

func TestBuild(t *testing.T) {
	d := buildDir(t, testPlan(1000, 300))
	m, err := d.Commit() // again: changes nothing
	require.NoError(t, err)
	require.EqualValues(t, 1000, m.Rows)
	require.EqualValues(t, 1000, m.Cases)
	require.EqualValues(t, 1000, m.Status[StatusFits]+m.Status[StatusOOM])
	require.Equal(t, m.Status[StatusOOM], m.Reason["memory"])
	require.Len(t, m.Parts, 4)
	require.EqualValues(t, 900, m.Parts[3].FirstCase)
	require.EqualValues(t, 1000, m.Parts[3].EndCase)
	var names []string
	require.NoError(t, filepath.WalkDir(d.Dir(), func(path string, e os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(d.Dir(), path); !e.IsDir() {
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	require.Equal(t, []string{
		"_SUCCESS.json", "_committed/00000.json", "_committed/00001.json", "_committed/00002.json", "_committed/00003.json", "_plan.json",
		"data/part-00000.parquet", "data/part-00001.parquet", "data/part-00002.parquet", "data/part-00003.parquet",
	}, names)
}

// TestFaults fails, or kills, or cuts the power at every single operation in
// turn, runs the study again, and expects the bytes of an undisturbed run.
func TestFaults(t *testing.T) {
	plan := testPlan(700, 256)
	calm := newMemFS()
	_, err := build(calm, "out", plan)
	require.NoError(t, err)
	want := calm.files()
	require.NotContains(t, strings.Join(slices.Sorted(maps.Keys(want)), " "), tempDir)

	modes := []struct {
		name              string
		err               error
		dead, torn, power bool
	}{
		{name: "error", err: syscall.EIO},
		{name: "full", err: syscall.ENOSPC, torn: true},
		{name: "permission", err: syscall.EACCES, dead: true}, // lost midway, given back for the second run
		{name: "kill", err: errCrash, dead: true, torn: true},
		{name: "power", err: errCrash, dead: true, torn: true, power: true},
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			stride := 1
			if race.Enabled {
				stride = 7 // the order of operations is the same without the detector
			}
			for at := 1; at <= calm.ops; at += stride {
				m := newMemFS()
				m.failAt, m.err, m.dead, m.torn = at, mode.err, mode.dead, mode.torn
				_, err := build(m, "out", plan)
				op := m.trace[at-1]
				if mode.dead {
					// Only the last removals may fail unseen, when all is committed.
					require.True(t, err != nil || strings.HasPrefix(op, "remove"), "operation %d, %s: no error", at, op)
				}
				if err != nil {
					require.True(t, errors.Is(err, mode.err) || strings.Contains(err.Error(), mode.err.Error()), "operation %d, %s: %v", at, op, err)
					_, isIO := errors.AsType[*IOError](err)
					require.True(t, isIO, "operation %d, %s: %v is no IOError", at, op, err)
				}
				m.crash(mode.power)
				_, err = build(m, "out", plan)
				require.NoError(t, err, "operation %d, %s", at, op)
				requireFiles(t, want, m.files(), fmt.Sprintf("operation %d, %s", at, op))
				if mode.power { // and what was reported as done survives
					m.crash(true)
					_, err = build(m, "out", plan)
					require.NoError(t, err)
					requireFiles(t, want, m.files(), op)
				}
			}
		})
	}
}

// resume ends a dataset as a sweep does: it makes what is missing, and anew what is
// damaged.
func resume(fsys FS, dir string, plan Plan) error {
	d, err := Create(fsys, dir, plan)
	if err != nil {
		return err
	}
	for part := range d.Parts() {
		done, err := d.Done(part)
		if err != nil {
			return err
		}
		sound, err := d.Sound(context.Background(), part)
		if err != nil {
			return err
		}
		write := d.WritePart
		if done && !sound {
			write = d.RewritePart
		}
		if _, err := write(part, fillPart(d, part)); err != nil {
			return err
		}
	}
	_, err = d.Commit()
	return err
}

// TestFaultsOfRepair fails at every operation while a damaged part is made anew.
func TestFaultsOfRepair(t *testing.T) {
	plan := testPlan(300, 100)
	damaged := func() (m *memFS, want map[string]string) {
		m = newMemFS()
		_, err := build(m, "out", plan)
		require.NoError(t, err)
		want = m.files()
		file := m.dirs[filepath.Join("out", dataDir)].live["part-00001.parquet"]
		file.data[len(file.data)/2] ^= 1
		m.ops, m.trace = 0, nil
		return m, want
	}
	calm, want := damaged()
	require.NoError(t, resume(calm, "out", plan))
	requireFiles(t, want, calm.files(), "calm")
	stride := 1
	if race.Enabled {
		stride = 11
	}
	for at := 1; at <= calm.ops; at += stride {
		for _, power := range []bool{false, true} {
			m, _ := damaged()
			m.failAt, m.err, m.dead, m.torn = at, errCrash, true, true
			_ = resume(m, "out", plan)
			op := m.trace[at-1]
			m.crash(power)
			require.NoError(t, resume(m, "out", plan), "operation %d, %s", at, op)
			requireFiles(t, want, m.files(), op)
		}
	}
}

// TestManyFaults crashes at random operations until a run gets through, whatever
// the crashes before it have left.
func TestManyFaults(t *testing.T) {
	plan := testPlan(500, 100)
	calm := newMemFS()
	_, err := build(calm, "out", plan)
	require.NoError(t, err)
	want := calm.files()
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	rounds := 100
	if race.Enabled {
		rounds = 10
	}
	for range rounds {
		m := newMemFS()
		var story []string
		for crashes := 0; ; crashes++ {
			// Ever later, so that it ends; a crash beyond the last operation is none.
			m.failAt = m.ops + 1 + r.IntN(30+20*crashes)
			m.err, m.dead, m.torn = errCrash, true, r.IntN(2) == 0
			err := resume(m, "out", plan)
			if err == nil {
				break
			}
			story = append(story, m.trace[m.failAt-1])
			m.crash(r.IntN(2) == 0)
		}
		m.crash(false)
		_, err := build(m, "out", plan)
		require.NoError(t, err, story)
		requireFiles(t, want, m.files(), strings.Join(story, ", "))
	}
}

// TestDoneSurvivesPower loses power right after each part is reported as done.
func TestDoneSurvivesPower(t *testing.T) {
	m := newMemFS()
	d, err := Create(m, "out", testPlan(700, 256))
	require.NoError(t, err)
	for part := range d.Parts() {
		_, err := d.WritePart(part, fillPart(d, part))
		require.NoError(t, err)
		m.crash(true)
		done, err := d.Done(part)
		require.NoError(t, err)
		require.True(t, done, part)
	}
	_, err = d.Commit()
	require.NoError(t, err)
	m.crash(true)
	require.Contains(t, m.files(), filepath.Join("out", successName))
}

// TestOrderAndBatch: bytes depend neither on the order of parts nor on the
// encoder's batches.
func TestOrderAndBatch(t *testing.T) {
	plan := testPlan(5000, 1700)
	calm := newMemFS()
	_, err := build(calm, "out", plan)
	require.NoError(t, err)

	m := newMemFS()
	d, err := Create(m, "out", plan)
	require.NoError(t, err)
	var wg sync.WaitGroup
	errs := make([]error, 2*d.Parts()) // every part twice, at once
	for i := range errs {
		wg.Go(func() {
			part := d.Parts() - 1 - i%d.Parts()
			_, errs[i] = d.WritePart(part, fillPart(d, part))
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	_, err = d.Commit()
	require.NoError(t, err)
	requireFiles(t, calm.files(), m.files(), "two attempts")
}

func TestOtherStudy(t *testing.T) {
	m := newMemFS()
	_, err := build(m, "out", testPlan(100, 50))
	require.NoError(t, err)
	before := m.files()
	f := func(change func(*Plan), want ...string) {
		t.Helper()
		p := testPlan(100, 50)
		change(&p)
		_, err := Create(m, "out", p)
		other, ok := errors.AsType[*OtherStudyError](err)
		require.True(t, ok, err)
		require.Equal(t, want, other.Diff)
		require.NotEmpty(t, other.Hint())
	}
	f(func(p *Plan) { p.Engine = "0.2.0" }, `engine_version: "0.1.0" in the dataset, "0.2.0" now`)
	f(func(p *Plan) { p.Cases = 101 }, `cases: 100 in the dataset, 101 now`)
	f(func(p *Plan) { p.Study = json.RawMessage(`{"study": "test", "grid": {"tp": [1, 2], "pp": [1]}}`) },
		`study.grid.pp: not set in the dataset, [1] now`, `study.grid.tp: [1,2,4] in the dataset, [1,2] now`)
	requireFiles(t, before, m.files(), "untouched")

	p := testPlan(100, 50)
	p.Study = json.RawMessage("{\n  \"study\": \"test\", \"grid\": {\"tp\": [1,2,4]}}")
	_, err = Create(m, "out", p) // the same in other words
	require.NoError(t, err)
}

func TestPlanProblems(t *testing.T) {
	_, err := Create(newMemFS(), "out", Plan{Cases: -1, Study: json.RawMessage("{")})
	require.EqualError(t, err, "results: plan: cases is -1: must not be negative\npart_rows is 0: must be at least 1\nstudy is not JSON: unexpected EOF")
	_, err = Create(newMemFS(), "out", testPlan(1<<40, 1))
	require.ErrorContains(t, err, "use at least 1099512 rows a part")
}

func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o666))
	_, err := Create(OS(), dir, testPlan(10, 10))
	_, ok := errors.AsType[*NotDatasetError](err)
	require.True(t, ok, err)
	require.ErrorContains(t, err, "holds thesis.tex")
	_, err = Open(OS(), dir)
	require.ErrorContains(t, err, "it has no _plan.json")

	_, err = Create(OS(), filepath.Join(dir, "thesis.tex"), testPlan(10, 10))
	io, ok := errors.AsType[*IOError](err)
	require.True(t, ok, err)
	require.Contains(t, io.Hint(), "a file stands where a directory is needed")

	_, err = Open(OS(), filepath.Join(dir, "nowhere"))
	io, ok = errors.AsType[*IOError](err)
	require.True(t, ok, err)
	require.Equal(t, "check the path", io.Hint())

	d, err := Create(OS(), filepath.Join(dir, "ein Ordner", "größe 训练 "), testPlan(100, 64))
	require.NoError(t, err)
	for part := range d.Parts() {
		_, err := d.WritePart(part, fillPart(d, part))
		require.NoError(t, err)
	}
	_, err = d.Commit()
	require.NoError(t, err)
}

func TestFull(t *testing.T) {
	m := newMemFS()
	d, err := Create(m, "out", testPlan(100, 50))
	require.NoError(t, err)
	m.kinds = map[string]error{"write": syscall.ENOSPC}
	_, err = d.WritePart(0, fillPart(d, 0))
	full, ok := errors.AsType[*IOError](err)
	require.True(t, ok, err)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Contains(t, full.Hint(), "free some space")

	m.kinds = map[string]error{"create": syscall.EROFS}
	_, err = d.WritePart(0, fillPart(d, 0))
	readOnly, ok := errors.AsType[*IOError](err)
	require.True(t, ok, err)
	require.Contains(t, readOnly.Hint(), "make the directory accessible")
}

func TestMissingParts(t *testing.T) {
	m := newMemFS()
	d, err := Create(m, "out", testPlan(200, 10))
	require.NoError(t, err)
	for part := range d.Parts() {
		if part == 3 || part >= 17 {
			continue
		}
		_, err := d.WritePart(part, fillPart(d, part))
		require.NoError(t, err)
	}
	_, err = d.Commit()
	incomplete, ok := errors.AsType[*IncompleteError](err)
	require.True(t, ok, err)
	require.Equal(t, "3,17-19", incomplete.Ranges())
	require.EqualError(t, err, "out is incomplete: 4 of 20 parts are missing: 3,17-19")
}

func TestLostAndDamagedFiles(t *testing.T) {
	m := newMemFS()
	plan := testPlan(100, 50)
	_, err := build(m, "out", plan)
	require.NoError(t, err)
	want := m.files()
	f := func(name string, damage func(*memFile) *memFile) {
		t.Helper()
		dir := m.dirs[filepath.Join("out", filepath.Dir(name))]
		base := filepath.Base(name)
		if dir.live[base] = damage(dir.live[base]); dir.live[base] == nil {
			delete(dir.live, base)
		}
		_, err := build(m, "out", plan)
		require.NoError(t, err, name)
		requireFiles(t, want, m.files(), name)
	}
	gone := func(*memFile) *memFile { return nil }
	short := func(f *memFile) *memFile { return &memFile{data: f.data[:len(f.data)/2]} }
	for _, name := range []string{"data/part-00001.parquet", "_committed/00001.json", "_SUCCESS.json"} {
		f(name, gone)
		f(name, short)
	}
	f("_plan.json", gone)
	for _, folder := range []string{tempDir, dataDir, markerDir} {
		delete(m.dirs, filepath.Join("out", folder))
		_, err := build(m, "out", plan)
		require.NoError(t, err, folder)
		requireFiles(t, want, m.files(), folder)
	}
	// Any flipped bit of a marker is seen, and no bit of it can make a part pass
	// for another.
	marker := m.dirs[filepath.Join("out", markerDir)].live["00001.json"].data
	stride := 5
	if race.Enabled {
		stride = 97
	}
	for i := 0; i < len(marker); i += stride {
		f("_committed/00001.json", func(file *memFile) *memFile {
			data := slices.Clone(file.data)
			data[i] ^= 1 << (i % 8)
			return &memFile{data: data}
		})
	}

	m.dirs["out"].live[planName].data = []byte(`{"run_id": "x"`)
	_, err = Create(m, "out", plan)
	_, ok := errors.AsType[*DamagedError](err)
	require.True(t, ok, err)
}

// A part whose file holds other bytes of the same number is done, but not sound.
func TestRewrite(t *testing.T) {
	m := newMemFS()
	plan := testPlan(100, 50)
	_, err := build(m, "out", plan)
	require.NoError(t, err)
	want := m.files()
	d, err := Create(m, "out", plan)
	require.NoError(t, err)
	sound := func(want bool) {
		t.Helper()
		got, err := d.Sound(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	sound(true)
	file := m.dirs[filepath.Join("out", dataDir)].live["part-00001.parquet"]
	file.data = slices.Clone(file.data)
	file.data[len(file.data)/2] ^= 1
	done, err := d.Done(1)
	require.NoError(t, err)
	require.True(t, done)
	sound(false)
	_, err = d.RewritePart(1, fillPart(d, 1))
	require.NoError(t, err)
	sound(true)
	requireFiles(t, want, m.files(), "rewritten")
	_, err = d.RewritePart(2, fillPart(d, 1))
	require.EqualError(t, err, "results: part 2 of 2")
}

func TestNondeterminism(t *testing.T) {
	m := newMemFS()
	plan := testPlan(100, 50)
	_, err := build(m, "out", plan)
	require.NoError(t, err)
	part := filepath.Join("out", dataDir)
	delete(m.dirs[part].live, "part-00001.parquet")
	d, err := Create(m, "out", plan)
	require.NoError(t, err)
	before := m.files()
	_, err = d.WritePart(1, func(w *PartWriter) error { return nil })
	_, ok := errors.AsType[*NondeterministicError](err)
	require.True(t, ok, err)
	requireFiles(t, before, m.files(), "untouched")
}

func TestWriterRefuses(t *testing.T) {
	d, err := Create(newMemFS(), "out", testPlan(100, 50))
	require.NoError(t, err)
	f := func(want string, fill func(w *PartWriter) error) {
		t.Helper()
		_, err := d.WritePart(1, fill)
		require.EqualError(t, err, want)
		left, err := d.fs.List(filepath.Join("out", tempDir))
		require.NoError(t, err)
		require.Empty(t, left)
	}
	write := func(ids ...int64) func(w *PartWriter) error {
		return func(w *PartWriter) error {
			for _, id := range ids {
				if err := w.Write(&Row{CaseID: id, Status: StatusFits}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	f("results: case 49 cannot follow here: the part takes cases from 50 up to 99", write(49))
	f("results: case 100 cannot follow here: the part takes cases from 50 up to 99", write(100))
	f("results: case 60 cannot follow here: the part takes cases from 61 up to 99", write(60, 60))
	f("results: case 50: forward_causal_flops is NaN; a row holds finite numbers only", func(w *PartWriter) error {
		zero := 0.0
		return w.Write(&Row{CaseID: 50, Status: StatusFits, ForwardFLOPs: zero / zero})
	})
	f(`results: unknown status "fine"`, func(w *PartWriter) error { w.Drop("fine", ""); return nil })
	f("stop", func(w *PartWriter) error { return errors.New("stop") })
	f("results: 51 cases in a part of 50", func(w *PartWriter) error {
		for range 51 {
			w.Drop(StatusFits, "")
		}
		return nil
	})
	_, err = d.WritePart(2, write())
	require.EqualError(t, err, "results: part 2 of 2")
}

// Many parts of a row each.
func TestManyParts(t *testing.T) {
	parts := 1_000 // .ci/faults makes ten thousand on a disk
	if testing.Short() {
		parts = 100
	}
	m := newMemFS()
	m.quiet = true
	plan := testPlan(int64(parts), 1)
	d, err := Create(m, "out", plan)
	require.NoError(t, err)
	row := Row{Status: StatusRuledOut, Reason: "tp_heads"}
	for part := range parts {
		_, err := d.WritePart(part, func(w *PartWriter) error {
			row.CaseID = int64(part)
			return w.Write(&row)
		})
		require.NoError(t, err)
	}
	man, err := d.Commit()
	require.NoError(t, err)
	require.Len(t, man.Parts, parts)
	missing, err := d.Missing()
	require.NoError(t, err)
	require.Empty(t, missing)
	v, err := d.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.Sound())
	require.Equal(t, parts, v.Parts)
	row, err = d.Lookup(t.Context(), 77)
	require.NoError(t, err)
	require.EqualValues(t, 77, row.CaseID)
	require.Empty(t, m.dirs[filepath.Join("out", tempDir)].live)
}

func TestDrop(t *testing.T) {
	m := newMemFS()
	d, err := Create(m, "out", testPlan(100, 100))
	require.NoError(t, err)
	_, err = d.WritePart(0, func(w *PartWriter) error {
		for id := range int64(90) {
			row := testRow(id)
			if row.Status != StatusFits {
				w.Drop(row.Status, row.Reason)
			} else if err := w.Write(&row); err != nil {
				return err
			}
		}
		w.Drop(StatusRuledOut, "tp_heads")
		return nil
	})
	require.NoError(t, err)
	man, err := d.Commit()
	require.NoError(t, err)
	require.EqualValues(t, 91, man.Cases)
	require.Equal(t, man.Rows, man.Status[StatusFits])
	require.EqualValues(t, 1, man.Reason["tp_heads"])
	require.Equal(t, man.Status[StatusOOM], man.Reason["memory"])
}

func TestEmptyStudy(t *testing.T) {
	man, err := build(newMemFS(), "out", testPlan(0, 10))
	require.NoError(t, err)
	require.Zero(t, man.Cases)
}

func TestFormatRanges(t *testing.T) {
	f := func(want string, numbers ...int) {
		t.Helper()
		require.Equal(t, want, formatRanges(numbers))
	}
	f("")
	f("0", 0)
	f("0-1", 0, 1)
	f("3,17-19", 3, 17, 18, 19)
	f("1,3,5-6", 1, 3, 5, 6)
}

// TestSweepsAfterPart: what a killed attempt at a part left behind goes when the
// part is committed, and what belongs to other parts stays.
func TestSweepsAfterPart(t *testing.T) {
	m := newMemFS()
	d, err := Create(m, "out", testPlan(100, 50))
	require.NoError(t, err)
	tmp := m.dirs[filepath.Join("out", tempDir)]
	tmp.live["00000.dead.parquet"] = &memFile{}
	tmp.live["00001.dead.parquet"] = &memFile{}
	_, err = d.WritePart(0, fillPart(d, 0))
	require.NoError(t, err)
	require.Equal(t, []string{"00001.dead.parquet"}, slices.Collect(maps.Keys(tmp.live)))
	_, err = d.WritePart(1, fillPart(d, 1))
	require.NoError(t, err)
	require.Empty(t, tmp.live)
}

// TestReadOnly: a complete dataset needs no write, be it asked for again or read.
func TestReadOnly(t *testing.T) {
	m := newMemFS()
	plan := testPlan(100, 50)
	_, err := build(m, "out", plan)
	require.NoError(t, err)
	m.kinds = map[string]error{}
	for _, op := range []string{"create", "write", "sync", "rename", "link", "remove", "syncdir"} {
		m.kinds[op] = syscall.EROFS
	}
	man, err := build(m, "out", plan)
	require.NoError(t, err)
	require.EqualValues(t, 100, man.Rows)
	d, err := Open(m, "out")
	require.NoError(t, err)
	require.Len(t, collect(t, d, ScanOptions{}), 100)
}

// TestOS runs two attempts at every part at once on the real file system.
func TestOS(t *testing.T) {
	plan := testPlan(2000, 500)
	want := buildDir(t, plan)
	dir := filepath.Join(t.TempDir(), "out")
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() { _, errs[i] = build(OS(), dir, plan) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.NoError(t, filepath.WalkDir(want.Dir(), func(path string, e os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(want.Dir(), path); err == nil && !e.IsDir() {
			a, errA := os.ReadFile(path)
			b, errB := os.ReadFile(filepath.Join(dir, rel))
			require.NoError(t, errors.Join(errA, errB))
			require.True(t, string(a) == string(b), rel)
		}
		return err
	}))
	left, err := os.ReadDir(filepath.Join(dir, tempDir))
	require.NoError(t, err)
	require.Empty(t, left)
}
