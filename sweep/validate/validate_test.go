package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuiltin(t *testing.T) {
	rows, bad, err := Read("measured.csv", strings.NewReader(builtin))
	require.NoError(t, err)
	require.Empty(t, bad)
	require.Len(t, rows, 833)
	var oom int
	for i := range rows {
		if rows[i].OutOfMemory() {
			oom++
		}
	}
	require.Equal(t, 9, oom)
}

func TestReadErrors(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		rows, bad, err := Read("m.csv", strings.NewReader(in))
		var got []string
		for i := range bad {
			got = append(got, bad[i].Error())
		}
		if err != nil {
			got = append(got, err.Error())
		}
		require.Equal(t, want, got)
		require.Empty(t, rows)
	}
	f("", "m.csv: the file is empty: its first line must name the columns ("+strings.Join(Columns(), ", ")+")")
	f("id,num_gpu\n", `m.csv:1:4: "num_gpu": no column is called "num_gpu"; did you mean num_gpus?`)
	f("id,tp,tp\n", "m.csv:1:7: tp: the column is there already")
	f("tp\n1\n", "m.csv: there is no column id, which names each row")
	f("id,tp\na,two\n", `m.csv:2:3: tp: "two" is not a whole number`)
	f("id,tp\na,-1\n", `m.csv:2:3: tp: "-1" is not a positive count: leave the cell empty where it is unknown`)
	f("id,tp\na,1.5\n", `m.csv:2:3: tp: "1.5" is not a whole number`)
	f("id,tp\na,1,1\n", "m.csv:2:1: row: 3 cells, but the header names 2 columns")
	f("id,zero_stage\na,4\n", `m.csv:2:3: zero_stage: "4" is not a ZeRO stage: write 0, 1, 2 or 3, or leave it empty`)
	f("id,measured_step_time_s\na,NaN\n", `m.csv:2:3: measured_step_time_s: "NaN" is not a number`)
	f("id,measured_step_time_s\na,0\n", `m.csv:2:3: measured_step_time_s: "0" is not between 0 and 1e+07: leave the cell empty where it is unknown`)
	f("id,tied_embeddings\na,true\n", `m.csv:2:3: tied_embeddings: "true" is neither yes nor no: leave the cell empty where it is unknown`)
	f("id,tp\n,1\n", "m.csv:2:1: id: the row has no id")
	f("id,tp\n\"a,1\n", `m.csv:2:6: extraneous or missing " in quoted-field`)
}

func TestReadGoodRowsBesideBadOnes(t *testing.T) {
	rows, bad, err := Read("m.csv", strings.NewReader("id,num_gpus\na,8.0\nb,x\na,16\nc,\n"))
	require.NoError(t, err)
	require.Len(t, bad, 2)
	require.Len(t, rows, 2)
	require.Equal(t, int64(8), rows[0].GPUs)
	require.Equal(t, "c", rows[1].ID)
}

func FuzzRead(f *testing.F) {
	f.Add("id,tp\na,1\n")
	f.Add("id,measured_step_time_s,notes\na,1e3,\"x\ny\"\n")
	f.Fuzz(func(t *testing.T, in string) {
		rows, _, _ := Read("m.csv", strings.NewReader(in))
		if len(rows) < 20 {
			Run(rows, nil)
		}
	})
}

// Every embedded row maps to a case or says what it lacks.
func TestTrials(t *testing.T) {
	reasons := map[string]int{}
	for _, m := range Builtin() {
		if _, err := m.Trial(); err != nil {
			reasons[m.Family()+": "+err.Error()]++
		}
	}
	for r, n := range reasons {
		t.Log(n, r)
	}
}

func TestSpearman(t *testing.T) {
	f := func(want float64, p, m []float64) {
		t.Helper()
		var rows []*Row
		for i := range p {
			rows = append(rows, &Row{Predicted: p[i], Measured: m[i]})
		}
		got, ok := spearman(rows)
		require.True(t, ok)
		require.InDelta(t, want, got, 1e-12)
	}
	f(1, []float64{1, 2, 3, 4}, []float64{10, 20, 30, 400})
	f(-1, []float64{4, 3, 2, 1}, []float64{10, 20, 30, 400})
	f(0.8, []float64{1, 2, 3, 4}, []float64{10, 30, 20, 40})            // 1 − 6·2/(4·15)
	f(0.9486832980505138, []float64{1, 1, 3, 4}, []float64{1, 2, 3, 4}) // scipy.stats.spearmanr
}

func TestSummaryWeighsFamiliesAlike(t *testing.T) {
	rows := []Row{
		{ID: "a-1", Family: "a", Model: "x", Metric: "allocated_bytes", Error: 0.1, Scored: true},
		{ID: "a-2", Family: "a", Model: "x", Metric: "allocated_bytes", Error: -0.3, Scored: true},
		{ID: "a-3", Family: "a", Model: "y", Metric: "allocated_bytes", Error: 0.4, Scored: true},
		{ID: "b-1", Family: "b", Model: "x", Metric: "allocated_bytes", Error: 0, Scored: true},
		{ID: "b-2", Family: "b", Model: "x", Metric: "allocated_bytes", Skipped: "why"},
		{ID: "b-3", Family: "b", Model: "x", Metric: "fits", Right: new(bool)},
	}
	s := summarize(rows, isMemory)
	require.InDelta(t, 0.15, s.MacroMedian, 1e-12) // a: (0.2 + 0.4)/2, b: 0
	require.Equal(t, 4, s.Scored)
	require.Equal(t, 1, s.Skipped)
	require.Equal(t, 1, s.WrongFits)
	require.Equal(t, "a-3", s.Families[0].WorstID)
	require.InDelta(t, 0.1, s.Families[0].Bias, 1e-12)
}

// The shipped model beats one constant efficiency by far on the runs it was
// fitted on, and its error bars hold most of them.
func TestTimeAgainstBaseline(t *testing.T) {
	r := Run(Builtin(), nil)
	require.Greater(t, r.Time.Scored, 700)
	require.Less(t, r.Time.MacroMedian, 0.07)
	require.Greater(t, r.Baseline.MacroMedian, 4*r.Time.MacroMedian)
	require.Greater(t, r.Inside(), 0.8)
}

func TestNetworkOfNotes(t *testing.T) {
	f := func(notes string, want float64) {
		t.Helper()
		m := Measurement{Notes: notes}
		require.InDelta(t, want, m.network(), 1)
	}
	f("A100 80GB with 1600 Gbps node-node interconnect (RoCE)", 25e9)
	f("zero1 group size -1; 4x100Gb RoCE; pack", 6.25e9)
	f("8 GPU/node, 800 Gbps inter-node (paper/config)", 12.5e9)
	f("batch of 800 Gb of data", 0)
	f("", 0)
}
