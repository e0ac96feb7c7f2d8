package hardware

import (
	"regexp"
	"slices"
	"strings"
)

// noise are words of product names that tell nothing apart.
var noise = map[string]bool{
	"nvidia": true, "amd": true, "intel": true, "google": true, "aws": true,
	"tesla": true, "geforce": true, "instinct": true, "quadro": true,
	"gpu": true, "accelerator": true, "graphics": true, "card": true, "hgx": true, "dgx": true,
	"tensor": true, "core": true, "edition": true, "per": true, "announced": true,
	"hbm": true, "hbm2": true, "hbm2e": true, "hbm3": true, "hbm3e": true, "gddr6": true, "gddr6x": true, "gddr7": true,
}

var (
	// A form factor may be glued to the model and carry a generation: h100sxm5.
	formFactor = regexp.MustCompile(`(sxm|pcie|oam)[0-9]?( |$)`)
	// A memory size: 80gb, 80 gb, 80gib, 80g, which must not touch gb200.
	memorySize = regexp.MustCompile(`(^| )([0-9]+) ?(gib|gb|g)( |$)`)
	onlyMemory = regexp.MustCompile(`^[0-9]+gb$`)
)

// words reduces a product name to the words that tell parts apart:
// "NVIDIA H100 SXM5 80 GB HBM3" → h100 sxm 80gb.
func words(name string) []string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return ' '
	}, name)
	s = strings.Join(strings.Fields(s), " ")
	s = formFactor.ReplaceAllString(s, " $1 ")
	s = memorySize.ReplaceAllString(strings.Join(strings.Fields(s), " "), "$1${2}gb$4")
	var kept []string
	for w := range strings.FieldsSeq(s) {
		if !noise[w] && !slices.Contains(kept, w) {
			kept = append(kept, w)
		}
	}
	return kept
}

// key is a name's words in an order of their own, to compare whole names.
func key(name string) string {
	w := words(name)
	slices.Sort(w)
	return strings.Join(w, " ")
}

// namesModel reports whether any word says more than a size or a form factor.
func namesModel(w []string) bool {
	return slices.ContainsFunc(w, func(s string) bool {
		return s != "sxm" && s != "pcie" && s != "oam" && !onlyMemory.MatchString(s)
	})
}
