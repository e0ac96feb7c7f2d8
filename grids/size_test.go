package grids

import (
	"math/big"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	f := func(in string, want int64) {
		t.Helper()
		got, err := ParseSize(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("0", 0)
	f("1", 1)
	f("007", 7)
	f("4096", 4096)
	f("1_000_000", 1_000_000)
	f("4K", 4_000)
	f("4Ki", 4_096)
	f("4Mi", 4_194_304)
	f("1Gi", 1<<30)
	f("2Ti", 2<<40)
	f("3M", 3_000_000)
	f("70B", 70_000_000_000)
	f("1T", 1_000_000_000_000)
	f("1.5K", 1_500)
	f("1.5Ki", 1_536)
	f("0.5Mi", 524_288)
	f("1.0", 1)
	f("15.36T", 15_360_000_000_000)
	f("1e12", 1_000_000_000_000)
	f("1.5e3", 1_500)
	f("1E+2K", 100_000)
	f("9223372036854775807", 1<<63-1)
	f("9.223372036854775807e18", 1<<63-1)
	f("8388607Ti", 8388607<<40)
}

func TestParseSizeErrors(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		_, err := ParseSize(in)
		require.EqualError(t, err, want)
	}
	f("", `size "": empty`)
	f(" 1", `size " 1": has spaces around it`)
	f("-1", `size "-1": must not be negative`)
	f("+1", `size "+1": write it without the plus sign`)
	f("NaN", `size "NaN": is not a number`)
	f(".inf", `size ".inf": is not a number`)
	f("abc", `size "abc": is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f("K", `size "K": is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f("1.", `size "1.": "1." is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f(".5K", `size ".5K": ".5" is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f("1.2.3", `size "1.2.3": "1.2.3" is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f("1-2", `size "1-2": "1-2" is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f("0x10", `size "0x10": unknown suffix "x10" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("4mi", `size "4mi": unknown suffix "mi", did you mean 4Mi? (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("8b", `size "8b": unknown suffix "b", did you mean 8B? (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("4k", `size "4k": unknown suffix "k", did you mean 4K? (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("4G", `size "4G": unknown suffix "G": write 4B for 10⁹ or 4Gi for 2³⁰`)
	f("80GB", `size "80GB": unknown suffix "GB" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("4 K", `size "4 K": unknown suffix " K" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("1.5", `size "1.5": is 1.5, not a whole number`)
	f("1.2345K", `size "1.2345K": is 1234.5, not a whole number`)
	f("0.1Ki", `size "0.1Ki": is 102.4, not a whole number`)
	f("1__0", `size "1__0": an underscore must stand between two digits`)
	f("1_", `size "1_": an underscore must stand between two digits`)
	f("1e", `size "1e": unknown suffix "e" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("1e-3", `size "1e-3": the exponent "-3" is not between 0 and 99`)
	f("1e999", `size "1e999": the exponent "999" is not between 0 and 99`)
	f("9223372036854775808", `size "9223372036854775808": is more than 9223372036854775807 (2⁶³−1), the largest number there is here`)
	f("10000000T", `size "10000000T": is more than 9223372036854775807 (2⁶³−1), the largest number there is here`)
	f("8Mi\x00", `size "8Mi\x00": unknown suffix "Mi\x00" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("11111111111111111111111111111111111111111111111111111111111111111", `size "111111111111111111111111111111111111111111111111111111111111"…: longer than 64 characters`)
}

func TestParseRange(t *testing.T) {
	f := func(in string, want ...int64) {
		t.Helper()
		got, err := ParseRange(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("1..4", 1, 2, 3, 4)
	f("5..5", 5)
	f("0..3", 0, 1, 2, 3)
	f("1..64:8", 1, 9, 17, 25, 33, 41, 49, 57)
	f("8..64:8", 8, 16, 24, 32, 40, 48, 56, 64)
	f("1Ki..4Ki:1Ki", 1024, 2048, 3072, 4096)
	f("0..9223372036854775807:4611686018427387904", 0, 1<<62)
	f("pow2(1..64)", 1, 2, 4, 8, 16, 32, 64)
	f("pow2(0..5)", 1, 2, 4)
	f("pow2(3..100)", 4, 8, 16, 32, 64)
	f("pow2(4Ki..16Ki)", 4096, 8192, 16384)
	f("pow2(4611686018427387904..9223372036854775807)", 1<<62)

	most, err := ParseRange("1..1000000")
	require.NoError(t, err)
	require.Len(t, most, MaxAxisValues)
}

func TestParseRangeErrors(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		_, err := ParseRange(in)
		require.EqualError(t, err, want)
	}
	f("", `range "": is not a range; write it like 1..64, 1..64:8 or pow2(1..64)`)
	f("1-64", `range "1-64": is not a range; write it like 1..64, 1..64:8 or pow2(1..64)`)
	f("64..1", `range "64..1": runs backwards; write 1..64`)
	f("1..", `range "1..": last value: size "": empty`)
	f("..8", `range "..8": first value: size "": empty`)
	f("1...8", `range "1...8": last value: size ".8": ".8" is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f("1..2..3", `range "1..2..3": last value: size "2..3": "2..3" is not a number; write it like 4096, 4Mi, 70B or 1.5K`)
	f("-4..4", `range "-4..4": first value: size "-4": must not be negative`)
	f("1..8:", `range "1..8:": the step after the colon is missing`)
	f("1..8:0", `range "1..8:0": the step is zero`)
	f("1..8:-1", `range "1..8:-1": step: size "-1": must not be negative`)
	f("1..8:1:1", `range "1..8:1:1": step: size "1:1": unknown suffix ":1" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("0..1:0.1", `range "0..1:0.1": step: size "0.1": is 0.1, not a whole number`)
	f("1..1B", `range "1..1B": has 1,000,000,000 values, and an axis may have 1,000,000; use a step, or pow2(1..1000000000)`)
	f("0..9223372036854775807", `range "0..9223372036854775807": has 9,223,372,036,854,775,808 values, and an axis may have 1,000,000; use a step, or pow2(0..9223372036854775807)`)
	f("pow2(1..64", `range "pow2(1..64": the parenthesis of pow2( is not closed`)
	f("pow2(1..64:2)", `range "pow2(1..64:2)": powers of two have no step; write pow2(1..64)`)
	f("pow2(64)", `range "pow2(64)": is not a range; write it like 1..64, 1..64:8 or pow2(1..64)`)
	f("pow2(5..7)", `range "pow2(5..7)": there is no power of two from 5 to 7; the next is 8`)
	f("pow2(0..0)", `range "pow2(0..0)": there is no power of two from 0 to 0; the next is 1`)
}

func TestParseInts(t *testing.T) {
	got, err := ParseInts("1", "2", "8..24:8", "pow2(32..64)", "4Ki")
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 8, 16, 24, 32, 64, 4096}, got)

	_, err = ParseInts("x", "1", "4..2")
	require.EqualError(t, err, `size "x": is not a number; write it like 4096, 4Mi, 70B or 1.5K
range "4..2": runs backwards; write 2..4`)

	_, err = ParseInts("1..1000000", "1000001")
	require.EqualError(t, err, `1,000,001 values with "1000001", and an axis may have 1,000,000`)
}

func TestParseValue(t *testing.T) {
	f := func(in string, want Value) {
		t.Helper()
		require.Equal(t, want, ParseValue(in))
	}
	f("8", IntValue(8))
	f("-8", IntValue(-8))
	f("4Mi", IntValue(4<<20))
	f("1e12", IntValue(1e12))
	f("0.5", FloatValue(0.5))
	f("-2.5e-3", FloatValue(-0.0025))
	f("true", BoolValue(true))
	f("false", BoolValue(false))
	f("bf16", StringValue("bf16"))
	f("8b", StringValue("8b"))
	f("nan", StringValue("nan"))
	f("inf", StringValue("inf"))
	f("0x1p-2", StringValue("0x1p-2"))
	f("1e999", StringValue("1e999"))
	f("", StringValue(""))
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"4Mi", "1.5K", "1e12", "1_000", "-1", "NaN", "9223372036854775807", "0.1Ki", "1e99T"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, n, int64(0))
		again, err := ParseSize(strconv.FormatInt(n, 10))
		require.NoError(t, err)
		require.Equal(t, n, again)
		// What plain numbers mean is settled elsewhere.
		if x, ok := new(big.Int).SetString(s, 10); ok {
			require.Equal(t, x.Int64(), n)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"1..64", "1..64:8", "pow2(1..64)", "0..9223372036854775807:4611686018427387904", "1K..1Mi:7", "4..1", "1..1B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ns, err := ParseRange(s)
		if err != nil {
			require.Nil(t, ns)
			return
		}
		require.True(t, IsRange(s))
		require.NotEmpty(t, ns)
		require.LessOrEqual(t, len(ns), MaxAxisValues)
		require.True(t, ascending(Ints(ns...)))
	})
}
