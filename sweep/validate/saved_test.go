package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const savedTable = `id,slug,model_type,precision,attention,dropout,batch,seq,saved_1_layer_bytes,saved_2_layers_bytes
saved-0012,arcee-afm-4.5b,arcee,bf16,sdpa,0,1,992,654811300,780858812
x,no-such-model-at-all,llama,bf16,sdpa,0,1,992,1,
y,llama-2-7b,llama,bf16,sdpa,0,one,992,1,
`

func TestSaved(t *testing.T) {
	header, _, _ := strings.Cut(savedTable, "\n")
	require.True(t, IsSaved(header))
	require.False(t, IsSaved("id,model_name,tp\n"))

	r, err := Saved("saved.csv", strings.NewReader(savedTable))
	require.NoError(t, err)
	require.Equal(t, 3, r.Measurements)
	require.Len(t, r.Rows, 4)
	for _, row := range r.Rows[:2] { // figures of PyTorch's own autograd, see the table's README
		require.True(t, row.Scored)
		require.Zero(t, row.Error)
	}
	require.Contains(t, r.Rows[2].Skipped, "no-such-model-at-all")
	require.Contains(t, r.Rows[3].Skipped, `batch: "one"`)
	require.Equal(t, 2, r.Memory.Scored)

	_, err = Saved("saved.csv", strings.NewReader("id,slug,saved_1_layer_bytes\n"))
	require.EqualError(t, err, "saved.csv:1: there is no column precision")
}
