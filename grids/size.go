package grids

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// suffixes of a size, longest first so that Ki is not read as K.
var suffixes = []struct {
	name   string
	factor int64
}{
	{"Ki", 1 << 10},
	{"Mi", 1 << 20},
	{"Gi", 1 << 30},
	{"Ti", 1 << 40},
	{"K", 1e3},
	{"M", 1e6},
	{"B", 1e9},
	{"T", 1e12},
}

// maxSizeText bounds what ParseSize looks at: no 63-bit number needs more, and
// an exponent inside it cannot ask for a huge calculation.
const maxSizeText = 64

// ParseSize reads a whole number, zero or more, with an optional suffix:
// K M B T are 10³, 10⁶, 10⁹, 10¹² and Ki Mi Gi Ti are 2¹⁰, 2²⁰, 2³⁰, 2⁴⁰.
// So 4Mi is 4,194,304, 70B is 70,000,000,000 and 1.5K is 1,500; digits may be
// grouped with underscores (1_000_000) and 1e12 is a number. Nothing is rounded:
// what is not a whole number, or does not fit in 63 bits, is an error.
func ParseSize(s string) (int64, error) {
	n, err := parseSize(s)
	if err != nil {
		return 0, fmt.Errorf("size %s: %w", quote(s), err)
	}
	return n, nil
}

func parseSize(s string) (int64, error) {
	switch {
	case s == "":
		return 0, errors.New("empty")
	case strings.TrimSpace(s) != s:
		return 0, errors.New("has spaces around it")
	case s[0] == '-':
		return 0, errors.New("must not be negative")
	case s[0] == '+':
		return 0, errors.New("write it without the plus sign")
	case strings.EqualFold(s, "nan") || strings.EqualFold(s, "inf") || strings.EqualFold(s, ".nan") || strings.EqualFold(s, ".inf"):
		return 0, errors.New("is not a number")
	case len(s) > maxSizeText:
		return 0, fmt.Errorf("longer than %d characters", maxSizeText)
	}
	number, factor, err := cutSuffix(s)
	if err != nil {
		return 0, err
	}
	digits, err := ungroup(number)
	if err != nil {
		return 0, err
	}
	mantissa, exponent, err := cutExponent(digits)
	if err != nil {
		return 0, err
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	if whole == "" || dotted && fraction == "" || !isDigits(whole) || !isDigits(fraction) {
		return 0, fmt.Errorf("%s is not a number; write it like 4096, 4Mi, 70B or 1.5K", quote(number))
	}

	x := new(big.Rat)
	x.SetString(mantissa)
	x.Mul(x, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(exponent), nil)))
	x.Mul(x, new(big.Rat).SetInt64(factor))
	if !x.IsInt() {
		return 0, fmt.Errorf("is %s, not a whole number", decimal(x))
	}
	if !x.Num().IsInt64() {
		return 0, fmt.Errorf("is more than %d (2⁶³−1), the largest number there is here", int64(math.MaxInt64))
	}
	return x.Num().Int64(), nil
}

// cutSuffix splits 1.5Ki into 1.5 and 1024.
func cutSuffix(s string) (number string, factor int64, err error) {
	// The number is everything up to the first letter that is not an exponent's e.
	end := len(s)
	for i, r := range s {
		isExponent := (r == 'e' || r == 'E') && i > 0 && i+1 < len(s) && strings.ContainsRune("+-0123456789", rune(s[i+1]))
		if !strings.ContainsRune("0123456789._+-", r) && !isExponent {
			end = i
			break
		}
	}
	number, suffix := s[:end], s[end:]
	if suffix == "" {
		return number, 1, nil
	}
	if number == "" {
		return "", 0, errors.New("is not a number; write it like 4096, 4Mi, 70B or 1.5K")
	}
	for _, known := range suffixes {
		if suffix == known.name {
			return number, known.factor, nil
		}
	}
	const names = "K M B T are decimal, Ki Mi Gi Ti binary"
	if suffix == "G" || suffix == "g" {
		return "", 0, fmt.Errorf("unknown suffix %s: write %sB for 10⁹ or %sGi for 2³⁰", quote(suffix), number, number)
	}
	for _, known := range suffixes {
		if strings.EqualFold(suffix, known.name) {
			return "", 0, fmt.Errorf("unknown suffix %s, did you mean %s%s? (%s)", quote(suffix), number, known.name, names)
		}
	}
	return "", 0, fmt.Errorf("unknown suffix %s (%s)", quote(suffix), names)
}

// ungroup removes underscores that stand between two digits.
func ungroup(s string) (string, error) {
	if !strings.Contains(s, "_") {
		return s, nil
	}
	for i := range len(s) {
		if s[i] == '_' && (i == 0 || i+1 == len(s) || !isDigits(s[i-1:i]) || !isDigits(s[i+1:i+2])) {
			return "", errors.New("an underscore must stand between two digits")
		}
	}
	return strings.ReplaceAll(s, "_", ""), nil
}

// cutExponent splits 1.5e12 into 1.5 and 12.
func cutExponent(s string) (mantissa string, exponent int64, err error) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, nil
	}
	digits := strings.TrimPrefix(s[i+1:], "+")
	if digits == "" || len(digits) > 2 || !isDigits(digits) {
		return "", 0, fmt.Errorf("the exponent %s is not between 0 and 99", quote(s[i+1:]))
	}
	for _, d := range digits {
		exponent = exponent*10 + int64(d-'0')
	}
	return s[:i], exponent, nil
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// decimal writes x exactly when it has few decimals, which a typed size has.
func decimal(x *big.Rat) string {
	digits, exact := x.FloatPrec()
	if !exact {
		return x.RatString()
	}
	return x.FloatString(digits)
}

// quote quotes s for an error message, and shortens it where it is long.
func quote(s string) string {
	const most = 60
	runes := []rune(s)
	if len(runes) > most {
		return fmt.Sprintf("%q…", string(runes[:most]))
	}
	return fmt.Sprintf("%q", s)
}
