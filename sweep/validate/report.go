package validate

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"headroom/accounting"
	"headroom/hardware"
)

// A Row is one prediction beside one measured quantity, or the reason why there
// is none.
type Row struct {
	ID      string `json:"id"`
	Family  string `json:"family"`
	Model   string `json:"model"`
	GPU     string `json:"gpu"`
	Profile string `json:"profile,omitempty"`
	// Metric names the quantity and its unit: allocated_bytes, reserved_bytes,
	// device_bytes, fits (capacity in bytes of a run published as out of memory),
	// step_seconds, tokens_per_second_per_gpu, tflops_per_gpu, mfu_percent, …
	Metric    string  `json:"metric"`
	Predicted float64 `json:"predicted,omitempty"`
	Measured  float64 `json:"measured,omitempty"`
	Error     float64 `json:"error"` // predicted/measured − 1
	// Scored rows count in the summary; at most one of memory and one of time for a
	// measurement. Why says why others do not.
	Scored  bool     `json:"scored"`
	Why     string   `json:"why,omitempty"`
	Skipped string   `json:"skipped,omitempty"` // why nothing was predicted
	Right   *bool    `json:"right,omitempty"`   // of a fits row: the prediction agrees
	Assumed []string `json:"assumed,omitempty"`

	// StepSeconds and its parts are the prediction behind a row of time, and Ratio
	// the predicted step over the measured one, whatever the metric.
	Time  *accounting.Time `json:"-"`
	Ratio float64          `json:"step_ratio,omitempty"`
	// Phase and MeasuredPhase say at which moment of the step a peak is.
	Phase         string `json:"phase,omitempty"`
	MeasuredPhase string `json:"measured_phase,omitempty"`
	// Low and High are the error bar, in the metric's unit.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`

	ideal     float64 // the step at the printed peak, seconds
	precision string
	scale     string // of time: one node or many
}

// A Report is the outcome of a table.
type Report struct {
	Measurements int     `json:"measurements"`
	Rows         []Row   `json:"rows"`
	Memory       Summary `json:"memory"`
	Time         Summary `json:"time"`
	// Baseline is the time half of a rule of thumb beside it: hardware FLOPs over the
	// printed peak and one constant share for all runs, BaselineShare.
	Baseline      Summary  `json:"baseline"`
	BaselineShare float64  `json:"baseline_share"`
	Bad           []string `json:"bad_rows,omitempty"` // cells that could not be read
}

// Run predicts every measurement. Bad cells, from [Read], are reported with it.
func Run(rows []Measurement, bad []CellError) *Report {
	r := &Report{Measurements: len(rows), Rows: []Row{}}
	for i := range bad {
		r.Bad = append(r.Bad, bad[i].Error())
	}
	for i := range rows {
		r.Rows = append(r.Rows, predict(&rows[i])...)
	}
	r.Memory = summarize(r.Rows, isMemory)
	r.Time = summarize(r.Rows, isTime)
	r.baseline()
	return r
}

// predict compares everything that one measurement holds.
func predict(m *Measurement) []Row {
	s := m.source()
	base := Row{ID: m.ID, Family: m.Family(), Model: m.Model, GPU: m.GPU}
	wanted := m.quantities(s)
	skip := func(why string) []Row {
		if len(wanted) == 0 {
			return nil
		}
		out := base
		out.Metric, out.Measured, out.Skipped = wanted[0].metric, wanted[0].value, why
		return []Row{out}
	}
	if len(wanted) == 0 {
		return skip("")
	}
	t, err := m.Trial()
	if err != nil {
		return skip(err.Error())
	}
	base.Profile, base.Assumed = t.Options.Profile, t.Assumed
	e, err := t.Evaluate()
	if err != nil {
		return skip(err.Error())
	}
	if m.shortSamples() && !m.OutOfMemory() {
		return skip(solveSamples(e, wanted[0]))
	}
	var out []Row
	for _, q := range wanted {
		row := base
		row.Metric, row.Measured = q.metric, q.value
		q.compare(e, &row)
		out = append(out, row)
	}
	return out
}

// An Evaluation is a trial's case, evaluated.
type Evaluation struct {
	Trial       *Trial
	Case        *accounting.Case
	Accelerator hardware.Accelerator // one device of it
	Report      accounting.Report
	Compiled    *accounting.Compiled
	Timed       *accounting.Compiled // what the time is of: Compiled, but for packed samples
	Machine     *accounting.Machine
	Time        accounting.Time
	NoTime      string // why there is no time
}

// Evaluate resolves and evaluates the trial. The error says why the case cannot exist.
func (t *Trial) Evaluate() (*Evaluation, error) {
	gpu, err := hardware.Resolve(t.Measurement.accelerator())
	if err != nil {
		return nil, err
	}
	e := &Evaluation{Trial: t, Accelerator: gpu.Accelerator.PerDevice()}
	if gpu.Assumption != "" {
		t.Assumed = append(t.Assumed, gpu.Assumption)
	}
	c, err := t.resolve()
	if err != nil {
		return nil, err
	}
	compiled, err := c.Compile()
	if err != nil {
		return nil, err
	}
	e.Case, e.Compiled, e.Timed = c, compiled, compiled
	if t.Packed > 0 {
		packed := *c
		packed.Model = chunked(c.Model, t.Packed)
		if e.Timed, err = packed.Compile(); err != nil {
			return nil, err
		}
	}
	network := t.Network
	if network == 0 {
		network = t.Source.Network[e.Accelerator.Architecture]
	}
	if e.Machine, err = accounting.NewMachine(e.Accelerator, &c.Recipe.Precision, network); err != nil {
		e.NoTime = err.Error()
	} else if n := t.Source.Node[e.Accelerator.Architecture]; n > 0 {
		e.Machine.Domain = min(e.Machine.Domain, n)
	}
	if t.Source.Switch[e.Accelerator.Architecture] && e.Machine != nil {
		e.Machine.PeerRate = e.Machine.ScaleUpRate
	}
	c.Setting.Machine = e.Machine
	c.Setting.Plan.Uneven = true // benchmark recipes write their layouts by hand
	c.Setting.UsableBytes = e.Accelerator.UsableBytes
	c.Setting = t.search(e)
	compiled.Evaluate(&c.Setting, &e.Report)
	if e.Report.RuledOut() {
		return nil, errors.New(e.Report.Reason.String())
	}
	if e.NoTime == "" {
		e.Timed.Time(&c.Setting, e.Machine, &e.Time)
	}
	if (t.Source.LastRank || t.Source.FirstRank) && !t.Measurement.OutOfMemory() {
		stage := int64(0)
		if t.Source.LastRank {
			stage = c.Setting.Plan.PP - 1
		}
		e.Report.Memory = accounting.Memory{}
		if err := compiled.StageMemory(&c.Setting, stage, &e.Report.Memory); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// A quantity is one measured number of a row.
type quantity struct {
	metric  string
	value   float64
	compare func(e *Evaluation, out *Row)
}

// quantities lists what the row measured.
func (m *Measurement) quantities(s *Source) []quantity {
	var out []quantity
	switch {
	case m.OutOfMemory():
		out = append(out, quantity{metric: "fits", compare: compareFit})
	case m.PeakMemoryGiB > 0:
		d := m.definition(s)
		out = append(out, quantity{metric: string(d) + "_bytes", value: m.bytes(s), compare: compareBytes(d)})
	}
	return append(out, m.timeQuantities()...)
}

func isMemory(metric string) bool {
	return metric == "fits" || metric == parametersMetric || strings.Contains(metric, "_bytes")
}

// compareBytes compares the figure that the source's definition names.
func compareBytes(d Definition) func(e *Evaluation, out *Row) {
	return func(e *Evaluation, out *Row) {
		if e.Trial.StandIn {
			out.Skipped = "the profile " + e.Trial.Options.Profile + " has no memory rules yet"
			return
		}
		m := &e.Report.Memory
		switch d {
		case Allocated:
			out.Predicted = float64(m.AllocatedBytes)
		case Reserved:
			reserved, _ := m.Cached(e.Accelerator.UsableBytes)
			out.Predicted = float64(reserved)
		default:
			_, device := m.Cached(e.Accelerator.UsableBytes)
			out.Predicted = float64(device)
		}
		out.Error = out.Predicted/out.Measured - 1
		s := e.Trial.Source
		out.Why = firstOf(s.Loose, e.Trial.Measurement.doubtful())
		out.Scored = out.Why == ""
	}
}

// compareFit holds a run published as out of memory against the capacity.
func compareFit(e *Evaluation, out *Row) {
	out.Measured = float64(e.Accelerator.UsableBytes)
	out.Predicted = float64(e.Report.Memory.PeakBytes)
	out.Error = out.Predicted/out.Measured - 1
	right := e.Report.Reason == accounting.ReasonMemory
	out.Right = &right
}

func firstOf(reasons ...string) string {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ""
}

// resolve fills in the defaults. A profile that is not built lends its name to
// the nearest one that is: its time has constants of its own, its memory not.
func (t *Trial) resolve() (*accounting.Case, error) {
	o := t.Options
	_, err := accounting.ParseProfile(o.Profile)
	if err == nil {
		return o.Resolve()
	}
	name := o.Profile
	o.Profile = "megatron"
	c, err := o.Resolve()
	if err != nil {
		return nil, err
	}
	stand := *c.Profile
	stand.Name = name
	c.Profile, t.StandIn = &stand, true
	return c, nil
}

// search settles what the row leaves open: of the micro-batches (and, where the
// layout is missing too, the tensor and pipeline sizes) whose peak fits, the
// fastest; where none fits, the smallest.
func (t *Trial) search(e *Evaluation) accounting.Setting {
	given := e.Case.Setting
	if !t.SearchMicroBatch && !t.SearchLayout || e.NoTime != "" {
		return given
	}
	sizes := []int64{given.Plan.TP}
	stages := []int64{given.Plan.PP}
	if t.SearchLayout {
		sizes, stages = []int64{1, 2, 4, 8}, []int64{1, 2, 4, 8}
	}
	best, fastest := given, math.Inf(1)
	for _, tp := range sizes {
		for _, pp := range stages {
			for b := int64(1); b <= largestMicroBatch; b *= 2 {
				x := given
				p := &x.Plan
				p.TP, p.PP, p.DP = tp, pp, x.GPUs/(tp*pp*p.CP)
				p.ETP = p.DefaultETP()
				p.SP = p.SP || tp > 1 && given.Plan.TP == 1 && strings.HasPrefix(t.Options.Profile, "megatron")
				if t.SearchMicroBatch {
					x.MicroBatch = b
				} else if b > 1 {
					break
				}
				x.Machine = e.Machine
				var r accounting.Report
				e.Compiled.Evaluate(&x, &r)
				if r.Reason == accounting.OK && r.Time.StepSeconds < fastest {
					best, fastest = x, r.Time.StepSeconds
				}
			}
		}
	}
	best.Machine = nil
	if t.SearchLayout {
		t.Assumed = append(t.Assumed, fmt.Sprintf("no layout is given: tp %d, pp %d, micro-batch %d are the fastest that fit", best.Plan.TP, best.Plan.PP, best.MicroBatch))
	} else {
		t.Assumed = append(t.Assumed, fmt.Sprintf("no micro-batch is given: %d is the fastest that fits", best.MicroBatch))
	}
	return best
}

// largestMicroBatch bounds the search.
const largestMicroBatch = 64
