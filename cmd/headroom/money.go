package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"headroom/accounting"
	"headroom/hardware"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// moneyFlags are the flags that decide what a run costs, beside the run itself.
type moneyFlags struct {
	filter  hardware.PriceFilter
	pricing []string
	price   dollarAmount
	file    string
	since   string

	goodput  float64
	failures accounting.Failures
	check    time.Duration
	restart  time.Duration
	interval time.Duration

	energy accounting.EnergyInputs
}

func (m *moneyFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&m.filter.Providers, "provider", nil, "prices only from `NAME`[,NAME]")
	f.StringSliceVar(&m.pricing, "pricing", []string{string(hardware.OnDemand)}, "prices of `KIND`[,KIND]: on_demand, spot, reserved")
	f.StringSliceVar(&m.filter.Regions, "region", nil, "prices only in `REGION`[,REGION]")
	f.StringVar(&m.since, "prices-since", "", "only price rows of that `DAY` or later, such as 2026-01-01; those of an unknown day are left out")
	f.Var(&m.price, "price", "your own price of one GPU for one hour, in place of the catalog's")
	f.StringVar(&m.file, "prices", "", "price rows in a CSV `FILE` like the catalog's, in place of it")
	f.Float64Var(&m.goodput, "goodput", 1, "`SHARE` of the rented time that trains")
	f.Float64Var(&m.failures.GPUHoursBetween, "gpu-hours-between-failures", 0, "mean `HOURS` of one GPU between failures, for the goodput; 0 = none")
	f.Float64Var(&m.failures.InstanceHoursBetween, "instance-hours-between-interruptions", 0, "mean `HOURS` until a spot instance is taken away, for the goodput of spot prices; 0 = never")
	f.DurationVar(&m.check, "checkpoint-time", 0, "how long training stops for a checkpoint, such as 60s")
	f.DurationVar(&m.restart, "restart-time", 0, "how long from a failure to the next step, such as 10m")
	f.DurationVar(&m.interval, "checkpoint-interval", 0, "training between checkpoints (default the best, by Daly 2006)")
	f.Float64Var(&m.energy.Utilisation, "power", 1, "mean power of a GPU as a `SHARE` of its TDP; asks for the energy")
	f.Float64Var(&m.energy.PUE, "pue", 1, "power usage effectiveness of the building; asks for the energy")
	dynamic(cmd, "provider", false, func() []string { return pricedNames(func(p hardware.Price) string { return p.Provider }) })
	dynamic(cmd, "region", false, func() []string { return pricedNames(func(p hardware.Price) string { return p.Region }) })
	fixed(cmd, "pricing", "on_demand", "spot", "reserved")
}

// given is the first of these flags that the command line has, or "".
func (m *moneyFlags) given(cmd *cobra.Command) (name string) {
	var mine moneyFlags
	own := &cobra.Command{}
	mine.register(own)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if name == "" && own.Flags().Lookup(f.Name) != nil {
			name = f.Name
		}
	})
	return name
}

// offers are the prices that the flags leave.
func (m *moneyFlags) offers(s *state, cmd *cobra.Command, accelerators []hardware.Accelerator) ([]hardware.Price, error) {
	given := cmd.Flags().Changed
	if given("price") {
		for _, other := range []string{"prices", "provider", "region", "pricing", "prices-since"} {
			if given(other) {
				return nil, usage("--price is your own, whoever it is from", "--price and --%s cannot be combined", other)
			}
		}
		var out []hardware.Price
		for _, a := range accelerators {
			p, err := hardware.UserPrice(a.Slug, float64(m.price))
			if err != nil {
				return nil, misuse(err, "--price is of one GPU for one hour; --gpu NAME says of which, and --prices FILE.csv takes a price for each")
			}
			out = append(out, p)
		}
		return out, nil
	}
	prices := hardware.Prices()
	if m.file != "" {
		fsys, name := s.open(m.file)
		f, err := fsys.Open(name)
		if err != nil {
			return nil, misuse(fmt.Errorf("%s can not be read: %w", m.file, err), "give the path of a CSV table of prices")
		}
		defer f.Close()
		if prices, err = hardware.ParsePrices(m.file, f, s.Today); err != nil {
			return nil, misuse(err, "columns: provider instance_type region accelerator_slug gpus price_per_hour_usd pricing, and as_of for the day")
		}
	}
	filter := m.filter
	filter.Marketplaces = m.file != "" // what somebody collected is meant
	if m.since != "" {
		var err error
		if filter.Since, err = hardware.ParseDate(m.since); err != nil {
			return nil, misuse(fmt.Errorf("--prices-since: %w", err), "")
		}
		if filter.Since > s.Today {
			return nil, usage("", "--prices-since %s is in the future: it is %s", filter.Since, s.Today)
		}
	}
	for _, p := range m.pricing {
		filter.Pricing = append(filter.Pricing, hardware.Pricing(p))
	}
	list, err := hardware.SelectPrices(prices, filter)
	return list, misuse(err, "headroom prices lists what is known")
}

// lostTime is the goodput that the flags say, of so many GPUs at a price; nil is
// none.
func (m *moneyFlags) lostTime(cmd *cobra.Command) (func(gpus int64, p *hardware.Price) (accounting.Goodput, error), error) {
	f := m.failures
	f.CheckpointSeconds, f.RestartSeconds, f.IntervalSeconds = m.check.Seconds(), m.restart.Seconds(), m.interval.Seconds()
	if cmd.Flags().Changed("goodput") {
		if f != (accounting.Failures{}) {
			return nil, usage("the first is the share that the others would give", "--goodput cannot be combined with failures and checkpoints")
		}
		g, err := accounting.GivenGoodput(m.goodput)
		return func(int64, *hardware.Price) (accounting.Goodput, error) { return g, nil }, misuse(err, "")
	}
	if _, err := f.Goodput(1, 1); err != nil && !errors.Is(err, accounting.ErrNoProgress) { // what is wrong whatever the number
		return nil, misuse(err, "--gpu-hours-between-failures N: 419 interruptions of 16,384 H100 in 54 days, as Llama 3 405B had, are 50700")
	}
	if (f.GPUHoursBetween > 0 || f.InstanceHoursBetween > 0) && f.CheckpointSeconds == 0 && f.RestartSeconds == 0 {
		return nil, usage("add --checkpoint-time 60s --restart-time 10m", "failures cost nothing where neither a checkpoint nor a restart takes time")
	}
	return func(gpus int64, p *hardware.Price) (accounting.Goodput, error) {
		spot := int64(0)
		if p != nil && p.Pricing == hardware.Spot {
			q, err := p.Quote(gpus)
			if err != nil {
				return accounting.Goodput{}, err
			}
			spot = q.Instances
		}
		return f.Goodput(gpus, spot)
	}, nil
}

// electricity is what the flags ask about energy, nil for nothing.
func (m *moneyFlags) electricity(cmd *cobra.Command) *accounting.EnergyInputs {
	if !cmd.Flags().Changed("power") && !cmd.Flags().Changed("pue") {
		return nil
	}
	return &m.energy
}

// A dollarAmount flag takes 250000, $1.5M or 2.10.
type dollarAmount float64

// Set reads a flag's value.
func (d *dollarAmount) Set(text string) error {
	bad := fmt.Errorf("%.40q is not an amount of dollars, such as 250000, 1.5M or 2.10", text)
	number := strings.TrimPrefix(strings.TrimSpace(text), "$")
	factor := 1.0
	for suffix, f := range map[string]float64{"K": 1e3, "M": 1e6, "B": 1e9} {
		if rest, ok := strings.CutSuffix(strings.ToUpper(number), suffix); ok {
			number, factor = rest, f
			break
		}
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(number, "_", ""), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) || strings.ContainsAny(number, "xXpP") {
		return bad
	}
	if x <= 0 {
		return fmt.Errorf("%q: write a positive amount", text)
	}
	*d = dollarAmount(x * factor)
	return nil
}

// String is the value for help texts.
func (d *dollarAmount) String() string {
	if *d == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*d), 'f', -1, 64)
}

// Type names the kind of value in help texts.
func (d *dollarAmount) Type() string { return "USD" }

// A longTime flag takes 36h, 30d or 6w, in hours. A bare number would have to be
// guessed.
type longTime struct{ hours float64 }

var longUnits = []struct {
	suffix string
	hours  float64
}{{"h", 1}, {"d", 24}, {"w", 7 * 24}}

// Set reads a flag's value.
func (l *longTime) Set(text string) error {
	for _, u := range longUnits {
		number, ok := strings.CutSuffix(strings.TrimSpace(text), u.suffix)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(number, 64)
		switch {
		case err != nil || math.IsNaN(x) || math.IsInf(x, 0):
		case x <= 0:
			return fmt.Errorf("%q: write a positive time", text)
		default:
			l.hours = x * u.hours
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a time with its unit, such as 36h, 30d or 6w", text)
}

// String is the value for help texts.
func (l *longTime) String() string {
	if l.hours == 0 {
		return ""
	}
	return fmt.Sprintf("%gh", l.hours)
}

// Type names the kind of value in help texts.
func (l *longTime) Type() string { return "TIME" }

// costOf is what a case costs on the cheapest offer that is good for it, with why
// there are no dollars where there are none. The case must have been timed.
func (m *moneyFlags) costOf(s *state, cmd *cobra.Command, a hardware.Accelerator, c *accounting.Case, t *accounting.TimeFields) (*accounting.Cost, error) {
	offers, err := m.offers(s, cmd, []hardware.Accelerator{a})
	if err != nil {
		return nil, err
	}
	lost, err := m.lostTime(cmd)
	if err != nil {
		return nil, err
	}
	x := &c.Setting
	r := accounting.Rental{
		Tokens: x.Tokens, TokensPerStep: x.GlobalBatch * x.Context, Ranks: x.GPUs, Accelerator: a,
		StepSeconds: t.StepSeconds, LowSeconds: t.Low, HighSeconds: t.High, Energy: m.electricity(cmd),
	}
	gpus := (x.GPUs-1)/max(a.Devices, 1) + 1
	r.Price, _, r.Why = hardware.CheapestOffer(offers, a, gpus)
	if r.Goodput, err = lost(gpus, r.Price); err != nil {
		return nil, misuse(err, "")
	}
	cost, err := r.Cost()
	return &cost, misuse(err, "")
}
