package grids

import "fmt"

// A Cursor visits the cases lo … hi−1 in order, without allocating. Use it as
//
//	for c := grid.Cursor(lo, hi); c.Next(); {
//		… c.Changed() … c.Point() …
//	}
type Cursor struct {
	grid    *Grid
	at      int64 // number of the current case
	next    int64 // number of the next case
	hi      int64
	changed int
	advance int // deepest level that may advance next
	point   []int32
	levels  []place
}

// A place is where a cursor is at one level.
type place struct {
	domain []int32
	runs   []run
	run    int   // index of the current run
	pos    int32 // current position in the domain
	end    int32 // first position after the current run
}

// Cursor returns a cursor over the cases lo … hi−1; 0 ≤ lo ≤ hi ≤ Len.
func (g *Grid) Cursor(lo, hi int64) *Cursor {
	if lo < 0 || hi < lo || hi > g.Len() {
		panic(fmt.Sprintf("grids: cases %d to %d of a grid of %d", lo, hi, g.Len()))
	}
	return &Cursor{grid: g, next: lo, hi: hi, changed: -1, point: make([]int32, len(g.axes)), levels: make([]place, len(g.axes))}
}

// Next moves to the next case and reports whether there is one.
func (c *Cursor) Next() bool {
	if c.next >= c.hi {
		return false
	}
	c.at = c.next
	c.next++
	k := c.advance
	c.advance = len(c.levels) - 1
	if c.changed < 0 {
		c.seek(c.at)
		c.changed = 0
		return true
	}
	// The deepest level that can advance does; the levels below it start over.
	for ; ; k-- {
		p := &c.levels[k]
		p.pos++
		sameRun := p.pos < p.end
		if !sameRun {
			if p.run+1 == len(p.runs) {
				continue
			}
			p.run++
			r := &p.runs[p.run]
			p.pos, p.end = r.pos, r.pos+r.n
		}
		c.point[k] = p.domain[p.pos]
		c.changed = k
		child := p.runs[p.run].child
		for j := k + 1; j < len(c.levels); j++ {
			child = c.enter(j, child)
		}
		return true
	}
}

// enter puts level k at the first value of a node and returns its child.
func (c *Cursor) enter(k int, id int32) int32 {
	g := c.grid
	runs := g.runsOf(id)
	domain := g.domains[g.nodes[id].domain]
	r := &runs[0]
	c.levels[k] = place{domain: domain, runs: runs, pos: r.pos, end: r.pos + r.n}
	c.point[k] = domain[r.pos]
	return r.child
}

// seek puts every level where case i is.
func (c *Cursor) seek(i int64) {
	g := c.grid
	id := g.root
	for k := range c.levels {
		c.enter(k, id)
		p := &c.levels[k]
		for p.run+1 < len(p.runs) && p.runs[p.run+1].start <= i {
			p.run++
		}
		r := &p.runs[p.run]
		count := g.nodes[r.child].count
		i -= r.start
		p.pos, p.end = r.pos+int32(i/count), r.pos+r.n
		i %= count
		c.point[k] = p.domain[p.pos]
		id = r.child
	}
}

// Skip leaves out the remaining cases that agree with the current one on the
// axes 0 … k, so that Next moves to the first that does not. It returns how many
// cases it left out of those the cursor was to visit. There must be a current
// case.
func (c *Cursor) Skip(k int) int64 {
	rest := int64(0) // cases after the current one with the same values up to axis k
	for j := len(c.levels) - 1; j > k; j-- {
		p := &c.levels[j]
		r := &p.runs[p.run]
		last := &p.runs[len(p.runs)-1]
		nodes := c.grid.nodes
		rest += last.start + int64(last.n)*nodes[last.child].count
		rest -= r.start + int64(p.pos-r.pos+1)*nodes[r.child].count
	}
	skipped := max(min(c.at+1+rest, c.hi)-c.next, 0) // an earlier Skip may have gone further
	c.next += skipped
	c.advance = min(c.advance, k)
	return skipped
}

// GoTo makes Next go on from case i, anywhere in the grid, up to the cursor's end.
func (c *Cursor) GoTo(i int64) {
	if i < 0 || i > c.grid.Len() {
		panic(fmt.Sprintf("grids: case %d of a grid of %d", i, c.grid.Len()))
	}
	c.next, c.changed = i, -1
}

// Index is the number of the current case.
func (c *Cursor) Index() int64 { return c.at }

// Changed is the first axis whose value differs from the previous case; all
// axes before it are as they were. It is 0 for the first case of a cursor.
func (c *Cursor) Changed() int { return c.changed }

// Point is the current case as [Grid.At] gives it. It is valid until Next.
func (c *Cursor) Point() []int32 { return c.point }

// Value is what axis k holds in the current case.
func (c *Cursor) Value(k int) Value { return c.grid.values[k][c.point[k]] }
