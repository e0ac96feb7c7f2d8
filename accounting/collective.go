package accounting

import "math"

// A group is the ranks of one collective: size of them, stride ranks apart in
// the numbering of the job.
type group struct{ size, stride int64 }

// inDomain is how many members share one fast domain.
func (g group) inDomain(m *Machine) int64 {
	if g.stride >= m.Domain {
		return 1
	}
	return min(g.size, max(m.Domain/g.stride, 1))
}

// domains is how many fast domains the group's members are in.
func (g group) domains(m *Machine) float64 { return float64(g.size) / float64(g.inDomain(m)) }

// hop is [Calibration.LinkHop] of the architecture.
func (m *Machine) hop() float64 {
	if e := m.efficiency(); e.LinkHop > 0 {
		return e.LinkHop
	}
	return m.Calibration.LinkHop
}

// rate is the bytes a second that a ring over the group passes on at each rank:
// the scale-up link's, or what the members of one domain push through their
// shares of the network together, if that is less.
func (m *Machine) rate(g group) float64 {
	in := g.inDomain(m)
	rate := math.Inf(1)
	if in > 1 {
		// Without a switch a rank has a link to each neighbour; the collective uses as
		// many as it has members (V100: 22.6, 85 and 135 GB/s with 2, 4 and 8; MI300X: 48
		// and 313 with 2 and 8, efficiency.csv).
		rate = min(m.ScaleUpRate, m.PeerRate*float64(in-1)) * m.efficiency().Link
	}
	if in < g.size {
		rate = min(rate, float64(in)*m.NetworkRate*m.Calibration.Network)
	}
	return rate
}

// ring is the time of an empty ring: every rank waits for the one before it, with a
// hop inside a domain or between two (nccl/src/graph/tuning.cc: all-gathers and
// reduce-scatters have no other algorithm).
func (m *Machine) ring(g group) float64 {
	c := m.Calibration
	domains := g.domains(m)
	return c.LinkLatency + float64(m.hop()*(float64(g.size)-domains)) + float64(c.NetworkHop*(domains-1))
}

// tree is the time of an empty tree: a chain inside each domain and a tree of the
// domains, there and back.
func (m *Machine) tree(g group) float64 {
	c := m.Calibration
	latency := c.LinkLatency + float64(m.hop()*float64(g.inDomain(m)-1))
	if domains := g.domains(m); domains > 1 {
		latency += float64(c.NetworkLatency * log2(domains))
	}
	return latency
}

// gather is the time in which every rank of the group gets bytes in all, of
// which it held its share: an all-gather; a reduce-scatter costs the same.
func (m *Machine) gather(g group, bytes float64) float64 {
	if g.size <= 1 || bytes <= 0 {
		return 0
	}
	return m.ring(g) + float64(bytes*float64(g.size-1)/float64(g.size))/m.rate(g)
}

// broadcast is the time in which ranks of the group, so many of them and one after the
// other, hand their part of bytes to all: round the ring, whose hops count for each
// (NCCL has no other algorithm for it).
func (m *Machine) broadcast(g group, bytes, ranks float64) float64 {
	if g.size <= 1 || bytes <= 0 {
		return 0
	}
	return float64(ranks*m.ring(g)) + bytes/m.rate(g)
}

// reduce is the time of an all-reduce of bytes: a reduce-scatter and an
// all-gather, in a tree of the domains where there are several. Switches that add
// (NVLS) save part of the second pass when the group fills a domain.
func (m *Machine) reduce(g group, bytes float64) float64 {
	if g.size <= 1 || bytes <= 0 {
		return 0
	}
	rate := m.rate(g)
	if m.Switched && g.size >= 8 && g.inDomain(m) == g.size {
		rate *= m.Calibration.NVLS
	}
	return m.tree(g) + float64(2*bytes*float64(g.size-1)/float64(g.size))/rate
}

// A spread is how the copies of a token lie over the experts: each at an expert of its
// own, in any of the equal groups of experts (0 = no groups) but in no more of them than
// the limit.
type spread struct{ copies, groups, limit float64 }

// wanted is on how many of so many equal parts of the experts (ranks, or the domains that
// hold them) a token is wanted, on average.
func (s *spread) wanted(parts float64) float64 {
	if s.groups > 0 && s.limit > 0 { // a group lies on a part, or on several
		parts = min(parts, s.limit*max(parts/s.groups, 1))
	}
	return parts * (1 - pow(1-1/parts, s.copies))
}

// exchange is the time of an all-to-all in which every rank sends bytes in all,
// over the group: the copies of each token. A token crosses
// the network once for each domain that wants it, and is copied there (DeepEP and
// NVIDIA's HybridEP; Liu et al. 2024, DeepSeek-V3, section 3.2.2).
func (m *Machine) exchange(g group, bytes float64, s spread) float64 {
	if g.size <= 1 || bytes <= 0 {
		return 0
	}
	c := m.Calibration
	in := g.inDomain(m)
	size := float64(g.size)
	token := bytes / s.copies
	inside := float64(token*s.wanted(size)*float64(in-1)/size) / (min(m.ScaleUpRate, m.PeerRate*max(float64(in-1), 1)) * m.efficiency().Link)
	t := c.LinkLatency + float64(m.hop()*float64(in-1))
	if in < g.size {
		domains := float64(g.size) / float64(in)
		outside := token * s.wanted(domains) * (1 - 1/domains) / (m.NetworkRate * c.Network)
		return t + c.NetworkLatency + max(inside, outside)
	}
	return t + inside
}

// send is the time of one message to the neighbour stride ranks away.
func (m *Machine) send(stride int64, bytes float64) float64 {
	c := m.Calibration
	if stride < m.Domain {
		return float64(c.LinkLatency/2) + bytes/(m.PeerRate*m.efficiency().Link)
	}
	return c.LinkLatency + bytes/(m.NetworkRate*c.Network)
}

// A Collective is a kind of collective operation.
type Collective uint8

// Collectives.
const (
	AllGather     Collective = iota // and reduce-scatter
	AllReduce                       // in the switch where that adds
	AllReduceRing                   // a reduce-scatter and an all-gather
	AllToAll
)

// String is the name in outputs.
func (c Collective) String() string {
	return [...]string{"all-gather", "all-reduce", "ring all-reduce", "all-to-all"}[c]
}

// CollectiveSeconds is the time of a collective of bytes over size ranks, stride
// ranks apart, with nothing beside it. bytes is what each rank ends with
// (all-gather), reduces or sends in all.
func (m *Machine) CollectiveSeconds(c Collective, size, stride int64, bytes float64) float64 {
	g := group{size, stride}
	switch c {
	case AllReduce:
		return m.reduce(g, bytes)
	case AllReduceRing:
		return 2 * m.gather(g, bytes)
	case AllToAll:
		return m.exchange(g, bytes, spread{copies: 1})
	}
	return m.gather(g, bytes)
}
