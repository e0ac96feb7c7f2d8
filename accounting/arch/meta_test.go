package arch

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Totals that transformers itself gives when it builds the model on PyTorch's
// meta device, for embedded configs, for each class's defaults and for random
// small variations. testdata/count_meta.py wrote them (transformers 5.23.0,
// torch 2.15.0).
func TestTransformersCounts(t *testing.T) {
	f, err := os.Open("testdata/meta_counts.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		name, modelType, config := row[0], row[1], row[2]
		want, err := strconv.ParseInt(row[3], 10, 64)
		require.NoError(t, err)
		t.Run(modelType+"/"+name, func(t *testing.T) {
			var m *Model
			var err error
			if config == "" {
				m, err = Lookup(name, Options{})
			} else {
				m, err = ImportBytes(name, []byte(config), Options{})
			}
			require.NoError(t, err, config)
			c, err := m.ParameterCount()
			require.NoError(t, err)
			require.Equal(t, want, c.Total, config)
		})
	}
}
