package grids

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// A Part is the piece of a [Spec] an [Error] is about.
type Part uint8

// Parts of a Spec.
const (
	PartGrid    Part = iota // the Spec as a whole
	PartAxis                // Spec.Axes[Index]
	PartDerived             // Spec.Derived[Index]
	PartWhere               // Spec.Where[Index]
)

// An Error says what is wrong with one part of a [Spec], so that a reader of a
// study file can add the file, line and column.
type Error struct {
	Part   Part
	Index  int    // index in Spec.Axes, Spec.Derived or Spec.Where
	Name   string // the axis's or derived name, or the constraint's text
	Column int    // 1-based column, in characters, inside a constraint's text; 0 = all of it
	Msg    string
	Hint   string // what to do next; may be empty
	Err    error  // sentinel or cause; may be nil
}

// Error formats the error on one line.
func (e *Error) Error() string {
	var b strings.Builder
	switch e.Part {
	case PartAxis:
		fmt.Fprintf(&b, "axis %s: ", quote(e.Name))
	case PartDerived:
		fmt.Fprintf(&b, "derived name %s: ", quote(e.Name))
	case PartWhere:
		fmt.Fprintf(&b, "where %s", quote(e.Name))
		if e.Column > 0 {
			fmt.Fprintf(&b, ", column %d", e.Column)
		}
		b.WriteString(": ")
	case PartGrid:
		b.WriteString("grid: ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors that [Build] wraps, to tell them apart with errors.Is.
var (
	ErrEmpty        = errors.New("grids: no case is left")
	ErrTooManyCases = errors.New("grids: more cases than 2⁶³−1")
	ErrBudget       = errors.New("grids: the grid needs too much memory or time to count")
)

func axisError(i int, a *Axis, format string, args ...any) *Error {
	return &Error{Part: PartAxis, Index: i, Name: a.Name, Msg: fmt.Sprintf(format, args...)}
}

func tooManyCases(size *big.Int) *Error {
	return &Error{
		Part: PartGrid, Err: ErrTooManyCases,
		Msg:  fmt.Sprintf("%s cases, more than 2⁶³−1", commas(size)),
		Hint: "use fewer values or add constraints",
	}
}

// commas writes a whole number with its digits in groups of three.
func commas(n any) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
