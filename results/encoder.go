package results

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

const (
	// Rows a row group holds: enough for analytics engines to read groups in parallel and
	// to leave them out, few enough that an open group stays a few MiB a worker. On the
	// plan space, 131,072 rows make 0.6 % fewer bytes and need 5 MiB more, 32,768 make
	// 0.9 % more bytes.
	rowGroupRows = 64 << 10
	// Rows handed to the columns at once: few enough to stay in the cache while each
	// column takes its values from them. Divides pageRows.
	batchRows = 256
)

const magic = "PAR1"

// A partEncoder turns rows into the bytes of one Parquet file, which follow from the
// rows alone. It writes the one schema there is, column by column: parquet-go's
// writer, which takes any, is several times as slow.
type partEncoder struct {
	w       io.Writer
	offset  int64 // bytes written
	batch   []Row
	chunks  []*chunk
	rows    int64 // in the open row group
	groups  []groupInfo
	scratch scratch
	footer  thrift
	meta    [][2]string
	engine  string
}

// A groupInfo is what the footer tells of a row group.
type groupInfo struct {
	offset  int64
	rows    int64
	columns []columnInfo
}

// A columnInfo is what the footer tells of a column of a row group.
type columnInfo struct {
	dictionary, data         int64 // offsets; no dictionary = 0
	compressed, uncompressed int64
	nulls                    int64
	bounds                   bounds
	pages                    []pageInfo
	used                     pageCounts
	offsetIndex, columnIndex [2]int64 // offset and length
}

// begin starts a file.
func (e *partEncoder) begin(w io.Writer, p *Plan, runID string) error {
	study, err := canonicalJSON(p.Study)
	if err != nil {
		return err
	}
	if e.chunks == nil {
		e.batch = make([]Row, 0, batchRows)
		for _, t := range fieldTypes {
			e.chunks = append(e.chunks, newChunk(t))
		}
	}
	for _, c := range e.chunks {
		c.reset()
	}
	e.w, e.offset, e.batch, e.rows, e.groups, e.engine = w, 0, e.batch[:0], 0, e.groups[:0], p.Engine
	e.meta = [][2]string{ // in order of the keys
		{MetaColumns, columnsJSON},
		{MetaEngine, p.Engine},
		{MetaName, p.Name},
		{MetaRunID, runID},
		{MetaSchemaVersion, strconv.Itoa(SchemaVersion)},
		{MetaStudy, string(study)},
	}
	return e.put([]byte(magic))
}

func (e *partEncoder) put(b []byte) error {
	n, err := e.w.Write(b)
	e.offset += int64(n)
	return err
}

func (e *partEncoder) write(row *Row) error {
	e.batch = append(e.batch, *row)
	if len(e.batch) < batchRows {
		return nil
	}
	return e.flush()
}

// flush hands the batch to the columns, and ends the page or the row group that is
// full.
func (e *partEncoder) flush() error {
	for _, c := range e.chunks {
		c.take(e.batch)
	}
	e.rows += int64(len(e.batch))
	e.batch = e.batch[:0]
	if e.rows%pageRows == 0 {
		if err := e.endPages(); err != nil {
			return err
		}
	}
	if e.rows == rowGroupRows {
		return e.endGroup()
	}
	return nil
}

func (e *partEncoder) endPages() error {
	for _, c := range e.chunks {
		if err := c.endPage(&e.scratch); err != nil {
			return err
		}
	}
	return nil
}

// endGroup writes the open row group.
func (e *partEncoder) endGroup() error {
	if e.rows == 0 {
		return nil
	}
	if err := e.endPages(); err != nil {
		return err
	}
	g := groupInfo{offset: e.offset, rows: e.rows}
	for _, c := range e.chunks {
		dictionary, err := c.dictionaryPage(&e.scratch)
		if err != nil {
			return err
		}
		x := columnInfo{
			compressed: int64(len(dictionary) + len(c.pages)), uncompressed: c.uncompressed, nulls: c.nulls, bounds: c.total,
			pages: append([]pageInfo(nil), c.infos...), used: c.used,
		}
		if len(dictionary) > 0 {
			x.dictionary = e.offset
			if err := e.put(dictionary); err != nil {
				return err
			}
		}
		x.data = e.offset
		if err := e.put(c.pages); err != nil {
			return err
		}
		g.columns = append(g.columns, x)
		c.reset()
	}
	e.groups = append(e.groups, g)
	e.rows = 0
	return nil
}

// close ends the file.
func (e *partEncoder) close() error {
	if err := e.flush(); err != nil {
		return err
	}
	if err := e.endGroup(); err != nil {
		return err
	}
	if err := e.writeIndexes(); err != nil {
		return err
	}
	e.writeFooter()
	length := binary.LittleEndian.AppendUint32(nil, uint32(len(e.footer.b)))
	if err := e.put(append(append(e.footer.b, length...), magic...)); err != nil {
		return err
	}
	e.w = nil
	return nil
}

// writeIndexes writes where the pages of each column are and what they hold, so that
// readers find a page without its neighbours.
func (e *partEncoder) writeIndexes() error {
	t := &e.scratch.header
	for i := range e.groups {
		g := &e.groups[i]
		for k := range g.columns {
			x, c := &g.columns[k], e.chunks[k]
			order := int64(0) // none is promised
			if k == 0 {
				order = 1 // case ids rise
			}
			t.b = t.b[:0]
			t.begin()
			t.list(1, thriftTrue, len(x.pages))
			for j := range x.pages {
				t.boolElement(!x.pages[j].bounds.known)
			}
			for side := range 2 {
				t.list(int16(2+side), thriftBinary, len(x.pages))
				for j := range x.pages {
					if !x.pages[j].bounds.known {
						t.bytesElement(nil)
						continue
					}
					least, most := c.boundBytes(&x.pages[j].bounds)
					t.bytesElement([2][]byte{least, most}[side])
				}
			}
			t.i32(4, order)
			t.list(5, thriftI64, len(x.pages))
			for j := range x.pages {
				t.intElement(x.pages[j].nulls)
			}
			t.end()
			x.columnIndex = [2]int64{e.offset, int64(len(t.b))}
			if err := e.put(t.b); err != nil {
				return err
			}
		}
	}
	for i := range e.groups {
		g := &e.groups[i]
		for k := range g.columns {
			x := &g.columns[k]
			t.b = t.b[:0]
			t.begin()
			t.list(1, thriftStruct, len(x.pages))
			for j := range x.pages {
				t.begin()
				t.i64(1, x.data+int64(x.pages[j].offset))
				t.i32(2, int64(x.pages[j].size))
				t.i64(3, x.pages[j].firstRow)
				t.end()
			}
			t.end()
			x.offsetIndex = [2]int64{e.offset, int64(len(t.b))}
			if err := e.put(t.b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *partEncoder) writeFooter() {
	t := &e.footer
	t.b = t.b[:0]
	t.begin()
	t.i32(1, 2)
	t.list(2, thriftStruct, 1+len(e.chunks))
	t.begin()
	t.text(4, "Row")
	t.i32(5, int64(len(e.chunks)))
	t.end()
	for _, c := range e.chunks {
		t.begin()
		c.writeSchema(t)
		t.end()
	}
	rows := int64(0)
	for i := range e.groups {
		rows += e.groups[i].rows
	}
	t.i64(3, rows)
	t.list(4, thriftStruct, len(e.groups))
	for i := range e.groups {
		e.writeGroup(t, i)
	}
	t.list(5, thriftStruct, len(e.meta))
	for _, kv := range e.meta {
		t.begin()
		t.text(1, kv[0])
		t.text(2, kv[1])
		t.end()
	}
	t.text(6, fmt.Sprintf("headroom version %s(build )", e.engine))
	t.list(7, thriftStruct, len(e.chunks))
	for range e.chunks {
		t.begin()
		t.structure(1) // by the type
		t.end()
		t.end()
	}
	t.end()
}

// writeSchema writes the element of a column.
func (c *chunk) writeSchema(t *thrift) {
	t.i32(1, int64(c.physical))
	repetition := int64(0)
	if c.nullable {
		repetition = 1
	}
	t.i32(3, repetition)
	t.text(4, c.name)
	switch c.physical {
	case typeByteArray:
		t.i32(6, 0) // UTF8
		t.structure(10)
		t.structure(1) // STRING
		t.end()
		t.end()
	case typeInt32, typeInt64:
		width, converted := int64(32), int64(17)
		if c.physical == typeInt64 {
			width, converted = 64, 18
		}
		t.i32(6, converted)
		t.structure(10)
		t.structure(10) // INTEGER
		t.field(1, 3)   // a byte
		t.b = append(t.b, byte(width))
		t.bool(2, true) // signed
		t.end()
		t.end()
	}
}

func (e *partEncoder) writeGroup(t *thrift, i int) {
	g := &e.groups[i]
	t.begin()
	t.list(1, thriftStruct, len(g.columns))
	var compressed, uncompressed int64
	for k := range g.columns {
		x, c := &g.columns[k], e.chunks[k]
		compressed, uncompressed = compressed+x.compressed, uncompressed+x.uncompressed
		t.begin()
		t.i64(2, 0)
		t.structure(3)
		c.writeColumn(t, x, g.rows)
		t.end()
		t.i64(4, x.offsetIndex[0])
		t.i32(5, x.offsetIndex[1])
		t.i64(6, x.columnIndex[0])
		t.i32(7, x.columnIndex[1])
		t.end()
	}
	t.i64(2, uncompressed)
	t.i64(3, g.rows)
	t.list(4, thriftStruct, 1) // sorted by case id
	t.begin()
	t.i32(1, 0)
	t.bool(2, false)
	t.bool(3, false)
	t.end()
	t.i64(5, g.offset)
	t.i64(6, compressed)
	t.i16(7, int64(i))
	t.end()
}

// writeColumn writes the metadata of a column of a row group.
func (c *chunk) writeColumn(t *thrift, x *columnInfo, rows int64) {
	t.i32(1, int64(c.physical))
	var encodings []int64
	if x.used.dictionary > 0 || x.used.empty > 0 || x.used.plain > 0 && c.plain == encodingPlain {
		encodings = append(encodings, encodingPlain)
	}
	if c.nullable {
		encodings = append(encodings, encodingRLE)
	}
	if x.used.plain > 0 && c.plain != encodingPlain {
		encodings = append(encodings, int64(c.plain))
	}
	if x.used.dictionary > 0 {
		encodings = append(encodings, encodingDictionary)
	}
	t.list(2, thriftI32, len(encodings))
	for _, n := range encodings {
		t.intElement(n)
	}
	t.list(3, thriftBinary, 1)
	t.textElement(c.name)
	t.i32(4, 6) // ZSTD
	t.i64(5, rows)
	t.i64(6, x.uncompressed)
	t.i64(7, x.compressed)
	t.i64(9, x.data)
	if x.dictionary > 0 {
		t.i64(11, x.dictionary)
	}
	t.structure(12)
	t.i64(3, x.nulls)
	if x.bounds.known {
		least, most := c.boundBytes(&x.bounds)
		t.bytes(5, most)
		t.bytes(6, least)
	}
	t.end()
	// Pages by encoding: readers that prune by dictionary want to know that all are.
	stats := 0
	for _, n := range []int64{x.dictionary, x.used.dictionary, x.used.plain, x.used.empty} {
		if n > 0 {
			stats++
		}
	}
	t.list(13, thriftStruct, stats)
	stat := func(page, encoding, n int64) {
		if n > 0 {
			t.begin()
			t.i32(1, page)
			t.i32(2, encoding)
			t.i32(3, n)
			t.end()
		}
	}
	if x.dictionary > 0 {
		stat(2, encodingPlain, 1)
	}
	stat(3, encodingDictionary, x.used.dictionary)
	stat(3, int64(c.plain), x.used.plain)
	stat(3, encodingPlain, x.used.empty)
}
