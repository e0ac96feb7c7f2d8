package plot

import (
	"image/color"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	gonumplot "gonum.org/v1/plot"
)

// labels are texts beside points, each where it covers least: of the points, of
// the texts before it, and of the frame. One that finds no free place is left out,
// unless it must be there.
type labels struct {
	all   []label
	avoid plotter.XYs // points that are not to be covered
	path  plotter.XYs // nor this line
	style draw.TextStyle
}

type label struct {
	plotter.XY
	text string
	must bool
}

// clearance is how far a text keeps from its point.
const clearance = 8

// Plot draws the texts.
func (l labels) Plot(c draw.Canvas, p *gonumplot.Plot) {
	trX, trY := p.Transforms(&c)
	var taken []vg.Rectangle
	for _, q := range l.avoid {
		at := vg.Point{X: trX(q.X), Y: trY(q.Y)}
		taken = append(taken, vg.Rectangle{Min: at.Sub(vg.Point{X: 4, Y: 4}), Max: at.Add(vg.Point{X: 4, Y: 4})})
	}
	for i := 1; i < len(l.path); i++ {
		const pieces = 40
		a, b := vg.Point{X: trX(l.path[i-1].X), Y: trY(l.path[i-1].Y)}, vg.Point{X: trX(l.path[i].X), Y: trY(l.path[i].Y)}
		for k := range pieces + 1 {
			at := a.Add(b.Sub(a).Scale(vg.Length(k) / pieces))
			taken = append(taken, vg.Rectangle{Min: at, Max: at.Add(vg.Point{X: 1, Y: 1})})
		}
	}
	for _, x := range l.all {
		size := l.style.Rectangle(x.text).Size()
		at := vg.Point{X: trX(x.X), Y: trY(x.Y)}
		var best vg.Rectangle
		least := -1
		// Left of a point on the front and below it nothing can be: there first.
		for _, corner := range []vg.Point{
			{X: -clearance - size.X, Y: -size.Y / 2},
			{X: -clearance - size.X, Y: -clearance/2 - size.Y},
			{X: -size.X / 2, Y: -clearance - size.Y},
			{X: clearance, Y: clearance / 2},
			{X: clearance, Y: -size.Y / 2},
			{X: -size.X / 2, Y: clearance},
			{X: clearance, Y: -clearance/2 - size.Y},
		} {
			low := at.Add(corner)
			box := vg.Rectangle{Min: low, Max: low.Add(size)}
			covered := 0
			for _, t := range taken {
				if overlap(box, t) {
					covered++
				}
			}
			if box.Min.X < c.Min.X || box.Max.X > c.Max.X || box.Min.Y < c.Min.Y || box.Max.Y > c.Max.Y {
				covered += 100
			}
			if least < 0 || covered < least {
				best, least = box, covered
			}
		}
		if least > 0 && !x.must {
			continue
		}
		taken = append(taken, best)
		c.SetColor(color.NRGBA{255, 255, 255, 200})
		var back vg.Path
		back.Move(best.Min)
		back.Line(vg.Point{X: best.Max.X, Y: best.Min.Y})
		back.Line(best.Max)
		back.Line(vg.Point{X: best.Min.X, Y: best.Max.Y})
		back.Close()
		c.Fill(back)
		style := l.style
		style.XAlign, style.YAlign = draw.XLeft, draw.YBottom
		c.FillText(style, best.Min, x.text)
	}
}

func overlap(a, b vg.Rectangle) bool {
	return a.Min.X < b.Max.X && b.Min.X < a.Max.X && a.Min.Y < b.Max.Y && b.Min.Y < a.Max.Y
}
