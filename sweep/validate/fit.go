package validate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"headroom/accounting"
)

// A problem is a set of constants to fit: the weighted sum of a robust loss of
// residuals, each ln(predicted/measured), plus for every constant its squared
// distance from its prior in units of the prior's spread. Constants move in their
// logarithm; shares stay below 1.
type problem struct {
	prior func() *accounting.Calibration
	// start is where to begin, the solution of a like problem; nil = the prior.
	start *accounting.Calibration
	// spread is how far, as a natural logarithm, a constant is from its prior by one
	// standard deviation; 0 leaves it alone.
	spread func(accounting.Constant) float64
	// weights has one element a residual.
	weights   []float64
	residuals func(c *accounting.Calibration, out []float64)
	// gains are factors that are no part of the model but of how some residuals were
	// chosen: each is fitted, added to its residuals as a natural logarithm and
	// forgotten. gain is the one of each residual, -1 for none; nil for no gains.
	gains int
	gain  []int
	// noise is the residual below which the loss is square, above it absolute.
	noise float64
}

const (
	// priorWeight is the weight of one constant's prior against one family.
	priorWeight = 0.004
	step        = 0.02 // of the numerical derivative, as a natural logarithm
	rounds      = 60   // of Gauss-Newton, at most
	gainSpread  = 0.1  // of a gain, as a natural logarithm
)

// solve fits by Gauss-Newton with the weights of the robust loss renewed at every
// round, damped where a step would not lower the loss. gains are natural logarithms.
func (p *problem) solve() (c *accounting.Calibration, gains []float64) {
	prior := p.prior()
	c = p.prior()
	fixed := func(x accounting.Constant) bool { return !(p.spread(x) > 0) }
	base, at := slices.DeleteFunc(prior.Constants(), fixed), slices.DeleteFunc(c.Constants(), fixed)
	n := len(at) + p.gains
	spread := make([]float64, n)
	for i := range at {
		spread[i] = p.spread(at[i])
	}
	for i := len(at); i < n; i++ {
		spread[i] = gainSpread
	}
	apply := func(x []float64) {
		for i := range at {
			v := *base[i].Value * math.Exp(x[i]*spread[i])
			if at[i].Share {
				v = math.Min(v, 1)
			}
			*at[i].Value = v
		}
	}
	evaluate := func(x []float64) (residuals []float64, loss float64) {
		apply(x)
		residuals = make([]float64, len(p.weights))
		p.residuals(c, residuals)
		for i, g := range p.gain {
			if g >= 0 {
				residuals[i] += x[len(at)+g] * gainSpread
			}
		}
		for i, r := range residuals {
			loss += p.weights[i] * p.noise * (math.Sqrt(1+r*r/(p.noise*p.noise)) - 1)
		}
		for _, v := range x {
			loss += priorWeight * v * v / 2
		}
		return residuals, loss
	}
	x := make([]float64, n) // ln(value/prior)/spread
	if p.start != nil {
		from := slices.DeleteFunc(p.start.Constants(), fixed)
		for i := range at {
			x[i] = math.Log(*from[i].Value / *base[i].Value) / spread[i]
		}
	}
	res, best := evaluate(x)
	damping := 1e-3
	for range rounds {
		jac := mat.NewDense(max(len(res), 1), n, nil)
		for j := range n {
			y := slices.Clone(x)
			y[j] += step / spread[j]
			moved, _ := evaluate(y)
			for i := range res {
				jac.Set(i, j, (moved[i]-res[i])/(step/spread[j]))
			}
		}
		normal, gradient := p.normal(jac, res, x)
		improved := false
		for range 8 {
			damped := mat.NewSymDense(n, nil)
			damped.CopySym(normal)
			for j := range n {
				damped.SetSym(j, j, normal.At(j, j)*(1+damping))
			}
			var chol mat.Cholesky
			var delta mat.VecDense
			if !chol.Factorize(damped) || chol.SolveVecTo(&delta, gradient) != nil {
				damping *= 10
				continue
			}
			y := slices.Clone(x)
			for j := range n {
				// Past three spreads the prior says no.
				y[j] = math.Max(-3, math.Min(3, y[j]-delta.AtVec(j)))
				if j < len(at) && at[j].Share { // hold shares at their bound, so that they can come back
					y[j] = math.Min(y[j], -math.Log(*base[j].Value)/spread[j])
				}
			}
			moved, l := evaluate(y)
			if l < best {
				improved = best-l > 1e-7
				x, res, best = y, moved, l
				damping = math.Max(damping/5, 1e-6)
				break
			}
			damping *= 5
		}
		if !improved {
			break
		}
	}
	apply(x)
	for _, g := range x[len(at):] {
		gains = append(gains, g*gainSpread)
	}
	return c, gains
}

// normal is the normal equations with the robust weights; the prior makes them
// definite.
func (p *problem) normal(jac *mat.Dense, res, x []float64) (*mat.SymDense, *mat.VecDense) {
	n := len(x)
	normal, gradient := mat.NewSymDense(n, nil), mat.NewVecDense(n, nil)
	for i, r := range res {
		w := p.weights[i] / (p.noise * math.Sqrt(1+r*r/(p.noise*p.noise)))
		row := jac.RawRowView(i)
		for j := range n {
			gradient.SetVec(j, gradient.AtVec(j)+float64(w*r*row[j]))
			for k := j; k < n; k++ {
				normal.SetSym(j, k, normal.At(j, k)+float64(w*row[j]*row[k]))
			}
		}
	}
	for j := range n {
		gradient.SetVec(j, gradient.AtVec(j)+float64(priorWeight*x[j]))
		normal.SetSym(j, j, normal.At(j, j)+priorWeight)
	}
	return normal, gradient
}
