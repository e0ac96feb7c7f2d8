package accounting

// composerProfile is MosaicML's Composer with the MPT of llm-foundry 0.3 on torch 2.1:
// torch's FSDP under Composer's mixed precision, whose presets DEFAULT and PURE both
// gather weights and reduce gradients in 16 bits (composer 0.16,
// trainer/mosaic_fsdp_utils.py, get_mixed_precision: DEFAULT leaves reduce_dtype to
// torch's FSDP, which then takes param_dtype), and TransformerEngine 0.10 for fp8.
var composerProfile = composer("composer", "Composer and llm-foundry's MPT on torch FSDP of late 2023: 16-bit reduction, fused loss, train metrics", false)

// composer2023Profile is the same on torch 1.13 and 2.0, whose torch.utils.checkpoint
// runs a layer again to its end (set_checkpoint_early_stop came with 2.1).
var composer2023Profile = composer("composer-2023", "the same before torch 2.1: full recompute runs a layer to its end", true)

func composer(name, summary string, whole bool) Profile {
	p := TorchTitan{RootGathered: true, FusedLoss: true}.Profile(name, summary)
	p.Precision = "fsdp-pure"
	p.Precisions = map[string]string{"fp32": "fsdp-pure", "bf16-mixed": "fsdp-pure", "fsdp-mixed": "fsdp-pure", "fsdp-fp8": "fsdp-fp8-pure"}
	p.passes = &mptPasses
	p.EarlyCasts, p.WholeRecompute = true, whole
	// What is torchtitan's own: Composer knows data parallelism alone
	// (docs/source/notes/distributed_training.rst) and updates when the step's gradients
	// are complete (trainer/trainer.py).
	p.Parallel, p.SP, p.WholeExperts, p.OptimizerInBackward, p.Overlaps = false, false, false, false, 0
	return p
}
