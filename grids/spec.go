package grids

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"headroom/internal/suggest"
)

// An Axis is one named dimension of a grid. Its values are either listed, or
// calculated from what earlier axes hold (a dependent axis).
type Axis struct {
	Name   string
	Values []Value // in declared order; distinct

	// Domain, if not nil, replaces Values: it returns the axis's values, in order
	// and distinct, for given values of the names in Needs (earlier axes and
	// derived names), in that order. An empty result leaves no case there. It must
	// be a pure function of args, which it must not keep: it is called once for
	// each distinct combination. Its error, and that of a derived name it needs,
	// stops Build.
	Domain func(args []Value) ([]Value, error)
	Needs  []string
	Kinds  []Kind // kinds of the values Domain returns; none = any
}

// A Derived is a name calculated from axes and earlier derived names, for use in
// constraints and domains. It is no axis: it adds no case.
type Derived struct {
	Name  string
	Needs []string
	Kinds []Kind // kinds of the result; none = any

	// Value calculates the result from the values of Needs, in that order. It must
	// be a pure function of args, which it must not keep. An error matters only
	// for cases that nothing excludes.
	Value func(args []Value) (Value, error)
}

// Constant is a derived name with one value: what a study sets once and
// constraints may name.
func Constant(name string, v Value) Derived {
	return Derived{Name: name, Kinds: []Kind{v.kind}, Value: func([]Value) (Value, error) { return v, nil }}
}

// A Spec describes a grid: the cases are all combinations of axis values for
// which every constraint holds, in lexicographic order, the last axis fastest.
type Spec struct {
	Axes    []Axis
	Derived []Derived
	Where   []string // constraints, in any order

	MaxNodes int // budget of the counting DAG; 0 = DefaultMaxNodes
}

// DefaultMaxNodes bounds a grid's counting DAG to a few hundred megabytes while
// it is built.
const DefaultMaxNodes = 2_000_000

// What else is bounded, as a multiple of MaxNodes: the values tried, and the
// runs the nodes keep. The most MaxNodes may be keeps all numbers in an int32.
const (
	visitsPerNode = 20
	runsPerNode   = 8
	mostNodes     = 100_000_000
)

// A conjunct is a part of a constraint that can be checked by itself.
type conjunct struct {
	operand
	where int // index in Spec.Where
}

// resolve checks the spec and compiles its constraints. It reports every
// problem it finds.
func resolve(spec *Spec) (*scope, []conjunct, error) {
	s := &scope{names: map[string]int{}, parts: map[string]int{}}
	var errs []error
	report := func(err *Error) { errs = append(errs, err) }

	if len(spec.Axes) == 0 {
		report(&Error{Part: PartGrid, Msg: "no axes", Hint: "a grid needs at least one"})
	}
	folded := map[string]string{}
	// Axes come first, so that axis i is slot i.
	for i := range spec.Axes {
		a := &spec.Axes[i]
		if why := checkName(a.Name); why != "" {
			report(axisError(i, a, "%s", why))
		} else if _, taken := s.names[a.Name]; taken {
			report(axisError(i, a, "the name is used twice"))
		} else if other, taken := folded[strings.ToLower(a.Name)]; taken {
			report(axisError(i, a, "differs from axis %s only in case", quote(other)))
		}
		folded[strings.ToLower(a.Name)] = a.Name
		s.names[a.Name] = s.add(slot{name: a.Name, kinds: a.kinds(), level: i})
		if err := checkValues(i, a); err != nil {
			report(err)
		}
	}
	for i := range spec.Derived {
		d := &spec.Derived[i]
		fail := func(format string, args ...any) {
			report(&Error{Part: PartDerived, Index: i, Name: d.Name, Msg: fmt.Sprintf(format, args...)})
		}
		if why := checkName(d.Name); why != "" {
			fail("%s", why)
		} else if _, taken := s.names[d.Name]; taken {
			fail("the name is used twice")
			continue
		}
		if d.Value == nil {
			fail("has no function")
			continue
		}
		x := slot{name: d.Name, kinds: kindsOf(d.Kinds), level: constant, canFail: true}
		for _, name := range d.Needs {
			j, ok := s.names[name]
			if !ok {
				fail("needs %s, which is no axis and no derived name before it", quote(name))
				continue
			}
			x.reads = append(x.reads, j)
			x.level = max(x.level, s.slots[j].level)
		}
		x.eval = d.calculation(x.reads)
		s.names[d.Name] = s.add(x)
	}
	for i := range spec.Axes {
		a := &spec.Axes[i]
		for _, name := range a.Needs {
			if j, ok := s.names[name]; !ok || s.slots[j].level >= i {
				report(axisError(i, a, "needs %s, which is not known before it", quote(name)))
			}
		}
	}

	var conj []conjunct
	for i, text := range spec.Where {
		root, err := parseConstraint(text)
		if err != nil {
			report(whereError(i, text, err))
			continue
		}
		s.nodes = 0
		clear(s.parts) // not shared between constraints: a failure tells its column
		for _, node := range conjuncts(root) {
			x, err := s.compile(node)
			if err == nil {
				err = expectCondition(node, x)
			}
			if err != nil {
				report(whereError(i, text, err))
				continue
			}
			conj = append(conj, conjunct{x, i})
		}
	}
	return s, conj, errors.Join(errs...)
}

func expectCondition(node fmt.Stringer, x operand) error {
	if x.kinds.has(Bool) {
		return nil
	}
	return &syntaxError{msg: fmt.Sprintf("%s is a %s, not a condition", quote(node.String()), x.kinds), hint: "compare it with something"}
}

func whereError(i int, text string, err error) *Error {
	e := &Error{Part: PartWhere, Index: i, Name: text, Msg: err.Error()}
	var at *syntaxError
	if errors.As(err, &at) {
		e.Column, e.Hint = at.column, at.hint
	}
	return e
}

func kindsOf(kinds []Kind) kindSet {
	if len(kinds) == 0 {
		return anyKind
	}
	var s kindSet
	for _, k := range kinds {
		s |= k.set()
	}
	return s
}

// kinds returns the kinds the axis's values have.
func (a *Axis) kinds() kindSet {
	if a.Domain != nil {
		return kindsOf(a.Kinds)
	}
	var s kindSet
	for _, v := range a.Values {
		s |= v.kind.set()
	}
	return s &^ Invalid.set()
}

// checkValues reports the first problem of an axis's values.
func checkValues(i int, a *Axis) *Error {
	switch {
	case a.Domain != nil && a.Values != nil:
		return axisError(i, a, "has both values and a function for them")
	case a.Domain != nil:
		return nil
	case len(a.Needs) > 0:
		return axisError(i, a, "needs other names, but has no function of them")
	case len(a.Values) == 0:
		return axisError(i, a, "no values")
	}
	if why := distinct(a.Values); why != "" {
		return axisError(i, a, "%s", why)
	}
	return nil
}

// distinct says why values cannot be those of an axis, "" if they can.
func distinct(values []Value) string {
	if len(values) > MaxAxisValues {
		return fmt.Sprintf("%s values, and an axis may have %s", commas(len(values)), commas(MaxAxisValues))
	}
	if ascending(values) {
		return ""
	}
	// 1 and 1.0 are equal in a constraint, hence the same value of an axis.
	seen := make(map[Value]int, len(values))
	for i, v := range values {
		if v.kind == Invalid {
			return fmt.Sprintf("value %d is not valid: %s", i+1, v.str)
		}
		if f := v.Float(); v.kind == Float && f >= -(1<<63) && f < 1<<63 && f == float64(int64(f)) {
			v = IntValue(int64(f))
		}
		if first, ok := seen[v]; ok {
			return fmt.Sprintf("value %s is given twice (values %d and %d)", values[i], first+1, i+1)
		}
		seen[v] = i
	}
	return ""
}

// ascending reports whether values are whole numbers in increasing order, which
// most axes are.
func ascending(values []Value) bool {
	for i, v := range values {
		if v.kind != Int || i > 0 && v.Int() <= values[i-1].Int() {
			return false
		}
	}
	return true
}

// calculation adapts Value to a frame. The arguments' slice is reused: a grid is
// built by one goroutine.
func (d *Derived) calculation(reads []int) func([]Value) Value {
	args := make([]Value, len(reads))
	return func(frame []Value) Value {
		for i, j := range reads {
			if args[i] = frame[j]; args[i].kind == Invalid {
				return args[i]
			}
		}
		v, err := d.Value(args)
		switch {
		case err != nil:
			return failed(fmt.Sprintf("%s: %s", d.Name, err))
		case v.kind == Invalid:
			return failed(fmt.Sprintf("%s: not a valid value", d.Name))
		case !kindsOf(d.Kinds).has(v.kind):
			return failed(fmt.Sprintf("%s is a %s, not a %s as declared", d.Name, v.kind, kindsOf(d.Kinds)))
		}
		return v
	}
}

// hint suggests known names in place of an unknown one.
func (s *scope) hint(name string) string {
	known := slices.Sorted(maps.Keys(s.names))
	if near := suggest.Nearest(name, known, 3); len(near) > 0 {
		return suggest.Question(near)
	}
	return "known are " + strings.Join(known, ", ")
}
