package validate

import (
	"errors"
	"maps"
	"slices"
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

// Run predicts every measurement. Bad cells, from [Read], are reported with it, and
// each row that has one is listed as skipped: every row of a table is in the report.
func Run(rows []Measurement, bad []CellError) *Report {
	r := &Report{Rows: []Row{}}
	unread := map[int]*Row{} // by the line on which a row begins
	for i := range bad {
		why := bad[i].Error()
		r.Bad = append(r.Bad, why)
		switch old := unread[bad[i].Row]; {
		case bad[i].Row == 0: // a column
		case old != nil:
			old.Skipped += "; " + why
		default:
			m := Measurement{ID: bad[i].ID}
			unread[bad[i].Row] = &Row{ID: m.ID, Family: m.Family(), Metric: unreadMetric, Skipped: why}
		}
	}
	r.Measurements = len(rows) + len(unread)
	lines := slices.Sorted(maps.Keys(unread))
	for i := range rows {
		for len(lines) > 0 && lines[0] < rows[i].Line {
			r.Rows, lines = append(r.Rows, *unread[lines[0]]), lines[1:]
		}
		r.Rows = append(r.Rows, predict(&rows[i])...)
	}
	for _, l := range lines {
		r.Rows = append(r.Rows, *unread[l])
	}
	r.Memory = summarize(r.Rows, isMemory)
	r.Time = summarize(r.Rows, isTime)
	r.baseline()
	return r
}

// unreadMetric is the metric of a row of which no figure could be read.
const unreadMetric = "row"

// predict compares everything that one measurement holds.
func predict(m *Measurement) []Row {
	s := m.source()
	base := Row{ID: m.ID, Family: m.Family(), Model: m.Model, GPU: m.GPU}
	wanted := m.quantities(s)
	skip := func(why string) []Row {
		out := base
		out.Metric, out.Skipped = unreadMetric, why
		if len(wanted) > 0 {
			out.Metric, out.Measured = wanted[0].metric, wanted[0].value
		}
		return []Row{out}
	}
	if len(wanted) == 0 {
		return skip("nothing is measured: no figure is given, nor is the run one that ran out of memory")
	}
	t, err := m.Trial()
	if err != nil {
		return skip(err.Error())
	}
	e, err := t.Evaluate()
	base.Profile, base.Assumed = t.Options.Profile, t.Assumed
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
	if gpu.Assumption != "" {
		t.Assumed = append(t.Assumed, gpu.Assumption)
	}
	e, err := t.prepare(gpu.Accelerator.PerDevice())
	if err != nil {
		return nil, err
	}
	if e, err = t.search(e); err != nil {
		return nil, err
	}
	c, compiled := e.Case, e.Compiled
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

// prepare compiles the trial's case for one device.
func (t *Trial) prepare(a hardware.Accelerator) (*Evaluation, error) {
	e := &Evaluation{Trial: t, Accelerator: a}
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
