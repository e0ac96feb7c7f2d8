package arch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	maxConfigBytes = 16 << 20 // published configs with long label maps reach 2 MiB
	maxConfigDepth = 64
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
	return p.value("", 0)
}

// A parser walks the tokens of JSON text that is known to be well formed.
type parser struct {
	file      string
	data      []byte
	dec       *json.Decoder
	pos       int // bytes already counted into line and col
	line, col int
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

func (p *parser) value(path string, depth int) (*value, error) {
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	v := &value{line: p.line, col: p.col}
	d, ok := t.(json.Delim)
	if !ok {
		v.v = t
		return v, nil
	}
	if depth == maxConfigDepth {
		return nil, p.errorf(0, path, "is nested deeper than %d levels", maxConfigDepth)
	}
	if d == '[' {
		list := []*value{}
		for p.dec.More() {
			e, err := p.value(fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
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
			key := k.(string) // of well-formed JSON
			if first, twice := o.at[key]; twice {
				return nil, p.errorf(0, join(path, key), "is given twice, first in line %d", first.line)
			}
			e, err := p.value(join(path, key), depth+1)
			if err != nil {
				return nil, err
			}
			o.keys = append(o.keys, key)
			o.at[key] = e
		}
		v.v = o
	}
	_, err = p.token() // the closing delimiter
	return v, err
}

func join(path, key string) string {
	if path == "" {
		return clip(key)
	}
	return path + "." + clip(key)
}
