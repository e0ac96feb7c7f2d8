// Package plot draws pictures of results: the front of dollars against days, and
// the memory curve with its fit and the capacity. It is a leaf, the only package
// that draws, so that nothing else carries fonts and canvases along.
package plot

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	gonumplot "gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgimg" // registers png
	_ "gonum.org/v1/plot/vg/vgsvg" // registers svg
)

// A Format is a kind of picture.
type Format string

// The formats.
const (
	SVG Format = "svg"
	PNG Format = "png"
)

// FormatOf is the format that a file's name asks for by its ending.
func FormatOf(path string) (Format, error) {
	f := Format(strings.ToLower(strings.TrimPrefix(filepath.Ext(path), ".")))
	if f != SVG && f != PNG {
		return "", fmt.Errorf("%q does not say which picture it is to be: end it in .svg or .png", path)
	}
	return f, nil
}

const (
	width  = 9 * vg.Inch
	height = 6 * vg.Inch
)

// palette are the eight colours of Okabe and Ito 2008, which people with any
// colour vision tell apart, without the yellow that is faint on white.
var palette = []color.Color{
	color.RGBA{0, 114, 178, 255},
	color.RGBA{213, 94, 0, 255},
	color.RGBA{0, 158, 115, 255},
	color.RGBA{204, 121, 167, 255},
	color.RGBA{86, 180, 233, 255},
	color.RGBA{230, 159, 0, 255},
	color.RGBA{110, 110, 110, 255},
}

var shapes = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{},
}

var (
	black = color.Gray{0}
	grey  = color.Gray{130}
	faint = color.Gray{190}
)

// canvas is an empty picture in the house style.
func canvas(title, x, y string) *gonumplot.Plot {
	p := gonumplot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
	p.Title.TextStyle.Font.Size = vg.Points(14)
	p.Title.Padding = vg.Points(6)
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
	return p
}

func write(p *gonumplot.Plot, w io.Writer, f Format) error {
	if f != SVG && f != PNG {
		return fmt.Errorf("no picture format is called %q", f)
	}
	c, err := draw.NewFormattedCanvas(width, height, string(f))
	if err != nil {
		return err
	}
	const margin = 10
	p.Draw(draw.Crop(draw.New(c), margin, -margin, margin, -margin))
	_, err = c.WriteTo(w)
	return err
}

// line adds a line through points.
func line(p *gonumplot.Plot, points plotter.XYs, c color.Color, thickness float64, dashes ...vg.Length) (*plotter.Line, error) {
	l, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	l.Color, l.Width, l.Dashes = c, vg.Points(thickness), dashes
	p.Add(l)
	return l, nil
}

// text writes labels beside points.
func text(p *gonumplot.Plot, at plotter.XYs, labels []string, dx, dy vg.Length) error {
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: labels})
	if err != nil {
		return err
	}
	for i := range l.TextStyle {
		l.TextStyle[i].Font.Variant = "Sans"
		l.TextStyle[i].Font.Size = vg.Points(9)
	}
	l.Offset = vg.Point{X: dx, Y: dy}
	p.Add(l)
	return nil
}

// logTicks labels a logarithmic axis at 1, 2 and 5 of each decade, and at every
// digit where those are few.
type logTicks struct{ label func(float64) string }

// Ticks implements gonum's Ticker.
func (t logTicks) Ticks(low, high float64) []gonumplot.Tick {
	if !(low > 0) || !(high > low) {
		return nil
	}
	labelled := map[int]bool{1: true, 2: true, 5: true}
	if high/low < 8 {
		labelled = map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true}
	}
	var out []gonumplot.Tick
	named := 0
	for k := math.Floor(math.Log10(low)); k <= math.Ceil(math.Log10(high)); k++ {
		for digit := 1; digit <= 9; digit++ {
			v := float64(digit) * math.Pow(10, k)
			if v < low || v > high {
				continue
			}
			tick := gonumplot.Tick{Value: v}
			if labelled[digit] {
				tick.Label = t.label(v)
				named++
			}
			out = append(out, tick)
		}
	}
	if named < 2 {
		out = gonumplot.DefaultTicks{}.Ticks(low, high)
		for i := range out {
			if out[i].Label != "" {
				out[i].Label = t.label(out[i].Value)
			}
		}
	}
	return out
}

// short writes a number as people say it: 1.5K, 20M.
func short(x float64) string {
	for _, s := range []struct {
		suffix string
		size   float64
	}{{"T", 1e12}, {"B", 1e9}, {"M", 1e6}, {"K", 1e3}} {
		if x >= s.size {
			return strconv.FormatFloat(x/s.size, 'g', 4, 64) + s.suffix
		}
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

// finite refuses numbers that cannot be drawn.
func finite(values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("plot: a value is not a number")
		}
	}
	return nil
}
