package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"headroom/accounting/arch"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

// dimensionFlags describe a model that has no config.json.
type dimensionFlags struct {
	body                            string
	hidden, heads, kvHeads, headDim size
	ffn, vocab, maxPositions        size
	window, experts, topK, shared   size
	tied, bias, gated               bool
}

func (f *caseFlags) registerDimensions(cmd *cobra.Command) {
	p := cmd.Flags()
	d := &f.dims
	p.StringVar(&d.body, "body", "", "explicit dimensions: conventions of the layers, `llama`, gpt or seed")
	p.Var(&d.hidden, "hidden", "explicit dimensions: model width")
	p.Var(&d.heads, "heads", "explicit dimensions: attention heads")
	p.Var(&d.kvHeads, "kv-heads", "explicit dimensions: key/value heads")
	p.Var(&d.headDim, "head-dim", "explicit dimensions: width of a head")
	p.Var(&d.ffn, "ffn", "explicit dimensions: feed-forward width")
	p.Var(&d.vocab, "vocab", "explicit dimensions: vocabulary rows")
	p.Var(&d.maxPositions, "max-positions", "explicit dimensions: longest context")
	p.Var(&d.window, "window", "explicit dimensions: sliding attention window")
	p.Var(&d.experts, "experts", "explicit dimensions: routed experts")
	p.Var(&d.topK, "top-k", "explicit dimensions: experts a token uses")
	p.Var(&d.shared, "shared-ffn", "explicit dimensions: width of the shared experts together")
	p.BoolVar(&d.tied, "tied", false, "explicit dimensions: the head shares the embedding")
	p.BoolVar(&d.bias, "bias", false, "explicit dimensions: biases in attention and feed-forward")
	p.BoolVar(&d.gated, "gated", false, "explicit dimensions: three feed-forward matrices instead of two")
	fixed(cmd, "body", "llama", "gpt", "seed")
}

// findModel finds the model by name, file, directory or dimensions.
func (f *caseFlags) findModel(s *state, cmd *cobra.Command) (*arch.Model, error) {
	if given := dimensionsGiven(cmd); len(given) > 0 {
		if f.model != "" {
			return nil, usage("leave out --model to describe a model by its dimensions", "--%s and --model %s cannot be combined", given[0], f.model)
		}
		return f.dims.model(cmd, int64(f.layers))
	}
	if f.model == "" {
		return nil, usage("headroom models lists the names; a config.json, its directory, or --hidden --layers --vocab will do too", "no model was given: write --model NAME")
	}
	return s.findModel(f.model, arch.Options{Layers: int64(f.layers)})
}

var dimensionNames = []string{
	"body", "hidden", "heads", "kv-heads", "head-dim", "ffn", "vocab", "max-positions", "window",
	"experts", "top-k", "shared-ffn", "tied", "bias", "gated",
}

func dimensionsGiven(cmd *cobra.Command) (names []string) {
	for _, n := range dimensionNames {
		if cmd.Flags().Changed(n) {
			names = append(names, n)
		}
	}
	return names
}

func (d *dimensionFlags) model(cmd *cobra.Command, layers int64) (*arch.Model, error) {
	dims := arch.Dimensions{
		Name: "custom", Body: d.body, Hidden: int64(d.hidden), Layers: layers, Vocab: int64(d.vocab),
		Heads: int64(d.heads), KVHeads: int64(d.kvHeads), HeadDim: int64(d.headDim), FFN: int64(d.ffn),
		MaxPositions: int64(d.maxPositions), Window: int64(d.window),
		Experts: int64(d.experts), TopK: int64(d.topK), SharedFFN: int64(d.shared),
	}
	for _, b := range []struct {
		flag string
		from *bool
		to   **bool
	}{{"tied", &d.tied, &dims.Tied}, {"bias", &d.bias, &dims.Bias}, {"gated", &d.gated, &dims.Gated}} {
		if cmd.Flags().Changed(b.flag) {
			*b.to = b.from
		}
	}
	m, err := dims.Model()
	return m, misuse(err, "a model by its dimensions needs at least --hidden --layers --vocab")
}

// findModel finds a model: an embedded name first, so that a name means the same
// in every directory, then a file or directory, then the Hugging Face cache.
func (s *state) findModel(name string, opt arch.Options) (*arch.Model, error) {
	const hint = "headroom models lists the names; a path to a config.json or its directory, or --hidden --layers --vocab, will do too"
	looksLikePath := strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") || filepath.IsAbs(name)
	var unknown error
	if !looksLikePath {
		if m, ok, err := sweep.FamilyMember(name); ok {
			if err == nil && opt.Layers > 0 {
				return nil, usage("leave out --layers", "%s has the layers that its size asks for", name)
			}
			return m, misuse(err, "a scaled model is FAMILY@SIZE, such as llama-3@3B")
		}
		m, err := arch.Lookup(name, opt)
		if !is[*arch.UnknownModelError](err) {
			return m, misuse(err, "")
		}
		unknown = err
	}
	path := name
	if rest, ok := strings.CutPrefix(name, "~/"); ok && s.Home != "" {
		path = filepath.Join(s.Home, rest)
	}
	switch isDir, ok := s.exists(path); {
	case ok && isDir:
		fsys := s.Dir(path)
		m, err := arch.FromDir(fsys, ".", opt)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usage("", "%s has no config.json", name)
		}
		return rename(m, name), misuse(err, "")
	case ok:
		fsys, base := s.open(path)
		m, err := arch.FromFile(fsys, base, opt)
		return rename(m, name), misuse(err, "")
	case looksLikePath:
		return nil, usage(hint, "%s: no such file or directory", name)
	}
	if strings.Count(name, "/") == 1 {
		m, err := arch.FromHubCache(s.Dir(s.hubCache()), name, opt)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return m, misuse(err, "")
		}
	}
	return nil, misuse(unknown, hint)
}

// rename calls a model from a file by the path the user wrote.
func rename(m *arch.Model, name string) *arch.Model {
	if m != nil {
		m.Name = name
	}
	return m
}

// hubCache is where Hugging Face tools keep what they downloaded.
func (s *state) hubCache() string {
	if dir := s.Env["HF_HUB_CACHE"]; dir != "" {
		return dir
	}
	if dir := s.Env["HF_HOME"]; dir != "" {
		return filepath.Join(dir, "hub")
	}
	return filepath.Join(s.Home, ".cache", "huggingface", "hub")
}

func modelNames() []string {
	var names []string
	for _, p := range arch.Presets() {
		names = append(names, p.Name)
	}
	return names
}
