package accounting

import "fmt"

// A Remedy is one change that makes a case fit, found by evaluating it.
type Remedy struct {
	Change    string `json:"change"` // as a person would type it
	PeakBytes int64  `json:"peak_bytes"`
	GPUs      int64  `json:"gpus"`
}

// maxRemedyFactor bounds how far parallel sizes and GPUs are multiplied in search
// of a remedy.
const maxRemedyFactor = 64

// Remedies are the smallest changes of one kind each that make a case fit that
// does not: smaller micro-batches, a higher ZeRO stage, more tensor or pipeline
// parallelism on the same GPUs, recompute, more GPUs. When no single change
// suffices, each is tried together with full recompute. Every one is evaluated,
// none guessed; the list is empty when nothing tried helps.
func (c *Case) Remedies() ([]Remedy, error) {
	full := *c
	full.Recipe.Recompute = Recompute{Mode: RecomputeFull}
	out, err := c.remedies("")
	if err != nil || len(out) > 0 || c.Recipe.Recompute == full.Recipe.Recompute {
		return out, err
	}
	return full.remedies("recompute full and ")
}

func (c *Case) remedies(prefix string) ([]Remedy, error) {
	var out []Remedy
	try := func(change string, modify func(*Case)) (bool, error) {
		next := *c
		modify(&next)
		next.Setting.GPUs = next.Setting.Plan.GPUs()
		k, err := next.Compile()
		if err != nil {
			return false, err
		}
		var r Report
		k.Evaluate(&next.Setting, &r)
		if r.Fits() {
			out = append(out, Remedy{prefix + change, r.Memory.PeakBytes, next.Setting.GPUs})
		}
		return r.Fits(), nil
	}
	x, p := &c.Setting, &c.Setting.Plan
	// Each list stops at the first, smallest change that helps.
	first := func(steps []step) error {
		for _, s := range steps {
			if fits, err := try(s.text, s.modify); err != nil || fits {
				return err
			}
		}
		return nil
	}
	var recompute, micro, zero, tp, pp, gpus []step
	for mode := c.Recipe.Recompute.Mode; mode <= RecomputeFull; mode++ {
		if r := (Recompute{Mode: mode}); r.Compare(c.Recipe.Recompute) > 0 || mode == RecomputeFull && r != c.Recipe.Recompute {
			recompute = append(recompute, step{"recompute " + r.String(), func(c *Case) { c.Recipe.Recompute = r }})
		}
	}
	for b := x.MicroBatch / 2; b >= 1; b /= 2 {
		micro = append(micro, step{fmt.Sprintf("micro-batch %d", b), func(c *Case) { c.Setting.MicroBatch = b }})
	}
	for z := p.ZeRO + 1; z <= c.Profile.MaxZeRO; z++ {
		zero = append(zero, step{fmt.Sprintf("zero %d", z), func(c *Case) { c.Setting.Plan.ZeRO = z }})
	}
	for n := int64(2); n <= maxRemedyFactor; n *= 2 {
		if p.DP%n == 0 {
			tp = append(tp, step{fmt.Sprintf("tp %d, dp %d", p.TP*n, p.DP/n), func(c *Case) {
				c.Setting.Plan.TP, c.Setting.Plan.DP, c.Setting.Plan.SP = p.TP*n, p.DP/n, c.Profile.SP
				c.Setting.Plan.ETP = c.Setting.Plan.DefaultETP()
			}})
			pp = append(pp, step{fmt.Sprintf("pp %d, dp %d", p.PP*n, p.DP/n), func(c *Case) { c.Setting.Plan.PP, c.Setting.Plan.DP = p.PP*n, p.DP/n }})
		}
		gpus = append(gpus, step{fmt.Sprintf("%d GPUs, dp %d", x.GPUs*n, p.DP*n), func(c *Case) {
			c.Setting.Plan.DP = p.DP * n
			c.Setting.GlobalBatch = max(c.Setting.GlobalBatch, c.Setting.MicroBatch*p.DP*n)
		}})
	}
	for _, steps := range [][]step{recompute, micro, zero, tp, pp, gpus} {
		if err := first(steps); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		for n := int64(2); n <= maxRemedyFactor; n *= 2 {
			fits, err := try(fmt.Sprintf("%d GPUs, tp %d", x.GPUs*n, p.TP*n), func(c *Case) {
				c.Setting.Plan.TP, c.Setting.Plan.SP = p.TP*n, c.Profile.SP
				c.Setting.Plan.ETP = c.Setting.Plan.DefaultETP()
			})
			if err != nil || fits {
				return out, err
			}
		}
	}
	return out, nil
}

type step struct {
	text   string
	modify func(*Case)
}
