package arch

import (
	"errors"
	"fmt"
)

// Dimensions describe a model that has no config.json. Hidden, Layers and Vocab
// are required; a zero field takes the default in its comment.
type Dimensions struct {
	Name string
	// Body is the conventions of the layers. "llama" (the default): RMSNorm,
	// rotary positions, no biases, gated SiLU feed-forward, untied head. "gpt":
	// LayerNorm, learned positions, biases, two feed-forward matrices with GELU,
	// tied head. "seed": the worked example, a llama body whose FFN defaults to
	// 4·Hidden.
	Body string

	Hidden, Layers, Vocab int64

	Heads        int64 // Hidden/HeadDim, or Hidden/128, or Hidden/64 where that is not whole
	KVHeads      int64 // Heads
	HeadDim      int64 // Hidden/Heads
	FFN          int64 // 4·Hidden; 8/3·Hidden rounded up to a multiple of 256 for body "llama"
	MaxPositions int64 // 1024 for learned positions, else not stated
	Window       int64 // sliding window of every layer; none

	Tied  *bool // as the body has it
	Bias  *bool // biases of attention and feed-forward, as the body has it
	Gated *bool // as the body has it

	Experts   int64 // routed experts of every layer; none
	TopK      int64 // experts a token uses; 2
	SharedFFN int64 // width of the shared experts together; none
}

// Model builds the description. The error names every field that is wrong.
func (d Dimensions) Model() (*Model, error) {
	gpt := d.Body == "gpt"
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if d.Body != "" && d.Body != "llama" && d.Body != "seed" && !gpt {
		bad("body is %q; want llama, gpt or seed", clip(d.Body))
	}
	for _, f := range []struct {
		name     string
		n        int64
		required bool
		most     int64
	}{
		{"hidden", d.Hidden, true, maxDim},
		{"layers", d.Layers, true, maxLayers},
		{"vocab", d.Vocab, true, maxDim},
		{"heads", d.Heads, false, maxDim},
		{"kv_heads", d.KVHeads, false, maxDim},
		{"head_dim", d.HeadDim, false, maxDim},
		{"ffn", d.FFN, false, maxDim},
		{"max_positions", d.MaxPositions, false, maxDim},
		{"window", d.Window, false, maxDim},
		{"experts", d.Experts, false, maxDim},
		{"top_k", d.TopK, false, maxDim},
		{"shared_ffn", d.SharedFFN, false, maxDim},
	} {
		switch {
		case f.required && f.n == 0:
			bad("%s is missing", f.name)
		case f.n < 0:
			bad("%s is %d; want a positive number", f.name, f.n)
		case f.n > f.most:
			bad("%s is %d; more than %d is not a transformer", f.name, f.n, f.most)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	h := heads{q: d.Heads, kv: d.KVHeads, width: d.HeadDim}
	if h.q == 0 {
		width := h.width
		switch {
		case width > 0:
		case d.Hidden%128 == 0:
			width = 128
		default:
			width = 64
		}
		if d.Hidden%width != 0 {
			return nil, fmt.Errorf("hidden %d is not a multiple of the head width %d; give heads", d.Hidden, width)
		}
		h.q = d.Hidden / width
	}
	if h.width == 0 {
		if d.Hidden%h.q != 0 {
			return nil, fmt.Errorf("%d heads do not divide hidden %d; give head_dim", h.q, d.Hidden)
		}
		h.width = d.Hidden / h.q
	}
	if h.kv == 0 {
		h.kv = h.q
	}
	if h.kv > h.q || h.q%h.kv != 0 {
		return nil, fmt.Errorf("%d kv_heads do not divide %d heads", h.kv, h.q)
	}
	width := d.FFN
	if width == 0 {
		width = 4 * d.Hidden
		if d.Body == "" || d.Body == "llama" {
			width = (8*d.Hidden/3 + 255) / 256 * 256
		}
	}
	biased := or(d.Bias, gpt)
	ffn := FFN{Width: width, Gated: or(d.Gated, !gpt), UpBias: biased, DownBias: biased, Activation: "silu"}
	norm := rms(d.Hidden)
	if gpt {
		ffn.Activation, norm = "gelu_new", layerNorm(d.Hidden)
	}
	m := &Model{
		Name: d.Name, Type: "seed", Source: "explicit dimensions",
		Hidden: d.Hidden, MaxPositions: d.MaxPositions,
		Embedding: Embedding{Vocab: d.Vocab, Width: d.Hidden},
		FinalNorm: norm,
		Head:      Head{Tied: or(d.Tied, gpt)},
	}
	if d.Body != "seed" {
		m.Type = "dimensions"
	}
	a := h.attention().biases(biased, biased)
	a.Window = d.Window
	if gpt {
		a.RotaryDim = 0
		if m.MaxPositions == 0 {
			m.MaxPositions = 1024
		}
		m.Embedding.Positions = m.MaxPositions
	}
	l := pre(Layer{Name: "dense", Attention: a, FFN: &ffn}, norm)
	if d.Experts > 0 {
		l.Name, l.FFN = "moe", nil
		l.MoE = &MoE{Experts: d.Experts, TopK: d.TopK, Expert: ffn}
		if l.MoE.TopK == 0 {
			l.MoE.TopK = min(2, d.Experts)
		}
		if l.MoE.TopK > d.Experts {
			return nil, fmt.Errorf("top_k %d is more than the %d experts", d.TopK, d.Experts)
		}
		if d.SharedFFN > 0 {
			shared := ffn
			shared.Width = d.SharedFFN
			l.MoE.Shared = &shared
		}
	} else if d.TopK > 0 || d.SharedFFN > 0 {
		return nil, errors.New("top_k and shared_ffn need experts")
	}
	m.uniform(d.Layers, l)
	if _, err := m.ParameterCount(); err != nil {
		return nil, err
	}
	return m, nil
}

func or(p *bool, def bool) bool {
	if p != nil {
		return *p
	}
	return def
}
