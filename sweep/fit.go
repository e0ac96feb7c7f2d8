package sweep

import (
	"fmt"
	"math"
	"math/big"
	"math/cmplx"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// A Fit is the memory curve through swept numbers: a line in batch and layers, a
// quadratic in context, by least squares.
type Fit struct {
	Degree       int       `json:"degree"`
	Coefficients []float64 `json:"coefficients"` // bytes; of x⁰, x¹, x²
	R2           float64   `json:"r2"`
	Root         *float64  `json:"root"`    // where the curve meets the capacity; null if nowhere
	Largest      *int64    `json:"largest"` // the last step before the root
	Points       []int64   `json:"points"`  // the numbers swept
	Exact        bool      `json:"exact"`   // the curve, its coefficients whole, gives every swept value to the byte
	Agrees       bool      `json:"agrees"`  // with the exact search
}

// swept is how many numbers a curve is fitted through.
const swept = 12

// curve fits the memory around the answer: from the first number to twice the
// largest.
func (s *limitSearch) curve(out *LimitResult) error {
	degree := 1
	if s.q.Axis == LimitContext {
		degree = 2
	}
	var x []int64
	var y []int64
	last := max(2*(out.Largest/s.step), 8)
	if s.candidates != nil {
		last = int64(len(s.candidates)) - 1
	}
	for i := range int64(swept) {
		k := i
		if last >= swept {
			k = i * last / (swept - 1)
		} else if k > last {
			break
		}
		n, ok := s.number(k)
		if !ok || len(x) > 0 && x[len(x)-1] == n {
			continue
		}
		r, err := s.report(n)
		if err != nil {
			return err
		}
		if r.RuledOut() {
			continue
		}
		if r.Fits() != (n <= out.Largest) {
			out.Notes = append(out.Notes, fmt.Sprintf("memory does not grow steadily: %s %d says %t to fitting", s.q.Axis, n, r.Fits()))
		}
		x, y = append(x, n), append(y, r.Memory.PeakBytes)
		out.Swept = append(out.Swept, SweptPoint{Value: n, PeakBytes: r.Memory.PeakBytes, Fits: r.Fits()})
	}
	if len(x) <= degree {
		out.Notes = append(out.Notes, fmt.Sprintf("no curve is fitted: %d numbers can be laid out", len(x)))
		return nil
	}
	f, err := fitPolynomial(x, y, degree)
	if err != nil {
		out.Notes = append(out.Notes, fmt.Sprintf("no curve is fitted: %v", err))
		return nil
	}
	if root, ok := f.root(float64(out.CapacityBytes)); ok {
		f.Root = &root
		n := int64(min(math.Floor((root-float64(s.offset))/float64(s.step)), 1<<52))*s.step + s.offset
		if s.candidates != nil {
			n = 0
			for _, c := range s.candidates {
				if float64(c) <= root {
					n = c
				}
			}
		}
		if n < s.first*s.step+s.offset {
			n = 0
		}
		f.Largest = &n
	}
	f.Agrees = f.Largest != nil && *f.Largest == out.Largest
	out.Fit = f
	for i := range out.Swept {
		out.Swept[i].FittedBytes = f.at(float64(out.Swept[i].Value))
	}
	switch {
	case f.Agrees:
	case out.LimitedBy != "memory":
		out.Notes = append(out.Notes, fmt.Sprintf("the search ends at %d for another reason than memory (%s)", out.Largest, out.LimitedBy))
	case f.Largest == nil:
		out.Notes = append(out.Notes, fmt.Sprintf("the fitted curve never meets the capacity; the exact search says %d", out.Largest))
	default:
		out.Notes = append(out.Notes, fmt.Sprintf("the fitted curve says %d and the exact search %d: memory is no polynomial here (R² %.9g); the exact one counts", *f.Largest, out.Largest, f.R2))
	}
	return nil
}

// fitPolynomial fits y over x by least squares with a QR factorization. The
// numbers are scaled to [0, 1] before, so that the columns are of one size.
func fitPolynomial(x, y []int64, degree int) (*Fit, error) {
	scale := float64(x[len(x)-1])
	a := mat.NewDense(len(x), degree+1, nil)
	values := make([]float64, len(y))
	for i := range x {
		power := 1.0
		for j := range degree + 1 {
			a.Set(i, j, power)
			power *= float64(x[i]) / scale
		}
		values[i] = float64(y[i])
	}
	var qr mat.QR
	qr.Factorize(a)
	var solution mat.VecDense
	if err := qr.SolveVecTo(&solution, false, mat.NewVecDense(len(y), values)); err != nil {
		return nil, err
	}
	f := &Fit{Degree: degree, Points: x}
	power := 1.0
	for j := range degree + 1 {
		f.Coefficients = append(f.Coefficients, solution.AtVec(j)/power)
		power *= scale
	}
	// Memory is counted in whole bytes. Where whole coefficients give every value
	// exactly, the rest is rounding of the factorization.
	if whole := roundAll(f.Coefficients); passesThrough(whole, x, y) {
		f.Coefficients, f.Exact, f.R2 = whole, true, 1
		return f, nil
	}
	estimates := make([]float64, len(x))
	for i := range x {
		estimates[i] = f.at(float64(x[i]))
	}
	if f.R2 = stat.RSquaredFrom(estimates, values, nil); math.IsNaN(f.R2) || math.IsInf(f.R2, 0) {
		return nil, fmt.Errorf("memory is %d bytes throughout", y[0])
	}
	return f, nil
}

// at is the curve's value at x, by Horner's rule.
func (f *Fit) at(x float64) float64 {
	v := 0.0
	for j := len(f.Coefficients) - 1; j >= 0; j-- {
		v = float64(v*x) + f.Coefficients[j]
	}
	return v
}

func roundAll(c []float64) []float64 {
	out := make([]float64, len(c))
	for i, v := range c {
		out[i] = math.Round(v) + 0 // −0 becomes 0
	}
	return out
}

// passesThrough reports whether a polynomial with whole coefficients has exactly
// the values y at x.
func passesThrough(c []float64, x, y []int64) bool {
	for i := range x {
		v := new(big.Int)
		for j := len(c) - 1; j >= 0; j-- {
			k, _ := big.NewFloat(c[j]).Int(nil)
			v.Add(v.Mul(v, big.NewInt(x[i])), k)
		}
		if v.Cmp(big.NewInt(y[i])) != 0 {
			return false
		}
	}
	return true
}

// root is the smallest positive x at which the curve reaches a value from below:
// a root of the polynomial less that value, by the eigenvalues of its companion
// matrix.
func (f *Fit) root(value float64) (float64, bool) {
	c := append([]float64{f.Coefficients[0] - value}, f.Coefficients[1:]...)
	// A leading coefficient that adds nothing where the curve was seen is noise.
	reach := float64(f.Points[len(f.Points)-1])
	for len(c) > 1 {
		n := len(c) - 1
		if math.Abs(c[n])*math.Pow(reach, float64(n)) > 1e-9*f.at(reach) {
			break
		}
		c = c[:n]
	}
	switch n := len(c) - 1; n {
	case 0:
		return 0, false
	case 1:
		x := -c[0] / c[1]
		return x, c[1] > 0
	default:
		companion := mat.NewDense(n, n, nil)
		for i := range n {
			companion.Set(i, n-1, -c[i]/c[n])
			if i > 0 {
				companion.Set(i, i-1, 1)
			}
		}
		var eigen mat.Eigen
		if !eigen.Factorize(companion, mat.EigenNone) {
			return 0, false
		}
		best, found := 0.0, false
		for _, v := range eigen.Values(nil) {
			if math.Abs(imag(v)) <= 1e-9*cmplx.Abs(v) && real(v) > 0 && (!found || real(v) < best) {
				best, found = real(v), true
			}
		}
		return best, found
	}
}
