package arch

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Limits that no transformer reaches and that keep a hostile config from
// costing time or memory. Counts of parameters are checked for overflow apart.
const (
	maxDim    = 1 << 30
	maxLayers = 100_000
)

// A config reads one object of a config.json. It remembers which keys were
// read, and it collects problems instead of stopping at the first, so that an
// importer is a plain list of reads. After a problem a read returns a harmless
// value (1, false, ""): the model that results is thrown away.
type config struct {
	*document
	path string
	obj  *object
	self *value
	read map[string]bool
}

// A document is what the objects of one file share.
type document struct {
	file   string
	errs   ConfigErrors
	more   int // problems beyond maxErrors
	notes  []string
	layers int64 // replaces the number of layers; 0 = as the file says
	all    []*config
}

func (d *document) object(path string, v *value) *config {
	o, ok := v.v.(*object)
	if !ok {
		d.add(v, path, "is %s; want an object", v.kind())
		o = &object{at: map[string]*value{}}
	}
	c := &config{document: d, path: path, obj: o, self: v, read: map[string]bool{}}
	d.all = append(d.all, c)
	return c
}

// maxErrors is how many problems are told one by one.
const maxErrors = 50

func (d *document) add(v *value, path, format string, args ...any) {
	if len(d.errs) == maxErrors {
		d.more++
		return
	}
	d.errs = append(d.errs, &ConfigError{File: d.file, Line: v.line, Col: v.col, Path: path, Msg: fmt.Sprintf(format, args...)})
}

// note records an assumption for the reader of the result.
func (d *document) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if !slices.Contains(d.notes, s) {
		d.notes = append(d.notes, s)
	}
}

// fail records a problem with a key, at its place if it is there.
func (c *config) fail(key, format string, args ...any) {
	v := c.obj.at[key]
	if v == nil {
		v = c.self
	}
	c.add(v, join(c.path, key), format, args...)
}

// contradict records that keys do not fit together. After another problem it says
// nothing: the value that does not fit may be a stand-in.
func (c *config) contradict(key, format string, args ...any) {
	if len(c.errs) == 0 {
		c.fail(key, format, args...)
	}
}

// find returns the first of several names of one key that is present and not
// null. Two names with different values contradict each other.
func (c *config) find(keys []string) (key string, v *value) {
	for _, k := range keys {
		c.read[k] = true
		w := c.obj.at[k]
		if w == nil || w.v == nil {
			continue
		}
		if v == nil {
			key, v = k, w
		} else if !sameScalar(v.v, w.v) {
			c.fail(k, "is %s, but %s, the same thing, is %s", w.kind(), key, v.kind())
		}
	}
	return key, v
}

func sameScalar(a, b any) bool {
	switch a.(type) {
	case []*value, *object:
		return true // compared by whoever reads them
	}
	switch b.(type) {
	case []*value, *object:
		return false
	}
	m, ok1 := a.(json.Number)
	n, ok2 := b.(json.Number)
	if ok1 && ok2 {
		x, _ := m.Float64()
		y, _ := n.Float64()
		return x == y
	}
	return a == b
}

// has reports whether a key is present and not null, without reading it.
func (c *config) has(key string) bool {
	v := c.obj.at[key]
	return v != nil && v.v != nil
}

// isNull reports whether a key is present and null. Absent means the
// model_type's default; null often means "derive it".
func (c *config) isNull(key string) bool {
	v := c.obj.at[key]
	return v != nil && v.v == nil
}

// isList reports whether a key holds an array.
func (c *config) isList(key string) bool {
	if !c.has(key) {
		return false
	}
	_, ok := c.obj.at[key].v.([]*value)
	return ok
}

// ignore marks keys as understood: they change nothing that a Model says.
func (c *config) ignore(keys ...string) {
	for _, k := range keys {
		c.read[k] = true
	}
}

// aliases gives a key another name: where only other is there, it stands for key.
func (c *config) aliases(key, other string) {
	v := c.obj.at[other]
	if v == nil || v.v == nil {
		c.ignore(other)
		return
	}
	if w := c.obj.at[key]; w == nil || w.v == nil {
		c.obj.at[key] = v
		c.ignore(other)
		return
	}
	c.find([]string{key, other})
}

// sub reads a nested object; an absent one reads as empty, so that its keys
// take their defaults.
func (c *config) sub(key string) *config {
	c.read[key] = true
	v := c.obj.at[key]
	if v == nil || v.v == nil {
		return c.object(join(c.path, key), &value{line: c.self.line, col: c.self.col, v: &object{at: map[string]*value{}}})
	}
	return c.object(join(c.path, key), v)
}

// integer checks that v is an integer within [lo, hi].
func (c *config) integer(path string, v *value, lo, hi int64) (int64, bool) {
	n, ok := v.v.(json.Number)
	if !ok {
		c.add(v, path, "is %s; want an integer", v.kind())
		return 0, false
	}
	i, ok := exactInteger(n.String())
	switch {
	case !ok:
		c.add(v, path, "is %s; want an integer", clip(n.String()))
	case i.Cmp(big.NewInt(lo)) < 0:
		c.add(v, path, "is %s; want at least %d", clip(n.String()), lo)
	case i.Cmp(big.NewInt(hi)) > 0:
		c.add(v, path, "is %s; more than %d is not a transformer", clip(n.String()), hi)
	default:
		return i.Int64(), true
	}
	return 0, false
}

// exactInteger reads a JSON number that has no fraction: 12, 12.0, 1.2e1.
// Numbers too long to be a dimension come back as a huge value of their sign.
func exactInteger(s string) (*big.Int, bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	if len(mantissa) > 40 || len(exponent) > 3 {
		if strings.Trim(mantissa, "-0.") == "" {
			return big.NewInt(0), true
		}
		if strings.HasPrefix(exponent, "-") || (exponent == "" && strings.Contains(mantissa, ".")) {
			return nil, false
		}
		huge := new(big.Int).Lsh(big.NewInt(1), 200)
		if strings.HasPrefix(s, "-") {
			huge.Neg(huge)
		}
		return huge, true
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || !r.IsInt() {
		return nil, false
	}
	return r.Num(), true
}

// number reads an optional integer of at least lo; ok is false when it is
// absent, null or wrong.
func (c *config) number(lo int64, keys ...string) (n int64, ok bool) {
	key, v := c.find(keys)
	if v == nil {
		return 0, false
	}
	n, ok = c.integer(join(c.path, key), v, lo, maxDim)
	if !ok {
		return 1, false
	}
	return n, true
}

// dim reads a dimension. The names are those the key has had, newest first;
// def is the model_type's own default, 0 where it has none.
func (c *config) dim(def int64, keys ...string) int64 {
	if n, ok := c.number(1, keys...); ok {
		return n
	}
	for _, k := range keys {
		if c.has(k) {
			return 1 // refused above
		}
	}
	for _, k := range keys {
		if c.isNull(k) {
			c.fail(k, "is null; the code of this model_type needs a number")
			return 1
		}
	}
	if def == 0 {
		c.fail(keys[0], "is missing, and this model_type has no default for it")
		return 1
	}
	c.note("%s is absent: the model_type's default %d is used", join(c.path, keys[0]), def)
	return def
}

// quiet is dim for keys whose absence needs no note.
func (c *config) quiet(def int64, keys ...string) int64 {
	if n, ok := c.number(1, keys...); ok {
		return n
	}
	return def
}

// count is quiet for keys that may be zero.
func (c *config) count(def int64, keys ...string) int64 {
	if n, ok := c.number(0, keys...); ok {
		return n
	}
	return def
}

// depth reads a number of layers; an override takes its place.
func (c *config) depth(def int64, keys ...string) int64 {
	given := slices.ContainsFunc(keys, c.has)
	if c.layers > 0 && !given {
		c.ignore(keys...)
		return c.layers
	}
	n := c.dim(def, keys...)
	if n > maxLayers {
		key, _ := c.find(keys)
		c.fail(key, "is %d; more than %d layers is not a transformer", n, maxLayers)
		return 1
	}
	if c.layers > 0 {
		return c.layers
	}
	return n
}

// flag reads a boolean; absent gives def, null false, as Python's None is.
func (c *config) flag(def bool, keys ...string) bool {
	key, v := c.find(keys)
	if v == nil {
		return def && !slices.ContainsFunc(keys, c.isNull)
	}
	b, ok := v.v.(bool)
	if !ok {
		c.fail(key, "is %s; want true or false", v.kind())
	}
	return b
}

// text reads a string; absent and null give def.
func (c *config) text(def string, keys ...string) string {
	key, v := c.find(keys)
	if v == nil {
		return def
	}
	s, ok := v.v.(string)
	if !ok {
		c.fail(key, "is %s; want a string", v.kind())
	}
	return s
}

// real reads a number that need not be whole.
func (c *config) real(def float64, keys ...string) float64 {
	key, v := c.find(keys)
	if v == nil {
		return def
	}
	n, ok := v.v.(json.Number)
	if ok {
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	c.fail(key, "is %s; want a number", v.kind())
	return def
}

// rate reads a number under the first of several names that is there. The others
// may differ: which of them the code reads does not change a shape.
func (c *config) rate(def float64, keys ...string) float64 {
	c.ignore(keys...)
	for _, k := range keys {
		if c.has(k) {
			return c.real(def, k)
		}
	}
	return def
}

// list reads an array; nil when it is absent or null.
func (c *config) list(keys ...string) []*value {
	key, v := c.find(keys)
	if v == nil {
		return nil
	}
	l, ok := v.v.([]*value)
	if !ok {
		c.fail(key, "is %s; want an array", v.kind())
	}
	return l
}

// only refuses every value of a string key but those given.
func (c *config) only(def, key string, known ...string) string {
	s := c.text(def, key)
	if s != def && !slices.Contains(known, s) {
		c.fail(key, "is %q; headroom knows %s", clip(s), strings.Join(append([]string{def}, known...), ", "))
	}
	return s
}

// refuse says that a feature is switched on that the importer does not know.
func (c *config) refuse(key, why string) {
	if c.flag(false, key) {
		c.fail(key, "is true: %s", why)
	}
}
