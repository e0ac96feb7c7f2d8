package plot

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	gonumplot "gonum.org/v1/plot"
)

// A Front is the picture of what can be rented: dollars against days, both on
// logarithmic axes, a colour an accelerator. The accelerators of the front and the
// next cheapest have their own colours; points far beyond the front are left out,
// and the legend says how many.
type Front struct {
	Title, Subtitle string
	Points          []Point // in any order

	BudgetUSD    float64 // drawn as a line; 0 = none
	DeadlineDays float64
}

// A Point is one choice.
type Point struct {
	Series    string // accelerator
	Label     string // written beside it, if on the front
	Short     string // the same after a neighbour of its series
	Days, USD float64
	// DaysLow to DaysHigh is the error bar; dollars follow days.
	DaysLow, DaysHigh float64
	OnFront, Winner   bool
}

const (
	coloured = 7 // accelerators with a colour of their own
	reach    = 3 // points beyond so many times the front's ends are left out
)

// Write draws the picture.
func (f Front) Write(w io.Writer, format Format) error {
	if len(f.Points) == 0 {
		return errors.New("plot: there is no choice to draw")
	}
	p := canvas("days of training", "US dollars")
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
	p.Add(grid())
	names, err := f.front(p)
	if err != nil {
		return err
	}
	points, beyond := f.within()
	if err := series(p, points, beyond); err != nil {
		return err
	}
	f.frame(p)
	if err := f.demands(p); err != nil {
		return err
	}
	for _, x := range points {
		names.avoid = append(names.avoid, plotter.XY{X: x.Days, Y: x.USD})
	}
	p.Add(names)
	return write(p, w, format, f.Title, f.Subtitle)
}

// frame leaves room around the points, so that no axis is empty.
func (f Front) frame(p *gonumplot.Plot) {
	const room = 1.2
	low := func(a, b float64) float64 {
		if b > 0 {
			return min(a, b)
		}
		return a
	}
	p.X.Min, p.X.Max = low(p.X.Min, f.DeadlineDays), max(p.X.Max, f.DeadlineDays)*room
	p.X.Min /= math.Pow(p.X.Max/p.X.Min, 0.2) // the names of the fastest stand there
	p.Y.Min, p.Y.Max = low(p.Y.Min, f.BudgetUSD)/room, max(p.Y.Max, f.BudgetUSD)*room
}

// front draws the staircase of the choices that nothing beats, with their bars, and
// returns their names.
func (f Front) front(p *gonumplot.Plot) (labels, error) {
	names := labels{style: labelStyle(p)}
	var on []Point
	for _, x := range f.Points {
		if x.OnFront {
			on = append(on, x)
		}
	}
	slices.SortFunc(on, func(a, b Point) int { return cmp.Or(cmp.Compare(a.Days, b.Days), cmp.Compare(a.USD, b.USD)) })
	var steps, winner plotter.XYs
	var bar *plotter.Line
	for i, x := range on {
		if i > 0 {
			steps = append(steps, plotter.XY{X: x.Days, Y: on[i-1].USD})
		}
		here := plotter.XY{X: x.Days, Y: x.USD}
		steps = append(steps, here)
		name := label{here, x.Label, x.Winner || i == 0 || i == len(on)-1}
		if !name.must && on[i-1].Series == x.Series && x.Short != "" {
			name.text = x.Short
		}
		if x.Winner { // its name has the first choice of a place
			winner = append(winner, here)
			names.all = slices.Insert(names.all, 0, name)
		} else {
			names.all = append(names.all, name)
		}
		if x.DaysLow > 0 && x.DaysHigh > x.DaysLow {
			var err error
			bar, err = line(p, plotter.XYs{
				{X: x.DaysLow, Y: x.USD * x.DaysLow / x.Days},
				{X: x.DaysHigh, Y: x.USD * x.DaysHigh / x.Days},
			}, grey, 1)
			if err != nil {
				return names, err
			}
		}
	}
	if len(winner) > 0 {
		s, err := plotter.NewScatter(winner)
		if err != nil {
			return names, err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: black, Radius: vg.Points(8), Shape: draw.RingGlyph{}}
		p.Add(s)
		p.Legend.Add("winner", s)
	}
	if len(steps) > 1 {
		l, err := line(p, steps, black, 1)
		if err != nil {
			return names, err
		}
		p.Legend.Add("front: nothing cheaper is as fast", l)
		names.path = steps
	}
	if bar != nil {
		p.Legend.Add("error bar: four of five runs", bar)
	}
	return names, nil
}

// within leaves out what is far beyond the front.
func (f Front) within() (points []Point, beyond int) {
	days, usd := 0.0, 0.0
	for _, x := range f.Points {
		if x.OnFront {
			days, usd = max(days, x.Days), max(usd, x.USD)
		}
	}
	if days == 0 {
		return f.Points, 0
	}
	for _, x := range f.Points {
		if x.Days > reach*days || x.USD > reach*usd {
			beyond++
			continue
		}
		points = append(points, x)
	}
	return points, beyond
}

// series draws the points by accelerator.
func series(p *gonumplot.Plot, points []Point, beyond int) error {
	type one struct {
		name  string
		front bool
		least float64
		at    plotter.XYs
	}
	var all []*one
	for _, x := range points {
		i := slices.IndexFunc(all, func(s *one) bool { return s.name == x.Series })
		if i < 0 {
			i = len(all)
			all = append(all, &one{name: x.Series, least: math.Inf(1)})
		}
		s := all[i]
		s.front = s.front || x.OnFront
		s.least = min(s.least, x.USD)
		s.at = append(s.at, plotter.XY{X: x.Days, Y: x.USD})
	}
	slices.SortFunc(all, func(a, b *one) int {
		if a.front != b.front {
			if a.front {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.least, b.least), cmp.Compare(a.name, b.name))
	})
	rest := one{name: "other accelerators"}
	for len(all) > coloured {
		last := all[len(all)-1]
		rest.at = append(rest.at, last.at...)
		all = all[:len(all)-1]
	}
	if len(rest.at) > 0 {
		all = append(all, &rest)
	}
	for i, x := range all {
		s, err := plotter.NewScatter(x.at)
		if err != nil {
			return err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: palette[i%len(palette)], Radius: vg.Points(3.5), Shape: shapes[i%len(shapes)]}
		name := x.name
		if x == &rest {
			s.GlyphStyle = draw.GlyphStyle{Color: faint, Radius: vg.Points(2), Shape: draw.CircleGlyph{}}
		}
		p.Add(s)
		p.Legend.Add(name, s)
	}
	if beyond > 0 {
		p.Legend.Add(fmt.Sprintf("%d more beyond the frame", beyond))
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
		p.Legend.Add("budget $"+short(f.BudgetUSD), l)
	}
	if f.DeadlineDays > 0 {
		l, err := line(p, plotter.XYs{{X: f.DeadlineDays, Y: p.Y.Min}, {X: f.DeadlineDays, Y: p.Y.Max}}, grey, 1, dash...)
		if err != nil {
			return err
		}
		p.Legend.Add("deadline "+short(f.DeadlineDays)+" days", l)
	}
	return nil
}
