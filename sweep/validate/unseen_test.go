package validate

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
)

// unseen are the rows of testdata/unseen.csv.
func unseen(t *testing.T) []Measurement {
	t.Helper()
	f, err := os.Open("testdata/unseen.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, bad, err := Read("unseen.csv", f)
	require.NoError(t, err)
	require.Empty(t, bad)
	return rows
}

// The rows of testdata/unseen.csv are in the manner of publications and models that
// the embedded table has none of, with layouts as their launch scripts have. Nothing
// in them is measured: 1 stands where a source has a figure. Each is predicted by the
// rules, with what had to be assumed said, or skipped for a reason.
func TestUnseen(t *testing.T) {
	rows := unseen(t)
	report := Run(rows, nil)
	byID := map[string][]Row{}
	for _, r := range report.Rows {
		byID[r.ID] = append(byID[r.ID], r)
	}
	require.Len(t, byID, len(rows), "rows are lost")

	type want struct{ profile, says string }
	skipped := map[string]string{
		"dgxc-927":    "layers other than attention and feed-forward",
		"torchao-903": "not a language model",
		"mbridge-901": "layers other than attention and feed-forward",
		"litgpt-902":  "the length of its samples",
		"golden-909":  "layers other than attention and feed-forward",
		"golden-911":  "an encoder and a decoder",
		"zzz-906":     "no head width",
	}
	for id, says := range skipped {
		require.Len(t, byID[id], 1, id)
		require.Contains(t, byID[id][0].Skipped, says, id)
	}
	for id, w := range map[string]want{
		"dgxc-901":       {"megatron", "recompute is not given: none"},
		"dgxc-916":       {"megatron-2025", "none is assumed"},
		"dgxc-919":       {"fsdp2", "full is assumed, the default of the code"}, // MaxText's remat_policy
		"dgxc-920":       {"fsdp2", "data parallelism over all GPUs"},
		"bigscience-909": {"megatron-deepspeed", "no sizes are given: GPT-3's proportions"},
		"flagperf-901":   {"megatron-2024", "learned positions, biases and tied head"},
		"flagperf-908":   {"megatron-2024", "selective is assumed, the default of the code"},
		"flagperf-910":   {"deepspeed", "full is assumed, the least with which the run fits"},
		"flagperf-916":   {"megatron-deepspeed", "no ZeRO stage is given: 1"}, // Paddle
		"moezoo-901":     {"megatron-2025", "recompute is not given: none"},
		"automodel-902":  {"fsdp2", "recompute is not given"},
		"kempner-901":    {"fsdp2", "recompute is not given"},
		"nanotron-902":   {"megatron", "the sizes make"},
		"ms-swift-901":   {"megatron", "selective is assumed, the default of the code"},
		"ms-swift-902":   {"deepspeed", ""},
		"ms-swift-903":   {"torch-eager", "no ZeRO stage is given: 0"},
		"mtnlg-901":      {"megatron-deepspeed", "no ZeRO stage is given: 1"},
		"mds-901":        {"megatron-deepspeed", ""},
		"torchao-901":    {"torch-eager", ""},
		"nemolong-918":   {"megatron-2024", "are the fastest that fit"},
		"simumax-904":    {"megatron-2025", ""},
		"torchtitan-902": {"fsdp2", "no micro-batch is given"},
		"gpuhours-901":   {"megatron", "the GPUs are not given"},
		"gpuhours-903":   {"megatron", "taken as 2048 sequences"},
		"golden-903":     {"megatron", ""}, // ZeRO-3 of Megatron's own
		"golden-907":     {"megatron", "GPT-2's 50,257 rows"},
		"nemoold-902":    {"megatron-2024", "no layout is given"},
		"mlmh100-901":    {"megatron-2024", "recompute is not given: none"},
		"zzz-901":        {"deepspeed", ""},
		"zzz-902":        {"torch-eager", ""},
		"zzz-903":        {"megatron", "no vocabulary is given"},
	} {
		for _, r := range byID[id] {
			require.Empty(t, r.Skipped, id)
			require.True(t, strings.HasPrefix(r.Profile, w.profile), "%s: %s", id, r.Profile)
			require.Contains(t, strings.Join(r.Assumed, "; "), w.says, id)
		}
	}
	for _, r := range report.Rows {
		require.Equal(t, skipped[r.ID] != "", r.Skipped != "", "%s: %s", r.ID, r.Skipped)
		if r.Right != nil {
			require.True(t, *r.Right, r.ID) // published as out of memory
		}
	}

	// Megatron-LM's README of 2024 is not that of 2021.
	for i := range rows {
		if rows[i].ID == "mlmh100-901" {
			require.Equal(t, "megatron-lm", rows[i].source().Name)
		}
	}

	// What is predicted is what GPUs do.
	slow := []string{"litgpt-902", "golden-903", "golden-907", "nemolong-918"} // tiny, or one long sequence in a pipeline
	for i := range rows {
		m := &rows[i]
		trial, err := m.Trial()
		if err != nil || slices.Contains(slow, m.ID) || m.OutOfMemory() {
			continue
		}
		e, err := trial.Evaluate()
		if err != nil || e.NoTime != "" {
			continue
		}
		share := e.rate(false) / e.Machine.PrintedPeak
		require.Less(t, share, 0.68, m.ID)
		require.Greater(t, share, 0.09, m.ID)
		require.NotEqual(t, accounting.ReasonOverflow, e.Report.Reason, m.ID)
	}
}

// Typical layouts that run out of memory do, and their mends that are known to run
// do not.
func TestTypicalFits(t *testing.T) {
	head := "id,source,year,metric_kind,model_name,seq_len,global_batch_seqs,micro_batch,gpu_type,num_gpus,tp,pp,cp,zero_stage,recompute,attention_kernel,precision,notes\n"
	f := func(fits bool, row string) {
		t.Helper()
		rows, bad, err := Read("m.csv", strings.NewReader(head+"a,"+row+",OOM\n"))
		require.NoError(t, err)
		require.Empty(t, bad)
		r := Run(rows, nil)
		require.Len(t, r.Rows, 1)
		require.NotNil(t, r.Rows[0].Right, r.Rows[0].Skipped)
		require.Equal(t, !fits, *r.Rows[0].Right)
	}
	f(false, "Megatron-LM,2024,memory,Llama-2-7B,8192,64,1,A100-80GB,8,1,1,1,1,none,flash,bf16") // fp32 gradients whole on each
	f(true, "Megatron-LM,2024,memory,Llama-2-7B,8192,64,1,A100-80GB,8,2,1,1,1,none,flash,bf16")
	f(false, "Megatron-LM,2024,memory,Llama-3-8B,8192,64,1,H100-80GB,8,1,1,1,1,none,flash,bf16")
	f(true, "pytorch/torchtitan,2024,memory,Llama-3-8B,8192,8,1,H100-80GB,8,1,1,1,3,none,flash,bf16")
	f(false, "pytorch/torchtitan,2024,memory,Llama-3-8B,8192,16,2,H100-80GB,8,1,1,1,3,none,flash,bf16")
	f(false, "DDP,2024,memory,Llama-2-7B,4096,8,1,A100-80GB,8,1,1,1,0,full,flash,bf16") // 16 bytes a parameter
	f(false, "DeepSpeed,2024,memory,Llama-2-70B,4096,8,1,A100-80GB,8,1,1,1,3,full,flash,bf16")
	f(true, "DeepSpeed,2024,memory,Llama-2-70B,4096,64,1,A100-80GB,64,1,1,1,3,full,flash,bf16")
	f(false, "torchtune,2024,memory,Llama-3-8B,4096,1,1,A100-40GB,1,1,1,1,0,full,flash,bf16") // 8 bytes a parameter
	f(false, "Megatron-LM,2024,memory,Mixtral-8x7B,4096,64,1,H100-80GB,8,1,1,1,1,none,flash,bf16")
}
