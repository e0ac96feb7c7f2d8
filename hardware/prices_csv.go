package hardware

import (
	"bytes"
	_ "embed" // for the data file
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
)

//go:embed data/prices.csv
var pricesCSV []byte

// PricesCollected is the day on which the embedded price rows were collected.
const PricesCollected Date = "2026-11-23"

var (
	priceColumns         = strings.Fields("provider instance_type region accelerator_slug gpus price_per_hour_usd pricing")
	optionalPriceColumns = strings.Fields("vcpus mem_gb per_gpu_hour_usd as_of source notes")
)

// A price per GPU-hour is refused when it is this many times the dearest known
// row of the same accelerator, or this small a share of the cheapest. An
// instance of eight quoted as one GPU is beyond the first; discounts are not
// within reach of the second.
const (
	timesDearest  = 3
	shareCheapest = 0.1
)

// The bounds in US dollars per GPU-hour for accelerators without a known row.
const (
	leastPerGPUHour = 0.01
	mostPerGPUHour  = 100
)

var builtinPrices = sync.OnceValue(func() []Price {
	prices, err := parsePrices("prices.csv", bytes.NewReader(pricesCSV), PricesCollected, nil)
	if err != nil {
		panic("hardware: " + err.Error()) // a test parses the embedded file
	}
	return prices
})

// Prices returns the embedded price rows. They are list prices of the day in
// AsOf, some of them superseded by later rows; see [SelectPrices].
func Prices() []Price { return slices.Clone(builtinPrices()) }

// ParsePrices reads price rows in the columns of data/prices.csv, of which
// vcpus, mem_gb, per_gpu_hour_usd, as_of, source and notes may be left out;
// file names it in errors. Accelerators are named as in [Lookup], but exactly.
//
// It refuses what is probably a mistake: a price per GPU that is not the
// price of the instance divided by its GPUs, a price far outside the known rows
// of the accelerator (the price of an instance taken for that of a GPU), a
// date after asOf (unless asOf is ""), two prices for the same thing. It returns
// every problem at once, each a [CellError], and then no prices.
func ParsePrices(file string, r io.Reader, asOf Date) ([]Price, error) {
	return parsePrices(file, r, asOf, builtinPrices())
}

func parsePrices(file string, r io.Reader, asOf Date, known []Price) ([]Price, error) {
	t := readTable(file, r, priceColumns, optionalPriceColumns)
	seen := make(map[Price]int)
	var all []Price
	for i := range t.rows {
		r := &t.rows[i]
		p := Price{
			Provider:     r.need("provider"),
			InstanceType: r.need("instance_type"),
			Region:       r.need("region"),
			Accelerator:  parseSlug(r, "accelerator_slug"),
			GPUs:         r.needCount("gpus"),
			PerHourUSD:   r.needNumber("price_per_hour_usd"),
			Pricing:      Pricing(r.choice("pricing", string(OnDemand), string(Spot), string(Reserved))),
			AsOf:         parseAsOf(r, asOf),
			Source:       r.text("source"),
			Notes:        r.text("notes"),
			Row:          fmt.Sprintf("%s:%d", file, r.line),
		}
		r.count("vcpus")
		r.number("mem_gb")
		perGPU := r.number("per_gpu_hour_usd")
		if r.bad {
			continue
		}
		p.PerGPUHourUSD = p.PerHourUSD / float64(p.GPUs)
		if wrong := p.readNotes(); wrong != "" {
			r.fail("notes", "%s", wrong)
		}
		if perGPU.Known {
			checkPerGPU(r, p, perGPU.Value)
		}
		if !r.bad {
			checkPlausible(r, p, known)
		}
		what := p
		what.PerHourUSD, what.PerGPUHourUSD, what.Source, what.Row = 0, 0, "", ""
		if line, twice := seen[what]; twice {
			r.fail("instance_type", "line %d has a price for the same instance, region, pricing, date and notes", line)
		}
		seen[what] = r.line
		all = append(all, p)
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return all, nil
}

// parseSlug returns the slug of the accelerator that a cell names. A name that
// leaves something to assume is refused: data is for good.
func parseSlug(r *row, name string) string {
	s := r.need(name)
	if s == "" {
		return ""
	}
	found, err := Resolve(s)
	switch {
	case err != nil:
		r.fail(name, "%s", err)
	case found.Assumption != "":
		r.fail(name, "%s is not exact: name %s if %s", quote(s), found.Accelerator.Slug, found.Assumption)
	}
	return found.Accelerator.Slug
}

func parseAsOf(r *row, today Date) Date {
	s := r.text("as_of")
	if s == "" {
		return ""
	}
	d, err := ParseDate(s)
	switch {
	case err != nil:
		r.fail("as_of", "%s", err)
	case today != "" && d > today:
		r.fail("as_of", "%s is in the future: it is %s", d, today)
	}
	return d
}

// checkPerGPU holds the price per GPU against the price of the instance, to the
// decimals that the cell has.
func checkPerGPU(r *row, p Price, perGPU float64) {
	_, decimals, _ := strings.Cut(r.text("per_gpu_hour_usd"), ".")
	tolerance := 0.5*math.Pow10(-len(decimals)) + 1e-9*perGPU
	if math.Abs(perGPU-p.PerGPUHourUSD) <= tolerance {
		return
	}
	msg := fmt.Sprintf("%g is not price_per_hour_usd %g / %d gpus = %.4f", perGPU, p.PerHourUSD, p.GPUs, p.PerGPUHourUSD)
	if perGPU == p.PerHourUSD {
		msg += ": is it the price of the whole instance, or price_per_hour_usd that of one GPU?"
	}
	r.fail("per_gpu_hour_usd", "%s", msg)
}

func checkPlausible(r *row, p Price, known []Price) {
	if what := implausible(p.Accelerator, p.PerGPUHourUSD, p.GPUs, known); what != nil {
		r.fail("price_per_hour_usd", "%g for %d %s is %s", p.PerHourUSD, p.GPUs, p.Accelerator, what)
	}
}

// implausible tells why a price per GPU-hour, of an instance of so many, is probably
// a mistake, nil if it is not. The dearest row that it is held against is named.
//
// Beside what is far outside of all known rows, a price is refused that is outside
// and that the usual mistake would explain: the price of an instance of eight taken
// for that of a GPU is dearer than all rows, and its eighth is among them; the price
// of a GPU taken for that of an instance is among them, and its share of a GPU is
// less than half of the cheapest.
func implausible(slug string, perGPUHour float64, gpus int64, known []Price) error {
	least, most := leastPerGPUHour, float64(mostPerGPUHour)
	why := "an accelerator-hour costs between those"
	cheapest, dearest, row, node := math.Inf(1), 0.0, "", int64(1)
	for _, k := range known {
		if k.Accelerator != slug {
			continue
		}
		node = max(node, k.GPUs)
		cheapest = min(cheapest, k.PerGPUHourUSD)
		if k.PerGPUHourUSD > dearest {
			dearest, row = k.PerGPUHourUSD, k.Row
		}
	}
	instance, single := false, false
	if dearest > 0 {
		least, most = shareCheapest*cheapest, timesDearest*dearest
		why = fmt.Sprintf("known rows of %s have %.2f to %.2f, the dearest is %s", slug, cheapest, dearest, row)
		among := func(x float64) bool { return x >= cheapest && x <= dearest }
		instance = gpus == 1 && perGPUHour > dearest && among(perGPUHour/float64(node))
		single = gpus > 1 && perGPUHour < cheapest/2 && among(perGPUHour*float64(gpus))
	}
	hint := ""
	switch {
	case perGPUHour > most || instance:
		hint = "is it the price of a whole instance?"
	case perGPUHour < least || single:
		hint = "is price_per_hour_usd the price of one GPU?"
	default:
		return nil
	}
	if perGPUHour >= least && perGPUHour <= most {
		least, most = cheapest, dearest
	}
	return fmt.Errorf("$%.4g per GPU-hour, outside %.4g to %.4g (%s): %s", perGPUHour, least, most, why, hint)
}

// UserPrice is a price per GPU-hour that the user knows, for any number of
// GPUs. It is refused like one in a file when it is probably a mistake.
func UserPrice(slug string, perGPUHour float64) (Price, error) {
	if !(perGPUHour > 0) || math.IsInf(perGPUHour, 1) {
		return Price{}, fmt.Errorf("a price of $%g per GPU-hour: write a positive number", perGPUHour)
	}
	if what := implausible(slug, perGPUHour, 1, builtinPrices()); what != nil {
		return Price{}, fmt.Errorf("your price for %s is %s", slug, what)
	}
	return Price{
		Provider: UserProvider, Accelerator: slug, GPUs: 1, PerHourUSD: perGPUHour, PerGPUHourUSD: perGPUHour, Source: "given by the user",
	}, nil
}

// UserProvider is the provider of a [UserPrice].
const UserProvider = "user"
