package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// A Group names the part of the model that a component belongs to; FLOPs are
// summed by it.
type Group string

// Groups, the columns of the worked example's FLOPs table and what it lacks.
const (
	GroupEmbedding Group = "embedding"
	GroupNorm      Group = "norm"
	GroupQKV       Group = "qkv"
	GroupQK        Group = "qk"
	GroupSoftmax   Group = "softmax"
	GroupAV        Group = "av"
	GroupOut       Group = "out"
	GroupRouter    Group = "router"
	GroupFFN       Group = "ffn"
	GroupHead      Group = "head"
	GroupLoss      Group = "loss"
	GroupResidual  Group = "residual"
)

// A Component is one row of the ledger.
type Component struct {
	Name    string
	Group   Group
	Weights []Tensor
	Saved   []Tensor // kept for backward by the profile, of one micro-batch
	// Products is the FLOPs of products that Tensor.Uses does not describe (QKᵀ, AV,
	// the routed experts), one forward of
	// one micro-batch.
	Products Expr
	// Excluded says that the worked example's sheet leaves this row out of its
	// memory sum.
	Excluded bool
}

// Parameters is the number of trained values, as algebra.
func (c *Component) Parameters() Expr {
	var n Expr
	for i := range c.Weights {
		if !c.Weights[i].Tied {
			n = n.Plus(c.Weights[i].Elems())
		}
	}
	return n
}

// Trained is the part of [Component.Parameters] that has gradients.
func (c *Component) Trained() Expr {
	var n Expr
	for i := range c.Weights {
		if w := &c.Weights[i]; !w.Tied && !w.Frozen {
			n = n.Plus(w.Elems())
		}
	}
	return n
}

func (c *Component) trained() bool {
	return slices.ContainsFunc(c.Weights, func(w Tensor) bool { return !w.Frozen && !w.Tied && !w.Untrained })
}

// FLOPs is the arithmetic of one forward of one micro-batch of B sequences:
// 2·m·n·k for each matrix product (accounting.md 2.4 and 4).
func (c *Component) FLOPs() Expr {
	n := c.Products
	for i := range c.Weights {
		w := &c.Weights[i]
		if w.Uses != nil {
			n = n.Plus(w.Elems().Times(w.Uses).Scale(2))
		}
	}
	return n
}

// SavedElems and SavedBytes are what the component keeps for backward.
func (c *Component) SavedElems() Expr {
	var n Expr
	for i := range c.Saved {
		n = n.Plus(c.Saved[i].Elems())
	}
	return n
}

// SavedBytes is what the component keeps for backward, in bytes, unsharded.
func (c *Component) SavedBytes() Expr {
	var n Expr
	for i := range c.Saved {
		n = n.Plus(c.Saved[i].Bytes())
	}
	return n
}

// A Role says where in the model a section stands.
type Role uint8

// Roles of sections, in model order.
const (
	RoleEmbedding Role = iota
	RoleEncoder
	RoleLayer
	RolePrediction // predicts a further token, beside the model
	RoleHead
)

// A Section is a group of components that occurs Count times: the embedding, one
// kind of layer, or everything after the last layer.
type Section struct {
	Name       string
	Role       Role
	Kind       int   // index into Model.Kinds for layers
	Count      int64 // how many such layers the model has
	Layer      *arch.Layer
	Values     Values // B and S are filled in at evaluation
	Components []Component
	// Work is what backward holds at its widest beside the saved tensors: what is
	// recomputed, and gradients of activations.
	Work []Tensor
	// idle says that no gradient has to pass through: nothing before it is trained, nor
	// anything in it.
	idle bool
}

// Component returns the row of that name, or nil.
func (s *Section) Component(name string) *Component {
	for i := range s.Components {
		if s.Components[i].Name == name {
			return &s.Components[i]
		}
	}
	return nil
}

// Sum adds one column of a section's rows.
func (s *Section) Sum(column func(*Component) Expr) Expr {
	var n Expr
	for i := range s.Components {
		n = n.Plus(column(&s.Components[i]))
	}
	return n
}

// A Ledger is the table of one model under one recipe and profile. It is
// immutable once built.
type Ledger struct {
	Model    *arch.Model
	Recipe   Recipe
	Profile  *Profile
	Sections []Section
}

// NewLedger writes the ledger of a model: its weights from the architecture, and
// its saved tensors from the profile.
func NewLedger(m *arch.Model, r Recipe, p *Profile) *Ledger {
	l := &Ledger{Model: m, Recipe: r, Profile: p, Sections: weightSections(m, r.MTP)}
	trained := false // anything so far
	for i := range l.Sections {
		s := &l.Sections[i]
		s.freeze(r.Trainable)
		for j := range s.Components {
			trained = trained || s.Components[j].trained()
		}
		s.idle = !trained
	}
	for i := range l.Sections {
		s := &l.Sections[i]
		p.keep(m, r, s)
		s.Work = p.working(m, r, s)
		for j := range s.Components {
			s.Components[j].Excluded = p.excluded(s.Components[j].Name)
		}
	}
	return l
}

// At returns the ledger as it is for micro-batches of b sequences of s tokens on
// a rank of a plan: without the saved tensors that do not exist at that size.
func (l *Ledger) At(b, s int64, p *Plan) *Ledger {
	out := *l
	out.Sections = slices.Clone(l.Sections)
	for i := range out.Sections {
		sec := &out.Sections[i]
		sec.Components = slices.Clone(sec.Components)
		for j := range sec.Components {
			c := &sec.Components[j]
			c.Saved = slices.DeleteFunc(slices.Clone(c.Saved), func(t Tensor) bool { return !t.When.Holds(b, s, p.TP, p.EP) })
		}
	}
	return &out
}

// Section returns the section of that name, or nil.
func (l *Ledger) Section(name string) *Section {
	for i := range l.Sections {
		if l.Sections[i].Name == name {
			return &l.Sections[i]
		}
	}
	return nil
}

// Parameters is the exact number of trained values of the whole model, a tied
// matrix once, multi-token-prediction layers left out.
func (l *Ledger) Parameters() (int64, error) {
	var total int64
	for i := range l.Sections {
		s := &l.Sections[i]
		if s.Role == RolePrediction {
			continue
		}
		n, err := s.Sum((*Component).Parameters).Scale(s.Count).Eval(&s.Values)
		if err != nil {
			return 0, err
		}
		if total, err = addChecked(total, n); err != nil {
			return 0, err
		}
	}
	return total, nil
}
