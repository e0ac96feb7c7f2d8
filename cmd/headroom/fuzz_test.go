package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/hardware"
)

// runIn runs the command line in this process, in a state of its own.
func runIn(args, env []string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	s := &state{
		Args: args, Env: map[string]string{}, Stdin: strings.NewReader(""), Stdout: &stream{Writer: &out}, Stderr: &stream{Writer: &errs},
		Exit: func(int) { panic("exit") }, Dir: func(dir string) fs.FS { return os.DirFS(dir) }, CPUs: 1,
		WriteFile: func(string, []byte) error { return nil }, Today: hardware.Date("2026-11-24"), PeakRSS: func() int64 { return 0 }, CPUSeconds: func() float64 { return 0 },
		Signals: func() (<-chan signalled, func()) { return nil, func() {} },
	}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		s.Env[k] = v
	}
	code = run(s)
	return code, out.String(), errs.String()
}

// commandLines are what people type, more or less. They are the fuzzer's seeds.
var commandLines = []string{
	"", "--help", "--version", "sweeep", "explain", "help sweep", "completion bash", "__complete explain --model gp",
	"explain --model gpt2 --seq 8Ki --micro-batch 2 --gpu h100-sxm --json",
	"explain --model gpt2 --seq 1e400", "explain --model gpt2 --seq=-0", "explain --model gpt2 --tp 99999999999999999999", "explain --model c.json --zero 4",
	"explain --hidden 64 --layers 2 --vocab 100 --heads 3", "explain --model gpt2 --capacity 80", "explain --model gpt2 --dropout NaN --loss fussed",
	"explain --model mixtral-8x7b --gpus 64 --tp 2 --pp 4 --ep 2 --cp 2 --sp --vpp 2 --recompute full --global-batch 256 --tokens 1T --gpu h100-sxm --tensors",
	"explain --model gpt2 --gpu h100-sxm --tokens 1B --price 2.5 --goodput 0.9 --power 0.8 --pue 1.2 --checkpoint-time 60s",
	"explain --model gpt2 --gpu h100-sxm --prices p.csv --provider own", "explain --model gpt2 --price -1 --restart-time 1h1s",
	"limit --model gpt2 --capacity 80GiB --json", "limit --model gpt2 --gpu h10", "limit --model gpt2 --capacity 1TB --axis context --step 128 --plot x.svg",
	"plan s.yaml --json", "plan s.yaml --set tp=1,2 --set micro_batch=3", "plan --list", "plan s.yaml --set tpp=1", "plan s.yaml --set where=[tp<2", "plan s.yaml -o d.ds",
	"sweep s.yaml -o d.ds", "sweep s.yaml --shard 2/3 --workers 1 -o e.ds", "sweep s.yaml -o d.ds --set context=512", "sweep s.yaml --progress loud", "sweep s.yaml --json --quiet -o d.ds",
	"top d.ds --where fits&&tp<=2 --by -peak_bytes,model --columns model,peak_bytes --limit 3", "top d.ds --where len(model)>3 --format markdown", "top d.ds --where fts", "top s.yaml", "top --list",
	"why d.ds 3", "why d.ds 99", "why d.ds -- -1", "export d.ds --format jsonl --columns case_id", "verify d.ds --json", "commit d.ds", "diff d.ds d.ds --examples 1",
	"models llama --json", "models --types", "gpus h100", "prices h100-sxm --pricing spot --min-gpus 8", "prices --region us-east-1",
	"validate --measured m.csv --rows", "validate --measured m.csv --json", "validate --measured nowhere.csv",
	"pick --model gpt2 --tokens 1B --gpu h100-sxm --gpus 8 --budget 1M", "pick --model gpt2 --gpu h100-sxm --gpus 8 --deadline 3w --json", "pick --gpu h100-sxm --gpus 8 --family gpt2 --flops 1e18",
	"explain --model mixtral-8x7b --moe fused --recipe mxfp8-mixed-grad16 --pp 2 --vpp 2 --gpus 16 --gpu b200-sxm", "explain --model gpt2 --lora-rank 8 --lora-dropout 0.1 --lora-target-modules dropout --attention flash1 --optimizer adam4bit",
	"plan --keys", "plan s.yaml --set prices.file=p.csv --set moe=fused --set trainable=lora:8:dropout",
	"explain --model gpt2 --log-level debug -q", "explain --model gpt2 --log-level loud", "explain -m gpt2 -g l4 -m gpt2-xl", "gpus --json=maybe",
}

// FuzzArgs: whatever is typed, there is no panic, the exit code is one that is
// documented, and an error of usage says something on standard error and nothing
// on standard output.
func FuzzArgs(f *testing.F) {
	dir := f.TempDir()
	for name, text := range map[string]string{
		"s.yaml": "{study: s, grid: {model: gpt2, accelerator: h100-sxm, micro_batch: [1, 2], tp: [1, 2]}, out: {part_rows: 3}}",
		"c.json": `{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}`,
		"p.csv":  "provider,region,instance_type,accelerator_slug,gpus,pricing,price_per_hour_usd\nown,here,rack,h100-sxm,8,on_demand,16\n",
		"m.csv":  "id,model_name,gpu_type,num_gpus,seq_len,measured_step_time_s\nx-1,gpt2,H100,8,1024,1.5\n",
	} {
		require.NoError(f, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	for _, line := range commandLines {
		f.Add(line, "")
	}
	f.Add("plan s.yaml", "HEADROOM_GRID_TP=1,4")
	f.Add("plan s.yaml", "HEADROOM_GRID_TPP=1")
	codes := []int{exitOK, exitOther, exitUsage, exitIncomplete, exitOtherStudy, exitIO, exitTemporary}
	f.Fuzz(func(t *testing.T, line, env string) {
		t.Chdir(dir)
		words := strings.Fields(line)
		// Nothing outside of the folder, and nothing that only takes long.
		if strings.ContainsAny(line, "/\\~") || strings.Contains(line+env, "..") || strings.Contains(line+env, "pow2") {
			t.Skip()
		}
		small := map[string]string{"sweep": "s.yaml", "plan": "s.yaml", "validate": "m.csv", "pick": "h100-sxm"}
		for _, w := range words {
			if need, big := small[w]; big && !slices.Contains(words, need) {
				t.Skip()
			}
		}
		code, stdout, stderr := runIn(words, []string{env})
		require.Contains(t, codes, code, "%s%s", stdout, stderr)
		require.NotContains(t, stderr, "internal error")
		if code == exitUsage {
			require.Empty(t, stdout)
			require.Contains(t, stderr, "headroom")
		}
	})
}
