package grids

// Occurrences counts, for each axis k and each of its Values(k), the cases that
// hold it. A value with none was asked for in vain: a constraint excludes it
// whatever the rest of the case.
func (g *Grid) Occurrences() [][]int64 {
	cases := make([][]int64, len(g.axes))
	for k := range cases {
		cases[k] = make([]int64, len(g.values[k])+1)
	}
	prefixes := make([]int64, len(g.nodes)) // prefixes of cases that lead to a node
	level := make([]int, len(g.nodes))
	prefixes[g.root] = 1
	for id := g.root; id > g.leaf; id-- { // parents come after their children
		if prefixes[id] == 0 {
			continue
		}
		k, domain := level[id], g.nodes[id].domain
		for _, r := range g.runsOf(id) {
			prefixes[r.child] += prefixes[id] * int64(r.n)
			level[r.child] = k + 1
			each := prefixes[id] * g.nodes[r.child].count
			if int(domain) != k {
				for _, value := range g.domains[domain][r.pos : r.pos+r.n] {
					cases[k][value] += each
				}
				continue
			}
			// Differences of neighbours, summed below: a run may have a million values.
			cases[k][r.pos] += each
			cases[k][r.pos+r.n] -= each
		}
	}
	for k := range cases {
		if g.spec.Axes[k].Domain == nil {
			for i := 1; i < len(cases[k]); i++ {
				cases[k][i] += cases[k][i-1]
			}
		}
		cases[k] = cases[k][:len(g.values[k])]
	}
	return cases
}
