package accounting

import "math"

// A Band says how far four of five runs lie from their prediction, as natural
// logarithms whose squares add: what every prediction lacks, and more for what is
// known less well. It is fitted on runs of projects and architectures that the
// prediction has not seen.
type Band struct {
	Base      float64
	Comm      float64 // of a step that is exposed communication alone
	Launch    float64 // of a step that waits for the host alone
	Attention float64 // of a step that is attention alone
	Scale     float64 // for each doubling of the fast domains
	MoE       float64 // of a model with routed experts
	Narrow    float64 // of products below 16 bits
	New       float64 // of an architecture whose training nobody measured
}

// A Doubt is what of a case an error bar depends on.
type Doubt struct {
	Comm, Launch, Attention float64 // shares of the step
	Doublings               float64 // of the fast domains
	MoE, Narrow, Inherited  bool
}

// Spread is the natural logarithm of the factor between a prediction and either
// end of its error bar.
func (b *Band) Spread(d *Doubt) float64 {
	square := func(x float64) float64 { return float64(x * x) }
	s := square(b.Base) + square(b.Comm*d.Comm) + square(b.Launch*d.Launch) + square(b.Attention*d.Attention) + square(b.Scale*d.Doublings)
	if d.MoE {
		s += square(b.MoE)
	}
	if d.Narrow {
		s += square(b.Narrow)
	}
	if d.Inherited {
		s += square(b.New)
	}
	return math.Sqrt(s)
}

// Doubt is what the error bar of a step depends on.
func (c *Compiled) Doubt(x *Setting, m *Machine, t *Time) Doubt {
	return c.doubt(m, m.doublings(&x.Plan), t)
}

// doublings is how often the fast domain has to be doubled to hold the plan.
func (m *Machine) doublings(p *Plan) float64 {
	if domains := float64(p.GPUs()) / float64(m.Domain); domains > 1 {
		return log2(domains)
	}
	return 0
}

func (c *Compiled) doubt(m *Machine, doublings float64, t *Time) Doubt {
	d := Doubt{Doublings: doublings, MoE: len(c.limits.experts) > 0, Narrow: m.Format >= FormatFP8, Inherited: m.Inherited}
	if t.StepSeconds > 0 {
		d.Comm = (t.TPCommSeconds + t.CPCommSeconds + t.EPCommSeconds + t.DPCommSeconds + t.PPCommSeconds) / t.StepSeconds
		d.Launch = t.LaunchSeconds / t.StepSeconds
		d.Attention = t.AttentionSeconds / t.StepSeconds
	}
	return d
}
