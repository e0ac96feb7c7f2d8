package accounting

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// FLOPs that PyTorch counts while transformers runs one forward pass of small
// models of every type it has. testdata/count_flops.py wrote them (transformers
// 5.24.0, torch 2.15.0).
func TestCountedForwardFLOPs(t *testing.T) {
	f, err := os.Open("testdata/flops.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		m, err := arch.ImportBytes("config.json", []byte(row[1]), arch.Options{})
		require.NoError(t, err, row[1])
		k, err := Compile(NewLedger(m, mixedRecipe(t), &megatronProfile))
		require.NoError(t, err, row[1])
		tokens, err := strconv.ParseInt(row[2], 10, 64)
		require.NoError(t, err)
		want, err := strconv.ParseFloat(row[3], 64)
		require.NoError(t, err)
		require.Equal(t, want, k.ForwardFLOPs(1, tokens, FullSquare), row[1])
	}
}
