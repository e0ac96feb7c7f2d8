package grids

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// A kindSet is the kinds an expression may have, as bits.
type kindSet uint8

func (k Kind) set() kindSet { return 1 << k }

var (
	numberKinds = Int.set() | Float.set()
	anyKind     = numberKinds | String.set() | Bool.set()
)

func (s kindSet) has(k Kind) bool { return s&k.set() != 0 }

// String names the kinds for people.
func (s kindSet) String() string {
	if s == numberKinds {
		return "number"
	}
	var names []string
	for k := Int; k <= Bool; k++ {
		if s.has(k) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, " or ")
}

// comparable reports whether values of the two sets can ever be equal.
func (s kindSet) comparable(t kindSet) bool {
	return s&t != 0 || s&numberKinds != 0 && t&numberKinds != 0
}

// constant is the level of what needs no axis.
const constant = -1

// An operand is a compiled expression. Its level is that of the last axis it
// needs: the earliest at which it can be calculated.
type operand struct {
	eval    func(frame []Value) Value
	kinds   kindSet
	level   int
	reads   []int // slots it reads
	leaf    bool  // a name or a literal: nothing to remember in its place
	canFail bool
}

// A slot is one value of the frame that expressions read: an axis, a derived
// name, or a part of a constraint that is known before the rest of it.
type slot struct {
	name    string
	kinds   kindSet
	level   int
	reads   []int
	canFail bool
	eval    func(frame []Value) Value // nil for an axis
	text    string                    // what a part of a constraint calculates
}

// A scope holds the names constraints can use.
type scope struct {
	slots []slot
	names map[string]int
	parts map[string]int // carried parts of the current constraint, by their text
	// nodes compiled of the current constraint. The parser's own limit is not
	// enough: in a ?: b ?: c it uses one node twice, and again in each other one.
	nodes int
}

func (s *scope) add(x slot) int {
	s.slots = append(s.slots, x)
	return len(s.slots) - 1
}

// read returns the operand that reads a slot.
func (s *scope) read(i int) operand {
	x := &s.slots[i]
	return operand{
		eval: func(frame []Value) Value { return frame[i] }, kinds: x.kinds,
		level: x.level, reads: []int{i}, leaf: true, canFail: x.canFail,
	}
}

// carry gives a part of an expression a slot of its own. What remains of tp*pp*dp
// <= 64 once tp and pp are known is their product: prefixes with equal products
// share everything below them.
func (s *scope) carry(node ast.Node, x operand) operand {
	text := node.String()
	i, ok := s.parts[text]
	if !ok {
		i = s.add(slot{kinds: x.kinds, level: x.level, reads: x.reads, canFail: x.canFail, eval: x.eval, text: text})
		s.parts[text] = i
	}
	return s.read(i)
}

// operands compiles nodes that are combined into one, and carries those that
// are known before the others.
func (s *scope) operands(nodes ...ast.Node) (xs []operand, joined operand, err error) {
	xs = make([]operand, len(nodes))
	joined = operand{level: constant}
	for i, node := range nodes {
		if xs[i], err = s.compile(node); err != nil {
			return nil, operand{}, err
		}
		joined.level = max(joined.level, xs[i].level)
	}
	for i := range xs {
		if xs[i].level < joined.level && !xs[i].leaf {
			xs[i] = s.carry(nodes[i], xs[i])
		}
		joined.reads = append(joined.reads, xs[i].reads...)
		joined.canFail = joined.canFail || xs[i].canFail
	}
	return xs, joined, nil
}

// compile turns a parsed expression into an operand, and checks names and kinds.
func (s *scope) compile(node ast.Node) (operand, error) {
	if s.nodes++; s.nodes > maxConstraintNodes {
		return operand{}, errTooLong()
	}
	switch n := node.(type) {
	case *ast.IntegerNode:
		return literal(IntValue(int64(n.Value))), nil
	case *ast.FloatNode:
		return literal(FloatValue(n.Value)), nil
	case *ast.StringNode:
		return literal(StringValue(n.Value)), nil
	case *ast.BoolNode:
		return literal(BoolValue(n.Value)), nil
	case *ast.IdentifierNode:
		i, ok := s.names[n.Value]
		if !ok {
			err := errorAt(n, "unknown name %s", quote(n.Value))
			err.hint = s.hint(n.Value)
			return operand{}, err
		}
		return s.read(i), nil
	case *ast.UnaryNode:
		return s.unary(n)
	case *ast.BinaryNode:
		return s.binary(n)
	case *ast.ConditionalNode:
		return s.conditional(n)
	case *ast.BuiltinNode:
		return s.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		if name, ok := n.Callee.(*ast.IdentifierNode); ok {
			return s.call(n, name.Value, n.Arguments)
		}
	}
	return operand{}, errorAt(node, "%s cannot be used in a constraint", describe(node))
}

func describe(node ast.Node) string {
	switch n := node.(type) {
	case *ast.ArrayNode:
		return "a list outside of in [...]"
	case *ast.NilNode:
		return "nil"
	case *ast.VariableDeclaratorNode:
		return "let"
	case *ast.SequenceNode:
		return "a semicolon"
	case *ast.MemberNode, *ast.ChainNode, *ast.SliceNode, *ast.CallNode:
		return "a member or an element (. or [...])"
	case *ast.BinaryNode:
		return "the operator " + n.Operator
	default:
		return "this"
	}
}

func literal(v Value) operand {
	return operand{eval: func([]Value) Value { return v }, kinds: v.kind.set(), level: constant, leaf: true}
}

// expect reports an operand that can never be of a wanted kind.
func expect(node ast.Node, x operand, want kindSet, what string) error {
	if x.kinds&want != 0 {
		return nil
	}
	return errorAt(node, "%s takes a %s, and this is a %s", what, want, x.kinds)
}

// checked evaluates x and fails if the value is not of a wanted kind, which only
// an axis of mixed kinds makes possible.
func checked(x operand, want kindSet, column uint64) func([]Value) Value {
	eval := x.eval
	if x.kinds&^want == 0 {
		return eval
	}
	return func(frame []Value) Value {
		v := eval(frame)
		if v.kind == Invalid || want.has(v.kind) {
			return v
		}
		return Value{bits: column, str: fmt.Sprintf("%s is a %s, not a %s", quote(v.String()), v.kind, want)}
	}
}

// located gives a failure the column of the operator that failed.
func located(v Value, column uint64) Value {
	if v.kind == Invalid && v.bits == 0 {
		v.bits = column
	}
	return v
}

func columnOf(node ast.Node) uint64 { return uint64(node.Location().From) + 1 }

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
