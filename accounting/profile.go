package accounting

import (
	"slices"
	"strings"

	"headroom/accounting/arch"
)

// A Profile is one framework's way of training: which tensors its code keeps for
// backward, and what it allocates beside the model states. A profile is a choice
// of rows and rules, never a factor.
type Profile struct {
	Name    string
	Summary string // one sentence for `explain` and `models`
	// Defaults of the framework where the user says nothing.
	Precision string
	// Precisions translates recipe names that mean something else in this framework:
	// FSDP2 with fp32 parameters computes in bf16.
	Precisions map[string]string
	Optimizer  string
	Attention  AttentionKernel
	ZeRO       int64
	// Convention of attention FLOPs; the zero value is causal.
	Convention Convention
	SP         bool // sequence parallelism wherever tp > 1
	// Saved attaches to each component of a section what autograd keeps.
	Saved func(m *arch.Model, r Recipe, s *Section)
	// Work lists what the backward of a section holds at its widest beside the
	// saved tensors; for the head, what the loss holds. Nil for the sheet.
	Work func(m *arch.Model, r Recipe, s *Section) []Tensor
	// Recompute lists what the framework can recompute; nil means every mode. Modules
	// are those that it can name, Blocks says that it recomputes several layers at once
	// or some of them, EveryLayer every so many-th.
	Recompute          []RecomputeMode
	Modules            Modules
	Blocks, EveryLayer bool
	// Leave names components whose memory the profile's sum leaves out.
	Leave []string
	// MaxZeRO is the highest ZeRO stage the framework has, and Parallel whether it
	// has tensor, pipeline, context and expert parallelism.
	MaxZeRO int64
	// NoRecompute says that the framework can not recompute.
	NoRecompute bool
	// What of [Recipe] the framework has.
	Offloads            Offload
	OptimizerInBackward bool
	Parallel            bool
	// Routed are the paths of routed layers that it has beside dropless ones.
	Routed []RoutedPath
	// WholeExperts says that expert parallelism takes the tensor-parallel ranks too and
	// leaves every expert whole.
	WholeExperts bool
	// Predicts says that it can train layers of multi-token prediction.
	Predicts bool
	// Overlaps is what of the communication it can be told to overlap, or not to; all else
	// runs as it always does there.
	Overlaps Overlap
	// PEFT says that adapters are those of Hugging Face peft.
	PEFT bool
	// passes is who wrote the operations between matrix products, for their time;
	// nil = one fused kernel each.
	passes *passes
	// narrowPasses stands in its place where products are narrower than 16 bits; nil = the same.
	narrowPasses *passes
	// CuDNN says that its fused attention is TransformerEngine's choice, which on Hopper is
	// cuDNN's kernel (TransformerEngine since 1.2, pytorch/attention.py: "Select FusedAttention
	// on sm90 and FlashAttention on others for performance"). All else calls FlashAttention
	// 2, or PyTorch's SDPA, which prefers it to cuDNN's (huggingface/transformers #48163,
	// pytorch/torchtitan #1196; on Blackwell torchtitan asks for cuDNN's).
	CuDNN bool
	// EarlyMoE says that routed feed-forwards run as in recipes before mid-2026 ([Compiled.routed]):
	// without one kernel for permutation, padding and quantisation, and with the
	// exchange of tokens less hidden.
	EarlyMoE bool
	// EarlyCasts says that products below 16 bits are quantised as in releases before
	// 2025.
	EarlyCasts bool
	// CastsWeights says that each forward of a micro-batch quantises the weights of such
	// products, not the first of a step alone.
	CastsWeights bool
	// WholeRecompute says that full recompute runs a layer to its end, also where the
	// framework's later releases stop at the last tensor that backward wants.
	WholeRecompute bool
	// LayerCompile says that compilation takes layer by layer, each inside its checkpoint:
	// full recompute runs a layer to its end, because a compiled one keeps nothing before,
	// and what is outside of layers stays as it is.
	LayerCompile bool
	// Broadcasts says that ZeRO-1 and 2 deal whole parameters to the ranks, reduce all
	// gradients everywhere, and that each rank in turn broadcasts what it updated.
	Broadcasts bool
	// Accumulates says that a pass of its own adds each micro-batch's gradients to those
	// before, not the product that makes them.
	Accumulates bool
	// ReducesLast says that gradients are reduced when the last backward has ended, behind
	// nothing, unless they are sharded.
	ReducesLast bool
	memory      memoryRules
}

// keep writes what autograd keeps of a section under a recipe.
func (p *Profile) keep(m *arch.Model, r Recipe, s *Section) {
	p.Saved(m, r, s)
	s.prune(&r, p.PEFT)
	if !s.idle {
		s.adapterTensors(&r, p.PEFT)
	}
}

// working is what the backward of a section holds at its widest beside the saved
// tensors: the profile's own working set, and whatever the recipe recomputes.
func (p *Profile) working(m *arch.Model, r Recipe, s *Section) []Tensor {
	if p.Work == nil {
		return nil
	}
	if s.idle && s.Layer != nil {
		return nil // no backward comes here
	}
	out := p.Work(m, r, s)
	if !r.Trainable.all() {
		out = slices.DeleteFunc(out, func(t Tensor) bool { return s.frozenGradient(t.Name) })
	}
	if r.Recompute.Mode == RecomputeNone || s.Layer == nil {
		return out
	}
	none := r
	none.Recompute = Recompute{}
	whole := Section{Role: s.Role, Layer: s.Layer, Values: s.Values, Components: make([]Component, len(s.Components))}
	for i := range whole.Components {
		c := &s.Components[i]
		whole.Components[i] = Component{Name: c.Name, Group: c.Group, Weights: c.Weights}
	}
	p.keep(m, none, &whole)
	kept := map[string]int{}
	for i := range s.Components {
		for _, t := range s.Components[i].Saved {
			kept[t.identity()]++
		}
	}
	first := true
	for i := range whole.Components {
		for _, t := range whole.Components[i].Saved {
			if t.Copy {
				continue
			}
			// What the first operation reads is the layer's input, where it is kept as it is.
			input := t
			input.Name = layerInput
			if id := input.identity(); first && kept[id] > 0 {
				kept[id]--
				first = false
				continue
			}
			first = false
			if kept[t.identity()] > 0 {
				kept[t.identity()]--
				continue
			}
			if r.Recompute.Mode == RecomputeSelective && p.Modules != 0 {
				// Modules are run again one at a time: first the feed-forward's, then attention's.
				t.Moment = 1
				if moduleOf(whole.Components[i].Name)&(CoreAttention|MLAUp) == 0 {
					t.Moment = 2
				}
			}
			out = append(out, t)
		}
	}
	return out
}

// layerInput is the name of what a checkpointed layer keeps.
const layerInput = "layer_input"

// identity tells saved tensors apart by what they hold, wherever they are listed.
func (t *Tensor) identity() string {
	return t.Name + " " + t.Elems().String() + " " + t.DType.String() + " " + t.Shard.String()
}

func (p *Profile) excluded(component string) bool { return slices.Contains(p.Leave, component) }

// precision is the recipe of that name as this framework means it; an empty name
// is the framework's own default.
func (p *Profile) precision(name string) (Precision, error) {
	r, err := ParsePrecision(orDefault(name, p.Precision))
	if other, ok := p.Precisions[r.Name]; ok && err == nil {
		return ParsePrecision(other)
	}
	return r, err
}

func (p *Profile) allows(plan *Plan) bool {
	if plan.ZeRO > p.MaxZeRO {
		return false
	}
	return p.Parallel || plan.TP*plan.PP*plan.CP*plan.EP*plan.VPP == 1
}

// recomputes says whether the framework has a recompute mode.
func (p *Profile) recomputes(r Recompute) bool {
	return (p.Recompute == nil || slices.Contains(p.Recompute, r.Mode)) && r.Modules&^p.Modules == 0 &&
		(r.Every <= 1 || p.EveryLayer) && (r.Layers == 0 || p.Blocks)
}

// profiles is the registry, in the order people are shown.
func profiles() []*Profile {
	return []*Profile{&megatronProfile, &fsdp2Profile, &torchEagerProfile, &megatron2023Profile, &fsdp2In2024Profile, &fsdp2023Profile, &composerProfile, &composer2023Profile, &torchtuneProfile, &megatron2025Profile, &megatron2024Profile, &deepspeedProfile, &megatronDeepspeedProfile, &internevoProfile, &seedProfile}
}

// ProfileNames lists the framework profiles.
func ProfileNames() []string { return names(profiles(), func(p *Profile) string { return p.Name }) }

// ParseProfile finds a framework profile by name; an unknown one is an error
// that names the nearest.
func ParseProfile(name string) (*Profile, error) {
	return find("profile", strings.ToLower(name), profiles(), func(p *Profile) string { return p.Name })
}

// keep attaches saved tensors to the component of that name, which need not
// exist in every architecture.
func (s *Section) keep(component string, tensors ...Tensor) {
	if c := s.Component(component); c != nil {
		c.Saved = append(c.Saved, tensors...)
	}
}
