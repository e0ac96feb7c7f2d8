package grids

import (
	"fmt"
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
