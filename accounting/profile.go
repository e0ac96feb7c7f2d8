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
	Optimizer string
	Attention AttentionKernel
	ZeRO      int64
	SP        bool // sequence parallelism wherever tp > 1
	// Saved attaches to each component of a section what autograd keeps.
	Saved func(m *arch.Model, r Recipe, s *Section)
	// Leave names components whose memory the profile's sum leaves out.
	Leave []string
	// MaxZeRO is the highest ZeRO stage the framework has, and Parallel whether it
	// has tensor, pipeline, context and expert parallelism.
	MaxZeRO  int64
	Parallel bool
	memory   memoryRules
}

func (p *Profile) excluded(component string) bool { return slices.Contains(p.Leave, component) }

func (p *Profile) allows(plan *Plan) bool {
	if plan.ZeRO > p.MaxZeRO {
		return false
	}
	return p.Parallel || plan.TP*plan.PP*plan.CP*plan.EP*plan.VPP == 1
}

// profiles is the registry, in the order people are shown.
func profiles() []*Profile { return []*Profile{&seedProfile} }

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
