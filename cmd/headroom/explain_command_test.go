package main

import (
	"encoding/json"
	"slices"
	"testing"

	"headroom/accounting"
	"headroom/accounting/arch"

	"github.com/stretchr/testify/require"
)

// What explainWords writes, explain reads as the same case.
func TestExplainWords(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--model", "gpt2"},
		{"--model", "llama-3.1-8b", "--layers", "8", "--gpus", "64", "--tp", "4", "--sp=false", "--pp", "2", "--vpp", "2", "--global-batch", "64", "--profile", "megatron", "--schedule", "interleaved", "--recompute", "full"},
		{"--model", "llama-3.1-8b", "--gpus", "16", "--pp", "4", "--decoder-first-pipeline-num-layers", "7", "--decoder-last-pipeline-num-layers", "7", "--global-batch", "16", "--recompute", "selective", "--recompute-modules", "core_attn,mlp"},
		{"--model", "llama-3.1-8b", "--gpus", "16", "--dp-replicate", "2", "--zero", "3", "--profile", "fsdp2", "--compile", "--offload", "parameters,optimizer", "--recompute", "every:2"},
		{"--model", "deepseek-v2-lite", "--gpus", "64", "--tp", "2", "--ep", "8", "--etp", "1", "--profile", "megatron", "--seq", "2048", "--global-batch", "512"},
		{"--model", "llama-3.1-8b", "--lora-rank", "16", "--lora-target-modules", "q_proj,v_proj", "--profile", "torch-eager", "--loss", "chunked"},
		{"--model", "llama-3.1-8b", "--freeze", "embedding,norms", "--profile", "torch-eager", "--dropout", "0.1", "--attention", "unfused", "--optimizer", "sgd", "--gpu", "h100-sxm"},
		{"--model", "llama-3.1-8b", "--profile", "torch-eager", "--optimizer-in-backward", "--recompute", "full"},
		{"--model", "deepseek-v3", "--gpus", "256", "--pp", "8", "--ep", "32", "--profile", "megatron", "--mtp-num-layers", "1", "--moe", "graphed+overlap", "--global-batch", "1024", "--schedule", "zb-h1"},
	} {
		first := explained(t, append([]string{"headroom", "explain"}, args...))
		asked := first
		if !slices.Contains(args, "--layers") {
			asked.Layers = 0
		}
		require.Equal(t, first, explained(t, explainWords(args[1], &asked)), "%v: %v", args, explainWords(args[1], &asked))
		o := first.Options()
		again, err := (&state{}).findModel(args[1], arch.Options{Layers: asked.Layers})
		require.NoError(t, err)
		o.Model = again
		c, err := o.Resolve()
		require.NoError(t, err)
		e, err := c.Explain(false)
		require.NoError(t, err)
		e.Case.Accelerator = first.Accelerator
		require.Equal(t, first, e.Case, "%v by its fields", args)
	}
}

func explained(t *testing.T, words []string) accounting.CaseFields {
	t.Helper()
	code, stdout, stderr := runIn(append(words[1:], "--json"), nil)
	require.Zero(t, code, "%v: %s", words, stderr)
	var e struct {
		Case accounting.CaseFields `json:"case"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &e))
	return e.Case
}
