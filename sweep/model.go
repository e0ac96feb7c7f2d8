package sweep

import (
	"errors"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"headroom/accounting/arch"
	"headroom/grids"
	"headroom/internal/suggest"
)

// maxModels bounds the model axis: every model is held in memory.
const maxModels = 10_000

// models decodes the model axis. An item is a name, the path of a config.json, a
// scaled family, or the dimensions of a model that has no config.
func (d *decoder) models(x *leaf) {
	var values []grids.Value
	var at []place
	lines := map[string]int{}
	add := func(p place, m *arch.Model) {
		if len(values) == maxModels {
			d.fail(p, "", "makes it more than %d models", maxModels)
		}
		if len(values) >= maxModels {
			return
		}
		if line, twice := lines[m.Name]; twice {
			d.fail(p, "remove one of them, or give it another name", "%s is given twice, first on line %d", m.Name, line)
			return
		}
		lines[m.Name] = p.node.Line
		values, at = append(values, grids.StringValue(m.Name)), append(at, p)
		d.out.Models = append(d.out.Models, m)
	}
	for p := range d.items(x) {
		n := plain(p.node)
		if n.Kind == yaml.MappingNode {
			for _, m := range d.modelFrom(p, n) {
				add(p, m)
			}
			continue
		}
		if !d.isScalar(p, p.node) {
			continue
		}
		if x.source == "" && !isText(n) {
			d.fail(p, "", "is %s; a model's name is wanted", kindOf(n))
			continue
		}
		if m := d.namedModel(p, n.Value); m != nil {
			add(p, m)
		}
	}
	d.axis(x, values, at)
}

// namedModel finds a model by catalog name or by the path of its config.json. A
// path that cannot be a name (./my/config.json) is not looked up.
func (d *decoder) namedModel(p place, name string) *arch.Model {
	isPath := strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/")
	var lookupErr error
	if !isPath {
		if m, ok, err := FamilyMember(name); ok {
			if err != nil {
				d.unknown(p, "family", name, err)
			}
			return m
		}
		m, err := arch.Lookup(name, arch.Options{})
		if err == nil {
			return m
		}
		lookupErr = err
	}
	path := d.nearby(p.leaf, name)
	if info, err := os.Stat(path); err == nil && info.IsDir() && (isPath || strings.Contains(name, "/")) {
		path = strings.TrimSuffix(path, "/") + "/config.json"
		name = strings.TrimSuffix(name, "/") + "/config.json"
	} else if err != nil && lookupErr != nil {
		d.unknown(p, "model", name, lookupErr)
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		if lookupErr != nil {
			d.unknown(p, "model", name, lookupErr)
			return nil
		}
		d.fail(p, "a path in a study is relative to the study's file", "%s cannot be read: %v", clip(path), cause(err))
		return nil
	}
	defer f.Close()
	m, err := arch.Import(path, f, arch.Options{})
	if err != nil {
		var bad arch.ConfigErrors
		if !errors.As(err, &bad) {
			d.fail(p, "", "%v", err)
			return nil
		}
		for _, e := range bad {
			d.problems = append(d.problems, Problem{File: e.File, Line: e.Line, Col: e.Col, Path: e.Path, Msg: e.Msg, Hint: "this config.json is " + p.path + " of the study"})
		}
		return nil
	}
	named := *m
	named.Name = name
	return &named
}

// dimensionKeys are the keys of explicit dimensions, each with the Hugging Face
// name of the same thing.
var dimensionKeys = []struct{ name, also string }{
	{"name", ""},
	{"body", ""},
	{"hidden", "hidden_size"},
	{"layers", "num_hidden_layers"},
	{"vocab", "vocab_size"},
	{"heads", "num_attention_heads"},
	{"kv_heads", "num_key_value_heads"},
	{"head_dim", ""},
	{"ffn", "intermediate_size"},
	{"max_positions", "max_position_embeddings"},
	{"window", "sliding_window"},
	{"tied", "tie_word_embeddings"},
	{"bias", ""},
	{"gated", ""},
	{"experts", "num_experts"},
	{"top_k", "num_experts_per_tok"},
	{"shared_ffn", ""},
}

// modelFrom decodes a mapping in the model axis.
func (d *decoder) modelFrom(p place, n *yaml.Node) []*arch.Model {
	before := len(d.problems)
	given := map[string]place{}
	var family bool
	d.walkAt(p, n, func(key string, k, v *yaml.Node) {
		at := place{p.leaf, v, p.path + "." + key}
		if key == "family" || key == "params" {
			family = true
			given[key] = at
			return
		}
		for _, known := range dimensionKeys {
			if key == known.name || key == known.also && key != "" {
				given[known.name] = at
				return
			}
		}
		d.fail(place{p.leaf, k, p.path + "." + key}, suggestModelKey(key), "unknown key")
	})
	if len(d.problems) > before {
		return nil
	}
	if family {
		return d.family(p, given)
	}
	if m := d.dimensions(p, given); m != nil {
		return []*arch.Model{m}
	}
	return nil
}

func suggestModelKey(key string) string {
	known := []string{"family", "params"}
	for _, k := range dimensionKeys {
		known = append(known, k.name)
		if k.also != "" {
			known = append(known, k.also)
		}
	}
	if near := suggest.Nearest(key, known, 1); len(near) > 0 {
		return "did you mean " + near[0] + "?"
	}
	return "a model is {family, params} or dimensions: name, hidden, layers, vocab, heads, …"
}

// walkAt visits the keys of a mapping inside a list.
func (d *decoder) walkAt(p place, n *yaml.Node, visit func(key string, k, v *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := place{p.leaf, k, p.path + "." + k.Value}
		first, twice := seen[strings.ToLower(k.Value)]
		switch {
		case k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge":
			d.fail(place{p.leaf, k, p.path}, "write the keys out", "a key is a word")
		case twice:
			d.fail(at, "remove one of them", "is given twice, first on line %d", first)
		default:
			seen[strings.ToLower(k.Value)] = k.Line
			visit(k.Value, k, v)
		}
	}
}

// dimensions builds a model from explicit sizes.
func (d *decoder) dimensions(p place, given map[string]place) *arch.Model {
	before := len(d.problems)
	var x arch.Dimensions
	for _, f := range []struct {
		name string
		n    *int64
	}{
		{"hidden", &x.Hidden},
		{"layers", &x.Layers},
		{"vocab", &x.Vocab},
		{"heads", &x.Heads},
		{"kv_heads", &x.KVHeads},
		{"head_dim", &x.HeadDim},
		{"ffn", &x.FFN},
		{"max_positions", &x.MaxPositions},
		{"window", &x.Window},
		{"experts", &x.Experts},
		{"top_k", &x.TopK},
		{"shared_ffn", &x.SharedFFN},
	} {
		at, ok := given[f.name]
		if !ok {
			continue
		}
		n, ok := d.value(at)
		if !ok {
			continue
		}
		v, err := grids.ParseSize(n.Value)
		switch {
		case err != nil:
			msg, hint := splitHint(err)
			d.fail(at, hint, "%s", msg)
		case v == 0:
			d.fail(at, "leave the key out for its default", "is 0")
		default:
			*f.n = v
		}
	}
	for _, f := range []struct {
		name string
		s    *string
	}{{"name", &x.Name}, {"body", &x.Body}} {
		if at, ok := given[f.name]; ok {
			if n, ok := d.value(at); ok {
				*f.s = n.Value
			}
		}
	}
	for _, f := range []struct {
		name string
		b    **bool
	}{{"tied", &x.Tied}, {"bias", &x.Bias}, {"gated", &x.Gated}} {
		at, ok := given[f.name]
		if !ok {
			continue
		}
		if n, ok := d.value(at); ok {
			if n.Value != "true" && n.Value != "false" {
				d.fail(at, "", "is %q; write true or false", clip(n.Value))
				continue
			}
			yes := n.Value == "true"
			*f.b = &yes
		}
	}
	if x.Name == "" && len(d.problems) == before {
		d.fail(p, "add name: my-model", "explicit dimensions need a name")
	}
	if len(d.problems) > before {
		return nil
	}
	m, err := x.Model()
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			d.fail(p, "", "%s", line)
		}
		return nil
	}
	return m
}
