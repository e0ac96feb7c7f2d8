package accounting

import "strings"

// TimeFields are the seconds of one optimizer step.
type TimeFields struct {
	StepSeconds           float64            `json:"step_seconds"`
	Low                   float64            `json:"low"` // four of five runs lie between low and high
	High                  float64            `json:"high"`
	TokensPerSecondPerGPU float64            `json:"tokens_per_second_per_gpu"`
	MFU                   float64            `json:"mfu"`
	HFU                   float64            `json:"hfu"`
	PeakFLOPS             float64            `json:"peak_flops"` // that MFU and HFU divide by
	Parts                 map[string]float64 `json:"parts"`      // seconds; they sum to the step
	Constants             []ConstantField    `json:"constants"`
}

// ConstantField is one constant that the time rests on.
type ConstantField struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Source string  `json:"source"` // of the prior; fitted on published runs where Fitted
	Fitted bool    `json:"fitted"`
}

// A Part is one named part of a step.
type Part struct {
	Name    string
	Seconds float64
}

// Parts lists the named parts of a step, which sum to it.
func (t *Time) Parts() []Part {
	return []Part{
		{"compute_seconds", t.ComputeSeconds},
		{"attention_seconds", t.AttentionSeconds},
		{"elementwise_seconds", t.ElementwiseSeconds},
		{"recompute_seconds", t.RecomputeSeconds},
		{"launch_seconds", t.LaunchSeconds},
		{"tp_comm_exposed_seconds", t.TPCommSeconds},
		{"cp_comm_exposed_seconds", t.CPCommSeconds},
		{"ep_comm_exposed_seconds", t.EPCommSeconds},
		{"dp_comm_exposed_seconds", t.DPCommSeconds},
		{"pp_comm_exposed_seconds", t.PPCommSeconds},
		{"bubble_seconds", t.BubbleSeconds},
		{"optimizer_seconds", t.OptimizerSeconds},
		{"straggler_seconds", t.StragglerSeconds},
		{"overhead_seconds", t.OverheadSeconds},
	}
}

// timeFields times the case on its machine, whether it fits or not.
func (c *Case) timeFields(k *Compiled) *TimeFields {
	m := c.Setting.Machine
	var t Time
	k.Time(&c.Setting, m, &t)
	f := &TimeFields{
		StepSeconds: t.StepSeconds, Low: t.LowSeconds, High: t.HighSeconds, TokensPerSecondPerGPU: t.TokensPerSecondPerGPU,
		MFU: t.MFU, HFU: t.HFU, PeakFLOPS: m.PrintedPeak, Parts: map[string]float64{},
	}
	for _, p := range t.Parts() {
		f.Parts[p.Name] = p.Seconds
	}
	for _, x := range m.Calibration.Constants() {
		if k.Ledger.restsOn(x.Name, m) {
			f.Constants = append(f.Constants, ConstantField{x.Name, *x.Value, x.Source, Fitted(x.Name)})
		}
	}
	c.Notes = append(c.Notes, m.Assumed...)
	if m.arch == archVolta && c.Recipe.Attention.fused() {
		c.Notes = append(c.Notes, "FlashAttention 2 and 3 need Ampere or later: on "+m.Architecture+" fused attention is another kernel (xFormers, PyTorch's memory-efficient one), and its time is told from Ampere's share of the peak")
	}
	if len(k.limits.experts) > 0 {
		c.Notes = append(c.Notes, "routed layers run "+k.routed(&c.Setting.Plan, m).sentence())
	}
	if m.Inherited {
		c.Notes = append(c.Notes, "no training run on this architecture has been measured: its time rests on "+m.efficiency().Name+"'s constants, with a wider error bar")
	}
	return f
}

// restsOn says whether the time of a case on a machine can depend on a constant: those of
// nobody, of its architecture and of its stack, and what these take from others.
func (l *Ledger) restsOn(constant string, m *Machine) bool {
	owner, name, owned := strings.Cut(constant, ".")
	if !owned {
		return true
	}
	mine, c, id := m.efficiency(), m.Calibration, l.stack()
	early := m.arch == archHopper && l.Recipe.Attention.under(l.Profile).early()
	if name == "early_attention" {
		return early
	}
	switch owner {
	case mine.Name:
		return name != "attention" || !early
	case c.Stacks[id].Name:
		return true
	case c.Unfused.Name:
		return id.unfused()
	case c.Architectures[archAmpere].Name: // see [Calibration.attention] and [Machine.earlyAttention]
		return name == "attention" && (early || mine.Attention == 0) || name == "matmul_16bit" && mine.Attention == 0
	}
	return false
}
