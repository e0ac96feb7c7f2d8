package accounting

// A Setting is what varies from case to case for one compiled ledger.
type Setting struct {
	Workload
	Plan        Plan
	GPUs        int64
	UsableBytes int64 // what a process can allocate; 0 = no limit asked
	Convention  Convention
	// FirstStep asks for the very first step, whose forward and backward run before
	// the optimizer has made its moments.
	FirstStep bool
	Machine   *Machine // what to time the step on; nil = not asked
	Memo      *Memo    // keeps what cases have in common; nil = every case for itself
}

// A Report is the answer for one case. It is plain data and holds no pointers,
// so that sweeps reuse it.
type Report struct {
	Reason        Reason // OK, or why the case is ruled out or does not fit
	MicroBatches  int64
	Memory        Memory
	FLOPs         StepFLOPs
	TokensPerStep int64
	Time          Time // of a case that fits, where Setting.Machine is given
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
	r.FLOPs = c.stepFLOPs(x)
	if x.UsableBytes > 0 {
		r.Memory.ReservedBytes, r.Memory.DeviceBytes = r.Memory.Cached(x.UsableBytes)
		if r.Memory.PeakBytes > x.UsableBytes {
			r.Reason = ReasonMemory
		}
	}
	if r.Reason == OK && x.Machine != nil {
		c.time(x, x.Machine, &r.FLOPs, &r.Time)
	}
}
