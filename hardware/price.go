package hardware

import (
	"fmt"
	"math"
	"time"
)

// Date is a day as 2006-01-02, or "" when it is not known. Dates compare as
// strings, and an unknown one is before all others.
type Date string

// ParseDate returns the day that s names.
func ParseDate(s string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", fmt.Errorf("%s is not a day like 2026-07-30", quote(s))
	}
	return Date(s), nil
}

// Pricing is how an instance is paid for.
type Pricing string

// The kinds of pricing. Reserved prices need a commitment, which the notes of
// the row name; spot instances can be taken away.
const (
	OnDemand Pricing = "on_demand"
	Spot     Pricing = "spot"
	Reserved Pricing = "reserved"
)

// Pricings returns every kind of pricing.
func Pricings() []Pricing { return []Pricing{OnDemand, Spot, Reserved} }

// Price is what one provider asked for one kind of instance, in US dollars.
type Price struct {
	Provider      string  `json:"provider"`
	InstanceType  string  `json:"instance_type"`
	Region        string  `json:"region"`
	Accelerator   string  `json:"accelerator"` // slug
	GPUs          int64   `json:"gpus"`        // in one instance
	PerHourUSD    float64 `json:"per_hour_usd"`
	PerGPUHourUSD float64 `json:"per_gpu_hour_usd"` // PerHourUSD / GPUs
	Pricing       Pricing `json:"pricing"`
	AsOf          Date    `json:"as_of"` // "" when not known
	Source        string  `json:"source"`
	Notes         string  `json:"notes"`
	Row           string  `json:"row"` // file:line of the row
}

// Quote is what renting some GPUs costs: whole instances.
type Quote struct {
	GPUs       int64   `json:"gpus"` // paid for
	Instances  int64   `json:"instances"`
	PerHourUSD float64 `json:"per_hour_usd"` // of all instances
}

// Quote returns the cost of renting at least that many GPUs, rounded up to
// whole instances. It is an error to ask for none, or for more than can be
// counted.
func (p Price) Quote(gpus int64) (Quote, error) {
	switch {
	case gpus < 1:
		return Quote{}, fmt.Errorf("a quote for %d GPUs: ask for at least 1", gpus)
	case p.GPUs < 1:
		return Quote{}, fmt.Errorf("price row %s has %d GPUs in an instance", p.Row, p.GPUs)
	}
	instances := gpus / p.GPUs
	if gpus%p.GPUs != 0 {
		instances++
	}
	if instances > math.MaxInt64/p.GPUs {
		return Quote{}, fmt.Errorf("a quote for %d GPUs: too many to count", gpus)
	}
	return Quote{GPUs: instances * p.GPUs, Instances: instances, PerHourUSD: float64(instances) * p.PerHourUSD}, nil
}
