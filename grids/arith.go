package grids

import (
	"cmp"
	"math"
	"math/bits"
	"strings"
)

// The arithmetic of constraints: exact on whole numbers, and a failed Value
// where there is no exact result, never a wrapped or infinite one.

func addInt(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

func subInt(a, b int64) (int64, bool) {
	c := a - b
	return c, (c < a) == (b > 0)
}

func mulInt(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if (a < 0) != (b < 0) {
		return -int64(lo), hi == 0 && lo <= 1<<63
	}
	return int64(lo), hi == 0 && lo < 1<<63
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// powInt is a to the power n ≥ 0 by squaring.
func powInt(a, n int64) (int64, bool) {
	result, fits := int64(1), true
	for n > 0 {
		var ok bool
		if n&1 == 1 {
			result, ok = mulInt(result, a)
			fits = fits && ok
		}
		if n >>= 1; n > 0 {
			a, ok = mulInt(a, a)
			fits = fits && ok
		}
		if !fits {
			return 0, false
		}
	}
	return result, true
}

// floorDiv rounds towards −∞, as Python's // does; b is not zero.
func floorDiv(a, b int64) (int64, bool) {
	if a == math.MinInt64 && b == -1 {
		return 0, false
	}
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q, true
}

// exactFloat converts a number for arithmetic with a fraction, and refuses to
// round a whole number on the way.
func exactFloat(v Value) (float64, bool) {
	if v.kind == Float {
		return v.Float(), true
	}
	n := v.Int()
	return float64(n), magnitude(n) <= 1<<53
}

const (
	whyOverflow = "the result does not fit in 63 bits"
	whyDivision = "division by zero"
	whyRounding = "a whole number beyond 2⁵³ cannot be mixed with a fraction without rounding"
	whyInfinite = "the result is not a finite number"
	whyPower    = "the exponent is negative"
)

// arithmetic is one binary operation on two numbers.
func arithmetic(op string, a, b Value) Value {
	if a.kind == Int && b.kind == Int && op != "/" {
		return intArithmetic(op, a.Int(), b.Int())
	}
	x, okX := exactFloat(a)
	y, okY := exactFloat(b)
	if !okX || !okY {
		return failed(whyRounding)
	}
	var z float64
	switch op {
	case "+":
		z = x + y
	case "-":
		z = x - y
	case "*":
		z = x * y
	case "/":
		if y == 0 {
			return failed(whyDivision)
		}
		z = x / y
	}
	if math.IsInf(z, 0) {
		return failed(whyInfinite)
	}
	return FloatValue(z)
}

func intArithmetic(op string, a, b int64) Value {
	var c int64
	var fits bool
	switch op {
	case "+":
		c, fits = addInt(a, b)
	case "-":
		c, fits = subInt(a, b)
	case "*":
		c, fits = mulInt(a, b)
	case "**", "^":
		if b < 0 {
			return failed(whyPower)
		}
		c, fits = powInt(a, b)
	case "%":
		if b == 0 {
			return failed(whyDivision)
		}
		if b == -1 { // MinInt64 % -1 traps on some machines
			return IntValue(0)
		}
		c, fits = a%b, true
	case "div":
		if b == 0 {
			return failed(whyDivision)
		}
		c, fits = floorDiv(a, b)
	}
	if !fits {
		return failed(whyOverflow)
	}
	return IntValue(c)
}

// compareNumbers orders two numbers exactly, also 2⁵³+1 against 2⁵³ as a fraction.
func compareNumbers(a, b Value) int {
	switch {
	case a.kind == Int && b.kind == Int:
		return cmp.Compare(a.Int(), b.Int())
	case a.kind == Float && b.kind == Float:
		return cmp.Compare(a.Float(), b.Float())
	case a.kind == Float:
		return -compareNumbers(b, a)
	}
	n, f := a.Int(), b.Float()
	switch { // 2⁶³ as a float is exact, and what is inside converts without loss of its whole part
	case f >= 1<<63:
		return -1
	case f < -(1 << 63):
		return 1
	}
	whole, fraction := math.Modf(f)
	if c := cmp.Compare(n, int64(whole)); c != 0 {
		return c
	}
	return -cmp.Compare(fraction, 0)
}

// compare orders two values of one kind of thing: numbers, texts, or (equality
// only) truth values.
func compare(a, b Value) int {
	switch a.kind {
	case String:
		return strings.Compare(a.str, b.str)
	case Bool:
		return cmp.Compare(a.bits, b.bits)
	default:
		return compareNumbers(a, b)
	}
}
