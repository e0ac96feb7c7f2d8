package validate

import (
	"strconv"
	"strings"

	"headroom/accounting"
)

// A Definition says what a published memory figure counts.
type Definition string

// Definitions.
const (
	Allocated Definition = "allocated" // torch.cuda.max_memory_allocated
	Reserved  Definition = "reserved"  // torch.cuda.max_memory_reserved
	Device    Definition = "device"    // what nvidia-smi shows: context, libraries and cache too
)

// A Source holds what the publications of one project have in common. It is
// knowledge of their code and documents, never of a single row.
type Source struct {
	Name     string
	match    []string // any of these in source or path, in lower case
	until    int      // the last year of its runs, where later ones of the name are others'; 0 = all
	Profile  string   // of accounting
	Eager    string   // the variant of profile torch-eager that its code is
	Memory   Definition
	LastRank bool // memory was read on the last rank
	// FirstRank: memory was read on a rank of the first stage. bigscience's 1.3B table
	// shows it: with 8 sequences and pp 4 it has 13 GB on 32-GB cards, and the same
	// plan, which needs most on its last stage, ran out of memory on 16-GB cards.
	FirstRank bool
	Decimal   bool // "GB" printed as bytes/10⁹
	// Convention of attention FLOPs in its TFLOPS and MFU, and whether its TFLOPS
	// column counts recompute.
	Convention accounting.Convention
	Recompute  bool
	// Unfused says that its code had no fused attention, where a row does not say.
	Unfused bool
	// Fused is its kernel of fused attention, where that is not its profile's: flash1,
	// triton, flash2 or flash3.
	Fused string
	// DefaultRecompute is what the launch scripts ask for where a row does not say.
	DefaultRecompute string
	// Selective says that they ask for selective recompute also where a row has none: the
	// row's table does not know of it.
	Selective bool
	// RecomputeSharded: they ask for it on more than one GPU only.
	RecomputeSharded bool
	// GlobalBatch and MicroBatch are those of its configurations, where a row does not say.
	GlobalBatch, MicroBatch int64
	// ReduceLast: gradients are kept whole until the last micro-batch.
	ReduceLast bool
	// Overlap is the communication that its scripts ask to overlap, where they are not
	// NVIDIA's recipes: those of FlagPerf, FlagScale and SimuMax have neither
	// --tp-comm-overlap nor --overlap-grad-reduce.
	Overlap string
	Loss    string // cross-entropy kernel, where it is not the profile's own
	Dropout bool   // trains with dropout 0.1, as GPT-2 and GPT-3 recipes did
	// Loose sources are campaign totals, single claims or unlike a steady step:
	// shown, never scored.
	Loose string
	// LooseTime is the same for time alone.
	LooseTime string
	// Predicts says that its recipes train the layers of multi-token prediction that a
	// model's config names.
	Predicts bool
	// TokenDrop says that its recipes give every expert the same number of tokens.
	TokenDrop bool
	// Compile says that a compiler (XLA) fuses all of its operations, or that it trains
	// with fused kernels where the profile has single operations.
	Compile bool
	// Sharded says that its code shards weights over all GPUs (FSDP) where a row gives
	// no layout.
	Sharded bool
	// Experts is the expert-parallel size of its scripts, where a row does not say.
	Experts int64
	// Body is the conventions of the model that its scripts train, where they are not
	// those of the model they name: scripts that leave Megatron's defaults train
	// learned positions, biases and a tied head.
	Body string
	// Vocab is the rows of the tokenizer that it trains with, where a row does not say.
	Vocab int64
	// ReduceBucket and MaxLive are of its DeepSpeed configuration.
	ReduceBucket, MaxLive int64
	// Recipe replaces the profile's rule for some precision.
	Recipe map[string]string
	// Network is the share of one GPU in the project's documented clusters, bytes a
	// second by architecture, where the catalog has a cloud's.
	Network map[string]float64
	// Node is the GPUs of one of its nodes, by architecture, likewise.
	Node map[string]int64
	// Switch says that its nodes join their GPUs by a switch, by architecture, where
	// the catalog's part has a mesh.
	Switch map[string]bool
}

// grad16 are the recipes with gradients kept and reduced in 16 bits.
var grad16 = map[string]string{"bf16": "bf16-mixed-grad16", "fp8": "fp8-mixed-grad16", "mxfp8": "mxfp8-mixed-grad16", "nvfp4": "nvfp4-mixed-grad16"}

// unknownSource is the name of the source that stands for all that are not known.
const unknownSource = "other"

// sources is searched in order; the last one stands for everything else.
var sources = []Source{
	{
		// scripts/train/benchmarking/submit_benchmarks.py: attn_impl triton; since October
		// 2023 it leaves Composer's mixed_precision at DEFAULT.
		Name: "llm-foundry", match: []string{"llm-foundry"}, Profile: "composer", Sharded: true, Memory: Reserved, Convention: accounting.FullSquare,
		Recipe: map[string]string{"bf16": "fsdp-mixed", "fp8": "fsdp-fp8"},
	},
	{Name: "torchtitan", match: []string{"torchtitan"}, Profile: "fsdp2", Sharded: true, Memory: Reserved, Convention: accounting.FullSquare},
	{
		Name: "torchtune", match: []string{"torchtune"}, Profile: "torch-eager", Eager: "torchtune", Memory: Allocated, Convention: accounting.FullSquare, Sharded: true,
		Recipe: map[string]string{"bf16": "bf16-pure"},
	},
	{
		// torchao/optim: low-bit optimizers under the weights' own type, as torchtune has them.
		Name: "torchao", match: []string{"torchao", "pytorch/ao"}, Profile: "torch-eager", Memory: Allocated, Convention: accounting.FullSquare,
		Recipe: map[string]string{"bf16": "bf16-pure"},
	},
	{
		// litgpt/finetune/full.py: activation checkpointing with FSDP alone, no_backward_sync
		// while it accumulates; config_hub/finetune/*/full.yaml: global_batch_size 64.
		Name: "litgpt", match: []string{"litgpt"}, Profile: "torch-eager", Memory: Allocated, Decimal: true,
		DefaultRecompute: "full", RecomputeSharded: true, GlobalBatch: 64, ReduceLast: true, Convention: accounting.FullSquare,
		Recipe: map[string]string{"bf16": "bf16-pure"},
	},
	{
		Name: "flagperf-megatron-deepspeed", match: []string{"-megatron-deepspeed/readme"}, Profile: "megatron-deepspeed", Memory: Device, Convention: accounting.FullSquare,
		Recipe: map[string]string{"amp": "bf16-mixed-grad16", "bf16": "bf16-mixed-grad16"},
	}, // its ds_config.json: stage 1, grad_accum_dtype bf16
	{Name: "flagscale", match: []string{"aquila2"}, Profile: "megatron-2023", Overlap: "none", Memory: Device, Convention: accounting.FullSquare}, // 2023; later ones are on Megatron-Core
	// training/benchmarks/llama3_8B/megatron/pretrain_llama3.sh: dropout 0.1, learned
	// positions, biases and a tied head, because no flag says otherwise.
	{Name: "flagperf-llama3", match: []string{"llama3_8b-megatron/", "llama3_70b-megatron/"}, Profile: "megatron", Overlap: "none", Memory: Device, Dropout: true, Body: "gpt", Convention: accounting.FullSquare},
	// training/benchmarks/mixtral_8x7B/megatron/megatron_main.sh and qwen1.5_MoE's: the
	// dropout that no flag turns off, --recompute-activations, and experts over 8 or 1.
	{
		Name: "flagperf-mixtral", match: []string{"mixtral_8x7b-megatron/"}, Profile: "megatron", Overlap: "none", Memory: Device, Dropout: true, Convention: accounting.FullSquare,
		DefaultRecompute: "selective", Experts: 8,
	},
	{
		Name: "flagperf-qwen-moe", match: []string{"qwen1.5_moe-megatron", "qwen1.5_14b_moe-megatron"}, Profile: "megatron", Overlap: "none", Memory: Device, Convention: accounting.FullSquare,
		DefaultRecompute: "selective",
	},
	{
		// training/benchmarks/gpt3/paddle, llama1_*/paddle: amp level O2, 16-bit gradients and
		// fp32 master weights, sharding stages 1 and 2; modules written as single operations.
		Name: "flagperf-paddle", match: []string{"-paddle/"}, Profile: "megatron-deepspeed", Memory: Device, Convention: accounting.FullSquare,
		Recipe: map[string]string{"amp": "bf16-mixed-grad16", "bf16": "bf16-mixed-grad16", "fp16": "fp16-mixed-grad16"},
	},
	// training/benchmarks/*/deepspeed: ds_config.json, and run_pretraining.py, which turns
	// mem_efficient_linear off.
	{
		Name: "flagperf-deepspeed", match: []string{"-deepspeed/readme"}, Profile: "deepspeed", Memory: Device, ReduceBucket: 1e7, MaxLive: 1 << 40, Convention: accounting.FullSquare,
	},
	{Name: "flagperf", match: []string{"flagperf"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare},
	{Name: "qwen", match: []string{"qwenlm/qwen"}, Profile: "deepspeed", Memory: Device, DefaultRecompute: "full", Convention: accounting.FullSquare},
	{
		Name: "internevo", match: []string{"internevo"}, Profile: "internevo", Memory: Device, Convention: accounting.FullSquare, Recompute: true, Fused: "flash1",
		Network: map[string]float64{"ampere": 6.25e9}, // its page names 4 × 100 Gbit/s RoCE a node
	},
	{
		Name: "bigscience", match: []string{"bigscience"}, Profile: "megatron-deepspeed", Memory: Device, FirstRank: true, Convention: accounting.FullSquare, Recompute: true, Dropout: true,
		// Jean Zay: four Omni-Path links of 100 Gbit/s a node of 4 V100 or 8 A100.
		Network: map[string]float64{"ampere": 6.25e9, "volta": 12.5e9}, Node: map[string]int64{"volta": 4},
	},
	// data/README.md: measured with Megatron-DeepSpeed. The stage of ZeRO is not said;
	// without any, the states of its 3.6B on one GPU would leave no room for a micro-batch.
	{Name: "vtrain", match: []string{"vtrain"}, Profile: "megatron-deepspeed", Memory: Device, Convention: accounting.FullSquare, Recompute: true, Dropout: true},
	{
		Name: "megatron-2021", match: []string{"sc21", "megatron-lm readme"}, until: 2022, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare, Recompute: true, Dropout: true,
		Network: map[string]float64{"ampere": 25e9, "volta": 6.25e9}, Switch: map[string]bool{"volta": true},
	}, // Selene: 8 × HDR 200 a DGX A100; DGX-2: 8 × EDR 100 for 16 GPUs behind NVSwitch
	{
		Name: "golden", match: []string{"golden", "functional_tests"}, Profile: "megatron", Memory: Allocated, LastRank: true, Convention: accounting.Causal, Dropout: true, Vocab: 50257,
		LooseTime: "run in deterministic mode",
	},
	{Name: "simumax", match: []string{"simumax"}, Profile: "megatron", Overlap: "none", Memory: Allocated, Loss: "fused", Convention: accounting.Causal},
	{
		// nemo_automodel: FSDP2, expert parallelism and pipelines of PyTorch around
		// TransformerEngine's kernels; components/utils/flops_utils.py halves attention.
		Name: "automodel", match: []string{"automodel"}, Profile: "fsdp2", Sharded: true, Compile: true, Memory: Device, Convention: accounting.Causal, Fused: "flash3",
	},
	{Name: "megatron-moe", match: []string{"modelzoo", "model-zoo", "megatron-moe"}, Profile: "megatron", Memory: Device, Convention: accounting.Causal},
	{
		// scripts/performance/utils/overrides.py (from 26.08 on perf_recipes/_common.py):
		// cross_entropy_fusion_impl "te", grad_reduce_in_fp32 off; mtp_num_layers of
		// src/megatron/bridge/recipes/deepseek/deepseek_v3.py.
		Name: "megatron-bridge", match: []string{"megatron-bridge"}, Profile: "megatron", Predicts: true, Memory: Device, Loss: "fused", Convention: accounting.Causal, Recipe: grad16,
	},
	{
		// maxtext/configure.sh of the benchmarks: FSDP over up to 128 GPUs and remat_policy
		// save_qkv_proj, which recomputes all but one product of a layer; attention
		// cudnn_flash_te.
		Name: "maxtext", match: []string{"maxtext", "paxml"}, Profile: "fsdp2", Sharded: true, Compile: true, Memory: Device, Convention: accounting.FullSquare,
		DefaultRecompute: "full", Fused: "flash3",
	},
	// NeMo 2: MegatronTokenDropCallback in scripts/performance/llm/pretrain_deepseek_v3.py
	// (USE_TOKEN_DROP) and in nemo/collections/llm/recipes/mixtral_8x7b.py; its recipes
	// reduce gradients in 16 bits, as NeMo 1's (grad_sync_dtype: bf16).
	{Name: "dgxc-2025", match: []string{"dgxc-benchmarking v25.05", "grok"}, Loss: "fused", Profile: "megatron", TokenDrop: true, Recipe: grad16, Memory: Device, Convention: accounting.Causal},
	{
		// The open beta's table has the 1,280 sequences of its configuration until 28 January
		// 2022 (conf/training/5b.yaml of NeMo-Framework-Launcher: 20 nodes, tp 2,
		// accumulate_grad_batches 8): micro_batch_size 2, activations_checkpoint_method block
		// over 4 layers, and precision 16 of Lightning, which is torch.amp over fp32 weights
		// (megatron_amp_O2 came that day).
		Name: "nemo-2022-02", match: []string{"release 2022-02"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare,
		DefaultRecompute: "full:block:4", MicroBatch: 2, Recipe: map[string]string{"fp16": "autocast"}, Unfused: true, Dropout: true,
	},
	{Name: "nemo-2022-07", match: []string{"release 2022-07"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare, Unfused: true, Dropout: true},
	{
		// The figures of 23.05 are those of 23.04, whose recipes leave Transformer Engine, and
		// with it fused attention, off and say activations_checkpoint_granularity: selective
		// (launcher_scripts/conf/training/gpt3/5b.yaml); NeMo then runs core attention again in
		// every layer, whatever activations_checkpoint_num_layers is
		// (nemo/collections/nlp/modules/common/megatron/transformer.py). Without, the kept
		// scores of its 5B with 4 sequences would take more than the card has.
		Name: "nemo-23.05", match: []string{"release 23.05"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare, Unfused: true, Dropout: true, Selective: true,
	},
	{
		// launcher_scripts/conf/config.yaml of NeMo-Framework-Launcher 24.01 to 24.07:
		// NVTE_FUSED_ATTN 0, "Disable cudnn FA until we've tested it more".
		Name: "nemo-2024", match: []string{"nvidia/nemo", "nemo-framework"}, until: 2024, Loss: "fused", Profile: "megatron", TokenDrop: true, Recipe: grad16, Memory: Device, Convention: accounting.FullSquare,
		Fused: "flash2",
	},
	{Name: "nemo", match: []string{"dgxc-benchmarking", "nvidia/nemo", "nemo-framework"}, Loss: "fused", Profile: "megatron", TokenDrop: true, Recipe: grad16, Memory: Device, Convention: accounting.FullSquare},
	{
		// Megatron-DeepSpeed's own papers and examples: TFLOPS with recompute, as bigscience's.
		Name: "megatron-deepspeed", match: []string{"megatron-deepspeed", "megatron-turing", "mt-nlg", "mtnlg"}, Profile: "megatron-deepspeed", Memory: Device,
		Convention: accounting.FullSquare, Recompute: true, Dropout: true,
	},
	{Name: "kempnerforge", match: []string{"kempner"}, Profile: "fsdp2", Sharded: true, Memory: Allocated, Convention: accounting.FullSquare},
	{Name: "nanotron", match: []string{"nanotron", "ultrascale"}, Profile: "megatron", Memory: Allocated, Convention: accounting.FullSquare},
	// swift/megatron: recompute_granularity is selective unless asked otherwise.
	{Name: "megatron-swift", match: []string{"megatron-swift"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare, DefaultRecompute: "selective"},
	{
		// swift/arguments: gradient checkpointing is on; weights are trained in the type they
		// are stored in.
		Name: "ms-swift", match: []string{"ms-swift", "modelscope/swift", "swift.readthedocs"}, Memory: Device, Convention: accounting.FullSquare, DefaultRecompute: "full",
		Recipe: map[string]string{"bf16": "bf16-pure"},
	},
	// train_llama3_8b_h100_fp8.sh: --grad-reduce-in-bf16, --cross-entropy-loss-fusion.
	{Name: "megatron-lm llama", match: []string{"megatron-lm examples/llama"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare, Loss: "fused", Recipe: grad16},
	{Name: "megatron-lm", match: []string{"megatron-lm"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare},
	{Name: "llm.c", match: []string{"llm.c"}, Profile: "megatron", Memory: Device, Convention: accounting.FullSquare},
	{
		Name: "model cards", match: []string{"model_card", "llama paper", "tinyllama", "fms-fsdp", "meta-llama", "deepseek-v3 "}, Convention: accounting.FullSquare,
		Loose: "a campaign total or a single claim: restarts and other stages are in it to an unknown degree",
	},
	{Name: "picotron", match: []string{"picotron"}, Profile: "torch-eager", Convention: accounting.FullSquare, Loose: "a single claim without a layout"},
	{Name: unknownSource, Memory: Device, Convention: accounting.FullSquare},
}

// source finds what is known of a row's publication.
func (m *Measurement) source() *Source {
	where := strings.ToLower(m.Source + " " + m.URL)
	for i := range sources {
		if s := &sources[i]; has(where, s.match...) && (s.until == 0 || m.year() <= s.until) {
			return s
		}
	}
	return &sources[len(sources)-1]
}

// profile is the framework profile: the publication's own, else what the plan
// implies: only FSDP shards weights alone, only Megatron has the other
// parallelisms.
func (m *Measurement) profile(s *Source) string {
	sharded := m.ZeRO != nil && *m.ZeRO == 3
	parallel := max(m.TP, m.PP, m.CP, m.EP) > 1
	switch named := m.framework(); {
	case s.Profile == "megatron" && sharded && m.until(2022):
		return "deepspeed" // in Megatron's years without FSDP, ZeRO-3 is DeepSpeed's
	case s.Profile != "":
		return s.Profile
	case named == "deepspeed" && parallel:
		return "megatron-deepspeed"
	case named == "torch-eager" && parallel:
		return "fsdp2" // PyTorch's own parallelisms
	case named != "":
		return named
	case parallel:
		return "megatron"
	case sharded && m.until(2021):
		return "deepspeed" // torch 1.11 brought FSDP in March 2022
	case sharded:
		return "fsdp2"
	case m.GPUs == 1:
		return "torch-eager"
	}
	return "megatron"
}

// countsRecompute says that the TFLOPS of a row count what backward computes again: by the
// convention of its source, of an unknown one by that of its years. Narayanan et al. 2021
// count 96·B·s·l·h², four passes, and so does what followed them, until Chowdhery et al.
// (PaLM, April 2022, appendix B) told the model's FLOPs from the hardware's.
func (m *Measurement) countsRecompute(s *Source) bool {
	return s.Recompute || s.Name == unknownSource && m.until(2021)
}

// frameworkWords are what gives a framework away in the text of a row, the more
// telling first.
var frameworkWords = []struct {
	profile string
	words   []string
}{
	{"megatron-deepspeed", []string{"megatron-deepspeed", "megatron deepspeed"}},
	{"megatron", []string{"megatron", "mcore", "nemo"}},
	{"deepspeed", []string{"deepspeed", "zero-3", "zero3", "zero-2", "zero2"}},
	{"fsdp2", []string{"fsdp", "torchtitan", "dtensor", "maxtext", "jax", "xla"}},
	{"torch-eager", []string{"hugging face", "huggingface", "transformers", "accelerate", "trl", "axolotl", "llama-factory", "llamafactory", "ddp", "single device"}},
}

// framework is the profile of the framework that source, address, notes or optimizer
// name; empty where they name none.
func (m *Measurement) framework() string {
	text := strings.ToLower(strings.Join([]string{m.Source, m.URL, m.Notes, m.Optimizer}, " "))
	for _, f := range frameworkWords {
		if has(text, f.words...) {
			return f.profile
		}
	}
	return ""
}

// year is that of the publication, of a span the last; 0 = not given.
func (m *Measurement) year() int {
	year, err := strconv.Atoi(m.Year[max(len(m.Year)-4, 0):])
	if err != nil {
		return 0
	}
	return year
}

// until says that the publication is of that year or an earlier one.
func (m *Measurement) until(year int) bool { return m.year() > 0 && m.year() <= year }

// definition is what the row's memory figure counts: what its notes say, else
// what its project publishes.
func (m *Measurement) definition(s *Source) Definition {
	notes := strings.ToLower(m.Notes)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(notes, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("max_memory_allocated", "max_allocated", "peak allocated", "memory active"):
		return Allocated
	case has("peak reserved", "max_memory_reserved", "max_reserved"):
		return Reserved
	case has("nvidia-smi"):
		return Device
	}
	return s.Memory
}

// bytes is the memory figure in bytes. The printed number is GiB unless the
// project prints 10⁹.
func (m *Measurement) bytes(s *Source) float64 {
	if s.Decimal && strings.Contains(m.Notes, "unit GB") {
		return m.PeakMemoryGiB * 1e9
	}
	return m.PeakMemoryGiB * (1 << 30)
}

// doubtful says why a row is shown but not scored, by the marks that whoever
// copied it left in its notes.
func (m *Measurement) doubtful() string {
	for _, w := range []string{"INCONSISTENT", "ambiguous", "suspicious", "outlier", "conflicts", "abnormally"} {
		if strings.Contains(m.Notes, w) {
			return "its notes call it " + strings.ToLower(w)
		}
	}
	return ""
}
