package results

import "encoding/binary"

// A thrift writes structures in Thrift's compact protocol, which Parquet's page
// headers, indexes and footer are in
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
// Fields of a structure are written in rising order of their ids.
type thrift struct {
	b    []byte
	last []int16 // id of the last field of each open structure
}

// Types of fields and of elements of lists.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

// begin opens a structure: the outermost, or an element of a list.
func (t *thrift) begin() { t.last = append(t.last, 0) }

func (t *thrift) end() {
	t.b = append(t.b, 0)
	t.last = t.last[:len(t.last)-1]
}

func (t *thrift) field(id int16, kind byte) {
	last := &t.last[len(t.last)-1]
	if step := id - *last; step <= 15 {
		t.b = append(t.b, byte(step)<<4|kind)
	} else {
		t.b = append(t.b, kind)
		t.b = binary.AppendVarint(t.b, int64(id))
	}
	*last = id
}

func (t *thrift) i16(id int16, v int64) {
	t.field(id, thriftI16)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thrift) i32(id int16, v int64) {
	t.field(id, thriftI32)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thrift) i64(id int16, v int64) {
	t.field(id, thriftI64)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thrift) bool(id int16, v bool) {
	kind := byte(thriftFalse)
	if v {
		kind = thriftTrue
	}
	t.field(id, kind)
}

func (t *thrift) text(id int16, s string) {
	t.field(id, thriftBinary)
	t.textElement(s)
}

func (t *thrift) bytes(id int16, v []byte) {
	t.field(id, thriftBinary)
	t.bytesElement(v)
}

// structure opens a structure as a field.
func (t *thrift) structure(id int16) {
	t.field(id, thriftStruct)
	t.begin()
}

// list opens a list of n elements of one type, which are written next.
func (t *thrift) list(id int16, kind byte, n int) {
	t.field(id, thriftList)
	if n < 15 {
		t.b = append(t.b, byte(n)<<4|kind)
		return
	}
	t.b = append(t.b, 0xf0|kind)
	t.b = binary.AppendUvarint(t.b, uint64(n))
}

func (t *thrift) intElement(v int64) { t.b = binary.AppendVarint(t.b, v) }

func (t *thrift) textElement(s string) {
	t.b = binary.AppendUvarint(t.b, uint64(len(s)))
	t.b = append(t.b, s...)
}

func (t *thrift) bytesElement(v []byte) {
	t.b = binary.AppendUvarint(t.b, uint64(len(v)))
	t.b = append(t.b, v...)
}

func (t *thrift) boolElement(v bool) {
	kind := byte(thriftFalse)
	if v {
		kind = thriftTrue
	}
	t.b = append(t.b, kind)
}
