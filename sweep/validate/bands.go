package validate

import (
	"math"

	"gonum.org/v1/gonum/optimize"

	"headroom/accounting"
)

// A miss is how far a run lies from a prediction that has not seen its like.
type miss struct {
	family   string
	distance float64 // |ln(predicted/measured)|
	doubt    accounting.Doubt
	weight   float64
}

// misses are those of the runs under the calibration of each.
func misses(all []trainingRun, calibration func(r *trainingRun) *accounting.Calibration) []miss {
	out := make([]miss, len(all))
	for i := range all {
		r := &all[i]
		m := *r.e.Machine
		m.Calibration = calibration(r)
		var t accounting.Time
		r.e.Timed.Time(&r.e.Case.Setting, &m, &t)
		out[i] = miss{r.family, math.Abs(math.Log(t.StepSeconds / r.seconds)), r.e.Timed.Doubt(&m, &t), r.weight}
	}
	return out
}

// bandLoss is the loss of quantile regression, whose least value puts the share
// coverage of the weight inside the error bars: a tenth of [Holdout.Score] but for
// what no bar changes.
func bandLoss(b *accounting.Band, all []miss) float64 {
	var sum float64
	for i := range all {
		x := &all[i]
		over := x.distance - b.Spread(&x.doubt)
		if over > 0 {
			sum += x.weight * coverage * over
		} else {
			sum -= x.weight * (1 - coverage) * over
		}
	}
	return sum
}

// fitBand is the error bar of runs whose architecture is known.
func fitBand(all []miss) accounting.Band {
	b := accounting.Prior().Band
	parts := func(b *accounting.Band) []*float64 {
		return []*float64{&b.Base, &b.Parts}
	}
	var total float64
	for i := range all {
		total += all[i].weight
		all[i].doubt.Inherited = false
	}
	prior := b
	return minimise(b, parts, func(b *accounting.Band) float64 {
		loss := bandLoss(b, all)
		for i, x := range parts(b) { // projects are few
			d := math.Log(*x / *parts(&prior)[i])
			loss += bandPrior * total * d * d
		}
		return loss
	})
}

// bandPrior is the weight of one part's squared distance from its prior, of all
// runs together.
const bandPrior = 5e-4

// fitNew is what the error bar lacks for runs on an architecture that the
// prediction has not seen.
func fitNew(b accounting.Band, all []miss) float64 {
	for i := range all {
		all[i].doubt.Inherited = true
	}
	b = minimise(b, func(b *accounting.Band) []*float64 { return []*float64{&b.New} }, func(b *accounting.Band) float64 { return bandLoss(b, all) })
	return b.New
}

// minimise moves the parts in their logarithm.
func minimise(b accounting.Band, parts func(b *accounting.Band) []*float64, loss func(b *accounting.Band) float64) accounting.Band {
	start := b
	var x []float64
	for range parts(&b) {
		x = append(x, 0)
	}
	at := func(x []float64) accounting.Band {
		b := start
		for i, p := range parts(&b) {
			*p *= math.Exp(x[i])
		}
		return b
	}
	r, err := optimize.Minimize(optimize.Problem{Func: func(x []float64) float64 {
		b := at(x)
		return loss(&b)
	}}, x, &optimize.Settings{FuncEvaluations: 4000, Converger: &optimize.FunctionConverge{Absolute: 1e-9, Iterations: 300}}, &optimize.NelderMead{})
	if r == nil {
		panic("validate: " + err.Error()) // the settings above are wrong
	}
	return at(r.X)
}

// cover fills in the coverage: every family's runs against error bars fitted on
// the other families' misses.
func (h *Holdout) cover(unseen []miss) {
	h.FamilyCoverage = map[string]float64{}
	bars := map[string]accounting.Band{}
	var inside, total, spread, score float64
	weight := map[string]float64{}
	for i := range unseen {
		x := &unseen[i]
		b, known := bars[x.family]
		if !known {
			var others []miss
			for _, o := range unseen {
				if o.family != x.family {
					others = append(others, o)
				}
			}
			b = fitBand(others)
			bars[x.family] = b
		}
		s := b.Spread(&x.doubt)
		total += x.weight
		weight[x.family] += x.weight
		spread += x.weight * s
		score += x.weight * (2*s + 2/(1-coverage)*math.Max(x.distance-s, 0))
		if x.distance <= s {
			inside += x.weight
			h.FamilyCoverage[x.family] += x.weight
		}
	}
	for f := range weight {
		h.FamilyCoverage[f] /= weight[f]
	}
	h.Coverage, h.Spread, h.Score = inside/total, math.Expm1(spread/total), score/total
}
