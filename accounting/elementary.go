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
	if frac == 1 {
		return float64(e)
	}
	// ln((1+s)/(1−s)) = 2(s + s³/3 + s⁵/5 + …), |s| < 0.172
	s := (frac - 1) / (frac + 1)
	s2 := float64(s * s)
	sum := 0.0
	for _, c := range log2Series {
		sum = float64(sum*s2) + c
	}
	return float64(e) + float64(float64(2*s*sum)*math.Log2E)
}

// log2Series is 1/23, 1/21, …, 1/3, 1.
var log2Series = func() (c [12]float64) {
	for i := range c {
		c[i] = 1 / float64(2*(len(c)-i)-1)
	}
	return c
}()

// exp2 is 2 to the x.
func exp2(x float64) float64 {
	n := math.Floor(x + 0.5)
	y := float64((x - n) * math.Ln2) // |y| < 0.35, so that y¹⁵/15! is below 1e-18
	y2 := float64(y * y)
	even, odd := expSeries[14], 0.0 // two chains, which a processor runs side by side
	for k := 12; k >= 0; k -= 2 {
		even = float64(even*y2) + expSeries[k]
		odd = float64(odd*y2) + expSeries[k+1]
	}
	return math.Ldexp(even+float64(odd*y), int(n))
}

// expSeries is 1/k!.
var expSeries = func() (c [15]float64) {
	c[0] = 1
	for k := 1; k < len(c); k++ {
		c[k] = c[k-1] / float64(k)
	}
	return c
}()

// exp is e to the x.
func exp(x float64) float64 { return exp2(float64(x * math.Log2E)) }

// pow is x to the y, for x ≥ 0.
func pow(x, y float64) float64 {
	if x <= 0 {
		return 0
	}
	return exp2(float64(y * log2(x)))
}
