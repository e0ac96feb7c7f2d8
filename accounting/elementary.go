package accounting

import "math"

// The elementary functions of package math have assembly on some processors and
// fused multiply-adds on others. These give the same bytes everywhere; their
// error is a few units in the last place, far below what a model of time needs.

// log2 is the binary logarithm of a positive, finite x.
func log2(x float64) float64 {
	frac, e := math.Frexp(x) // exact
	if frac < math.Sqrt2/2 {
		frac *= 2
		e--
	}
	// ln((1+s)/(1−s)) = 2(s + s³/3 + s⁵/5 + …), |s| < 0.172
	s := (frac - 1) / (frac + 1)
	s2 := float64(s * s)
	sum := 0.0
	for k := 23.0; k >= 1; k -= 2 {
		sum = float64(sum*s2) + 1/k
	}
	return float64(e) + float64(float64(2*s*sum)*math.Log2E)
}

// exp2 is 2 to the x.
func exp2(x float64) float64 {
	n := math.Floor(x + 0.5)
	y := float64((x - n) * math.Ln2) // |y| < 0.35
	sum := 1.0
	for k := 18.0; k >= 1; k-- {
		sum = 1 + float64(y*sum)/k
	}
	return math.Ldexp(sum, int(n))
}

// exp is e to the x.
func exp(x float64) float64 { return exp2(float64(x * math.Log2E)) }

// pow is x to the y, for x ≥ 0.
func pow(x, y float64) float64 {
	if x <= 0 {
		return 0
	}
	return exp2(float64(y * log2(x)))
}
