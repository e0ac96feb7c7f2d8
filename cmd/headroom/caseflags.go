package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

// caseFlags are the flags that describe one case, shared by the commands that
// look at one. The names are Megatron's or Hugging Face's where those exist.
type caseFlags struct {
	model       string
	layers      size
	dims        dimensionFlags
	opt         accounting.Options
	seq, mb, gb size
	gpus        size
	tokens      size
	tp, pp, vpp size
	cp, ep, etp size
	dp          size
	replicas    size
	firstLayers size
	lastLayers  size
	// Megatron's flags beside --recompute, see [caseFlags.recompute].
	modules         []string
	method          string
	recomputeLayers size
	// What becomes Options.Trainable and Options.Offload.
	loraRank    size
	loraTargets []string
	loraDropout float64
	freeze      []string
	offload     []string
	// DeepSpeed's.
	reduceBucket, maxLive size
	zero                  int64
	sp                    bool
	asPublished           bool
	gpu                   string
	network               float64
	capacity              capacity
	// device is the accelerator that --gpu found; nil without it.
	device *hardware.Accelerator
	notes  []string // assumptions made about the flags
}

// dimensionFlags describe a model that has no config.json.
type dimensionFlags struct {
	body                            string
	hidden, heads, kvHeads, headDim size
	ffn, vocab, maxPositions        size
	window, experts, topK, shared   size
	tied, bias, gated               bool
}

func (f *caseFlags) register(cmd *cobra.Command) {
	p := cmd.Flags()
	p.SortFlags = false
	p.StringVarP(&f.model, "model", "m", "", "model `NAME`, a Hugging Face config.json, or its directory")
	p.Var(&f.layers, "layers", "cut or extend the model to so many layers")
	p.Var(&f.seq, "seq", "context length in tokens (default 4096, or the model's longest)")
	p.Var(&f.mb, "micro-batch", "sequences a rank runs at once (default 1)")
	p.Var(&f.gb, "global-batch", "sequences of one optimizer step")
	p.Var(&f.tokens, "tokens", "tokens of the whole training run, such as 1T")

	p.StringVarP(&f.gpu, "gpu", "g", "", "accelerator `NAME`, for the memory it offers a process")
	p.Var(&f.gpus, "gpus", "number of GPUs")
	p.Var(&f.capacity, "capacity", "memory in place of --gpu: 80GB are 80·10⁹ bytes, 80GiB are 80·2³⁰")
	p.Var(&f.tp, "tp", "tensor-parallel size")
	p.BoolVar(&f.sp, "sp", false, "sequence parallelism within the tensor-parallel group")
	p.Var(&f.pp, "pp", "pipeline stages")
	p.Var(&f.vpp, "vpp", "virtual pipeline: chunks of layers a stage holds")
	p.Var(&f.cp, "cp", "context-parallel size")
	p.Var(&f.ep, "ep", "expert-parallel size")
	p.Var(&f.etp, "etp", "tensor-parallel size inside an expert")
	p.Var(&f.dp, "dp", "data-parallel size")
	p.Var(&f.replicas, "dp-replicate", "hybrid sharding (HSDP): groups of data-parallel ranks that hold all shards each")
	p.StringVar(&f.opt.Schedule, "schedule", "", "pipeline `SCHEDULE`: "+strings.Join(accounting.ScheduleNames(), ", "))
	p.Var(&f.firstLayers, "decoder-first-pipeline-num-layers", "layers of the first pipeline stage, where it has not as many as the others")
	p.Var(&f.lastLayers, "decoder-last-pipeline-num-layers", "layers of the last pipeline stage, likewise")
	p.Int64Var(&f.zero, "zero", 0, "ZeRO `STAGE` 0…3: 1 shards optimizer state, 2 and gradients, 3 and weights (FSDP)")

	p.StringVar(&f.opt.Recipe, "recipe", "", "precision `RECIPE`: "+strings.Join(accounting.PrecisionNames(), ", "))
	p.StringVar(&f.opt.Profile, "profile", "", "framework `PROFILE`: "+strings.Join(accounting.ProfileNames(), ", "))
	p.StringVar(&f.opt.Optimizer, "optimizer", "", "`OPTIMIZER`: "+strings.Join(accounting.OptimizerNames(), ", "))
	p.StringVar(&f.opt.Attention, "attention", "", "attention `KERNEL`: "+strings.Join(accounting.AttentionNames(), ", ")+" (flash1: FlashAttention before July 2023)")
	p.StringVar(&f.opt.Recompute, "recompute", "", "activations computed again in backward: `none`, selective, full, or every:2 for every second layer")
	p.StringSliceVar(&f.modules, "recompute-modules", nil, "`MODULES` of selective recompute: "+strings.Join(accounting.RecomputeModules(), ", "))
	p.StringVar(&f.method, "recompute-method", "", "`METHOD` of full recompute: uniform (units of layers) or block (the first layers of each chunk of a stage)")
	p.Var(&f.recomputeLayers, "recompute-num-layers", "layers of a unit or a block of full recompute")
	p.Var(&f.loraRank, "lora-rank", "train low-rank adapters (LoRA) of this rank and freeze all else")
	p.Float64Var(&f.loraDropout, "lora-dropout", 0, "dropout `P` before the adapters, whose masks are kept; of any rate they are the same")
	p.StringSliceVar(&f.loraTargets, "lora-target-modules", nil, "`MODULES` with adapters (default q_proj,v_proj): "+strings.Join(accounting.LoRATargets(), ", "))
	p.StringSliceVar(&f.freeze, "freeze", nil, "`PARTS` that are not trained: "+strings.Join(accounting.FrozenParts(), ", "))
	p.StringSliceVar(&f.offload, "offload", nil, "`WHAT` lives in the host's memory: "+strings.Join(accounting.OffloadNames(), ", "))
	p.Var(&f.reduceBucket, "reduce-bucket-size", "DeepSpeed: elements of a bucket of gradients (default 500M)")
	p.Var(&f.maxLive, "stage3-max-live-parameters", "DeepSpeed: gathered parameters that ZeRO-3 keeps at once (default 1B)")
	p.BoolVar(&f.opt.OptimizerInBackward, "optimizer-in-backward", false, "update each parameter as soon as its gradient is there")
	p.StringVar(&f.opt.Loss, "loss", "", "loss `KERNEL`: eager, fused or chunked")
	p.StringVar(&f.opt.MoE, "moe", "", "how routed layers run: `PATH` "+strings.Join(accounting.RoutedNames(), ", ")+" (auto: as NVIDIA's recipes for the profile and GPU)")
	p.Int64Var(&f.opt.MTP, "mtp-num-layers", 0, "train `N` layers that predict a further token (multi-token prediction)")
	p.StringVar(&f.opt.Dropout, "dropout", "", "dropout probability `P`")
	p.BoolVar(&f.opt.Compile, "compile", false, "torch.compile fuses the operations of a profile in plain PyTorch")
	p.StringVar(&f.opt.Convention, "flops", "", "count attention `causal` (half of S²) or full")
	p.BoolVar(&f.asPublished, "as-published", true, "leave out of memory what the profile's published sheet leaves out")

	d := &f.dims
	p.StringVar(&d.body, "body", "", "explicit dimensions: conventions of the layers, `llama`, gpt or seed")
	p.Var(&d.hidden, "hidden", "explicit dimensions: model width")
	p.Var(&d.heads, "heads", "explicit dimensions: attention heads")
	p.Var(&d.kvHeads, "kv-heads", "explicit dimensions: key/value heads")
	p.Var(&d.headDim, "head-dim", "explicit dimensions: width of a head")
	p.Var(&d.ffn, "ffn", "explicit dimensions: feed-forward width")
	p.Var(&d.vocab, "vocab", "explicit dimensions: vocabulary rows")
	p.Var(&d.maxPositions, "max-positions", "explicit dimensions: longest context")
	p.Var(&d.window, "window", "explicit dimensions: sliding attention window")
	p.Var(&d.experts, "experts", "explicit dimensions: routed experts")
	p.Var(&d.topK, "top-k", "explicit dimensions: experts a token uses")
	p.Var(&d.shared, "shared-ffn", "explicit dimensions: width of the shared experts together")
	p.BoolVar(&d.tied, "tied", false, "explicit dimensions: the head shares the embedding")
	p.BoolVar(&d.bias, "bias", false, "explicit dimensions: biases in attention and feed-forward")
	p.BoolVar(&d.gated, "gated", false, "explicit dimensions: three feed-forward matrices instead of two")

	dynamic(cmd, "model", true, modelNames)
	dynamic(cmd, "gpu", false, hardware.Builtin().Slugs)
	fixed(cmd, "recipe", accounting.PrecisionNames()...)
	fixed(cmd, "profile", accounting.ProfileNames()...)
	fixed(cmd, "optimizer", accounting.OptimizerNames()...)
	fixed(cmd, "attention", accounting.AttentionNames()...)
	fixed(cmd, "schedule", accounting.ScheduleNames()...)
	fixed(cmd, "recompute-modules", accounting.RecomputeModules()...)
	fixed(cmd, "lora-target-modules", accounting.LoRATargets()...)
	fixed(cmd, "freeze", accounting.FrozenParts()...)
	fixed(cmd, "offload", accounting.OffloadNames()...)
	fixed(cmd, "recompute-method", "uniform", "block")
	fixed(cmd, "recompute", "none", "selective", "full")
	fixed(cmd, "loss", "eager", "fused", "chunked")
	fixed(cmd, "moe", accounting.RoutedNames()...)
	fixed(cmd, "flops", "causal", "full")
	fixed(cmd, "body", "llama", "gpt", "seed")
	fixed(cmd, "zero", "0", "1", "2", "3")
}

// options reads the flags. Everything that is wrong with them is an error of
// usage, with the nearest names.
func (f *caseFlags) options(s *state, cmd *cobra.Command) (accounting.Options, error) {
	o := f.opt
	m, err := f.findModel(s, cmd)
	if err != nil {
		return o, err
	}
	o.Model = m
	o.Context, o.MicroBatch, o.GlobalBatch = int64(f.seq), int64(f.mb), int64(f.gb)
	o.Tokens, o.GPUs = int64(f.tokens), int64(f.gpus)
	o.TP, o.PP, o.VPP, o.CP = int64(f.tp), int64(f.pp), int64(f.vpp), int64(f.cp)
	o.EP, o.ETP, o.DP = int64(f.ep), int64(f.etp), int64(f.dp)
	o.Replicas, o.FirstLayers, o.LastLayers = int64(f.replicas), int64(f.firstLayers), int64(f.lastLayers)
	given := cmd.Flags().Changed
	if given("sp") {
		o.SP = &f.sp
	}
	if given("zero") {
		if f.zero < 0 || f.zero > 3 {
			return o, usage("", "--zero %d: a ZeRO stage is 0, 1, 2 or 3", f.zero)
		}
		o.ZeRO = &f.zero
	}
	if o.Recompute, err = f.recompute(); err != nil {
		return o, err
	}
	if o.Trainable, err = f.trainable(); err != nil {
		return o, err
	}
	o.Offload = strings.Join(f.offload, "+")
	o.ReduceBucket, o.MaxLive = int64(f.reduceBucket), int64(f.maxLive)
	o.WithEmbedding = !f.asPublished
	o.UsableBytes = f.capacity.Bytes
	if f.gpu != "" {
		if given("capacity") {
			return o, usage("the first takes the memory of an accelerator from the catalog, the second says it", "--gpu and --capacity cannot be combined")
		}
		found, err := hardware.Resolve(f.gpu)
		if err != nil {
			return o, misuse(err, "headroom gpus lists the accelerators")
		}
		if f.network != 0 {
			if found.Accelerator.NICBytesPerSecond, err = networkShare(f.network); err != nil {
				return o, err
			}
		}
		f.useDevice(found)
		o.UsableBytes = f.device.UsableBytes
	}
	return o, nil
}

// recompute puts Megatron's flags into the one text that a study has.
func (f *caseFlags) recompute() (string, error) {
	text := f.opt.Recompute
	switch {
	case len(f.modules) > 0:
		if (text != "" && text != "selective") || f.method != "" || f.recomputeLayers > 0 {
			return "", usage("", "--recompute-modules goes with --recompute selective alone")
		}
		return "selective:" + strings.Join(f.modules, "+"), nil
	case f.method != "":
		if text != "" && text != "full" {
			return "", usage("", "--recompute-method goes with --recompute full alone")
		}
		return fmt.Sprintf("full:%s:%d", f.method, max(int64(f.recomputeLayers), 1)), nil
	case f.recomputeLayers > 0:
		return "", usage("write --recompute-method uniform or block", "--recompute-num-layers needs a method")
	}
	return text, nil
}

// networkShare is a --network flag in bytes a second.
func networkShare(gbits float64) (hardware.Optional[float64], error) {
	if !(gbits > 0 && gbits <= 1e5) {
		return hardware.Optional[float64]{}, usage("an H100 node usually has 400 a GPU", "--network %g: write Gbit/s of one GPU, above 0", gbits)
	}
	return hardware.Known(gbits * 1e9 / 8), nil
}

// trainable is what is trained, as a study writes it.
func (f *caseFlags) trainable() (string, error) {
	switch {
	case len(f.freeze) > 0 && (f.loraRank > 0 || len(f.loraTargets) > 0):
		return "", usage("adapters freeze all else", "--freeze and --lora-rank cannot be combined")
	case len(f.freeze) > 0:
		return "freeze:" + strings.Join(f.freeze, "+"), nil
	case f.loraRank > 0:
		parts := []string{"lora", strconv.FormatInt(int64(f.loraRank), 10)}
		if len(f.loraTargets) > 0 {
			parts = append(parts, strings.Join(f.loraTargets, "+")+"+") // no module is taken for the word dropout
		}
		switch {
		case !(f.loraDropout >= 0 && f.loraDropout < 1):
			return "", usage("write a number from 0 up to, not including, 1", "--lora-dropout %v is not a probability", f.loraDropout)
		case f.loraDropout > 0:
			parts = append(parts, "dropout")
		}
		return strings.Join(parts, ":"), nil
	case len(f.loraTargets) > 0:
		return "", usage("write --lora-rank 16", "--lora-target-modules needs a rank")
	case f.loraDropout != 0:
		return "", usage("write --lora-rank 16", "--lora-dropout needs a rank")
	}
	return "", nil
}

// useDevice takes an accelerator as one rank sees it.
func (f *caseFlags) useDevice(found hardware.Resolution) {
	a := found.Accelerator.PerDevice()
	f.device = &a
	if found.Assumption != "" {
		f.notes = append(f.notes, fmt.Sprintf("--gpu %s: %s", f.gpu, found.Assumption))
	}
	if n := found.Accelerator.Devices; n > 1 {
		f.notes = append(f.notes, fmt.Sprintf("a rank has one of the %d devices of a %s", n, a.Name))
	}
	f.notes = append(f.notes, fmt.Sprintf("a process on %s can allocate %s of the %s GB that its vendor prints: %s", a.Name, inGiB(a.UsableBytes), trimZeros(fmt.Sprintf("%.1f", a.NominalGB)), a.UsableSource))
}

// resolve reads the flags and fills in the defaults.
func (f *caseFlags) resolve(s *state, cmd *cobra.Command) (*accounting.Case, error) {
	o, err := f.options(s, cmd)
	if err != nil {
		return nil, err
	}
	c, err := o.Resolve()
	if err != nil {
		return nil, misuse(err, "")
	}
	c.Notes = append(c.Notes, f.notes...)
	return c, nil
}

// findModel finds the model by name, file, directory or dimensions.
func (f *caseFlags) findModel(s *state, cmd *cobra.Command) (*arch.Model, error) {
	if given := dimensionsGiven(cmd); len(given) > 0 {
		if f.model != "" {
			return nil, usage("leave out --model to describe a model by its dimensions", "--%s and --model %s cannot be combined", given[0], f.model)
		}
		return f.dims.model(cmd, int64(f.layers))
	}
	if f.model == "" {
		return nil, usage("headroom models lists the names; a config.json, its directory, or --hidden --layers --vocab will do too", "no model was given: write --model NAME")
	}
	return s.findModel(f.model, arch.Options{Layers: int64(f.layers)})
}

var dimensionNames = []string{
	"body", "hidden", "heads", "kv-heads", "head-dim", "ffn", "vocab", "max-positions", "window",
	"experts", "top-k", "shared-ffn", "tied", "bias", "gated",
}

func dimensionsGiven(cmd *cobra.Command) (names []string) {
	for _, n := range dimensionNames {
		if cmd.Flags().Changed(n) {
			names = append(names, n)
		}
	}
	return names
}

func (d *dimensionFlags) model(cmd *cobra.Command, layers int64) (*arch.Model, error) {
	dims := arch.Dimensions{
		Name: "custom", Body: d.body, Hidden: int64(d.hidden), Layers: layers, Vocab: int64(d.vocab),
		Heads: int64(d.heads), KVHeads: int64(d.kvHeads), HeadDim: int64(d.headDim), FFN: int64(d.ffn),
		MaxPositions: int64(d.maxPositions), Window: int64(d.window),
		Experts: int64(d.experts), TopK: int64(d.topK), SharedFFN: int64(d.shared),
	}
	for _, b := range []struct {
		flag string
		from *bool
		to   **bool
	}{{"tied", &d.tied, &dims.Tied}, {"bias", &d.bias, &dims.Bias}, {"gated", &d.gated, &dims.Gated}} {
		if cmd.Flags().Changed(b.flag) {
			*b.to = b.from
		}
	}
	m, err := dims.Model()
	return m, misuse(err, "a model by its dimensions needs at least --hidden --layers --vocab")
}

// findModel finds a model: an embedded name first, so that a name means the same
// in every directory, then a file or directory, then the Hugging Face cache.
func (s *state) findModel(name string, opt arch.Options) (*arch.Model, error) {
	const hint = "headroom models lists the names; a path to a config.json or its directory, or --hidden --layers --vocab, will do too"
	looksLikePath := strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") || filepath.IsAbs(name)
	var unknown error
	if !looksLikePath {
		if m, ok, err := sweep.FamilyMember(name); ok {
			if err == nil && opt.Layers > 0 {
				return nil, usage("leave out --layers", "%s has the layers that its size asks for", name)
			}
			return m, misuse(err, "a scaled model is FAMILY@SIZE, such as llama-3@3B")
		}
		m, err := arch.Lookup(name, opt)
		if !is[*arch.UnknownModelError](err) {
			return m, misuse(err, "")
		}
		unknown = err
	}
	path := name
	if rest, ok := strings.CutPrefix(name, "~/"); ok && s.Home != "" {
		path = filepath.Join(s.Home, rest)
	}
	switch isDir, ok := s.exists(path); {
	case ok && isDir:
		fsys := s.Dir(path)
		m, err := arch.FromDir(fsys, ".", opt)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usage("", "%s has no config.json", name)
		}
		return rename(m, name), misuse(err, "")
	case ok:
		fsys, base := s.open(path)
		m, err := arch.FromFile(fsys, base, opt)
		return rename(m, name), misuse(err, "")
	case looksLikePath:
		return nil, usage(hint, "%s: no such file or directory", name)
	}
	if strings.Count(name, "/") == 1 {
		m, err := arch.FromHubCache(s.Dir(s.hubCache()), name, opt)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return m, misuse(err, "")
		}
	}
	return nil, misuse(unknown, hint)
}

// rename calls a model from a file by the path the user wrote.
func rename(m *arch.Model, name string) *arch.Model {
	if m != nil {
		m.Name = name
	}
	return m
}

// hubCache is where Hugging Face tools keep what they downloaded.
func (s *state) hubCache() string {
	if dir := s.Env["HF_HUB_CACHE"]; dir != "" {
		return dir
	}
	if dir := s.Env["HF_HOME"]; dir != "" {
		return filepath.Join(dir, "hub")
	}
	return filepath.Join(s.Home, ".cache", "huggingface", "hub")
}

func modelNames() []string {
	var names []string
	for _, p := range arch.Presets() {
		names = append(names, p.Name)
	}
	return names
}
