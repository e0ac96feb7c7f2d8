package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"

	"headroom/accounting"
	"headroom/hardware"
)

// Prices chooses rows of the price catalog, or of a table of one's own in its place.
type Prices struct {
	Table     string        `json:"sha256,omitempty"`    // hash of one's own table, wherever it lies; "" = the catalog
	Pricing   string        `json:"pricing"`             // on_demand, spot, …
	Providers []string      `json:"providers,omitempty"` // none = all but marketplaces
	Regions   []string      `json:"regions,omitempty"`   // none = all
	Since     hardware.Date `json:"since,omitempty"`     // rows of that day or later; "" = all

	rows []hardware.Price // of one's own table
}

// all are the rows that are chosen from.
func (p *Prices) all() []hardware.Price {
	if p.Table != "" { // which may be empty
		return p.rows
	}
	return hardware.Prices()
}

// Lost is the time that is rented and does not train: a share that trains, or what
// failures cost. The zero value loses none.
type Lost struct {
	Goodput  float64             `json:"goodput,omitempty"` // 0 = by the failures
	Failures accounting.Failures `json:"failures,omitzero"`
}

// Energy asks for the electricity of a run, see [accounting.EnergyInputs].
type Energy struct {
	Power float64 `json:"power"`
	PUE   float64 `json:"pue"`
}

// goodput is the share of time that trains on so many accelerators at a price; 0
// where the run would not end.
func (l *Lost) goodput(gpus int64, p *hardware.Price, q hardware.Quote) float64 {
	if l.Goodput > 0 {
		return l.Goodput
	}
	spot := int64(0)
	if p != nil && p.Pricing == hardware.Spot {
		spot = q.Instances
	}
	g, err := l.Failures.Goodput(gpus, spot)
	if err != nil {
		return 0 // what is wrong whatever the number was refused with the study
	}
	return g.Share
}

// filter is what the study allows of one accelerator's price rows; "" is any.
func (p *Prices) filter(slug string) hardware.PriceFilter {
	f := hardware.PriceFilter{Providers: p.Providers, Regions: p.Regions, Pricing: []hardware.Pricing{hardware.Pricing(p.Pricing)}, Since: p.Since}
	f.Marketplaces = p.Table != "" // what somebody collected is meant
	if slug != "" {
		f.Accelerators = []string{slug}
	}
	return f
}

// priceTable reads one's own price rows, as [hardware.ParsePrices] does.
func (d *decoder) priceTable(x *leaf) {
	d.noPrices = true // unless all goes well; names are not looked for in none
	name, ok := d.text(x)
	if !ok {
		return
	}
	p := place{x, x.node, x.field.path}
	path := d.nearby(x, name)
	f, err := os.Open(path)
	if err != nil {
		d.fail(p, "a path in a study is relative to the study's file", "%s cannot be read: %v", clip(path), cause(err))
		return
	}
	defer f.Close()
	sum := sha256.New()
	rows, err := hardware.ParsePrices(path, io.TeeReader(f, sum), d.src.Today)
	if err != nil {
		for _, e := range unjoin(err) {
			x := Problem{File: path, Path: p.path, Msg: e.Error()}
			var bad *hardware.CellError
			if errors.As(e, &bad) {
				x = Problem{File: bad.File, Line: bad.Line, Col: bad.Column, Path: bad.Name, Msg: bad.Msg, Hint: "this table is " + p.path + " of the study"}
			}
			d.problems = append(d.problems, x)
		}
		return
	}
	d.noPrices = false
	d.out.Prices.Table, d.out.Prices.rows = hex.EncodeToString(sum.Sum(nil)), rows
}

func (d *decoder) pricing(x *leaf) {
	s, ok := d.text(x)
	if !ok {
		return
	}
	if _, err := hardware.SelectPrices(d.out.Prices.all(), hardware.PriceFilter{Pricing: []hardware.Pricing{hardware.Pricing(s)}}); err != nil {
		d.unknown(place{x, x.node, x.field.path}, "pricing", s, err)
		return
	}
	d.out.Prices.Pricing = s
}

func (d *decoder) providers(x *leaf) {
	d.catalogNames(x, "provider", &d.out.Prices.Providers, func(s string) hardware.PriceFilter {
		return hardware.PriceFilter{Providers: []string{s}}
	})
}

func (d *decoder) regions(x *leaf) {
	d.catalogNames(x, "region", &d.out.Prices.Regions, func(s string) hardware.PriceFilter {
		return hardware.PriceFilter{Regions: []string{s}}
	})
}

// catalogNames reads names that some price row has.
func (d *decoder) catalogNames(x *leaf, kind string, out *[]string, filter func(string) hardware.PriceFilter) {
	d.texts(x, func(p place, s string) {
		_, err := hardware.SelectPrices(d.out.Prices.all(), filter(s))
		switch {
		case d.noPrices:
		case err != nil:
			d.unknown(p, kind, s, err)
		case slices.Contains(*out, s):
			d.fail(p, "remove one of them", "%s is given twice", s)
		default:
			*out = append(*out, s)
		}
	})
	slices.Sort(*out)
}

func (d *decoder) since(x *leaf) {
	p, ok := d.scalar(x) // a day is a text or, to YAML, a time
	if !ok {
		return
	}
	day, err := hardware.ParseDate(plain(x.node).Value)
	if err != nil {
		d.fail(p, "write a day such as 2026-01-01", "%v", err)
		return
	}
	var latest hardware.Date
	for _, row := range d.out.Prices.all() {
		latest = max(latest, row.AsOf)
	}
	if day > latest && !d.noPrices {
		hint := "no row has a day in as_of"
		if latest != "" {
			hint = "the latest is of " + string(latest)
		}
		d.fail(p, hint, "no price row is of %s or later", day)
		return
	}
	d.out.Prices.Since = day
}

// number reads one number.
func number(least, most float64, put func(*Study, float64)) func(*decoder, *leaf) {
	return func(d *decoder, x *leaf) {
		p, ok := d.scalar(x)
		if !ok {
			return
		}
		text := plain(x.node).Value
		f, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil || math.IsNaN(f) || math.IsInf(f, 0):
			d.fail(p, "write a number such as 0.9", "%q is not a number", clip(text))
		case f < least || f > most:
			d.fail(p, "", "is %g; it must be from %g to %g", f, least, most)
		default:
			put(d.out, f)
		}
	}
}

// energy is what the study asks of it, with what it does not say.
func (s *Study) energy() *Energy {
	if s.Energy == nil {
		s.Energy = &Energy{Power: 1, PUE: 1}
	}
	return s.Energy
}

// mostHours bounds rates of failures.
const mostHours = 1e12

// checkMoney checks what concerns several fields.
func (d *decoder) checkMoney() {
	l := &d.out.Lost
	at := func(path string) place {
		x := d.get(path)
		return place{x, x.node, x.field.path}
	}
	d.checkPriceTable()
	failures := ""
	for _, f := range fields {
		if len(f.path) > len("failures.") && f.path[:len("failures.")] == "failures." && d.get(f.path) != nil {
			failures = f.path
		}
	}
	if failures == "" {
		return
	}
	if d.get("goodput") != nil {
		d.fail(at("goodput"), "remove one of them", "is the share that failures would give; both are given")
	}
	if _, err := l.Failures.Goodput(1, 1); err != nil && !errors.Is(err, accounting.ErrNoProgress) {
		d.fail(at(failures), "add failures.gpu_hours_between: 419 interruptions of 16,384 H100 in 54 days, as Llama 3 405B had, are 50700", "%v", err)
	} else if l.Failures.CheckpointSeconds == 0 && l.Failures.RestartSeconds == 0 {
		d.fail(at(failures), "add failures.checkpoint_seconds and failures.restart_seconds", "failures cost nothing where neither a checkpoint nor a restart takes time")
	}
}

// checkPriceTable sees that one's own table prices some case of the study.
func (d *decoder) checkPriceTable() {
	x, a := d.get(priceTableKey), d.out.Axis("accelerator")
	if x == nil || d.noPrices || a == nil {
		return
	}
	p := &d.out.Prices
	f := p.filter("")
	for _, v := range a.Values {
		f.Accelerators = append(f.Accelerators, v.Text())
	}
	if rows, err := hardware.SelectPrices(p.all(), f); err == nil && len(rows) == 0 {
		d.fail(place{x, x.node, x.field.path}, "prices.pricing, providers, regions and since choose among its rows", "no row of it, %s, is for an accelerator of the study", p.Pricing)
	}
}
