package accounting

// A Setting is what varies from case to case for one compiled ledger.
type Setting struct {
	Workload
	Plan        Plan
	GPUs        int64
	UsableBytes int64 // what a process can allocate; 0 = no limit asked
	Convention  Convention
}

// A Report is the answer for one case. It is plain data and holds no pointers,
// so that sweeps reuse it.
type Report struct {
	Reason        Reason // OK, or why the case is ruled out or does not fit
	MicroBatches  int64
	Memory        Memory
	FLOPs         StepFLOPs
	TokensPerStep int64
}

// Fits says that the case can exist and its peak is within the usable memory.
func (r *Report) Fits() bool { return r.Reason == OK }

// RuledOut says that the case cannot exist, so that nothing was counted.
func (r *Report) RuledOut() bool { return r.Reason != OK && r.Reason != ReasonMemory }

// Evaluate counts one case: first whether the plan can exist, then memory, then
// FLOPs. What cannot exist is data in r.Reason, never an error. Evaluate does not
// allocate and is safe for concurrent use with different reports.
func (c *Compiled) Evaluate(x *Setting, r *Report) {
	*r = Report{}
	if r.Reason = c.Check(&x.Workload, &x.Plan, x.GPUs); r.Reason != OK {
		return
	}
	r.MicroBatches = x.MicroBatches(&x.Plan)
	r.TokensPerStep = x.GlobalBatch * x.Context
	if err := c.memory(x, &r.Memory); err != nil {
		r.Reason = ReasonOverflow
		return
	}
	r.FLOPs = c.StepFLOPs(x.GlobalBatch, x.Context, x.Convention)
	if x.UsableBytes > 0 && r.Memory.PeakBytes > x.UsableBytes {
		r.Reason = ReasonMemory
	}
}

// memory finds the worst stage and phase.
func (c *Compiled) memory(x *Setting, out *Memory) error {
	for q := range x.Plan.PP {
		var m Memory
		if err := c.stageMemory(x, q, &m); err != nil {
			return err
		}
		if q == 0 || m.PeakBytes > out.PeakBytes {
			*out = m
		}
	}
	return nil
}

// stageMemory is the peak of stage q.
func (c *Compiled) stageMemory(x *Setting, q int64, m *Memory) error {
	p := &x.Plan
	m.Stage = q
	rows := c.vocabRows(p)
	var dense, expert, denseMoments, expertMoments int64
	hold := func(cs *compiledSection, count, copies int64) error {
		d := divisors(p, cs.kvHeads)
		a, e := perRank(&cs.weights, rows, &d)
		am, em := perRank(&cs.moments, rows, &d)
		saved, err := sumTerms(cs.saved, x.MicroBatch, x.Context, rows, &d)
		if err != nil {
			return err
		}
		m.SavedTotalBytes += saved * count
		if cs.role == RoleLayer || cs.role == RoleEncoder {
			m.SavedPerLayerBytes = max(m.SavedPerLayerBytes, saved)
		}
		dense, expert = dense+a*count, expert+e*count
		denseMoments, expertMoments = denseMoments+am*count, expertMoments+em*count
		if saved, err = mulChecked(saved, copies); err != nil {
			return err
		}
		if m.ActivationsBytes, err = addChecked(m.ActivationsBytes, saved); err != nil {
			return err
		}
		return nil
	}
	if q == 0 {
		for _, i := range c.first {
			if err := hold(&c.sections[i], 1, inFlight(p.PP, p.VPP, 0, 0, x.MicroBatches(p))); err != nil {
				return err
			}
		}
	}
	chunks := p.PP * p.VPP
	for j := range p.VPP {
		lo, hi := stageLayers(c.limits.layers, chunks, j*p.PP+q)
		for i := lo; i < hi; i++ {
			cs := &c.sections[c.layers[i]]
			if err := hold(cs, 1, inFlight(p.PP, p.VPP, q, j, x.MicroBatches(p))); err != nil {
				return err
			}
		}
	}
	if q == p.PP-1 {
		head := &c.sections[len(c.sections)-1]
		if err := hold(head, 1, 1); err != nil {
			return err
		}
		d := divisors(p, 1)
		var err error
		if m.LogitsBytes, err = sumTerms(head.logits, x.MicroBatch, x.Context, rows, &d); err != nil {
			return err
		}
		m.SavedTotalBytes += m.LogitsBytes
	}
	prec := &c.Ledger.Recipe.Precision
	m.ParametersPerRank = dense + expert
	m.WeightsBytes = (dense + expert) * prec.WeightBytes
	m.GradientsBytes = (dense + expert) * prec.GradientBytes
	m.OptimizerBytes = (dense+expert)*prec.MasterBytes + denseMoments + expertMoments
	m.PeakBytes = m.WeightsBytes + m.GradientsBytes + m.OptimizerBytes + m.ActivationsBytes + m.LogitsBytes
	m.AllocatedBytes, m.ReservedBytes = m.PeakBytes, m.PeakBytes
	return nil
}
