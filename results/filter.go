package results

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"headroom/internal/suggest"
)

// Filter is a condition on the columns of a row, in the expression language of
// https://expr-lang.org, such as
//
//	fits && tp <= 8 && model startsWith "llama" && headroom_bytes > 4*GiB
//
// Every column is a name; beside them stand fits (status == "fits") and the
// units KB MB GB TB and KiB MiB GiB TiB. Division gives a fraction. A column
// that is NULL compares as false, but equals nil: cost_usd == nil. A Filter is safe
// for concurrent use; the nil Filter matches every row.
type Filter struct {
	source  string
	program *vm.Program
	used    []int // fields of the columns it names, sorted
	texts   texts
	fits    bool // it uses the name fits
}

// FilterError is a condition that cannot be compiled, or failed on a row.
type FilterError struct {
	Source       string
	Line, Column int // from 1
	Msg          string
}

func (e *FilterError) Error() string {
	return fmt.Sprintf("filter:%d:%d: %s\n  %s\n  %s^", e.Line, e.Column, e.Msg, e.line(), strings.Repeat(" ", max(0, e.Column-1)))
}

// line is the source line at fault, with tabs as single spaces.
func (e *FilterError) line() string {
	lines := strings.Split(e.Source, "\n")
	return strings.ReplaceAll(lines[min(e.Line, len(lines))-1], "\t", " ")
}

// Hint says what to do next.
func (e *FilterError) Hint() string {
	return "a filter is a condition on columns, such as: fits && tp <= 8 && headroom_bytes > 4*GiB"
}

// filterUnits are the names for sizes a filter may use.
var filterUnits = map[string]any{
	"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// maxFilterNodes bounds what a filter costs a row.
const maxFilterNodes = 1000

// CompileFilter compiles a condition. The error is a [*FilterError].
func CompileFilter(source string) (*Filter, error) {
	if strings.TrimSpace(source) == "" {
		return nil, &FilterError{Source: source, Line: 1, Column: 1, Msg: "the condition is empty"}
	}
	env := map[string]any{"fits": false}
	for _, c := range columns {
		env[c.Name] = map[string]any{"int32": 0, "int64": 0, "float64": 0.0, "bool": false, "string": ""}[c.Type]
	}
	known := slices.Sorted(maps.Keys(env))
	for name, unit := range filterUnits {
		env[name] = unit
	}
	options := []expr.Option{expr.Env(env), expr.AsBool(), expr.DisableAllBuiltins(), expr.MaxNodes(maxFilterNodes), expr.Patch(nulls{})}
	for _, f := range []string{"abs", "ceil", "floor", "round", "min", "max", "len", "lower", "upper"} {
		options = append(options, expr.EnableBuiltin(f))
	}
	program, err := expr.Compile(source, options...)
	if err != nil {
		return nil, filterError(source, err, known)
	}
	f := &Filter{source: source, program: program}
	node, names := program.Node(), identifiers{}
	ast.Walk(&node, names)
	ast.Walk(&node, &f.texts)
	f.fits = names["fits"]
	for _, c := range columns {
		if names[c.Name] || f.fits && c.Name == "status" {
			f.used = append(f.used, c.field)
		}
	}
	return f, nil
}

// nulls rewrites comparisons with nil: a NULL is not a number, the one value that
// does not equal itself.
type nulls struct{}

func (nulls) Visit(node *ast.Node) {
	b, ok := (*node).(*ast.BinaryNode)
	if !ok || b.Operator != "==" && b.Operator != "!=" {
		return
	}
	x, other := b.Left, b.Right
	if _, isNil := x.(*ast.NilNode); isNil {
		x, other = other, x
	}
	if _, isNil := other.(*ast.NilNode); !isNil {
		return
	}
	if id, ok := x.(*ast.IdentifierNode); ok {
		ast.Patch(node, &ast.BinaryNode{Operator: map[string]string{"==": "!=", "!=": "=="}[b.Operator], Left: id, Right: id})
	}
}

// identifiers collects the names of an expression.
type identifiers map[string]bool

func (ids identifiers) Visit(node *ast.Node) {
	if id, ok := (*node).(*ast.IdentifierNode); ok {
		ids[id.Value] = true
	}
}

// A TextCondition is a comparison of a filter: its column is to equal one of the values.
type TextCondition struct {
	Column string
	Values []string
}

// Texts are the filter's comparisons of columns with texts, such as model == "gpt2" and
// model in ["gpt2", "gpt2-xl"], in its order: what may be misspelt where nothing matches.
func (f *Filter) Texts() []TextCondition {
	if f == nil {
		return nil
	}
	return f.texts
}

// texts collects the comparisons with texts of an expression.
type texts []TextCondition

func (t *texts) Visit(node *ast.Node) {
	b, ok := (*node).(*ast.BinaryNode)
	if !ok || b.Operator != "==" && b.Operator != "in" {
		return
	}
	x, other := b.Left, b.Right
	if _, ok := x.(*ast.IdentifierNode); !ok && b.Operator == "==" {
		x, other = other, x
	}
	id, ok := x.(*ast.IdentifierNode)
	if !ok {
		return
	}
	var values []string
	switch other := other.(type) {
	case *ast.StringNode:
		values = []string{other.Value}
	case *ast.ConstantNode: // a list, as the compiler keeps it
		if set, ok := other.Value.(map[string]struct{}); ok {
			values = slices.Sorted(maps.Keys(set))
		}
	}
	if len(values) > 0 {
		*t = append(*t, TextCondition{id.Value, values})
	}
}

// filterError gives an error of the expression compiler a position in ours, and
// a misspelt name a suggestion.
func filterError(source string, err error, names []string) error {
	e := &FilterError{Source: source, Line: 1, Column: 1, Msg: err.Error()}
	if at, ok := errors.AsType[*file.Error](err); ok {
		e.Line, e.Column, e.Msg = max(1, at.Line), at.Column+1, at.Message
	}
	if name, ok := strings.CutPrefix(e.Msg, "unknown name "); ok {
		e.Msg = fmt.Sprintf("unknown name %q", name)
		if q := suggest.Question(suggest.Nearest(name, names, 3)); q != "" {
			e.Msg += ": " + q
		}
	}
	return e
}

// fields are the fields of Row that the filter reads.
func (f *Filter) fields() []int {
	if f == nil {
		return nil
	}
	return f.used
}

// matcher returns a function that tells whether a row matches. It holds the
// machine and the names of one goroutine.
func (f *Filter) matcher() func(*Row) (bool, error) {
	if f == nil {
		return func(*Row) (bool, error) { return true, nil }
	}
	var machine vm.VM
	env := map[string]any{"fits": false}
	for name, unit := range filterUnits {
		env[name] = unit
	}
	last := make([]reflect.Value, len(f.used)) // what env holds; axes change rarely
	held := reflect.New(reflect.TypeFor[Row]()).Elem()
	for i, field := range f.used {
		last[i] = held.Field(field)
		env[columns[field].Name] = filterValue(columns[field], last[i])
	}
	return func(row *Row) (bool, error) {
		v := reflect.ValueOf(row).Elem()
		for i, field := range f.used {
			if now := v.Field(field); !now.Equal(last[i]) {
				last[i].Set(now)
				env[columns[field].Name] = filterValue(columns[field], now)
			}
		}
		if f.fits {
			env["fits"] = row.Status == StatusFits
		}
		result, err := machine.Run(f.program, env)
		if err != nil {
			e, _ := errors.AsType[*FilterError](filterError(f.source, err, nil))
			e.Msg = fmt.Sprintf("case %d: %s", row.CaseID, e.Msg)
			return false, e
		}
		return result == true, nil
	}
}

// filterValue is a field as the expression sees it.
func filterValue(c Column, v reflect.Value) any {
	switch v.Kind() {
	case reflect.Int32, reflect.Int64:
		return int(v.Int())
	case reflect.Float64:
		if c.Nullable && v.Float() == 0 {
			return math.NaN()
		}
		return v.Float()
	case reflect.Bool:
		return v.Bool()
	default:
		return v.String()
	}
}
