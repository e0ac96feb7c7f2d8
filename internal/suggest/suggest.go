// Package suggest finds the names nearest to a misspelt one, for errors that
// end in "did you mean h100-sxm?". It is a leaf: catalogs, studies and
// commands all use it, and it knows none of them.
package suggest

import (
	"slices"
	"strings"
	"unicode"
)

// longest is the length in runes beyond which a name is no misspelling of
// anything, and is not compared (the comparison is quadratic).
const longest = 128

// Nearest returns at most that many of the candidates that somebody who typed name
// may have meant. Only letters and digits are compared, without regard to case.
//
// A candidate qualifies when name, or the beginning of one that the other
// abbreviates, is within one edit per three letters (an edit inserts, deletes,
// replaces a letter or swaps two neighbours): h10 → h100-sxm, contxt →
// context, micro_batch_size → micro_batch; or when it contains the name:
// sxm → h100-sxm. Of those only the nearest by that measure are returned, the
// one with the shortest remainder first and equals in the order in which they
// were given, so the answer is deterministic. Repeated candidates are returned
// once. The answer is empty when nothing is near.
func Nearest(name string, candidates []string, most int) []string {
	type scored struct {
		name        string
		part, whole int // edits against the nearest beginning, and against all of it
	}
	typed := fold(name)
	if most <= 0 || len(typed) == 0 || len(typed) > longest {
		return nil
	}
	var near []scored
	seen := make(map[string]bool, len(candidates))
	for _, c := range candidates {
		other := fold(c)
		if seen[c] || len(other) == 0 || len(other) > longest {
			continue
		}
		seen[c] = true
		part, whole := edits(typed, other)
		if len(typed) >= 3 && strings.Contains(string(other), string(typed)) {
			part = min(part, 1)
		}
		if whole <= len(typed)/3 || abbreviates(part, typed, other) {
			near = append(near, scored{c, part, whole})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int {
		if a.part != b.part {
			return a.part - b.part
		}
		return a.whole - b.whole
	})
	var names []string
	for _, s := range near[:min(most, len(near))] {
		if s.part > near[0].part {
			break // a clear best leaves no question
		}
		names = append(names, s.name)
	}
	return names
}

// Question returns the words that end an error message: "did you mean a?",
// "did you mean a, b or c?", or nothing when there are no names.
func Question(names []string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return "did you mean " + names[0] + "?"
	default:
		return "did you mean " + strings.Join(names[:n-1], ", ") + " or " + names[n-1] + "?"
	}
}

// Letters are the letters and digits of a name in lower case: names that differ in
// separators and case alone have the same.
func Letters(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// abbreviates reports whether one name is, give or take part edits, a beginning
// of the other that is long enough to tell what was meant.
func abbreviates(part int, a, b []rune) bool {
	short := min(len(a), len(b))
	return short >= 3 && 2*short >= len(a) && part <= short/3
}

// fold keeps letters and digits, in lower case.
func fold(s string) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s))
}

// edits returns the optimal string alignment distance (Levenshtein's with
// swaps of neighbours) between a and b, and the least such distance between
// a and any beginning of b, or (one more) between b and any beginning of a.
func edits(a, b []rune) (part, whole int) {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	part = len(a) // a against the empty beginning of b
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		part = min(part, 1+row[len(b)]) // all of b against a[:i]: it says less than was typed
	}
	return min(part, slices.Min(row)), row[len(b)]
}
