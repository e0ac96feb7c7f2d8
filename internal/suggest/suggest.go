// Package suggest finds the names a person may have meant.
package suggest

import (
	"slices"
	"strings"
)

// Nearest returns at most n of the candidates that name may be a misspelling or
// a shortening of, best first. Names are compared without case and punctuation.
// The answer is deterministic: equal matches keep the order of candidates.
func Nearest(name string, candidates []string, n int) []string {
	type match struct {
		name string
		cost int
	}
	key := fold(name)
	var found []match
	for _, c := range candidates {
		k := fold(c)
		cost := distance(key, k)
		switch {
		case key != "" && strings.HasPrefix(k, key):
			cost = 1
		case len(key) >= 3 && strings.Contains(k, key):
			cost = min(cost, 2)
		}
		if cost <= max(2, len(key)/3) {
			found = append(found, match{c, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b match) int { return a.cost - b.cost })
	var out []string
	for _, m := range found[:min(n, len(found))] {
		out = append(out, m.name)
	}
	return out
}

// fold keeps letters and digits, in lower case.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r > 127:
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
}

// distance is the number of single-character edits, a swap of neighbours counted
// as one (restricted Damerau-Levenshtein).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	two := make([]int, len(y)+1)
	one := make([]int, len(y)+1)
	row := make([]int, len(y)+1)
	for j := range one {
		one[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(one[j]+cost, one[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], two[j-1]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(y)]
}
