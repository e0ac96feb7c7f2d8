package sweep

import (
	"errors"
	"math/bits"

	"headroom/accounting"
	"headroom/grids"
	"headroom/hardware"
)

// buildGrid turns a study into a numbered grid. The declared axes come first, in
// their order; with plan: auto, the parallel sizes that are not declared follow
// as axes whose values depend on the others.
func buildGrid(s *Study) (*grids.Grid, error) { return grids.Build(gridSpec(s)) }

func gridSpec(s *Study) grids.Spec {
	b := specBuilder{study: s, bases: map[string]*base{}}
	for _, a := range s.Axes {
		b.spec.Axes = append(b.spec.Axes, grids.Axis{Name: a.Name, Values: a.Values})
	}
	b.models()
	b.workload()
	if s.Auto {
		b.autoPlan()
	}
	b.plan()
	b.batch()
	b.spec.Where = append(b.spec.Where, s.Where...)
	if s.Auto {
		b.spec.Where = append(b.spec.Where, "tp * pp * cp * dp == gpus", "global_batch % (micro_batch * dp) == 0", "vpp == 1 || micro_batches % pp == 0")
	}
	return b.spec
}

// A specBuilder collects axes and derived names. Every name that a case has is
// known to constraints, also where the study leaves it to its default.
type specBuilder struct {
	study *Study
	spec  grids.Spec
	bases map[string]*base
}

// A base is what is known of a model under a profile, whatever the rest.
type base struct {
	given   *accounting.Case // with every default
	context int64
	zero    int64
	most    int64 // highest ZeRO stage
	sp      bool
	checks  *accounting.Compiled
}

func (b *specBuilder) has(name string) bool {
	for i := range b.spec.Axes {
		if b.spec.Axes[i].Name == name {
			return true
		}
	}
	return false
}

// derive adds a derived name unless an axis has it.
func (b *specBuilder) derive(name string, kind grids.Kind, needs []string, value func(args []grids.Value) (grids.Value, error)) {
	if !b.has(name) {
		b.spec.Derived = append(b.spec.Derived, grids.Derived{Name: name, Kinds: []grids.Kind{kind}, Needs: needs, Value: value})
	}
}

// ints adapts a calculation with whole numbers.
func ints(f func(n []int64) (int64, error)) func([]grids.Value) (grids.Value, error) {
	return func(args []grids.Value) (grids.Value, error) {
		n := make([]int64, len(args))
		for i, a := range args {
			n[i] = a.Int()
		}
		v, err := f(n)
		return grids.IntValue(v), err
	}
}

func always(n int64) func([]grids.Value) (grids.Value, error) {
	return func([]grids.Value) (grids.Value, error) { return grids.IntValue(n), nil }
}

// modelNeeds are the axes that decide a base: model, and profile if it is swept.
func (b *specBuilder) modelNeeds(more ...string) []string {
	needs := []string{"model"}
	if b.study.Axis("profile") != nil {
		needs = append(needs, "profile")
	}
	return append(needs, more...)
}

// ofModel adapts what is known of a base, and of what modelNeeds names after it.
func (b *specBuilder) ofModel(f func(x *base, rest []grids.Value) (grids.Value, error)) func([]grids.Value) (grids.Value, error) {
	own := len(b.modelNeeds())
	return func(args []grids.Value) (grids.Value, error) {
		x, err := b.base(args[:own])
		if err != nil {
			return grids.Value{}, err
		}
		return f(x, args[own:])
	}
}

// base looks up what a model is under a profile; args are those of modelNeeds.
func (b *specBuilder) base(args []grids.Value) (*base, error) {
	model, profile := args[0].Text(), ""
	if len(args) > 1 {
		profile = args[1].Text()
	}
	key := model + "\x00" + profile
	if x := b.bases[key]; x != nil {
		return x, nil
	}
	for _, m := range b.study.Models {
		if m.Name != model {
			continue
		}
		c, err := accounting.Options{Model: m, Profile: profile}.Resolve()
		if err != nil {
			return nil, err
		}
		x := &base{given: c, context: c.Setting.Context, zero: c.Profile.ZeRO, most: c.Profile.MaxZeRO, sp: c.Profile.SP}
		if x.checks, err = c.Compile(); err != nil {
			return nil, err
		}
		b.bases[key] = x
		return x, nil
	}
	return nil, errors.New("no such model")
}

// models adds names of the model and the accelerator.
func (b *specBuilder) models() {
	for _, x := range []struct {
		name string
		of   func(*accounting.Case) string
	}{
		{"profile", func(c *accounting.Case) string { return c.Profile.Name }},
		{"recipe", func(c *accounting.Case) string { return c.Recipe.Precision.Name }},
		{"optimizer", func(c *accounting.Case) string { return c.Recipe.Optimizer.Name }},
		{"attention", func(c *accounting.Case) string { return c.Recipe.Attention.String() }},
		{"recompute", func(c *accounting.Case) string { return c.Recipe.Recompute.String() }},
		{"loss", func(c *accounting.Case) string { return c.Recipe.Loss.String() }},
		{"moe", func(c *accounting.Case) string { return c.Recipe.Routed.String() }},
		{"overlap", func(c *accounting.Case) string { return c.Recipe.Overlap.String() }},
	} {
		b.derive(x.name, grids.String, b.modelNeeds(), b.ofModel(func(m *base, _ []grids.Value) (grids.Value, error) {
			return grids.StringValue(x.of(m.given)), nil
		}))
	}
	for _, x := range []struct{ name, value string }{{"trainable", "all"}, {"offload", "none"}} {
		b.derive(x.name, grids.String, nil, func([]grids.Value) (grids.Value, error) { return grids.StringValue(x.value), nil })
	}
	for _, name := range []string{"compile", "optimizer_in_backward"} {
		b.derive(name, grids.Bool, nil, func([]grids.Value) (grids.Value, error) { return grids.BoolValue(false), nil })
	}
	b.derive("dropout", grids.Float, b.modelNeeds(), b.ofModel(func(m *base, _ []grids.Value) (grids.Value, error) {
		return grids.FloatValue(m.given.Recipe.Dropout), nil
	}))
	for _, x := range []struct {
		name string
		of   func(*base) int64
	}{
		{"layers", func(x *base) int64 { return x.checks.Ledger.Model.Layers() }},
		{"hidden", func(x *base) int64 { return x.checks.Ledger.Model.Hidden }},
		{"vocab", func(x *base) int64 { return x.checks.Ledger.Model.Embedding.Vocab }},
		{"heads", func(x *base) int64 { return x.checks.Ledger.Model.Kinds[0].Attention.Heads }},
		{"kv_heads", func(x *base) int64 { return x.checks.Ledger.Model.Kinds[0].Attention.KVHeads }},
		{"max_positions", func(x *base) int64 { return x.checks.Ledger.Model.MaxPositions }},
		{"parameters", func(x *base) int64 { return x.checks.Counts.Total }},
		{"active_parameters", func(x *base) int64 { return x.checks.Counts.Active }},
		{"experts", func(x *base) int64 { return experts(x) }},
	} {
		b.derive(x.name, grids.Int, b.modelNeeds(), b.ofModel(func(m *base, _ []grids.Value) (grids.Value, error) {
			return grids.IntValue(x.of(m)), nil
		}))
	}
	b.derive("node_gpus", grids.Int, []string{"accelerator"}, func(args []grids.Value) (grids.Value, error) {
		a, err := hardware.Lookup(args[0].Text())
		if err != nil {
			return grids.Value{}, err
		}
		a = a.PerDevice()
		if n, known := a.GPUsPerNode.Get(); known {
			return grids.IntValue(n), nil
		}
		// A card that is sold singly: what its fast fabric joins, as a rule itself. A
		// node holds one at least.
		return grids.IntValue(a.ScaleUpDomain.Or(1)), nil
	})
	b.derive("network", grids.Int, []string{"accelerator"}, func(args []grids.Value) (grids.Value, error) {
		a, err := hardware.Lookup(args[0].Text())
		return grids.IntValue(int64(a.NICBytesPerSecond.Or(0) / hardware.BytesPerGbit)), err // 0 = not known
	})
	b.derive("usable_bytes", grids.Int, []string{"accelerator"}, func(args []grids.Value) (grids.Value, error) {
		a, err := hardware.Lookup(args[0].Text())
		return grids.IntValue(a.PerDevice().UsableBytes), err
	})
	b.derive("tokens", grids.Int, nil, always(b.study.Tokens))
}

func experts(x *base) int64 {
	for i := range x.checks.Ledger.Model.Kinds {
		if moe := x.checks.Ledger.Model.Kinds[i].MoE; moe != nil {
			return moe.Experts
		}
	}
	return 0
}

func (b *specBuilder) workload() {
	b.derive("context", grids.Int, b.modelNeeds(), b.ofModel(func(x *base, _ []grids.Value) (grids.Value, error) {
		return grids.IntValue(x.context), nil
	}))
	b.derive("micro_batch", grids.Int, nil, always(1))
}

// plan adds the sizes that are neither given nor found, by the rules of
// [accounting.Options].
func (b *specBuilder) plan() {
	for _, name := range []string{"tp", "pp", "vpp", "cp", "ep"} {
		b.derive(name, grids.Int, nil, always(1))
	}
	b.derive("dp_replicate", grids.Int, nil, always(1))
	b.derive("mtp_num_layers", grids.Int, nil, always(0))
	b.derive("first_stage_layers", grids.Int, nil, always(0))
	b.derive("last_stage_layers", grids.Int, nil, always(0))
	b.derive("schedule", grids.String, nil, func([]grids.Value) (grids.Value, error) { return grids.StringValue(accounting.OneFOneB.String()), nil })
	switch {
	case b.has("gpus"):
		b.derive("dp", grids.Int, []string{"gpus", "tp", "pp", "cp"}, ints(func(n []int64) (int64, error) {
			inner, err := product(n[1:]...)
			if err != nil {
				return 1, nil
			}
			return max(n[0]/inner, 1), nil
		}))
	default:
		b.derive("dp", grids.Int, nil, always(1))
		b.derive("gpus", grids.Int, []string{"tp", "pp", "cp", "dp"}, ints(func(n []int64) (int64, error) { return product(n...) }))
	}
	b.derive("world", grids.Int, []string{"tp", "pp", "cp", "dp"}, ints(func(n []int64) (int64, error) { return product(n...) }))
	b.derive("zero", grids.Int, b.modelNeeds(), b.ofModel(func(x *base, _ []grids.Value) (grids.Value, error) {
		return grids.IntValue(x.zero), nil
	}))
	b.derive("sp", grids.Bool, b.modelNeeds("tp"), b.ofModel(func(x *base, tp []grids.Value) (grids.Value, error) {
		return grids.BoolValue(x.sp && tp[0].Int() > 1), nil
	}))
}

func (b *specBuilder) batch() {
	if b.has("global_batch_tokens") {
		b.derive("global_batch", grids.Int, []string{"global_batch_tokens", "context"}, ints(func(n []int64) (int64, error) { return n[0] / n[1], nil }))
	} else {
		b.derive("global_batch", grids.Int, []string{"micro_batch", "dp", "pp"}, ints(func(n []int64) (int64, error) { return product(n...) }))
	}
	b.derive("global_batch_tokens", grids.Int, []string{"global_batch", "context"}, ints(func(n []int64) (int64, error) { return product(n...) }))
	b.derive("micro_batches", grids.Int, []string{"global_batch", "micro_batch", "dp"}, ints(func(n []int64) (int64, error) {
		rank, err := product(n[1:]...)
		if err != nil {
			return 0, err
		}
		return n[0] / rank, nil
	}))
}

var errTooLarge = errors.New("the product does not fit into 64 bits")

// product multiplies positive numbers.
func product(ns ...int64) (int64, error) {
	p := uint64(1)
	for _, n := range ns {
		hi, lo := bits.Mul64(p, uint64(n))
		if hi != 0 || lo > 1<<63-1 {
			return 0, errTooLarge
		}
		p = lo
	}
	return int64(p), nil
}

// autoPlan adds an axis for each parallel size that the study leaves open. What
// cannot be laid out is not enumerated: each size is tried alone with the check
// that [accounting.Compiled.Evaluate] begins with.
func (b *specBuilder) autoPlan() {
	one := accounting.Workload{Context: 1, MicroBatch: 1, GlobalBatch: 1}
	b.domain("tp", b.modelNeeds("gpus"), func(x *base, n []int64) []int64 {
		return divisors(n[0], func(t int64) bool {
			p := accounting.SingleGPU
			p.TP = t
			return x.checks.Check(&one, &p, t) == accounting.OK
		})
	})
	b.domain("pp", b.modelNeeds("gpus", "tp"), func(x *base, n []int64) []int64 {
		if n[0]%n[1] != 0 {
			return nil
		}
		layers := x.checks.Ledger.Model.Layers()
		return divisors(n[0]/n[1], func(s int64) bool {
			p := accounting.SingleGPU
			p.PP = s
			// Equal stages, also where embedding and head stand in for a layer each.
			even := layers%s == 0 || (layers+2)%s == 0
			return even && x.checks.Check(&one, &p, s) == accounting.OK
		})
	})
	b.domain("cp", b.modelNeeds("gpus", "tp", "pp", "context"), func(x *base, n []int64) []int64 {
		inner, err := product(n[1], n[2])
		if err != nil || n[0]%inner != 0 {
			return nil
		}
		return divisors(n[0]/inner, func(c int64) bool {
			p := accounting.SingleGPU
			p.CP = c
			w := accounting.Workload{Context: n[3], MicroBatch: 1, GlobalBatch: 1}
			r := x.checks.Check(&w, &p, c)
			return r == accounting.OK || r == accounting.ReasonContextPositions
		})
	})
	b.domain("vpp", b.modelNeeds("pp"), func(x *base, n []int64) []int64 {
		layers := x.checks.Ledger.Model.Layers()
		if n[0] == 1 || layers%n[0] != 0 {
			return []int64{1}
		}
		return divisors(layers/n[0], func(v int64) bool {
			p := accounting.SingleGPU
			p.PP, p.VPP = n[0], v
			w := one
			w.GlobalBatch = n[0]
			return x.checks.Check(&w, &p, n[0]) == accounting.OK
		})
	})
	b.domain("ep", b.modelNeeds("gpus", "tp", "pp", "cp"), func(x *base, n []int64) []int64 {
		e := experts(x)
		if e == 0 {
			return []int64{1}
		}
		inner, err := product(n[1:]...)
		if err != nil || n[0]%inner != 0 {
			return nil
		}
		return divisors(e, func(e int64) bool {
			p := accounting.Plan{TP: n[1], PP: n[2], VPP: 1, CP: n[3], EP: e, DP: n[0] / inner}
			p.ETP = p.DefaultETP(x.checks.Ledger.Profile)
			w := accounting.Workload{Context: 2 * n[3] * n[1], MicroBatch: 1, GlobalBatch: p.DP}
			r := x.checks.Check(&w, &p, n[0])
			return r == accounting.OK || r == accounting.ReasonContextPositions
		})
	})
	b.domain("zero", b.modelNeeds("gpus", "tp", "pp"), func(x *base, n []int64) []int64 {
		if inner, err := product(n[1], n[2]); err != nil || n[0] <= inner {
			return []int64{x.zero} // nobody to share with
		}
		var stages []int64
		for z := int64(0); z <= x.most; z++ {
			stages = append(stages, z)
		}
		return stages
	})
}

// domain adds a dependent axis of whole numbers unless the study declares one;
// needs begins as in modelNeeds.
func (b *specBuilder) domain(name string, needs []string, values func(x *base, n []int64) []int64) {
	if b.has(name) {
		return
	}
	own := len(b.modelNeeds())
	b.spec.Axes = append(b.spec.Axes, grids.Axis{
		Name: name, Needs: needs, Kinds: []grids.Kind{grids.Int},
		Domain: func(args []grids.Value) ([]grids.Value, error) {
			x, err := b.base(args[:own])
			if err != nil {
				return nil, err
			}
			n := make([]int64, len(args)-own)
			for i := range n {
				n[i] = args[own+i].Int()
			}
			return grids.Ints(values(x, n)...), nil
		},
	})
}

// divisors lists the divisors of n that are wanted, in order.
func divisors(n int64, wanted func(int64) bool) []int64 {
	var low, high []int64
	for i := int64(1); i <= n/i; i++ {
		if n%i != 0 {
			continue
		}
		if wanted(i) {
			low = append(low, i)
		}
		if j := n / i; j != i && wanted(j) {
			high = append(high, j)
		}
	}
	for i := len(high) - 1; i >= 0; i-- {
		low = append(low, high[i])
	}
	return low
}
