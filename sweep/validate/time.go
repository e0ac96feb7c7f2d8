package validate

import (
	"math"
	"slices"
	"strings"

	"headroom/accounting"
)

// timeQuantities lists the measured quantities that tell a step's time, the one
// that is scored first: step time and tokens a second depend on nobody's
// definition, TFLOPS and MFU on how the source counts.
func (m *Measurement) timeQuantities() []quantity {
	var out []quantity
	add := func(metric string, value float64, predict func(e *Evaluation) float64, inverse bool) {
		if value > 0 {
			first := len(out) == 0
			out = append(out, quantity{metric, value, func(e *Evaluation, row *Row) { compareTime(e, row, predict, inverse, first) }})
		}
	}
	add("step_seconds", m.StepSeconds, func(e *Evaluation) float64 { return e.Time.StepSeconds }, false)
	add("tokens_per_second_per_gpu", m.TokensPerSecondPerGPU, func(e *Evaluation) float64 { return e.Time.TokensPerSecondPerGPU }, true)
	add("tflops_per_gpu", m.TFLOPSPerGPU, func(e *Evaluation) float64 {
		return e.rate(e.Trial.Measurement.countsRecompute(e.Trial.Source)) * 1e-12
	}, true)
	add("mfu_percent", m.MFUPercent, func(e *Evaluation) float64 { return 100 * e.rate(false) / e.Machine.PrintedPeak }, true)
	add("gpu_hours", m.GPUHours, func(e *Evaluation) float64 { return e.gpuHours() }, false)
	add("hfu_percent", m.HFUPercent, func(e *Evaluation) float64 { return 100 * e.rate(true) / e.Machine.PrintedPeak }, true)
	return out
}

// rate is the FLOPs a second of one GPU as the source counts them.
func (e *Evaluation) rate(recompute bool) float64 {
	x := &e.Case.Setting
	work := e.Compiled.StepFLOPs(x.GlobalBatch, x.Context, e.Trial.Source.Convention)
	flops := work.Model
	if recompute {
		flops = work.Hardware
	}
	return flops / (e.Time.StepSeconds * float64(x.Plan.GPUs()))
}

// gpuHours is the time of all GPUs until the tokens of the whole training are through,
// at a steady pace; 0 where the row does not say how many.
func (e *Evaluation) gpuHours() float64 {
	x := &e.Case.Setting
	steps := e.Trial.Measurement.Tokens / (float64(x.GlobalBatch) * float64(x.Context))
	return steps * e.Time.StepSeconds * float64(x.Plan.GPUs()) / 3600
}

// compareTime fills in one row of time. inverse metrics grow as the step shrinks.
func compareTime(e *Evaluation, out *Row, predict func(e *Evaluation) float64, inverse, first bool) {
	if e.NoTime != "" {
		out.Skipped = e.NoTime
		return
	}
	predicted := predict(e)
	if predicted == 0 {
		out.Skipped = "not given: tokens_trained"
		return
	}
	t := e.Time
	out.Predicted, out.Time = predicted, &t
	out.Low, out.High = predicted*t.LowSeconds/t.StepSeconds, predicted*t.HighSeconds/t.StepSeconds
	out.ideal = e.Compiled.StepFLOPs(e.Case.Setting.GlobalBatch, e.Case.Setting.Context, accounting.Causal).Hardware / (float64(e.Case.Setting.Plan.GPUs()) * e.Machine.PrintedPeak)
	out.Error = predicted/out.Measured - 1
	out.Ratio = predicted / out.Measured
	if inverse {
		out.Ratio = 1 / out.Ratio
	}
	m := e.Trial.Measurement
	out.place(e)
	out.Why = firstOf(e.Trial.Source.Loose, e.Trial.Source.LooseTime, m.doubtful(), unpacked(m))
	if out.Metric == "gpu_hours" {
		out.Why = firstOf(out.Why, "a campaign total: restarts and other stages are in it to an unknown degree")
	}
	if m.Hidden == 0 && e.Case.Model.Type == "dimensions" {
		out.Why = firstOf(out.Why, "the sizes of its model are assumed")
	}
	if e.Trial.SearchLayout {
		out.Why = firstOf(out.Why, "its layout was searched, not given")
	}
	if !first {
		out.Why = firstOf(out.Why, "another figure of the same run is scored")
	}
	out.Scored = out.Why == ""
}

// place says where and how the run of a row of time was made.
func (r *Row) place(e *Evaluation) {
	r.precision, r.scale = e.Trial.Measurement.Precision, "one node"
	if e.Case.Setting.Plan.GPUs() > max(e.Accelerator.GPUsPerNode.Or(0), e.Machine.Domain) {
		r.scale = "many nodes"
	}
}

// unpacked tells runs on short samples padded to the context: their tokens are
// not the context's.
func unpacked(m *Measurement) string {
	if strings.Contains(m.Notes, "UNPACKED") || strings.Contains(m.Notes, "samples shorter") {
		return "its samples are shorter than the context"
	}
	return ""
}

func isTime(metric string) bool { return !isMemory(metric) }

// baseline predicts every scored run by one constant share of the peak: the
// median of what the runs reached.
func (r *Report) baseline() {
	var shares []float64
	for i := range r.Rows {
		if x := &r.Rows[i]; x.Scored && x.ideal > 0 {
			shares = append(shares, x.ideal*x.Ratio/x.Time.StepSeconds)
		}
	}
	if len(shares) == 0 {
		return
	}
	r.BaselineShare = quantile(shares, 0.5)
	rows := slices.Clone(r.Rows)
	for i := range rows {
		x := &rows[i]
		if !x.Scored || x.ideal <= 0 {
			continue
		}
		measured := x.Time.StepSeconds / x.Ratio
		x.Ratio = x.ideal / r.BaselineShare / measured
		// The metric's own error: times err as the step does, rates as its inverse.
		if x.Metric == "step_seconds" {
			x.Error = x.Ratio - 1
		} else {
			x.Error = 1/x.Ratio - 1
		}
		x.Predicted = x.Measured * (1 + x.Error)
	}
	r.Baseline = summarize(rows, isTime)
}

// Inside is the share of scored runs of time that lie within their error bar.
func (r *Report) Inside() float64 {
	inside, n := 0, 0
	for i := range r.Rows {
		x := &r.Rows[i]
		if !x.Scored || x.Time == nil {
			continue
		}
		n++
		if x.Measured >= math.Min(x.Low, x.High) && x.Measured <= math.Max(x.Low, x.High) {
			inside++
		}
	}
	return float64(inside) / math.Max(float64(n), 1)
}
