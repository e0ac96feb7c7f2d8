package main

import (
	"strings"

	"headroom/accounting/arch"
	"headroom/internal/suggest"

	"github.com/spf13/cobra"
)

// modelEntry is one row of `models --json`.
type modelEntry struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	Parameters int64    `json:"parameters"`
	Active     int64    `json:"active"`
	Layers     int64    `json:"layers"`
	Hidden     int64    `json:"hidden"`
	Context    int64    `json:"max_positions"` // 0 = not stated
	Source     string   `json:"source"`
	Also       []string `json:"also,omitempty"`
}

func newModels(s *state) *cobra.Command {
	var types bool
	cmd := &cobra.Command{
		Use:   "models [SEARCH]...",
		Short: "List the models known by name, with exact parameter counts",
		Long: `models lists the architectures that are built in, with their exact number of
parameters and where their dimensions come from. Words narrow the list: a model
is shown when each of them is part of its name, type or aliases.

Any other model works from its Hugging Face config.json: --types lists the
model_types that are understood.`,
		Example: `  headroom models
  headroom models llama 70b
  headroom models --types
  headroom models qwen --json`,
		RunE: func(_ *cobra.Command, args []string) error {
			if types {
				return s.printTypes(args)
			}
			return s.printModels(args)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return modelNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&types, "types", false, "list the Hugging Face model_types that --model can read")
	return cmd
}

func (s *state) printModels(words []string) error {
	list := []modelEntry{}
	for _, p := range arch.Presets() {
		if !matches(words, append([]string{p.Name, p.Type}, p.Also...)...) {
			continue
		}
		m, err := p.Model(arch.Options{})
		if err != nil {
			return err
		}
		n, err := m.ParameterCount()
		if err != nil {
			return err
		}
		list = append(list, modelEntry{p.Name, p.Type, n.Total, n.Active, m.Layers(), m.Hidden, m.MaxPositions, p.Source, p.Also})
	}
	if len(list) == 0 {
		return noMatch("model", words, modelNames(), "headroom models lists all; --model also takes a Hugging Face config.json")
	}
	if s.JSON {
		return s.writeJSON(map[string]any{"models": list})
	}
	t := table("model", "type", ">parameters", ">active", ">layers", ">hidden", ">context", "source")
	for _, m := range list {
		context, active := "", ""
		if m.Context > 0 {
			context = thousands(m.Context)
		}
		if m.Active != m.Parameters {
			active = thousands(m.Active)
		}
		t.add(m.Name, m.Type, thousands(m.Parameters), active, thousands(m.Layers), thousands(m.Hidden), context, m.Source)
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}

func (s *state) printTypes(words []string) error {
	type entry struct {
		Type   string `json:"type"`
		Source string `json:"source"`
	}
	list := []entry{}
	for _, name := range arch.Types() {
		if matches(words, name) {
			list = append(list, entry{name, arch.TypeSource(name)})
		}
	}
	if len(list) == 0 {
		return noMatch("model_type", words, arch.Types(), "headroom models --types lists all")
	}
	if s.JSON {
		return s.writeJSON(map[string]any{"types": list})
	}
	t := table("model_type", "rules taken from")
	for _, e := range list {
		t.add(e.Type, e.Source)
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}

// matches says whether each word is part of one of the texts, punctuation and
// case aside.
func matches(words []string, texts ...string) bool {
	for _, w := range words {
		found := false
		for _, t := range texts {
			found = found || strings.Contains(suggest.Letters(t), suggest.Letters(w))
		}
		if !found {
			return false
		}
	}
	return true
}

// noMatch is the error of a search that finds nothing.
func noMatch(kind string, words, names []string, hint string) error {
	text := strings.Join(words, " ")
	if q := suggest.Question(suggest.Nearest(text, names, 3)); q != "" {
		return usage(hint, "no %s matches %.60q: %s", kind, text, q)
	}
	return usage(hint, "no %s matches %.60q", kind, text)
}
