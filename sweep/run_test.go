package sweep

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
	"headroom/hardware"
	"headroom/results"
)

// varied is a study with every kind of axis and all outcomes: cases that fit,
// that do not, and that cannot be laid out.
const varied = `
study: varied
grid:
  model: [seed-gpt2-xl, llama-3.1-8b, {name: small, hidden: 256, layers: 5, vocab: 1000, experts: 4}]
  profile: [seed, megatron]
  recompute: [none, full]
  context: [512, 1000, 16Ki]
  micro_batch: [1, 3]
  gpus: [1, 8, 12]
  tp: [1, 2]
  pp: [1, 2, 7]
  ep: [1, 2]
  zero: [0, 1]
  accelerator: [a10g, h100-sxm, mi250x]
out: {part_rows: 500}
`

// planSpace is every parallel plan of GPT-3 175B (Brown et al. 2020, table 2.1) on
// 256 GPUs that divides, with micro-batches, ways to recompute and to attend, and
// global batches: 3 million cases.
const planSpace = `
study: plan-space
grid:
  model: [{name: gpt-3-175b, body: gpt, hidden: 12288, layers: 96, heads: 96, vocab: 50257, max_positions: 2048}]
  recompute: [none, selective, full]
  attention: [flash, unfused]
  context: [2048]
  global_batch: [256, 512, 768, 1024, 1536, 2048, 3072]
  micro_batch: 1..16
  accelerator: [a100-sxm-80gb, h100-sxm, h200-sxm, b200-sxm]
  gpus: [256]
  plan: auto
tokens: 300B
out: {part_rows: 256Ki}
`

func loadText(t testing.TB, text string, set ...string) *Study {
	t.Helper()
	s, err := Load(Source{File: "test.yaml", Data: []byte(text), Set: set})
	require.NoError(t, err)
	return s
}

// contents hashes every file under a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files[rel] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	}))
	return files
}

func run(t *testing.T, s *Study, opt Options) Summary {
	t.Helper()
	sum, err := Run(context.Background(), s, opt)
	require.NoError(t, err)
	return sum
}

// The dataset's bytes depend on the study alone: not on the number of workers,
// on shards and their order, on interruptions or on a second run.
func TestSameBytesHoweverItRuns(t *testing.T) {
	study := func() *Study {
		s := loadText(t, varied)
		s.Out.Dir = t.TempDir()
		return s
	}
	first := study()
	sum := run(t, first, Options{Workers: 1})
	require.True(t, sum.Complete)
	require.Equal(t, first.Cases(), sum.Cases)
	require.Equal(t, sum.Cases, sum.Rows)
	require.Equal(t, int(math.Ceil(float64(sum.Cases)/500)), sum.Written)
	for _, status := range []string{results.StatusFits, results.StatusOOM, results.StatusRuledOut} {
		require.NotZero(t, sum.Status[status], status)
	}
	want := contents(t, first.Out.Dir)

	for _, workers := range []int{2, 7} {
		s := study()
		require.Equal(t, sum.Status, run(t, s, Options{Workers: workers}).Status)
		require.Equal(t, want, contents(t, s.Out.Dir), "%d workers", workers)
	}

	sharded := study()
	for i, index := range []int{3, 1, 2} {
		part := run(t, sharded, Options{Workers: 2, Shard: Shard{index, 3}})
		require.Equal(t, i == 2, part.Complete)
	}
	require.Equal(t, want, contents(t, sharded.Out.Dir), "shards")

	again := run(t, sharded, Options{})
	require.True(t, again.Complete)
	require.Zero(t, again.Written)
	require.Equal(t, again.Parts, again.Resumed)
	require.Equal(t, want, contents(t, sharded.Out.Dir), "a second run")

	for _, at := range []int64{0, 499, 700, 2345, first.Cases() - 1} {
		interrupted := study()
		ctx, cancel := context.WithCancel(context.Background())
		sum, err := Run(ctx, interrupted, Options{Workers: 2, onCase: func(i int64) {
			if i == at {
				cancel()
			}
		}})
		if !sum.Complete { // the last part in hand may be the last of all
			require.ErrorIs(t, err, ErrInterrupted)
			require.Positive(t, sum.Done, "the part in hand is committed")
		}
		require.True(t, run(t, interrupted, Options{Workers: 2}).Complete)
		require.Equal(t, want, contents(t, interrupted.Out.Dir), "interrupted at %d", at)
	}

	for _, at := range []int64{0, 700, 2345} {
		killed := study()
		kill := make(chan struct{})
		var once atomic.Bool
		_, err := Run(context.Background(), killed, Options{Workers: 2, Kill: kill, onCase: func(i int64) {
			if i == at && once.CompareAndSwap(false, true) {
				close(kill)
			}
		}})
		require.ErrorIs(t, err, ErrInterrupted)
		run(t, killed, Options{})
		require.Equal(t, want, contents(t, killed.Out.Dir), "killed at %d", at)
	}
}

// A row holds what one case gives when it is counted by itself.
func TestRowsEqualSingleCases(t *testing.T) {
	f := func(text string) {
		t.Helper()
		s := loadText(t, text)
		e, err := newEngine(s)
		require.NoError(t, err)
		v := newEvaluator(e)
		axes := s.grid.Axes()
		for c := s.grid.Cursor(0, s.Cases()); c.Next(); {
			require.Nil(t, v.next(c))
			if c.Index()%7 != 0 {
				continue
			}
			o := accounting.Options{}
			ints := map[string]*int64{
				"context": &o.Context, "micro_batch": &o.MicroBatch, "global_batch": &o.GlobalBatch, "gpus": &o.GPUs, "tp": &o.TP, "pp": &o.PP,
				"vpp": &o.VPP, "cp": &o.CP, "ep": &o.EP, "dp": &o.DP,
			}
			texts := map[string]*string{"profile": &o.Profile, "recipe": &o.Recipe, "recompute": &o.Recompute, "optimizer": &o.Optimizer, "attention": &o.Attention}
			var gpu hardware.Accelerator
			for k, name := range axes {
				value := c.Value(k)
				switch {
				case name == "model":
					o.Model = e.model(value.Text())
				case name == "accelerator":
					gpu, err = hardware.Lookup(value.Text())
					require.NoError(t, err)
					o.UsableBytes = gpu.PerDevice().UsableBytes
					o.Convention = "causal" // as the names of the columns say
				case name == "zero":
					z := value.Int()
					o.ZeRO = &z
				case ints[name] != nil:
					*ints[name] = value.Int()
				default:
					*texts[name] = value.Text()
				}
			}
			one, err := o.Resolve()
			require.NoError(t, err)
			compiled, err := one.Compile()
			require.NoError(t, err)
			if m, err := accounting.NewMachine(gpu, &one.Recipe.Precision, 0); err == nil {
				one.Setting.Machine = m
			}
			var want accounting.Report
			compiled.Evaluate(&one.Setting, &want)
			require.Equal(t, want, v.report, "case %d", c.Index())
			require.Equal(t, want.Memory.PeakBytes, v.row.PeakBytes)
			require.Equal(t, want.Reason.Code(), v.row.Reason)
			require.Equal(t, one.Recipe.Precision.Name, v.row.Recipe)
			require.Equal(t, int32(one.Setting.GlobalBatch), v.row.GlobalBatch)
			require.Equal(t, gpu.Slug, v.row.Accelerator)
			if want.Fits() && one.Setting.Machine != nil {
				requireCost(t, s, gpu, &one.Setting, &want, &v.row)
			}
		}
	}
	f(varied)
	f("grid: {model: [gpt2, qwen2.5-7b], accelerator: [h100-sxm], gpus: [8, 16], plan: auto, micro_batch: [1, 2], global_batch: [32]}")
	f("grid: {model: [gpt2], accelerator: [h100-sxm], dp: [1, 4], tp: [1, 2]}")
	f("{grid: {model: [gpt2], accelerator: [h100-sxm, mi250x, l4, tpu-v4], gpus: [1, 6, 8, 12], micro_batch: [1, 2], recompute: [none, full]}, tokens: 1B}")
	f("{grid: {model: [gpt2], accelerator: [h100-sxm, l4, tpu-v4], gpus: [1, 8, 16]}, tokens: 1B, goodput: 0.9, energy: {power: 0.8, pue: 1.25}}")
	f("{grid: {model: [gpt2], accelerator: [h100-sxm, b200-sxm], gpus: [1, 8, 16]}, tokens: 1B, prices: {pricing: spot, since: 2026-01-01, regions: [us-central1]}, " +
		"failures: {gpu_hours_between: 50000, instance_hours_between: 100, checkpoint_seconds: 60, restart_seconds: 600}, energy: {pue: 1.1}}")
}

// A table of one's own takes the place of the catalog, and its text is part of what
// the study is.
func TestPriceTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	table := "provider,instance_type,accelerator_slug,region,gpus,price_per_hour_usd,pricing,as_of\nmine,rack,h100-sxm,cellar,8,16,reserved,2026-01-02\n"
	write("mine.csv", table)
	study := write("study.yaml", "{grid: {model: [gpt2], accelerator: [h100-sxm, b200-sxm], gpus: [16]}, tokens: 1B, prices: {file: mine.csv, pricing: reserved, providers: [mine]}}")
	s, err := Load(Source{File: study, Today: "2026-02-01"})
	require.NoError(t, err)
	e, err := newEngine(s)
	require.NoError(t, err)
	v := newEvaluator(e)
	c := s.grid.Cursor(0, 2)
	require.True(t, c.Next())
	require.Nil(t, v.next(c))
	require.Equal(t, 2.0, v.row.PriceUSDPerGPUHour)
	require.Equal(t, "mine cellar 2026-01-02", v.row.PriceProvider+" "+v.row.PriceRegion+" "+v.row.PriceAsOf)
	require.Positive(t, v.row.CostUSD)
	require.True(t, c.Next())
	require.Nil(t, v.next(c))
	require.Zero(t, v.row.PriceUSDPerGPUHour)

	again := func() string {
		s, err := Load(Source{File: study})
		require.NoError(t, err)
		return string(s.Canonical())
	}
	same := again()
	require.Equal(t, string(s.Canonical()), same)
	write("mine.csv", strings.Replace(table, ",16,", ",17,", 1))
	require.NotEqual(t, same, again())
	require.NotContains(t, string(loadText(t, "grid: {model: [gpt2], accelerator: [h100-sxm]}").Canonical()), "sha256")

	_, err = Load(Source{File: study, Today: "2026-01-01"})
	require.ErrorContains(t, err, "2026-01-02")
}

// A batch in tokens is a whole number of sequences or rules the case out.
func TestBatchInTokens(t *testing.T) {
	s := loadText(t, "grid: {model: [gpt2], accelerator: [h100-sxm], context: [512, 768], global_batch_tokens: [4Ki]}")
	e, err := newEngine(s)
	require.NoError(t, err)
	v := newEvaluator(e)
	c := s.grid.Cursor(0, 2)
	require.True(t, c.Next())
	require.Nil(t, v.next(c))
	require.Equal(t, results.StatusFits, v.row.Status)
	require.Equal(t, int32(8), v.row.GlobalBatch)
	require.Equal(t, int64(4096), v.row.TokensPerStep)
	require.True(t, c.Next())
	require.Nil(t, v.next(c))
	require.Equal(t, results.StatusRuledOut, v.row.Status)
	require.Equal(t, "batch", v.row.Reason)
}

// Sizes that are far too large rule a case out; nothing wraps around.
func TestHugeSizesOverflow(t *testing.T) {
	const max = "2147483647"
	s := loadText(t, "grid: {model: [gpt2], accelerator: [h100-sxm], tp: ["+max+"], pp: ["+max+"], cp: ["+max+"], dp: ["+max+"], micro_batch: ["+max+"]}")
	e, err := newEngine(s)
	require.NoError(t, err)
	v := newEvaluator(e)
	c := s.grid.Cursor(0, 1)
	c.Next()
	require.Nil(t, v.next(c))
	require.Equal(t, results.StatusRuledOut, v.row.Status)
	require.Equal(t, "overflow", v.row.Reason)
}

// Constraints see what a case has, given or by default.
func TestConstraintsSeeDefaults(t *testing.T) {
	f := func(where string, want int64) {
		t.Helper()
		s := loadText(t, "grid: {model: [seed-gpt2-xl, llama-3.1-8b], accelerator: [h100-sxm, t4], gpus: [1, 8], tp: [1, 2]}", "where="+where)
		require.Equal(t, want, s.Cases(), where)
	}
	f("true", 16)
	f(`profile == "seed"`, 8)
	f(`recipe == "fp32"`, 8)
	f(`recompute == "none" && loss == "eager" && dropout == 0`, 16)
	f("layers == 48 && hidden == 1600 && heads == 25 && vocab == 50257", 8)
	f("kv_heads == 8", 8)
	f("parameters == 2127057600", 8)
	f("context == 1024", 8) // the longest of seed-gpt2-xl
	f("context == 4096", 8)
	f("experts == 0", 16)
	f("tp <= node_gpus", 12) // one t4 a node
	f("usable_bytes > 20 * 1024 ** 3", 8)
	f("dp == 8", 4)
	f("world == gpus", 12) // tp = 2 on one GPU is no world
	f("micro_batches == 1", 16)
	f("global_batch_tokens == 8 * 1024", 2)
	f("tokens == 0", 16)
}

func TestAutoPlanDivides(t *testing.T) {
	s := loadText(t, `
grid: {model: [llama-3.1-8b], accelerator: [h100-sxm], context: [8Ki], micro_batch: [1, 2], global_batch: [64], gpus: [16], profile: [megatron], plan: auto}
where: ["tp <= node_gpus"]`)
	e, err := newEngine(s)
	require.NoError(t, err)
	v := newEvaluator(e)
	seen := map[accounting.Plan]bool{}
	for c := s.grid.Cursor(0, s.Cases()); c.Next(); {
		require.Nil(t, v.next(c))
		require.False(t, v.report.RuledOut(), "%s: %+v", v.report.Reason, v.setting)
		require.Equal(t, int64(16), v.setting.Plan.GPUs())
		seen[v.setting.Plan] = true
	}
	p := accounting.Plan{TP: 4, SP: true, PP: 2, VPP: 2, CP: 1, EP: 1, ETP: 4, DP: 2, ZeRO: 1}
	require.True(t, seen[p], "%v", seen)
}

// Sizes that the study gives are kept, and the plans around them still divide.
func TestAutoPlanAroundGivenSizes(t *testing.T) {
	f := func(given string) {
		t.Helper()
		s := loadText(t, "grid: {model: [llama-3.1-8b], accelerator: [h100-sxm], context: [8Ki], global_batch: [64], gpus: [16, 24], profile: [megatron], plan: auto, "+given+"}")
		e, err := newEngine(s)
		require.NoError(t, err)
		v := newEvaluator(e)
		for c := s.grid.Cursor(0, s.Cases()); c.Next(); {
			require.Nil(t, v.next(c))
			require.Equal(t, v.setting.GPUs, v.setting.Plan.GPUs(), given)
		}
	}
	f("tp: [4, 5]")
	f("pp: [1, 3]")
	f("cp: [1, 2, 3]")
	f("dp: [2, 8, 9]")
	f("tp: [2], pp: [2], cp: [1], dp: [4]")
}

// A panic costs its case only: the row says so and the summary tells which.
func TestPanicIsARow(t *testing.T) {
	s := loadText(t, varied)
	s.Out.Dir = t.TempDir()
	const bad = 777
	sum := run(t, s, Options{Workers: 2, onCase: func(i int64) {
		if i == bad {
			panic("boom")
		}
	}})
	require.True(t, sum.Complete)
	require.Equal(t, int64(1), sum.Status[results.StatusInternal])
	require.Equal(t, s.Cases(), sum.Rows)
	require.Len(t, sum.Failures, 1)
	require.Equal(t, int64(bad), sum.Failures[0].Case)
	require.Equal(t, "boom", sum.Failures[0].Message)
	require.Contains(t, sum.Failures[0].Stack, "TestPanicIsARow")
}

func TestKeepFits(t *testing.T) {
	all, fits := loadText(t, varied), loadText(t, varied, "keep=fits")
	all.Out.Dir, fits.Out.Dir = t.TempDir(), t.TempDir()
	a, b := run(t, all, Options{}), run(t, fits, Options{})
	require.Equal(t, a.Status, b.Status)
	require.Equal(t, a.Reason, b.Reason)
	require.Equal(t, a.Cases, b.Cases)
	require.Equal(t, a.Status[results.StatusFits], b.Rows)
	require.NotEqual(t, a.RunID, b.RunID)
}

func TestOtherStudyIsRefused(t *testing.T) {
	s := loadText(t, varied)
	s.Out.Dir = t.TempDir()
	run(t, s, Options{})
	before := contents(t, s.Out.Dir)
	other := loadText(t, varied, "micro_batch=1,2")
	other.Out.Dir = s.Out.Dir
	_, err := Run(context.Background(), other, Options{})
	var refused *results.OtherStudyError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, before, contents(t, s.Out.Dir))
}

func TestTooManyPartsAreRefused(t *testing.T) {
	f := func(set, want string) {
		t.Helper()
		s := loadText(t, "grid: {model: [gpt2], accelerator: [h100-sxm]}", "context=1..1000", "micro_batch=1..1000", "global_batch=1..1000", set)
		s.Out.Dir = filepath.Join(t.TempDir(), "out")
		_, err := Run(context.Background(), s, Options{})
		require.EqualError(t, err, want)
		require.NoFileExists(t, s.Out.Dir)
	}
	f("out.part_rows=100", "out.part_rows: 1000000000 cases make more than 1000000 parts of 100\n  hint: set part_rows to 1000 or more, or sweep fewer cases")
	f("tp=1..1000000000:1000", "out.part_rows: 1000000000000000 cases make more than 1000000 parts of 262144\n  hint: set part_rows to 1000000000 or more, or sweep fewer cases")
}

func TestShardCheck(t *testing.T) {
	f := func(s Shard, ok bool) {
		t.Helper()
		require.Equal(t, ok, s.Check() == nil)
	}
	f(Shard{}, true)
	f(Shard{1, 1}, true)
	f(Shard{3, 3}, true)
	f(Shard{0, 3}, false)
	f(Shard{4, 3}, false)
	f(Shard{1, 0}, false)
	f(Shard{-1, -1}, false)
}

func TestProgressAddsUp(t *testing.T) {
	s := loadText(t, varied)
	s.Out.Dir = t.TempDir()
	var p Progress
	sum := run(t, s, Options{Progress: &p})
	x := p.Snapshot()
	require.Equal(t, s.Cases(), x.Cases)
	require.Equal(t, s.Cases(), x.CasesTotal)
	require.Equal(t, x.Cases, x.Fits+x.OOM+x.RuledOut)
	require.Equal(t, int64(sum.Parts), x.Parts)
	require.Equal(t, sum.Bytes, x.Bytes)
}

// A plan tells how many rows and bytes a run makes, exactly where it has sampled
// everything and about right otherwise.
func TestPlanEstimates(t *testing.T) {
	f := func(text string, rows float64, set ...string) {
		t.Helper()
		s := loadText(t, text, set...)
		p, err := s.Plan("test")
		require.NoError(t, err)
		require.Equal(t, s.Cases(), p.Cases)
		s.Out.Dir = t.TempDir()
		sum := run(t, s, Options{Engine: "test"})
		require.Equal(t, p.RunID, sum.RunID)
		require.Equal(t, p.Parts, int64(sum.Parts))
		require.InDelta(t, sum.Rows, p.Rows, rows*float64(sum.Rows))
		require.InEpsilon(t, sum.Bytes, p.Bytes, 0.2)
		require.Positive(t, p.Seconds)
		require.Positive(t, p.Workers)
		again, err := s.Plan("test")
		require.NoError(t, err)
		again.Seconds, again.Dir = p.Seconds, p.Dir
		require.Equal(t, p, again, "all but the time is the same every time")
	}
	f(varied, 0)
	f(varied, 0, "out.part_rows=1Mi")
	f(varied, 0, "keep=fits")
	f(varied, 0.25, "keep.best=3", "keep.per=[model, accelerator]", "keep.by=peak_bytes")
	if !testing.Short() {
		f(planSpace, 0, "global_batch=1536")
		f(planSpace, 0.1, "global_batch=512,1536", "keep=fits")
		f(planSpace, 0.25, "keep.best=10", "keep.per=[micro_batch, accelerator]", "out.part_rows=64Ki")
	}
}

// What constraints exclude and the cases that are left add up.
func TestPlanTellsWhatIsExcluded(t *testing.T) {
	s := loadText(t, varied, "where=[gpus % (tp * pp) == 0, ep == 1]")
	p, err := s.Plan("")
	require.NoError(t, err)
	require.Len(t, p.Excluded, 2)
	sum := p.Cases
	for _, x := range p.Excluded {
		n, err := strconv.ParseInt(x.Cases, 10, 64)
		require.NoError(t, err)
		require.Positive(t, n, x.Where)
		sum += n
	}
	require.Equal(t, strconv.FormatInt(sum, 10), p.Raw)
	require.Equal(t, "ep == 1", p.Excluded[1].Where)
}

// After a model's first case, a row costs no allocation.
func TestRowsDoNotAllocate(t *testing.T) {
	s := loadText(t, varied)
	e, err := newEngine(s)
	require.NoError(t, err)
	v := newEvaluator(e)
	for c := s.grid.Cursor(0, s.Cases()); c.Next(); {
		v.next(c)
	}
	c := s.grid.Cursor(0, s.Cases())
	require.Zero(t, testing.AllocsPerRun(int(s.Cases())-10, func() {
		c.Next()
		v.next(c)
	}))
}

// More models than the caches hold give the same rows as one by one, and memory
// stays where it is.
func TestCachesAreBounded(t *testing.T) {
	s := loadText(t, `
grid:
  micro_batch: [1, 2]
  model: {family: llama-3, params: 1B..1300M:1M}
  accelerator: [h100-sxm]`)
	e, err := newEngine(s)
	require.NoError(t, err)
	v := newEvaluator(e)
	peaks := map[string][]int64{}
	for c := s.grid.Cursor(0, s.Cases()); c.Next(); {
		require.Nil(t, v.next(c))
		peaks[v.row.Model] = append(peaks[v.row.Model], v.row.WeightsBytes)
		require.LessOrEqual(t, len(e.compiled), maxKernels)
		require.LessOrEqual(t, len(v.kernels), maxKernels)
	}
	require.Len(t, peaks, 301)
	for model, two := range peaks {
		require.Len(t, two, 2, model)
		require.Equal(t, two[0], two[1], model)
	}
}

// requireCost holds a row's hours and dollars to [accounting.Rental.Cost], and the
// parts of its step to their sum.
func requireCost(t *testing.T, s *Study, gpu hardware.Accelerator, x *accounting.Setting, want *accounting.Report, r *results.Row) {
	t.Helper()
	step := &want.Time
	require.Equal(t, step.StepSeconds, r.StepSeconds)
	sum := r.ComputeSeconds + r.AttentionSeconds + r.ElementwiseSeconds + r.RecomputeSeconds + r.LaunchSeconds + r.TPCommSeconds + r.CPCommSeconds +
		r.EPCommSeconds + r.DPCommSeconds + r.PPCommSeconds + r.BubbleSeconds + r.OptimizerSeconds + r.StragglerSeconds + r.OverheadSeconds
	require.InEpsilon(t, r.StepSeconds, sum, 1e-12)
	if s.Tokens == 0 {
		require.Zero(t, r.GPUHours)
		require.Zero(t, r.CostUSD)
		return
	}
	offers, err := s.offers(gpu.Slug)
	require.NoError(t, err)
	gpus := (x.GPUs-1)/max(gpu.Devices, 1) + 1
	price, quote, _ := hardware.CheapestOffer(offers, gpu, gpus)
	spot := int64(0)
	if price != nil && price.Pricing == hardware.Spot {
		spot = quote.Instances
	}
	goodput := s.Lost.Goodput
	if goodput == 0 {
		g, err := s.Lost.Failures.Goodput(gpus, spot)
		require.NoError(t, err)
		goodput = g.Share
	}
	var energy *accounting.EnergyInputs
	if e := s.Energy; e != nil {
		energy = &accounting.EnergyInputs{Utilisation: e.Power, PUE: e.PUE}
	}
	cost, err := accounting.Rental{
		Tokens: s.Tokens, TokensPerStep: want.TokensPerStep, Ranks: x.GPUs, Accelerator: gpu,
		StepSeconds: step.StepSeconds, LowSeconds: step.LowSeconds, HighSeconds: step.HighSeconds, Price: price,
		Goodput: accounting.Goodput{Share: goodput}, Energy: energy,
	}.Cost()
	require.NoError(t, err)
	require.InEpsilon(t, cost.GPUHours, r.GPUHours, 1e-12)
	require.InEpsilon(t, cost.Hours/24, r.RunDays, 1e-12)
	require.Equal(t, goodput, r.Goodput)
	if energy != nil && cost.Energy.KWh != nil {
		require.InEpsilon(t, *cost.Energy.KWh, r.EnergyKWh, 1e-12)
	} else {
		require.Zero(t, r.EnergyKWh)
	}
	if price == nil {
		require.Zero(t, r.CostUSD)
	} else {
		require.InEpsilon(t, *cost.USD, r.CostUSD, 1e-12)
	}
}

// Every axis has a column: rows of cases that differ can be told apart.
func TestEveryAxisHasAColumn(t *testing.T) {
	for axis := range axisKinds {
		_, err := results.LookupColumns(cmp.Or(axisColumns[axis], axis))
		require.NoError(t, err, axis)
	}
}
