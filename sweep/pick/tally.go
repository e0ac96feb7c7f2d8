package pick

import (
	"cmp"
	"slices"

	"headroom/accounting"
)

// A stage of the search, in the order in which candidates and choices fall out.
const (
	stageDivisibility = "divisibility"
	stagePrice        = "price"
	stageMemory       = "memory"
	stageTime         = "time"
	stageCost         = "cost"
)

var stages = []string{stageDivisibility, stagePrice, stageMemory, stageTime, stageCost}

// Reasons of the search, beside those of package accounting.
const (
	reasonNode      = "tp_beyond_node"
	reasonFormat    = "format"
	reasonNoOffer   = "no_price"
	reasonPartial   = "partial_node"
	reasonMarket    = "marketplace"
	reasonNetwork   = "no_network"
	reasonSlower    = "slower"
	reasonBudget    = "over_budget"
	reasonDeadline  = "past_deadline"
	reasonEndless   = "no_progress"
	reasonHorizon   = "beyond_horizon"
	reasonDominated = "dominated"
)

var reasonText = map[string]string{
	reasonNode:      "tp is larger than the node or the scale-up domain",
	reasonFormat:    "the accelerator does not have the recipe's number format",
	reasonNoOffer:   "no price row for the accelerator among those asked for",
	reasonPartial:   "only instances that are part of a node, and the run is larger than one",
	reasonMarket:    "only machines of different owners, and the run is larger than one",
	reasonNetwork:   "no network that joins the instances is known, and the run is larger than one",
	reasonSlower:    "fits, but another plan on the same GPUs is faster",
	reasonBudget:    "costs more than the budget",
	reasonDeadline:  "ends after the deadline",
	reasonEndless:   "failures come faster than the run moves forward",
	reasonHorizon:   "takes longer than the horizon, no deadline was given, and others do not",
	reasonDominated: "another choice is as cheap and as fast, and better in one of them",
}

// An Exclusion counts what fell out for one reason: choices at the stage "cost",
// candidates at the others.
type Exclusion struct {
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
	Count  int64  `json:"count"`
}

// A tally counts by stage and reason.
type tally map[[2]string]int64

func (t tally) add(stage, reason string, n int64) {
	if n > 0 {
		t[[2]string{stage, reason}] += n
	}
}

// merge adds another tally.
func (t tally) merge(o tally) {
	for k, n := range o {
		t[k] += n
	}
}

func (t tally) list() []Exclusion {
	texts := map[string]string{}
	for _, r := range accounting.Reasons() {
		texts[r.Code()] = r.String()
	}
	out := make([]Exclusion, 0, len(t))
	for k, n := range t {
		out = append(out, Exclusion{Stage: k[0], Reason: k[1], Text: cmp.Or(reasonText[k[1]], texts[k[1]]), Count: n})
	}
	slices.SortFunc(out, func(a, b Exclusion) int {
		return cmp.Or(
			cmp.Compare(slices.Index(stages, a.Stage), slices.Index(stages, b.Stage)),
			-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Reason, b.Reason),
		)
	})
	return out
}
