package accounting

import "math"

// A Band says how far four of five runs lie from their prediction, as natural
// logarithms whose squares add: what every prediction lacks, what its parts lack, and
// more for an architecture that nobody measured. It is fitted on runs of projects and
// architectures that the prediction has not seen.
type Band struct {
	Base  float64
	Parts float64 // in standard deviations of [Doubt.Variance]
	New   float64 // of an architecture whose training nobody measured
}

// A Doubt is what of a case an error bar depends on.
type Doubt struct {
	// Variance is the sum of squares over the parts of a step, each of its share times
	// the uncertainty of the constant that it rests on, as that was before any training
	// run was looked at ([Constant.Spread]). Dense products, and recompute that is
	// mostly them, count nothing here: Base is what they lack.
	Variance  float64
	Inherited bool
}

// Spread is the natural logarithm of the factor between a prediction and either
// end of its error bar.
func (b *Band) Spread(d *Doubt) float64 {
	s := square(b.Base) + float64(square(b.Parts)*d.Variance)
	if d.Inherited {
		s += square(b.New)
	}
	return math.Sqrt(s)
}

func square(x float64) float64 { return float64(x * x) }

// Doubt is what the error bar of a step depends on.
func (c *Compiled) Doubt(m *Machine, t *Time) Doubt {
	d := Doubt{Inherited: m.Inherited}
	if t.StepSeconds > 0 {
		comm := t.TPCommSeconds + t.CPCommSeconds + t.EPCommSeconds + t.DPCommSeconds
		waits := square(exchangeSpread*comm) +
			square(pipelineSpread*(t.PPCommSeconds+t.BubbleSeconds)) +
			square(launchSpread*t.LaunchSeconds) +
			square(stepSpread*t.OverheadSeconds) +
			square(stragglerSpread*t.StragglerSeconds)
		works := square(attentionSpread*t.AttentionSeconds) +
			square(elementwiseSpread*t.ElementwiseSeconds) +
			square(optimizerSpread*t.OptimizerSeconds)
		if len(c.limits.experts) > 0 {
			works += square(groupedSpread * t.ComputeSeconds)
		}
		d.Variance = (waits + works) / square(t.StepSeconds)
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
