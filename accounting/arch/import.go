package arch

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"headroom/internal/suggest"
)

// Options change how a config.json is read. The zero value reads it as it is.
type Options struct {
	// Layers, if positive, takes the place of the number of layers exactly as if
	// the config said so: patterns, first dense layers and lists of layer types
	// follow.
	Layers int64
}

// A family imports the configs of some model_types.
type family struct {
	types  []string // model_type values it reads
	source string   // the public modelling code whose rules it follows
	// build reads the config into a Model. It reports problems through c.
	build func(c *config, modelType string) *Model
}

var families = map[string]*family{}

// register adds a family to the registry, from the one file that holds it.
func register(f *family) bool {
	for _, t := range f.types {
		if families[t] != nil {
			panic("arch: model_type " + t + " is registered twice")
		}
		families[t] = f
	}
	return true
}

// Types lists the model_types that Import reads, sorted.
func Types() []string { return slices.Sorted(maps.Keys(families)) }

// TypeSource names the public modelling code whose rules Import follows for a
// model_type; "" for a type it does not read.
func TypeSource(modelType string) string {
	if f := families[modelType]; f != nil {
		return f.source
	}
	return ""
}

// Import reads a Hugging Face config.json. The name is that of the result and
// of the file in errors. Everything that is wrong comes back at once as
// [ConfigErrors]; a config that is not understood to the last key that may
// change a shape gives an error and no Model.
func Import(name string, r io.Reader, opt Options) (*Model, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxConfigBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return ImportBytes(name, data, opt)
}

// ImportBytes is Import for a config that is in memory.
func ImportBytes(name string, data []byte, opt Options) (*Model, error) {
	v, err := parseJSON(name, data)
	if err != nil {
		return nil, ConfigErrors{err.(*ConfigError)}
	}
	d := &document{file: name}
	switch {
	case opt.Layers < 0 || opt.Layers > maxLayers:
		d.add(&value{}, "layers", "is %d; want 1 to %d", opt.Layers, maxLayers)
	case opt.Layers > 0:
		d.layers = opt.Layers
	}
	if _, ok := v.v.(*object); !ok {
		d.add(v, "", "is %s; a config.json is a JSON object", v.kind())
		return nil, d.errs
	}
	c := d.object("", v)
	m := c.importModel()
	if len(d.errs) == 0 {
		d.refuseUnread(m)
	}
	if len(d.errs) == 0 {
		if _, err := m.ParameterCount(); err != nil {
			d.add(v, "", "%v", err)
		}
	}
	if len(d.errs) > 0 {
		errs := d.errs.sorted()
		if d.more > 0 {
			errs = append(errs, &ConfigError{File: name, Msg: fmt.Sprintf("and %d problems more", d.more)})
		}
		return nil, errs
	}
	m.Name, m.Notes = name, append(m.Notes, d.notes...)
	return m, nil
}

func (c *config) importModel() *Model {
	modelType := c.text("", "model_type")
	f := families[modelType]
	switch {
	case f != nil:
		m := f.build(c, modelType)
		if m.Type == "" { // else a nested config said it
			m.Type, m.Source = modelType, f.source
			m.Code = c.code(m)
			c.learnActivations(m)
			c.noteClass(m)
		}
		return m
	case modelType == "" && c.has("model_type"):
		// refused by text, or empty
		if len(c.errs) == 0 {
			c.fail("model_type", "is empty")
		}
	case modelType == "":
		c.fail("model_type", "is missing: without it the keys have no meaning; add it (llama, gpt2, qwen2, …) or give explicit dimensions")
	default:
		near := suggest.Nearest(modelType, Types(), 3)
		hint := ""
		if len(near) > 0 {
			hint = "; the nearest known ones are " + strings.Join(near, ", ")
		}
		c.fail("model_type", "%q is not a model_type headroom knows%s; explicit dimensions describe any other model", clip(modelType), hint)
	}
	return &Model{}
}
