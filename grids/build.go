package grids

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// tooMany marks a count beyond 2⁶³−1 while a grid is built.
const tooMany = -1

// builder explores the prefixes of cases, depth first, and merges those with the
// same future.
type builder struct {
	spec  *Spec
	scope *scope
	conj  []conjunct
	plan  *schedule
	grid  *Grid

	frame   []Value      // value of each slot on the current path
	ids     []int32      // its number, for keyed slots
	numbers []*numbering // of the values of keyed slots that are no static axis
	failure failure      // the first calculation that failed on the current path
	lenient bool         // a failure excludes nothing and is no error

	memo     []*table         // memo[k]: live values before axis k → node
	domains  []*table         // domains[k]: values of a dependent axis's needs → domain
	lists    map[string]int32 // content of a domain, with its axis → domain
	unique   map[uint64]int32 // hash of a node → the first node with it
	runs     [][]run          // runs[k]: of the node being built at level k
	states   int              // states explored: nodes before equal ones are merged
	visits   int64            // values tried
	tried    []int64          // the same by level
	maxNodes int
}

// A failure is a conjunct that could not be calculated. It is an error only if
// nothing excludes the case.
type failure struct {
	check int // 1 + index of the conjunct; 0 = none
	value Value
	names string // the values it was calculated from
}

func newBuilder(spec *Spec, s *scope, conj []conjunct) *builder {
	n := len(spec.Axes)
	b := &builder{
		spec: spec, scope: s, conj: conj, plan: plan(spec, s, conj),
		frame: make([]Value, len(s.slots)), ids: make([]int32, len(s.slots)),
		numbers: make([]*numbering, len(s.slots)),
		memo:    make([]*table, n), domains: make([]*table, n), runs: make([][]run, n), tried: make([]int64, n),
		lists: map[string]int32{}, unique: map[uint64]int32{},
		maxNodes: spec.MaxNodes,
	}
	if b.maxNodes <= 0 {
		b.maxNodes = DefaultMaxNodes
	}
	b.maxNodes = min(b.maxNodes, mostNodes)
	for i := range s.slots {
		dependent := i < n && spec.Axes[i].Domain != nil
		if dependent || i >= n && b.plan.keyed[i] {
			b.numbers[i] = newNumbering()
		}
	}
	for k := range n {
		b.memo[k], b.domains[k] = newTable(), newTable()
	}
	b.grid = newGrid(spec)
	return b
}

// build counts the cases, and reports when there are too many of them.
func (b *builder) build() error {
	if err := b.count(); err != nil {
		return err
	}
	if b.grid.Len() == tooMany {
		return tooManyCases(b.grid.bigCount())
	}
	return nil
}

// count makes the DAG.
func (b *builder) count() (err error) {
	if b.take(b.plan.first) {
		b.grid.root = b.grid.addNode(node{}, nil)
		return nil
	}
	b.grid.root, err = b.explore(0)
	return err
}

// take runs the steps of a level and reports whether a constraint excludes the
// value the level has now.
func (b *builder) take(steps []step) (excluded bool) {
	for _, st := range steps {
		if st.slot >= 0 {
			v := b.scope.slots[st.slot].eval(b.frame)
			b.frame[st.slot] = v
			if b.numbers[st.slot] != nil {
				b.ids[st.slot] = b.numbers[st.slot].of(v)
			}
			continue
		}
		v := b.conj[st.check].eval(b.frame)
		switch {
		case v.kind == Bool && v.Bool():
		case v.kind == Bool:
			return true
		case b.failure.check == 0:
			if v.kind != Invalid {
				v = failed(fmt.Sprintf("is %s, not a condition", quote(v.String())))
			}
			b.failure = failure{st.check + 1, v, b.given(b.conj[st.check].reads)}
		}
	}
	return false
}

// explore returns the node of all continuations of the current prefix of k axes.
func (b *builder) explore(k int) (int32, error) {
	if k == len(b.spec.Axes) {
		if b.failure.check != 0 && !b.lenient {
			return 0, b.failed()
		}
		return b.grid.leaf, nil
	}
	key, id, ok := b.memo[k].find(b.ids, b.plan.live[k], b.failure.check)
	if ok {
		return id, nil
	}
	domain, err := b.domain(k)
	if err != nil {
		return 0, err
	}
	values := b.grid.domains[domain]
	if b.states >= b.maxNodes || len(b.grid.runs) >= b.maxNodes*runsPerNode {
		return 0, b.overBudget()
	}

	b.states++
	b.runs[k] = b.runs[k][:0]
	if b.plan.uniform(k) {
		if len(values) > 0 {
			child, err := b.explore(k + 1)
			if err != nil {
				return 0, err
			}
			b.addRun(k, 0, int32(len(values)), child)
		}
	} else {
		before := b.failure
		for pos, value := range values {
			if b.visits++; b.visits > int64(b.maxNodes)*visitsPerNode {
				return 0, b.overBudget()
			}
			b.tried[k]++
			b.failure = before
			b.frame[k], b.ids[k] = b.grid.values[k][value], value
			if b.take(b.plan.steps[k]) {
				continue
			}
			child, err := b.explore(k + 1)
			if err != nil {
				return 0, err
			}
			b.addRun(k, int32(pos), 1, child)
		}
		b.failure = before
	}
	id = b.finish(k, domain)
	b.memo[k].put(key, id)
	return id, nil
}

// addRun adds n neighbouring positions of axis k that lead to the same child.
func (b *builder) addRun(k int, pos, n, child int32) {
	if b.grid.nodes[child].count == 0 {
		return
	}
	runs := b.runs[k]
	if last := len(runs) - 1; last >= 0 && runs[last].child == child && runs[last].pos+runs[last].n == pos {
		runs[last].n += n
		return
	}
	b.runs[k] = append(runs, run{pos: pos, n: n, child: child})
}

// finish turns the runs of level k into a node.
func (b *builder) finish(k int, domain int32) int32 {
	total := int64(0)
	for i := range b.runs[k] {
		r := &b.runs[k][i]
		r.start = total
		count := b.grid.nodes[r.child].count
		part, fits := mulInt(count, int64(r.n))
		if total != tooMany && fits && count != tooMany {
			total, fits = addInt(total, part)
		}
		if !fits || count == tooMany {
			total = tooMany
		}
	}
	// Two nodes with the same domain and runs are one.
	h := hashNode(domain, b.runs[k])
	first, seen := b.unique[h]
	if seen && b.grid.nodes[first].domain == domain && slices.Equal(b.grid.runsOf(first), b.runs[k]) {
		return first
	}
	id := b.grid.addNode(node{count: total, domain: domain}, b.runs[k])
	if !seen {
		b.unique[h] = id
	}
	return id
}

// domain returns the values axis k has after the current prefix.
func (b *builder) domain(k int) (int32, error) {
	a := &b.spec.Axes[k]
	if a.Domain == nil {
		return int32(k), nil
	}
	reads := make([]int, len(a.Needs))
	for i, name := range a.Needs {
		reads[i] = b.scope.names[name]
	}
	key, id, ok := b.domains[k].find(b.ids, reads, 0)
	if ok {
		return id, nil
	}
	args := make([]Value, len(reads))
	for i, slot := range reads {
		if args[i] = b.frame[slot]; args[i].kind == Invalid {
			return 0, axisError(k, a, "%s%s", args[i].str, b.given(reads))
		}
	}
	values, err := a.Domain(args)
	if err != nil {
		e := axisError(k, a, "%s%s", err, b.given(reads))
		e.Err = err
		return 0, e
	}
	if why := distinct(values); why != "" {
		return 0, axisError(k, a, "%s%s", why, b.given(reads))
	}
	ids := make([]int32, len(values))
	content := binary.LittleEndian.AppendUint32(nil, uint32(k))
	for i, v := range values {
		if !kindsOf(a.Kinds).has(v.kind) {
			return 0, axisError(k, a, "%s is a %s, not a %s as declared%s", quote(v.String()), v.kind, kindsOf(a.Kinds), b.given(reads))
		}
		ids[i] = b.numbers[k].of(v)
		if int(ids[i]) == len(b.grid.values[k]) {
			b.grid.values[k] = append(b.grid.values[k], v)
		}
		content = binary.LittleEndian.AppendUint32(content, uint32(ids[i]))
	}
	id, ok = b.lists[string(content)]
	if !ok {
		id = b.grid.addDomain(ids)
		b.lists[string(content)] = id
	}
	b.domains[k].put(key, id)
	return id, nil
}

// given lists the axes that slots were calculated from, with their values.
func (b *builder) given(reads []int) string {
	named := map[int]bool{}
	var visit func(i int)
	visit = func(i int) {
		if b.scope.slots[i].name != "" {
			named[i] = true
		}
		for _, j := range b.scope.slots[i].reads {
			visit(j)
		}
	}
	for _, i := range reads {
		visit(i)
	}
	if len(named) == 0 {
		return ""
	}
	var parts []string
	for i := range b.frame {
		if v := b.frame[i]; named[i] && v.kind != Invalid {
			parts = append(parts, b.scope.slots[i].name+" = "+v.String())
		}
	}
	return " for " + strings.Join(parts, ", ")
}

// failed reports the failure of the current path.
func (b *builder) failed() error {
	c := b.conj[b.failure.check-1]
	return &Error{
		Part: PartWhere, Index: c.where, Name: b.spec.Where[c.where], Column: int(b.failure.value.bits),
		Msg: b.failure.value.str + b.failure.names,
	}
}

// overBudget names the axis that costs most and what its nodes must remember.
func (b *builder) overBudget() error {
	worst := 0
	for k := range b.tried {
		if b.tried[k] > b.tried[worst] {
			worst = k
		}
	}
	axis := b.spec.Axes[worst].Name
	var remembered, readers []string
	for _, i := range b.plan.live[worst] {
		x := &b.scope.slots[i]
		remembered = append(remembered, cmp.Or(x.name, x.text))
	}
	for _, c := range b.conj {
		text := b.spec.Where[c.where]
		if c.level >= worst && slices.ContainsFunc(c.reads, func(i int) bool { return slices.Contains(b.plan.live[worst], i) }) && !slices.Contains(readers, quote(text)) {
			readers = append(readers, quote(text))
		}
	}
	msg := fmt.Sprintf("counting the cases needs more than %s nodes or %s tries", commas(b.maxNodes), commas(int64(b.maxNodes)*visitsPerNode))
	if len(remembered) > 0 {
		msg += fmt.Sprintf("; most are at axis %s, whose nodes must remember %s", quote(axis), strings.Join(remembered, ", "))
	}
	if len(readers) > 0 {
		msg += " for where " + strings.Join(readers, " and ")
	}
	return &Error{
		Part: PartGrid, Msg: msg, Err: ErrBudget,
		Hint: "list axes that a constraint joins next to each other, use fewer values, or split the study",
	}
}

// bigCount counts the cases of a grid that has too many for an int64.
func (g *Grid) bigCount() *big.Int {
	counts := make([]*big.Int, len(g.nodes))
	for i, n := range g.nodes { // children come before their parents
		if n.count != tooMany {
			counts[i] = big.NewInt(n.count)
			continue
		}
		counts[i] = new(big.Int)
		for _, r := range g.runsOf(int32(i)) {
			counts[i].Add(counts[i], new(big.Int).Mul(counts[r.child], big.NewInt(int64(r.n))))
		}
	}
	return counts[g.root]
}
