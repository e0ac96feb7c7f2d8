package pick

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"headroom/accounting"
	"headroom/hardware"
)

// Objectives of a choice.
const (
	Cheapest = "cheapest"
	Fastest  = "fastest"
)

// A Choice is one way to run, and what it costs.
type Choice struct {
	Accelerator string          `json:"gpu"`
	GPUs        int64           `json:"gpus"`
	Network     *float64        `json:"network_bytes_per_second"` // of one GPU, that the time assumes; null = not known
	Plan        Plan            `json:"plan"`
	MicroBatch  int64           `json:"micro_batch"`
	Recompute   string          `json:"recompute"`
	PeakBytes   int64           `json:"peak_bytes"`
	UsableBytes int64           `json:"usable_bytes"`
	Step        Step            `json:"step"`
	Days        float64         `json:"days"`
	DaysLow     float64         `json:"days_low"`
	DaysHigh    float64         `json:"days_high"`
	Cost        accounting.Cost `json:"cost"`

	candidate *candidate
}

// Plan is a parallel plan under its names in flags and columns.
type Plan struct {
	TP   int64 `json:"tp"`
	SP   bool  `json:"sp"`
	PP   int64 `json:"pp"`
	VPP  int64 `json:"vpp"`
	CP   int64 `json:"cp"`
	EP   int64 `json:"ep"`
	ETP  int64 `json:"etp"`
	DP   int64 `json:"dp"`
	ZeRO int64 `json:"zero"`
}

// usd is the price of a choice, infinite where none is known.
func (c *Choice) usd() float64 {
	if c.Cost.USD == nil {
		return math.Inf(1)
	}
	return *c.Cost.USD
}

// A Comparison holds another choice against the winner.
type Comparison struct {
	Choice Choice `json:"choice"`
	// Gap is how much worse it is than the winner, as a share of the winner: in
	// dollars where the cheapest is asked for, otherwise in hours.
	Gap float64 `json:"gap"`
	// ErrorBar is how far the high end of the winner is above what is expected, and
	// WithinErrorBar whether the bars of the two overlap.
	ErrorBar       float64 `json:"error_bar"`
	WithinErrorBar bool    `json:"within_error_bar"`
}

// A Misfit is the candidate that lacks the least memory.
type Misfit struct {
	Accelerator    string `json:"gpu"`
	GPUs           int64  `json:"gpus"`
	Plan           Plan   `json:"plan"`
	MicroBatch     int64  `json:"micro_batch"`
	Recompute      string `json:"recompute"`
	PeakBytes      int64  `json:"peak_bytes"`
	UsableBytes    int64  `json:"usable_bytes"`
	ShortfallBytes int64  `json:"shortfall_bytes"`
}

// A Result is the answer to a [Query].
type Result struct {
	Objective string `json:"objective"` // cheapest or fastest
	Model     string `json:"model"`
	Tokens    int64  `json:"tokens"`
	Context   int64  `json:"seq"`
	Global    int64  `json:"global_batch"`

	Winner   *Choice `json:"winner"` // nil when nothing meets the demands
	Cheapest *Choice `json:"cheapest"`
	Fastest  *Choice `json:"fastest"`
	// Front holds the choices of which no other is as cheap and as fast, fastest first.
	Front []Choice `json:"front"`
	// RunnerUp is the next best with another accelerator or number of GPUs, OtherGPU
	// the next best with another accelerator.
	RunnerUp *Comparison `json:"runner_up"`
	OtherGPU *Comparison `json:"other_gpu"`

	// Optimal is how model and tokens were chosen, where they were.
	Optimal *Optimal `json:"optimal,omitempty"`
	// Explain is the case of the winner, with its cost.
	Explain *accounting.Explanation `json:"explain,omitempty"`

	// Where nothing meets the demands: why, and what comes nearest.
	Why         string  `json:"why,omitempty"`
	Nearest     *Choice `json:"nearest,omitempty"`
	NearestRoom *Misfit `json:"nearest_room,omitempty"`

	// Candidates and Choices are how many there are. Every candidate is in one
	// exclusion or is the fitted one of its accelerator, network and number; every choice is
	// in one exclusion of the stage cost or on the front.
	Candidates int64       `json:"candidates"`
	Fitted     int64       `json:"fitted"`
	Choices    int64       `json:"choices"`
	Excluded   []Exclusion `json:"excluded"`
	Notes      []string    `json:"notes,omitempty"`

	// All are the choices that meet the demands, best first.
	All []Choice `json:"-"`

	query *Query
}

// ExplainWinner fills in Explain: the case of the winner with its cost.
func (r *Result) ExplainWinner() error {
	if r.Winner == nil {
		return nil
	}
	c, err := r.query.Options(r.Winner).Resolve()
	if err != nil {
		return err
	}
	a := r.query.Accelerators[r.Winner.candidate.accelerator]
	if c.Setting.Machine, err = accounting.NewMachine(a, &c.Recipe.Precision, 0); err != nil {
		return err
	}
	if r.Explain, err = c.Explain(false); err != nil {
		return err
	}
	r.Explain.Case.Accelerator = r.Winner.Accelerator
	r.Explain.Cost = &r.Winner.Cost
	return nil
}

// Pick finds what to rent. That nothing meets the demands is an answer, not an
// error: then there is no winner.
func Pick(q Query) (*Result, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	q.GPUs = slices.Compact(slices.Sorted(slices.Values(q.GPUs)))
	m := newMarket(&q)
	s, err := newSearch(&q)
	if err != nil {
		return nil, err
	}
	best, all, err := s.run(m.refusal)
	if err != nil {
		return nil, err
	}
	x := &s.kernels[0].setting
	r := &Result{
		Objective: Cheapest, Model: q.Case.Model.Name, Tokens: q.Case.Tokens, Context: x.Context, Global: x.GlobalBatch,
		Candidates: all.total, Notes: s.notes, Front: []Choice{}, query: &q,
	}
	if q.BudgetUSD > 0 && q.DeadlineHours == 0 || m.empty {
		r.Objective = Fastest
	}
	var choices []Choice
	for _, n := range q.GPUs {
		for _, c := range best[n] {
			if c == nil {
				continue
			}
			r.Fitted++
			offered, err := m.choices(c)
			if err != nil {
				return nil, err
			}
			choices = append(choices, offered...)
		}
	}
	r.Choices = int64(len(choices))
	r.settle(&q, choices, all.counts)
	if r.Fitted == 0 && all.nearest != nil {
		r.NearestRoom = s.describe(all.nearest)
	}
	r.Excluded = all.counts.list()
	if m.empty {
		r.Notes = append(r.Notes, "no price is known for any of the accelerators: the choice is by time alone")
		if q.BudgetUSD > 0 {
			return nil, errors.New("a budget needs prices: none is known for any of the accelerators, as they were asked for")
		}
	}
	return r, nil
}

// settle applies the demands, and finds the front and the winner.
func (r *Result) settle(q *Query, choices []Choice, counts tally) {
	order := byUSD
	if r.Objective == Fastest {
		order = byHours
	}
	feasible := make([]Choice, 0, len(choices))
	for i := range choices {
		c := &choices[i]
		usd, hours := c.usd(), c.Cost.Hours
		if q.Cautious {
			hours = c.Cost.HoursHigh
			if c.Cost.USDHigh != nil {
				usd = *c.Cost.USDHigh
			}
		}
		switch {
		case q.DeadlineHours > 0 && hours > q.DeadlineHours:
			counts.add(stageCost, reasonDeadline, 1)
		case q.BudgetUSD > 0 && usd > q.BudgetUSD:
			counts.add(stageCost, reasonBudget, 1)
		default:
			feasible = append(feasible, *c)
		}
	}
	if len(feasible) == 0 {
		r.nearest(q, choices)
		return
	}
	slices.SortFunc(feasible, order)
	r.All = feasible
	r.Front = front(feasible)
	counts.add(stageCost, reasonDominated, int64(len(feasible)-len(r.Front)))
	r.Winner = &feasible[0]
	cheapest, fastest := slices.MinFunc(feasible, byUSD), slices.MinFunc(feasible, byHours)
	if cheapest.Cost.USD != nil {
		r.Cheapest = &cheapest
	}
	r.Fastest = &fastest
	r.RunnerUp = r.compare(func(c *Choice) bool {
		return c.Accelerator != r.Winner.Accelerator || c.GPUs != r.Winner.GPUs
	})
	r.OtherGPU = r.compare(func(c *Choice) bool { return c.Accelerator != r.Winner.Accelerator })
}

// compare finds the best choice that is wanted and holds it against the winner.
func (r *Result) compare(wanted func(*Choice) bool) *Comparison {
	i := slices.IndexFunc(r.All, func(c Choice) bool { return wanted(&c) })
	if i < 0 {
		return nil
	}
	w, c := &r.Winner.Cost, &r.All[i].Cost
	out := &Comparison{Choice: r.All[i], ErrorBar: w.HoursHigh/w.Hours - 1}
	if r.Objective == Cheapest && c.USD != nil {
		out.Gap = *c.USD / *w.USD - 1
		out.WithinErrorBar = *c.USDLow <= *w.USDHigh
		return out
	}
	out.Gap = c.Hours/w.Hours - 1
	out.WithinErrorBar = c.HoursLow <= w.HoursHigh
	return out
}

// nearest tells why nothing meets the demands, and what would with the least
// change of them.
func (r *Result) nearest(q *Query, choices []Choice) {
	if len(choices) == 0 {
		r.Why = "no plan fits: every candidate is ruled out by divisibility or memory, or cannot be rented"
		return
	}
	// By how many times a choice misses the demand that it misses most.
	misses := func(c *Choice) float64 {
		over := 0.0
		if q.BudgetUSD > 0 {
			over = max(over, c.high(q.Cautious, c.Cost.USD, c.Cost.USDHigh)/q.BudgetUSD)
		}
		if q.DeadlineHours > 0 {
			over = max(over, c.high(q.Cautious, &c.Cost.Hours, &c.Cost.HoursHigh)/q.DeadlineHours)
		}
		return over
	}
	near := slices.MinFunc(choices, func(a, b Choice) int {
		return cmp.Or(cmp.Compare(misses(&a), misses(&b)), byUSD(a, b))
	})
	r.Nearest = &near
	end := ""
	if q.Cautious {
		end = " at the high end of the error bar"
	}
	usd, hours := near.high(q.Cautious, near.Cost.USD, near.Cost.USDHigh), near.high(q.Cautious, &near.Cost.Hours, &near.Cost.HoursHigh)
	switch {
	case q.BudgetUSD > 0 && q.DeadlineHours > 0:
		r.Why = fmt.Sprintf("nothing costs at most $%.0f and ends within %.4g days; the nearest costs $%.0f and takes %.4g days%s", q.BudgetUSD, q.DeadlineHours/24, usd, hours/24, end)
	case q.BudgetUSD > 0:
		r.Why = fmt.Sprintf("nothing costs at most $%.0f; the cheapest costs $%.0f%s", q.BudgetUSD, usd, end)
	default:
		r.Why = fmt.Sprintf("nothing ends within %.4g days; the fastest takes %.4g days%s", q.DeadlineHours/24, hours/24, end)
	}
}

// high is the expected or the high value, infinite where there is none.
func (c *Choice) high(cautious bool, expected, high *float64) float64 {
	if cautious {
		expected = high
	}
	if expected == nil {
		return math.Inf(1)
	}
	return *expected
}

func byUSD(a, b Choice) int {
	return cmp.Or(cmp.Compare(a.usd(), b.usd()), cmp.Compare(a.Cost.Hours, b.Cost.Hours), byName(&a, &b))
}

func byHours(a, b Choice) int {
	return cmp.Or(cmp.Compare(a.Cost.Hours, b.Cost.Hours), cmp.Compare(a.usd(), b.usd()), byName(&a, &b))
}

// byName orders choices that are equal in dollars and hours.
func byName(a, b *Choice) int {
	var p, q hardware.Price
	if a.Cost.Price != nil && b.Cost.Price != nil {
		p, q = *a.Cost.Price, *b.Cost.Price
	}
	return cmp.Or(
		cmp.Compare(a.GPUs, b.GPUs), cmp.Compare(a.Accelerator, b.Accelerator), cmp.Compare(p.Provider, q.Provider),
		cmp.Compare(p.Region, q.Region), cmp.Compare(p.InstanceType, q.InstanceType), cmp.Compare(p.Pricing, q.Pricing), cmp.Compare(p.Row, q.Row),
	)
}

// front is the Pareto front of dollars against hours, fastest first: of choices
// equal in both, the first by name.
func front(choices []Choice) []Choice {
	sorted := slices.SortedFunc(slices.Values(choices), byHours)
	out := []Choice{}
	least := math.Inf(1)
	for i := range sorted {
		if usd := sorted[i].usd(); usd < least {
			least = usd
			out = append(out, sorted[i])
		}
	}
	if len(out) == 0 && len(sorted) > 0 {
		out = sorted[:1] // without prices the fastest is the front
	}
	return out
}
