package hardware

import (
	"slices"
	"strings"
)

// Troubles are what is wrong with accelerators, to be told in few sentences. The zero
// value is ready.
type Troubles struct {
	order []string            // what is wrong, as first added
	slugs map[string][]string // with which accelerators
}

// Add notes an error whose text begins with the accelerator's slug.
func (t *Troubles) Add(slug string, err error) {
	trouble := strings.TrimPrefix(err.Error(), slug)
	if t.slugs == nil {
		t.slugs = map[string][]string{}
	}
	if !slices.Contains(t.order, trouble) {
		t.order = append(t.order, trouble)
	}
	if !slices.Contains(t.slugs[trouble], slug) {
		t.slugs[trouble] = append(t.slugs[trouble], slug)
	}
}

// Sentences tells them, accelerators with the same trouble in one sentence.
func (t *Troubles) Sentences() (out []string) {
	for _, trouble := range t.order {
		list := t.slugs[trouble]
		who := list[0]
		if n := len(list) - 1; n > 0 {
			who = strings.Join(list[:n], ", ") + " and " + list[n]
			trouble = strings.Replace(trouble, " has ", " have ", 1)
		}
		out = append(out, who+trouble)
	}
	return out
}
