package plot

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const gib = 1 << 30

// A Memory is the picture of a limit: peak memory over one axis of a case, the
// fitted curve and the capacity.
type Memory struct {
	Title, Subtitle string
	Axis            string // name of the horizontal axis

	X     []int64
	Bytes []int64 // peak memory at X
	// Coefficients of the fitted curve in bytes, of x⁰, x¹, …; none = not fitted.
	Coefficients []float64

	CapacityBytes int64
	Capacity      string // as it was given
	Largest       int64  // that fits; 0 = none
	LargestBytes  int64
	Root          float64 // where the fitted curve meets the capacity; 0 = nowhere
}

// Points of more than so many times the capacity are left out, where so many others
// are there.
const (
	timesCapacity = 2.2
	leastPoints   = 3
)

// decimals are those that four digits leave.
func decimals(x float64) int {
	return max(0, 3-int(math.Floor(math.Log10(x))))
}

// Write draws the picture.
func (m Memory) Write(w io.Writer, format Format) error {
	if len(m.X) == 0 || len(m.X) != len(m.Bytes) {
		return errors.New("plot: there is no memory to draw")
	}
	if err := finite(m.Coefficients...); err != nil {
		return err
	}
	p := canvas(m.Axis, "peak memory, GiB")
	p.X.Tick.Marker, p.Y.Tick.Marker = evenTicks{}, evenTicks{}
	p.Add(grid())
	var at plotter.XYs
	for i := range m.X {
		if i >= leastPoints && m.CapacityBytes > 0 && float64(m.Bytes[i]) > timesCapacity*float64(m.CapacityBytes) {
			break
		}
		at = append(at, plotter.XY{X: float64(m.X[i]), Y: float64(m.Bytes[i]) / gib})
	}
	first, last := at[0].X, at[len(at)-1].X
	if len(m.Coefficients) > 0 && last > first {
		const steps = 200
		curve := make(plotter.XYs, steps+1)
		for i := range curve {
			x := first + (last-first)*float64(i)/steps
			y := 0.0
			for j := len(m.Coefficients) - 1; j >= 0; j-- {
				y = float64(y*x) + m.Coefficients[j]
			}
			curve[i] = plotter.XY{X: x, Y: y / gib}
		}
		l, err := line(p, curve, palette[0], 1.2)
		if err != nil {
			return err
		}
		p.Legend.Add("fitted curve", l)
	}
	s, err := plotter.NewScatter(at)
	if err != nil {
		return err
	}
	s.GlyphStyle = draw.GlyphStyle{Color: palette[0], Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
	p.Add(s)
	p.Legend.Add("peak memory", s)
	if m.Largest > 0 {
		here := plotter.XYs{{X: float64(m.Largest), Y: float64(m.LargestBytes) / gib}}
		s, err := plotter.NewScatter(here)
		if err != nil {
			return err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: black, Radius: vg.Points(7), Shape: draw.RingGlyph{}}
		p.Add(s)
		p.Legend.Add(fmt.Sprintf("largest that fits: %d", m.Largest), s)
	}
	capacity := float64(m.CapacityBytes) / gib
	if capacity > 0 {
		l, err := line(p, plotter.XYs{{X: first, Y: capacity}, {X: last, Y: capacity}}, palette[1], 1.2, vg.Points(5), vg.Points(3))
		if err != nil {
			return err
		}
		p.Legend.Add(fmt.Sprintf("capacity %s, %.2f GiB", m.Capacity, capacity), l)
		if m.Root > first && m.Root < last {
			l, err := line(p, plotter.XYs{{X: m.Root, Y: 0}, {X: m.Root, Y: capacity}}, grey, 1, vg.Points(2), vg.Points(2))
			if err != nil {
				return err
			}
			p.Legend.Add("meets it at "+strconv.FormatFloat(m.Root, 'f', decimals(m.Root), 64), l)
		}
	}
	p.Y.Min, p.Y.Max = 0, max(p.Y.Max, capacity)*1.15
	const margin = 0.03
	span := p.X.Max - p.X.Min
	p.X.Min, p.X.Max = p.X.Min-margin*span, p.X.Max+margin*span
	if p.X.Max == p.X.Min {
		p.X.Min, p.X.Max = p.X.Min-1, p.X.Max+1
	}
	return write(p, w, format, m.Title, m.Subtitle)
}
