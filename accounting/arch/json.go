package arch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	maxConfigBytes  = 16 << 20 // published configs with long label maps reach 2 MiB
	maxConfigDepth  = 64
	maxConfigValues = 1 << 17 // a map of 21,000 labels and its inverse have 42,000
)

// A value is one JSON value and where it starts.
type value struct {
	line, col int // 1-based; columns count runes
	// v is nil, bool, json.Number, string, []*value or *object.
	v any
}

// An object keeps its keys in the order of the file.
type object struct {
	keys []string
	at   map[string]*value
}

func (v *value) kind() string {
	switch x := v.v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return "the number " + x.String()
	case string:
		return "the string " + strconv.Quote(clip(x))
	case []*value:
		return "an array"
	default:
		return "an object"
	}
}

func clip(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// parseJSON reads one JSON value that fills the whole of data. Unlike
// encoding/json it refuses a key given twice: which of the two a program sees
// depends on the program.
func parseJSON(file string, data []byte) (*value, error) {
	p := &parser{file: file, data: data, line: 1, col: 1}
	switch {
	case len(data) > maxConfigBytes:
		return nil, p.errorf(0, "", "is %d bytes long; a config.json holds less than %d", len(data), maxConfigBytes)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, p.errorf(0, "", "is empty; a config.json is a JSON object")
	case !utf8.Valid(data):
		return nil, p.errorf(0, "", "is not UTF-8 text; is it a config.json?")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		offset := len(data)
		if s, ok := err.(*json.SyntaxError); ok {
			offset = max(0, int(s.Offset)-1)
		}
		if offset >= len(bytes.TrimRight(data, " \t\r\n"))-1 && err.Error() == "unexpected end of JSON input" {
			return nil, p.errorf(len(data), "", "ends too early: the JSON is cut off")
		}
		return nil, p.errorf(offset, "", "is not JSON: %v", err)
	}
	p.dec = json.NewDecoder(bytes.NewReader(data))
	p.dec.UseNumber()
	return p.value()
}

// A parser walks the tokens of JSON text that is known to be well formed.
type parser struct {
	file      string
	data      []byte
	dec       *json.Decoder
	pos       int // bytes already counted into line and col
	line, col int
	values    int
	path      []step // to the value at hand
}

// A step leads into an object by a key or, without one, into an array.
type step struct {
	key   string
	array bool
	index int
}

// where writes the path for a message.
func (p *parser) where() string {
	path := ""
	for _, s := range p.path {
		if s.array {
			path += fmt.Sprintf("[%d]", s.index)
		} else {
			path = join(path, s.key)
		}
	}
	return path
}

// to moves line and col forward to a byte offset.
func (p *parser) to(offset int) {
	for p.pos < min(offset, len(p.data)) {
		r, n := utf8.DecodeRune(p.data[p.pos:])
		if r == '\n' {
			p.line, p.col = p.line+1, 1
		} else {
			p.col++
		}
		p.pos += n
	}
}

func (p *parser) errorf(offset int, path, format string, args ...any) *ConfigError {
	p.to(offset)
	return &ConfigError{File: p.file, Line: p.line, Col: p.col, Path: path, Msg: fmt.Sprintf(format, args...)}
}

// token returns the next token; line and col are then where it starts.
func (p *parser) token() (json.Token, error) {
	start := int(p.dec.InputOffset())
	for start < len(p.data) && bytes.IndexByte([]byte(" \t\r\n,:"), p.data[start]) >= 0 {
		start++
	}
	p.to(start)
	t, err := p.dec.Token()
	if err != nil {
		return nil, p.errorf(start, "", "is not JSON: %v", err)
	}
	return t, nil
}

func (p *parser) value() (*value, error) {
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > maxConfigValues {
		return nil, p.errorf(0, "", "holds more than %d values; is it a config.json?", maxConfigValues)
	}
	v := &value{line: p.line, col: p.col}
	d, ok := t.(json.Delim)
	if !ok {
		v.v = t
		return v, nil
	}
	if len(p.path) == maxConfigDepth {
		return nil, p.errorf(0, p.where(), "is nested deeper than %d levels", maxConfigDepth)
	}
	p.path = append(p.path, step{array: d == '['})
	here := &p.path[len(p.path)-1]
	if d == '[' {
		list := []*value{}
		for p.dec.More() {
			here.index = len(list)
			e, err := p.value()
			if err != nil {
				return nil, err
			}
			here = &p.path[len(p.path)-1]
			list = append(list, e)
		}
		v.v = list
	} else {
		o := &object{at: map[string]*value{}}
		for p.dec.More() {
			k, err := p.token()
			if err != nil {
				return nil, err
			}
			here.key = k.(string) // of well-formed JSON
			if first, twice := o.at[here.key]; twice {
				return nil, p.errorf(0, p.where(), "is given twice, first in line %d", first.line)
			}
			e, err := p.value()
			if err != nil {
				return nil, err
			}
			here = &p.path[len(p.path)-1]
			o.keys = append(o.keys, here.key)
			o.at[here.key] = e
		}
		v.v = o
	}
	p.path = p.path[:len(p.path)-1]
	_, err = p.token() // the closing delimiter
	return v, err
}

func join(path, key string) string {
	if path == "" {
		return clip(key)
	}
	return path + "." + clip(key)
}
