package arch

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sizeWord matches the words of a name that say how large a model is: 8B, 8x7B,
// A22B of active parameters, 128E of experts.
var sizeWord = regexp.MustCompile(`^(a?)(\d+x)?(\d+(?:\.\d+)?)([bme])$`)

// stem splits a name into what it says of the model's family, without
// separators, and its sizes in words.
func stem(name string) (rest string, sizes []string) {
	words := strings.FieldsFunc(strings.ToLower(lastPart(name)), func(r rune) bool { return r == ' ' || r == '-' || r == '_' })
	words = slices.DeleteFunc(words, func(w string) bool {
		if sizeWord.MatchString(w) {
			sizes = append(sizes, w)
			return true
		}
		return slices.Contains([]string{"hf", "instruct", "chat", "it", "pt", "text", "preview"}, w)
	})
	return joined(strings.Join(words, "-")), sizes
}

// findFamily finds the one preset of a family that agrees with the sizes of the
// name: DeepSeek-V3-671B and Llama-4-Maverick-17B-128E, whose presets have none, and
// Qwen3-235B, whose preset has more of them.
func findFamily(name string) (Preset, bool) {
	want, sizes := stem(name)
	var found []Preset
	for _, p := range catalog() {
		if its, own := stem(p.Name); its == want && p.agrees(own, sizes) {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return Preset{}, false
	}
	return found[0], true
}

// agrees says that a preset has the sizes of a name: among its own, or, where it has
// none, as its parameters, all or active, to a twentieth.
func (p Preset) agrees(own, sizes []string) bool {
	if len(own) > 0 {
		return !slices.ContainsFunc(sizes, func(w string) bool { return !slices.Contains(own, w) })
	}
	if len(sizes) == 0 {
		return true
	}
	m, err := p.Model(Options{})
	if err != nil {
		return false
	}
	c, err := m.ParameterCount()
	if err != nil {
		return false
	}
	for _, w := range sizes {
		part := sizeWord.FindStringSubmatch(w)
		n, err := strconv.ParseFloat(part[3], 64)
		if err != nil || part[2] != "" {
			return false
		}
		unit, known := map[string]float64{"b": 1e9, "m": 1e6}[part[4]]
		if !known {
			continue // experts
		}
		near := func(count int64) bool { return math.Abs(float64(count)/(n*unit)-1) < 0.05 }
		if !near(c.Total) && !near(c.Active) {
			return false
		}
	}
	return true
}
