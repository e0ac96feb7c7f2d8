package accounting

import (
	"fmt"
	"strconv"
)

// An Explanation is everything headroom knows of one case: the stable machine
// answer of `headroom explain --json`. Fields are only ever added.
type Explanation struct {
	Case       CaseFields        `json:"case"`
	Parameters ParameterFields   `json:"parameters"`
	FLOPs      FLOPsFields       `json:"flops"`
	Memory     MemoryFields      `json:"memory"`
	Algebra    map[string]string `json:"algebra"`
	Cost       *Cost             `json:"cost,omitempty"` // where a step time and the tokens of the run are known
	Ledger     []LedgerRow       `json:"ledger"`
	Time       *TimeFields       `json:"time,omitempty"` // on Setting.Machine
	Status     string            `json:"status"`         // fits, oom, ruled_out
	Reason     string            `json:"reason,omitempty"`
	Remedies   []Remedy          `json:"remedies,omitempty"` // changes that would make it fit
	Timeline   []MomentFields    `json:"timeline,omitempty"` // of the fullest stage
	Notes      []string          `json:"notes"`
}

// MomentFields is one moment of the step at which memory can peak, in bytes.
type MomentFields struct {
	Phase            string `json:"phase"`
	StatesBytes      int64  `json:"states_bytes"` // weights and optimizer
	GradientsBytes   int64  `json:"gradients_bytes"`
	ActivationsBytes int64  `json:"activations_bytes"`
	LogitsBytes      int64  `json:"logits_bytes"`
	BuffersBytes     int64  `json:"buffers_bytes"`
	AllocatedBytes   int64  `json:"allocated_bytes"`
}

// CaseFields is the case with its defaults.
type CaseFields struct {
	Model        string  `json:"model"`
	ModelType    string  `json:"model_type"`
	Layers       int64   `json:"layers"`
	Context      int64   `json:"seq"`
	MicroBatch   int64   `json:"micro_batch"`
	GlobalBatch  int64   `json:"global_batch"`
	MicroBatches int64   `json:"micro_batches"`
	GPUs         int64   `json:"gpus"`
	TP           int64   `json:"tp"`
	SP           bool    `json:"sp"`
	PP           int64   `json:"pp"`
	VPP          int64   `json:"vpp"`
	CP           int64   `json:"cp"`
	EP           int64   `json:"ep"`
	ETP          int64   `json:"etp"`
	DP           int64   `json:"dp"`
	ZeRO         int64   `json:"zero"`
	Schedule     string  `json:"schedule"`
	Replicas     int64   `json:"dp_replicate"`
	FirstLayers  int64   `json:"first_stage_layers,omitempty"`
	LastLayers   int64   `json:"last_stage_layers,omitempty"`
	Recipe       string  `json:"recipe"`
	Profile      string  `json:"profile"`
	Optimizer    string  `json:"optimizer"`
	Attention    string  `json:"attention"`
	Recompute    string  `json:"recompute"`
	Loss         string  `json:"loss"`
	MoE          string  `json:"moe"`
	MTP          int64   `json:"mtp_num_layers"` // trained layers that predict a further token
	Dropout      float64 `json:"dropout"`
	Compile      bool    `json:"compile"`
	Trainable    string  `json:"trainable"`
	Offload      string  `json:"offload"`
	InBackward   bool    `json:"optimizer_in_backward"`
	Overlap      string  `json:"overlap"` // communication behind computation
	Accelerator  string  `json:"gpu,omitempty"`
}

// Options is the case as a person would write it; its Model is not known by name alone.
func (f *CaseFields) Options() Options {
	zero, sp := f.ZeRO, f.SP
	o := Options{
		Context: f.Context, MicroBatch: f.MicroBatch, GlobalBatch: f.GlobalBatch, GPUs: f.GPUs,
		TP: f.TP, PP: f.PP, VPP: f.VPP, CP: f.CP, EP: f.EP, ETP: f.ETP, DP: f.DP, FirstLayers: f.FirstLayers, LastLayers: f.LastLayers,
		Replicas: f.Replicas, SP: &sp, ZeRO: &zero, Profile: f.Profile, Recipe: f.Recipe, Optimizer: f.Optimizer,
		Attention: f.Attention, Recompute: f.Recompute, Loss: f.Loss, MoE: f.MoE, MTP: f.MTP, Schedule: f.Schedule, Trainable: f.Trainable, Offload: f.Offload,
		OptimizerInBackward: f.InBackward, Compile: f.Compile, Overlap: f.Overlap,
	}
	if f.Dropout > 0 {
		o.Dropout = strconv.FormatFloat(f.Dropout, 'g', -1, 64)
	}
	return o
}

// MemoryFields are bytes on the worst rank at the worst moment.
type MemoryFields struct {
	PeakBytes          int64  `json:"peak_bytes"`
	Stage              int64  `json:"stage"`
	Phase              string `json:"phase"`
	WeightsBytes       int64  `json:"weights_bytes"`
	GradientsBytes     int64  `json:"gradients_bytes"`
	OptimizerBytes     int64  `json:"optimizer_bytes"`
	ActivationsBytes   int64  `json:"activations_bytes"`
	LogitsBytes        int64  `json:"logits_bytes"`
	BuffersBytes       int64  `json:"buffers_bytes"`
	RuntimeBytes       int64  `json:"runtime_bytes"`
	SavedTotalBytes    int64  `json:"saved_total_bytes"`
	WeightCopiesBytes  int64  `json:"weight_copies_bytes"` // autocast's 16-bit copies of weights, not in saved_total_bytes
	SavedPerLayerBytes int64  `json:"saved_per_layer_bytes"`
	AllocatedBytes     int64  `json:"allocated_bytes"`
	ReservedBytes      int64  `json:"reserved_bytes"`
	DeviceBytes        int64  `json:"device_bytes"`
	UsableBytes        *int64 `json:"usable_bytes"`
	Fits               *bool  `json:"fits"`
	ShortfallBytes     int64  `json:"shortfall_bytes,omitempty"`
	// Constants are the numbers behind it that no tensor has.
	Constants []ConstantField `json:"constants,omitempty"`
}

// LedgerRow is one row of the table, with values for the whole model (all layers
// of the kind) on one micro-batch, unsharded. Bytes unless the name says otherwise.
type LedgerRow struct {
	Section      string         `json:"section"`
	Component    string         `json:"component"`
	Count        int64          `json:"count"`
	Algebra      string         `json:"algebra"`     // parameters of one
	SavedAlgebra string         `json:"saved"`       // bytes kept by one
	Parameters   int64          `json:"parameters"`  // count
	Gradients    int64          `json:"gradients"`   // bytes
	Optimizer    int64          `json:"optimizer"`   // bytes
	Activations  int64          `json:"activations"` // bytes
	FLOPs        float64        `json:"flops"`       // one forward
	LeftOut      bool           `json:"left_out_of_memory,omitempty"`
	Tensors      []LedgerTensor `json:"tensors,omitempty"`
}

// LedgerTensor is one stored tensor, for `explain --tensors`.
type LedgerTensor struct {
	Name   string `json:"name"`
	Kept   string `json:"kept"` // weight or saved
	Shape  string `json:"shape"`
	DType  string `json:"dtype"`
	Shard  string `json:"shard"`
	Bytes  int64  `json:"bytes"`
	Source string `json:"source,omitempty"`
	Frozen bool   `json:"frozen,omitempty"` // a weight that is not trained
	// Of a saved tensor: bytes on one rank, and why it is in no saved_total_bytes.
	RankBytes int64 `json:"rank_bytes,omitempty"`
	Copy      bool  `json:"weight_copy,omitempty"`    // in weight_copies_bytes
	Kernel    bool  `json:"kernel_context,omitempty"` // what a fused kernel keeps of its own
}

// Explain evaluates a case and writes down where every number comes from.
// tensors adds each tensor to its row.
func (c *Case) Explain(tensors bool) (*Explanation, error) {
	k, err := c.Compile()
	if err != nil {
		return nil, err
	}
	var r Report
	k.Evaluate(&c.Setting, &r)
	e := &Explanation{Case: c.fields(&r), Notes: c.Notes, Status: "fits"}
	switch {
	case r.RuledOut():
		e.Status, e.Reason = "ruled_out", r.Reason.Code()
		e.Notes = append(e.Notes, "this case can not exist: "+k.WhyNot(&c.Setting, r.Reason))
	case r.Reason == ReasonMemory:
		e.Status, e.Reason = "oom", r.Reason.Code()
		if e.Remedies, err = c.Remedies(); err != nil {
			return nil, err
		}
	}
	if e.Parameters, err = c.parameterFields(k, &r); err != nil {
		return nil, err
	}
	e.FLOPs = c.flopsFields(k)
	e.Memory = c.memoryFields(&r.Memory)
	if r.RuledOut() && e.Memory.Fits != nil {
		*e.Memory.Fits = false // no bytes were counted
	}
	if !r.RuledOut() && c.Setting.Machine != nil {
		e.Time = c.timeFields(k)
		e.Notes = c.Notes
		if !r.Fits() {
			e.Notes = append(e.Notes, "time and cost are of a plan that does not fit: they compare plans, and nobody can run this one")
		}
	}
	if !r.RuledOut() {
		moments, err := k.Timeline(&c.Setting)
		if err != nil {
			return nil, err
		}
		for _, m := range moments {
			e.Timeline = append(e.Timeline, MomentFields{
				Phase: m.Phase.String(), StatesBytes: m.WeightsBytes + m.OptimizerBytes, GradientsBytes: m.GradientsBytes,
				ActivationsBytes: m.ActivationsBytes, LogitsBytes: m.LogitsBytes, BuffersBytes: m.BuffersBytes, AllocatedBytes: m.AllocatedBytes,
			})
		}
	}
	e.Algebra = k.algebra(&c.Setting)
	if e.Ledger, err = c.rows(k, tensors); err != nil {
		return nil, err
	}
	return e, nil
}

func (c *Case) fields(r *Report) CaseFields {
	x, p := &c.Setting, &c.Setting.Plan
	return CaseFields{
		Model: c.Model.Name, ModelType: c.Model.Type, Layers: c.Model.Layers(),
		Context: x.Context, MicroBatch: x.MicroBatch, GlobalBatch: x.GlobalBatch, MicroBatches: r.MicroBatches, GPUs: x.GPUs,
		TP: p.TP, SP: p.SP, PP: p.PP, VPP: p.VPP, CP: p.CP, EP: p.EP, ETP: p.ETP, DP: p.DP, ZeRO: p.ZeRO, Schedule: p.Schedule.String(), Replicas: max(p.Replicas, 1), FirstLayers: p.FirstLayers, LastLayers: p.LastLayers,
		Recipe: c.Recipe.Precision.Name, Profile: c.Profile.Name, Optimizer: c.Recipe.Optimizer.Name,
		Attention: c.Recipe.Attention.String(), Recompute: c.Recipe.Recompute.String(), Loss: c.Recipe.Loss.String(), MoE: c.Recipe.Routed.String(), MTP: c.Recipe.MTP, Dropout: c.Recipe.Dropout, Compile: c.Recipe.Compile,
		Trainable: c.Recipe.Trainable.String(), Offload: c.Recipe.Offload.String(), InBackward: c.Recipe.OptimizerInBackward, Overlap: c.Recipe.Overlap.String(),
	}
}

func (c *Case) memoryFields(m *Memory) MemoryFields {
	f := MemoryFields{
		PeakBytes: m.PeakBytes, Stage: m.Stage, Phase: m.Phase.String(),
		WeightsBytes: m.WeightsBytes, GradientsBytes: m.GradientsBytes, OptimizerBytes: m.OptimizerBytes,
		ActivationsBytes: m.ActivationsBytes, LogitsBytes: m.LogitsBytes, BuffersBytes: m.BuffersBytes, RuntimeBytes: m.RuntimeBytes,
		SavedTotalBytes: m.SavedTotalBytes, WeightCopiesBytes: m.WeightCopiesBytes, SavedPerLayerBytes: m.SavedPerLayerBytes,
		AllocatedBytes: m.AllocatedBytes, ReservedBytes: m.ReservedBytes, DeviceBytes: m.DeviceBytes,
		Constants: c.Profile.memory.constants(),
	}
	if usable := c.Setting.UsableBytes; usable > 0 {
		fits := m.PeakBytes <= usable
		f.UsableBytes, f.Fits = &usable, &fits
		f.ShortfallBytes = max(m.PeakBytes-usable, 0)
	}
	return f
}

// algebra writes each section in one line. When everything is of one type, the
// line counts elements, states and activations together, as on paper; otherwise
// states are bytes a parameter and activations bytes.
//
// A model with layers of one kind has a line "layer"; of several kinds, a line for
// each and "layer" for the most frequent one.
func (c *Compiled) algebra(x *Setting) map[string]string {
	l := c.Ledger.At(x.MicroBatch, x.Context, &x.Plan)
	out := map[string]string{}
	p := &l.Recipe.Precision
	state := p.WeightBytes + p.GradientBytes + p.MasterBytes + l.Recipe.Optimizer.MatrixMoments*p.MomentBytes
	uniform := int64(0) // bytes of every element, 0 when they differ
	if p.WeightBytes == p.GradientBytes && p.MomentBytes == p.WeightBytes && p.MasterBytes == 0 {
		uniform = p.WeightBytes
	}
	for i := range l.Sections {
		for j := range l.Sections[i].Components {
			for _, t := range l.Sections[i].Components[j].Saved {
				if t.DType.Bytes() != uniform {
					uniform = 0
				}
			}
		}
	}
	out["unit"] = "bytes"
	if uniform > 0 {
		out["unit"] = fmt.Sprintf("elements of %d bytes", uniform)
	}
	var commonest int64
	for i := range l.Sections {
		s := &l.Sections[i]
		parameters, saved := s.Sum((*Component).Parameters), s.Sum((*Component).SavedBytes)
		trained := s.Sum((*Component).Trained)
		line := parameters.Scale(p.WeightBytes).Plus(trained.Scale(state - p.WeightBytes)).Plus(saved)
		if uniform > 0 {
			line = parameters.Plus(trained.Scale(state/uniform - 1)).Plus(s.Sum((*Component).SavedElems))
		}
		flops := s.Sum((*Component).FLOPs)
		switch span := c.sections[i].span(x.Context, x.Convention); span {
		case float64(x.Context):
			flops = flops.rename(SymSpan, SymS)
		default:
			out["S̄"] = fmt.Sprintf("keys a query looks at, on average: %g here", span)
		}
		write := func(name string) {
			out[name] = line.Simplify(&s.Values).String()
			out[name+"_parameters"] = parameters.Simplify(&s.Values).String()
			out[name+"_activations"] = saved.Simplify(&s.Values).String()
			out[name+"_forward_flops"] = flops.Simplify(&s.Values).String()
		}
		name := s.Name
		if s.Role == RoleLayer {
			name = "layer " + s.Name
			if s.Count > commonest {
				commonest = s.Count
				write("layer")
			}
			if s.Count == l.Model.Layers() {
				continue
			}
		}
		write(name)
	}
	return out
}

func (c *Case) rows(k *Compiled, tensors bool) ([]LedgerRow, error) {
	l := k.Ledger.At(c.Setting.MicroBatch, c.Setting.Context, &c.Setting.Plan)
	p := &c.Recipe.Precision
	moments := c.Recipe.Optimizer.MatrixMoments * p.MomentBytes
	var out []LedgerRow
	for i := range l.Sections {
		s := &l.Sections[i]
		v := s.Values
		v[SymB], v[SymS] = c.Setting.MicroBatch, c.Setting.Context
		on := rank{s: s, x: &c.Setting, rows: k.vocabRows(&c.Setting.Plan), divisors: divisors(&c.Setting.Plan, k.sections[i].kvHeads)}
		keys := k.sections[i].keys(c.Setting.Context, c.Setting.Convention)
		for j := range s.Components {
			comp := &s.Components[j]
			n, err := comp.Parameters().Scale(s.Count).Eval(&v)
			if err != nil {
				return nil, err
			}
			trained, err := comp.Trained().Scale(s.Count).Eval(&v)
			if err != nil {
				return nil, err
			}
			saved, err := comp.SavedBytes().Scale(s.Count).Eval(&v)
			if err != nil {
				return nil, err
			}
			row := LedgerRow{
				Section: s.Name, Component: comp.Name, Count: s.Count,
				Algebra: comp.Parameters().Simplify(&v).String(), SavedAlgebra: comp.SavedBytes().Simplify(&v).String(),
				Parameters: n, Gradients: trained * p.GradientBytes, Optimizer: trained * (p.MasterBytes + moments), Activations: saved,
				LeftOut: comp.Excluded,
			}
			var flops products
			flops.add(s, comp.FLOPs())
			row.FLOPs = flops.at(float64(c.Setting.Context), keys) * float64(s.Count*c.Setting.MicroBatch)
			if tensors {
				if row.Tensors, err = comp.tensors(&v, p, on); err != nil {
					return nil, err
				}
			}
			out = append(out, row)
		}
	}
	return out, nil
}

func (c *Component) tensors(v *Values, p *Precision, on rank) ([]LedgerTensor, error) {
	var out []LedgerTensor
	list := func(kept string, all []Tensor) error {
		for i := range all {
			t := all[i]
			if kept == "weight" {
				t.DType = p.Weights
			}
			n, err := t.Bytes().Eval(v)
			if err != nil {
				return err
			}
			row := LedgerTensor{Name: t.Name, Kept: kept, Shape: shapeText(t.Shape), DType: t.DType.String(), Shard: t.Shard.String(), Bytes: n, Source: t.Source, Frozen: t.Frozen}
			if kept == "saved" {
				row.Copy, row.Kernel = t.Copy, t.Kernel
				if row.RankBytes, err = on.bytes(&t); err != nil {
					return err
				}
			}
			out = append(out, row)
		}
		return nil
	}
	if err := list("weight", c.Weights); err != nil {
		return nil, err
	}
	return out, list("saved", c.Saved)
}

func shapeText(shape []Expr) string {
	text := "["
	for i, d := range shape {
		if i > 0 {
			text += ", "
		}
		text += d.String()
	}
	return text + "]"
}
