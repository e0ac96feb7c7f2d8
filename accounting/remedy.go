package accounting

import (
	"fmt"
	"slices"
)

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
// suffices, each is tried together with full recompute, and then as many GPUs as it
// takes. Every one is evaluated, none guessed; the list is empty when nothing tried
// helps.
func (c *Case) Remedies() ([]Remedy, error) {
	full := *c
	full.Recipe.Recompute = Recompute{Mode: RecomputeFull}
	out, err := c.remedies("")
	if err != nil || len(out) > 0 {
		return out, err
	}
	recompute := ""
	if c.Recipe.Recompute != full.Recipe.Recompute && c.Profile.recomputes(full.Recipe.Recompute) && !c.Profile.NoRecompute {
		recompute = "recompute full and "
		if out, err = full.remedies(recompute); err != nil || len(out) > 0 {
			return out, err
		}
	} else {
		full.Recipe.Recompute = c.Recipe.Recompute
	}
	return full.larger(recompute)
}

// larger are the fewest GPUs on which the case fits with micro-batches of one
// sequence: with the highest ZeRO stage, with experts spread as far as they go, and
// with tensor parallelism in a node and a pipeline.
func (c *Case) larger(prefix string) ([]Remedy, error) {
	if c.Setting.MicroBatch > 1 {
		prefix += "micro-batch 1 and "
	}
	var out []Remedy
	for _, grow := range []func(p *Plan, n int64) bool{c.moreData, c.moreExperts, c.moreStages} {
		for n := c.Setting.GPUs; n <= maxRemedyGPUs; n *= 2 {
			next := *c
			x := &next.Setting
			p := &x.Plan
			if !grow(p, n) {
				continue
			}
			x.GPUs, x.MicroBatch = n, 1
			x.GlobalBatch = ceilDiv(x.GlobalBatch, p.DP) * p.DP
			k, err := next.Compile()
			if err != nil {
				return nil, err
			}
			var r Report
			k.Evaluate(x, &r)
			if r.Fits() {
				ep := ""
				if p.EP > 1 {
					ep = fmt.Sprintf(", ep %d", p.EP)
				}
				change := fmt.Sprintf("%s%d GPUs with tp %d, pp %d, dp %d%s, zero %d", prefix, n, p.TP, p.PP, p.DP, ep, p.ZeRO)
				if !slices.ContainsFunc(out, func(r Remedy) bool { return r.Change == change }) {
					out = append(out, Remedy{change, r.Memory.PeakBytes, n})
				}
				break
			}
		}
	}
	return out, nil
}

// moreData spreads a plan over n GPUs by data parallelism, with the highest ZeRO
// stage.
func (c *Case) moreData(p *Plan, n int64) bool {
	inner := p.TP * p.PP * p.CP
	p.ZeRO, p.DP = c.Profile.MaxZeRO, n/inner
	return n%inner == 0
}

// moreExperts is [Case.moreData] with each rank holding as few experts as it can.
func (c *Case) moreExperts(p *Plan, n int64) bool {
	experts := int64(0)
	for i := range c.Model.Kinds {
		if moe := c.Model.Kinds[i].MoE; moe != nil {
			experts = moe.Experts
		}
	}
	if experts == 0 || !c.Profile.Parallel || !c.moreData(p, n) {
		return false
	}
	for ep := min(experts, p.DP*p.CP); ep > p.EP; ep-- {
		if experts%ep == 0 && p.DP*p.CP%ep == 0 {
			p.EP = ep
			break
		}
	}
	p.ETP = 1
	return true
}

// moreStages spreads a plan over n GPUs by tensor parallelism within a node and a
// pipeline.
func (c *Case) moreStages(p *Plan, n int64) bool {
	tp, experts := max(p.TP, min(n, nodeRanks)), p.EP
	if !c.Profile.Parallel || n%tp != 0 {
		return false
	}
	*p = Plan{TP: tp, SP: c.Profile.SP && tp > 1, PP: n / tp, VPP: 1, CP: 1, EP: 1, ETP: 1, DP: 1, ZeRO: p.ZeRO}
	return experts == 1
}

// Bounds of what [Case.larger] tries: a cluster, and the ranks of a node.
const (
	maxRemedyGPUs = 1 << 16
	nodeRanks     = 8
)

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
				c.Setting.Plan.ETP = c.Setting.Plan.DefaultETP(c.Profile)
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
	return out, nil
}

type step struct {
	text   string
	modify func(*Case)
}
