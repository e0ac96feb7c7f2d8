package pick

import (
	"errors"
	"fmt"
	"math"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
)

// An OptimalQuery asks for the model and the tokens as well: those with the least
// loss by a scaling law, for a number of FLOPs, or for as many FLOPs as the budget
// of the query buys.
type OptimalQuery struct {
	Query // without Case.Model and Case.Tokens

	Law accounting.ScalingLaw
	// Model makes a model of about so many parameters.
	Model func(parameters int64) (*arch.Model, error)
	FLOPs float64 // 6·parameters·tokens; 0 = what the budget buys
}

// Optimal tells how model and tokens were chosen.
type Optimal struct {
	Law    string  `json:"law"`
	Source string  `json:"source"`
	FLOPs  float64 `json:"flops"`
	// Parameters by the law, and of the model, which has whole layers and heads.
	Parameters      float64 `json:"parameters"`
	Model           string  `json:"model"`
	ModelParameters int64   `json:"model_parameters"`
	Tokens          int64   `json:"tokens"` // FLOPs / (6 · model_parameters)
	Loss            float64 `json:"loss"`   // nats a token, by the law
	BudgetUSD       float64 `json:"budget_usd,omitempty"`
	Searches        int     `json:"searches"` // how often the market was searched
}

const (
	// closeEnough is the share of a budget that a search for it is content with.
	closeEnough  = 0.97
	mostSearches = 12
	// apart is how near the sizes within and above a budget are narrowed down.
	apart = 1.02
	// usualMFU begins the search for the FLOPs that a budget buys.
	usualMFU = 0.4
	// leastParameters bounds models from below: no law was fitted on smaller ones.
	leastParameters = 1e6
)

// PickOptimal finds what to train and what to rent for it.
func PickOptimal(q OptimalQuery) (*Result, error) {
	if q.FLOPs != 0 {
		r, err := q.search(q.FLOPs)
		if r != nil && r.Optimal != nil {
			r.Optimal.Searches = 1
		}
		return r, err
	}
	if !(q.BudgetUSD > 0) || math.IsInf(q.BudgetUSD, 1) {
		return nil, errors.New("a compute-optimal choice needs a number of FLOPs or a budget in dollars")
	}
	budget := q.BudgetUSD
	q.BudgetUSD, q.contractsUSD = 0, budget // the cheapest at each size is held against it here
	flops, err := q.guess(budget)
	if err != nil {
		return nil, err
	}
	var best, least *Result // within the budget; the smallest above it
	low, high := 0.0, math.Inf(1)
	searches := 0
	for ; searches < mostSearches; searches++ {
		r, err := q.search(flops)
		if err != nil && least != nil && best == nil {
			break // the family ends above what the budget buys
		}
		if err != nil {
			return nil, err
		}
		usd := math.Inf(1)
		if r.Winner != nil {
			usd = r.Winner.usd()
			if q.Cautious {
				usd = *r.Winner.Cost.USDHigh
			}
		}
		next := flops / 4 // nothing fits or ends in time: a smaller model
		if !math.IsInf(usd, 1) {
			next = flops * budget * (1 + closeEnough) / 2 / usd
		}
		if usd <= budget {
			best, low = r, flops
			if usd >= closeEnough*budget {
				searches++
				break
			}
		} else {
			if least == nil || flops < high {
				least = r
			}
			high = flops
		}
		if next <= low || next >= high {
			next = math.Sqrt(low * high)
		}
		if high < apart*low { // dollars jump between the two: more GPUs end in time
			searches++
			break
		}
		flops = next
	}
	out := best
	if out == nil {
		out = least
		out.Why = fmt.Sprintf("no compute-optimal run was found for %s: %s", dollars(budget), out.Why)
		if out.Winner != nil {
			out.Why = fmt.Sprintf("nothing compute-optimal costs at most %s; the nearest costs %s", dollars(budget), dollars(out.Winner.usd()))
			out.Nearest, out.Winner = out.Winner, nil
		}
	}
	out.Optimal.BudgetUSD, out.Optimal.Searches = budget, searches
	return out, nil
}

// search picks the cheapest way to spend so many FLOPs well.
func (q *OptimalQuery) search(flops float64) (*Result, error) {
	n, _, err := q.Law.Optimal(flops)
	if err != nil {
		return nil, err
	}
	if n < leastParameters || n > math.MaxInt64/2 {
		return nil, fmt.Errorf("%.3g FLOPs are best spent on a model of %.3g parameters: no scaling law is known for that", flops, n)
	}
	m, err := q.Model(int64(math.Round(n)))
	if err != nil {
		return nil, err
	}
	counts, err := m.ParameterCount()
	if err != nil {
		return nil, err
	}
	tokens := flops / q.Law.FLOPsPerParameter / float64(counts.Total)
	if !(tokens >= 1 && tokens < math.MaxInt64/2) {
		return nil, fmt.Errorf("%.3g FLOPs are %.3g tokens for %s: that is no run", flops, tokens, m.Name)
	}
	inner := q.Query
	inner.Case.Model, inner.Case.Tokens = m, int64(tokens)
	r, err := Pick(inner)
	if err != nil {
		return nil, err
	}
	r.Optimal = &Optimal{
		Law: q.Law.Name, Source: q.Law.Source, FLOPs: flops, Parameters: n, Model: m.Name, ModelParameters: counts.Total,
		Tokens: inner.Case.Tokens, Loss: q.Law.Loss(float64(counts.Total), tokens),
	}
	return r, nil
}

// guess is about what a budget buys: the best peak rate for a dollar, at a usual
// share of it.
func (q *OptimalQuery) guess(budget float64) (float64, error) {
	best := 0.0
	for i := range q.Accelerators {
		a := &q.Accelerators[i]
		peak, ok := a.PeakFLOPS(hardware.BF16)
		if !ok {
			continue
		}
		for j := range q.Offers {
			if p := &q.Offers[j]; p.Accelerator == a.Slug && p.PerGPUHourUSD > 0 {
				best = max(best, peak/p.PerGPUHourUSD)
			}
		}
	}
	if best == 0 {
		return 0, errors.New("a budget needs prices: none is known for any of the accelerators, as they were asked for")
	}
	return best * 3600 * usualMFU * budget, nil
}
