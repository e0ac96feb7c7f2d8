package sweep

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"headroom/internal/suggest"
)

//go:embed studies/*.yaml
var studies embed.FS

// DefaultPreset is the study that runs when nobody names one.
const DefaultPreset = "default"

// PresetNames lists the embedded studies.
func PresetNames() []string {
	entries, err := studies.ReadDir("studies")
	if err != nil {
		panic(err) // embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// PresetAbout is the first sentence of an embedded study's comment, without its
// full stop; "" when nobody knows the study.
func PresetAbout(name string) string {
	data, err := studies.ReadFile("studies/" + name + ".yaml")
	if err != nil {
		return ""
	}
	var words []string
	for line := range strings.Lines(string(data)) {
		text, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		words = append(words, strings.Fields(text)...)
		if last := words[len(words)-1]; strings.HasSuffix(last, ".") || strings.HasSuffix(last, "?") {
			break
		}
	}
	return strings.TrimSuffix(strings.Join(words, " "), ".")
}

// Preset is the source of an embedded study, ready for [Load].
func Preset(name string) (Source, error) {
	data, err := studies.ReadFile("studies/" + name + ".yaml")
	if err != nil {
		hint := "known: " + strings.Join(PresetNames(), ", ")
		if near := suggest.Nearest(name, PresetNames(), 1); len(near) > 0 {
			hint = "did you mean " + near[0] + "? (" + hint + ")"
		}
		return Source{}, Problems{{Msg: fmt.Sprintf("no embedded study is called %q", clip(name)), Hint: hint}}
	}
	return Source{File: "embedded:" + name + ".yaml", Data: data}, nil
}
