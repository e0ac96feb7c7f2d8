package accounting

import "headroom/accounting/arch"

// composerProfile is MosaicML's Composer with the MPT of llm-foundry 0.3 on torch 2.1:
// torch's FSDP under Composer's mixed precision, and TransformerEngine 0.10 for fp8. Its
// preset PURE, which llm-foundry's configurations name, gathers weights and reduces
// gradients in 16 bits: fsdp-pure. DEFAULT does too from 0.13.2 to 0.16.3, where it leaves
// reduce_dtype to torch's FSDP, which takes param_dtype; since 0.16.4 of October 2023 it
// reduces in fp32: fsdp-mixed (composer/trainer/mosaic_fsdp_utils.py, get_mixed_precision).
var composerProfile = composer("composer", "Composer and llm-foundry's MPT on torch FSDP of late 2023: 16-bit reduction, fused loss, train metrics", false)

// composer2023Profile is the same on torch 1.13 and 2.0, whose torch.utils.checkpoint
// runs a layer again to its end (set_checkpoint_early_stop came with 2.1).
var composer2023Profile = composer("composer-2023", "the same before torch 2.1: full recompute runs a layer to its end", true)

func composer(name, summary string, whole bool) Profile {
	titan := TorchTitan{RootGathered: true, FusedLoss: true}
	p := titan.Profile(name, summary)
	p.Saved = func(m *arch.Model, r Recipe, s *Section) {
		titan.saved(m, r, s)
		s.teLinear(r)
	}
	p.Precision = "fsdp-pure"
	p.Precisions = map[string]string{"fp32": "fsdp-pure", "bf16-mixed": "fsdp-pure"}
	p.passes, p.narrowPasses = &mptPasses, &mptNarrowPasses
	p.EarlyCasts, p.WholeRecompute = true, whole
	// What is torchtitan's own: Composer knows data parallelism alone
	// (docs/source/notes/distributed_training.rst) and updates when the step's gradients
	// are complete (trainer/trainer.py).
	p.Parallel, p.SP, p.WholeExperts, p.OptimizerInBackward, p.Overlaps = false, false, false, false, 0
	// MPT calls te.Linear without is_first_microbatch (llmfoundry/models/layers/ffn.py and
	// attention.py), which then casts and transposes its weight each time
	// (TransformerEngine 0.10, pytorch/module/linear.py).
	p.CastsWeights = true
	return p
}

// teLinear makes what te.Linear keeps in fp8 of what nn.Linear does: the transposed inputs
// in one byte a value in place of two, that of attention's result beside it, which attention
// keeps; and the transposed weights, whole though FSDP cuts them, in one byte until their
// backward (TransformerEngine 0.10, pytorch/module/linear.py: inputmat_t and weight_t_fp8,
// new in each forward without is_first_microbatch).
func (s *Section) teLinear(r Recipe) {
	if s.Layer == nil || !r.Precision.eightBit() || r.Recompute.Mode != RecomputeNone {
		return
	}
	const source = "transformer_engine/pytorch/module/linear.py"
	for i := range s.Components {
		c := &s.Components[i]
		if c.Group == GroupNorm || c.Group == GroupRouter {
			continue
		}
		for j := range c.Saved {
			t := &c.Saved[j]
			switch {
			case t.Name != "input" || t.DType != BF16:
			case c.Name == "out":
				again := *t
				again.Name, again.DType, again.Source = "input_transposed", FP8, source
				c.Saved = append(c.Saved, again)
			default:
				t.DType, t.Source = FP8, source
			}
		}
		for _, w := range c.Weights {
			if w.Uses != nil {
				c.Saved = append(c.Saved, Tensor{Name: w.Name + "_transposed", Shape: w.Shape, DType: FP8, Shard: w.Shard, Copy: true, Source: source})
			}
		}
	}
}
