package pick

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/hardware"
	"headroom/internal/digits"
)

// settle applies the demands, and finds the front, the winner and what is held
// against it.
func (r *Result) settle(choices []Choice, counts tally) {
	feasible := r.feasible(choices, counts)
	if len(feasible) == 0 {
		r.nearest(r.query, choices)
		return
	}
	slices.SortFunc(feasible, r.order())
	r.All = feasible
	r.Front = front(feasible)
	counts.add(stageCost, reasonDominated, int64(len(feasible)-len(r.Front)))
	r.Winner = &feasible[0]
	cheapest, fastest := slices.MinFunc(feasible, byUSD), slices.MinFunc(feasible, byHours)
	if cheapest.Cost.USD != nil {
		r.Cheapest = &cheapest
	}
	r.Fastest = &fastest
	r.RunnerUp = r.next(func(c *Choice) bool { return c.Accelerator != r.Winner.Accelerator || c.GPUs != r.Winner.GPUs })
	r.OtherGPU = r.next(func(c *Choice) bool { return c.Accelerator != r.Winner.Accelerator })
	if !r.Winner.dated() {
		r.Dated = r.next((*Choice).dated)
	}
	r.trade()
	for i := range feasible {
		c := &feasible[i]
		if slices.ContainsFunc(r.ByGPU, func(b Comparison) bool { return b.Choice.Accelerator == c.Accelerator }) {
			continue
		}
		best := r.compare(c)
		r.ByGPU = append(r.ByGPU, *best)
		if i > 0 && best.WithinErrorBar {
			r.Tied = append(r.Tied, c.Accelerator)
		}
	}
}

// order is by the objective.
func (r *Result) order() func(a, b Choice) int {
	if r.Objective == Fastest {
		return byHours
	}
	return byUSD
}

// feasible are the choices that meet the demands; the others are counted.
func (r *Result) feasible(choices []Choice, counts tally) []Choice {
	q := r.query
	out := make([]Choice, 0, len(choices))
	for i := range choices {
		c := &choices[i]
		usd, hours := c.demanded(q.Cautious)
		switch {
		case q.DeadlineHours > 0 && hours > q.DeadlineHours:
			counts.add(stageCost, reasonDeadline, 1)
		case q.BudgetUSD > 0 && usd > q.BudgetUSD, q.contractsUSD > 0 && c.contract() > q.contractsUSD:
			counts.add(stageCost, reasonBudget, 1)
		default:
			out = append(out, *c)
		}
	}
	beyond := func(c Choice) bool { return c.Cost.Hours > q.HorizonHours }
	if q.DeadlineHours > 0 || !(q.HorizonHours > 0) || !slices.ContainsFunc(out, func(c Choice) bool { return !beyond(c) }) {
		return out
	}
	all := len(out)
	out = slices.DeleteFunc(out, beyond)
	counts.add(stageCost, reasonHorizon, int64(all-len(out)))
	return out
}

// demanded is what is held against budget and deadline. A contract is to be paid to its
// end, whatever the run's share of it.
func (c *Choice) demanded(cautious bool) (usd, hours float64) {
	usd, hours = c.usd(), c.Cost.Hours
	if cautious {
		hours = c.Cost.HoursHigh
		if c.Cost.USDHigh != nil {
			usd = *c.Cost.USDHigh
		}
	}
	return max(usd, c.contract()), hours
}

// contract is what the price binds one to pay in all, 0 where it does not bind.
func (c *Choice) contract() float64 {
	if c.Cost.CommitmentUSD == nil {
		return 0
	}
	return *c.Cost.CommitmentUSD
}

// dated says that the price is of a known day, of a provider's own machines.
func (c *Choice) dated() bool {
	p := c.Cost.Price
	return p == nil || p.Provider == hardware.UserProvider || p.AsOf != "" && !p.Marketplace()
}

// free is the share of the memory that is left.
func (c *Choice) free() float64 { return 1 - float64(c.PeakBytes)/float64(c.UsableBytes) }

// next finds the best choice but the winner that is wanted and holds it against it.
func (r *Result) next(wanted func(*Choice) bool) *Comparison {
	for i := 1; i < len(r.All); i++ {
		if wanted(&r.All[i]) {
			return r.compare(&r.All[i])
		}
	}
	return nil
}

// compare holds a choice against the winner. The errors of the two are taken as
// independent, so that those of their ratio add up in squares; of two runs on one
// accelerator they are not, and the ratio is better known than that.
func (r *Result) compare(c *Choice) *Comparison {
	w := &r.Winner.Cost
	out := &Comparison{
		Choice: *c, Gap: c.Cost.Hours/w.Hours - 1, ErrorBar: w.HoursHigh/w.Hours - 1,
		Both: math.Expm1(math.Hypot(math.Log(w.HoursHigh/w.Hours), math.Log(c.Cost.HoursHigh/c.Cost.Hours))),
	}
	if c.Cost.USD != nil && w.USD != nil {
		out.OtherGap = *c.Cost.USD / *w.USD - 1
		if r.Objective == Cheapest {
			out.Gap, out.OtherGap = out.OtherGap, out.Gap
		}
	}
	out.WithinErrorBar = out.Gap <= out.Both
	return out
}

// trade finds the fastest choice that costs no more than the high end of the
// winner's error bar, or the cheapest that takes no longer.
func (r *Result) trade() {
	w := &r.Winner.Cost
	var best *Choice
	for i := 1; i < len(r.All); i++ {
		c := &r.All[i]
		switch {
		case c.Cost.USD == nil || w.USD == nil:
		case r.Objective == Cheapest && *c.Cost.USD <= *w.USDHigh && c.Cost.Hours < w.Hours && (best == nil || byHours(*c, *best) < 0),
			r.Objective == Fastest && c.Cost.Hours <= w.HoursHigh && *c.Cost.USD < *w.USD && (best == nil || byUSD(*c, *best) < 0):
			best = c
		}
	}
	if best != nil {
		r.Trade = r.compare(best)
	}
}

// roomier finds the best of the choices that leave more of the memory free.
func (r *Result) roomier(choices []Choice) {
	if ok := r.feasible(choices, tally{}); len(ok) > 0 {
		best := slices.MinFunc(ok, r.order())
		r.Roomier = r.compare(&best)
	}
}

// nearest tells why nothing meets the demands, and what would with the least
// change of them.
func (r *Result) nearest(q *Query, choices []Choice) {
	if len(choices) == 0 {
		return // see whyNothing
	}
	// By how many times a choice misses the demand that it misses most.
	misses := func(c *Choice) float64 {
		usd, hours := c.demanded(q.Cautious)
		over := 0.0
		if q.BudgetUSD > 0 {
			over = max(over, usd/q.BudgetUSD)
		}
		if q.DeadlineHours > 0 {
			over = max(over, hours/q.DeadlineHours)
		}
		if q.contractsUSD > 0 {
			over = max(over, c.contract()/q.contractsUSD)
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
	usd, hours := near.demanded(q.Cautious)
	costs := "costs"
	if near.contract() == usd {
		costs = "binds one to pay"
	}
	switch {
	case q.BudgetUSD > 0 && q.DeadlineHours > 0:
		r.Why = fmt.Sprintf("nothing costs at most %s and ends within %.4g days; the nearest %s %s and takes %.4g days%s", dollars(q.BudgetUSD), q.DeadlineHours/24, costs, dollars(usd), hours/24, end)
	case q.BudgetUSD > 0:
		r.Why = fmt.Sprintf("nothing costs at most %s; the cheapest %s %s%s", dollars(q.BudgetUSD), costs, dollars(usd), end)
	case q.contractsUSD > 0 && near.contract() > q.contractsUSD:
		r.Why = fmt.Sprintf("every contract binds one to pay more; the nearest %s", dollars(near.contract()))
	default:
		r.Why = fmt.Sprintf("nothing ends within %.4g days; the fastest takes %.4g days%s", q.DeadlineHours/24, hours/24, end)
	}
}

// dollars writes an amount, with cents where they matter.
func dollars(usd float64) string {
	if usd < 100 {
		return fmt.Sprintf("$%.2f", usd)
	}
	return "$" + digits.Grouped(fmt.Sprintf("%.0f", usd))
}

// whyNothing tells what rules out all candidates: the last thing that one of them
// came to.
func whyNothing(counts tally, notes []string, nearest *misfit) string {
	stage := func(name string) (reasons []string, n int64) {
		for _, e := range counts.list() {
			if e.Stage == name {
				reasons, n = append(reasons, e.Text), n+e.Count
			}
		}
		return reasons, n
	}
	if n := counts[[2]string{stageDivisibility, reasonFormat}]; n > 0 && nearest == nil {
		if _, rest := stage(stagePrice); rest == 0 {
			return "no plan fits: " + strings.Join(notes, "; ")
		}
	}
	if nearest != nil {
		return fmt.Sprintf("no plan fits: the nearest lacks %.2f GiB of memory", float64(nearest.lacks)/(1<<30))
	}
	if reasons, _ := stage(stagePrice); len(reasons) > 0 {
		return "nothing can be rented: " + strings.Join(reasons, "; ")
	}
	if reasons, _ := stage(stageDivisibility); len(reasons) > 0 {
		return "no plan is possible: " + strings.Join(reasons, "; ")
	}
	return "no plan is possible on these numbers of GPUs"
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
