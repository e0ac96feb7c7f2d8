package results

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	rows := []Row{testRow(0), testRow(3), testRow(12345)}
	rows[1].Model = "a|b\x1b[31m\n训练"
	table, err := NewTable(rows, "case_id", "model", "status", "tp", "sp", "context_tokens", "peak_bytes", "headroom_bytes",
		"forward_causal_flops", "model_step_causal_flops", "price_usd_per_gpu_hour")
	require.NoError(t, err)
	table.Columns = append(table.Columns, Column{Name: "mfu", Type: "float64", Unit: "ratio"})
	for i, x := range []any{0.41234567, nil, 1.0} {
		table.Rows[i] = append(table.Rows[i], x)
	}
	for _, f := range Formats() {
		parsed, err := ParseFormat(string(f))
		require.NoError(t, err)
		require.Equal(t, f, parsed)
		var b strings.Builder
		require.NoError(t, table.Write(&b, f))
		golden(t, "table."+string(f)+".golden", b.String())
	}
	var b strings.Builder
	require.EqualError(t, table.Write(&b, "xml"), `unknown table format "xml": use text, markdown, csv or jsonl`)
	_, err = NewTable(rows, "colour_of_the_rack")
	require.EqualError(t, err, `unknown column "colour_of_the_rack"`)

	table.Rows[0][len(table.Columns)-1] = math.NaN()
	require.ErrorContains(t, table.Write(&b, JSONL), "row 0: mfu:")
}

func TestTableEdges(t *testing.T) {
	for _, f := range Formats() {
		var b strings.Builder
		require.NoError(t, (&Table{}).Write(&b, f))
		none, err := NewTable(nil, "tp", "forward_causal_flops")
		require.NoError(t, err)
		require.NoError(t, none.Write(&b, f))
		some, err := NewTable([]Row{testRow(1)}, "tp")
		require.NoError(t, err)
		require.EqualError(t, some.Write(full{}, f), "full")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestGroup(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		require.Equal(t, want, group(in))
	}
	f("0", "0")
	f("999", "999")
	f("1000", "1,000")
	f("-1000", "-1,000")
	f("-100", "-100")
	f("1234567.89", "1,234,567.89")
	f("-9223372036854775808", "-9,223,372,036,854,775,808")
	f("NaN", "NaN")
	f("-Inf", "-Inf")
}

func TestDecimalPrefix(t *testing.T) {
	f := func(x float64, want string, factor float64) {
		t.Helper()
		p, g := decimalPrefix(x)
		require.Equal(t, want, p)
		require.InEpsilon(t, factor, g, 1e-12)
	}
	f(0, "", 1)
	f(999, "", 1)
	f(1000, "k", 1e3)
	f(3.5e15, "P", 1e15)
	f(1e30, "Y", 1e24)
}
