package results

import "math"

// bounds are the smallest and the largest value, NULL aside.
type bounds struct {
	known    bool
	min, max uint64 // bits of numbers
	first    string // texts
	last     string
}

// findBounds finds the bounds of the page's values.
func (c *chunk) findBounds() {
	b := &c.bounds
	switch {
	case c.physical == typeBoolean:
		for _, v := range c.index {
			c.include(b, uint64(v))
		}
	case c.physical == typeByteArray:
		for _, i := range c.dictionary.used(c.index) {
			s := c.dictionary.texts[i]
			if !b.known {
				b.known, b.first, b.last = true, s, s
			}
			b.first, b.last = min(b.first, s), max(b.last, s)
		}
	case c.indexed:
		for _, i := range c.dictionary.used(c.index) {
			c.include(b, c.dictionary.numbers[i])
		}
	default:
		for _, v := range c.values {
			c.include(b, v)
		}
	}
}

// include widens bounds to a number.
func (c *chunk) include(b *bounds, v uint64) {
	switch {
	case !b.known:
		b.known, b.min, b.max = true, v, v
	case c.physical == typeDouble:
		x := math.Float64frombits(v)
		if x < math.Float64frombits(b.min) {
			b.min = v
		}
		if x > math.Float64frombits(b.max) {
			b.max = v
		}
	default:
		if int64(v) < int64(b.min) {
			b.min = v
		}
		if int64(v) > int64(b.max) {
			b.max = v
		}
	}
}

// widen widens bounds to others.
func (c *chunk) widen(b *bounds, o bounds) {
	switch {
	case !o.known:
	case !b.known:
		*b = o
	case c.physical == typeByteArray:
		b.first, b.last = min(b.first, o.first), max(b.last, o.last)
	default:
		c.include(b, o.min)
		c.include(b, o.max)
	}
}

// boundBytes are bounds as plain values.
func (c *chunk) boundBytes(b *bounds) (least, most []byte) {
	switch c.physical {
	case typeByteArray:
		return []byte(b.first), []byte(b.last)
	case typeBoolean:
		return []byte{byte(b.min)}, []byte{byte(b.max)}
	}
	lo, hi := b.min, b.max
	if c.physical == typeDouble {
		// Zeros of either sign are equal: bounds say so (parquet.thrift, ColumnOrder).
		if lo<<1 == 0 {
			lo = 1 << 63
		}
		if hi<<1 == 0 {
			hi = 0
		}
	}
	return appendPlain(nil, []uint64{lo}, c.bytes()), appendPlain(nil, []uint64{hi}, c.bytes())
}
