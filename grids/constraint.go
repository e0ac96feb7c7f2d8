package grids

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// Limits of one constraint: what people write is far below, and what a
// generator writes by mistake is refused before it costs anything. The length
// also bounds how deep parentheses nest.
const (
	maxConstraintBytes = 4096
	maxConstraintNodes = 1000
)

// A syntaxError is a mistake at a place in a constraint.
type syntaxError struct {
	column int // 1-based, in characters; 0 = the whole text
	msg    string
	hint   string
}

func (e *syntaxError) Error() string { return e.msg }

func errorAt(node ast.Node, format string, args ...any) *syntaxError {
	return &syntaxError{column: node.Location().From + 1, msg: fmt.Sprintf(format, args...)}
}

// parseConstraint parses a constraint with the grammar of expr-lang/expr. Only
// the grammar is theirs: [scope.compile] gives it exact arithmetic.
func parseConstraint(text string) (ast.Node, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, &syntaxError{msg: "empty"}
	case len(text) > maxConstraintBytes:
		return nil, &syntaxError{msg: fmt.Sprintf("%d bytes, and a constraint may have %d; split it", len(text), maxConstraintBytes)}
	case !utf8.ValidString(text):
		return nil, &syntaxError{msg: "not valid UTF-8"}
	}
	if column, ok := findComment(text); ok {
		return nil, &syntaxError{column: column, msg: "// and /* begin a comment, and all after it would be ignored", hint: "for whole-number division write div(a, b)"}
	}
	config := conf.CreateNew()
	config.MaxNodes = maxConstraintNodes
	config.DisableIfOperator = true
	tree, err := parser.ParseWithConfig(text, config)
	if err == nil {
		return tree.Node, nil
	}
	var at *file.Error
	if !errors.As(err, &at) {
		return nil, &syntaxError{msg: err.Error()}
	}
	return nil, plainSyntax(text, at)
}

// plainSyntax rewrites the parser's message in words for people who write
// studies, not parsers.
func plainSyntax(text string, err *file.Error) *syntaxError {
	column := err.From + 1
	unexpected, isToken := strings.CutPrefix(err.Message, "unexpected token ")
	switch {
	case strings.Contains(err.Message, "exceeds maximum allowed nodes"):
		return errTooLong()
	case unexpected == "EOF" || strings.HasPrefix(err.Message, "unexpected end"):
		return &syntaxError{column: utf8.RuneCountInString(text) + 1, msg: "ends too early"}
	case unexpected == `Operator("=")`:
		return &syntaxError{column: column, msg: "a single = does not compare", hint: "write =="}
	case unexpected == `Operator("&")`:
		return &syntaxError{column: column, msg: "unexpected &", hint: "write &&"}
	case err.Message == "literal not terminated":
		return &syntaxError{column: column, msg: "the quote is not closed"}
	case strings.HasPrefix(err.Message, "invalid float literal"), strings.HasPrefix(err.Message, "integer literal is too large"), strings.HasPrefix(err.Message, "invalid integer literal"):
		return &syntaxError{column: column, msg: "a number that no 64-bit number can hold"}
	case isToken:
		// The token comes as Kind("text").
		if _, inner, ok := strings.Cut(unexpected, `("`); ok {
			unexpected = strings.TrimSuffix(inner, `")`)
		}
		return &syntaxError{column: column, msg: "unexpected " + unexpected}
	}
	return &syntaxError{column: column, msg: err.Message}
}

func errTooLong() *syntaxError {
	return &syntaxError{msg: fmt.Sprintf("more than %d operations; split it", maxConstraintNodes)}
}

// findComment returns the column of a comment outside of quotes.
func findComment(text string) (column int, ok bool) {
	var quoted rune
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case quoted != 0 && quoted != '`' && r == '\\':
			i++
		case quoted != 0:
			if r == quoted {
				quoted = 0
			}
		case r == '\'' || r == '"' || r == '`':
			quoted = r
		case r == '/' && i+1 < len(runes) && (runes[i+1] == '/' || runes[i+1] == '*'):
			return i + 1, true
		}
	}
	return 0, false
}

// conjuncts splits a && b && c into its parts, which can be checked one by one,
// each as early as its names are known.
func conjuncts(node ast.Node) []ast.Node {
	if and, ok := node.(*ast.BinaryNode); ok && (and.Operator == "&&" || and.Operator == "and") {
		return append(conjuncts(and.Left), conjuncts(and.Right)...)
	}
	return []ast.Node{node}
}

// reserved are the words of the constraint language; a name must be another one.
var reserved = []string{
	"true", "false", "nil", "not", "in", "and", "or", "let", "if", "else",
	"contains", "startsWith", "endsWith", "matches",
	"div", "min", "max", "abs", "int", "float", "floor", "ceil",
}

// checkName says why a name cannot be used in constraints, "" if it can.
func checkName(name string) string {
	if name == "" {
		return "has no name"
	}
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return "a name is letters, digits and _, and does not begin with a digit"
		}
	}
	if slices.Contains(reserved, name) {
		return "is a word of the constraint language; use another name"
	}
	return ""
}
