package accounting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// torchEagerTotal sums what the profile keeps of a model at micro-batch b and
// context s, and apart from it autocast's copies of weights.
func torchEagerTotal(t testing.TB, m *arch.Model, precision, attention string, dropout float64, b, s int64) (saved, copies int64) {
	t.Helper()
	p, err := ParsePrecision(map[string]string{"bf16": "bf16-pure"}[precision])
	if precision != "bf16" {
		p, err = ParsePrecision(precision)
	}
	require.NoError(t, err)
	kernel, err := ParseAttention(attention)
	require.NoError(t, err)
	l := NewLedger(m, Recipe{Precision: p, Attention: kernel, Dropout: dropout, Optimizer: optimizers[0]}, &torchEagerProfile).At(b, s, &SingleGPU)
	for i := range l.Sections {
		section := &l.Sections[i]
		v := section.Values
		v[SymB], v[SymS] = b, s
		for j := range section.Components {
			for _, x := range section.Components[j].Saved {
				n, err := x.Bytes().Scale(section.Count).Eval(&v)
				require.NoError(t, err)
				if x.Copy {
					copies += n
				} else {
					saved += n
				}
			}
		}
	}
	return saved, copies
}

// The tensors that autograd really keeps, counted on fake tensors with
// transformers 5.23.0 and torch 2.15.0: published models cut to one, two and
// three layers. Every row is met to the byte.
func TestTorchEagerKeepsWhatPyTorchKeeps(t *testing.T) {
	for _, r := range readCSV(t, "torcheager/open.csv") {
		dropout, err := strconv.ParseFloat(r["dropout"], 64)
		require.NoError(t, err)
		for _, layers := range []int64{1, 2, 3} {
			m, err := arch.Lookup(r["model"], arch.Options{Layers: layers})
			require.NoError(t, err)
			saved, copies := torchEagerTotal(t, m, r["precision"], r["attention"], dropout, atoi(t, r["batch"]), atoi(t, r["seq"]))
			where := fmt.Sprintf("%s %s %s %s, %d layers", r["id"], r["model"], r["precision"], r["attention"], layers)
			require.Equal(t, atoi(t, r[fmt.Sprint("saved_", layers)]), saved, where)
			if layers == 2 {
				require.Equal(t, atoi(t, r["weight_copies_2"]), copies, where)
			}
		}
	}
}

// The same for model types and options beyond the published rows: every
// configuration of configs.jsonl, counted by saved_tensors.py beside it.
func TestTorchEagerKeepsWhatPyTorchKeepsElsewhere(t *testing.T) {
	configs := torchEagerConfigs(t)
	for _, r := range readCSV(t, "torcheager/rows.csv") {
		dropout, err := strconv.ParseFloat(r["dropout"], 64)
		require.NoError(t, err)
		where := fmt.Sprintf("%s %s %s, %s layers, batch %s, dropout %s", r["config"], r["precision"], r["attention"], r["layers"], r["batch"], r["dropout"])
		m, err := arch.ImportBytes(r["config"], configs[r["config"]], arch.Options{Layers: atoi(t, r["layers"])})
		require.NoError(t, err, where)
		saved, copies := torchEagerTotal(t, m, r["precision"], r["attention"], dropout, atoi(t, r["batch"]), atoi(t, r["seq"]))
		require.Equal(t, atoi(t, r["saved"]), saved, where)
		require.Equal(t, atoi(t, r["weight_copies"]), copies, where)
	}
}

// Peaks of forward and backward on one GPU, from torch's own memory tracker on
// fake tensors (peaks.py): model, AdamW moments, gradients and activations.
func TestTorchEagerPeaks(t *testing.T) {
	configs := torchEagerConfigs(t)
	for _, r := range readCSV(t, "torcheager/peaks.csv") {
		where := fmt.Sprintf("%s %s %s recompute %s, %s layers, batch %s, vocabulary %s", r["config"], r["precision"], r["attention"], r["recompute"], r["layers"], r["batch"], r["vocab"])
		var c map[string]any
		require.NoError(t, json.Unmarshal(configs[r["config"]], &c))
		c["tie_word_embeddings"] = false
		if r["vocab"] != "0" {
			c["vocab_size"] = atoi(t, r["vocab"])
		}
		config, err := json.Marshal(c)
		require.NoError(t, err)
		m, err := arch.ImportBytes(r["config"], config, arch.Options{Layers: atoi(t, r["layers"])})
		require.NoError(t, err, where)
		recompute, err := ParseRecompute(r["recompute"])
		require.NoError(t, err)
		kernel, err := ParseAttention(r["attention"])
		require.NoError(t, err)
		precision, err := ParsePrecision(map[string]string{"bf16": "bf16-pure", "fp32": "fp32"}[r["precision"]])
		require.NoError(t, err)
		compiled, err := Compile(NewLedger(m, Recipe{Precision: precision, Attention: kernel, Recompute: recompute, Optimizer: optimizers[0]}, &torchEagerProfile))
		require.NoError(t, err)
		var got Report
		b := atoi(t, r["batch"])
		compiled.Evaluate(&Setting{Workload: Workload{Context: atoi(t, r["seq"]), MicroBatch: b, GlobalBatch: b}, Plan: SingleGPU, GPUs: 1}, &got)
		require.Equal(t, OK, got.Reason, where)
		// Small models that recompute everything peak in a moment that the profile
		// does not tell apart.
		tolerance := map[string]float64{"none": 0.02, "full": 0.04}[r["recompute"]]
		require.InEpsilon(t, atoi(t, r["peak"]), got.Memory.PeakBytes-got.Memory.RuntimeBytes, tolerance, where)
	}
}

// torchEagerConfigs are the configurations of configs.jsonl by name.
func torchEagerConfigs(t *testing.T) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/torcheager/configs.jsonl")
	require.NoError(t, err)
	configs := map[string][]byte{}
	for line := range bytes.Lines(data) {
		var c struct {
			Name   string
			Config json.RawMessage
		}
		require.NoError(t, json.Unmarshal(line, &c))
		configs[c.Name] = c.Config
	}
	return configs
}
