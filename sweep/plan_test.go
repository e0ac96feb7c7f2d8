package sweep

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A dataset gives back the architectures that its rows were made from, or none.
func TestModelOf(t *testing.T) {
	t.Parallel()
	s := loadText(t, "grid: {model: [gpt2, llama-3@1B, {name: mine, hidden: 64, layers: 2, heads: 2, vocab: 128, ffn: 128}], accelerator: [h100-sxm]}")
	p := s.dataset("1")
	require.Len(t, p.Models, 1)
	for _, want := range s.Models {
		got, err := ModelOf(&p, want.Name)
		require.NoError(t, err)
		require.Equal(t, bareJSON(want), bareJSON(got))
		require.Equal(t, want.Name, got.Name)
	}

	id := p.RunID()
	p.Models["mine"] = []byte(strings.Replace(string(p.Models["mine"]), `"Hidden":64`, `"Hidden":65`, 1))
	require.Equal(t, id, p.RunID(), "the study's hashes tell models apart")
	_, err := ModelOf(&p, "mine")
	require.EqualError(t, err, "the dataset's model mine is not what this build takes it for")
	p.Models["mine"] = []byte(`{"Hidden": "wide"}`)
	_, err = ModelOf(&p, "mine")
	require.ErrorContains(t, err, "the dataset's model mine: json: ")
	delete(p.Models, "mine")
	_, err = ModelOf(&p, "mine")
	require.ErrorContains(t, err, `no model is called "mine"`)
}
