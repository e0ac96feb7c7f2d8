package results

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"headroom/internal/race"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run go test -update after raising SchemaVersion")
}

// TestSchema pins the schema: a change must raise SchemaVersion, too.
func TestSchema(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "version %d\n%s\n\n", SchemaVersion, parquet.SchemaOf(Row{}))
	for _, c := range Columns() {
		fmt.Fprintf(&b, "%-24s %-8s %-11s nullable=%-5v %s\n", c.Name, c.Type, c.Unit, c.Nullable, c.Meaning)
	}
	golden(t, "schema.golden", b.String())
}

func TestColumnsAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Columns() {
		require.NotEmpty(t, c.Name)
		require.NotEmpty(t, c.Unit, c.Name)
		require.NotEmpty(t, c.Meaning, c.Name)
		require.Contains(t, []string{"int32", "int64", "float64", "bool", "string"}, c.Type, c.Name)
		require.False(t, seen[c.Name], c.Name)
		seen[c.Name] = true
		if c.Unit == "bytes" {
			require.Equal(t, "int64", c.Type, c.Name)
			require.True(t, strings.HasSuffix(c.Name, "_bytes"), c.Name)
		}
	}
}

func TestLookupColumns(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		_, err := LookupColumns("case_id", name)
		require.EqualError(t, err, want)
	}
	f("peak_byte", `unknown column "peak_byte": did you mean peak_bytes?`)
	f("peak", `unknown column "peak": did you mean peak_bytes?`)
	f("acelerator", `unknown column "acelerator": did you mean accelerator?`)
	f("TP", `unknown column "TP": did you mean tp?`)
	f("colour_of_the_rack", `unknown column "colour_of_the_rack"`)
	f("", `unknown column ""`)
	cs, err := LookupColumns("tp", "model")
	require.NoError(t, err)
	row := testRow(5)
	require.Equal(t, []any{int64(2), "seed-gpt2-small"}, []any{cs[0].Value(&row), cs[1].Value(&row)})
}

func newPartEncoder(w io.Writer, p *Plan) (*partEncoder, error) {
	e := new(partEncoder)
	return e, e.begin(w, p, p.RunID())
}

// encode writes rows as one file's bytes.
func encode(t testing.TB, rows int64, row func(int64) Row) []byte {
	t.Helper()
	plan := testPlan(rows, max(1, rows))
	var b bytes.Buffer
	e, err := newPartEncoder(&b, &plan)
	require.NoError(t, err)
	for id := range rows {
		r := row(id)
		require.NoError(t, e.write(&r))
	}
	require.NoError(t, e.close())
	return b.Bytes()
}

func TestMetadata(t *testing.T) {
	b := encode(t, 100, testRow)
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	require.Equal(t, "headroom version 0.1.0(build )", f.Metadata().CreatedBy)
	plan := testPlan(100, 100)
	for key, want := range map[string]string{
		MetaName: "test", MetaEngine: "0.1.0", MetaSchemaVersion: fmt.Sprint(SchemaVersion),
		MetaRunID: plan.RunID(), MetaStudy: `{"grid":{"tp":[1,2,4]},"study":"test"}`, MetaColumns: columnsJSON,
	} {
		got, ok := f.Lookup(key)
		require.True(t, ok, key)
		require.Equal(t, want, got)
	}
	require.Contains(t, columnsJSON, `{"name":"peak_bytes","type":"int64","unit":"bytes","meaning":"peak memory of the fullest rank"}`)
	require.False(t, f.RowGroups()[0].SortingColumns()[0].Descending())
}

// TestExtremes writes the ends of every type and expects them back.
func TestExtremes(t *testing.T) {
	want := make([]Row, 300)
	for i := range want {
		want[i].CaseID = int64(i)
		v := reflect.ValueOf(&want[i]).Elem()
		for j := 1; j < v.NumField(); j++ {
			switch f := v.Field(j); f.Kind() {
			case reflect.Int32:
				f.SetInt([]int64{0, -1, math.MinInt32, math.MaxInt32}[(i+j)%4])
			case reflect.Int64:
				f.SetInt([]int64{0, -1, math.MinInt64, math.MaxInt64}[(i+j)%4])
			case reflect.Float64:
				f.SetFloat([]float64{0, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64}[(i+j)%4])
			case reflect.Bool:
				f.SetBool((i+j)%2 == 0)
			case reflect.String:
				f.SetString([]string{"", "größe 训练", "a,b\"c\n", strings.Repeat("x", 3000)}[(i+j)%4])
			}
		}
	}
	b := encode(t, int64(len(want)), func(id int64) Row { return want[id] })
	got, err := parquet.Read[Row](bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestManyStrings: a dictionary that outgrows its limit must lose nothing
// (parquet-go #536: values were dropped after the fallback to plain).
func TestManyStrings(t *testing.T) {
	const rows = 140_000 // more than a row group
	text := func(id int64) string { return fmt.Sprintf("a rather long model name, number %d", id) }
	b := encode(t, rows, func(id int64) Row {
		return Row{CaseID: id, Model: text(id), Reason: text(id / 3), ContextTokens: id * id, PriceUSDPerGPUHour: float64(id)}
	})
	got, err := parquet.Read[Row](bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	require.Len(t, got, rows)
	for id := range int64(rows) {
		want := Row{CaseID: id, Model: text(id), Reason: text(id / 3), ContextTokens: id * id, PriceUSDPerGPUHour: float64(id)}
		require.True(t, got[id] == want, "%d: %+v", id, got[id])
	}
}

// TestRowPathDoesNotAllocate: what is allocated belongs to pages and to groups, not
// to rows.
func TestRowPathDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	plan := testPlan(1<<20, 1<<20)
	var b bytes.Buffer
	b.Grow(64 << 20)
	e, err := newPartEncoder(&b, &plan)
	require.NoError(t, err)
	w := &PartWriter{encoder: e, hi: 1 << 20}
	row := testRow(0)
	rows := 0
	write := func() {
		for range 4096 {
			row.CaseID, row.PeakBytes = int64(rows), int64(rows)*1000
			rows++
			if err := w.Write(&row); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	perRow := testing.AllocsPerRun(20, write) / 4096
	// A few for each page of each column, none for a row.
	require.Less(t, perRow, 4*float64(len(columns))/pageRows)
}

// BenchmarkWrite measures one worker's road from rows to bytes.
func BenchmarkWrite(b *testing.B) {
	for _, rows := range []int64{1 << 17, 1 << 19} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			made := make([]Row, 4096)
			for i := range made {
				made[i] = testRow(int64(i))
			}
			plan := testPlan(rows, rows)
			var bytesOut int64
			var peak uint64
			b.ReportAllocs()
			start := time.Now()
			for b.Loop() {
				sink := &countingSink{}
				e, err := newPartEncoder(sink, &plan)
				require.NoError(b, err)
				w := &PartWriter{encoder: e, hi: rows}
				for id := range rows {
					row := &made[id%int64(len(made))]
					row.CaseID = id
					if err := w.Write(row); err != nil {
						b.Fatal(err)
					}
				}
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				peak = max(peak, mem.HeapInuse)
				require.NoError(b, e.close())
				bytesOut = sink.n
			}
			n := float64(rows) * float64(b.N)
			b.ReportMetric(n/time.Since(start).Seconds(), "rows/s")
			b.ReportMetric(float64(bytesOut)/float64(rows), "B/row")
			b.ReportMetric(float64(peak)/(1<<20), "heap-MiB")
		})
	}
}

type countingSink struct{ n int64 }

func (s *countingSink) Write(b []byte) (int, error) { s.n += int64(len(b)); return len(b), nil }
