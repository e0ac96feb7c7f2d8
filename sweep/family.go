package sweep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/accounting/arch"
	"headroom/grids"
	"headroom/internal/suggest"
)

// A family is a line of published models from which models of other sizes are
// scaled. The rule, for P parameters:
//
//   - the width d follows the members' ln d over ln P in straight lines, and
//     beyond the ends grows as P to the power ⅓, which keeps d/L as it is there;
//   - it is rounded to whole heads of the nearest member's head width, their
//     number a multiple of its key/value heads, or of 4 where every head has its own;
//   - vocabulary, tied head and the ratio f/d (rounded to a multiple of 256) are
//     the nearest member's;
//   - the number of layers is the one that brings the exact count nearest to P.
//
// At a member's own count the member comes out.
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
	i := slices.IndexFunc(modelFamilies, func(f family) bool { return f.name == n.Value })
	if i < 0 {
		hint := "known: " + strings.Join(FamilyNames(), ", ")
		if near := suggest.Nearest(n.Value, FamilyNames(), 1); len(near) > 0 {
			hint = "did you mean " + near[0] + "? (" + hint + ")"
		}
		d.fail(name, hint, "unknown family %q", clip(n.Value))
		return nil
	}
	var out []*arch.Model
	for _, at := range d.items(&leaf{field: &field{path: params.path}, node: params.node, source: p.leaf.source}) {
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
			m, err := modelFamilies[i].scale(size)
			if err != nil {
				d.fail(at, "", "%v", err)
				break
			}
			out = append(out, m)
		}
	}
	return out
}

// A member is what the rule needs of a published model.
type member struct {
	preset      arch.Preset
	model       *arch.Model
	logP, logD  float64
	ffn, heads  int64
	kv, headDim int64
}

func (f *family) published() ([]member, error) {
	var out []member
	all := arch.Presets()
	for _, name := range f.members {
		i := slices.IndexFunc(all, func(p arch.Preset) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no model is called %s", name)
		}
		m, err := all[i].Model(arch.Options{})
		if err != nil {
			return nil, err
		}
		n, err := m.ParameterCount()
		if err != nil {
			return nil, err
		}
		l := &m.Kinds[0]
		out = append(out, member{
			preset: all[i], model: m, logP: math.Log(float64(n.Total)), logD: math.Log(float64(m.Hidden)),
			ffn: l.FFN.Width, heads: l.Attention.Heads, kv: l.Attention.KVHeads, headDim: l.Attention.HeadDim,
		})
	}
	return out, nil
}

// scale makes the family's model of about params parameters.
func (f *family) scale(params int64) (*arch.Model, error) {
	members, err := f.published()
	if err != nil {
		return nil, err
	}
	logP := math.Log(float64(params))
	near := slices.MinFunc(members, func(a, b member) int {
		return cmpFloat(math.Abs(a.logP-logP), math.Abs(b.logP-logP))
	})
	heads := near.heads
	if width := math.Exp(interpolate(members, logP)); math.Abs(width-float64(near.model.Hidden)) > 0.5 {
		multiple := near.kv
		if near.kv == near.heads {
			multiple = 4
		}
		heads = max(int64(math.Round(width/float64(near.headDim*multiple))), 1) * multiple
	}
	kv := near.kv
	if near.kv == near.heads {
		kv = heads
	}
	hidden := heads * near.headDim
	ffn := near.ffn
	if hidden != near.model.Hidden {
		const multiple = 256
		ratio := float64(near.ffn) / float64(near.model.Hidden)
		ffn = max(int64(math.Round(float64(float64(hidden)*ratio)/multiple)), 1) * multiple
	}
	make := func(layers int64) (*arch.Model, int64, error) {
		m, err := near.resized(hidden, heads, kv, ffn, layers)
		if err != nil {
			return nil, 0, err
		}
		n, err := m.ParameterCount()
		return m, n.Total, err
	}
	// The count is a line in the number of layers.
	_, one, err := make(1)
	if err != nil {
		return nil, err
	}
	_, two, err := make(2)
	if err != nil {
		return nil, err
	}
	layers := max((params-one+(two-one)/2)/(two-one)+1, 1)
	m, exact, err := make(layers)
	if err != nil {
		return nil, err
	}
	scaled := *m
	scaled.Name = fmt.Sprintf("%s-%s", f.name, shortSize(params))
	scaled.Source = fmt.Sprintf("scaled from %s to %d layers of width %d, %d heads, %d key/value heads, feed-forward %d: %d parameters", near.preset.Name, layers, hidden, heads, kv, ffn, exact)
	return &scaled, nil
}

// interpolate is ln d at ln P.
func interpolate(members []member, logP float64) float64 {
	const beyond = 1.0 / 3
	first, last := members[0], members[len(members)-1]
	switch {
	case logP <= first.logP:
		return first.logD + float64(beyond*(logP-first.logP))
	case logP >= last.logP:
		return last.logD + float64(beyond*(logP-last.logP))
	}
	i := 0
	for logP > members[i+1].logP {
		i++
	}
	a, b := members[i], members[i+1]
	return a.logD + float64((b.logD-a.logD)/(b.logP-a.logP)*(logP-a.logP))
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// resized is the member with other sizes: its config.json, edited.
func (m *member) resized(hidden, heads, kv, ffn, layers int64) (*arch.Model, error) {
	config := m.preset.Config()
	if config == nil {
		return arch.Dimensions{
			Name: m.preset.Name, Body: "seed", Hidden: hidden, Layers: layers, Heads: heads, KVHeads: kv, FFN: ffn,
			Vocab: m.model.Embedding.Vocab, MaxPositions: m.model.MaxPositions,
		}.Model()
	}
	keys := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(config))
	dec.UseNumber()
	if err := dec.Decode(&keys); err != nil {
		return nil, err
	}
	names := []string{"hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size"}
	if keys["model_type"] == "gpt2" {
		names = []string{"n_embd", "n_head", "", "n_inner"}
	}
	for i, v := range []int64{hidden, heads, kv, ffn} {
		if names[i] != "" {
			keys[names[i]] = v
		}
	}
	edited, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return arch.ImportBytes(m.preset.Name, edited, arch.Options{Layers: layers})
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
