package arch

import (
	"cmp"
	"slices"
	"strings"
)

// nearest lists up to most of the known words that a person may have meant by
// word, nearest first. Words that share nothing with it are left out.
func nearest(word string, known []string, most int) []string {
	word = strings.ToLower(clip(word))
	type scored struct {
		word string
		cost int
	}
	var found []scored
	for _, k := range known {
		cost := editDistance(word, strings.ToLower(k))
		if strings.HasPrefix(k, word) || strings.HasPrefix(word, k) {
			cost = min(cost, 2)
		}
		if cost <= max(2, len(word)/2) {
			found = append(found, scored{k, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(a.cost, b.cost) })
	var out []string
	for _, f := range found[:min(most, len(found))] {
		out = append(out, f.word)
	}
	return out
}

// editDistance is the number of single-letter insertions, deletions and
// replacements between two words (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
