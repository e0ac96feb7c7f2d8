package grids

import (
	"math"
	"strconv"
	"strings"
)

// A Kind is the type of a [Value].
type Kind uint8

// Kinds of value. The zero Kind belongs to no valid value.
const (
	Invalid Kind = iota
	Int          // int64
	Float        // float64, finite
	String
	Bool
)

// String names the kind for people.
func (k Kind) String() string {
	switch k {
	case Int:
		return "whole number"
	case Float:
		return "fraction"
	case String:
		return "text"
	case Bool:
		return "truth value"
	default:
		return "invalid"
	}
}

// A Value is what an axis or a derived name holds for one case: a whole number,
// a finite fraction, a text or a truth value. Values are comparable with == and
// usable as map keys; 1 and 1.0 are different values that compare as equal
// numbers inside a constraint.
type Value struct {
	kind Kind
	bits uint64 // Int, Float (IEEE 754 bits) and Bool
	str  string // String; the reason, for an Invalid value that stands for a failed calculation
}

// IntValue returns a whole number.
func IntValue(n int64) Value { return Value{kind: Int, bits: uint64(n)} }

// BoolValue returns a truth value.
func BoolValue(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.bits = 1
	}
	return v
}

// StringValue returns a text.
func StringValue(s string) Value { return Value{kind: String, str: s} }

// FloatValue returns a fraction. NaN and infinities have no place on an axis:
// they give an invalid value, which [Build] refuses. −0 becomes 0, so that equal
// numbers are the same value.
func FloatValue(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return failed("the number is " + strconv.FormatFloat(f, 'g', -1, 64))
	}
	if f == 0 {
		f = 0
	}
	return Value{kind: Float, bits: math.Float64bits(f)}
}

// failed is a calculation that has no result. It travels like a value, so that
// a result nobody asks for (the right side of a decided ||) harms nobody.
func failed(why string) Value { return Value{str: why} }

// Kind returns the type of v.
func (v Value) Kind() Kind { return v.kind }

// Int returns the whole number v holds, 0 if it holds none.
func (v Value) Int() int64 {
	if v.kind != Int {
		return 0
	}
	return int64(v.bits)
}

// Float returns the number v holds; a whole number is converted, and rounded if
// it is beyond 2⁵³. It is 0 if v holds no number.
func (v Value) Float() float64 {
	switch v.kind {
	case Int:
		return float64(int64(v.bits))
	case Float:
		return math.Float64frombits(v.bits)
	default:
		return 0
	}
}

// Bool returns the truth value v holds, false if it holds none.
func (v Value) Bool() bool { return v.kind == Bool && v.bits == 1 }

// Text returns the text v holds, "" if it holds none; see String for any kind.
func (v Value) Text() string {
	if v.kind != String {
		return ""
	}
	return v.str
}

// String returns v as text: 4096, 0.5, bf16, true.
func (v Value) String() string {
	switch v.kind {
	case Int:
		return strconv.FormatInt(int64(v.bits), 10)
	case Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case String:
		return v.str
	case Bool:
		return strconv.FormatBool(v.bits == 1)
	default:
		return "invalid: " + v.str
	}
}

// Ints returns whole numbers as values.
func Ints(ns ...int64) []Value {
	vs := make([]Value, len(ns))
	for i, n := range ns {
		vs[i] = IntValue(n)
	}
	return vs
}

// Strings returns texts as values.
func Strings(ss ...string) []Value {
	vs := make([]Value, len(ss))
	for i, s := range ss {
		vs[i] = StringValue(s)
	}
	return vs
}

// ParseValue reads one value whose kind nothing else tells: true and false,
// sizes ([ParseSize]: 4096, 4Mi, 70B), fractions (0.5, -1, 2.5e-3), otherwise a
// text. Where the kind is known (a model's name, a batch size), use StringValue
// or ParseSize, so that a slip is an error and not a text.
func ParseValue(s string) Value {
	switch s {
	case "true":
		return BoolValue(true)
	case "false":
		return BoolValue(false)
	}
	if n, err := ParseSize(s); err == nil {
		return IntValue(n)
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return IntValue(n)
	}
	// ParseFloat also reads hexadecimal, "inf" and "nan", which are texts here.
	if strings.Trim(s, "+-.0123456789eE") == "" {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return FloatValue(f)
		}
	}
	return StringValue(s)
}
