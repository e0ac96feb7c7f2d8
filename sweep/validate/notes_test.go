package validate

import (
	"strings"
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
	composer := func(model, gpu string, gpus int64, precision, notes string) []string {
		m := Measurement{Source: "mosaicml/llm-foundry", Model: model, GPU: gpu, GPUs: gpus, Precision: precision, Notes: notes, Attention: "flash", Context: 2048, MicroBatch: 8, Batch: 8 * gpus, DP: gpus, TP: 1, PP: 1, Layers: 24, Hidden: 2048, Heads: 16, FFN: 8192, Vocab: 50368}
		trial, err := m.Trial()
		require.NoError(t, err)
		return []string{trial.Options.Profile, trial.Options.Attention, trial.Options.Recipe}
	}
	for _, c := range []struct {
		model, gpu         string
		gpus               int64
		precision, notes   string
		profile, attention string
		recipe             string
	}{
		{"MPT-1b", "A100-40GB", 8, "bf16", pure, "composer-2023", "triton", "fsdp-pure"},
		{"MPT-1b", "A100-40GB", 128, "bf16", pure, "composer-2023", "triton", "fsdp-pure"},
		{"MPT-1b", "A100-80GB", 8, "bf16", amp, "composer", "triton", "fsdp-mixed"},
		{"MPT-1b", "H100-80GB", 64, "bf16", amp, "composer", "triton", "fsdp-mixed"},
		{"MPT-1b", "H100-80GB", 64, "fp8", amp, "composer", "triton", "fsdp-fp8"},
		{"MPT-1b", "H100-80GB", 8, "bf16", pure, "composer", "triton", "fsdp-pure"},
		{"MPT-1b", "H100-80GB", 8, "fp8", pure, "composer", "triton", "fsdp-fp8-pure"},
		{"MPT-1b", "H100-80GB", 128, "bf16", amp, "composer", "flash", "fsdp-mixed"},
		{"MPT-13b", "H100-80GB", 512, "bf16", amp, "composer", "triton", "fsdp-mixed"},
		{"MPT-30b", "H100-80GB", 256, "bf16", amp, "composer", "triton", "fsdp-mixed"},
		{"MPT-70b", "H100-80GB", 256, "bf16", pure, "composer", "flash", "fsdp-pure"},
	} {
		require.Equal(t, []string{c.profile, c.attention, c.recipe}, composer(c.model, c.gpu, c.gpus, c.precision, c.notes), c.model+c.gpu+c.notes)
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

// NeMo's launcher turned cuDNN's attention off until its release 24.09; nothing else does.
func TestAttentionOfSources(t *testing.T) {
	kernels := map[string]map[string]bool{}
	for _, m := range Builtin() {
		if trial, err := m.Trial(); err == nil && m.Attention == "flash" {
			if kernels[m.Family()] == nil {
				kernels[m.Family()] = map[string]bool{}
			}
			kernels[m.Family()][trial.Options.Attention] = true
		}
	}
	for family, kernel := range map[string]string{"nemolong": "flash2", "nemo": "flash2", "dgxc": "flash", "mbridge": "flash", "mlmh100": "flash", "flagperf": "flash", "torchtitan": "flash", "internevo": "flash1"} {
		require.Equal(t, map[string]bool{kernel: true}, kernels[family], family)
	}
}

// Where a source names no framework, weights are sharded by the one that could: torch has
// FSDP since 2022.
func TestFrameworkOfShardedWeights(t *testing.T) {
	zero := int64(3)
	for year, profile := range map[string]string{"2020": "deepspeed", "2021": "deepspeed", "2023": "fsdp2", "": "fsdp2"} {
		m := Measurement{Source: "a paper", Year: year, ZeRO: &zero, GPUs: 64}
		require.Equal(t, profile, m.profile(m.source()), year)
	}
	named := Measurement{Source: "a paper on FSDP", Year: "2021", ZeRO: &zero, GPUs: 64}
	require.Equal(t, "fsdp2", named.profile(named.source()))
}

// paper is a run of a source that is not known.
func paper(year string) *Measurement {
	return &Measurement{
		Source: "a paper", Year: year, Context: 2048, Layers: 24, Hidden: 2048, Heads: 16, Vocab: 51200, GPU: "A100-80GB", GPUs: 8, TP: 8,
		MicroBatch: 1, Batch: 64, Recompute: "full", Precision: "fp16", TFLOPSPerGPU: 100,
	}
}

// What came in 2022 is not assumed of runs before: sequence parallelism and FlashAttention.
func TestDefaultsOfTheirYears(t *testing.T) {
	for year, late := range map[string]bool{"2021": false, "2022": false, "2023": true, "": true} {
		trial, err := paper(year).Trial()
		require.NoError(t, err)
		require.Equal(t, late, *trial.Options.SP, year)
		require.Equal(t, late, trial.Options.Attention == "flash", year)
	}
}

// TFLOPS of a source that is not known count recompute as was usual in its years.
func TestConventionOfItsYears(t *testing.T) {
	for year, want := range map[string]bool{"2020": true, "2021": true, "2022": false, "2024": false, "": false} {
		m := paper(year)
		trial, err := m.Trial()
		require.NoError(t, err)
		require.Equal(t, want, m.countsRecompute(trial.Source), year)
		require.Equal(t, want, strings.Contains(strings.Join(trial.Assumed, "; "), "TFLOPS are taken to count what is recomputed"), year)
	}
	known := Measurement{Source: "torchtitan", Year: "2021"}
	require.False(t, known.countsRecompute(known.source()))
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
