package hardware

import (
	"cmp"
	"errors"
	"slices"

	"headroom/internal/suggest"
)

// PriceFilter says which price rows are wanted. An empty list is any.
type PriceFilter struct {
	Accelerators []string // slugs
	Providers    []string
	Pricing      []Pricing
	Regions      []string
	// Marketplaces takes machines of different owners too; without it only those of a
	// provider in Providers.
	Marketplaces bool
	Since        Date  // leaves out older rows, and those of an unknown day; "" = none
	MinGPUs      int64 // leaves out instances with fewer; a job over many nodes needs whole ones
}

// SelectPrices returns the rows that pass the filter and are current: of each
// provider, region, instance type, pricing and term the rows of the latest known
// date, and of those the cheapest. They come cheapest per GPU first, and
// equals by provider, region, instance type, pricing and row, so that the order
// is the same whatever the order of prices.
//
// A provider, region or pricing that no row has is an error, all of them at
// once, each a [NameError] with suggestions. That nothing is left is not: an
// accelerator may have no price.
func SelectPrices(prices []Price, f PriceFilter) ([]Price, error) {
	if err := f.check(prices); err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(prices), func(p Price) bool { return !f.wants(p) })
	slices.SortFunc(kept, func(a, b Price) int {
		return cmp.Or(
			compareOffer(a, b),
			-cmp.Compare(a.AsOf, b.AsOf), // the latest first
			comparePrice(a, b),
		)
	})
	kept = slices.CompactFunc(kept, func(a, b Price) bool { return compareOffer(a, b) == 0 })
	slices.SortFunc(kept, func(a, b Price) int { return cmp.Or(comparePrice(a, b), compareOffer(a, b)) })
	return kept, nil
}

// compareOffer orders by what is offered.
func compareOffer(a, b Price) int {
	return cmp.Or(
		cmp.Compare(a.Provider, b.Provider),
		cmp.Compare(a.Region, b.Region),
		cmp.Compare(a.InstanceType, b.InstanceType),
		cmp.Compare(a.Accelerator, b.Accelerator),
		cmp.Compare(a.GPUs, b.GPUs),
		cmp.Compare(a.Pricing, b.Pricing),
		cmp.Compare(a.CommitmentHours.Or(0), b.CommitmentHours.Or(0)),
	)
}

// comparePrice orders by price per GPU, and rows of one price by their text.
func comparePrice(a, b Price) int {
	if c := cmp.Compare(a.PerGPUHourUSD, b.PerGPUHourUSD); c != 0 {
		return c
	}
	return cmp.Or(compareOffer(a, b), cmp.Compare(a.Notes, b.Notes), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Row, b.Row))
}

func (f PriceFilter) wants(p Price) bool {
	if p.Marketplace() && !f.Marketplaces && len(f.Providers) == 0 {
		return false
	}
	return anyOf(f.Accelerators, p.Accelerator) && anyOf(f.Providers, p.Provider) &&
		anyOf(f.Pricing, p.Pricing) && anyOf(f.Regions, p.Region) && p.GPUs >= f.MinGPUs && p.AsOf >= f.Since
}

func anyOf[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

func (f PriceFilter) check(prices []Price) error {
	var problems []error
	known := func(what string, wanted, names []string) {
		for _, w := range wanted {
			if !slices.Contains(names, w) {
				problems = append(problems, &NameError{What: what, Name: w, Suggestions: suggest.Nearest(w, names, 3), Known: names})
			}
		}
	}
	var providers, regions, pricings, wanted []string
	for _, p := range prices {
		providers, regions = append(providers, p.Provider), append(regions, p.Region)
	}
	slices.Sort(providers)
	slices.Sort(regions)
	for _, p := range Pricings() {
		pricings = append(pricings, string(p))
	}
	for _, p := range f.Pricing {
		wanted = append(wanted, string(p))
	}
	known("accelerator", f.Accelerators, Builtin().Slugs())
	known("provider", f.Providers, slices.Compact(providers))
	known("region", f.Regions, slices.Compact(regions))
	known("pricing", wanted, pricings)
	return errors.Join(problems...)
}
