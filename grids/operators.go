package grids

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

func (s *scope) unary(n *ast.UnaryNode) (operand, error) {
	x, err := s.compile(n.Node)
	if err != nil {
		return operand{}, err
	}
	column := columnOf(n)
	x.leaf = x.leaf && x.level == constant
	switch n.Operator {
	case "!", "not":
		if err := expect(n.Node, x, Bool.set(), n.Operator); err != nil {
			return operand{}, err
		}
		eval := checked(x, Bool.set(), column)
		x.canFail = x.canFail || x.kinds != Bool.set()
		x.kinds = Bool.set()
		x.eval = func(frame []Value) Value { return not(eval(frame)) }
		return x, nil
	case "-", "+":
		if err := expect(n.Node, x, numberKinds, n.Operator); err != nil {
			return operand{}, err
		}
		eval := checked(x, numberKinds, column)
		x.kinds &= numberKinds
		if n.Operator == "+" {
			x.eval = eval
			return x, nil
		}
		x.canFail = true
		x.eval = func(frame []Value) Value {
			v := eval(frame)
			switch v.kind {
			case Int:
				return located(intArithmetic("-", 0, v.Int()), column)
			case Float:
				return FloatValue(-v.Float())
			default:
				return v
			}
		}
		return x, nil
	}
	return operand{}, errorAt(n, "the operator %s cannot be used in a constraint", n.Operator)
}

func not(v Value) Value {
	if v.kind == Bool {
		v.bits ^= 1
	}
	return v
}

func (s *scope) binary(n *ast.BinaryNode) (operand, error) {
	switch n.Operator {
	case "in":
		return s.membership(n)
	case "&&", "and", "||", "or":
		return s.logic(n)
	case "==", "!=", "<", "<=", ">", ">=":
		return s.comparison(n)
	case "contains", "startsWith", "endsWith", "matches":
		return s.textTest(n)
	case "+", "-", "*", "/", "%", "**", "^":
		return s.arithmetic(n)
	}
	return operand{}, errorAt(n, "%s cannot be used in a constraint", describe(n))
}

// arithmetic compiles an operation on two numbers. Whole numbers stay whole,
// except under /, which is the division of real numbers as in expr: 7 / 2 is 3.5.
func (s *scope) arithmetic(n *ast.BinaryNode) (operand, error) {
	want := numberKinds
	if n.Operator == "%" || n.Operator == "**" || n.Operator == "^" {
		want = Int.set()
	}
	return s.numeric(n, n.Operator, want, n.Left, n.Right)
}

func (s *scope) numeric(n ast.Node, op string, want kindSet, left, right ast.Node) (operand, error) {
	xs, x, err := s.operands(left, right)
	if err != nil {
		return operand{}, err
	}
	for i, node := range []ast.Node{left, right} {
		if err := expect(node, xs[i], want, op); err != nil {
			return operand{}, err
		}
	}
	column := columnOf(n)
	l, r := checked(xs[0], want, column), checked(xs[1], want, column)
	x.kinds = (xs[0].kinds | xs[1].kinds) & want
	if op == "/" {
		x.kinds = Float.set()
	}
	x.canFail = true
	x.eval = func(frame []Value) Value {
		a := l(frame)
		if a.kind == Invalid {
			return a
		}
		b := r(frame)
		if b.kind == Invalid {
			return b
		}
		return located(arithmetic(op, a, b), column)
	}
	return x, nil
}

// logic compiles && and ||. A side that decides does so whatever the other is,
// even failed: gpus % tp == 0 || tp == 0 holds for tp = 0 in either order.
func (s *scope) logic(n *ast.BinaryNode) (operand, error) {
	xs, x, err := s.operands(n.Left, n.Right)
	if err != nil {
		return operand{}, err
	}
	for i, node := range []ast.Node{n.Left, n.Right} {
		if err := expect(node, xs[i], Bool.set(), n.Operator); err != nil {
			return operand{}, err
		}
		x.canFail = x.canFail || xs[i].kinds != Bool.set()
	}
	column := columnOf(n)
	l, r := checked(xs[0], Bool.set(), column), checked(xs[1], Bool.set(), column)
	decides := BoolValue(n.Operator == "||" || n.Operator == "or")
	x.kinds = Bool.set()
	x.eval = func(frame []Value) Value {
		a := l(frame)
		if a == decides {
			return a
		}
		if b := r(frame); b == decides || a.kind != Invalid {
			return b
		}
		return a
	}
	return x, nil
}

func (s *scope) comparison(n *ast.BinaryNode) (operand, error) {
	xs, x, err := s.operands(n.Left, n.Right)
	if err != nil {
		return operand{}, err
	}
	if !xs[0].kinds.comparable(xs[1].kinds) {
		return operand{}, errorAt(n, "%s compares a %s with a %s", n.Operator, xs[0].kinds, xs[1].kinds)
	}
	ordering := n.Operator != "==" && n.Operator != "!="
	if ordering && (xs[0].kinds|xs[1].kinds)&^Bool.set() == 0 {
		return operand{}, errorAt(n, "%s cannot order true and false", n.Operator)
	}
	var holds func(order int) bool
	switch n.Operator {
	case "==":
		holds = func(order int) bool { return order == 0 }
	case "!=":
		holds = func(order int) bool { return order != 0 }
	case "<":
		holds = func(order int) bool { return order < 0 }
	case "<=":
		holds = func(order int) bool { return order <= 0 }
	case ">":
		holds = func(order int) bool { return order > 0 }
	case ">=":
		holds = func(order int) bool { return order >= 0 }
	}
	column := columnOf(n)
	l, r := xs[0].eval, xs[1].eval
	kinds := xs[0].kinds | xs[1].kinds
	x.canFail = x.canFail || ordering && kinds&^numberKinds != 0 && kinds != String.set()
	x.kinds = Bool.set()
	x.eval = func(frame []Value) Value {
		a := l(frame)
		if a.kind == Invalid {
			return a
		}
		b := r(frame)
		if b.kind == Invalid {
			return b
		}
		switch {
		case !a.kind.set().comparable(b.kind.set()):
			if ordering {
				return Value{bits: column, str: fmt.Sprintf("%s and %s have no order", quote(a.String()), quote(b.String()))}
			}
			return BoolValue(holds(1)) // a text is never equal to a number
		case ordering && a.kind == Bool:
			return Value{bits: column, str: "true and false have no order"}
		}
		return BoolValue(holds(compare(a, b)))
	}
	return x, nil
}

// membership compiles x in [a, b, c] and x in a..b.
func (s *scope) membership(n *ast.BinaryNode) (operand, error) {
	if bounds, ok := n.Right.(*ast.BinaryNode); ok && bounds.Operator == ".." {
		xs, x, err := s.operands(n.Left, bounds.Left, bounds.Right)
		if err != nil {
			return operand{}, err
		}
		for i, node := range []ast.Node{n.Left, bounds.Left, bounds.Right} {
			if err := expect(node, xs[i], Int.set(), "in .."); err != nil {
				return operand{}, err
			}
		}
		column := columnOf(n)
		v, lo, hi := checked(xs[0], Int.set(), column), checked(xs[1], Int.set(), column), checked(xs[2], Int.set(), column)
		x.canFail = x.canFail || xs[0].kinds|xs[1].kinds|xs[2].kinds != Int.set()
		x.kinds = Bool.set()
		x.eval = func(frame []Value) Value {
			a, b, c := v(frame), lo(frame), hi(frame)
			for _, y := range []Value{a, b, c} {
				if y.kind == Invalid {
					return y
				}
			}
			return BoolValue(b.Int() <= a.Int() && a.Int() <= c.Int())
		}
		return x, nil
	}
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return operand{}, errorAt(n, "after in comes a list [1, 2, 4] or a range 1..8")
	}
	if len(list.Nodes) == 0 {
		return operand{}, errorAt(list, "an empty list excludes every case")
	}
	xs, x, err := s.operands(append([]ast.Node{n.Left}, list.Nodes...)...)
	if err != nil {
		return operand{}, err
	}
	for i, element := range xs[1:] {
		if !element.kinds.comparable(xs[0].kinds) {
			return operand{}, errorAt(list.Nodes[i], "in compares a %s with a %s", xs[0].kinds, element.kinds)
		}
	}
	x.kinds = Bool.set()
	x.eval = func(frame []Value) Value {
		a := xs[0].eval(frame)
		if a.kind == Invalid {
			return a
		}
		found := BoolValue(false)
		for _, element := range xs[1:] {
			b := element.eval(frame)
			switch {
			case b.kind == Invalid:
				found = b
			case a.kind.set().comparable(b.kind.set()) && compare(a, b) == 0:
				return BoolValue(true)
			}
		}
		return found
	}
	return x, nil
}

func (s *scope) textTest(n *ast.BinaryNode) (operand, error) {
	xs, x, err := s.operands(n.Left, n.Right)
	if err != nil {
		return operand{}, err
	}
	for i, node := range []ast.Node{n.Left, n.Right} {
		if err := expect(node, xs[i], String.set(), n.Operator); err != nil {
			return operand{}, err
		}
		x.canFail = x.canFail || xs[i].kinds != String.set()
	}
	test := map[string]func(a, b string) bool{
		"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix,
	}[n.Operator]
	if n.Operator == "matches" {
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			return operand{}, errorAt(n.Right, "matches takes a pattern in quotes")
		}
		re, err := regexp.Compile(pattern.Value)
		if err != nil {
			return operand{}, errorAt(n.Right, "%s", err)
		}
		test = func(a, _ string) bool { return re.MatchString(a) }
	}
	column := columnOf(n)
	l, r := checked(xs[0], String.set(), column), checked(xs[1], String.set(), column)
	x.kinds = Bool.set()
	x.eval = func(frame []Value) Value {
		a := l(frame)
		if a.kind == Invalid {
			return a
		}
		b := r(frame)
		if b.kind == Invalid {
			return b
		}
		return BoolValue(test(a.str, b.str))
	}
	return x, nil
}

func (s *scope) conditional(n *ast.ConditionalNode) (operand, error) {
	xs, x, err := s.operands(n.Cond, n.Exp1, n.Exp2)
	if err != nil {
		return operand{}, err
	}
	if err := expect(n.Cond, xs[0], Bool.set(), "a condition"); err != nil {
		return operand{}, err
	}
	condition := checked(xs[0], Bool.set(), columnOf(n.Cond))
	x.canFail = x.canFail || xs[0].kinds != Bool.set()
	x.kinds = xs[1].kinds | xs[2].kinds
	x.eval = func(frame []Value) Value {
		c := condition(frame)
		switch {
		case c.kind == Invalid:
			return c
		case c.Bool():
			return xs[1].eval(frame)
		default:
			return xs[2].eval(frame)
		}
	}
	return x, nil
}
