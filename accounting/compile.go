package accounting

import (
	"slices"

	"headroom/accounting/arch"
)

// A Compiled is a ledger folded into coefficients: for one model, recipe and
// profile, what is left of every cell is a number times powers of B and S and a
// sharding divisor, so that a case costs a handful of multiplications and no
// allocation. It is read-only and safe for concurrent use.
type Compiled struct {
	Ledger   *Ledger
	Counts   Counts
	sections []compiledSection
	// whole are the sections as they are without recompute, where some layers are
	// recomputed and others not, or several at once; their numbers follow those of
	// sections. Nil otherwise.
	whole      []compiledSection
	layers     []int   // section of each decoder layer, in order
	runs       []int64 // how many equal layers follow from layer i on, itself included
	first      []int   // sections before the stack: embedding, encoder layers
	uniform    bool    // all decoder layers are of one kind
	prediction int     // the section of prediction layers, where there are some
	limits     limits
	spread     uint64 // tells compiled ledgers apart where a [Memo] keeps things; equal ones only cost time
}

// limits are the sizes that plans have to divide.
type limits struct {
	layers, positions int64
	heads, kvHeads    []int64
	widths            []int64
	experts           []int64
	expertWidths      []int64
}

// A compiledSection is one section with its algebra folded.
type compiledSection struct {
	role    Role
	count   int64
	kvHeads int64
	window  int64
	chunked bool
	twoWay  bool
	// Elements of the section once, by sharding class of weights; for ByVocab, of
	// one vocabulary row.
	weights   [numWeightShards]int64
	untrained int64
	frozen    [numWeightShards]int64 // the part of weights that has no gradient
	left      [numWeightShards]int64 // of components that the memory sum leaves out
	casts     [numWeightShards]int64 // of those that autocast or fp8 products copy
	// moments is the optimizer's moments in bytes, in the same classes.
	moments  [numWeightShards]int64
	shapes   []paramShape       // for shards that pad each tensor (FSDP)
	saved    []term             // kept for backward
	kernel   []term             // the part of saved that kernels keep of their own
	copies   []term             // the part of saved, logits and headIn that is 16-bit copies of weights
	logits   []term             // of the head section: what the loss keeps, which is in no other list
	headIn   []term             // of the head section: what the head's product keeps, in no other list
	work     [numMoments][]term // the working set of backward by moment; in the head, of the loss
	headWork []term             // the working set of the head's own backward
	flops    products           // of one forward
	again    products           // the part that backward repeats
	fixed    products           // the part of products with frozen weights
	groups   [numGroups]products
}

const numWeightShards = int(ByExpert) + 1

// A paramShape stands for count equal weight tensors of rows·rest elements.
type paramShape struct {
	rows, rest, count int64
	shard             Shard
	frozen            bool
}

// A term is coef·Bᵇ·Sˢ bytes, cut by shard. A vocabulary-parallel term holds
// the bytes of one vocabulary row.
type term struct {
	coef    int64
	b, s    uint8
	shard   Shard
	limited bool  // when says something
	parts   int64 // only one of so many parts exists at a time, 1 = whole
	when    When
}

// Compile folds a ledger. It returns [ErrOverflow] for a model whose counts do
// not fit into 64 bits.
func Compile(l *Ledger) (*Compiled, error) {
	c := &Compiled{Ledger: l}
	byKind := map[Role][]int{RoleEncoder: make([]int, len(l.Model.Kinds)), RoleLayer: make([]int, len(l.Model.Kinds))}
	for i := range l.Sections {
		s := &l.Sections[i]
		cs, err := compileSection(l, s)
		if err != nil {
			return nil, err
		}
		c.sections = append(c.sections, cs)
		switch s.Role {
		case RoleEncoder, RoleLayer:
			byKind[s.Role][s.Kind] = i
			c.limits.add(s.Layer)
		}
		if s.Role == RolePrediction {
			c.prediction = i
		}
		if s.Role == RoleEmbedding {
			c.first = append(c.first, i)
		}
	}
	if l.Recipe.Recompute.partial() {
		none := l.Recipe
		none.Recompute = Recompute{}
		plain := NewLedger(l.Model, none, l.Profile)
		for i := range plain.Sections {
			cs, err := compileSection(plain, &plain.Sections[i])
			if err != nil {
				return nil, err
			}
			c.whole = append(c.whole, cs)
		}
	}
	for _, k := range l.Model.Encoder {
		c.first = append(c.first, byKind[RoleEncoder][k])
	}
	for _, k := range l.Model.Sequence {
		c.layers = append(c.layers, byKind[RoleLayer][k])
	}
	c.runs = make([]int64, len(c.layers))
	for i := len(c.layers) - 1; i >= 0; i-- {
		c.runs[i] = 1
		if i+1 < len(c.layers) && c.layers[i+1] == c.layers[i] {
			c.runs[i] += c.runs[i+1]
		}
	}
	c.uniform = len(c.runs) > 0 && c.runs[0] == int64(len(c.runs))
	for i := range c.sections {
		c.spread = c.spread*31 + c.sections[i].spread()
	}
	c.limits.layers = l.Model.Layers()
	c.limits.positions = l.Model.Embedding.Positions
	var err error
	c.Counts, err = l.counts()
	return c, err
}

// spread is some number that follows from the section's terms.
func (cs *compiledSection) spread() (h uint64) {
	add := func(terms []term) {
		for i := range terms {
			h = h*1099511628211 + uint64(terms[i].coef)
		}
	}
	add(cs.saved)
	add(cs.headIn)
	add(cs.logits)
	for _, terms := range cs.work {
		add(terms)
	}
	return h
}

func (m *limits) add(l *arch.Layer) {
	for _, a := range []*arch.Attention{&l.Attention, l.Cross} {
		if a != nil && !slices.Contains(m.heads, a.Heads) {
			m.heads, m.kvHeads = append(m.heads, a.Heads), append(m.kvHeads, max(a.KVHeads, 1))
		}
	}
	if l.FFN != nil {
		m.widths = append(m.widths, l.FFN.Width)
	}
	if l.MoE != nil {
		m.experts = append(m.experts, l.MoE.Experts)
		m.expertWidths = append(m.expertWidths, l.MoE.Expert.Width)
		if l.MoE.Shared != nil {
			m.widths = append(m.widths, l.MoE.Shared.Width)
		}
	}
}

func compileSection(l *Ledger, s *Section) (compiledSection, error) {
	cs := compiledSection{role: s.Role, count: s.Count, kvHeads: max(s.Values[SymG], 1)}
	if s.Layer != nil {
		a := &s.Layer.Attention
		cs.window, cs.chunked, cs.twoWay = a.Window, a.Chunked, a.Bidirectional
	}
	for i := range s.Components {
		comp := &s.Components[i]
		if comp.Excluded {
			for j := range comp.Weights {
				if err := cs.leaveOut(s, &comp.Weights[j]); err != nil {
					return cs, err
				}
			}
		} else {
			for j := range comp.Weights {
				if err := cs.addWeight(l, s, &comp.Weights[j]); err != nil {
					return cs, err
				}
			}
			for j := range comp.Saved {
				if comp.Saved[j].Kernel {
					if err := addTerms(&cs.kernel, s, &comp.Saved[j]); err != nil {
						return cs, err
					}
				}
				if comp.Saved[j].Copy {
					if err := addTerms(&cs.copies, s, &comp.Saved[j]); err != nil {
						return cs, err
					}
				}
				into := &cs.saved
				switch {
				case s.Role != RoleHead:
				case comp.Group == GroupLoss:
					into = &cs.logits
				case comp.Group == GroupHead:
					into = &cs.headIn
				}
				if err := addTerms(into, s, &comp.Saved[j]); err != nil {
					return cs, err
				}
			}
		}
		cs.addFLOPs(l, s, comp)
	}
	for i := range s.Work {
		into := &cs.work[s.Work[i].Moment]
		if s.Work[i].Later {
			into = &cs.headWork
		}
		if err := addTerms(into, s, &s.Work[i]); err != nil {
			return cs, err
		}
	}
	return cs, nil
}

// leaveOut counts a weight whose memory the profile's sum leaves out: it still is
// a parameter.
func (cs *compiledSection) leaveOut(s *Section, w *Tensor) error {
	n, err := w.Elems().Eval(&s.Values)
	if w.Shard == ByVocab {
		n /= s.Values[SymV]
	}
	cs.left[w.Shard] += n
	return err
}

func (cs *compiledSection) addWeight(l *Ledger, s *Section, w *Tensor) error {
	if w.Tied {
		return nil
	}
	shape := make([]int64, len(w.Shape))
	n := int64(1)
	var err error
	for i, d := range w.Shape {
		if shape[i], err = d.Eval(&s.Values); err != nil {
			return err
		}
		if n, err = mulChecked(n, shape[i]); err != nil {
			return err
		}
	}
	moments, err := l.Recipe.momentBytes(shape, n)
	if err != nil {
		return err
	}
	if w.Shard == ByVocab {
		rows := s.Values[SymV]
		n, moments = n/rows, moments/rows
	}
	if w.Untrained {
		cs.untrained += n
		moments = 0
	}
	narrow := s.Layer != nil && l.Recipe.Precision.eightBit() && w.Name != "router"
	if (l.Recipe.Precision.Autocast || narrow) && (w.Uses != nil || w.Shard == ByExpert) {
		cs.casts[w.Shard] += n
	}
	if w.Frozen {
		cs.frozen[w.Shard] += n
		moments = 0
	}
	cs.weights[w.Shard] += n
	cs.moments[w.Shard] += moments
	rest := int64(1)
	for _, d := range shape[1:] {
		rest *= d
	}
	for i := range cs.shapes {
		if p := &cs.shapes[i]; p.rows == shape[0] && p.rest == rest && p.shard == w.Shard && p.frozen == w.Frozen {
			p.count++
			return nil
		}
	}
	cs.shapes = append(cs.shapes, paramShape{rows: shape[0], rest: rest, count: 1, shard: w.Shard, frozen: w.Frozen})
	return nil
}

// addTerms folds the size of one saved tensor into polynomial terms of B and S.
func addTerms(into *[]term, s *Section, t *Tensor) error {
	for _, m := range t.Bytes() {
		k := term{b: m.Pow[SymB], s: m.Pow[SymS], shard: t.Shard, when: t.When, limited: t.When != (When{})}
		m.Pow[SymB], m.Pow[SymS] = 0, 0
		coef, err := m.Eval(&s.Values)
		if err != nil {
			return err
		}
		if t.Shard == TokensVoc {
			coef /= s.Values[SymV]
		}
		k.coef, k.parts = coef, max(t.Parts, 1)
		*into = appendTerm(*into, k)
	}
	return nil
}

func appendTerm(terms []term, k term) []term {
	for i := range terms {
		if t := &terms[i]; t.b == k.b && t.s == k.s && t.shard == k.shard && t.parts == k.parts && t.when == k.when {
			t.coef += k.coef
			return terms
		}
	}
	return append(terms, k)
}

func (cs *compiledSection) addFLOPs(l *Ledger, s *Section, comp *Component) {
	cs.flops.add(s, comp.FLOPs())
	cs.groups[groupIndex(comp.Group)].add(s, comp.FLOPs())
	fixed := Component{Weights: slices.DeleteFunc(slices.Clone(comp.Weights), func(t Tensor) bool { return !t.Frozen })}
	if len(fixed.Weights) == len(comp.Weights) && len(fixed.Weights) > 0 {
		fixed.Products = comp.Products // experts
	}
	cs.fixed.add(s, fixed.FLOPs())
	if s.Layer == nil {
		return
	}
	again, weight := l.repeats(comp.Name)
	if !again {
		return
	}
	repeated := *comp
	if weight != "" {
		repeated.Weights = slices.DeleteFunc(slices.Clone(comp.Weights), func(t Tensor) bool { return t.Name != weight })
	}
	cs.again.add(s, repeated.FLOPs())
}

// momentBytes is what the optimizer keeps for one weight tensor of n elements,
// besides a master copy.
func (r *Recipe) momentBytes(shape []int64, n int64) (int64, error) {
	o := &r.Optimizer
	matrix := len(shape) > 1 && n > 0
	moments := o.VectorMoments
	if matrix {
		moments = o.MatrixMoments
	}
	bytes, err := mulChecked(n, moments*r.Precision.MomentBytes)
	if err != nil {
		return 0, err
	}
	if o.Factored && matrix {
		// Shazeer and Stern 2018: one value a row and one a column, in fp32.
		last := shape[len(shape)-1]
		bytes += 4 * (n/last + n/shape[len(shape)-2])
	}
	const smallest = 4096 // smaller tensors stay as they are
	if o.Bits > 0 && n >= smallest {
		bytes = moments * ((n*o.Bits+7)/8 + 4*((n+o.Block-1)/o.Block))
	}
	return bytes, nil
}
