package arch

import (
	"embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"headroom/internal/suggest"
)

//go:embed data/presets.csv data/*.json
var data embed.FS

// A Preset is one model that headroom knows by name.
type Preset struct {
	Name   string
	Type   string   // model_type, "seed" for the worked example
	Source string   // where its dimensions come from
	Also   []string // other names, among them the repository on the Hugging Face hub
	config []byte   // the config.json; nil for the worked example
	seed   Dimensions
}

// seeds are the models of the worked example: the shapes of the GPT-2 family
// under modern conventions. They are not the GPT-2 checkpoints.
func seeds() []Preset {
	seed := func(size string, layers, hidden, heads int64) Preset {
		name := "seed-gpt2-" + size
		return Preset{
			Name:   name,
			Type:   "seed",
			Source: "worked example: GPT-2 " + size + " shapes with RMSNorm, rotary positions, SwiGLU of three matrices, no biases, untied head",
			seed: Dimensions{
				Name: name, Body: "seed", Hidden: hidden, Layers: layers, Heads: heads,
				Vocab: 50257, MaxPositions: 1024,
			},
		}
	}
	return []Preset{seed("small", 12, 768, 12), seed("medium", 24, 1024, 16), seed("large", 36, 1280, 20), seed("xl", 48, 1600, 25)}
}

// catalog reads the embedded data once. A mistake in it is a bug and panics.
var catalog = sync.OnceValue(func() []Preset {
	f, err := data.Open("data/presets.csv")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic(err)
	}
	out := seeds()
	for _, row := range rows[1:] {
		p := Preset{Name: row[0], Source: row[1], Also: strings.Fields(row[2])}
		if p.config, err = data.ReadFile("data/" + p.Name + ".json"); err != nil {
			panic(err)
		}
		var head struct {
			Type string `json:"model_type"`
		}
		if err := json.Unmarshal(p.config, &head); err != nil {
			panic(err)
		}
		p.Type = head.Type
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Preset) int { return strings.Compare(a.Name, b.Name) })
	return out
})

// Presets lists every model known by name, sorted by name.
func Presets() []Preset { return slices.Clone(catalog()) }

// Lookup finds a preset by a forgiving name: case, spaces, dots for dashes, the
// organisation before the slash, the usual suffixes and sizes that agree do not matter. An
// unknown name gives an [UnknownModelError] with the nearest ones.
func Lookup(name string, opt Options) (*Model, error) {
	p, ok := find(name)
	if !ok {
		return nil, &UnknownModelError{Name: name, Nearest: near(name)}
	}
	return p.Model(opt)
}

// Model builds the preset.
func (p Preset) Model(opt Options) (*Model, error) {
	var m *Model
	var err error
	if p.config == nil {
		d := p.seed
		if opt.Layers != 0 {
			d.Layers = opt.Layers
		}
		m, err = d.Model()
	} else {
		m, err = ImportBytes(p.Name, p.config, opt)
	}
	if err != nil {
		return nil, err
	}
	m.Source = p.Source
	return m, nil
}

// UnknownModelError reports a name that is no preset.
type UnknownModelError struct {
	Name    string
	Nearest []string
}

// Error names the nearest presets.
func (e *UnknownModelError) Error() string {
	if len(e.Nearest) == 0 {
		return fmt.Sprintf("no model is called %q", clip(e.Name))
	}
	return fmt.Sprintf("no model is called %q; the nearest are %s", clip(e.Name), strings.Join(e.Nearest, ", "))
}

func find(name string) (Preset, bool) {
	full, short := fold(name), fold(lastPart(name))
	for _, match := range []func(Preset) bool{
		func(p Preset) bool { return fold(p.Name) == full },
		func(p Preset) bool {
			return slices.ContainsFunc(p.Also, func(a string) bool { return fold(a) == full })
		},
		func(p Preset) bool { return fold(p.Name) == short },
		func(p Preset) bool {
			return slices.ContainsFunc(p.Also, func(a string) bool { return fold(lastPart(a)) == short })
		},
		func(p Preset) bool { return bare(p.Name) == bare(name) },
		func(p Preset) bool { return split(bare(p.Name)) == split(bare(name)) },
		func(p Preset) bool {
			return slices.ContainsFunc(p.Also, func(a string) bool { return bare(a) == bare(name) })
		},
		func(p Preset) bool { return joined(p.Name) == joined(name) },
	} {
		i := slices.IndexFunc(catalog(), match)
		if i < 0 {
			continue
		}
		return catalog()[i], true
	}
	return findFamily(name)
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// fold makes names comparable: lower case, every run of separators one dash.
func fold(name string) string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return r == ' ' || r == '-' || r == '_' || r == '.'
	})
	return strings.Join(parts, "-")
}

// joined is a name without the separators that follow a letter: DeepSeekV3 is
// deepseek-v3. Those between digits tell opt-1.3b from opt-13b.
func joined(name string) string { return joint.ReplaceAllString(split(bare(name)), "$1") }

var joint = regexp.MustCompile(`([a-z])-`)

// split puts a dash between letters and digits: llama3.1 is llama-3.1.
func split(folded string) string {
	return strings.Join(runs.FindAllString(folded, -1), "-")
}

var runs = regexp.MustCompile(`[a-z]+|[0-9]+`)

// size matches the part of a folded name that says how large a model is.
var size = regexp.MustCompile(`(^|-)(\d+x)?\d+[bm](-|$)`)

// bare strips what names of one model differ in: the organisation, a maker's
// prefix, and suffixes that say how a checkpoint was tuned or stored, none of
// which changes its shapes. Names without a size stay whole: in t5-base the
// suffix is the size.
func bare(name string) string {
	s := fold(lastPart(name))
	if !size.MatchString(s) {
		return s
	}
	s = "-" + s + "-"
	for _, w := range []string{"meta", "hf", "instruct", "chat", "base", "it", "pt", "text", "preview"} {
		s = strings.ReplaceAll(s, "-"+w+"-", "-")
	}
	return strings.Trim(s, "-")
}

// near lists the presets that a misspelt name may mean.
func near(name string) []string {
	var known []string
	for _, p := range catalog() {
		known = append(known, p.Name)
	}
	return suggest.Nearest(lastPart(name), known, 3)
}
