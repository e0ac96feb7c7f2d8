package accounting

import (
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// ErrOverflow says that a count does not fit into a signed 64-bit integer.
// A number that large is refused, never wrapped around.
var ErrOverflow = errors.New("accounting: the count does not fit into 64 bits")

// A Mono is one monomial: an integer coefficient times powers of symbols.
type Mono struct {
	Coef int64
	Pow  [NumSymbols]uint8
}

// An Expr is a sum of monomials with distinct powers. The nil Expr is zero.
// Expressions are values: operations return new ones.
type Expr []Mono

// Int is the constant n.
func Int(n int64) Expr {
	if n == 0 {
		return nil
	}
	return Expr{{Coef: n}}
}

// Prod is the product of symbols: Prod(SymB, SymS, SymD) is BSd.
func Prod(symbols ...Symbol) Expr {
	m := Mono{Coef: 1}
	for _, s := range symbols {
		m.Pow[s]++
	}
	return Expr{m}
}

// Plus returns e + f.
func (e Expr) Plus(f Expr) Expr {
	out := slices.Clone(e)
	for _, m := range f {
		out = out.add(m)
	}
	return out
}

func (e Expr) add(m Mono) Expr {
	for i := range e {
		if e[i].Pow == m.Pow {
			e[i].Coef += m.Coef
			if e[i].Coef == 0 {
				return slices.Delete(e, i, i+1)
			}
			return e
		}
	}
	if m.Coef == 0 {
		return e
	}
	return append(e, m)
}

// Times returns e · f.
func (e Expr) Times(f Expr) Expr {
	var out Expr
	for _, a := range e {
		for _, b := range f {
			m := Mono{Coef: a.Coef * b.Coef}
			for s := range m.Pow {
				m.Pow[s] = a.Pow[s] + b.Pow[s]
			}
			out = out.add(m)
		}
	}
	return out
}

// Scale returns n · e.
func (e Expr) Scale(n int64) Expr { return e.Times(Int(n)) }

// Eval is the exact value of e. It returns [ErrOverflow] when a step does not
// fit into int64. Values are sizes and so never negative; coefficients may be.
func (e Expr) Eval(v *Values) (int64, error) {
	var sum int64
	for _, m := range e {
		x, err := m.Eval(v)
		if err != nil {
			return 0, err
		}
		if sum, err = addChecked(sum, x); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// Eval is the exact value of m, or [ErrOverflow].
func (m Mono) Eval(v *Values) (int64, error) {
	x := m.Coef
	var err error
	for s, p := range m.Pow {
		for range p {
			if x, err = mulChecked(x, v[s]); err != nil {
				return 0, err
			}
		}
	}
	return x, nil
}

// Float is the value of e in floating point, for FLOPs, whose sums pass 2⁶³.
// span stands for [SymSpan], the one symbol that need not be a whole number.
// Below 2⁵³ the value is exact when span is a multiple of one half.
func (e Expr) Float(v *Values, span float64) float64 {
	var sum float64
	for _, m := range e {
		x := float64(m.Coef)
		for s, p := range m.Pow {
			f := float64(v[s])
			if Symbol(s) == SymSpan {
				f = span
			}
			for range p {
				x *= f
			}
		}
		sum += x
	}
	return sum
}

func addChecked(a, b int64) (int64, error) {
	c := a + b
	if (c > a) != (b > 0) && b != 0 {
		return 0, ErrOverflow
	}
	return c, nil
}

func mulChecked(a, b int64) (int64, error) {
	if a == 0 || b == 0 {
		return 0, nil
	}
	neg := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(abs64(a), abs64(b))
	if hi != 0 || lo > 1<<63-1 {
		return 0, ErrOverflow
	}
	if neg {
		return -int64(lo), nil
	}
	return int64(lo), nil
}

func abs64(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// rename replaces one symbol by another.
func (e Expr) rename(from, to Symbol) Expr {
	var out Expr
	for _, m := range e {
		m.Pow[to] += m.Pow[from]
		m.Pow[from] = 0
		out = out.add(m)
	}
	return out
}

// Simplify rewrites e with what the values allow a person to write shorter:
// h·d_h = d, g = h, d_v = d_h, a feed-forward width that is a whole multiple of
// d. "4d" is printed only where f really is 4d.
func (e Expr) Simplify(v *Values) Expr {
	var out Expr
	for _, m := range e {
		move := func(from, to Symbol) {
			m.Pow[to] += m.Pow[from]
			m.Pow[from] = 0
		}
		if v[SymKV] == v[SymK] {
			move(SymKV, SymK)
		}
		if v[SymG] == v[SymH] {
			move(SymG, SymH)
		}
		if v[SymEmb] == v[SymD] {
			move(SymEmb, SymD)
		}
		if v[SymH]*v[SymK] == v[SymD] {
			n := min(m.Pow[SymH], m.Pow[SymK])
			m.Pow[SymH] -= n
			m.Pow[SymK] -= n
			m.Pow[SymD] += n
		}
		for _, f := range []Symbol{SymF, SymFE, SymFS} {
			if v[SymD] > 0 && v[f] >= v[SymD] && v[f]%v[SymD] == 0 {
				for range m.Pow[f] {
					m.Coef *= v[f] / v[SymD]
				}
				move(f, SymD)
			}
		}
		out = out.add(m)
	}
	return out
}

// String prints e as on paper: weights before activations, high powers first:
// "64d² + 8d + 23BSd + 2BhS²".
func (e Expr) String() string {
	if len(e) == 0 {
		return "0"
	}
	sorted := slices.Clone(e)
	slices.SortStableFunc(sorted, compareMono)
	var b strings.Builder
	for i, m := range sorted {
		c := m.Coef
		switch {
		case i > 0 && c < 0:
			b.WriteString(" − ")
			c = -c
		case i > 0:
			b.WriteString(" + ")
		}
		m.Coef = c
		m.write(&b)
	}
	return b.String()
}

// compareMono orders terms: without B first, then by power of S, then high
// total degree first, then by the letters.
func compareMono(a, b Mono) int {
	for _, s := range []Symbol{SymB, SymS} {
		if c := int(a.Pow[s]) - int(b.Pow[s]); c != 0 {
			return c
		}
	}
	if c := b.degree() - a.degree(); c != 0 {
		return c
	}
	return -slices.Compare(a.Pow[:], b.Pow[:])
}

func (m Mono) degree() int {
	n := 0
	for _, p := range m.Pow {
		n += int(p)
	}
	return n
}

func (m Mono) write(b *strings.Builder) {
	if m.Coef != 1 || m.degree() == 0 {
		b.WriteString(strconv.FormatInt(m.Coef, 10))
	}
	first := m.Coef == 1
	for s, p := range m.Pow {
		if p == 0 {
			continue
		}
		text := Symbol(s).String()
		// A symbol of several letters is set apart, or BSd_h would read as B·S·d·h.
		if len(text) > 1 && !first {
			b.WriteString("·")
		}
		b.WriteString(text)
		if p > 1 {
			b.WriteString(superscript(p))
		}
		first = false
	}
}

func superscript(p uint8) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var out []rune
	for _, c := range strconv.Itoa(int(p)) {
		out = append(out, digits[c-'0'])
	}
	return string(out)
}

// Equal reports whether e and f are the same polynomial.
func (e Expr) Equal(f Expr) bool { return len(e.Plus(f.Scale(-1))) == 0 }
