package validate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/accounting/arch"
)

// errNoDimensions is a row that neither names a known model nor gives its sizes.
var errNoDimensions = errors.New("the model is not known by name and its sizes are not given")

// model is the row's architecture: an embedded preset where the name finds one
// that agrees with every size the row gives, otherwise the sizes themselves. The
// notes say what had to be assumed.
func (m *Measurement) model(s *Source) (*arch.Model, []string, error) {
	if p := m.preset(); p != nil && s.Body == "" {
		return p, nil, nil
	}
	if m.Layers == 0 || m.Hidden == 0 || m.Heads == 0 {
		return nil, nil, errNoDimensions
	}
	var notes []string
	d := arch.Dimensions{
		Name: m.Model, Hidden: m.Hidden, Layers: m.Layers, Vocab: m.Vocab, Heads: m.Heads, KVHeads: m.KVHeads, FFN: m.FFN,
		Tied: m.Tied, Experts: m.Experts, TopK: m.TopK,
	}
	gated := m.FFNKind == "swiglu" || m.FFNKind == "geglu" || m.FFNKind == ""
	d.Gated = &gated
	if m.FFNKind == "gelu" || s.Body != "" {
		d.Body, d.MaxPositions = "gpt", max(m.Context, 1)
	}
	if s.Body != "" {
		d.Tied = nil
		notes = append(notes, "its script leaves Megatron's learned positions, biases and tied head")
	}
	if d.Vocab == 0 {
		if d.Body != "gpt" {
			return nil, nil, errors.New("the vocabulary is not given")
		}
		d.Vocab = 50257
		notes = append(notes, "no vocabulary is given: GPT-2's 50,257 rows are assumed")
	}
	known := *m
	if s.Body != "" {
		known.ParamsB = 0 // the count is of the model that the scripts mean to train
	}
	if err := known.headWidth(&d, &notes); err != nil {
		return nil, nil, err
	}
	model, err := d.Model()
	return model, notes, err
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
	return (m.FFN == 0 || widths[m.FFN]) && m.Experts == experts
}

// headWidth settles the width of a head, which the columns do not hold. It is
// hidden/heads, unless that is no width kernels have (a multiple of 8) or the
// published parameter count says otherwise: then the usual width that comes
// nearest to the count.
func (m *Measurement) headWidth(d *arch.Dimensions, notes *[]string) error {
	usual := []int64{64, 128, 96, 80, 112, 192, 256}
	miss := func(width int64) float64 {
		c := *d
		c.HeadDim = width
		model, err := c.Model()
		if err != nil {
			return math.Inf(1)
		}
		n, err := model.ParameterCount()
		if err != nil {
			return math.Inf(1)
		}
		return math.Abs(float64(n.Total)/(m.ParamsB*1e9) - 1)
	}
	const noise = 0.006 // of published counts, rounded to two or three digits
	plain := d.Hidden / d.Heads
	possible := d.Hidden%d.Heads == 0 && plain%8 == 0
	if possible && (m.ParamsB == 0 || miss(plain) <= noise) {
		d.HeadDim = plain
		return nil
	}
	if m.ParamsB == 0 {
		if !possible {
			return fmt.Errorf("hidden %d over %d heads is no head width, and no parameter count is given to find it from", d.Hidden, d.Heads)
		}
		d.HeadDim = plain
		return nil
	}
	best, least := int64(0), math.Inf(1)
	if possible {
		best, least = plain, miss(plain)
	}
	for _, w := range usual {
		if x := miss(w); x < least-noise/2 {
			best, least = w, x
		}
	}
	d.HeadDim = best
	if best != plain {
		*notes = append(*notes, fmt.Sprintf("heads are taken to be %d wide: that comes nearest to the published parameter count", best))
	}
	return nil
}

// routed says that the model has a mixture of experts.
func routed(p *arch.Model) bool {
	return slices.ContainsFunc(p.Kinds, func(l arch.Layer) bool { return l.MoE != nil })
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
