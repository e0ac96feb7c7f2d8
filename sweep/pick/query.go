package pick

import (
	"errors"
	"fmt"
	"math"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
)

// A Query asks what to rent.
type Query struct {
	// Case is the run: model, context, global batch, tokens, profile, recipe and
	// kernels. Parallel sizes, micro-batch and recompute are tried unless they are
	// given; GPUs and UsableBytes are not looked at.
	Case accounting.Options

	Accelerators []hardware.Accelerator // in any order, distinct
	GPUs         []int64                // numbers to try; none = [usualGPUs], at most MaxGPUs
	MaxGPUs      int64                  // 0 = no bound
	Recompute    []string               // modes to try; none = all, unless Case has one

	// OwnNetwork says that the accelerators' network is the asker's own, whatever
	// network the offers name.
	OwnNetwork bool

	// Offers are the prices to choose from, at most one row an offer (see
	// [hardware.SelectPrices]). An accelerator without an offer is ruled out; when
	// no accelerator has one, the fastest is found without dollars.
	Offers []hardware.Price

	BudgetUSD     float64 // of what is to be paid, a contract to its end; 0 = none
	DeadlineHours float64 // 0 = none
	// HorizonHours leaves out longer runs where no deadline is given and others meet
	// the budget within it; 0 = none.
	HorizonHours float64
	// Cautious holds budget and deadline against the high end of the error bar.
	Cautious bool
	// Spare is the share of the memory that a plan must leave free.
	Spare float64

	// Goodput is the share of time that trains on so many accelerators at a price (nil
	// without one); nil = [accounting.PerfectGoodput]. Choices whose error is
	// [accounting.ErrNoProgress] are ruled out.
	Goodput func(gpus int64, p *hardware.Price) (accounting.Goodput, error)
	Energy  *accounting.EnergyInputs // nil = not asked

	contractsUSD float64 // a budget for contracts alone: [PickOptimal] holds the rest against its own

	Timer   Timer // nil = [ModelTimer]
	Workers int   // 0 = 1
}

// A Timer prepares the timing of steps on one accelerator under one recipe. Its
// error says why the accelerator cannot run the recipe.
type Timer func(a hardware.Accelerator, r *accounting.Recipe) (StepTimer, error)

// A StepTimer predicts one step of a case that fits. It must be a pure function,
// safe for concurrent use.
type StepTimer func(c *accounting.Compiled, x *accounting.Setting) Step

// A Step is how long one optimizer step takes, with its error bar.
type Step struct {
	Seconds               float64 `json:"seconds"`
	Low                   float64 `json:"low"`
	High                  float64 `json:"high"`
	TokensPerSecondPerGPU float64 `json:"tokens_per_second_per_gpu"`
	MFU                   float64 `json:"mfu"`
}

// mostGPUs bounds the search: no run is that large.
const mostGPUs = 1 << 20

// Room is the share of the memory that a plan should leave free to be safe: the
// 90th percentile of the error of reserved memory (accounting/ACCURACY.md).
const Room = 0.05

func (q *Query) check() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if q.Case.Model == nil {
		fail("no model was given")
	}
	if q.Case.Tokens < 1 {
		fail("%d tokens to train: write a positive number, such as 1T", q.Case.Tokens)
	}
	if q.Case.GlobalBatch < 1 {
		fail("a global batch of %d sequences: write a positive number", q.Case.GlobalBatch)
	}
	if len(q.Accelerators) == 0 {
		fail("no accelerator to choose from")
	}
	if q.MaxGPUs < 0 {
		fail("at most %d GPUs: write a positive number", q.MaxGPUs)
	}
	for _, n := range q.GPUs {
		if n < 1 || n > mostGPUs {
			fail("%d GPUs: write a number from 1 to %d", n, mostGPUs)
		}
	}
	for name, x := range map[string]float64{"budget": q.BudgetUSD, "deadline": q.DeadlineHours, "horizon": q.HorizonHours} {
		if !(x >= 0) || math.IsInf(x, 1) {
			fail("a %s of %g: write a positive number", name, x)
		}
	}
	if !(q.Spare >= 0 && q.Spare < 1) {
		fail("%g of the memory to stay free: write a share from 0 to less than 1", q.Spare)
	}
	if _, err := bareModel(q.Case.Model); q.Case.Model != nil && err != nil {
		fail("%v", err)
	}
	return errors.Join(problems...)
}

// bareModel refuses models that the search cannot price.
func bareModel(m *arch.Model) (int64, error) {
	if m == nil {
		return 0, nil
	}
	if n := m.Layers(); n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("%s has no layers", m.Name)
}

// The numbers of GPUs that are tried when none are given: powers of two, up to what
// a run needs that ends in a month at 0.2 PFLOP/s a GPU, half of what is usual on
// an H100.
const (
	usualSeconds  = 30 * 24 * 3600
	usualRate     = 0.2e15
	leastMostGPUs = 1 << 10
	mostUsualGPUs = 1 << 16
)

// usualGPUs are the numbers of GPUs that are worth looking at for a run.
func (q *Query) usualGPUs() ([]int64, error) {
	counts, err := q.Case.Model.ParameterCount()
	if err != nil {
		return nil, err
	}
	seconds := float64(usualSeconds)
	if q.DeadlineHours > 0 {
		seconds = min(seconds, 3600*q.DeadlineHours)
	}
	needed := 6 * float64(counts.Active) * float64(q.Case.Tokens) / (usualRate * seconds)
	var out []int64
	for n := int64(1); ; n *= 2 {
		out = append(out, n)
		if n >= mostUsualGPUs || n >= leastMostGPUs && float64(n) >= needed {
			return out, nil
		}
	}
}
