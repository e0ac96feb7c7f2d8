package validate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"headroom/accounting/arch"
	"headroom/internal/suggest"
)

// errNoDimensions is a row that neither names a known model nor gives its sizes.
var errNoDimensions = errors.New("the model is not known by name and its sizes are not given")

// model is the row's architecture: an embedded preset where the name, or the sizes
// of a mixture of experts, find one that agrees with every size the row gives,
// otherwise the sizes themselves. The notes say what had to be assumed.
func (m *Measurement) model(s *Source) (*arch.Model, []string, error) {
	if err := m.unlike(); err != nil {
		return nil, nil, err
	}
	if s.Body == "" {
		if p := m.preset(); p != nil {
			return p, nil, nil
		}
		if p := m.presetBySizes(); p != nil {
			return p, []string{fmt.Sprintf("the model is taken to be %s, which has its sizes", p.Name)}, nil
		}
	}
	var notes []string
	d := arch.Dimensions{
		Name: m.Model, Hidden: m.Hidden, Layers: m.Layers, Vocab: m.Vocab, Heads: m.Heads, KVHeads: m.KVHeads, FFN: m.FFN,
		Tied: m.Tied, Experts: m.Experts, TopK: m.TopK,
	}
	old := m.FFNKind == "" && m.Hidden == 0 && s.Dropout // a name and a count, of GPT's years
	gated := m.FFNKind == "swiglu" || m.FFNKind == "geglu" || m.FFNKind == "" && !old
	d.Gated = &gated
	if m.FFNKind == "gelu" || m.FFNKind == "relu" || old || s.Body != "" {
		// relu without a gate is OPT's and the first transformers', which have GPT's bodies
		d.Body, d.MaxPositions = "gpt", max(m.Context, 1)
	}
	if s.Body != "" {
		d.Tied = nil
		notes = append(notes, "its script leaves Megatron's learned positions, biases and tied head")
	}
	known := *m
	if s.Body != "" {
		known.ParamsB = 0 // the count is of the model that the scripts mean to train
	}
	if err := known.complete(&d, s, &notes); err != nil {
		return nil, nil, err
	}
	if d.FFN == 0 && !gated {
		d.FFN = 4 * d.Hidden
	}
	model, err := d.Model()
	return model, notes, err
}

// unlike tells models that the columns can not describe: they have one stack of
// attention and feed-forward, and a vocabulary.
func (m *Measurement) unlike() error {
	words := strings.FieldsFunc(strings.ToLower(m.Model), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	name := "-" + strings.Join(words, "-") + "-"
	for _, kind := range []struct {
		marks []string
		is    string
	}{
		{[]string{"mamba", "mamba2", "jamba", "zamba", "zamba2", "rwkv", "hybrid", "nemotron-h", "nemotronh", "nemotron-3", "nemotron3", "falcon-h1", "qwen3-next", "deepseekv4", "deepseek-v4"}, "has layers other than attention and feed-forward, which the columns do not describe"},
		{[]string{"t5", "flan", "bart", "ul2", "whisper"}, "has an encoder and a decoder, of which the columns describe one"},
		{[]string{"vit", "dit", "clip", "llava", "flux", "resnet", "unet", "multimodal"}, "is not a language model alone"},
	} {
		for _, mark := range kind.marks {
			if strings.Contains(name, "-"+mark+"-") && m.preset() == nil {
				return fmt.Errorf("the model %s", kind.is)
			}
		}
	}
	return nil
}

// preset finds the embedded model of the row's name, at the row's depth.
func (m *Measurement) preset() *arch.Model {
	name, _, _ := strings.Cut(m.Model, "(")
	name = strings.TrimSpace(name)
	for _, suffix := range []string{" SFT", " sft", "-proxy"} {
		name = strings.TrimSuffix(name, suffix)
	}
	p, err := arch.Lookup(name, arch.Options{})
	if err != nil {
		return nil
	}
	if m.Layers > 0 && m.Layers != p.Layers() {
		if p, err = arch.Lookup(name, arch.Options{Layers: m.Layers}); err != nil {
			return nil
		}
	}
	if !m.agrees(p) {
		return nil
	}
	return p
}

// presetBySizes finds the embedded mixture of experts that has every size of the
// row, at the row's depth. The columns can not say which layers are dense, how wide
// shared experts are or how attention is compressed; that so many sizes agree by
// chance is out of the question.
func (m *Measurement) presetBySizes() *arch.Model {
	if min(m.Hidden, m.Heads, m.FFN, m.Experts) == 0 {
		return nil
	}
	var best *arch.Model
	alike := -1
	for _, known := range arch.Presets() {
		p, err := known.Model(arch.Options{})
		if err == nil && m.Layers > 0 && m.Layers != p.Layers() {
			if m.ParamsB > 0 {
				continue // a member of the family, not a cut
			}
			p, err = known.Model(arch.Options{Layers: m.Layers})
		}
		if err == nil && m.agrees(p) {
			if n := sharedPrefix(suggest.Letters(m.Model), suggest.Letters(known.Name)); n > alike {
				best, alike = p, n
			}
		}
	}
	return best
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// agrees says that no size of the row contradicts the model. A vocabulary may be
// padded by up to an eighth.
func (m *Measurement) agrees(p *arch.Model) bool {
	same := func(row, model int64) bool { return row == 0 || row == model }
	if !same(m.Hidden, p.Hidden) || !same(m.Layers, p.Layers()) || m.Vocab > 0 && (m.Vocab > p.Embedding.Vocab*9/8 || m.Vocab < p.Embedding.Vocab*7/8) {
		return false
	}
	widths, experts := map[int64]bool{}, int64(0)
	for i := range p.Kinds {
		l := &p.Kinds[i]
		if !same(m.Heads, l.Attention.Heads) || l.Attention.MLA == nil && !same(m.KVHeads, l.Attention.KVHeads) {
			return false
		}
		if l.FFN != nil {
			widths[l.FFN.Width] = true
		}
		if l.MoE != nil {
			experts = l.MoE.Experts
			widths[l.MoE.Expert.Width] = true
		}
	}
	return (m.FFN == 0 || widths[m.FFN]) && same(m.Experts, experts)
}

// chunked is the model with attention that ends at every n-th token.
func chunked(p *arch.Model, n int64) *arch.Model {
	m := *p
	m.Kinds = slices.Clone(p.Kinds)
	for i := range m.Kinds {
		a := &m.Kinds[i].Attention
		if a.Window == 0 || a.Window > n {
			a.Window, a.Chunked = n, true
		}
	}
	return &m
}
