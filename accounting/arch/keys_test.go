package arch

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// One key after another of each configuration class with another value, as
// transformers counts it (testdata/count_keys.py; transformers 5.24.0, torch
// 2.15.0). Import either gives the same count or, where the value contradicts
// others (more experts a token than there are, heads that do not divide), none.
func TestEveryKeyCounts(t *testing.T) {
	f, err := os.Open("testdata/key_counts.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var base map[string]json.RawMessage
	counted, refused := 0, 0
	for _, row := range rows[1:] {
		key, value := row[1], row[2]
		want, err := strconv.ParseInt(row[3], 10, 64)
		require.NoError(t, err)
		if key == "" {
			base = nil
			require.NoError(t, json.Unmarshal([]byte(value), &base))
		}
		config := map[string]json.RawMessage{}
		for k, v := range base {
			if k != key {
				config[k] = v
			}
		}
		if key != "" && value != "" {
			config[key] = json.RawMessage(value)
		}
		text, err := json.Marshal(config)
		require.NoError(t, err)
		m, err := ImportBytes("config.json", text, Options{})
		if err != nil {
			require.NotEmpty(t, key, "%s: %v", text, err)
			refused++
			continue
		}
		counted++
		c, err := m.ParameterCount()
		require.NoError(t, err)
		require.Equal(t, want, c.Total, "%s of %s", key, text)
	}
	t.Logf("%d counted, %d refused", counted, refused)
	require.Less(t, refused, counted/5, "%d refused, %d counted", refused, counted)
}

// keyBases are the base configs of testdata/key_counts.csv, one a model_type.
func keyBases(tb testing.TB) [][]byte {
	tb.Helper()
	f, err := os.Open("testdata/key_counts.csv")
	require.NoError(tb, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(tb, err)
	var out [][]byte
	for _, row := range rows[1:] {
		if row[1] == "" {
			out = append(out, []byte(row[2]))
		}
	}
	return out
}
