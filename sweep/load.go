package sweep

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"headroom/hardware"
	"headroom/internal/suggest"
)

// A Source says where a study comes from. Later fields win over earlier ones:
// the file, then the environment, then --set, then flags; within a layer, what
// is said last. A list is replaced as a whole, never appended to.
type Source struct {
	File  string   // path of the study; with Data, only its name in messages
	Data  []byte   // text of the study; nil = read File
	Env   []string // NAME=value as in os.Environ; only HEADROOM_ names are looked at
	Set   []string // key=value as in --set; the key is a path, or an axis without grid.
	Flags []Flag   // flags that stand for one key
	// Today is the day after which no price can be known; "" = any. It decides what is
	// refused, never what a row holds.
	Today hardware.Date
}

// A Flag is a command-line flag that stands for one key of a study.
type Flag struct {
	Name  string // as typed, for messages: --output
	Path  string // out.dir
	Value string
}

// Load reads a study. The error is [Problems]: everything that is wrong, at once.
func Load(src Source) (*Study, error) {
	l := loader{src: src, values: viper.NewWithOptions(viper.KeyDelimiter(delimiter))}
	if err := l.layers(); err != nil {
		return nil, err
	}
	d := decoder{loader: &l, out: &Study{}}
	d.run()
	if len(l.problems) > 0 {
		return nil, l.problems.sorted()
	}
	return d.out, nil
}

// delimiter separates the parts of a key inside viper. A dot would cut keys that
// hold one.
const delimiter = "\x1f"

// A loader merges the layers of a study. What it stores in viper is a *leaf for
// each field: viper decides which layer wins, the leaf remembers the exact text
// and where it stands. Nothing else here or outside knows viper.
type loader struct {
	src      Source
	values   *viper.Viper
	order    []string   // paths in the order of the file, then as they were added
	grid     *yaml.Node // where grid: stands in the file
	problems Problems
}

// A leaf is the value of one field in one layer.
type leaf struct {
	field  *field
	node   *yaml.Node
	source string // variable or flag; empty = the file
}

func (l *loader) layers() error {
	data, file := l.src.Data, l.src.File
	if data == nil {
		var err error
		if data, err = readStudy(file); err != nil {
			return err
		}
	}
	root, err := parseYAML(file, data)
	if err != nil {
		return err
	}
	l.grid = &yaml.Node{Line: 1, Column: 1}
	l.merge(l.walkFile(root))
	if len(l.problems) > 0 && len(l.order) == 0 {
		return l.problems // not the shape of a study
	}
	l.merge(l.environment())
	for _, text := range l.src.Set {
		if x := l.override(text); x != nil {
			l.set(x)
		}
	}
	for _, flag := range l.src.Flags {
		f := lookupField(flag.Path)
		if f == nil {
			panic("sweep: flag " + flag.Name + " stands for " + flag.Path + ", which is no key")
		}
		if x := l.parse(f, flag.Value, flag.Name); x != nil {
			l.set(x)
		}
	}
	return nil
}

// merge puts a layer over the ones before it. The environment is a layer like
// the file, rather than viper's BindEnv, which would read the variables of the
// process at any time: Load is a function of its argument.
func (l *loader) merge(leaves []*leaf) {
	layer := map[string]any{}
	for _, x := range leaves {
		at := layer
		if section := x.field.section(); section != "" {
			if layer[section] == nil {
				layer[section] = map[string]any{}
			}
			at = layer[section].(map[string]any)
		}
		at[x.field.name()] = x
		l.note(x.field.path)
	}
	if err := l.values.MergeConfigMap(layer); err != nil {
		l.problems = append(l.problems, Problem{File: l.src.File, Msg: err.Error()})
	}
}

// set overrides whatever was said before.
func (l *loader) set(x *leaf) {
	l.values.Set(viperKey(x.field), x)
	l.note(x.field.path)
}

func (l *loader) note(path string) {
	if !slices.Contains(l.order, path) {
		l.order = append(l.order, path)
	}
}

// get returns what won for a field, nil if nobody gave it.
func (l *loader) get(path string) *leaf {
	x, _ := l.values.Get(strings.ReplaceAll(path, ".", delimiter)).(*leaf)
	return x
}

func viperKey(f *field) string { return strings.ReplaceAll(f.path, ".", delimiter) }

// walkFile checks the keys of the file and returns its values.
func (l *loader) walkFile(root *yaml.Node) []*leaf {
	var out []*leaf
	add := func(f *field, n *yaml.Node) { out = append(out, &leaf{field: f, node: n}) }
	l.walk(root, "", func(key string, k, v *yaml.Node) {
		if f := lookupField(key); f != nil {
			add(f, v)
			return
		}
		i := slices.IndexFunc(sections, func(s struct{ name, shorthand string }) bool { return s.name == key })
		if i < 0 {
			l.at(k, key, "unknown key", suggestKey("", key))
			return
		}
		if key == "grid" {
			l.grid = k
		}
		target := v
		if v.Kind == yaml.AliasNode {
			target = v.Alias
		}
		if short := lookupField(sections[i].shorthand); short != nil && target.Kind == yaml.ScalarNode {
			add(short, v)
			return
		}
		l.walk(v, key, func(name string, k, v *yaml.Node) {
			if f := lookupField(key + "." + name); f != nil {
				add(f, v)
				return
			}
			l.at(k, key+"."+name, "unknown key", suggestKey(key, name))
		})
	})
	return out
}

// walk visits the keys of a mapping once each.
func (l *loader) walk(n *yaml.Node, path string, visit func(key string, k, v *yaml.Node)) {
	at := n
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		what, hint := "a study", "begin with study: and grid:"
		if path != "" {
			what, hint = path, "its keys are "+strings.Join(keysOf(path), ", ")
		}
		l.at(at, path, fmt.Sprintf("is %s; %s is a mapping", kindOf(n), what), hint)
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content) && len(l.problems) < maxProblems; i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		sub := k.Value
		if path != "" {
			sub = path + "." + k.Value
		}
		twin := seen[strings.ToLower(k.Value)]
		switch {
		case k.ShortTag() == "!!merge":
			l.at(k, path, "merge keys (<<) are not understood", "write the keys out")
		case k.Kind != yaml.ScalarNode:
			l.at(k, path, "a key is "+kindOf(k)+"; keys are words", "")
		case twin != nil && twin.Value == k.Value:
			l.at(k, sub, fmt.Sprintf("is given twice, first on line %d", twin.Line), "remove one of them")
		case twin != nil:
			l.at(k, sub, fmt.Sprintf("differs from %s on line %d only in case", twin.Value, twin.Line), "remove one of them")
		default:
			seen[strings.ToLower(k.Value)] = k
			visit(k.Value, k, v)
		}
	}
}

// at reports a problem at a node of the file.
func (l *loader) at(n *yaml.Node, path, msg, hint string) {
	l.problems = append(l.problems, Problem{File: l.src.File, Line: n.Line, Col: n.Column, Path: path, Msg: msg, Hint: hint})
}

// environment returns what the HEADROOM_ variables say. A variable with our
// prefix that stands for no key is an error: a typing slip would pass unseen.
func (l *loader) environment() []*leaf {
	var out []*leaf
	env := slices.Clone(l.src.Env)
	slices.Sort(env)
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, EnvPrefix) || value == "" {
			continue
		}
		i := slices.IndexFunc(fields, func(f field) bool { return f.env() == name })
		if i >= 0 {
			if x := l.parse(&fields[i], value, name); x != nil {
				out = append(out, x)
			}
			continue
		}
		var known []string
		for i := range fields {
			known = append(known, fields[i].env())
		}
		hint := "unset it, or give it another prefix"
		// The whole prefix would make any two names near.
		trimmed := make([]string, len(known))
		for i := range known {
			trimmed[i] = strings.TrimPrefix(known[i], EnvPrefix)
		}
		if near := suggest.Nearest(strings.TrimPrefix(name, EnvPrefix), trimmed, 1); len(near) > 0 {
			hint = "did you mean " + EnvPrefix + near[0] + "?"
		}
		l.problems = append(l.problems, Problem{Source: name, Msg: "no key of a study has this variable", Hint: hint})
	}
	return out
}

// override reads one --set.
func (l *loader) override(text string) *leaf {
	key, value, ok := strings.Cut(text, "=")
	source := "--set " + key
	key = strings.TrimSpace(key)
	if !ok || key == "" {
		l.problems = append(l.problems, Problem{Source: "--set", Msg: fmt.Sprintf("%q is not key=value", clip(text)), Hint: "write it like --set tp=1,2,4"})
		return nil
	}
	f := lookupField(key)
	if f == nil {
		f = lookupField("grid." + key)
	}
	if f == nil {
		for _, s := range sections {
			if s.name == key && s.shorthand != "" {
				f = lookupField(s.shorthand)
			}
		}
	}
	if f == nil {
		section, name, found := strings.Cut(key, ".")
		if !found {
			section, name = "grid", key
		}
		l.problems = append(l.problems, Problem{Source: "--set " + clip(key), Msg: "unknown key", Hint: suggestKey(section, name)})
		return nil
	}
	return l.parse(f, value, source)
}

// parse reads the text of a variable or flag as YAML. Commas separate values, so
// that tp=1,2,4 needs no brackets.
func (l *loader) parse(f *field, text, source string) *leaf {
	fail := func(msg, hint string) *leaf {
		l.problems = append(l.problems, Problem{Source: source, Path: f.path, Msg: msg, Hint: hint})
		return nil
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return fail("is empty", "give a value")
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return fail("is not text: a NUL byte, or not UTF-8", "")
	}
	open := text[0] == '[' || text[0] == '{'
	if f.single && !open {
		// One value is taken as it stands, whatever it means in YAML.
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
		return &leaf{field: f, node: n, source: source}
	}
	if !open || strings.HasPrefix(text, "{") {
		text = "[" + text + "]"
	}
	n, err := parseYAML(source, []byte(text))
	if err != nil {
		return fail(strings.TrimPrefix(err.(Problems)[0].Msg, "not YAML: "), "write a list like 1,2,4")
	}
	return &leaf{field: f, node: n, source: source}
}

// clip shortens what a person typed for a message.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// nearby resolves the path of a file that a study names: one that stands in a file is relative
// to that file, one from a variable or flag to the working directory.
func (l *loader) nearby(x *leaf, path string) string {
	if x.source == "" && l.src.Data == nil && !filepath.IsAbs(path) {
		return filepath.Join(filepath.Dir(l.src.File), path)
	}
	return path
}
