package sweep

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/grids"
	"headroom/internal/suggest"
)

// A family is a line of published models. A model of another size is scaled from
// the nearest of them by the rule of [arch.ScaleFamily]. Any other model's name
// stands for a family of one.
type family struct {
	name    string
	members []string // presets, by size
}

var modelFamilies = []family{
	{"seed-gpt2", []string{"seed-gpt2-small", "seed-gpt2-medium", "seed-gpt2-large", "seed-gpt2-xl"}},
	{"gpt2", []string{"gpt2", "gpt2-large", "gpt2-xl"}},
	{"llama-2", []string{"llama-2-7b", "llama-2-13b"}},
	{"llama-3", []string{"llama-3.2-3b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"}},
	{"qwen2.5", []string{"qwen2.5-0.5b", "qwen2.5-3b", "qwen2.5-7b"}},
}

// FamilyNames lists the families that {family:, params:} takes.
func FamilyNames() []string {
	var names []string
	for _, f := range modelFamilies {
		names = append(names, f.name)
	}
	return names
}

// Bounds of a scaled model's parameters.
const (
	leastParams = 1_000_000
	mostParams  = 100_000_000_000_000
)

// family decodes {family: llama-3, params: [1B, 3B]}.
func (d *decoder) family(p place, given map[string]place) []*arch.Model {
	for key, at := range given {
		if key != "family" && key != "params" {
			d.fail(at, "a family is scaled by params alone", "does not go with family")
			return nil
		}
	}
	name, ok := given["family"]
	if !ok {
		d.fail(p, "add family: llama-3", "params need a family")
		return nil
	}
	params, ok := given["params"]
	if !ok {
		d.fail(p, "add params: [1B, 3B, 8B]", "a family needs params")
		return nil
	}
	n, ok := d.value(name)
	if !ok {
		return nil
	}
	members, err := familyMembers(n.Value)
	if err != nil {
		d.unknown(name, "family", n.Value, err)
		return nil
	}
	var out []*arch.Model
	for at := range d.items(&leaf{field: &field{path: params.path}, node: params.node, source: p.leaf.source}) {
		at.leaf = p.leaf
		v, ok := d.value(at)
		if !ok {
			continue
		}
		sizes, err := grids.ParseInts(v.Value)
		if err != nil {
			msg, hint := splitHint(err)
			d.fail(at, hint, "%s", msg)
			continue
		}
		if len(sizes) > maxModels {
			d.fail(at, "use a step", "makes it %d models, and an axis may have %d", len(sizes), maxModels)
			continue
		}
		for _, size := range sizes {
			if size < leastParams || size > mostParams {
				d.fail(at, "", "is %d; parameters must be from 1M to 100T", size)
				break
			}
			m, err := scaledMember(members, n.Value, size)
			if err != nil {
				d.fail(at, "", "%v", err)
				break
			}
			out = append(out, m)
		}
	}
	return out
}

// scaledMember scales the nearest member of a family and names it after the size.
func scaledMember(members []*arch.Model, family string, size int64) (*arch.Model, error) {
	m, _, err := arch.ScaleFamily(nearestMember(members, size), size)
	if err != nil {
		return nil, err
	}
	scaled := *m
	scaled.Name = family + "@" + shortSize(size)
	return &scaled, nil
}

// FamilyMember is the model that a name like llama-3@3B stands for, the name that
// rows of scaled families have. ok is false for any other name.
func FamilyMember(name string) (m *arch.Model, ok bool, err error) {
	family, text, ok := strings.Cut(name, "@")
	if !ok {
		return nil, false, nil
	}
	size, err := grids.ParseSize(text)
	if err != nil {
		return nil, true, err
	}
	if size < leastParams || size > mostParams {
		return nil, true, fmt.Errorf("%s: parameters must be from 1M to 100T", name)
	}
	members, err := familyMembers(family)
	if err != nil {
		return nil, true, err
	}
	m, err = scaledMember(members, family, size)
	return m, true, err
}

// ScaledModel is the model of about so many parameters in a family, scaled from
// its nearest member. An unknown family is an error that names the nearest.
func ScaledModel(family string, params int64) (*arch.Model, error) {
	members, err := familyMembers(family)
	if err != nil {
		return nil, err
	}
	m, _, err := arch.ScaleFamily(nearestMember(members, params), params)
	if err != nil {
		return nil, err
	}
	scaled := *m
	round := int64(1) // three digits are enough for a name
	for params/round >= 1000 {
		round *= 10
	}
	scaled.Name = family + "@" + shortSize((params+round/2)/round*round)
	return &scaled, nil
}

// familyMembers finds the models of a family, by size.
func familyMembers(name string) ([]*arch.Model, error) {
	i := slices.IndexFunc(modelFamilies, func(f family) bool { return f.name == name })
	if i < 0 {
		m, err := arch.Lookup(name, arch.Options{})
		if err != nil {
			return nil, &accounting.UnknownNameError{Kind: "family", Name: name, Known: FamilyNames(), Nearest: suggest.Nearest(name, FamilyNames(), 1)}
		}
		return []*arch.Model{m}, nil
	}
	var members []*arch.Model
	for _, name := range modelFamilies[i].members {
		m, err := arch.Lookup(name, arch.Options{})
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

// nearestMember is the member whose count is nearest by ratio.
func nearestMember(members []*arch.Model, params int64) *arch.Model {
	return slices.MinFunc(members, func(a, b *arch.Model) int {
		return cmp.Compare(distance(a, params), distance(b, params))
	})
}

func distance(m *arch.Model, params int64) float64 {
	n, err := m.ParameterCount()
	if err != nil {
		return math.Inf(1)
	}
	return math.Abs(math.Log(float64(n.Total) / float64(params)))
}

// shortSize writes 8000000000 as 8B, as people name models.
func shortSize(n int64) string {
	for _, s := range []struct {
		suffix string
		size   int64
	}{{"T", 1e12}, {"B", 1e9}, {"M", 1e6}, {"K", 1e3}} {
		if n >= s.size && n%(s.size/100) == 0 {
			return fmt.Sprintf("%g%s", float64(n)/float64(s.size), s.suffix)
		}
	}
	return fmt.Sprint(n)
}
