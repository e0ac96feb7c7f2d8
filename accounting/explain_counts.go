package accounting

// ParameterFields are exact counts.
type ParameterFields struct {
	Counts
	PerRankMax int64 `json:"per_rank_max"` // of the stage that holds most
	// PerStage is what one rank of each pipeline stage holds before ZeRO shards it,
	// norms, routers and other uncut tensors on every rank; AllRanks adds up all ranks,
	// copies of data parallelism included. Absent where the plan can not exist.
	PerStage []int64 `json:"per_stage,omitempty"`
	AllRanks int64   `json:"all_ranks,omitempty"`

	LoadBytes        int64            `json:"load_bytes"`          // all weights in the recipe's stored type
	LoadBytesByDType map[string]int64 `json:"load_bytes_by_dtype"` // and in others, without scales of quantisation

	ByComponent map[string]int64 `json:"by_component"` // all layers together; adds up to the total
	ByKind      []KindFields     `json:"by_kind"`      // embedding, each kind of layer, head
}

// KindFields is one kind of layer, or an end of the model.
type KindFields struct {
	Kind       string `json:"kind"`
	Count      int64  `json:"count"`
	Parameters int64  `json:"parameters"` // of one
	Active     int64  `json:"active"`     // of one
	// ForwardFLOPs of one over one sequence, by attention convention.
	ForwardFLOPs map[string]float64 `json:"forward_flops"`
}

// loadBits are the types that weights are stored in.
var loadBits = map[string]int64{"fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4}

func (c *Case) parameterFields(k *Compiled, r *Report) (ParameterFields, error) {
	p := ParameterFields{Counts: k.Counts, PerRankMax: r.Memory.ParametersPerRank, LoadBytesByDType: map[string]int64{}, ByComponent: map[string]int64{}}
	var err error
	if p.LoadBytes, err = mulChecked(k.Counts.Total, c.Recipe.Precision.Weights.Bytes()); err != nil {
		return p, err
	}
	for name, bits := range loadBits {
		n, err := mulChecked(k.Counts.Total, bits)
		if err != nil {
			return p, err
		}
		p.LoadBytesByDType[name] = (n + 7) / 8
	}
	if !r.RuledOut() {
		x := &c.Setting
		for q := range x.Plan.PP {
			var m Memory
			if err := k.StageMemory(x, q, &m); err != nil {
				return p, err
			}
			p.PerStage = append(p.PerStage, m.ParametersPerRank)
			p.PerRankMax = max(p.PerRankMax, m.ParametersPerRank)
			p.AllRanks += m.ParametersPerRank * (x.Plan.GPUs() / x.Plan.PP)
		}
	}
	for i := range k.Ledger.Sections {
		s := &k.Ledger.Sections[i]
		f := KindFields{Kind: s.Name, Count: s.Count, ForwardFLOPs: map[string]float64{}}
		for j := range s.Components {
			comp := &s.Components[j]
			one, active, err := s.size(comp)
			if err != nil {
				return p, err
			}
			f.Parameters += one
			f.Active += active
			if one > 0 {
				p.ByComponent[comp.Name] += one * s.Count
			}
		}
		for _, conv := range []Convention{Causal, FullSquare} {
			cs := &k.sections[i]
			f.ForwardFLOPs[conv.String()] = cs.flops.at(float64(c.Setting.Context), cs.keys(c.Setting.Context, conv))
		}
		p.ByKind = append(p.ByKind, f)
	}
	return p, nil
}

// FLOPsFields are the arithmetic of one step; every attention convention is named.
type FLOPsFields struct {
	Convention string `json:"convention"`
	ConventionFields
	ByConvention  map[string]ConventionFields `json:"by_convention"`
	OptimizerStep float64                     `json:"optimizer_step"`
	SixPT         float64                     `json:"rule_of_thumb_6pt"` // 6·P·tokens, P the parameters that one token uses
	SixPTError    float64                     `json:"rule_of_thumb_error"`
	OptimizerOps  []OptimizerOpField          `json:"optimizer_ops"`
}

// ConventionFields are the figures that depend on how attention is counted.
type ConventionFields struct {
	Forward            float64            `json:"forward"` // one sequence
	ForwardStep        float64            `json:"forward_step"`
	ModelStep          float64            `json:"model_step"`
	HardwareStep       float64            `json:"hardware_step"`
	ForwardByComponent map[string]float64 `json:"forward_by_component"`
}

// OptimizerOpField is one line of the optimizer's arithmetic.
type OptimizerOpField struct {
	Name  string  `json:"name"`
	Each  int64   `json:"flops_per_parameter"`
	FLOPs float64 `json:"flops"`
}

func (c *Case) flopsFields(k *Compiled) FLOPsFields {
	x := &c.Setting
	f := FLOPsFields{
		Convention: x.Convention.String(), ByConvention: map[string]ConventionFields{},
		SixPT: 6 * float64(k.Counts.Active) * float64(x.GlobalBatch) * float64(x.Context),
	}
	for _, conv := range []Convention{Causal, FullSquare} {
		under := *x
		under.Convention = conv
		step := k.stepFLOPs(&under)
		n := ConventionFields{
			Forward: k.ForwardFLOPs(1, x.Context, conv), ForwardStep: step.Forward, ModelStep: step.Model, HardwareStep: step.Hardware,
			ForwardByComponent: map[string]float64{},
		}
		for _, g := range k.ForwardByGroup(1, x.Context, conv) {
			n.ForwardByComponent[string(g.Group)] = g.FLOPs
		}
		f.ByConvention[conv.String()] = n
		f.OptimizerStep = step.Optimizer
	}
	f.ConventionFields = f.ByConvention[f.Convention]
	if f.ModelStep > 0 {
		f.SixPTError = f.SixPT/f.ModelStep - 1
	}
	for _, op := range c.Recipe.Optimizer.Ops {
		f.OptimizerOps = append(f.OptimizerOps, OptimizerOpField{op.Name, op.FLOPs, float64(op.FLOPs) * float64(k.Counts.Trainable)})
	}
	return f
}
