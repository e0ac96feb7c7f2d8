package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The command that why prints for a row gives the numbers of the row, whatever the
// study varies. What no row can tell is named, and added here.
func TestWhyExplainsRows(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell to take the words apart")
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	own := file("my model.json", `{"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 32000, "max_position_embeddings": 65536, "tie_word_embeddings": false}`)
	table := file("ours.csv", "provider,instance_type,region,accelerator_slug,gpus,price_per_hour_usd,pricing\nus,x8,\"here, there\",h100-sxm,8,20,on_demand\nus,x8,\"here, there\",h100-sxm,8,9,spot\n")
	f := func(name, study string, sampled int64, more ...string) {
		t.Helper()
		study = file(name+".yaml", "study: "+name+"\n"+study)
		ds := filepath.Join(dir, name+".ds")
		code, stdout, stderr := runIn([]string{"sweep", study, "-o", ds, "-q", "--json"}, nil)
		require.Zero(t, code, stderr)
		var sum struct {
			Cases int64 `json:"cases"`
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &sum))
		require.GreaterOrEqual(t, sum.Cases, sampled, name)
		status := map[string]int{}
		for i := range sampled {
			id := i * sum.Cases / sampled
			code, stdout, stderr := runIn([]string{"why", ds, strconv.FormatInt(id, 10), "--json"}, nil)
			require.Zero(t, code, stderr)
			var why struct {
				Row struct {
					Status string   `json:"status"`
					Peak   int64    `json:"peak_bytes"`
					Usable int64    `json:"usable_bytes"`
					Step   *float64 `json:"step_seconds"`
					USD    *float64 `json:"cost_usd"`
					Days   *float64 `json:"run_days"`
				}
				Explain string
				Lacks   []string `json:"explain_lacks"`
			}
			require.NoError(t, json.Unmarshal([]byte(stdout), &why))
			status[why.Row.Status]++
			require.Equal(t, len(more) > 0 && why.Row.Status == "fits", len(why.Lacks) > 0, why.Lacks)
			words, err := exec.Command("sh", "-c", "printf '%s\\n' "+why.Explain).Output()
			require.NoError(t, err)
			args := append(strings.Split(strings.TrimSpace(string(words)), "\n")[1:], "--json")
			if len(why.Lacks) > 0 {
				args = append(args, more...)
			}
			code, stdout, stderr = runIn(args, nil)
			require.Zero(t, code, "%s: %s", why.Explain, stderr)
			var e struct {
				Status string
				Memory struct {
					Peak   int64 `json:"peak_bytes"`
					Usable int64 `json:"usable_bytes"`
				}
				Time struct {
					Step float64 `json:"step_seconds"`
				}
				Cost *struct {
					USD   *float64
					Hours float64
				}
			}
			require.NoError(t, json.Unmarshal([]byte(stdout), &e))
			require.Equal(t, why.Row.Status, e.Status, why.Explain)
			if e.Status == "ruled_out" {
				continue
			}
			require.Equal(t, why.Row.Peak, e.Memory.Peak, why.Explain)
			require.Equal(t, why.Row.Usable, e.Memory.Usable, why.Explain)
			if why.Row.Step != nil {
				require.Equal(t, *why.Row.Step, e.Time.Step, why.Explain)
			}
			if why.Row.USD != nil {
				require.NotNil(t, e.Cost, why.Explain)
				require.NotNil(t, e.Cost.USD, why.Explain)
				require.InEpsilon(t, *why.Row.USD, *e.Cost.USD, 1e-12, why.Explain)
				require.InEpsilon(t, 24**why.Row.Days, e.Cost.Hours, 1e-12, why.Explain)
			}
		}
		require.NotZero(t, status["fits"], name)
	}
	f("routed", `
grid:
  model: [mixtral-8x7b, qwen3-30b-a3b, `+strconv.Quote(own)+`]
  context: 2048
  accelerator: [b200-sxm, h100-sxm]
  gpus: 64
  network: [50, 400]
  global_batch: 512
  plan: auto
  recipe: [bf16-mixed-grad16, mxfp8-mixed-grad16]
  moe: [auto, dropless, capacity, graphed, fused]
  profile: [megatron, fsdp2, megatron-2025]
tokens: 1T
prices: {pricing: reserved}
failures: {gpu_hours_between: 50700, checkpoint_seconds: 60.5, restart_seconds: 600}
energy: {power: 0.8, pue: 1.2}
`, 50)
	f("tuned", `
grid:
  model: [llama-3.1-8b, `+strconv.Quote(own)+`]
  context: 2048
  accelerator: [h100-sxm, a100-sxm-80gb, rtx-4090]
  micro_batch: [1, 4]
  gpus: 8
  global_batch: 32
  profile: [torch-eager, fsdp2, deepspeed, internevo]
  zero: [0, 2, 3]
  trainable: [all, lora:8, lora:16:all-linear:dropout, freeze:embedding+norms]
  recompute: [none, full]
  optimizer: [adamw, adam4bit]
  attention: [flash, flash1]
  dropout: [0, 0.1]
  offload: [none, optimizer]
tokens: 1B
prices: {file: `+strconv.Quote(table)+`, pricing: spot, regions: ["here, there"]}
goodput: 0.9
`, 50, "--prices", table)
	f("laid", `
grid:
  model: llama-3.1-8b
  accelerator: h100-sxm
  context: 4096
  gpus: [16, 32]
  tp: [1, 2]
  pp: [2, 4]
  vpp: [1, 2]
  schedule: [1f1b, gpipe, zb-h1, interleaved, dualpipe]
  first_stage_layers: [0, 7]
  last_stage_layers: [0, 7]
  dp_replicate: [1, 2]
  zero: [1, 3]
  global_batch: 64
  loss: [eager, fused]
  profile: [megatron, fsdp2]
tokens: 10B
prices: {providers: [aws, lambda], since: 2026-01-01}
`, 60)
}
