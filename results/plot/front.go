package plot

import (
	"cmp"
	"errors"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	gonumplot "gonum.org/v1/plot"
)

// A Front is the picture of what can be rented: dollars against days, both on
// logarithmic axes, a colour an accelerator.
type Front struct {
	Title  string
	Points []Point // in any order

	BudgetUSD    float64 // drawn as a line; 0 = none
	DeadlineDays float64
}

// A Point is one choice.
type Point struct {
	Series    string // accelerator
	Label     string // written beside it, if on the front
	Days, USD float64
	// DaysLow to DaysHigh is the error bar; dollars follow days.
	DaysLow, DaysHigh float64
	OnFront, Winner   bool
}

// Write draws the picture.
func (f Front) Write(w io.Writer, format Format) error {
	if len(f.Points) == 0 {
		return errors.New("plot: there is no choice to draw")
	}
	p := canvas(f.Title, "days", "dollars")
	p.X.Scale, p.Y.Scale = gonumplot.LogScale{}, gonumplot.LogScale{}
	p.X.Tick.Marker = logTicks{short}
	p.Y.Tick.Marker = logTicks{func(v float64) string { return "$" + short(v) }}
	for i := range f.Points {
		x := &f.Points[i]
		if err := finite(x.Days, x.USD, x.DaysLow, x.DaysHigh); err != nil {
			return err
		}
		if x.Days <= 0 || x.USD <= 0 {
			return errors.New("plot: a logarithmic axis has no place for a choice that costs nothing or takes no time")
		}
	}
	p.Add(plotter.NewGrid())
	if err := f.front(p); err != nil {
		return err
	}
	if err := f.series(p); err != nil {
		return err
	}
	f.frame(p)
	if err := f.demands(p); err != nil {
		return err
	}
	return write(p, w, format)
}

// frame leaves room around the points, so that no axis is empty.
func (f Front) frame(p *gonumplot.Plot) {
	const room = 1.25
	low := func(a, b float64) float64 {
		if b > 0 {
			return min(a, b)
		}
		return a
	}
	p.X.Min, p.X.Max = low(p.X.Min, f.DeadlineDays)/room, max(p.X.Max, f.DeadlineDays)*room
	p.Y.Min, p.Y.Max = low(p.Y.Min, f.BudgetUSD)/room, max(p.Y.Max, f.BudgetUSD)*room
}

// front draws the staircase of the choices that nothing beats, with their bars.
func (f Front) front(p *gonumplot.Plot) error {
	var on []Point
	for _, x := range f.Points {
		if x.OnFront {
			on = append(on, x)
		}
	}
	if len(on) == 0 {
		return nil
	}
	slices.SortFunc(on, func(a, b Point) int { return cmp.Or(cmp.Compare(a.Days, b.Days), cmp.Compare(a.USD, b.USD)) })
	var steps, at, winner plotter.XYs
	var labels []string
	for i, x := range on {
		if i > 0 {
			steps = append(steps, plotter.XY{X: x.Days, Y: on[i-1].USD})
		}
		here := plotter.XY{X: x.Days, Y: x.USD}
		steps, at, labels = append(steps, here), append(at, here), append(labels, x.Label)
		if x.Winner {
			winner = append(winner, here)
		}
		if x.DaysLow > 0 && x.DaysHigh > x.DaysLow {
			bar := plotter.XYs{
				{X: x.DaysLow, Y: x.USD * x.DaysLow / x.Days},
				{X: x.DaysHigh, Y: x.USD * x.DaysHigh / x.Days},
			}
			if _, err := line(p, bar, grey, 0.5); err != nil {
				return err
			}
		}
	}
	if len(steps) > 1 {
		l, err := line(p, steps, black, 1)
		if err != nil {
			return err
		}
		p.Legend.Add("front", l)
	}
	if len(winner) > 0 {
		s, err := plotter.NewScatter(winner)
		if err != nil {
			return err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: black, Radius: vg.Points(8), Shape: draw.RingGlyph{}}
		p.Add(s)
		p.Legend.Add("winner", s)
	}
	return text(p, at, labels, vg.Points(7), vg.Points(3))
}

func (f Front) series(p *gonumplot.Plot) error {
	bySeries := map[string]plotter.XYs{}
	var names []string
	least := map[string]float64{}
	for _, x := range f.Points {
		if _, ok := bySeries[x.Series]; !ok {
			names = append(names, x.Series)
			least[x.Series] = math.Inf(1)
		}
		bySeries[x.Series] = append(bySeries[x.Series], plotter.XY{X: x.Days, Y: x.USD})
		least[x.Series] = min(least[x.Series], x.USD)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(least[a], least[b]), cmp.Compare(a, b)) })
	for i, name := range names {
		s, err := plotter.NewScatter(bySeries[name])
		if err != nil {
			return err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: palette[i%len(palette)], Radius: vg.Points(3.5), Shape: shapes[i%len(shapes)]}
		p.Add(s)
		p.Legend.Add(name, s)
	}
	return nil
}

// demands draws the budget and the deadline across the frame.
func (f Front) demands(p *gonumplot.Plot) error {
	dash := []vg.Length{vg.Points(5), vg.Points(3)}
	if f.BudgetUSD > 0 {
		l, err := line(p, plotter.XYs{{X: p.X.Min, Y: f.BudgetUSD}, {X: p.X.Max, Y: f.BudgetUSD}}, grey, 1, dash...)
		if err != nil {
			return err
		}
		p.Legend.Add("budget", l)
	}
	if f.DeadlineDays > 0 {
		l, err := line(p, plotter.XYs{{X: f.DeadlineDays, Y: p.Y.Min}, {X: f.DeadlineDays, Y: p.Y.Max}}, grey, 1, dash...)
		if err != nil {
			return err
		}
		p.Legend.Add("deadline", l)
	}
	return nil
}
