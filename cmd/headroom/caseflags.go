package main

import (
	"fmt"
	"strings"

	"headroom/accounting"
	"headroom/hardware"

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
	p.Var(&f.pp, "pp", "pipeline stages")
	p.Var(&f.vpp, "vpp", "virtual pipeline: chunks of layers a stage holds")
	p.Var(&f.cp, "cp", "context-parallel size")
	p.Var(&f.ep, "ep", "expert-parallel size")
	p.Var(&f.dp, "dp", "data-parallel size")
	p.Int64Var(&f.zero, "zero", 0, "ZeRO `STAGE` 0…3: 1 shards optimizer state, 2 and gradients, 3 and weights (FSDP)")

	p.StringVar(&f.opt.Recompute, "recompute", "", "activations computed again in backward: `none`, selective, full, or every:2 for every second layer")
	p.StringSliceVar(&f.modules, "recompute-modules", nil, "`MODULES` of selective recompute: "+strings.Join(accounting.RecomputeModules(), ", "))
	p.StringVar(&f.method, "recompute-method", "", "`METHOD` of full recompute: uniform (units of layers) or block (the first layers of each chunk of a stage)")
	p.Var(&f.recomputeLayers, "recompute-num-layers", "layers of a unit or a block of full recompute")
	f.registerTraining(cmd)
	p.StringVar(&f.opt.Convention, "flops", "", "count attention `causal` (half of S²) or full")

	f.registerDimensions(cmd)
	dynamic(cmd, "model", true, modelNames)
	dynamic(cmd, "gpu", false, hardware.Builtin().Slugs)
	fixed(cmd, "recompute-modules", accounting.RecomputeModules()...)
	fixed(cmd, "recompute-method", "uniform", "block")
	fixed(cmd, "recompute", "none", "selective", "full")
	fixed(cmd, "flops", "causal", "full")
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
	o.EP, o.DP = int64(f.ep), int64(f.dp)
	if err := f.training(cmd, &o); err != nil {
		return o, err
	}
	given := cmd.Flags().Changed
	if given("zero") {
		if f.zero < 0 || f.zero > 3 {
			return o, usage("", "--zero %d: a ZeRO stage is 0, 1, 2 or 3", f.zero)
		}
		o.ZeRO = &f.zero
	}
	if o.Recompute, err = f.recompute(); err != nil {
		return o, err
	}
	o.UsableBytes = f.capacity.Bytes
	if f.gpu != "" {
		if given("capacity") {
			return o, usage("the first takes the memory of an accelerator from the catalog, the second says it", "--gpu and --capacity cannot be combined")
		}
		found, err := hardware.Resolve(f.gpu)
		if err != nil {
			return o, misuse(err, "headroom gpus lists the accelerators")
		}
		if given("network") {
			if found.Accelerator.NICBytesPerSecond, err = networkShare(f.network); err != nil {
				return o, err
			}
		}
		f.useDevice(found)
		o.UsableBytes = f.device.UsableBytes
	} else if given("network") {
		return o, usage("name it with --gpu", "--network is the share of an accelerator, and which one was not said")
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
		return hardware.Optional[float64]{}, usage("an H100 node usually has 400 a GPU", "--network %g: write Gbit/s of one GPU, above 0 and at most 100000", gbits)
	}
	return hardware.Known(gbits * hardware.BytesPerGbit), nil
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
