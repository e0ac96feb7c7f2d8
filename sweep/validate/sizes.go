package validate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"headroom/accounting/arch"
)

// complete settles the sizes that a row leaves out or that no column holds: from
// the published parameter count where that tells them, else by what is usual. The
// notes say each.
func (m *Measurement) complete(d *arch.Dimensions, s *Source, notes *[]string) error {
	note := func(format string, args ...any) { *notes = append(*notes, fmt.Sprintf(format, args...)) }
	if m.ParamsB == 0 && (d.Hidden == 0 || d.Layers == 0) {
		return errNoDimensions
	}
	if d.Hidden == 0 {
		m.proportions(d)
		note("no sizes are given: GPT-3's proportions, %d layers of width %d, come to the published parameter count", d.Layers, d.Hidden)
	}
	m.vocabulary(d, s, note)
	if d.Heads == 0 {
		width := int64(128)
		if d.Hidden%width != 0 {
			width = 64
		}
		if d.Hidden%width != 0 {
			return errors.New("the heads are not given")
		}
		d.Heads, d.HeadDim = d.Hidden/width, width
		note("no heads are given: they are taken to be %d wide", width)
	}
	if d.Layers == 0 {
		if d.HeadDim == 0 && d.Hidden%d.Heads == 0 {
			d.HeadDim = d.Hidden / d.Heads
		}
		if d.Layers = m.depth(*d); d.Layers == 0 {
			return errNoDimensions
		}
		note("no depth is given: %d layers come nearest to the published parameter count", d.Layers)
		return nil
	}
	if d.HeadDim == 0 {
		if err := m.headWidth(d, note); err != nil {
			return err
		}
	}
	if at := m.off(*d); m.ParamsB > 0 && math.Abs(at) > contradiction {
		note("the sizes make %.3g B parameters, not the published %g B: the sizes are taken", m.ParamsB*(1+at), m.ParamsB)
	}
	return nil
}

// proportions gives a model of which only the parameter count is known the shape of
// GPT-3: 12 L·d² parameters, a width of 128 times the depth, heads of 128, in numbers
// that the plan divides.
func (m *Measurement) proportions(d *arch.Dimensions) {
	const head = 128
	multiple := func(x float64, n int64) int64 { return max(int64(math.Round(x/float64(n))), 1) * n }
	ideal := math.Cbrt(m.ParamsB * 1e9 / (12 * head * head))
	d.Heads = multiple(ideal, max(m.TP, 1))
	d.Hidden, d.HeadDim, d.KVHeads, d.FFN = d.Heads*head, head, 0, 0
	if d.Layers == 0 {
		width := float64(d.Hidden)
		d.Layers = multiple(m.ParamsB*1e9/(12*width*width), max(m.PP, 1))
	}
}

// contradiction is how far a count may be off before it is said: published ones
// leave out embeddings, or are names.
const contradiction = 0.05

// vocabulary settles a vocabulary that is not given: GPT-2's 50,257 rows for bodies
// of its kind and wherever the source trains with its tokens, else what the
// parameter count leaves for embedding and head where that is a vocabulary, else
// Llama's 32,000.
func (m *Measurement) vocabulary(d *arch.Dimensions, s *Source, note func(string, ...any)) {
	if d.Vocab > 0 {
		return
	}
	const gpt2, llama, least, most = 50257, 32000, 4000, 300000
	if d.Body == "gpt" || s.Vocab == gpt2 {
		d.Vocab = gpt2
		note("no vocabulary is given: GPT-2's 50,257 rows are assumed")
		return
	}
	d.Vocab = llama
	if m.ParamsB > 0 && d.Layers > 0 && m.unit() <= 0.01*m.ParamsB {
		rows := 2 * float64(d.Hidden)
		if d.Tied != nil && *d.Tied {
			rows = float64(d.Hidden)
		}
		if rest := d.Vocab + int64(m.ParamsB*1e9*-m.off(*d)/rows); rest >= least && rest <= most {
			d.Vocab = rest
			note("no vocabulary is given: %d rows are what the parameter count leaves", rest)
			return
		}
	}
	note("no vocabulary is given: Llama's 32,000 rows are assumed")
}

// off is how far a model of these sizes is from the published count, as a share of
// it; 0 where none is given, +Inf for sizes that make no model.
func (m *Measurement) off(d arch.Dimensions) float64 {
	if m.ParamsB == 0 {
		return 0
	}
	model, err := d.Model()
	if err != nil {
		return math.Inf(1)
	}
	n, err := model.ParameterCount()
	if err != nil {
		return math.Inf(1)
	}
	return float64(n.Total)/(m.ParamsB*1e9) - 1
}

// depth is the number of layers that comes nearest to the published count; 0 where
// none comes near.
func (m *Measurement) depth(d arch.Dimensions) int64 {
	with := func(layers int64) float64 { d.Layers = layers; return m.off(d) }
	one, two := with(1), with(2)
	if each := two - one; each > 0 && !math.IsInf(two, 0) {
		n := max(int64(math.Round(1-one/each)), 1)
		if math.Abs(with(n)) < 0.1 {
			return n
		}
	}
	return 0
}

// unit is one of the last digit in which the parameter count is printed, billions:
// "15" stands for anything from 14 to 16, which names round and cut alike.
func (m *Measurement) unit() float64 {
	_, digits, _ := strings.Cut(strconv.FormatFloat(m.ParamsB, 'f', -1, 64), ".")
	return math.Pow10(-len(digits))
}

// headWidth settles the width of a head, which the columns do not hold. It is
// hidden/heads, as it was for every model before 2024, unless that is not whole or
// the published parameter count says otherwise: then the usual width with which the
// count comes out, if there is one.
func (m *Measurement) headWidth(d *arch.Dimensions, note func(string, ...any)) error {
	const noise = 0.006   // of published counts, rounded to three digits
	const ordinary = 0.01 // what other than the heads may be off by
	miss := func(width int64) float64 { c := *d; c.HeadDim = width; return math.Abs(m.off(c)) }
	whole := d.Hidden%d.Heads == 0
	plain := d.Hidden / d.Heads
	if whole && (m.ParamsB == 0 || miss(plain) <= max(ordinary, m.unit()/m.ParamsB)) {
		d.HeadDim = plain
		return nil
	}
	if m.ParamsB == 0 {
		return fmt.Errorf("hidden %d over %d heads is no head width, and no parameter count is given to find it from", d.Hidden, d.Heads)
	}
	best, least := int64(0), math.Inf(1)
	for _, w := range []int64{64, 128, 96, 80, 112, 192, 256} {
		if x := miss(w); x < least-noise/2 {
			best, least = w, x
		}
	}
	if whole && least > max(noise, min(m.unit()/m.ParamsB, 2*noise)) {
		d.HeadDim = plain // another width does not explain the count either
		return nil
	}
	d.HeadDim = best
	note("heads are taken to be %d wide: that comes nearest to the published parameter count", best)
	return nil
}
