package pick

import (
	"math"

	"headroom/accounting"
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
	// dollars where the cheapest is asked for, otherwise in hours. OtherGap is the same
	// of the other of the two; 0 where there are no dollars.
	Gap      float64 `json:"gap"`
	OtherGap float64 `json:"other_gap"`
	// ErrorBar is how far the high end of the winner is above what is expected, Both
	// how far apart two such choices must be to be told apart, and WithinErrorBar
	// whether these are nearer than that.
	ErrorBar       float64 `json:"error_bar"`
	Both           float64 `json:"error_bar_of_both"`
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
	// What was demanded; 0 = nothing.
	BudgetUSD    float64 `json:"budget_usd,omitempty"`
	DeadlineDays float64 `json:"deadline_days,omitempty"`
	Cautious     bool    `json:"cautious,omitempty"`
	GPUs         []int64 `json:"gpus_tried"`

	Winner   *Choice `json:"winner"` // nil when nothing meets the demands
	Cheapest *Choice `json:"cheapest"`
	Fastest  *Choice `json:"fastest"`
	// Front holds the choices of which no other is as cheap and as fast, fastest first.
	Front []Choice `json:"front"`
	// RunnerUp is the next best with another accelerator or number of GPUs, OtherGPU
	// the next best with another accelerator.
	RunnerUp *Comparison `json:"runner_up"`
	OtherGPU *Comparison `json:"other_gpu"`
	// Trade is the choice that is best in the other respect for no more than the high
	// end of the winner's error bar: much faster for dollars that are not told apart,
	// or much cheaper for hours that are not.
	Trade *Comparison `json:"trade"`
	// Dated is the next best at a price of a known day from a provider's own machines,
	// where the winner's is not; Roomier the next best that leaves [Room] of the memory
	// free, where the winner does not.
	Dated   *Comparison `json:"dated"`
	Roomier *Comparison `json:"roomier"`
	// ByGPU is the best choice of each accelerator, best first. Tied are the
	// accelerators of them that the error bar does not tell apart from the winner's.
	ByGPU []Comparison `json:"by_gpu"`
	Tied  []string     `json:"tied_gpus"`

	// Optimal is how model and tokens were chosen, where they were.
	Optimal *Optimal `json:"optimal,omitempty"`
	// Explain is the case of the winner, with its cost, and Command what prints it.
	Explain *accounting.Explanation `json:"explain,omitempty"`
	Command string                  `json:"explain_command,omitempty"`

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
	// Assumptions are what the answer rests on, all in one place.
	Assumptions []string `json:"assumptions"`

	// All are the choices that meet the demands, best first.
	All []Choice `json:"-"`

	query *Query
}
