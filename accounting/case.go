package accounting

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"headroom/accounting/arch"
	"headroom/internal/digits"
)

// Options is a case as a person writes it: names for recipes, zero or nil for
// whatever is left to the defaults.
type Options struct {
	Model *arch.Model

	Context, MicroBatch, GlobalBatch int64
	Tokens                           int64
	GPUs                             int64
	TP, PP, VPP, CP, EP, ETP, DP     int64
	FirstLayers, LastLayers          int64 // of the first and the last pipeline stage; 0 = as the others
	Replicas                         int64 // groups of data-parallel ranks that hold all shards each (HSDP)
	SP                               *bool
	ZeRO                             *int64

	Profile, Recipe, Optimizer          string
	Attention, Recompute, Loss, Dropout string
	Schedule, MoE                       string
	MTP                                 int64 // layers that predict a further token
	Trainable, Offload                  string
	OptimizerInBackward                 bool
	// Elements of DeepSpeed's reduce_bucket_size and stage3_max_live_parameters; 0 = the
	// profile's own. Without its memory-efficient linear layers (zero.Init's
	// mem_efficient_linear) ZeRO-3 keeps every gathered weight until backward: more than
	// there are.
	ReduceBucket, MaxLive int64
	Compile               bool
	Softmax               SoftmaxKernel
	Foreach, ReduceLast   bool   // see [Recipe]
	Overlap               string // of communication, as [ParseOverlap] reads it
	Reduce                DType  // see [Recipe]

	// Code, where it is given, takes the place of the profile of that name.
	Code *Profile
	// VocabMultiple is how many rows each tensor-parallel rank's vocabulary is padded
	// to a multiple of; 0 = the profile's own.
	VocabMultiple int64

	UsableBytes int64  // what the accelerator offers; 0 = not asked
	Convention  string // causal or full; empty = the profile's own
	// WithEmbedding counts the token embedding that the profile `seed` leaves out.
	WithEmbedding bool
}

// A Case is one full configuration, every default filled in.
type Case struct {
	Model   *arch.Model
	Profile *Profile
	Recipe  Recipe
	Setting Setting
	Notes   []string // the assumptions made, a sentence each
}

// DefaultContext is the context of a case that names none, or the model's
// longest when that is shorter.
const DefaultContext = 4096

// Resolve fills in what is left open, by rules that the notes state. All
// problems are reported, not just the first.
func (o Options) Resolve() (*Case, error) {
	c := &Case{Model: o.Model}
	var problems []string
	fail := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	note := func(format string, args ...any) { c.Notes = append(c.Notes, fmt.Sprintf(format, args...)) }
	var err error

	if c.Profile, err = ParseProfile(orDefault(o.Profile, defaultProfile(o.Model))); err != nil {
		fail(err)
		c.Profile = &seedProfile
	}
	if o.Code != nil {
		c.Profile = o.Code
	}
	if o.VocabMultiple > 0 {
		padded := *c.Profile
		padded.memory.vocabMultiple = o.VocabMultiple
		c.Profile = &padded
	}
	if o.WithEmbedding && len(c.Profile.Leave) > 0 {
		whole := *c.Profile
		whole.Leave = nil
		c.Profile = &whole
	}
	if rules := &c.Profile.memory; (o.ReduceBucket > 0 || o.MaxLive > 0) && rules.reduceElements > 0 {
		own := *c.Profile
		own.memory.reduceElements = cmp.Or(o.ReduceBucket, rules.reduceElements)
		own.memory.liveElements = cmp.Or(o.MaxLive, rules.liveElements)
		c.Profile = &own
	} else if o.ReduceBucket > 0 || o.MaxLive > 0 {
		fail(fmt.Errorf("profile %s has no reduce bucket and keeps no gathered parameters: reduce-bucket-size and stage3-max-live-parameters are DeepSpeed's", c.Profile.Name))
	}
	r := &c.Recipe
	r.Precision, err = c.Profile.precision(o.Recipe)
	fail(err)
	r.Optimizer, err = ParseOptimizer(orDefault(o.Optimizer, c.Profile.Optimizer))
	fail(err)
	r.Attention, err = ParseAttention(orDefault(o.Attention, c.Profile.Attention.String()))
	fail(err)
	r.Recompute, err = ParseRecompute(orDefault(o.Recompute, "none"))
	fail(err)
	r.Softmax, r.Foreach, r.Reduce, r.ReduceLast = o.Softmax, o.Foreach, o.Reduce, o.ReduceLast
	r.Loss, err = ParseLoss(orDefault(o.Loss, "eager"))
	fail(err)
	r.Routed, err = ParseRouted(orDefault(o.MoE, routedNames[RoutedAuto]))
	fail(err)
	r.Overlap, err = ParseOverlap(orDefault(o.Overlap, Overlap(0).String()))
	fail(err)
	r.MTP = o.MTP
	r.Compile = o.Compile
	r.Trainable, err = ParseTrainable(orDefault(o.Trainable, "all"))
	fail(err)
	if c.Profile.PEFT && r.Trainable.Rank > 0 {
		r.Precision.widenAdapters()
	}
	r.Offload, err = ParseOffload(orDefault(o.Offload, "none"))
	fail(err)
	r.OptimizerInBackward = o.OptimizerInBackward
	if r.Offload&OffloadParameters != 0 && c.Profile.memory.style == styleAutograd {
		r.Offload |= OffloadOptimizer // torch's CPUOffloadPolicy moves gradients and optimizer with them
	}
	if o.Dropout != "" {
		r.Dropout, err = strconv.ParseFloat(o.Dropout, 64)
		if err != nil || !(r.Dropout >= 0 && r.Dropout < 1) {
			fail(fmt.Errorf("dropout %q is not a probability: write a number from 0 up to, not including, 1", o.Dropout))
		}
	}

	x := &c.Setting
	schedule, err := ParseSchedule(orDefault(o.Schedule, OneFOneB.String()))
	fail(err)
	x.Convention, err = ParseConvention(orDefault(o.Convention, c.Profile.Convention.String()))
	fail(err)
	x.UsableBytes = o.UsableBytes
	x.Tokens = o.Tokens
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"seq", o.Context},
		{"micro-batch", o.MicroBatch},
		{"global-batch", o.GlobalBatch},
		{"gpus", o.GPUs},
		{"tokens", o.Tokens},
		{"tp", o.TP},
		{"pp", o.PP},
		{"vpp", o.VPP},
		{"cp", o.CP},
		{"ep", o.EP},
		{"etp", o.ETP},
		{"dp", o.DP},
		{"dp-replicate", o.Replicas},
		{"mtp-num-layers", o.MTP},
		{"reduce-bucket-size", o.ReduceBucket},
		{"stage3-max-live-parameters", o.MaxLive},
		{"decoder-first-pipeline-num-layers", o.FirstLayers},
		{"decoder-last-pipeline-num-layers", o.LastLayers},
	} {
		if n.value < 0 {
			fail(fmt.Errorf("%s is %d: write a positive number", n.name, n.value))
		}
		if n.value > 1<<40 && n.name != "tokens" {
			fail(fmt.Errorf("%s is %d: no run is that large", n.name, n.value))
		}
	}
	if len(problems) > 0 {
		return nil, &CaseError{Problems: problems}
	}

	p := &x.Plan
	*p = Plan{TP: max(o.TP, 1), PP: max(o.PP, 1), VPP: max(o.VPP, 1), CP: max(o.CP, 1), EP: max(o.EP, 1), DP: o.DP, Schedule: schedule, FirstLayers: o.FirstLayers, LastLayers: o.LastLayers, Replicas: o.Replicas}
	inner := p.TP * p.PP * p.CP
	x.GPUs = o.GPUs
	switch {
	case p.DP == 0 && x.GPUs == 0:
		p.DP, x.GPUs = 1, inner
	case p.DP == 0:
		p.DP = max(x.GPUs/inner, 1)
	case x.GPUs == 0:
		x.GPUs = p.DP * inner
	}
	p.ETP = o.ETP
	if p.ETP == 0 {
		p.ETP = p.DefaultETP(c.Profile)
	}
	p.SP = c.Profile.SP && p.TP > 1
	if o.SP != nil {
		p.SP = *o.SP
	}
	p.ZeRO = c.Profile.ZeRO
	if o.ZeRO != nil {
		p.ZeRO = *o.ZeRO
	}

	x.Context = o.Context
	if x.Context == 0 {
		x.Context = DefaultContext
		if o.Model.MaxPositions > 0 {
			x.Context = min(x.Context, o.Model.MaxPositions)
		}
		note("no context length was given: %s tokens are assumed", digits.Thousands(x.Context))
	}
	x.MicroBatch = max(o.MicroBatch, 1)
	x.GlobalBatch = o.GlobalBatch
	if x.GlobalBatch == 0 {
		x.GlobalBatch = x.MicroBatch * p.DP * p.PP
		if p.PP > 1 {
			note("no global batch was given: %d micro-batches a rank are assumed, as many as pipeline stages", p.PP)
		}
	}
	if n := len(o.Model.MTP); n > 0 && r.MTP == 0 {
		note("the model's layer of multi-token prediction is not trained; --mtp-num-layers 1 counts it, as the recipes of NVIDIA and DeepSeek train it")
	}
	if r.Recompute.partial() {
		note("recompute %s: %s; the ledger shows a layer that is recomputed", r.Recompute, r.Recompute.sentence())
	}
	if r.Trainable.Rank > 0 && c.Model.Routed() {
		note("adapters are put on no routed expert")
	}
	if r.Offload != 0 {
		note("copies to and from the host are not in the time")
	}
	if r.Compile && c.Profile.memory.style != styleAutograd {
		note("profile %s has kernels of its own: compile changes nothing", c.Profile.Name)
	}
	if r.Routed.Path != RoutedAuto && !c.Model.Routed() {
		note("model %s has no routed layers: moe %s changes nothing", c.Model.Name, r.Routed)
	}
	for _, n := range c.Model.Notes {
		note("%s", n)
	}
	for _, name := range c.Profile.Leave {
		note("the %s is left out of the memory sum, as the published sheet does (--as-published=false counts it)", strings.ReplaceAll(name, "_", " "))
	}
	return c, nil
}

// defaultProfile is the sheet's own for the sheet's models and Megatron for real ones.
func defaultProfile(m *arch.Model) string {
	if m.Type == "seed" {
		return "seed"
	}
	return profiles()[0].Name
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// A CaseError lists everything that is wrong with a case.
type CaseError struct{ Problems []string }

func (e *CaseError) Error() string { return strings.Join(e.Problems, "\n") }

// Compile folds the case's ledger.
func (c *Case) Compile() (*Compiled, error) {
	return Compile(NewLedger(c.Model, c.Recipe, c.Profile))
}
