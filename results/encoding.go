package results

import (
	"encoding/binary"
	"math/bits"
)

// The encodings of values in pages
// (https://parquet.apache.org/docs/file-format/data-pages/encodings/). Each appends
// to dst; the bytes follow from the values alone.

// appendHybrid appends numbers below 1<<width as runs of equal ones and groups of
// eight packed into bits: RLE, without the length before it.
func appendHybrid(dst []byte, values []uint32, width int) []byte {
	begin := 0 // of the values that wait to be packed
	for i := 0; i < len(values); {
		v, n := values[i], 1
		for i+n < len(values) && values[i+n] == v {
			n++
		}
		// Packed groups are whole: a run gives up what the group before it lacks.
		lacks := (8 - (i-begin)%8) % 8
		if n-lacks < 8 {
			i += n
			continue
		}
		if i+lacks > begin {
			dst = appendPacked(dst, values[begin:i+lacks], width)
		}
		dst = binary.AppendUvarint(dst, uint64(n-lacks)<<1)
		for b := 0; b < width; b += 8 {
			dst = append(dst, byte(v>>b))
		}
		i += n
		begin = i
	}
	if begin < len(values) {
		dst = appendPacked(dst, values[begin:], width)
	}
	return dst
}

// appendPacked appends a run of packed groups, the last filled up with zeros.
func appendPacked(dst []byte, values []uint32, width int) []byte {
	groups := (len(values) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	var p packer
	for _, v := range values {
		dst = p.append(dst, uint64(v), width)
	}
	for range groups*8 - len(values) {
		dst = p.append(dst, 0, width)
	}
	return p.flush(dst)
}

// A packer strings numbers of some bits together, the lowest bit first.
type packer struct {
	bits uint64
	n    int
}

func (p *packer) append(dst []byte, v uint64, width int) []byte {
	p.bits |= v << p.n
	if p.n+width < 64 {
		p.n += width
		return dst
	}
	dst = binary.LittleEndian.AppendUint64(dst, p.bits)
	p.bits = v >> (64 - p.n) // all of v, which is 0 bits long, where n was 0
	p.n += width - 64
	return dst
}

func (p *packer) flush(dst []byte) []byte {
	for ; p.n > 0; p.n -= 8 {
		dst = append(dst, byte(p.bits))
		p.bits >>= 8
	}
	p.bits, p.n = 0, 0
	return dst
}

// appendDelta appends whole numbers as differences: DELTA_BINARY_PACKED with blocks
// of 128 values in four miniblocks.
func appendDelta(dst []byte, values []uint64) []byte {
	const block, mini = 128, 32
	dst = binary.AppendUvarint(dst, block)
	dst = binary.AppendUvarint(dst, block/mini)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if len(values) == 0 {
		return binary.AppendVarint(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(values[0]))
	var deltas [block]uint64
	for i := 1; i < len(values); i += block {
		n := min(block, len(values)-i)
		least := int64(values[i] - values[i-1])
		for j := range n {
			deltas[j] = values[i+j] - values[i+j-1] // wraps around, as in the reader
			least = min(least, int64(deltas[j]))
		}
		dst = binary.AppendVarint(dst, least)
		for j := range n {
			deltas[j] -= uint64(least)
		}
		clear(deltas[n:])
		var widths [block / mini]int
		for m := range widths {
			var all uint64
			for _, d := range deltas[m*mini : (m+1)*mini] {
				all |= d
			}
			widths[m] = bits.Len64(all)
			dst = append(dst, byte(widths[m]))
		}
		for m, width := range widths {
			if m*mini >= n {
				break // miniblocks without values have no body
			}
			var p packer
			for _, d := range deltas[m*mini : (m+1)*mini] {
				dst = p.append(dst, d, width)
			}
			dst = p.flush(dst)
		}
	}
	return dst
}

// appendSplit appends the first bytes of all values, then the second ones, …:
// BYTE_STREAM_SPLIT.
func appendSplit(dst []byte, values []uint64) []byte {
	n := len(values)
	begin := len(dst)
	dst = append(dst, make([]byte, 8*n)...)
	out := dst[begin:]
	for b := range 8 {
		stream := out[b*n : (b+1)*n]
		for i, v := range values {
			stream[i] = byte(v >> (8 * b))
		}
	}
	return dst
}

// appendPlain appends values of so many bytes each.
func appendPlain(dst []byte, values []uint64, bytes int) []byte {
	for _, v := range values {
		if bytes == 4 {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
		} else {
			dst = binary.LittleEndian.AppendUint64(dst, v)
		}
	}
	return dst
}
