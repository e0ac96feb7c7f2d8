package accounting

import "math"

// A Memo keeps between cases what they have in common, so that a sweep computes it
// once: the arithmetic of a batch, what a section costs a rank, what a pipeline stage
// holds, how long a layer and a stage take. Each of these is a function of part of the
// case alone; what it is kept under holds all of that part, and a test holds cases
// evaluated with a memo to the same cases without. A memo is a fixed number of slots,
// which newer cases take from older ones. It is not safe for concurrent use. The zero
// value is ready; nil keeps nothing.
type Memo struct {
	passes [16]passSlot
	prices [64]priceSlot
	held   [64]stagesSlot
	units  [512]unitSlot // as many as accelerators times some plans: studies sweep either fastest
	paces  [256]paceSlot
}

// A memoKey is everything that what is kept depends on. Each kind leaves fields zero
// that it does not depend on.
type memoKey struct {
	model                             *Compiled
	machine                           *Machine
	context, microBatch, microBatches int64
	again                             float64 // share of the layers that are recomputed
	plan                              Plan
	routed                            Routed // how routed layers run
}

// at is where a key belongs among n slots, a power of two. Any spread will do.
func (k *memoKey) at(n int) int {
	p := &k.plan
	// Fibonacci hashing of the sizes.
	h := uint64(k.routed.Path)*0x8cb92ba72f3d8dd7 + k.model.spread + uint64(k.context)*0x9e3779b97f4a7c15 + uint64(k.microBatch)*0xbf58476d1ce4e5b9 + uint64(k.microBatches)*0x94d049bb133111eb
	h += uint64(p.TP)*0xd6e8feb86659fd93 + uint64(p.PP)*0xa0761d6478bd642f + uint64(p.VPP)*0xe7037ed1a0b428db + uint64(p.CP)*0x8ebc6af09c88c6e3
	h += uint64(p.EP)*0x589965cc75374cc3 + uint64(p.DP)*0x1d8e4e27c47d124f + uint64(p.ZeRO)*0xeb44accab455d165 + uint64(p.ETP)*0x9e6c63d0676a9a99
	if m := k.machine; m != nil {
		h += math.Float64bits(m.Peak)*0x2127599bf4325c37 + math.Float64bits(m.MemoryRate)*0x880355f21e6d1965 + math.Float64bits(m.ScaleUpRate)*0xc2b2ae3d27d4eb4f + math.Float64bits(m.NetworkRate)*0x165667b19e3779f9
	}
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return int(h >> 40 & uint64(n-1))
}

// A passSlot keeps the arithmetic of a global batch.
type passSlot struct {
	model              *Compiled
	sequences, context int64
	convention         Convention
	flops              passFLOPs
}

// passFLOPs is what a case's global batch takes, counted unless kept.
func (m *Memo) passFLOPs(c *Compiled, x *Setting) passFLOPs {
	if m == nil {
		return c.passFLOPs(x)
	}
	h := (c.spread + uint64(x.Context) + uint64(x.GlobalBatch)<<32) * 0x9e3779b97f4a7c15 // Fibonacci hashing
	s := &m.passes[h>>32%uint64(len(m.passes))]
	if s.model != c || s.sequences != x.GlobalBatch || s.context != x.Context || s.convention != x.Convention {
		*s = passSlot{c, x.GlobalBatch, x.Context, x.Convention, c.passFLOPs(x)}
	}
	return s.flops
}

// A priceSlot keeps what [Compiled.price] finds before ZeRO cuts it.
type priceSlot struct {
	key    memoKey
	coming memoKey // what is being counted
	costs  []sectionCost
}

// price is the slot of a case's section costs, nil without a memo, and whether it
// holds them.
func (m *Memo) price(c *Compiled, x *Setting) (s *priceSlot, known bool) {
	if m == nil {
		return nil, false
	}
	p := &x.Plan
	k := memoKey{model: c, context: x.Context, microBatch: x.MicroBatch, plan: Plan{TP: p.TP, SP: p.SP, CP: p.CP, EP: p.EP, ETP: p.ETP}}
	s = &m.prices[k.at(len(m.prices))]
	if s.key == k {
		return s, true
	}
	s.key, s.coming = memoKey{}, k
	return s, false
}

func (s *priceSlot) keep(costs []sectionCost) {
	if s != nil {
		s.key, s.costs = s.coming, append(s.costs[:0], costs...)
	}
}

// A stagesSlot keeps the stages of a case that can have the peak, added up.
type stagesSlot struct {
	key    memoKey
	coming memoKey // what is being added up
	costs  []sectionCost
	stages []heldStage
}

// A heldStage is what [Compiled.holdStage] makes.
type heldStage struct {
	sums stageSums
	held Memory
}

// stages is the slot of a case's stages, nil without a memo.
func (m *Memo) stages(c *Compiled, x *Setting) *stagesSlot {
	if m == nil {
		return nil
	}
	k := memoKey{model: c, context: x.Context, microBatch: x.MicroBatch, microBatches: x.MicroBatches(&x.Plan), plan: x.Plan}
	k.plan.ZeRO = 0 // cut when the peak is sought
	s := &m.held[k.at(len(m.held))]
	if s.key != k {
		s.key, s.coming = memoKey{}, k
	}
	return s
}

func (s *stagesSlot) known() bool { return s != nil && s.key.model != nil }

func (s *stagesSlot) begin(st *stage) {
	if s != nil {
		s.costs, s.stages = append(s.costs[:0], st.costs...), s.stages[:0]
	}
}

func (s *stagesSlot) add(st *stage, m *Memory) {
	if s != nil {
		s.stages = append(s.stages, heldStage{st.stageSums, *m})
	}
}

func (s *stagesSlot) finish() {
	if s != nil {
		s.key = s.coming
	}
}

// A unitSlot keeps the time of units: layers of each kind, embedding and head.
type unitSlot struct {
	key   memoKey
	known [maxSections]bool
	units [maxSections]unitTime
}

// maxSections bounds the kinds of unit whose time is kept; a layer of a further kind
// is computed again for every run of them.
const maxSections = 16

// unitsOf is the slot of a case's units, emptied if it held others; nil without a
// memo.
func (m *Memo) unitsOf(c *Compiled, x *Setting, on *Machine) *unitSlot {
	if m == nil {
		return nil
	}
	p := &x.Plan
	k := memoKey{model: c, machine: on, context: x.Context, microBatch: x.MicroBatch, plan: Plan{TP: p.TP, SP: p.SP, CP: p.CP, EP: p.EP, ETP: p.ETP}}
	k.again = c.Ledger.Recipe.Recompute.share(c.limits.layers, p)
	k.routed = c.routed(p, on)
	if p.ZeRO >= 3 {
		k.plan.ZeRO, k.plan.DP, k.plan.Replicas = p.ZeRO, p.DP, p.Replicas // weights are gathered over the ranks
	}
	s := &m.units[k.at(len(m.units))]
	if s.key != k {
		s.key, s.known = k, [maxSections]bool{}
	}
	return s
}

// A paceSlot keeps how fast the stages of a pipeline are.
type paceSlot struct {
	key   memoKey
	known bool
	pace  pace
}

// paceOf is the slot of a case's pace, emptied if it held another; nil without a
// memo.
func (m *Memo) paceOf(c *Compiled, x *Setting, on *Machine) *paceSlot {
	if m == nil {
		return nil
	}
	k := memoKey{model: c, machine: on, context: x.Context, microBatch: x.MicroBatch, plan: x.Plan}
	if k.plan.ZeRO < 2 {
		k.plan.ZeRO = 0 // the step's end alone depends on it: from 2 on gradients are not added up whole
	}
	s := &m.paces[k.at(len(m.paces))]
	if s.key != k {
		s.key, s.known, s.pace = k, false, pace{}
	}
	return s
}
