package validate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
)

// What the notes of a row say of its run is read off them.
func TestNotes(t *testing.T) {
	shards := func(notes string) int64 { m := Measurement{Notes: notes}; return m.shardRanks() }
	require.EqualValues(t, 8, shards("line 38; zero1 group size 8 (-1 = all DP ranks); micro_num 4"))
	require.EqualValues(t, 4, shards("line 60; zero1 group 4; pack_sample_into_one=True"))
	require.Zero(t, shards("line 37; zero1 group size -1 (-1 = all DP ranks)"))
	require.Zero(t, shards("line 134; zero1=-1, fsdp=False"))

	gpu := func(gpu, notes string) string { m := Measurement{GPU: gpu, Notes: notes}; return m.accelerator() }
	const instead = "A100 rows are on A800 hardware per env section"
	require.Equal(t, "A800-80GB", gpu("A100-80GB", instead))
	require.Equal(t, "H100-80GB", gpu("H100-80GB", instead))
	require.Equal(t, "A100-80GB", gpu("A100-80GB", ""))

	fsdp := func(year string) string { m := Measurement{Year: year}; return m.fsdp() }
	require.Equal(t, "fsdp-2023", fsdp("2022"))
	require.Equal(t, "fsdp2", fsdp("2023-2024"))
	require.Equal(t, "fsdp2", fsdp(""))

	const pure, amp = "precision field 'bf16'; MP mode PURE; cpu_offload=False", "precision field 'amp_bf16'; MP mode DEFAULT; cpu_offload=False"
	composer := func(gpu, notes string) (string, string) {
		m := Measurement{Source: "mosaicml/llm-foundry", GPU: gpu, Notes: notes, Attention: "flash"}
		return m.composer(), m.attention(m.source(), func(string, ...any) {})
	}
	for _, c := range []struct{ gpu, notes, profile, attention string }{
		{"A100-40GB", pure, "composer-2023", "triton"},
		{"A100-80GB", amp, "composer", "triton"},
		{"H100-80GB", amp, "composer", "triton"},
		{"H100-80GB", pure, "composer", "flash"},
	} {
		profile, attention := composer(c.gpu, c.notes)
		require.Equal(t, c.profile, profile, c.gpu+c.notes)
		require.Equal(t, c.attention, attention, c.gpu+c.notes)
	}
	fp8 := Measurement{Source: "mosaicml/llm-foundry", Precision: "fp8"}
	require.False(t, fp8.compiled()) // TransformerEngine's
	fp8.Source = "pytorch/torchtitan"
	require.True(t, fp8.compiled())

	overlap := func(notes, profile string, compiled bool) string {
		m := Measurement{Notes: notes}
		o := accounting.Options{Profile: profile, Compile: compiled}
		m.techniques(&o)
		return o.Overlap
	}
	require.Equal(t, "tp", overlap("async TP; quantization none; torch.compile", "fsdp2", true))
	require.Empty(t, overlap("vanilla TP; quantization none; torch.compile", "fsdp2", true))
	require.Empty(t, overlap("async TP", "megatron", false))
}

// What the launch scripts of a source ask for is read with its rows.
func TestOverlapOfSources(t *testing.T) {
	overlap := func(url string) string { m := Measurement{URL: url}; return m.source().Overlap }
	require.Equal(t, "none", overlap("FlagPerf/training/nvidia/llama3_8B-megatron/README.md"))
	require.Equal(t, "none", overlap("FlagPerf/training/nvidia/aquila2_7b-flagscale/README.md"))
	require.Empty(t, overlap("NVIDIA-NeMo/Megatron-Bridge/docs/performance-summary.md"))
}

// NeMo's recipes of 23.04 ask for selective recompute, whatever the table of the next
// release says; those of the year before do not.
func TestSelectiveOfNeMo(t *testing.T) {
	mode := func(source, recompute string) string {
		m := Measurement{Source: "NVIDIA/NeMo-Framework-Launcher README history, " + source, Recompute: recompute}
		mode, open := m.recompute(m.source(), func(string, ...any) {})
		require.Equal(t, recompute == "" && mode == "none", open)
		return mode
	}
	require.Equal(t, "selective", mode("release 23.05", "none"))
	require.Equal(t, "selective", mode("release 23.05", ""))
	require.Equal(t, "full", mode("release 23.05", "full"))
	require.Equal(t, "none", mode("release 2022-07", ""))
	require.Equal(t, "full:block:4", mode("release 2022-02", ""))
}

// The open beta's configuration stands in for the micro-batch that its table lacks.
func TestBetaOfNeMo(t *testing.T) {
	for _, m := range Builtin() {
		s := m.source()
		if s.Name != "nemo-2022-02" {
			continue
		}
		trial, err := m.Trial()
		require.NoError(t, err)
		require.EqualValues(t, 2, trial.Options.MicroBatch)
		require.False(t, trial.SearchMicroBatch)
		require.Equal(t, "autocast", trial.Options.Recipe)
		require.EqualValues(t, 1280, trial.Options.GlobalBatch)
	}
}
