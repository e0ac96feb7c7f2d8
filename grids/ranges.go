package grids

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// MaxAxisValues is how many values one axis may have. It bounds what a range
// may ask for before anything is allocated; a sweep over more is a sweep over a
// quantity that should be solved for.
const MaxAxisValues = 1_000_000

// IsRange reports whether s is written as a range, so that [ParseRange] and not
// [ParseSize] should read it.
func IsRange(s string) bool {
	return strings.Contains(s, "..") || strings.HasPrefix(s, "pow2(")
}

// ParseRange reads a range of whole numbers, both ends included:
//
//	1..64         1, 2, 3 … 64
//	1..64:8       1, 9, 17 … 57: from the first, in steps of 8, not beyond the last
//	1Ki..64Ki:1Ki sizes as in [ParseSize]
//	pow2(1..64)   1, 2, 4, 8, 16, 32, 64: the powers of two within
//
// A range that runs backwards, is empty or has more than [MaxAxisValues] values
// is an error, the last told with its count and before anything is allocated.
func ParseRange(s string) ([]int64, error) {
	ns, err := parseRange(s)
	if err != nil {
		return nil, fmt.Errorf("range %s: %w", quote(s), err)
	}
	return ns, nil
}

func parseRange(s string) ([]int64, error) {
	if inner, ok := strings.CutPrefix(s, "pow2("); ok {
		inner, ok = strings.CutSuffix(inner, ")")
		if !ok {
			return nil, errors.New("the parenthesis of pow2( is not closed")
		}
		first, last, step, err := cutRange(inner)
		switch {
		case err != nil:
			return nil, err
		case step != "":
			return nil, errors.New("powers of two have no step; write pow2(1..64)")
		}
		return powersOfTwo(first, last)
	}
	first, last, stepText, err := cutRange(s)
	if err != nil {
		return nil, err
	}
	step := int64(1)
	if stepText != "" {
		if step, err = ParseSize(stepText); err != nil {
			return nil, fmt.Errorf("step: %w", err)
		}
		if step == 0 {
			return nil, errors.New("the step is zero")
		}
	}
	// Unsigned, for the count of 0..2⁶³−1 does not fit in an int64.
	count := uint64(last-first)/uint64(step) + 1
	if count > MaxAxisValues {
		return nil, fmt.Errorf("has %s values, and an axis may have %s; use a step, or pow2(%d..%d)", commas(count), commas(MaxAxisValues), first, last)
	}
	ns := make([]int64, count)
	for i := range ns {
		ns[i] = first + int64(i)*step
	}
	return ns, nil
}

// cutRange reads first..last[:step] and leaves the step as text.
func cutRange(s string) (first, last int64, step string, err error) {
	left, right, ok := strings.Cut(s, "..")
	if !ok {
		return 0, 0, "", errors.New("is not a range; write it like 1..64, 1..64:8 or pow2(1..64)")
	}
	right, step, stepped := strings.Cut(right, ":")
	if stepped && step == "" {
		return 0, 0, "", errors.New("the step after the colon is missing")
	}
	if first, err = ParseSize(left); err != nil {
		return 0, 0, "", fmt.Errorf("first value: %w", err)
	}
	if last, err = ParseSize(right); err != nil {
		return 0, 0, "", fmt.Errorf("last value: %w", err)
	}
	if first > last {
		return 0, 0, "", fmt.Errorf("runs backwards; write %s..%s", right, left)
	}
	return first, last, step, nil
}

func powersOfTwo(first, last int64) ([]int64, error) {
	var ns []int64
	for shift := range 63 {
		if n := int64(1) << shift; first <= n && n <= last {
			ns = append(ns, n)
		}
	}
	if len(ns) == 0 {
		return nil, fmt.Errorf("there is no power of two from %d to %d; the next is %d", first, last, uint64(1)<<bits.Len64(uint64(last)))
	}
	return ns, nil
}

// ParseInts reads the elements of an axis of whole numbers, each a size or a
// range: "1", "2", "8..64:8". It reports every bad element at once.
func ParseInts(elements ...string) ([]int64, error) {
	var ns []int64
	var errs []error
	for _, element := range elements {
		var part []int64
		var err error
		if IsRange(element) {
			part, err = ParseRange(element)
		} else {
			part = make([]int64, 1)
			part[0], err = ParseSize(element)
		}
		if len(ns)+len(part) > MaxAxisValues {
			return nil, fmt.Errorf("%s values with %s, and an axis may have %s", commas(len(ns)+len(part)), quote(element), commas(MaxAxisValues))
		}
		ns, errs = append(ns, part...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return ns, nil
}
