package accounting

import "math"

// A Band says how far four of five runs lie from their prediction, as natural
// logarithms whose squares add: what every prediction lacks, and more for what is
// known less well. It is fitted on runs of projects and architectures that the
// prediction has not seen. What sets one project apart from another is most of it, and
// no share of the step but communication's tells that beforehand: shares of waiting for
// the host and of attention, the scale and the format bring no bar nearer to holding as
// many runs of one project as of another.
type Band struct {
	Base float64
	Comm float64 // of a step that is exposed communication alone
	MoE  float64 // of a model with routed experts
	New  float64 // of an architecture whose training nobody measured
}

// A Doubt is what of a case an error bar depends on.
type Doubt struct {
	Comm           float64 // its share of the step
	MoE, Inherited bool
}

// Spread is the natural logarithm of the factor between a prediction and either
// end of its error bar.
func (b *Band) Spread(d *Doubt) float64 {
	square := func(x float64) float64 { return float64(x * x) }
	s := square(b.Base) + square(b.Comm*d.Comm)
	if d.MoE {
		s += square(b.MoE)
	}
	if d.Inherited {
		s += square(b.New)
	}
	return math.Sqrt(s)
}

// Doubt is what the error bar of a step depends on.
func (c *Compiled) Doubt(m *Machine, t *Time) Doubt {
	d := Doubt{MoE: len(c.limits.experts) > 0, Inherited: m.Inherited}
	if t.StepSeconds > 0 {
		d.Comm = (t.TPCommSeconds + t.CPCommSeconds + t.EPCommSeconds + t.DPCommSeconds + t.PPCommSeconds) / t.StepSeconds
	}
	return d
}

// doublings is how often the fast domain has to be doubled to hold the plan.
func (m *Machine) doublings(p *Plan) float64 {
	if domains := float64(p.GPUs()) / float64(m.Domain); domains > 1 {
		return log2(domains)
	}
	return 0
}
