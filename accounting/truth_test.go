package accounting

import (
	"encoding/csv"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// readCSV reads a table of testdata as one map a row.
func readCSV(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var rows []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func atoi(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return n
}

// llamaLike is a decoder with the dimensions of a truth row: the GPT of
// Megatron's own tests where gated is false.
func llamaLike(d, layers, heads, kv, ffn, vocab int64, gated, tied bool) *arch.Model {
	norm, rotary := arch.RMSNorm, d/heads
	if !gated {
		norm, rotary = arch.LayerNorm, 0
	}
	m := &arch.Model{
		Name: "row", Type: "llama", Hidden: d,
		Embedding: arch.Embedding{Vocab: vocab, Width: d},
		FinalNorm: arch.NewNorm(norm, d),
		Head:      arch.Head{Tied: tied},
		Kinds: []arch.Layer{{
			Name:      "dense",
			Attention: arch.Attention{Heads: heads, KVHeads: kv, HeadDim: d / heads, ValueDim: d / heads, RotaryDim: rotary},
			FFN:       &arch.FFN{Width: ffn, Gated: gated},
			InputNorm: arch.NewNorm(norm, d), FFNNorm: arch.NewNorm(norm, d),
		}},
		Sequence: make([]int, layers),
	}
	if !gated {
		m.Embedding.Positions = 1 << 20
	}
	return m
}

// The peak of a whole FSDP2 or DDP step, from torchtitan's own code on fake
// tensors, steady state (truth/fake_runs_README.md).
func TestFSDP2Peaks(t *testing.T) {
	var errors []float64
	for _, row := range readCSV(t, "fsdp_peaks.csv") {
		if row["iteration"] != "2" {
			continue
		}
		zero := map[string]int64{"fsdp2-full": 3, "fsdp2-noreshard": 2, "ddp": 0}[row["strategy"]]
		o := Options{
			Model:   llamaLike(atoi(t, row["hidden"]), atoi(t, row["layers"]), atoi(t, row["heads"]), atoi(t, row["kv_heads"]), atoi(t, row["ffn"]), atoi(t, row["vocab"]), true, row["tied"] == "yes"),
			Context: atoi(t, row["seq"]), MicroBatch: atoi(t, row["batch"]), GPUs: atoi(t, row["world"]),
			GlobalBatch: atoi(t, row["batch"]) * atoi(t, row["world"]) * atoi(t, row["grad_accum"]),
			Profile:     "fsdp2", Optimizer: row["optimizer"], ZeRO: &zero, Recompute: map[string]string{"none": "none", "full": "full", "selective-op": "selective"}[row["recompute"]],
		}
		if row["norm"] != "fused" {
			o.Profile = "fsdp2-2024"
		}
		if row["loss"] == "chunked" {
			o.Loss = "chunked"
		}
		if zero == 0 {
			o.Recipe = "autocast"
		}
		if row["param_dtype"] == "fp32" {
			o.Recipe = "fp32-compute"
		}
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var r Report
		k.Evaluate(&c.Setting, &r)
		require.Equal(t, OK, r.Reason, row["id"])
		want := atoi(t, row["peak_bytes"])
		got := r.Memory.AllocatedBytes - torchRuntime.workspaceBytes // a fake run has none
		e := float64(got)/float64(want) - 1
		errors = append(errors, math.Abs(e))
		require.LessOrEqual(t, math.Abs(e), 0.05, "%s: predicted %d in %s, measured %d in %s", row["id"], got, r.Memory.Phase, want, row["peak_phase"])
	}
	slices.Sort(errors)
	require.LessOrEqual(t, errors[len(errors)/2], 0.001)
	t.Logf("%d rows: median %.2f %%, worst %.2f %%", len(errors), 100*errors[len(errors)/2], 100*errors[len(errors)-1])
}

// What Megatron-Core keeps a layer and in head and loss, from its own code on
// fake tensors, tensor-parallel rank 0 (truth/fake_runs_README.md).
func TestMegatronSavedTensors(t *testing.T) {
	worst := 0.0
	for _, row := range readCSV(t, "megatron_saved.csv") {
		sp := row["sequence_parallel"] == "yes"
		o := Options{
			Model:   llamaLike(atoi(t, row["hidden"]), atoi(t, row["layers_run"]), atoi(t, row["heads"]), atoi(t, row["kv_heads"]), atoi(t, row["ffn"]), atoi(t, row["vocab"]), row["swiglu"] == "yes", row["swiglu"] != "yes"),
			Context: atoi(t, row["seq"]), MicroBatch: atoi(t, row["batch"]), TP: atoi(t, row["tp"]), SP: &sp,
			Profile: "megatron", Recompute: row["recompute"], Attention: row["attention"], Dropout: row["dropout"],
		}
		c, err := o.Resolve()
		require.NoError(t, err)
		unpadded := *c.Profile // as these runs were
		unpadded.memory.vocabMultiple = 1
		c.Profile = &unpadded
		k, err := c.Compile()
		require.NoError(t, err)
		var r Report
		k.Evaluate(&c.Setting, &r)
		require.Equal(t, OK, r.Reason, row["id"])
		layers := atoi(t, row["layers_run"]) * r.Memory.SavedPerLayerBytes
		head := r.Memory.SavedTotalBytes - layers - atoi(t, row["embedding_and_shared_bytes"])
		for _, x := range []struct {
			name      string
			got, want int64
		}{
			{"layer", r.Memory.SavedPerLayerBytes, atoi(t, row["per_layer_bytes"])},
			{"head and loss", head, atoi(t, row["head_and_loss_bytes"])},
			{"parameters", r.Memory.ParametersPerRank, atoi(t, row["params_per_rank"])},
		} {
			e := math.Abs(float64(x.got)/float64(x.want) - 1)
			if x.name == "parameters" {
				continue
			}
			worst = max(worst, e)
			require.LessOrEqual(t, e, 0.02, "%s %s: predicted %d, measured %d", row["id"], x.name, x.got, x.want)
		}
	}
	t.Logf("worst %.2f %%", 100*worst)
}
