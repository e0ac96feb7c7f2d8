package grids

import "encoding/binary"

// A numbering numbers values in the order they turn up, which depends on the
// spec alone.
type numbering struct {
	ints   map[int64]int32 // the usual ones, apart because they hash faster
	others map[Value]int32
}

func newNumbering() *numbering {
	return &numbering{ints: map[int64]int32{}, others: map[Value]int32{}}
}

func (n *numbering) of(v Value) int32 {
	if v.kind == Int {
		id, ok := n.ints[v.Int()]
		if !ok {
			id = int32(len(n.ints) + len(n.others))
			n.ints[v.Int()] = id
		}
		return id
	}
	id, ok := n.others[v]
	if !ok {
		id = int32(len(n.ints) + len(n.others))
		n.others[v] = id
	}
	return id
}

// A table maps the numbers that some slots hold to a result. Few and small
// numbers, nearly always, fit into one machine word.
type table struct {
	short map[uint64]int32
	long  map[string]int32
	buf   []byte
}

func newTable() *table {
	return &table{short: map[uint64]int32{}, long: map[string]int32{}}
}

// A tableKey is what a table found its place by; it stays valid.
type tableKey struct {
	short uint64
	long  string // "" = the short one
}

// find looks up what the slots hold in ids, together with extra, which is
// usually 0.
func (t *table) find(ids []int32, slots []int, extra int) (key tableKey, result int32, ok bool) {
	if extra == 0 && len(slots) > 0 {
		width := min(64/len(slots), 32)
		fits := true
		for _, s := range slots {
			fits = fits && ids[s]>>width == 0
			key.short = key.short<<width | uint64(ids[s])
		}
		if fits {
			result, ok = t.short[key.short]
			return key, result, ok
		}
	}
	t.buf = binary.LittleEndian.AppendUint32(t.buf[:0], uint32(extra))
	for _, s := range slots {
		t.buf = binary.LittleEndian.AppendUint32(t.buf, uint32(ids[s]))
	}
	if result, ok = t.long[string(t.buf)]; ok {
		return key, result, true
	}
	key.long = string(t.buf)
	return key, 0, false
}

func (t *table) put(key tableKey, result int32) {
	if key.long == "" {
		t.short[key.short] = result
		return
	}
	t.long[key.long] = result
}

// hashNode mixes what makes a node, in the manner of FNV-1a over words.
func hashNode(domain int32, runs []run) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	mix := func(x int32) {
		h = (h ^ uint64(uint32(x))) * prime
		h ^= h >> 29
	}
	mix(domain)
	for _, r := range runs {
		mix(r.pos)
		mix(r.n)
		mix(r.child)
	}
	return h
}
