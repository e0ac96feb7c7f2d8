package hardware

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Date is a day as 2006-01-02, or "" when it is not known. Dates compare as
// strings, and an unknown one is before all others.
type Date string

// ParseDate returns the day that s names. (Package time would do, and bring a clock
// with it into every formula that looks at a price.)
func ParseDate(s string) (Date, error) {
	bad := fmt.Errorf("%s is not a day like 2026-07-30", quote(s))
	if len(s) != len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return "", bad
	}
	var part [3]uint64
	for i, text := range []string{s[:4], s[5:7], s[8:]} {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return "", bad
		}
		part[i] = n
	}
	year, month, day := part[0], part[1], part[2]
	if month < 1 || month > 12 || day < 1 {
		return "", bad
	}
	days := [...]uint64{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days++
	}
	if day > days {
		return "", bad
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

	// NetworkBytesPerSecond is the share of one GPU in the instance's network, one
	// direction; CommitmentHours is how long a reserved price binds. Unknown, or none,
	// where the notes do not say.
	NetworkBytesPerSecond Optional[float64] `json:"network_bytes_per_second"`
	CommitmentHours       Optional[float64] `json:"commitment_hours"`
}

// readNotes takes from the notes what they say in a fixed form: "node network 3200.0
// Gb/s" and "3y committed use". It returns what is wrong with them, or "".
func (p *Price) readNotes() string {
	for note := range strings.SplitSeq(p.Notes, ";") {
		w := strings.Fields(note)
		switch {
		case len(w) == 4 && w[0] == "node" && w[1] == "network" && w[3] == "Gb/s":
			x, err := strconv.ParseFloat(w[2], 64)
			switch {
			case err != nil && !errors.Is(err, strconv.ErrRange): // words, as in all other notes
			case x > 0 && x < 1e9:
				p.NetworkBytesPerSecond = Known(x * BytesPerGbit / float64(p.GPUs))
			default:
				return fmt.Sprintf("a node network of %s Gb/s: leave it out when it is not known", w[2])
			}
		case len(w) == 3 && w[1] == "committed" && w[2] == "use":
			if years, err := strconv.ParseUint(strings.TrimSuffix(w[0], "y"), 10, 8); err == nil && years > 0 {
				p.CommitmentHours = Known(float64(years) * 365 * 24)
			}
		}
	}
	return ""
}

// Why an offer is not good for a run of some size.
const (
	UnfitMarketplace = "its machines have different owners, and no network for training joins them"
	UnfitPartialNode = "its instances are parts of a node, and no network for training joins them"
	UnfitNoNetwork   = "no network that joins its instances is known"
)

// Marketplace says that the instances are machines of different owners: of a
// provider that is known as one, or by the notes.
func (p Price) Marketplace() bool {
	return p.Provider == "vast" || strings.Contains(p.Notes, "marketplace offer")
}

// PerChip says that the price is of one chip of a slice of any size, as those of TPUs
// are, by the notes.
func (p Price) PerChip() bool { return strings.Contains(p.Notes, "per chip-hour") }

// Unfit tells why an offer is not good for a run on so many accelerators, or "":
// either one instance holds them all, or instances are whole nodes (of more than
// one GPU where the usual node is not known) whose network is known, from the row or
// the accelerator. A [UserPrice] is good for any number.
func (p Price) Unfit(a Accelerator, gpus int64) string {
	switch {
	case gpus <= p.GPUs || p.Provider == UserProvider || p.PerChip():
		return ""
	case p.Marketplace():
		return UnfitMarketplace
	case p.GPUs < a.GPUsPerNode.Or(2):
		return UnfitPartialNode
	case !p.NetworkBytesPerSecond.Known && !a.NICBytesPerSecond.Known:
		return UnfitNoNetwork
	}
	return ""
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

// CheapestOffer returns the offer on which a run on so many of an accelerator costs
// least an hour, whole instances counted, with its quote; of equals the first. An
// offer whose network is shorter than the accelerator's is taken where there is no
// other: the time of the run is told with the accelerator's. Where there is none, why
// tells why in words.
func CheapestOffer(offers []Price, a Accelerator, gpus int64) (best *Price, quote Quote, why string) {
	why = fmt.Sprintf("no price row for %s", a.Slug)
	short := false // the best's network
	for i := range offers {
		p := &offers[i]
		if p.Accelerator != a.Slug {
			continue
		}
		if unfit := p.Unfit(a, gpus); unfit != "" {
			if best == nil {
				why = fmt.Sprintf("no price row for %d × %s; of the nearest, %s in %s, %s", gpus, a.Slug, p.Provider, p.Region, unfit)
			}
			continue
		}
		q, err := p.Quote(gpus)
		if err != nil {
			why = err.Error()
			continue
		}
		slow := q.Instances > 1 && p.ShorterNetwork(a.NICBytesPerSecond.Or(0))
		if best == nil || short && !slow || short == slow && q.PerHourUSD < quote.PerHourUSD {
			best, quote, short = p, q, slow
		}
	}
	if best != nil {
		why = ""
	}
	return best, quote, why
}

// ShorterNetwork says that the instance is known to have less network a GPU than so
// many bytes a second, by more than rounding.
func (p Price) ShorterNetwork(bytesPerSecond float64) bool {
	return p.NetworkBytesPerSecond.Known && p.NetworkBytesPerSecond.Or(0) < 0.99*bytesPerSecond
}
