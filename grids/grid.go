package grids

import (
	"fmt"
	"sort"
)

// A Grid numbers its cases 0 … Len−1 in lexicographic order of the axes as
// declared, the last axis fastest. It is immutable and safe for concurrent use;
// a [Cursor] is not.
type Grid struct {
	axes   []string
	values [][]Value // values[k]: all values axis k has anywhere
	spec   Spec

	nodes   []node
	runs    []run
	domains [][]int32 // positions → index into values
	root    int32
	leaf    int32 // the end of a case
}

// A node stands for all prefixes of cases with the same continuations.
type node struct {
	count    int64 // continuations
	firstRun int32 // its runs are runs[firstRun:next node's firstRun]
	domain   int32 // values its axis has here
}

// A run is neighbouring values of an axis that lead to the same child.
type run struct {
	start int64 // continuations of the node before this run
	pos   int32 // first position in the node's domain
	n     int32 // positions
	child int32
}

// Check reports what is wrong with a spec itself, as Build does before it counts
// anything.
func Check(spec Spec) error {
	_, _, err := resolve(&spec)
	return err
}

// Build counts the cases of a grid. All mistakes in the spec itself are
// reported at once (errors.Join of *Error); then come those that only counting
// shows: a calculation that fails, no case left, too many cases. The spec's
// slices must not change afterwards.
func Build(spec Spec) (*Grid, error) {
	s, conj, err := resolve(&spec)
	if err != nil {
		return nil, err
	}
	b := newBuilder(&spec, s, conj)
	if err := b.build(); err != nil {
		return nil, err
	}
	if b.grid.Len() == 0 {
		return nil, b.explainEmpty()
	}
	return b.grid, nil
}

func newGrid(spec *Spec) *Grid {
	g := &Grid{axes: make([]string, len(spec.Axes)), values: make([][]Value, len(spec.Axes)), spec: *spec}
	for k := range spec.Axes {
		a := &spec.Axes[k]
		g.axes[k] = a.Name
		if a.Domain != nil {
			g.domains = append(g.domains, nil) // domain k belongs to axis k
			continue
		}
		g.values[k] = a.Values
		all := make([]int32, len(a.Values))
		for i := range all {
			all[i] = int32(i)
		}
		g.domains = append(g.domains, all)
	}
	g.leaf = g.addNode(node{count: 1}, nil)
	return g
}

func (g *Grid) addNode(n node, runs []run) int32 {
	n.firstRun = int32(len(g.runs))
	g.runs = append(g.runs, runs...)
	g.nodes = append(g.nodes, n)
	return int32(len(g.nodes) - 1)
}

func (g *Grid) addDomain(ids []int32) int32 {
	g.domains = append(g.domains, ids)
	return int32(len(g.domains) - 1)
}

func (g *Grid) runsOf(id int32) []run {
	end := len(g.runs)
	if int(id)+1 < len(g.nodes) {
		end = int(g.nodes[id+1].firstRun)
	}
	return g.runs[g.nodes[id].firstRun:end]
}

// Len is the number of cases.
func (g *Grid) Len() int64 { return g.nodes[g.root].count }

// Axes returns the axes' names in declared order.
func (g *Grid) Axes() []string { return append([]string(nil), g.axes...) }

// Values returns all values axis k has in any case, in declared order; for a
// dependent axis, in the order in which they first turn up. A point refers to
// them by index. The caller must not change them.
func (g *Grid) Values(k int) []Value { return g.values[k] }

// Nodes is the size of the counting DAG.
func (g *Grid) Nodes() int { return len(g.nodes) }

// At writes case i as a point: for each axis k the index of its value in
// Values(k). It appends to dst[:0] and returns it; i must be in [0, Len).
func (g *Grid) At(i int64, dst []int32) []int32 {
	if i < 0 || i >= g.Len() {
		panic(fmt.Sprintf("grids: case %d of a grid of %d", i, g.Len()))
	}
	dst = dst[:0]
	for id := g.root; id != g.leaf; {
		n := &g.nodes[id]
		runs := g.runsOf(id)
		r := runs[sort.Search(len(runs), func(j int) bool { return runs[j].start > i })-1]
		i -= r.start
		count := g.nodes[r.child].count
		pos := r.pos + int32(i/count)
		i %= count
		dst = append(dst, g.domains[n.domain][pos])
		id = r.child
	}
	return dst
}

// Index is the inverse of At: the number of a point, and whether it is a case
// of the grid at all.
func (g *Grid) Index(point []int32) (i int64, ok bool) {
	if len(point) != len(g.axes) {
		return 0, false
	}
	id := g.root
	for k, value := range point {
		pos := g.position(k, g.nodes[id].domain, value)
		runs := g.runsOf(id)
		j := sort.Search(len(runs), func(j int) bool { return runs[j].pos > pos }) - 1
		if pos < 0 || j < 0 || pos >= runs[j].pos+runs[j].n {
			return 0, false
		}
		i += runs[j].start + int64(pos-runs[j].pos)*g.nodes[runs[j].child].count
		id = runs[j].child
	}
	return i, true
}

// position finds a value in a domain, −1 if it is not there.
func (g *Grid) position(k int, domain, value int32) int32 {
	ids := g.domains[domain]
	if int(domain) == k { // a static axis: value i is at position i
		if value < 0 || int(value) >= len(ids) {
			return -1
		}
		return value
	}
	for pos, id := range ids {
		if id == value {
			return int32(pos)
		}
	}
	return -1
}

// Point finds the indices of values, one for each axis, for use with Index.
func (g *Grid) Point(values ...Value) (point []int32, ok bool) {
	if len(values) != len(g.axes) {
		return nil, false
	}
	point = make([]int32, len(values))
	for k, v := range values {
		found := false
		for i, have := range g.values[k] {
			if have == v {
				point[k], found = int32(i), true
			}
		}
		if !found {
			return nil, false
		}
	}
	return point, true
}
