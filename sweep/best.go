package sweep

import (
	"container/heap"
	"slices"

	"headroom/grids"
	"headroom/results"
)

// A chooser picks the best cases of each group of a part, as they are evaluated.
// It remembers their ids alone: chosen cases are evaluated again to be written.
type chooser struct {
	rank    results.Rank
	most    int
	axes    []int   // of the groups
	strides []int64 // of the number of a group
	groups  map[int64]*candidates
}

// newChooser is nil for a study that keeps every row, or every one that fits.
func newChooser(s *Study) (*chooser, error) {
	if s.Keep.Best == 0 {
		return nil, nil
	}
	rank, err := results.NewRank(s.Keep.By)
	if err != nil {
		return nil, err
	}
	c := &chooser{rank: rank, most: int(s.Keep.Best), groups: map[int64]*candidates{}}
	axes := s.grid.Axes()
	stride := int64(1)
	for _, name := range s.Keep.Per {
		k := slices.Index(axes, name)
		c.axes, c.strides = append(c.axes, k), append(c.strides, stride)
		stride *= int64(len(s.grid.Values(k)))
	}
	return c, nil
}

// begin forgets the part before.
func (c *chooser) begin() {
	if len(c.groups)*c.most > maxBest { // more than any one part needs
		clear(c.groups)
	}
	for _, g := range c.groups {
		*g = (*g)[:0]
	}
}

// offer takes the cursor's case if it is among the best so far.
func (c *chooser) offer(at *grids.Cursor, row *results.Row) {
	point := at.Point()
	group := int64(0)
	for i, k := range c.axes {
		group += int64(point[k]) * c.strides[i]
	}
	g := c.groups[group]
	if g == nil {
		g = new(candidates)
		c.groups[group] = g
	}
	x := candidate{c.rank.Of(row), row.CaseID}
	switch {
	case len(*g) < c.most:
		*g = append(*g, x)
		if len(*g) == c.most {
			heap.Init(g)
		}
	case x.before(&(*g)[0]):
		(*g)[0] = x
		heap.Fix(g, 0)
	}
}

// chosen lists the ids of the best cases of all groups, in order.
func (c *chooser) chosen() []int64 {
	var ids []int64
	for _, g := range c.groups {
		for _, x := range *g {
			ids = append(ids, x.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// A candidate is a case by its rank, lower is better.
type candidate struct {
	rank float64
	id   int64
}

func (x *candidate) before(y *candidate) bool {
	return x.rank < y.rank || x.rank == y.rank && x.id < y.id
}

// candidates is a heap with the worst on top.
type candidates []candidate

func (h candidates) Len() int           { return len(h) }
func (h candidates) Less(i, j int) bool { return h[j].before(&h[i]) }
func (h candidates) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are not used: a full heap only replaces its top.
func (h candidates) Push(any) {}

// Pop implements heap.Interface.
func (h candidates) Pop() any { return nil }
