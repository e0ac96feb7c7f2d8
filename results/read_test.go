package results

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

func collect(t *testing.T, d *Dataset, o ScanOptions) []Row {
	t.Helper()
	var rows []Row
	for row, err := range d.Scan(t.Context(), o) {
		require.NoError(t, err)
		rows = append(rows, *row)
	}
	return rows
}

func filter(t testing.TB, source string) *Filter {
	t.Helper()
	f, err := CompileFilter(source)
	require.NoError(t, err)
	return f
}

func TestScan(t *testing.T) {
	d := buildDir(t, testPlan(5000, 1700))
	rows := collect(t, d, ScanOptions{})
	require.Len(t, rows, 5000)
	for id, row := range rows {
		require.True(t, row == testRow(int64(id)), "case %d: %+v", id, row)
	}

	rows = collect(t, d, ScanOptions{Columns: []string{"tp", "model"}, Where: filter(t, "tp == 8 && !fits")})
	require.NotEmpty(t, rows)
	for _, row := range rows {
		want := testRow(row.CaseID)
		require.Equal(t, Row{CaseID: row.CaseID, TP: 8, Model: want.Model, Status: StatusOOM}, row)
	}

	var n int
	for range d.Scan(t.Context(), ScanOptions{}) {
		if n++; n == 10 {
			break
		}
	}
	require.Equal(t, 10, n)

	for _, err := range d.Scan(t.Context(), ScanOptions{Columns: []string{"peek_bytes"}}) {
		require.EqualError(t, err, `unknown column "peek_bytes": did you mean peak_bytes?`)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range d.Scan(ctx, ScanOptions{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// TestScanPanic: a panic of the loop's body is the caller's, not damage.
func TestScanPanic(t *testing.T) {
	d := buildDir(t, testPlan(10, 10))
	require.PanicsWithValue(t, "mine", func() {
		for range d.Scan(t.Context(), ScanOptions{}) {
			panic("mine")
		}
	})
}

func TestSummary(t *testing.T) {
	m := newMemFS()
	d, err := Create(m, "out", testPlan(1000, 100))
	require.NoError(t, err)
	for _, part := range []int{0, 1, 5} {
		_, err := d.WritePart(part, fillPart(d, part))
		require.NoError(t, err)
	}
	s, err := d.Summary()
	require.NoError(t, err)
	require.False(t, s.Complete)
	require.Equal(t, []int{2, 3, 4, 6, 7, 8, 9}, s.Missing)
	require.EqualValues(t, 300, s.Rows)
	require.Len(t, collect(t, d, ScanOptions{Columns: []string{}}), 300)
	require.EqualValues(t, 500, collect(t, d, ScanOptions{Columns: []string{}})[200].CaseID)

	for part := range d.Parts() {
		_, err := d.WritePart(part, fillPart(d, part))
		require.NoError(t, err)
	}
	s, err = d.Summary()
	require.NoError(t, err)
	require.False(t, s.Complete) // no manifest yet
	man, err := d.Commit()
	require.NoError(t, err)
	s, err = d.Summary()
	require.NoError(t, err)
	require.Equal(t, Summary{Manifest: man, Complete: true}, s)

	m.dirs["out"].live[successName].data = []byte(`{"run_id":"x"}`)
	_, err = d.Summary()
	damaged, ok := errors.AsType[*DamagedError](err)
	require.True(t, ok, err)
	require.EqualError(t, damaged, filepath.Join("out", "_SUCCESS.json")+" is damaged: it does not belong to the plan beside it")
}

func TestFilter(t *testing.T) {
	f := func(source string, match func(Row) bool) {
		t.Helper()
		matches := filter(t, source).matcher()
		found := 0
		for id := range int64(500) {
			row := testRow(id)
			got, err := matches(&row)
			require.NoError(t, err)
			require.Equal(t, match(row), got, "%s: case %d", source, id)
			if got {
				found++
			}
		}
		require.NotZero(t, found)
		require.Less(t, found, 500)
	}
	f("fits", func(r Row) bool { return r.Status == "fits" })
	f("status == 'oom'", func(r Row) bool { return r.Status == "oom" })
	f("tp*pp == 4 or sp", func(r Row) bool { return r.TP*r.PP == 4 || r.SP })
	f("model startsWith 'llama' && tp in [1, 2]", func(r Row) bool { return r.Model == "llama-3.1-8b" && r.TP <= 2 })
	f("peak_bytes <= 80*GiB", func(r Row) bool { return r.PeakBytes <= 80<<30 })
	f("headroom_bytes < -1*GB", func(r Row) bool { return r.HeadroomBytes < -1_000_000_000 })
	f("price_usd_per_gpu_hour < 3", func(r Row) bool { return r.PriceUSDPerGPUHour == 2.99 })
	f("price_usd_per_gpu_hour > 0", func(r Row) bool { return r.PriceUSDPerGPUHour == 2.99 })
	f("price_usd_per_gpu_hour == nil", func(r Row) bool { return r.PriceUSDPerGPUHour == 0 })
	f("fits && nil != price_usd_per_gpu_hour", func(r Row) bool { return r.Status == "fits" && r.PriceUSDPerGPUHour == 2.99 })
	f("forward_causal_flops / tokens_per_step > 1e8", func(r Row) bool { return r.ForwardFLOPs/float64(r.TokensPerStep) > 1e8 })
	f("max(tp, zero) == 2", func(r Row) bool { return max(r.TP, r.ZeRO) == 2 })
	f("case_id % 7 == 3", func(r Row) bool { return r.CaseID%7 == 3 })
}

func TestFilterErrors(t *testing.T) {
	f := func(source, want string) {
		t.Helper()
		_, err := CompileFilter(source)
		_, ok := errors.AsType[*FilterError](err)
		require.True(t, ok, "%v", err)
		require.EqualError(t, err, want)
	}
	f("", "filter:1:1: the condition is empty\n  \n  ^")
	f("tp <= 8 && peek_bytes > 3", "filter:1:12: unknown name \"peek_bytes\": did you mean peak_bytes?\n  tp <= 8 && peek_bytes > 3\n             ^")
	f("tp <=\n 8 && acelerator == 'x'", "filter:2:7: unknown name \"acelerator\": did you mean accelerator?\n   8 && acelerator == 'x'\n        ^")
	f("tp == 'two'", "filter:1:4: invalid operation: == (mismatched types int and string)\n  tp == 'two'\n     ^")
	f("tp + 1", "filter:1:1: expected bool, but got int\n  tp + 1\n  ^")
	f("tp >", "filter:1:4: unexpected token EOF\n  tp >\n     ^")
	f("now() > 3", "filter:1:1: unknown name \"now\"\n  now() > 3\n  ^")
	f("model matches '['", "filter:1:7: error parsing regexp: missing closing ]: `[`\n  model matches '['\n        ^")

	matches := filter(t, "tp % zero == 0").matcher()
	row := testRow(0)
	row.ZeRO = 0
	_, err := matches(&row)
	require.EqualError(t, err, "filter:1:4: case 0: runtime error: integer divide by zero\n  tp % zero == 0\n     ^")
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"fits", "tp <= 8 && peak_bytes > 3*GiB", "model matches '^a'", "1..9", "((", "tp ? 1 : 2", "\x00", "let x = tp; x == 1"} {
		f.Add(s)
	}
	row := testRow(1)
	f.Fuzz(func(t *testing.T, source string) {
		filter, err := CompileFilter(source)
		if err == nil {
			_, err = filter.matcher()(&row)
		}
		if err != nil {
			_, ok := errors.AsType[*FilterError](err)
			require.True(t, ok)
			require.NotEmpty(t, err.Error())
		}
	})
}

func TestTop(t *testing.T) {
	d := buildDir(t, testPlan(5000, 700))
	var all []Row
	for id := range int64(5000) {
		all = append(all, testRow(id))
	}
	f := func(by, where string, limit int) {
		t.Helper()
		var keys []SortKey
		if by != "" {
			var err error
			keys, err = ParseSortKeys(by)
			require.NoError(t, err)
		}
		want := slices.Clone(all)
		o := TopOptions{By: keys, Limit: limit}
		if where != "" {
			o.Where = filter(t, where)
			matches := o.Where.matcher()
			want = slices.DeleteFunc(want, func(r Row) bool { ok, _ := matches(&r); return !ok })
		}
		order, err := newOrder(keys)
		require.NoError(t, err)
		slices.SortStableFunc(want, func(a, b Row) int { return order.compare(&a, &b) })
		for o.Concurrency = 0; o.Concurrency < 5; o.Concurrency += 2 {
			got, err := d.Top(t.Context(), o)
			require.NoError(t, err)
			require.EqualValues(t, len(want), got.Matched)
			require.EqualValues(t, len(all), got.Scanned)
			require.True(t, got.Summary.Complete)
			require.True(t, slices.Equal(want[:min(limit, len(want))], got.Rows))
		}
	}
	f("", "", 3)
	f("-headroom_bytes", "fits", 20)
	f("tp,-micro_batch,model", "", 100) // ties
	f("price_usd_per_gpu_hour", "", 4999)
	f("-price_usd_per_gpu_hour,sp", "", 4999)
	f("-forward_causal_flops", "case_id < 10", 50)
	f("model", "tp == 99", 5)

	keys := []SortKey{{Column: "peak_bytes"}}
	got, err := d.Top(t.Context(), TopOptions{By: keys, Columns: []string{"tp"}, Limit: 1})
	require.NoError(t, err)
	want := testRow(got.Rows[0].CaseID)
	require.Equal(t, []Row{{CaseID: want.CaseID, TP: want.TP, PeakBytes: want.PeakBytes}}, got.Rows)

	_, err = d.Top(t.Context(), TopOptions{})
	require.EqualError(t, err, "results: limit is 0: must be at least 1")
	_, err = ParseSortKeys("-tp, modle")
	require.EqualError(t, err, `unknown column "modle": did you mean model or model_step_causal_flops?`)
	_, err = d.Top(t.Context(), TopOptions{By: []SortKey{{Column: "modle"}}, Limit: 1})
	require.EqualError(t, err, `unknown column "modle": did you mean model or model_step_causal_flops?`)
	_, err = d.Top(t.Context(), TopOptions{Limit: 1, Where: filter(t, "1000 % zero == 0"), Concurrency: 3})
	require.ErrorContains(t, err, "case 0: runtime error: integer divide by zero")
}

// TestPriceOrder: rows without a price come last in either direction.
func TestPriceOrder(t *testing.T) {
	o, err := newOrder([]SortKey{{Column: "price_usd_per_gpu_hour", Descending: true}})
	require.NoError(t, err)
	none, cheap, dear := Row{CaseID: 0}, Row{CaseID: 1, PriceUSDPerGPUHour: 1}, Row{CaseID: 2, PriceUSDPerGPUHour: 2}
	rows := []Row{none, cheap, dear}
	slices.SortFunc(rows, func(a, b Row) int { return o.compare(&a, &b) })
	require.Equal(t, []Row{dear, cheap, none}, rows)
	o[0].descending = false
	slices.SortFunc(rows, func(a, b Row) int { return o.compare(&a, &b) })
	require.Equal(t, []Row{cheap, dear, none}, rows)
}

func TestLookup(t *testing.T) {
	plan := testPlan(300_000, 290_000) // several row groups in a part
	m := newMemFS()
	d, err := Create(m, "out", plan)
	require.NoError(t, err)
	_, err = d.WritePart(0, func(w *PartWriter) error {
		for id := range int64(290_000) {
			if id%1000 == 7 {
				w.Drop(StatusOOM, "memory")
				continue
			}
			row := testRow(id)
			if err := w.Write(&row); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	for _, id := range []int64{0, 1, 63, 64, 1023, 1024, 131_071, 131_072, 131_300, 289_999} {
		row, err := d.Lookup(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, testRow(id), row)
	}
	f := func(id int64, want string) {
		t.Helper()
		_, err := d.Lookup(t.Context(), id)
		_, ok := errors.AsType[*CaseError](err)
		require.True(t, ok, err)
		require.EqualError(t, err, want)
	}
	f(-1, "no row for case -1: the study has 300000 cases, from 0")
	f(300_000, "no row for case 300000: the study has 300000 cases, from 0")
	f(290_000, "no row for case 290000: part 1, which holds it, is not there yet")
	f(1007, "no row for case 1007: the study's constraints exclude it, or it was evaluated and not kept")
}

func TestDamagedParts(t *testing.T) {
	d := buildDir(t, testPlan(3000, 1000))
	path := d.PartPath(1)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	f := func(bytes []byte, want string) {
		t.Helper()
		if bytes == nil {
			require.NoError(t, os.Remove(path))
		} else {
			require.NoError(t, os.WriteFile(path, bytes, 0o666))
		}
		var rows int
		var last error
		for _, err := range d.Scan(t.Context(), ScanOptions{Columns: []string{"tp"}}) {
			if last = err; err == nil {
				rows++
			}
		}
		require.Equal(t, 1000, rows)
		damaged, ok := errors.AsType[*DamagedError](last)
		require.True(t, ok, last)
		require.Equal(t, 1, damaged.Part)
		require.EqualError(t, last, "part 1 is damaged: "+path+": "+want)
		_, err := d.Top(t.Context(), TopOptions{Limit: 1, Concurrency: 2})
		require.EqualError(t, err, last.Error())
		v, err := d.Verify(t.Context())
		require.NoError(t, err)
		require.False(t, v.Sound())
		require.Len(t, v.Damaged, 1)
		require.EqualError(t, v.Damaged[0], last.Error())
	}
	marker, err := d.Marker(1)
	require.NoError(t, err)
	f(nil, "the file is gone")
	f([]byte{}, fmt.Sprintf("it has 0 bytes, committed were %d", len(good)))
	f(good[:len(good)-1], fmt.Sprintf("it has %d bytes, committed were %d", len(good)-1, len(good)))
	bad := slices.Clone(good)
	bad[len(bad)/2] ^= 1
	sum := mustHash(bad)
	f(bad, fmt.Sprintf("its sha256 is %.12s…, committed was %.12s…", sum, marker.SHA256))

	require.NoError(t, os.WriteFile(path, good, 0o666))
	strange := filepath.Join(d.Dir(), "data", "part-00077.parquet")
	require.NoError(t, os.WriteFile(strange, good, 0o666))
	v, err := d.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, v.Damaged)
	require.Equal(t, []string{strange}, v.Strange)
	require.NoError(t, os.Remove(strange))
	v, err = d.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.Sound())
	require.Equal(t, 3, v.Parts)
}

func mustHash(b []byte) string {
	w := &hashingWriter{w: &countingSink{}, h: sha256.New()}
	_, _ = w.Write(b)
	return fmt.Sprintf("%x", w.h.Sum(nil))
}

// TestMissingColumn reads a file of another schema, as far as it goes.
func TestMissingColumn(t *testing.T) {
	type old struct {
		CaseID int64 `parquet:"case_id,delta"`
	}
	var b strings.Builder
	w := parquet.NewGenericWriter[old](&b, parquet.KeyValueMetadata(MetaSchemaVersion, "0"))
	_, err := w.Write([]old{{1}, {2}})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	r := strings.NewReader(b.String())
	err = decode(r, r.Size(), func(f *parquet.File) error {
		return scanFile(t.Context(), f, columns[:2], nil)
	})
	require.EqualError(t, err, fmt.Sprintf(`results: the dataset has no column model: it has schema version "0", this program's is %d`, SchemaVersion))
	var ids []int64
	err = decode(r, r.Size(), func(f *parquet.File) error {
		return scanFile(t.Context(), f, columns[:1], func(rows []Row) error {
			for _, row := range rows {
				ids = append(ids, row.CaseID)
			}
			return nil
		})
	})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2}, ids)
}

// FuzzDamagedPart damages a file under a decoder that has no hash to protect it:
// it must neither panic nor hang. (A dataset compares the hash first.)
func FuzzDamagedPart(f *testing.F) {
	good := encode(f, 300, testRow)
	f.Add(uint32(0), byte(1), uint32(len(good)))
	f.Add(uint32(len(good)-6), byte(255), uint32(len(good)))
	f.Add(uint32(len(good)-5), byte(0xdc), uint32(len(good))) // a footer of 3.4 GiB
	f.Add(uint32(5000), byte(16), uint32(len(good)))
	f.Add(uint32(0), byte(0), uint32(len(good)-100))
	f.Fuzz(func(t *testing.T, at uint32, flip byte, size uint32) {
		bad := slices.Clone(good)
		bad[int(at)%len(bad)] ^= flip
		if int(size) < len(bad) {
			bad = bad[:size]
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r := strings.NewReader(string(bad))
		err := decode(r, r.Size(), func(file *parquet.File) error {
			return scanFile(ctx, file, columns, func([]Row) error { return nil })
		})
		require.NoError(t, ctx.Err())
		if err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}

func TestDiff(t *testing.T) {
	a := buildDir(t, testPlan(1000, 300))
	same := buildDir(t, testPlan(1000, 300))
	diff, err := Diff(t.Context(), a, same, 3)
	require.NoError(t, err)
	require.True(t, diff.Equal())
	require.EqualValues(t, 1000, diff.Same)
	require.Empty(t, diff.Plan)

	plan := testPlan(900, 450)
	plan.Study = json.RawMessage(`{"study": "test", "grid": {"tp": [1, 2]}}`)
	b, err := Create(OS(), filepath.Join(t.TempDir(), "b"), plan)
	require.NoError(t, err)
	for part := range b.Parts() {
		_, err := b.WritePart(part, func(w *PartWriter) error {
			lo, hi := b.Range(part)
			for id := lo; id < hi; id++ {
				row := testRow(id)
				if id%100 == 5 {
					row.PeakBytes++
				}
				if id != 17 {
					if err := w.Write(&row); err != nil {
						return err
					}
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	diff, err = Diff(t.Context(), a, b, 3)
	require.NoError(t, err)
	require.False(t, diff.Equal())
	require.Equal(t, []int64{890, 9, 101, 0}, []int64{diff.Same, diff.Changed, diff.OnlyA, diff.OnlyB})
	require.Equal(t, map[string]int64{"peak_bytes": 9}, diff.Columns)
	require.Len(t, diff.Examples, 3)
	require.Equal(t, "peak_bytes", diff.Examples[0].Columns()[0].Name)
	require.Equal(t, []string{
		fmt.Sprintf("cases: 1000 in %s, 900 in %s", a.Dir(), b.Dir()),
		fmt.Sprintf("part_rows: 300 in %s, 450 in %s", a.Dir(), b.Dir()),
		fmt.Sprintf("study.grid.tp: [1,2,4] in %s, [1,2] in %s", a.Dir(), b.Dir()),
	}, diff.Plan)
	back, err := Diff(t.Context(), b, a, 0)
	require.NoError(t, err)
	require.Equal(t, []int64{diff.OnlyB, diff.OnlyA}, []int64{back.OnlyA, back.OnlyB})
	require.Empty(t, back.Examples)
}

// BenchmarkTop measures reading: rows/s of one goroutine.
func BenchmarkTop(b *testing.B) {
	const rows = 1 << 18
	dir := filepath.Join(b.TempDir(), "out")
	d, err := Create(OS(), dir, testPlan(rows, rows))
	require.NoError(b, err)
	made := make([]Row, 4096)
	for i := range made {
		made[i] = testRow(rand.Int64N(rows))
	}
	_, err = d.WritePart(0, func(w *PartWriter) error {
		for id := range int64(rows) {
			row := &made[id%4096]
			row.CaseID = id
			if err := w.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(b, err)
	f := func(name string, o TopOptions) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			start := time.Now()
			for b.Loop() {
				_, err := d.Top(b.Context(), o)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(rows)*float64(b.N)/time.Since(start).Seconds(), "rows/s")
		})
	}
	by := []SortKey{{Column: "headroom_bytes", Descending: true}}
	f("columns=2/where=none", TopOptions{By: by, Columns: []string{"tp"}, Limit: 20})
	f("columns=2/where=fits", TopOptions{By: by, Columns: []string{"tp"}, Limit: 20, Where: filter(b, "fits && tp <= 4")})
	f("columns=all/where=none", TopOptions{By: by, Limit: 20})
}

// A dataset of an older schema is as sound as it was, and its manifest stays its own.
func TestOlderSchema(t *testing.T) {
	dir := t.TempDir()
	d, err := Create(OS(), dir, testPlan(2, 1))
	require.NoError(t, err)
	row := Row{Status: StatusRuledOut, Reason: "tp_heads"}
	for part := range 2 {
		_, err := d.WritePart(part, func(w *PartWriter) error {
			row.CaseID = int64(part)
			return w.Write(&row)
		})
		require.NoError(t, err)
	}
	_, err = d.Commit()
	require.NoError(t, err)
	before := map[string][]byte{}
	for _, name := range []string{planName, successName} {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		now := fmt.Sprintf(`"schema_version": %d`, SchemaVersion)
		require.Contains(t, string(b), now)
		before[path] = []byte(strings.Replace(string(b), now, `"schema_version": 1`, 1))
		require.NoError(t, os.WriteFile(path, before[path], 0o666))
	}
	d, err = Open(OS(), dir)
	require.NoError(t, err)
	v, err := d.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.Sound(), v.Damaged)
	_, err = d.Commit()
	require.NoError(t, err)
	for path, b := range before {
		held, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(b), string(held), path)
	}
}
