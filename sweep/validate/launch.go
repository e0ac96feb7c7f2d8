package validate

import (
	"slices"
	"strings"

	"headroom/accounting"
)

// A launch is what one of Megatron-Bridge's performance recipes asks for that its
// published tables leave out.
type launch struct {
	from  string // the first release that has it
	model string // of accounting
	gpus  []string
	// precisions that it is for; nil = all.
	precisions []string
	chunked    bool   // for interleaved pipelines alone
	moe        string // --moe
	vpp        int64  // chunks of a stage, where a row with a pipeline has none
	recompute  string // modules; empty = none
}

var (
	every  = []string{"H100", "B200", "B300", "GB200", "GB300"}
	rack   = []string{"GB200", "GB300"}
	mxfp8s = []string{"mxfp8"}
	narrow = []string{"fp8", "mxfp8", "nvfp4"}
)

// launches are the recipes of NVIDIA-NeMo/Megatron-Bridge, of which its tables say the
// layout alone, and not always its chunks:
// scripts/performance/configs/*/*workload_base_configs.py of v0.2.0 (release 25.11), v0.3.0
// (26.02), v0.3.1 (26.02.01), v0.4.0 (26.04) and v0.5.0 (26.06), perf_recipes of v0.6.0
// (26.08) in src/megatron/bridge, and run_script.py of r0.1.0 (25.09): cuda_graph_impl and
// cuda_graph_scope, moe_flex_dispatcher_backend, moe_a2a_overlap, cutedsl_fused_grouped_mlp,
// recompute_modules and virtual_pipeline_model_parallel_size. Of the entries that fit a run
// the last one holds.
var launches = []launch{
	{from: "25.09", model: "llama-3-70b", gpus: every, vpp: 5},

	{from: "25.09", model: "deepseek-v3", gpus: []string{"GB200", "B200"}, recompute: "mla_up_proj"},
	{from: "25.09", model: "deepseek-v3", gpus: []string{"H100"}, moe: "dropless+overlap", recompute: "mla_up_proj+mlp"},
	{from: "25.11", model: "deepseek-v3", gpus: []string{"GB300"}, moe: "graphed", recompute: "moe_act"},
	{from: "25.11", model: "deepseek-v3", gpus: []string{"GB200"}, moe: "graphed", recompute: "mla_up_proj"},
	{from: "25.11", model: "deepseek-v3", gpus: []string{"B200"}, moe: "dropless+alltoall", recompute: "mla_up_proj"},
	{from: "26.02", model: "deepseek-v3", gpus: []string{"B200", "B300"}, moe: "dropless", recompute: "mla_up_proj"},
	{from: "26.02", model: "deepseek-v3", gpus: []string{"GB300"}, precisions: narrow, moe: "dropless", recompute: "mla_up_proj"},
	{from: "26.04", model: "deepseek-v3", gpus: []string{"GB200"}, precisions: narrow, moe: "graphed", recompute: "mlp"},
	{from: "26.04.01", model: "deepseek-v3", gpus: []string{"B200"}, precisions: mxfp8s, chunked: true, moe: "graphed+overlap", recompute: "mla_up_proj+mlp"},
	{from: "26.06", model: "deepseek-v3", gpus: []string{"GB300"}, precisions: mxfp8s, moe: "fused"},
	{from: "26.06", model: "deepseek-v3", gpus: []string{"GB200"}, precisions: mxfp8s, moe: "fused", recompute: "mla_up_proj"},
	{from: "26.06", model: "deepseek-v3", gpus: []string{"B300"}, moe: "graphed", recompute: "mla_up_proj"},
	{from: "26.08", model: "deepseek-v3", gpus: []string{"B300"}, precisions: mxfp8s, chunked: true, moe: "fused", recompute: "mla_up_proj"},

	{from: "26.02", model: "kimi-k2", gpus: []string{"GB300"}, moe: "dropless", recompute: "mla_up_proj"},
	{from: "26.02", model: "kimi-k2", gpus: []string{"GB200"}, moe: "graphed", recompute: "mla_up_proj"},
	{from: "26.02", model: "kimi-k2", gpus: []string{"B200", "B300"}, moe: "dropless+alltoall", recompute: "mla_up_proj"},
	{from: "26.02", model: "kimi-k2", gpus: []string{"H100"}, moe: "dropless+alltoall", recompute: "mla_up_proj+mlp"},

	{from: "25.11", model: "qwen3-235b-a22b", gpus: rack, moe: "graphed"},
	{from: "25.11", model: "qwen3-235b-a22b", gpus: []string{"B200", "B300", "H100"}, moe: "dropless+alltoall"},
	{from: "25.11", model: "qwen3-235b-a22b", gpus: []string{"B200", "B300", "H100"}, chunked: true, moe: "dropless+overlap+alltoall"},
	{from: "26.02", model: "qwen3-235b-a22b", gpus: []string{"B200"}, moe: "dropless+alltoall"},
	{from: "26.02.01", model: "qwen3-235b-a22b", gpus: []string{"B200", "H100"}, moe: "dropless"},
	{from: "26.02.01", model: "qwen3-235b-a22b", gpus: []string{"B300"}, moe: "dropless"},
	{from: "26.02.01", model: "qwen3-235b-a22b", gpus: []string{"B300"}, chunked: true, moe: "dropless+overlap+alltoall"}, // as in 26.02
	{from: "26.02.01", model: "qwen3-235b-a22b", gpus: []string{"H100"}, chunked: true, moe: "dropless+overlap"},
	{from: "26.04", model: "qwen3-235b-a22b", gpus: []string{"B200", "B300"}, moe: "dropless+alltoall"},
	{from: "26.04", model: "qwen3-235b-a22b", gpus: []string{"H100"}, chunked: true, moe: "dropless+overlap+alltoall"},
	{from: "26.04.01", model: "qwen3-235b-a22b", gpus: []string{"B300"}, moe: "dropless"}, // #3490 of April 2026
	{from: "26.06", model: "qwen3-235b-a22b", gpus: rack, precisions: mxfp8s, chunked: true, moe: "fused"},
	{from: "26.08", model: "qwen3-235b-a22b", gpus: []string{"B200", "B300"}, precisions: mxfp8s, chunked: true, moe: "fused"},

	{from: "25.11", model: "qwen3-30b-a3b", gpus: []string{"GB200", "GB300", "B300"}, moe: "graphed"},
	{from: "25.11", model: "qwen3-30b-a3b", gpus: []string{"B200"}, moe: "graphed+alltoall"},
	{from: "26.02.01", model: "qwen3-30b-a3b", gpus: []string{"B200"}, moe: "graphed"},
	{from: "25.11", model: "qwen3-30b-a3b", gpus: []string{"H100"}, precisions: []string{"fp8"}, chunked: true, moe: "dropless+overlap+alltoall"},
	{from: "25.11", model: "qwen3-30b-a3b", gpus: []string{"H100"}, precisions: []string{"bf16"}, chunked: true, moe: "graphed+overlap+alltoall"},
	{from: "26.02", model: "qwen3-30b-a3b", gpus: []string{"H100"}, precisions: []string{"fp8"}, moe: "dropless"},
	{from: "26.02", model: "qwen3-30b-a3b", gpus: []string{"H100"}, precisions: []string{"bf16"}, moe: "graphed"},
	{from: "26.02", model: "qwen3-30b-a3b", gpus: []string{"H100"}, precisions: []string{"fp8"}, chunked: true, moe: "dropless+overlap"},
	{from: "26.02", model: "qwen3-30b-a3b", gpus: []string{"H100"}, precisions: []string{"bf16"}, chunked: true, moe: "graphed+overlap"},
	{from: "26.06", model: "qwen3-30b-a3b", gpus: []string{"GB200", "GB300", "B300"}, precisions: mxfp8s, moe: "fused"},
	{from: "26.08", model: "qwen3-30b-a3b", gpus: []string{"B200"}, precisions: mxfp8s, moe: "fused"},

	{from: "25.11", model: "gpt-oss-120b", gpus: []string{"GB300", "B300"}, moe: "graphed+alltoall"},
	{from: "25.11", model: "gpt-oss-120b", gpus: []string{"GB200", "B200", "H100"}, moe: "dropless+alltoall", recompute: "layernorm+moe_act"},
	{from: "26.04", model: "gpt-oss-120b", gpus: []string{"GB200"}, moe: "dropless+overlap", recompute: "layernorm+moe_act"},
	{from: "26.04", model: "gpt-oss-120b", gpus: []string{"B300"}, moe: "graphed"},
	{from: "26.04", model: "gpt-oss-120b", gpus: []string{"B200"}, moe: "dropless", recompute: "layernorm+moe_act"},
	{from: "26.06", model: "gpt-oss-120b", gpus: []string{"GB200"}, moe: "dropless+overlap+alltoall", recompute: "layernorm+moe_act"},
	{from: "26.06", model: "gpt-oss-120b", gpus: []string{"B200"}, moe: "dropless+alltoall", recompute: "layernorm+moe_act"},
	{from: "26.06", model: "gpt-oss-120b", gpus: rack, precisions: mxfp8s, moe: "fused"},
}

// launch finds the recipe of a published run of Megatron-Bridge; nil for other projects'.
func (m *Measurement) launch(s *Source, model string) *launch {
	match := releaseNote.FindStringSubmatch(m.Notes)
	if s.Name != "megatron-bridge" || match == nil {
		return nil
	}
	gpu, _, _ := strings.Cut(m.GPU, "-")
	var found *launch
	for i := range launches {
		l := &launches[i]
		if l.from <= match[1]+match[2] && l.model == model && slices.Contains(l.gpus, gpu) &&
			(l.precisions == nil || slices.Contains(l.precisions, m.Precision)) && (!l.chunked || m.VPP > 1) {
			found = l
		}
	}
	return found
}

// apply adds to a case what the recipe says and the row does not.
func (l *launch) apply(m *Measurement, o *accounting.Options, assume func(string, ...any)) {
	if o.MoE == "" {
		o.MoE = l.moe
	}
	if l.recompute != "" && m.Recompute == "" {
		o.Recompute = "selective:" + l.recompute
	}
	if l.vpp > 0 && m.VPP == 0 && o.PP > 1 && !strings.HasSuffix(m.Model, " SFT") {
		o.VPP = l.vpp
		assume("no chunks of pipeline stages are given: %d are assumed, as in its recipes", l.vpp)
	}
}
