package grids

import (
	"slices"
)

// Divisors returns the whole numbers that divide all of ns, in increasing order:
// the parallel sizes that split GPUs, heads or layers evenly. Numbers must be
// positive; otherwise there are no divisors.
func Divisors(ns ...int64) []int64 {
	var common int64
	for _, n := range ns {
		if n <= 0 {
			return nil
		}
		common = gcd(common, n)
	}
	var small, large []int64
	for d := int64(1); d <= common/d; d++ {
		if common%d != 0 {
			continue
		}
		small = append(small, d)
		if d != common/d {
			large = append(large, common/d)
		}
	}
	slices.Reverse(large)
	return append(small, large...)
}

// gcd is the greatest common divisor of a ≥ 0 and b > 0.
func gcd(a, b int64) int64 {
	for a != 0 {
		a, b = b%a, a
	}
	return b
}
