package grids

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A rule is a constraint and the same in Go, for the brute force.
type rule struct {
	text  string
	holds func(v []int64) bool
}

// randomSpec makes a small grid of whole numbers and the same as a predicate.
// Axis values are 1 or more, so that nothing divides by zero.
func randomSpec(r *rand.Rand) (spec Spec, rules []rule, domain func(k int, v []int64) []int64) {
	n := 1 + r.IntN(5)
	static := make([][]int64, n)
	dependent := make([]int, n) // axis it depends on, −1 = none
	for k := range n {
		dependent[k] = -1
		for _, p := range r.Perm(12)[:1+r.IntN(6)] {
			static[k] = append(static[k], int64(p+1))
		}
		axis := Axis{Name: fmt.Sprintf("a%d", k), Values: Ints(static[k]...)}
		if k > 0 && r.IntN(4) == 0 {
			dependent[k] = r.IntN(k)
			axis = Axis{
				Name: axis.Name, Needs: []string{fmt.Sprintf("a%d", dependent[k])}, Kinds: []Kind{Int},
				Domain: func(args []Value) ([]Value, error) { return Ints(divisorsUpTo(args[0].Int(), 6)...), nil },
			}
		}
		spec.Axes = append(spec.Axes, axis)
	}
	domain = func(k int, v []int64) []int64 {
		if dependent[k] < 0 {
			return static[k]
		}
		return divisorsUpTo(v[dependent[k]], 6)
	}
	spec.Derived = []Derived{
		{Name: "twice", Needs: []string{"a0"}, Kinds: []Kind{Int}, Value: func(args []Value) (Value, error) { return IntValue(2 * args[0].Int()), nil }},
		{Name: "seven", Kinds: []Kind{Int}, Value: func([]Value) (Value, error) { return IntValue(7), nil }},
	}
	for range r.IntN(4) {
		i, j, k := r.IntN(n), r.IntN(n), r.IntN(n)
		c := int64(r.IntN(60))
		a, b, d := fmt.Sprintf("a%d", i), fmt.Sprintf("a%d", j), fmt.Sprintf("a%d", k)
		all := []rule{
			{fmt.Sprintf("%s * %s <= %d", a, b, c), func(v []int64) bool { return v[i]*v[j] <= c }},
			{fmt.Sprintf("%s %% %s == 0 || %s > 3", a, b, d), func(v []int64) bool { return v[i]%v[j] == 0 || v[k] > 3 }},
			{fmt.Sprintf("%s * %s * %s >= %d and %s != %s", a, b, d, c, a, d), func(v []int64) bool { return v[i]*v[j]*v[k] >= c && v[i] != v[k] }},
			{fmt.Sprintf("%s + twice > %s", b, d), func(v []int64) bool { return v[j]+2*v[0] > v[k] }},
			{fmt.Sprintf("%s / %s < 2.5", a, b), func(v []int64) bool { return 2*v[i] < 5*v[j] }},
			{fmt.Sprintf("not (%s in [1, %s, seven])", a, b), func(v []int64) bool { return v[i] != 1 && v[i] != v[j] && v[i] != 7 }},
			{fmt.Sprintf("(%s > 4 ? %s : %s) in 2..9", a, b, d), func(v []int64) bool {
				x := v[k]
				if v[i] > 4 {
					x = v[j]
				}
				return 2 <= x && x <= 9
			}},
			{fmt.Sprintf("1 < %s <= div(%s, 2) + 3 && max(%s, 2) < 11", a, b, d), func(v []int64) bool { return 1 < v[i] && v[i] <= v[j]/2+3 && v[k] < 11 }},
		}
		rules = append(rules, all[r.IntN(len(all))])
	}
	for _, x := range rules {
		spec.Where = append(spec.Where, x.text)
	}
	return spec, rules, domain
}

func divisorsUpTo(n, most int64) (ds []int64) {
	for d := int64(1); d <= min(n, most); d++ {
		if n%d == 0 {
			ds = append(ds, d)
		}
	}
	return ds
}

// bruteForce lists every case in lexicographic order, and counts all before
// constraints.
func bruteForce(n int, rules []rule, domain func(k int, v []int64) []int64) (cases [][]int64, raw int64) {
	v := make([]int64, n)
	var visit func(k int)
	visit = func(k int) {
		if k == n {
			raw++
			for _, x := range rules {
				if !x.holds(v) {
					return
				}
			}
			cases = append(cases, append([]int64(nil), v...))
			return
		}
		for _, x := range domain(k, v) {
			v[k] = x
			visit(k + 1)
		}
		v[k] = 0
	}
	visit(0)
	return cases, raw
}

func checkAgainstBruteForce(t *testing.T, seed uint64) {
	spec, rules, domain := randomSpec(rand.New(rand.NewPCG(seed, 1)))
	want, raw := bruteForce(len(spec.Axes), rules, domain)
	g, err := Build(spec)
	if len(want) == 0 {
		require.ErrorIs(t, err, ErrEmpty, spec.Where)
		return
	}
	require.NoError(t, err, spec.Where)
	require.Equal(t, int64(len(want)), g.Len(), spec.Where)
	require.Equal(t, raw, g.Raw().Int64())
	checkBreakdown(t, g, rules, domain)

	var point []int32
	values := make([]int64, len(g.Axes()))
	for i := range want {
		point = g.At(int64(i), point)
		for k, id := range point {
			values[k] = g.Values(k)[id].Int()
		}
		require.Equal(t, want[i], values, "case %d of %v", i, spec.Where)
		back, ok := g.Index(point)
		require.True(t, ok)
		require.Equal(t, int64(i), back)
	}
	checkCursor(t, g, 0, g.Len())
	lo := int64(seed % uint64(g.Len()))
	checkCursor(t, g, lo, lo+(g.Len()-lo+1)/2)
	checkOutside(t, g, want)
	checkSkip(t, g, int(seed%uint64(len(g.Axes()))))
	checkOccurrences(t, g)
}

// checkSkip skips to the first case of each prefix of k+1 axes.
func checkSkip(t *testing.T, g *Grid, k int) {
	t.Helper()
	var want []int64
	for c := g.Cursor(0, g.Len()); c.Next(); {
		if c.Changed() <= k {
			want = append(want, c.Index())
		}
	}
	var got []int64
	visited := int64(0)
	for c := g.Cursor(0, g.Len()); c.Next(); {
		require.Equal(t, g.At(c.Index(), nil), c.Point())
		if len(got) > 0 {
			require.LessOrEqual(t, c.Changed(), k)
		}
		got = append(got, c.Index())
		visited += 1 + c.Skip(k)
		require.Zero(t, c.Skip(k))
		require.Equal(t, got[len(got)-1], c.Index())
	}
	require.Equal(t, want, got)
	require.Equal(t, g.Len(), visited)

	// Within a range, nothing beyond it is counted.
	c := g.Cursor(0, (g.Len()+1)/2)
	require.True(t, c.Next())
	visited = 1 + c.Skip(k)
	for c.Next() {
		visited++
	}
	require.Equal(t, (g.Len()+1)/2, visited)
}

func checkOccurrences(t *testing.T, g *Grid) {
	t.Helper()
	got := g.Occurrences()
	for k := range got {
		want := make([]int64, len(g.Values(k)))
		for c := g.Cursor(0, g.Len()); c.Next(); {
			want[c.Point()[k]]++
		}
		require.Equal(t, want, got[k])
	}
}

// checkBreakdown compares what each constraint excludes with the brute force.
func checkBreakdown(t *testing.T, g *Grid, rules []rule, domain func(k int, v []int64) []int64) {
	t.Helper()
	breakdown := g.Breakdown()
	left := breakdown.Raw.Int64()
	require.Len(t, breakdown.Excluded, len(rules))
	for i, x := range breakdown.Excluded {
		require.Equal(t, rules[i].text, x.Where)
		cases, _ := bruteForce(len(g.Axes()), rules[:i+1], domain)
		require.Equal(t, left-int64(len(cases)), x.Cases.Int64(), x.Where)
		left = int64(len(cases))
	}
	require.Equal(t, g.Len(), left)
}

// checkCursor compares a cursor with At, and Changed with the points.
func checkCursor(t *testing.T, g *Grid, lo, hi int64) {
	t.Helper()
	var want, before []int32
	i := lo
	for c := g.Cursor(lo, hi); c.Next(); i++ {
		want = g.At(i, want)
		require.Equal(t, want, c.Point())
		require.Equal(t, i, c.Index())
		changed := 0
		for i > lo && want[changed] == before[changed] {
			changed++
		}
		require.Equal(t, changed, c.Changed())
		before = append(before[:0], want...)
	}
	require.Equal(t, hi, i)
}

// checkOutside holds that Index knows no point but the cases.
func checkOutside(t *testing.T, g *Grid, cases [][]int64) {
	t.Helper()
	found := 0
	point := make([]int32, len(g.Axes()))
	var visit func(k int)
	visit = func(k int) {
		if k == len(point) {
			if _, ok := g.Index(point); ok {
				found++
			}
			return
		}
		for id := range g.Values(k) {
			point[k] = int32(id)
			visit(k + 1)
		}
	}
	visit(0)
	require.Equal(t, len(cases), found)
}

func TestGridEqualsBruteForce(t *testing.T) {
	for seed := range uint64(150) {
		checkAgainstBruteForce(t, seed)
	}
}

func FuzzBijection(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkAgainstBruteForce)
}

func TestIndexOfNoCase(t *testing.T) {
	g, err := Build(Spec{Axes: []Axis{{Name: "a", Values: Ints(1, 2, 3)}, {Name: "b", Values: Ints(1, 2)}}, Where: []string{"a != 2"}})
	require.NoError(t, err)
	for _, point := range [][]int32{nil, {0}, {0, 0, 0}, {-1, 0}, {3, 0}, {0, 2}, {0, -1}, {1, 0}} {
		_, ok := g.Index(point)
		require.False(t, ok, point)
	}
	point, ok := g.Point(IntValue(3), IntValue(2))
	require.True(t, ok)
	i, ok := g.Index(point)
	require.True(t, ok)
	require.Equal(t, int64(3), i)
	_, ok = g.Point(IntValue(3), IntValue(9))
	require.False(t, ok)
}

func TestBuildErrors(t *testing.T) {
	ab := []Axis{{Name: "tp", Values: Ints(0, 1, 2, 4)}, {Name: "gpus", Values: Ints(8, 64)}}
	names := append(ab, Axis{Name: "recipe", Values: Strings("bf16", "fp8")}, Axis{Name: "tied", Values: []Value{BoolValue(true), BoolValue(false)}})
	where := func(text string) Spec { return Spec{Axes: names, Where: []string{text}} }
	f := func(spec Spec, want ...string) {
		t.Helper()
		_, err := Build(spec)
		require.EqualError(t, err, strings.Join(want, "\n"))
	}

	f(Spec{}, `grid: no axes; a grid needs at least one`)
	f(Spec{Axes: []Axis{{Name: "a"}, {Name: "2b", Values: Ints(1)}, {Values: Ints(1)}, {Name: "in", Values: Ints(1)}, {Name: "c", Values: Ints(1, 2, 1)}, {Name: "c", Values: Ints(1)}}},
		`axis "a": no values`,
		`axis "2b": a name is letters, digits and _, and does not begin with a digit`,
		`axis "": has no name`,
		`axis "in": is a word of the constraint language; use another name`,
		`axis "c": value 1 is given twice (values 1 and 3)`,
		`axis "c": the name is used twice`)
	f(Spec{Axes: []Axis{{Name: "tp", Values: Ints(1)}, {Name: "TP", Values: Ints(1)}}}, `axis "TP": differs from axis "tp" only in case`)
	f(Spec{Axes: []Axis{{Name: "a", Values: []Value{IntValue(1), FloatValue(1)}}}}, `axis "a": value 1 is given twice (values 1 and 2)`)
	f(Spec{Axes: []Axis{{Name: "a", Values: []Value{FloatValue(0), ParseValue("0")}}}}, `axis "a": value 0 is given twice (values 1 and 2)`)
	f(Spec{Axes: []Axis{{Name: "a", Values: []Value{{}}}}}, `axis "a": value 1 is not valid: `)
	f(Spec{Axes: []Axis{{Name: "a", Values: make([]Value, MaxAxisValues+1)}}}, `axis "a": 1,000,001 values, and an axis may have 1,000,000`)
	f(Spec{Axes: []Axis{{Name: "a", Values: Ints(1), Needs: []string{"b"}}}},
		`axis "a": needs other names, but has no function of them`,
		`axis "a": needs "b", which is not known before it`)
	f(Spec{Axes: ab, Derived: []Derived{{Name: "x"}, {Name: "tp", Value: func([]Value) (Value, error) { return Value{}, nil }}, {Name: "y", Needs: []string{"z"}, Value: func([]Value) (Value, error) { return Value{}, nil }}}},
		`derived name "x": has no function`,
		`derived name "tp": the name is used twice`,
		`derived name "y": needs "z", which is no axis and no derived name before it`)

	f(where(""), `where "": empty`)
	f(where("tp <"), `where "tp <", column 5: ends too early`)
	f(where("tp < )"), `where "tp < )", column 6: unexpected )`)
	f(where("(tp < 2"), `where "(tp < 2", column 8: ends too early`)
	f(where("tp = 2"), `where "tp = 2", column 4: a single = does not compare; write ==`)
	f(where("tp == 2 & tp == 4"), `where "tp == 2 & tp == 4", column 9: unexpected &; write &&`)
	f(where("tp == 'a"), `where "tp == 'a", column 9: the quote is not closed`)
	f(where("tp < 8 // 2"), `where "tp < 8 // 2", column 8: // and /* begin a comment, and all after it would be ignored; for whole-number division write div(a, b)`)
	f(where("tpp <= 8"), `where "tpp <= 8", column 1: unknown name "tpp"; did you mean tp?`)
	f(where("gpus % xyzzy == 0"), `where "gpus % xyzzy == 0", column 8: unknown name "xyzzy"; known are gpus, recipe, tied, tp`)
	f(where("tp * 2"), `where "tp * 2": "tp * 2" is a whole number, not a condition; compare it with something`)
	f(where("tp > 1 && gpus"), `where "tp > 1 && gpus": "gpus" is a whole number, not a condition; compare it with something`)
	f(where("tp == 'bf16'"), `where "tp == 'bf16'", column 4: == compares a whole number with a text`)
	f(where("recipe < 3"), `where "recipe < 3", column 8: < compares a text with a whole number`)
	f(where("recipe + 1 == 2"), `where "recipe + 1 == 2", column 1: + takes a number, and this is a text`)
	f(where("tied < true"), `where "tied < true", column 6: < cannot order true and false`)
	f(where("!tp"), `where "!tp", column 2: ! takes a truth value, and this is a whole number`)
	f(where("tp % 0.5 == 0"), `where "tp % 0.5 == 0", column 6: % takes a whole number, and this is a fraction`)
	f(where("gpus / 2 % 2 == 0"), `where "gpus / 2 % 2 == 0", column 6: % takes a whole number, and this is a fraction`)
	f(where("now() == 1"), `where "now() == 1", column 1: unknown function "now"; there are div, min, max, abs, int, float, floor and ceil`)
	f(where("tp(1) == 1"), `where "tp(1) == 1", column 1: tp is a value, not a function`)
	f(where("div(tp) == 1"), `where "div(tp) == 1", column 1: div takes 2 arguments, and this has 1`)
	f(where("max() == 1"), `where "max() == 1", column 1: max takes at least 1 argument`)
	f(where("tp in []"), `where "tp in []", column 7: an empty list excludes every case`)
	f(where("tp in gpus"), `where "tp in gpus", column 4: after in comes a list [1, 2, 4] or a range 1..8`)
	f(where("tp in ['a']"), `where "tp in ['a']", column 8: in compares a whole number with a text`)
	f(where("[1, 2] == tp"), `where "[1, 2] == tp", column 1: a list outside of in [...] cannot be used in a constraint`)
	f(where("tp.x == 1"), `where "tp.x == 1", column 4: a member or an element (. or [...]) cannot be used in a constraint`)
	f(where("let x = 1; x == 1"), `where "let x = 1; x == 1", column 5: let cannot be used in a constraint`)
	f(where("(tp ?? 1) == 1"), `where "(tp ?? 1) == 1", column 5: the operator ?? cannot be used in a constraint`)
	f(where("recipe matches tp"), `where "recipe matches tp", column 16: matches takes a text, and this is a whole number`)
	f(where("recipe matches '['"), "where \"recipe matches '['\", column 16: error parsing regexp: missing closing ]: `[`")
	f(where(strings.Repeat("tp+", 1000)+"tp > 0"), fmt.Sprintf("where %q…: more than 1000 operations; split it", strings.Repeat("tp+", 20)))
	// The parser uses the left side of ?: twice: 2³⁰ nodes in a short text.
	f(where(strings.Repeat("(", 30)+"tied"+strings.Repeat(" ?: tied)", 30)), fmt.Sprintf("where %q…: more than 1000 operations; split it", strings.Repeat("(", 30)+"tied ?: tied) ?: tied) ?: tied"))
	f(where(strings.Repeat("(", 5000)), fmt.Sprintf("where %q…: 5000 bytes, and a constraint may have 4096; split it", strings.Repeat("(", 60)))
	f(where("tp > '\xff'"), `where "tp > '\xff'": not valid UTF-8`)

	// Several mistakes are told together.
	f(Spec{Axes: ab, Where: []string{"a > 1", "tp >", "tp > 0 && b > 1 && c < 1"}},
		`where "a > 1", column 1: unknown name "a"; known are gpus, tp`,
		`where "tp >", column 5: ends too early`,
		`where "tp > 0 && b > 1 && c < 1", column 11: unknown name "b"; known are gpus, tp`,
		`where "tp > 0 && b > 1 && c < 1", column 20: unknown name "c"; known are gpus, tp`)

	// What only counting shows.
	f(where("gpus % tp == 0"), `where "gpus % tp == 0", column 6: division by zero for tp = 0, gpus = 8`)
	f(where("gpus / tp == 8"), `where "gpus / tp == 8", column 6: division by zero for tp = 0, gpus = 8`)
	f(where("gpus * 9223372036854775807 > 1"), `where "gpus * 9223372036854775807 > 1", column 6: the result does not fit in 63 bits for gpus = 8`)
	f(where("tp > 4"), `where "tp > 4": excludes every case; loosen it, or give its axes other values`)
	f(where("1 > 2"), `where "1 > 2": excludes every case; loosen it, or give its axes other values`)
	f(Spec{Axes: ab, Where: []string{"tp >= 0", "tp > 1", "gpus > 1", "tp < 2"}},
		`grid: no case is left: where "tp > 1" and "tp < 2" exclude every case together, and none of them alone; loosen one of them`)
}

func TestFailureMattersOnlyForCases(t *testing.T) {
	axes := []Axis{{Name: "tp", Values: Ints(0, 1, 2, 4)}, {Name: "gpus", Values: Ints(8, 64)}, {Name: "mode", Values: Strings("a", "b")}}
	for _, where := range [][]string{
		{"tp > 0", "gpus % tp == 0"},
		{"gpus % tp == 0", "tp > 0"},
		{"gpus % tp == 0 and tp > 0"},
		{"gpus % tp == 0 || tp == 0", "tp != 0"},
		{"gpus % tp == 0", "tp > 0 || mode == 'c'"},
		{"gpus % (tp - 1 + 1) == 0", "tp * 2 > 0 && mode != ''"},
	} {
		g, err := Build(Spec{Axes: axes, Where: where})
		require.NoError(t, err, where)
		require.Equal(t, int64(12), g.Len(), where)
	}
	_, err := Build(Spec{Axes: axes, Where: []string{"gpus % tp == 0", "tp > 0 || mode == 'b'"}})
	require.EqualError(t, err, `where "gpus % tp == 0", column 6: division by zero for tp = 0, gpus = 8`)
}

// Two constraints with the same part tell each its own place in it.
func TestFailureColumn(t *testing.T) {
	axes := []Axis{{Name: "a", Values: Ints(8)}, {Name: "b", Values: Ints(0)}, {Name: "c", Values: Ints(1, 2)}}
	_, err := Build(Spec{Axes: axes, Where: []string{"div(a, b) > 0 || c > 0", "c == 5 || 1 < div(a, b)"}})
	require.EqualError(t, err, `where "c == 5 || 1 < div(a, b)", column 15: division by zero for a = 8, b = 0, c = 1`)
}

func TestDerivedAndDomainErrors(t *testing.T) {
	boom := errors.New("no such model")
	a := Axis{Name: "a", Values: Ints(1, 2)}
	axis := func(domain func([]Value) ([]Value, error), kinds ...Kind) Spec {
		return Spec{Axes: []Axis{a, {Name: "b", Needs: []string{"a"}, Domain: domain, Kinds: kinds}}}
	}
	f := func(spec Spec, want string) {
		t.Helper()
		_, err := Build(spec)
		require.EqualError(t, err, want)
	}
	f(axis(func([]Value) ([]Value, error) { return nil, boom }), `axis "b": no such model for a = 1`)
	f(axis(func([]Value) ([]Value, error) { return Ints(1, 1), nil }), `axis "b": value 1 is given twice (values 1 and 2) for a = 1`)
	f(axis(func([]Value) ([]Value, error) { return Strings("x"), nil }, Int), `axis "b": "x" is a text, not a whole number as declared for a = 1`)
	f(axis(func([]Value) ([]Value, error) { return nil, nil }), `grid: no case: axis "b" has no value for any combination of a`)

	derived := func(value func([]Value) (Value, error), where ...string) Spec {
		return Spec{Axes: []Axis{a}, Derived: []Derived{{Name: "d", Needs: []string{"a"}, Kinds: []Kind{Int}, Value: value}}, Where: where}
	}
	f(derived(func([]Value) (Value, error) { return Value{}, boom }, "d > 1"), `where "d > 1": d: no such model for a = 1`)
	f(derived(func([]Value) (Value, error) { return FloatValue(1), nil }, "d > 1"), `where "d > 1": d is a fraction, not a whole number as declared for a = 1`)
	f(derived(func([]Value) (Value, error) { return Value{}, nil }, "d > 1"), `where "d > 1": d: not a valid value for a = 1`)

	// Nothing asks for it: it is not calculated.
	_, err := Build(derived(func([]Value) (Value, error) { return Value{}, boom }, "a > 1"))
	require.NoError(t, err)
}

func TestHugeGrids(t *testing.T) {
	million := make([]int64, MaxAxisValues)
	for i := range million {
		million[i] = int64(i)
	}
	axis := func(name string) Axis { return Axis{Name: name, Values: Ints(million...)} }

	// 10¹⁸ cases: three nodes and the end.
	g, err := Build(Spec{Axes: []Axis{axis("a"), axis("b"), axis("c")}})
	require.NoError(t, err)
	require.Equal(t, int64(1e18), g.Len())
	require.Equal(t, 4, g.Nodes())
	require.Equal(t, []int32{123456, 789012, 345678}, g.At(123456_789012_345678, nil))
	i, ok := g.Index([]int32{123456, 789012, 345678})
	require.True(t, ok)
	require.Equal(t, int64(123456_789012_345678), i)
	checkCursor(t, g, 999_999_999_999, 1_000_000_000_002)
	require.Equal(t, int64(1e12), g.Occurrences()[1][77])
	c := g.Cursor(5, g.Len())
	require.True(t, c.Next())
	require.Equal(t, int64(1e12)-6, c.Skip(0))
	require.True(t, c.Next())
	require.Equal(t, []int32{1, 0, 0}, c.Point())

	_, err = Build(Spec{Axes: []Axis{axis("a"), axis("b"), axis("c"), axis("d")}, Where: []string{"d < 11"}})
	require.EqualError(t, err, "grid: 11,000,000,000,000,000,000 cases, more than 2⁶³−1; use fewer values or add constraints")
	require.ErrorIs(t, err, ErrTooManyCases)

	_, err = Build(Spec{Axes: []Axis{{Name: "a", Values: Ints(million[:100]...)}, {Name: "b", Values: Ints(million[:100]...)}, {Name: "c", Values: Ints(1, 2, 3)}}, Where: []string{"(a + 1) * (b + 1) % c == 0"}, MaxNodes: 1000})
	require.EqualError(t, err, `grid: counting the cases needs more than 1,000 nodes or 20,000 tries; most are at axis "c", whose nodes must remember (a + 1) * (b + 1) for where "(a + 1) * (b + 1) % c == 0"; list axes that a constraint joins next to each other, use fewer values, or split the study`)

	_, err = Build(Spec{Axes: []Axis{axis("a"), axis("b")}, Where: []string{"a * b < 1000"}, MaxNodes: 1000})
	require.ErrorIs(t, err, ErrBudget)
	require.EqualError(t, err, `grid: counting the cases needs more than 1,000 nodes or 20,000 tries; most are at axis "b", whose nodes must remember a for where "a * b < 1000"; list axes that a constraint joins next to each other, use fewer values, or split the study`)
}

func TestBreakdown(t *testing.T) {
	tp := Axis{Name: "tp", Values: Ints(0, 1, 2, 3, 4)}
	g, err := Build(Spec{Axes: []Axis{tp, {Name: "gpus", Values: Ints(8, 64)}}, Where: []string{"gpus % tp == 0", "tp > 0", "tp > 0", "gpus > 8"}})
	require.NoError(t, err)
	// tp = 0 fails the first constraint, which is no error and leaves it to the second.
	f := func(cases ...int64) {
		t.Helper()
		b := g.Breakdown()
		require.Equal(t, cases[0], b.Raw.Int64())
		for i, x := range b.Excluded {
			require.Equal(t, cases[i+1], x.Cases.Int64(), x.Where)
		}
	}
	f(10, 2, 2, 0, 3)
	require.Equal(t, int64(3), g.Len())

	// Raw may be beyond what a grid may have.
	axes := []Axis{}
	for i := range 10 {
		axes = append(axes, Axis{Name: fmt.Sprintf("a%d", i), Values: Ints(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)})
	}
	axes = append(axes, axes...)
	for i := 10; i < 20; i++ {
		axes[i].Name = fmt.Sprintf("a%d", i)
	}
	g, err = Build(Spec{Axes: axes, Where: []string{"a0 == 1 && a1 == 1 && a2 == 1 && a3 == 1 && a4 == 1", "a15 + a16 + a17 + a18 + a19 == 5", "a10 + a11 + a12 + a13 + a14 == 5", "a5 + a6 > 79"}})
	require.NoError(t, err)
	require.Equal(t, "109951162777600000000000000000000", g.Raw().String())                         // 40²⁰
	require.Equal(t, int64(64000), g.Len())                                                         // 40³
	require.Equal(t, "109951161703858176000000000000000", g.Breakdown().Excluded[0].Cases.String()) // 40²⁰ − 40¹⁵
}

func TestBuildIsDeterministic(t *testing.T) {
	first, err := Build(autoPlan())
	require.NoError(t, err)
	second, err := Build(autoPlan())
	require.NoError(t, err)
	require.Equal(t, first.nodes, second.nodes)
	require.Equal(t, first.runs, second.runs)
	require.Equal(t, first.values, second.values)
}

func TestConcurrentCursors(t *testing.T) {
	g, err := Build(plainPlan())
	require.NoError(t, err)
	const parts = 4
	var group sync.WaitGroup
	counts := make([]int64, parts)
	for i := range int64(parts) {
		group.Go(func() {
			for c := g.Cursor(i*g.Len()/parts, (i+1)*g.Len()/parts); c.Next(); {
				counts[i]++
			}
		})
	}
	group.Wait()
	require.Equal(t, g.Len(), counts[0]+counts[1]+counts[2]+counts[3])
}

func TestCursorDoesNotAllocate(t *testing.T) {
	g, err := Build(autoPlan())
	require.NoError(t, err)
	c := g.Cursor(0, g.Len())
	point := make([]int32, len(g.Axes()))
	require.Zero(t, testing.AllocsPerRun(10_000, func() {
		c.Next()
		_ = c.Value(len(point) - 1)
		point = g.At(c.Index(), point)
		_, _ = g.Index(point)
	}))
}
