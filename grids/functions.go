package grids

import (
	"math"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// call compiles the functions of the constraint language:
//
//	div(a, b)               whole-number division, towards −∞
//	min(a, …), max(a, …)    of numbers
//	abs(x)
//	int(x), floor(x), ceil(x)  a whole number: towards zero, down, up
//	float(x)                a fraction
func (s *scope) call(n ast.Node, name string, args []ast.Node) (operand, error) {
	switch name {
	case "div":
		if err := arity(n, name, args, 2, 2); err != nil {
			return operand{}, err
		}
		return s.numeric(n, "div", Int.set(), args[0], args[1])
	case "min", "max":
		if err := arity(n, name, args, 1, maxConstraintNodes); err != nil {
			return operand{}, err
		}
		return s.extreme(n, name, args)
	case "abs", "int", "float", "floor", "ceil":
		if err := arity(n, name, args, 1, 1); err != nil {
			return operand{}, err
		}
		return s.convert(n, name, args[0])
	}
	err := errorAt(n, "unknown function %s", quote(name))
	err.hint = "there are div, min, max, abs, int, float, floor and ceil"
	if _, ok := s.names[name]; ok {
		err = errorAt(n, "%s is a value, not a function", name)
	}
	return operand{}, err
}

func arity(n ast.Node, name string, args []ast.Node, least, most int) error {
	switch {
	case len(args) < least && least == most:
		return errorAt(n, "%s takes %d arguments, and this has %d", name, least, len(args))
	case len(args) < least:
		return errorAt(n, "%s takes at least %d argument", name, least)
	case len(args) > most:
		return errorAt(n, "%s takes %d arguments, and this has %d", name, most, len(args))
	}
	return nil
}

func (s *scope) extreme(n ast.Node, name string, args []ast.Node) (operand, error) {
	xs, x, err := s.operands(args...)
	if err != nil {
		return operand{}, err
	}
	column := columnOf(n)
	evals := make([]func([]Value) Value, len(xs))
	for i := range xs {
		if err := expect(args[i], xs[i], numberKinds, name); err != nil {
			return operand{}, err
		}
		x.canFail = x.canFail || xs[i].kinds&^numberKinds != 0
		x.kinds |= xs[i].kinds & numberKinds
		evals[i] = checked(xs[i], numberKinds, column)
	}
	sign := 1
	if name == "max" {
		sign = -1
	}
	x.eval = func(frame []Value) Value {
		best := evals[0](frame)
		for _, eval := range evals[1:] {
			v := eval(frame)
			if best.kind == Invalid || v.kind != Invalid && sign*compareNumbers(v, best) >= 0 {
				continue
			}
			best = v
		}
		return best
	}
	return x, nil
}

func (s *scope) convert(n ast.Node, name string, arg ast.Node) (operand, error) {
	x, err := s.compile(arg)
	if err != nil {
		return operand{}, err
	}
	if err := expect(arg, x, numberKinds, name); err != nil {
		return operand{}, err
	}
	column := columnOf(n)
	eval := checked(x, numberKinds, column)
	x.leaf = false
	x.canFail = true
	switch name {
	case "abs":
		x.kinds &= numberKinds
	case "float":
		x.kinds = Float.set()
	default:
		x.kinds = Int.set()
	}
	x.reads = slices.Clone(x.reads)
	x.eval = func(frame []Value) Value { return located(convert(name, eval(frame)), column) }
	return x, nil
}

func convert(name string, v Value) Value {
	if v.kind == Invalid {
		return v
	}
	if name == "float" {
		f, exact := exactFloat(v)
		if !exact {
			return failed(whyRounding)
		}
		return FloatValue(f)
	}
	if v.kind == Int {
		if name == "abs" && v.Int() < 0 {
			return intArithmetic("-", 0, v.Int())
		}
		return v
	}
	f := v.Float()
	switch name {
	case "abs":
		return FloatValue(math.Abs(f))
	case "floor":
		f = math.Floor(f)
	case "ceil":
		f = math.Ceil(f)
	case "int":
		f = math.Trunc(f)
	}
	if f < -(1<<63) || f >= 1<<63 {
		return failed(whyOverflow)
	}
	return IntValue(int64(f))
}
