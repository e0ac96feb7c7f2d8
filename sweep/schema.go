package sweep

import (
	"slices"
	"strings"

	"headroom/accounting"
	"headroom/internal/suggest"
)

// A field is one key of a study that holds a value. The table of fields is the
// whole schema: what the file may hold, what HEADROOM_ variables there are and
// what --set takes all follow from it.
type field struct {
	path   string // with its section: grid.context
	doc    string // one line for help
	single bool   // one value: a comma in a variable or flag does not separate
	decode func(d *decoder, l *leaf)
}

// section is the part of the path before the last dot.
func (f *field) section() string {
	section, _, ok := strings.Cut(f.path, ".")
	if !ok {
		return ""
	}
	return section
}

// name is the part of the path after the dot.
func (f *field) name() string { return f.path[strings.LastIndexByte(f.path, '.')+1:] }

// env is the environment variable that overrides the field.
func (f *field) env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.path, ".", "_"))
}

// EnvPrefix begins the name of every environment variable that is part of a study.
const EnvPrefix = "HEADROOM_"

// sections are the keys that hold other keys, with what they may be instead.
var sections = []struct{ name, shorthand string }{
	{"grid", ""},
	{"prices", ""},
	{"failures", ""},
	{"energy", ""},
	{"keep", "keep.status"},
	{"out", "out.dir"},
}

var fields = []field{
	{path: "study", doc: "name of the study", single: true, decode: (*decoder).study},
	{path: "grid.model", doc: "models: names, config.json paths, {family, params}, dimensions", decode: (*decoder).models},
	{path: "grid.context", doc: "context length in tokens", decode: sizes(1, maxContext)},
	{path: "grid.global_batch", doc: "sequences an optimizer step", decode: sizes(1, maxCount)},
	{path: "grid.global_batch_tokens", doc: "tokens an optimizer step, in place of global_batch", decode: sizes(1, maxContext)},
	{path: "grid.micro_batch", doc: "sequences a rank runs at once", decode: sizes(1, maxCount)},
	{path: "grid.accelerator", doc: "accelerators by catalog name, or all", decode: named("accelerator", accelerator)},
	{path: "grid.network", doc: "Gbit/s of one accelerator in its node's network, in place of the catalog's", decode: sizes(1, maxGbits)},
	{path: "grid.gpus", doc: "number of accelerators", decode: sizes(1, maxCount)},
	{path: "grid.plan", doc: "auto: every parallel plan that divides", single: true, decode: (*decoder).plan},
	{path: "grid.tp", doc: "tensor parallel size", decode: sizes(1, maxCount)},
	{path: "grid.sp", doc: "sequence parallelism within the tensor-parallel group: true, false", decode: (*decoder).bools},
	{path: "grid.pp", doc: "pipeline stages", decode: sizes(1, maxCount)},
	{path: "grid.vpp", doc: "chunks of layers a stage holds", decode: sizes(1, maxCount)},
	{path: "grid.cp", doc: "context parallel size", decode: sizes(1, maxCount)},
	{path: "grid.ep", doc: "expert parallel size", decode: sizes(1, maxCount)},
	{path: "grid.dp", doc: "data parallel size", decode: sizes(1, maxCount)},
	{path: "grid.zero", doc: "ZeRO stage, 0 to 3", decode: sizes(0, 3)},
	{path: "grid.dp_replicate", doc: "hybrid sharding: groups of data-parallel ranks that hold all shards each", decode: sizes(1, maxCount)},
	{path: "grid.schedule", doc: "pipeline schedule: " + strings.Join(accounting.ScheduleNames(), ", "), decode: named("schedule", spelled(accounting.ParseSchedule))},
	{path: "grid.first_stage_layers", doc: "layers of the first pipeline stage; 0 = as the others", decode: sizes(0, maxCount)},
	{path: "grid.last_stage_layers", doc: "layers of the last pipeline stage; 0 = as the others", decode: sizes(0, maxCount)},
	{path: "grid.recompute", doc: "none, selective, selective:core_attn+moe_act, full, full:uniform:2, full:block:4, every:2", decode: named("recompute", spelled(accounting.ParseRecompute))},
	{path: "grid.attention", doc: strings.Join(accounting.AttentionNames(), ", ") + " (" + accounting.AttentionNote + ")", decode: named("attention", spelled(accounting.ParseAttention))},
	{path: "grid.recipe", doc: "precision recipe: " + strings.Join(accounting.PrecisionNames(), ", "), decode: named("recipe", recipe)},
	{path: "grid.profile", doc: "framework profile: " + strings.Join(accounting.ProfileNames(), ", "), decode: named("profile", profile)},
	{path: "grid.optimizer", doc: "optimizer: " + strings.Join(accounting.OptimizerNames(), ", "), decode: named("optimizer", optimizer)},
	{path: "grid.loss", doc: "eager, fused, chunked", decode: named("loss", spelled(accounting.ParseLoss))},
	{path: "grid.moe", doc: "how routed layers run: " + strings.Join(accounting.RoutedNames(), ", "), decode: named("moe", spelled(accounting.ParseRouted))},
	{path: "grid.mtp_num_layers", doc: "layers that predict a further token (multi-token prediction)", decode: sizes(0, 16)},
	{path: "grid.overlap", doc: "communication behind computation: " + strings.Join(accounting.OverlapNames(), ", "), decode: named("overlap", spelled(accounting.ParseOverlap))},
	{path: "grid.dropout", doc: "dropout probability of the model's own layers", decode: (*decoder).fractions},
	{path: "grid.trainable", doc: "all, lora:16:q_proj+v_proj, lora:16:q_proj+v_proj:dropout, freeze:embedding+head", decode: named("trainable", spelled(accounting.ParseTrainable))},
	{path: "grid.offload", doc: "none, optimizer, parameters, activations, or some joined by +", decode: named("offload", spelled(accounting.ParseOffload))},
	{path: "grid.compile", doc: "torch.compile fuses the operations of a profile in plain PyTorch: true, false", decode: (*decoder).bools},
	{path: "grid.optimizer_in_backward", doc: "update each parameter as soon as its gradient is there: true, false", decode: (*decoder).bools},
	{path: "where", doc: "constraints on axes and what follows from them: tp <= node_gpus", single: true, decode: (*decoder).where},
	{path: "tokens", doc: "tokens of the whole run", single: true, decode: (*decoder).tokens},
	{path: priceTableKey, doc: "a CSV table of your own (USD an hour), in place of the catalog; relative to the study's file", single: true, decode: (*decoder).priceTable},
	{path: "prices.pricing", doc: "on_demand, spot or reserved", single: true, decode: (*decoder).pricing},
	{path: "prices.providers", doc: "cloud providers; none = all but marketplaces", decode: (*decoder).providers},
	{path: "prices.regions", doc: "regions of the providers", decode: (*decoder).regions},
	{path: "prices.since", doc: "rows of that day or later: 2026-01-01", single: true, decode: (*decoder).since},
	{path: "goodput", doc: "share of the rented time that trains, 0.001 to 1", single: true, decode: number(0.001, 1, func(s *Study, x float64) { s.Lost.Goodput = x })},
	{path: "failures.gpu_hours_between", doc: "mean hours of one GPU between failures", single: true, decode: number(0, mostHours, func(s *Study, x float64) { s.Lost.Failures.GPUHoursBetween = x })},
	{path: "failures.instance_hours_between", doc: "mean hours until a spot instance is taken away", single: true, decode: number(0, mostHours, func(s *Study, x float64) { s.Lost.Failures.InstanceHoursBetween = x })},
	{path: "failures.checkpoint_seconds", doc: "seconds that training stops for a checkpoint", single: true, decode: number(0, 1e6, func(s *Study, x float64) { s.Lost.Failures.CheckpointSeconds = x })},
	{path: "failures.restart_seconds", doc: "seconds from a failure to the next step", single: true, decode: number(0, 1e6, func(s *Study, x float64) { s.Lost.Failures.RestartSeconds = x })},
	{path: "failures.interval_seconds", doc: "seconds of training between checkpoints; the best where it is left out", single: true, decode: number(0, 1e9, func(s *Study, x float64) { s.Lost.Failures.IntervalSeconds = x })},
	{path: "energy.power", doc: "mean power of an accelerator over its TDP", single: true, decode: number(0.01, 1.5, func(s *Study, x float64) { s.energy().Power = x })},
	{path: "energy.pue", doc: "power usage effectiveness of the building", single: true, decode: number(1, 10, func(s *Study, x float64) { s.energy().PUE = x })},
	{path: "keep.status", doc: "all or fits", single: true, decode: (*decoder).keepStatus},
	{path: "keep.best", doc: "keep only so many rows of each group and part, the best that fit", single: true, decode: (*decoder).keepBest},
	{path: "keep.per", doc: "axes whose values make the groups; none = one group", decode: (*decoder).keepPer},
	{path: "keep.by", doc: "column that ranks, the smallest first; -column for the largest", single: true, decode: (*decoder).keepBy},
	{path: "out.dir", doc: "directory of the dataset", single: true, decode: (*decoder).outDir},
	{path: "out.part_rows", doc: "cases a part", single: true, decode: (*decoder).partRows},
}

// priceTableKey is read before what chooses from the table.
const priceTableKey = "prices.file"

const (
	maxContext = 1 << 40
	maxCount   = 1<<31 - 1 // 32-bit columns of the dataset
	maxGbits   = 100_000
)

// wordsElsewhere are names that other tools have for our keys.
var wordsElsewhere = map[string]string{
	"seq": "context", "seq_length": "context", "seq_len": "context", "sequence_length": "context", "context_length": "context", "max_position_embeddings": "context",
	"batch": "micro_batch", "batch_size": "micro_batch", "micro_batch_size": "micro_batch", "mbs": "micro_batch",
	"global_batch_size": "global_batch", "gbs": "global_batch",
	"gpu": "accelerator", "gpu_type": "accelerator", "device": "accelerator", "network_gbits": "network", "nic": "network", "nic_gbits": "network", "bandwidth": "network", "interconnect": "network", "num_gpus": "gpus", "n_gpus": "gpus", "world_size": "gpus",
	"tensor_parallel": "tp", "tensor_model_parallel_size": "tp", "pipeline_parallel": "pp", "pipeline_model_parallel_size": "pp",
	"context_parallel_size": "cp", "expert_model_parallel_size": "ep", "data_parallel": "dp", "sequence_parallel": "sp", "zero_stage": "zero",
	"data_parallel_replicate_degree": "dp_replicate", "hsdp": "dp_replicate", "lora": "trainable", "mtp": "mtp_num_layers", "overlap_grad_reduce": "overlap", "overlap_param_gather": "overlap", "tp_comm_overlap": "overlap", "enable_async_tensor_parallel": "overlap", "num_nextn_predict_layers": "mtp_num_layers", "freeze": "trainable", "cpu_offload": "offload", "offload_optimizer": "offload", "optimizer_in_bwd": "optimizer_in_backward", "torch_compile": "compile", "recompute_granularity": "recompute", "activation_checkpointing": "recompute", "gradient_checkpointing": "recompute", "pipeline_parallel_schedule": "schedule",
	"decoder_first_pipeline_num_layers": "first_stage_layers", "decoder_last_pipeline_num_layers": "last_stage_layers",
	"num_layers_in_first_pipeline_stage": "first_stage_layers", "num_layers_in_last_pipeline_stage": "last_stage_layers",
	"precision": "recipe", "dtype": "recipe", "framework": "profile", "constraints": "where", "name": "study", "output": "out", "axes": "grid",
}

func lookupField(path string) *field {
	for i := range fields {
		if fields[i].path == path {
			return &fields[i]
		}
	}
	return nil
}

func isSection(name string) bool {
	return slices.ContainsFunc(sections, func(s struct{ name, shorthand string }) bool { return s.name == name })
}

// keysOf lists the keys of a section ("" = the top), in order of the schema.
func keysOf(section string) []string {
	var keys []string
	for i := range fields {
		f := &fields[i]
		key := f.name()
		switch {
		case f.section() == section:
		case section == "":
			key = f.section()
		default:
			continue
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// suggestKey says where an unknown key of a section may belong.
func suggestKey(section, key string) string {
	word := strings.ToLower(key)
	if known, ok := wordsElsewhere[word]; ok && !slices.Contains(keysOf(section), word) {
		word = known
	}
	for _, sibling := range keysOf(section) {
		if sibling == word {
			return "did you mean " + sibling + "?"
		}
	}
	for i := range fields {
		if f := &fields[i]; f.name() == word {
			if f.section() == "" {
				return word + " belongs at the top of the study, beside " + section
			}
			return word + " belongs under " + f.section() + ":"
		}
	}
	if isSection(word) {
		return word + " belongs at the top of the study"
	}
	if near := suggest.Nearest(word, keysOf(section), 1); len(near) > 0 {
		return "did you mean " + near[0] + "?"
	}
	var names []string
	for i := range fields {
		names = append(names, fields[i].name())
	}
	if near := suggest.Nearest(word, names, 1); len(near) > 0 {
		for i := range fields {
			if fields[i].name() == near[0] {
				return "did you mean " + fields[i].path + "?"
			}
		}
	}
	return "known here: " + strings.Join(keysOf(section), ", ")
}

// A Key describes one key of a study for help texts and completion.
type Key struct {
	Path string `json:"key"`      // with its section: grid.context
	Env  string `json:"variable"` // of the environment, which overrides the file
	Doc  string `json:"meaning"`
}

// Keys lists every key of a study.
func Keys() []Key {
	out := make([]Key, len(fields))
	for i := range fields {
		f := &fields[i]
		out[i] = Key{Path: f.path, Env: f.env(), Doc: f.doc}
	}
	return out
}
