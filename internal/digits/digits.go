// Package digits writes numbers for people. It is a leaf: notes of formulas, answers and
// commands write them alike.
package digits

import "strconv"

// Thousands writes an integer in groups of three: 1,000,000.
func Thousands(n int64) string { return Grouped(strconv.FormatInt(n, 10)) }

// Grouped is [Thousands] for the digits of a number of any size.
func Grouped(digits string) string {
	sign := ""
	if digits != "" && digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
