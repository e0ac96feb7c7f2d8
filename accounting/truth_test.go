package accounting

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// readCSV reads a table of testdata as one map a row.
func readCSV(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var rows []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func atoi(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return n
}

// llamaLike is a decoder with the dimensions of a truth row: the GPT of
// Megatron's own tests where gated is false.
func llamaLike(d, layers, heads, kv, ffn, vocab int64, gated, tied bool) *arch.Model {
	norm, rotary := arch.RMSNorm, d/heads
	if !gated {
		norm, rotary = arch.LayerNorm, 0
	}
	m := &arch.Model{
		Name: "row", Type: "llama", Hidden: d,
		Embedding: arch.Embedding{Vocab: vocab, Width: d},
		FinalNorm: arch.NewNorm(norm, d),
		Head:      arch.Head{Tied: tied},
		Kinds: []arch.Layer{{
			Name:      "dense",
			Attention: arch.Attention{Heads: heads, KVHeads: kv, HeadDim: d / heads, ValueDim: d / heads, RotaryDim: rotary},
			FFN:       &arch.FFN{Width: ffn, Gated: gated},
			InputNorm: arch.NewNorm(norm, d), FFNNorm: arch.NewNorm(norm, d),
		}},
		Sequence: make([]int, layers),
	}
	if !gated {
		m.Embedding.Positions = 1 << 20
	}
	return m
}
