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
	"slices"
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

// The size of a picture; the legend stands beside the frame.
const (
	width  = 11 * vg.Inch
	height = 6.5 * vg.Inch
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
func canvas(x, y string) *gonumplot.Plot {
	p := gonumplot.New()
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, f := range []*font.Font{
		&p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font,
		&p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
	p.X.Padding, p.Y.Padding = vg.Points(4), vg.Points(4)
	p.X.Label.TextStyle.Font.Size, p.Y.Label.TextStyle.Font.Size = vg.Points(12), vg.Points(12)
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = vg.Points(11), vg.Points(11)
	p.Legend.TextStyle.Font.Size = vg.Points(11)
	p.Legend.Top, p.Legend.Left, p.Legend.YPosition = true, true, draw.PosCenter
	p.Legend.Padding = vg.Points(4)
	p.Legend.ThumbnailWidth = vg.Points(22)
	return p
}

func write(p *gonumplot.Plot, w io.Writer, f Format, heading ...string) error {
	if f != SVG && f != PNG {
		return fmt.Errorf("no picture format is called %q", f)
	}
	c, err := draw.NewFormattedCanvas(width, height, string(f))
	if err != nil {
		return err
	}
	const margin, gap = 12, 16
	page := draw.Crop(draw.New(c), margin, -margin, margin, -margin)
	style := p.Legend.TextStyle
	style.YAlign = draw.YTop
	for i, text := range heading {
		if text == "" {
			continue
		}
		style.Font.Size, style.Color = vg.Points(11), color.Gray{80}
		if i == 0 {
			style.Font.Size, style.Color = vg.Points(15), black
		}
		page.FillText(style, vg.Point{X: page.Min.X, Y: page.Max.Y}, text)
		page.Max.Y -= style.Height(text) + 6
	}
	page.Max.Y -= 4
	legend := p.Legend
	p.Legend = gonumplot.NewLegend()
	room := legend.Rectangle(page).Size().X + gap
	legend.Draw(draw.Crop(page, page.Size().X-room+gap, 0, 0, 0))
	p.Draw(draw.Crop(page, 0, -room, 0, 0))
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

// grid is faint, for points to stand out.
func grid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = color.Gray{228}, color.Gray{228}
	return g
}

// labelStyle is how texts inside the frame are written.
func labelStyle(p *gonumplot.Plot) draw.TextStyle {
	style := p.Legend.TextStyle
	style.Font.Size = vg.Points(10)
	return style
}

// logTicks labels a logarithmic axis at 1, 2 and 5 of each decade, and at every
// digit where those are few.
type logTicks struct{ label func(float64) string }

// Ticks implements gonum's Ticker.
func (t logTicks) Ticks(low, high float64) []gonumplot.Tick {
	if !(low > 0) || !(high > low) {
		return nil
	}
	digits, labelled := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, []float64{1, 2, 5}
	switch {
	case high/low < 4:
		digits = []float64{1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9}
		labelled = []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9}
	case high/low < 8:
		labelled = digits
	}
	var out []gonumplot.Tick
	named := 0
	for k := math.Floor(math.Log10(low)); k <= math.Ceil(math.Log10(high)); k++ {
		for _, digit := range digits {
			v := digit * math.Pow(10, k)
			if v < low || v > high {
				continue
			}
			tick := gonumplot.Tick{Value: v}
			if slices.Contains(labelled, digit) {
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

// evenTicks marks a linear axis at multiples of 1, 2 or 5, ten of them at most.
type evenTicks struct{}

// Ticks implements gonum/plot's Ticker.
func (evenTicks) Ticks(low, high float64) (out []gonumplot.Tick) {
	const about = 10
	if !(high > low) {
		return nil
	}
	unit := math.Pow(10, math.Floor(math.Log10((high-low)/about)))
	step := unit
	for _, k := range []float64{2, 5, 10} {
		if (high-low)/step > about {
			step = k * unit
		}
	}
	for k := math.Ceil(low / step); k*step <= high; k++ {
		out = append(out, gonumplot.Tick{Value: k * step, Label: short(k * step)})
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
