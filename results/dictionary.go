package results

import (
	"math"
	"math/bits"
	"unsafe"
)

// A dictionary numbers the distinct values of a column, in order of appearance.
type dictionary struct {
	numbers []uint64
	texts   []string
	slots   []uint32 // hash table: 1 + place, 0 = free
	last    uint64
	lastAt  uint32
	lastOf  string
	byText  map[string]uint32
	seen    []uint32 // by place: number of the page that used it last
	page    uint32
	list    []uint32
}

func (d *dictionary) reset() {
	d.numbers, d.texts = d.numbers[:0], d.texts[:0]
	clear(d.slots)
	clear(d.byText)
	d.seen, d.page, d.lastOf = d.seen[:0], 0, ""
}

func (d *dictionary) len() int { return max(len(d.numbers), len(d.texts)) }

// width is the bits of a place: few where places are few, otherwise whole bytes, in
// which the compressor finds what repeats.
func (d *dictionary) width() int {
	n := max(bits.Len(uint(d.len()-1)), 1)
	if n > 4 {
		n = (n + 7) / 8 * 8
	}
	return n
}

// number is the place of a number, new or not.
func (d *dictionary) number(v uint64) uint32 {
	if v == d.last && len(d.numbers) > 0 {
		return d.lastAt
	}
	d.last = v
	if 2*len(d.numbers) >= len(d.slots) {
		d.grow()
	}
	mask := uint64(len(d.slots) - 1)
	for h := hashNumber(v) & mask; ; h = (h + 1) & mask {
		switch at := d.slots[h]; {
		case at == 0:
			d.numbers = append(d.numbers, v)
			d.slots[h] = uint32(len(d.numbers))
			d.lastAt = uint32(len(d.numbers) - 1)
			return d.lastAt
		case d.numbers[at-1] == v:
			d.lastAt = at - 1
			return d.lastAt
		}
	}
}

func hashNumber(v uint64) uint64 {
	v *= 0x9e3779b97f4a7c15
	return v ^ v>>32
}

func (d *dictionary) grow() {
	d.slots = make([]uint32, max(64, 4*len(d.numbers)))
	mask := uint64(len(d.slots) - 1)
	for i, v := range d.numbers {
		h := hashNumber(v) & mask
		for d.slots[h] != 0 {
			h = (h + 1) & mask
		}
		d.slots[h] = uint32(i + 1)
	}
}

// text is the place of a text, new or not.
func (d *dictionary) text(s string) uint32 {
	if len(d.texts) > 0 && len(s) == len(d.lastOf) && (unsafe.StringData(s) == unsafe.StringData(d.lastOf) || s == d.lastOf) {
		return d.lastAt
	}
	if d.byText == nil {
		d.byText = map[string]uint32{}
	}
	at, known := d.byText[s]
	if !known {
		at = uint32(len(d.texts))
		d.texts = append(d.texts, s)
		d.byText[s] = at
	}
	d.lastOf, d.lastAt = s, at
	return at
}

// used lists the places that a page refers to, each once.
func (d *dictionary) used(index []uint32) []uint32 {
	for len(d.seen) < d.len() {
		d.seen = append(d.seen, 0)
	}
	d.page++
	d.list = d.list[:0]
	last := uint32(math.MaxUint32)
	for _, i := range index {
		if i != last && d.seen[i] != d.page {
			d.seen[i] = d.page
			d.list = append(d.list, i)
		}
		last = i
	}
	return d.list
}
