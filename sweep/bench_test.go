//go:build unix

package sweep

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// benchmarkStudy is what a benchmark sweeps: a preset by its name, or the plan space.
func benchmarkStudy(b *testing.B, name string, set ...string) *Study {
	if name == "plan-space" {
		return loadText(b, planSpace, set...)
	}
	src, err := Preset(name)
	require.NoError(b, err)
	src.Set = set
	s, err := Load(src)
	require.NoError(b, err)
	return s
}

// cpuSeconds is the processor time of this process, which other processes on the
// same machine do not lengthen as they do wall time.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkEvaluate turns every case of a study into a row that nobody writes:
// divisibility, memory, time and cost. cases/s/core is by processor time.
func BenchmarkEvaluate(b *testing.B) {
	for _, name := range []string{"plan-space", DefaultPreset, "seed"} {
		b.Run("study="+name, func(b *testing.B) {
			s := benchmarkStudy(b, name)
			e, err := newEngine(s)
			require.NoError(b, err)
			v := newEvaluator(e)
			cases := int64(0)
			b.ReportAllocs()
			begun := cpuSeconds(b)
			for b.Loop() {
				for c := s.grid.Cursor(0, s.Cases()); c.Next(); {
					v.next(c)
				}
				cases += s.Cases()
			}
			spent := cpuSeconds(b) - begun
			b.ReportMetric(float64(cases)/spent, "cases/s/core")
			b.ReportMetric(float64(cases)/b.Elapsed().Seconds(), "cases/s")
			b.ReportMetric(float64(s.Cases()), "cases")
		})
	}
}

// BenchmarkRun is whole sweeps, from study to committed Parquet, of all columns.
func BenchmarkRun(b *testing.B) {
	for _, x := range []struct {
		study string
		set   []string
	}{
		{"plan-space", []string{"global_batch=1536"}},
		{"plan-space", []string{"keep=fits"}},
		{DefaultPreset, nil},
		{"seed", []string{"micro_batch=1..2048", "out.part_rows=64Ki"}},
	} {
		for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
			name := fmt.Sprintf("study=%s/set=%v/workers=%d", x.study, x.set, workers)
			b.Run(name, func(b *testing.B) {
				s := benchmarkStudy(b, x.study, x.set...)
				var rows, cases, bytes int64
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				begun, start := cpuSeconds(b), time.Now()
				for b.Loop() {
					s.Out.Dir = b.TempDir()
					sum, err := Run(context.Background(), s, Options{Workers: workers})
					require.NoError(b, err)
					rows, cases, bytes = rows+sum.Rows, cases+sum.Cases, bytes+sum.Bytes
				}
				elapsed, spent := time.Since(start).Seconds(), cpuSeconds(b)-begun
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(cases)/elapsed, "cases/s")
				b.ReportMetric(float64(cases)/spent, "cases/s/core")
				b.ReportMetric(float64(rows)/spent, "rows/s/core")
				b.ReportMetric(float64(bytes)/float64(rows), "B/row")
				b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(rows), "allocs/row")
				b.ReportMetric(float64(after.Sys)/(1<<20), "MiB-from-system")
			})
		}
	}
}
