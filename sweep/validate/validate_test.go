package validate

import (
	"io"
	"math"
	"os"
	"path/filepath"
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

// One file a rule in testdata/bad/measured, and all that Read says about it.
func TestBadMeasured(t *testing.T) {
	t.Chdir("testdata/bad/measured")
	tested := map[string]bool{}
	f := func(name string, want ...string) {
		t.Helper()
		name += ".csv"
		tested[name] = true
		in, err := os.Open(name)
		require.NoError(t, err)
		defer in.Close()
		rows, bad, err := Read(name, in)
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
	f("empty", "empty.csv:1:1: the file is empty: its first line must name the columns (id, source, url_or_path, year, metric_kind, model_name, params_B, num_layers, d_model, num_heads, num_kv_heads, d_ff, ffn_kind, vocab_size, tied_embeddings, experts, top_k, seq_len, global_batch_seqs, global_batch_tokens, micro_batch, gpu_type, num_gpus, tp, pp, vpp, cp, ep, dp, zero_stage, sequence_parallel, recompute, attention_kernel, precision, optimizer, tokens_trained, measured_tokens_per_s_per_gpu, measured_step_time_s, measured_tflops_per_gpu, measured_mfu_pct, measured_hfu_pct, measured_peak_mem_gib, measured_gpu_hours, notes)")
	f("column_misspelt", `column_misspelt.csv:1:4: "num_gpu": no column is called "num_gpu"; did you mean num_gpus?`)
	f("column_twice", "column_twice.csv:1:7: tp: the column is there already")
	f("id_missing", "id_missing.csv:1:1: there is no column id, which names each row")
	f("count_text", `count_text.csv:2:3: tp: "two" is not a whole number`)
	f("count_negative", `count_negative.csv:2:3: tp: "-1" is not a positive count: leave the cell empty where it is unknown`)
	f("count_fraction", `count_fraction.csv:2:3: tp: "1.5" is not a whole number`)
	f("cell_too_many", "cell_too_many.csv:2:1: row: 3 cells, but the header names 2 columns")
	f("zero_stage_4", `zero_stage_4.csv:2:3: zero_stage: "4" is not a ZeRO stage: write 0, 1, 2 or 3, or leave it empty`)
	f("time_nan", `time_nan.csv:2:3: measured_step_time_s: "NaN" is not a number`)
	f("time_zero", `time_zero.csv:2:3: measured_step_time_s: "0" is not between 0 and 1e+07: leave the cell empty where it is unknown`)
	f("flag_true", `flag_true.csv:2:3: tied_embeddings: "true" is neither yes nor no: leave the cell empty where it is unknown`)
	f("id_empty", "id_empty.csv:2:1: id: the row has no id")
	f("quote_open", `quote_open.csv:2:6: row: extraneous or missing " in quoted-field`)

	files, err := filepath.Glob("*")
	require.NoError(t, err)
	for _, name := range files {
		require.True(t, tested[name], "%s has no row in this test", name)
	}
}

func TestReadGoodRowsBesideBadOnes(t *testing.T) {
	rows, bad, err := Read("m.csv", strings.NewReader("id,num_gpus\na,8.0\nb,x\na,16\nc,\n"))
	require.NoError(t, err)
	require.Len(t, bad, 2)
	require.Len(t, rows, 2)
	require.Equal(t, int64(8), rows[0].GPUs)
	require.Equal(t, "c", rows[1].ID)
}

// Every row of a table is in the report, predicted or skipped for a reason that says
// where in the file it is.
func TestEveryRowIsReported(t *testing.T) {
	table := "\ufeff\"id\",model_name,params_B,num_gpus,tp,pp,seq_len,global_batch_seqs,micro_batch,gpu_type,precision,measured_step_time_s,remark\r\n" +
		"fine,Llama-3-8B,8.03,8,1,1,8192,128,1,H100-80GB,bf16,10,\"a,\n \"\"quoted\"\" remark\"\r\n" +
		"many,Llama-3-8B,8.03,1000000000,1,1,8192,128,1,H100-80GB,bf16,10,\r\n" +
		"nan,Llama-3-8B,NaN,-8,1,1,8192,128,1,H100-80GB,bf16,10,\r\n" +
		"fine,Llama-3-8B,8.03,8,1,1,8192,128,1,H100-80GB,bf16,10,\r\n" +
		"short,Llama-3-8B\r\n" +
		"no \"csv,Llama-3-8B\r\n" +
		",Llama-3-8B,8.03,8,1,1,8192,128,1,H100-80GB,bf16,10,\r\n" +
		"\r\n" +
		"gpu,Llama-3-8B,8.03,8,1,1,8192,128,1,H9000,bf16,10,\r\n" +
		"nothing,Llama-3-8B,8.03,8,1,1,8192,128,1,H100-80GB,bf16,,\r\n" +
		"product,Llama-3-8B,8.03,16777216,16777216,16777216,8192,4294967296,4294967296,H100-80GB,bf16,1,\r\n" +
		"empty,,,,,,,,,,,1,\r\n"
	rows, bad, err := Read("m.csv", strings.NewReader(table))
	require.NoError(t, err)
	r := Run(rows, bad)
	require.Equal(t, 11, r.Measurements)
	var got []string
	for _, row := range r.Rows {
		got = append(got, row.ID+": "+row.Skipped)
	}
	require.Equal(t, []string{
		"fine: ",
		`many: m.csv:4:22: num_gpus: "1000000000" is more than 16777216, which no run has`,
		`nan: m.csv:5:16: params_B: "NaN" is not a number; m.csv:5:20: num_gpus: "-8" is not a positive count: leave the cell empty where it is unknown`,
		`fine: m.csv:6:1: id: "fine" is the id of line 2 already`,
		"short: m.csv:7:1: row: 2 cells, but the header names 13 columns",
		`: m.csv:8:4: row: bare " in non-quoted-field`,
		": m.csv:9:1: id: the row has no id",
		`gpu: unknown accelerator "H9000"`,
		"nothing: nothing is measured: no figure is given, nor is the run one that ran out of memory",
		"product: tp·pp·cp = 281474976710656 does not divide 16777216 GPUs",
		"empty: not given: tp, pp, cp, seq_len, num_gpus, gpu_type",
	}, got)
	require.Equal(t, `m.csv:1:119: "remark": no column is called "remark": it is not read`, r.Bad[0])
}

// Without a time of its own a row of MFU is skipped: A100s have no fp8.
func TestNoTime(t *testing.T) {
	rows, bad, err := Read("m.csv", strings.NewReader("id,model_name,num_gpus,tp,pp,seq_len,global_batch_seqs,micro_batch,gpu_type,precision,measured_mfu_pct\na,Llama-3-8B,8,1,1,8192,128,1,A100-80GB,fp8,40\n"))
	require.NoError(t, err)
	require.Empty(t, bad)
	r := Run(rows, nil)
	require.Len(t, r.Rows, 1)
	require.Contains(t, r.Rows[0].Skipped, "fp8")
}

// endless is a device that never ends.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestEndlessTable(t *testing.T) {
	_, _, err := Read("zero", endless{})
	require.EqualError(t, err, "zero: is larger than 64 MiB, which no table of measurements is")
	_, err = Exact("zero", io.MultiReader(strings.NewReader(savedRows), endless{}))
	require.ErrorIs(t, err, errTooLarge)
	small, err := io.ReadAll(limit(strings.NewReader("abc")))
	require.NoError(t, err)
	require.Equal(t, "abc", string(small))
}

func FuzzRead(f *testing.F) {
	f.Add("id,tp\na,1\n")
	f.Add("id,measured_step_time_s,notes\na,1e3,\"x\ny\"\n")
	head, rows, _ := strings.Cut(builtin, "\n")
	for i, line := range strings.Split(rows, "\n") {
		if i%40 == 0 {
			f.Add(head + "\n" + line + "\n")
		}
	}
	unseen, err := os.ReadFile("testdata/unseen.csv")
	require.NoError(f, err)
	for line := range strings.Lines(string(unseen)) {
		f.Add(head + "\n" + line)
	}
	f.Fuzz(func(t *testing.T, in string) {
		rows, bad, _ := Read("m.csv", strings.NewReader(in))
		if len(rows) > 20 {
			return
		}
		r := Run(rows, bad)
		reported, unread := map[string]bool{}, map[int]bool{}
		for i := range bad {
			if bad[i].Row > 0 {
				unread[bad[i].Row] = true
			}
		}
		for _, row := range r.Rows {
			reported[row.ID] = true
			require.False(t, math.IsNaN(row.Predicted) || math.IsInf(row.Predicted, 0) || row.Predicted < 0, row.ID)
			require.True(t, row.Skipped != "" || row.Predicted > 0, row.ID)
		}
		require.Equal(t, len(rows)+len(unread), r.Measurements)
		for i := range rows {
			require.True(t, reported[rows[i].ID], "%q is lost", rows[i].ID)
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
	require.Greater(t, r.Inside(), 0.75)
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
