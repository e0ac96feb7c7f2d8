package main

import (
	"strconv"
	"strings"

	"headroom/accounting"

	"github.com/spf13/cobra"
)

// registerTraining registers how a run trains, beside the sizes that pick varies:
// precision, framework, what is trained, what is offloaded, the schedule.
func (f *caseFlags) registerTraining(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVar(&f.opt.Recipe, "recipe", "", "precision `RECIPE`: "+strings.Join(accounting.PrecisionNames(), ", "))
	p.StringVar(&f.opt.Profile, "profile", "", "framework `PROFILE`: "+strings.Join(accounting.ProfileNames(), ", "))
	p.StringVar(&f.opt.Optimizer, "optimizer", "", "`OPTIMIZER`: "+strings.Join(accounting.OptimizerNames(), ", "))
	p.StringVar(&f.opt.Attention, "attention", "", "attention `KERNEL`: "+strings.Join(accounting.AttentionNames(), ", ")+" ("+accounting.AttentionNote+")")
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
	p.StringVar(&f.opt.Overlap, "overlap", "", "communication behind computation: `WHAT` "+strings.Join(accounting.OverlapNames(), ", ")+" (auto: as the framework's recipes)")
	p.Int64Var(&f.opt.MTP, "mtp-num-layers", 0, "train `N` layers that predict a further token (multi-token prediction)")
	p.StringVar(&f.opt.Dropout, "dropout", "", "dropout probability `P`")
	p.BoolVar(&f.opt.Compile, "compile", false, "torch.compile fuses the operations of a profile in plain PyTorch")
	p.BoolVar(&f.asPublished, "as-published", true, "leave out of memory what the profile's published sheet leaves out")
	p.BoolVar(&f.sp, "sp", false, "sequence parallelism within the tensor-parallel group")
	p.Var(&f.etp, "etp", "tensor-parallel size inside an expert")
	p.Var(&f.replicas, "dp-replicate", "hybrid sharding (HSDP): groups of data-parallel ranks that hold all shards each")
	p.StringVar(&f.opt.Schedule, "schedule", "", "pipeline `SCHEDULE`: "+strings.Join(accounting.ScheduleNames(), ", "))
	p.Var(&f.firstLayers, "decoder-first-pipeline-num-layers", "layers of the first pipeline stage, where it has not as many as the others")
	p.Var(&f.lastLayers, "decoder-last-pipeline-num-layers", "layers of the last pipeline stage, likewise")

	fixed(cmd, "recipe", accounting.PrecisionNames()...)
	fixed(cmd, "profile", accounting.ProfileNames()...)
	fixed(cmd, "optimizer", accounting.OptimizerNames()...)
	fixed(cmd, "attention", accounting.AttentionNames()...)
	fixed(cmd, "schedule", accounting.ScheduleNames()...)
	fixed(cmd, "lora-target-modules", accounting.LoRATargets()...)
	fixed(cmd, "freeze", accounting.FrozenParts()...)
	fixed(cmd, "offload", accounting.OffloadNames()...)
	fixed(cmd, "loss", "eager", "fused", "chunked")
	fixed(cmd, "moe", accounting.RoutedNames()...)
	fixed(cmd, "overlap", accounting.OverlapNames()...)
}

// training reads those flags into options.
func (f *caseFlags) training(cmd *cobra.Command, o *accounting.Options) (err error) {
	o.ETP, o.Replicas = int64(f.etp), int64(f.replicas)
	o.FirstLayers, o.LastLayers = int64(f.firstLayers), int64(f.lastLayers)
	if cmd.Flags().Changed("sp") {
		o.SP = &f.sp
	}
	if o.Trainable, err = f.trainable(); err != nil {
		return err
	}
	o.Offload = strings.Join(f.offload, "+")
	o.ReduceBucket, o.MaxLive = int64(f.reduceBucket), int64(f.maxLive)
	o.WithEmbedding = !f.asPublished
	return nil
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
