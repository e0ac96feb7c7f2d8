package accounting

import (
	"fmt"
	"math"

	"headroom/hardware"
	"headroom/internal/digits"
)

// A Rental is a training run that is to be paid for.
type Rental struct {
	Tokens        int64 // of the whole run
	TokensPerStep int64 // B·S
	Ranks         int64
	Accelerator   hardware.Accelerator // as it is rented, not its devices
	// Seconds of a step, as expected and as four of five runs take.
	StepSeconds, LowSeconds, HighSeconds float64

	Goodput Goodput // the zero value is [PerfectGoodput]
	// Price is what is paid; nil when no price is known, and Why says why not.
	Price *hardware.Price
	Why   string
	// Energy, if not nil, asks for the electricity too.
	Energy *EnergyInputs
}

// A Cost is what a run takes: time, GPU-hours and, where a price is known,
// dollars. Low and high follow the error bar of the step time. An accelerator
// with several devices is counted, and paid, once.
type Cost struct {
	Tokens        int64 `json:"tokens"` // asked for
	TokensPerStep int64 `json:"tokens_per_step"`
	Steps         int64 `json:"steps"`          // rounded up
	TokensTrained int64 `json:"tokens_trained"` // steps · tokens_per_step

	Hours        float64 `json:"hours"` // by the clock, goodput included
	HoursLow     float64 `json:"hours_low"`
	HoursHigh    float64 `json:"hours_high"`
	GPUs         int64   `json:"gpus"`
	GPUHours     float64 `json:"gpu_hours"` // of the GPUs that train
	GPUHoursLow  float64 `json:"gpu_hours_low"`
	GPUHoursHigh float64 `json:"gpu_hours_high"`

	// Dollars for the rented GPUs: whole instances.
	USD        *float64        `json:"usd"`
	USDLow     *float64        `json:"usd_low"`
	USDHigh    *float64        `json:"usd_high"`
	RentedGPUs int64           `json:"rented_gpus,omitempty"`
	Instances  int64           `json:"instances,omitempty"`
	Price      *hardware.Price `json:"price"`
	Why        string          `json:"why,omitempty"` // there are no dollars
	// CommitmentUSD is what a reserved price binds to pay in all, used or not.
	CommitmentUSD *float64 `json:"commitment_usd,omitempty"`

	Goodput Goodput  `json:"goodput"`
	Energy  *Energy  `json:"energy,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// EnergyInputs are the assumptions of an estimate of electricity.
type EnergyInputs struct {
	Utilisation float64 // mean power of an accelerator over its printed TDP
	PUE         float64 // power usage effectiveness of the building: total over equipment
}

// An Energy is the electricity of a run: GPUs·TDP·utilisation·hours·PUE. The rest
// of the servers (processors, fans, network) is not in it.
type Energy struct {
	KWh         *float64 `json:"kwh"`
	TDPWatts    float64  `json:"tdp_watts,omitempty"`
	Utilisation float64  `json:"utilisation"`
	PUE         float64  `json:"pue"`
	Why         string   `json:"why,omitempty"`
}

// Steps is how many steps the tokens of a run take: whole ones, rounded up.
func Steps(tokens, tokensPerStep int64) int64 { return (tokens-1)/tokensPerStep + 1 }

// RunHours is how long so many steps take by the clock, when a share of the time
// is lost.
func RunHours(steps int64, stepSeconds, goodput float64) float64 {
	return float64(steps) * stepSeconds / 3600 / goodput
}

// Cost is steps = ⌈tokens/(B·S)⌉, hours = steps·step/3600/goodput, GPU-hours =
// hours·GPUs, and dollars = hours · the price of whole instances an hour.
func (r Rental) Cost() (Cost, error) {
	switch {
	case r.Tokens < 1:
		return Cost{}, fmt.Errorf("a run of %d tokens: write a positive number", r.Tokens)
	case r.TokensPerStep < 1:
		return Cost{}, fmt.Errorf("a step of %d tokens: write a positive number", r.TokensPerStep)
	case r.Ranks < 1:
		return Cost{}, fmt.Errorf("a run on %d GPUs: at least 1 is needed", r.Ranks)
	case !(r.StepSeconds > 0 && r.LowSeconds > 0) || !(r.LowSeconds <= r.StepSeconds && r.StepSeconds <= r.HighSeconds) || math.IsInf(r.HighSeconds, 1):
		return Cost{}, fmt.Errorf("a step takes %g s (%g to %g): that is no time with its error bar", r.StepSeconds, r.LowSeconds, r.HighSeconds)
	}
	c := Cost{Tokens: r.Tokens, TokensPerStep: r.TokensPerStep, Steps: Steps(r.Tokens, r.TokensPerStep), Goodput: r.Goodput, Price: r.Price}
	if c.Goodput == (Goodput{}) {
		c.Goodput = PerfectGoodput
	}
	if !(c.Goodput.Share > 0 && c.Goodput.Share <= 1) {
		return Cost{}, fmt.Errorf("a goodput of %g: write a share above 0 and at most 1", c.Goodput.Share)
	}
	if r.Tokens%r.TokensPerStep != 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("%s tokens are not a whole number of steps of %s: rounded up to %s steps",
			digits.Thousands(r.Tokens), digits.Thousands(r.TokensPerStep), digits.Thousands(c.Steps)))
	}
	var err error
	if c.TokensTrained, err = mulChecked(c.Steps, r.TokensPerStep); err != nil {
		return Cost{}, err
	}
	devices := max(r.Accelerator.Devices, 1)
	c.GPUs = (r.Ranks-1)/devices + 1
	hours := func(step float64) float64 { return RunHours(c.Steps, step, c.Goodput.Share) }
	c.Hours, c.HoursLow, c.HoursHigh = hours(r.StepSeconds), hours(r.LowSeconds), hours(r.HighSeconds)
	gpus := float64(c.GPUs)
	c.GPUHours, c.GPUHoursLow, c.GPUHoursHigh = c.Hours*gpus, c.HoursLow*gpus, c.HoursHigh*gpus
	if err := c.pay(r.Why, r.Accelerator.NICBytesPerSecond.Or(assumedNIC)); err != nil {
		return Cost{}, err
	}
	if r.Energy != nil {
		c.Energy, err = r.Energy.of(r.Accelerator, c.GPUHours)
	}
	return c, err
}

// pay fills in the dollars.
func (c *Cost) pay(why string, assumedNetwork float64) error {
	if c.Price == nil {
		c.Why = orDefault(why, "no price is known")
		return nil
	}
	q, err := c.Price.Quote(c.GPUs)
	if err != nil {
		return err
	}
	c.RentedGPUs, c.Instances = q.GPUs, q.Instances
	if idle := q.GPUs - c.GPUs; idle > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("%s GPUs are rented for %s: instances are whole", digits.Thousands(q.GPUs), digits.Thousands(c.GPUs)))
	}
	usd := func(hours float64) *float64 {
		x := hours * q.PerHourUSD
		return &x
	}
	c.USD, c.USDLow, c.USDHigh = usd(c.Hours), usd(c.HoursLow), usd(c.HoursHigh)
	if term, bound := c.Price.CommitmentHours.Get(); bound {
		c.CommitmentUSD = usd(term)
		if c.Hours < term {
			c.Notes = append(c.Notes, fmt.Sprintf("the price binds for %.0f months: $%s are to be paid, whatever the run takes; the cost told is the run's share, %.2g %% of that",
				term/365/24*12, digits.Grouped(fmt.Sprintf("%.0f", *c.CommitmentUSD)), 100*c.Hours/term))
		}
	}
	if short := shortNetwork(c.Price, q, assumedNetwork); short != "" {
		c.Notes = append(c.Notes, short+fmt.Sprintf(", --network %.4g tells that of the instance", c.Price.NetworkBytesPerSecond.Or(0)/hardware.BytesPerGbit))
	}
	return nil
}

// ShortNetwork says that what is paid for has less network than the time was told with,
// or "": the time is too short, and so are the dollars.
func ShortNetwork(p *hardware.Price, q hardware.Quote, a hardware.Accelerator) string {
	return shortNetwork(p, q, a.NICBytesPerSecond.Or(assumedNIC))
}

func shortNetwork(p *hardware.Price, q hardware.Quote, assumed float64) string {
	if q.Instances < 2 || !p.ShorterNetwork(assumed) {
		return ""
	}
	return fmt.Sprintf("the instance's network is %.4g Gbit/s a GPU, and the time was told with %.4g: it is too short",
		p.NetworkBytesPerSecond.Or(0)/hardware.BytesPerGbit, assumed/hardware.BytesPerGbit)
}

// Check says what is wrong with the assumptions.
func (e EnergyInputs) Check() error {
	if !(e.Utilisation > 0 && e.Utilisation <= 1.5) {
		return fmt.Errorf("a utilisation of %g of the TDP: write a share above 0, about 0.5 to 1", e.Utilisation)
	}
	if !(e.PUE >= 1 && e.PUE <= 10) {
		return fmt.Errorf("a PUE of %g: a building uses at least what its equipment does; write 1 to 2", e.PUE)
	}
	return nil
}

// Kilowatts is what an accelerator of a known TDP draws.
func (e EnergyInputs) Kilowatts(tdpWatts float64) float64 {
	return tdpWatts * e.Utilisation * e.PUE / 1000
}

func (e EnergyInputs) of(a hardware.Accelerator, gpuHours float64) (*Energy, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	out := &Energy{Utilisation: e.Utilisation, PUE: e.PUE}
	tdp, known := a.TDPWatts.Get()
	if !known {
		out.Why = fmt.Sprintf("the catalog has no TDP of %s", a.Slug)
		return out, nil
	}
	kwh := gpuHours * e.Kilowatts(tdp)
	out.TDPWatts, out.KWh = tdp, &kwh
	return out, nil
}
