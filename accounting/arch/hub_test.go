package arch

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const tinyLlama = `{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100}`

func TestFromDir(t *testing.T) {
	m, err := FromDir(fstest.MapFS{"models/tiny/config.json": {Data: []byte(tinyLlama)}}, "models/tiny", Options{})
	require.NoError(t, err)
	require.Equal(t, "models/tiny/config.json", m.Source)
	_, err = FromDir(fstest.MapFS{}, "models/tiny", Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestFromHubCache(t *testing.T) {
	cache := fstest.MapFS{
		"models--org--tiny/refs/main":                      {Data: []byte("abc123\n")},
		"models--org--tiny/snapshots/abc123/config.json":   {Data: []byte(tinyLlama)},
		"models--org--tiny/snapshots/000000/config.json":   {Data: []byte("{}")},
		"models--org--commit/snapshots/abc123/config.json": {Data: []byte(tinyLlama)},
		"models--org--weights/snapshots/abc123/model.bin":  {},
	}
	for _, repo := range []string{"org/tiny", "org/commit"} {
		m, err := FromHubCache(cache, repo, Options{Layers: 1})
		require.NoError(t, err)
		require.EqualValues(t, 1, m.Layers())
	}
	for _, repo := range []string{"org/absent", "org/weights"} {
		_, err := FromHubCache(cache, repo, Options{})
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	for _, repo := range []string{"../etc", `org\x`} {
		_, err := FromHubCache(cache, repo, Options{})
		require.ErrorContains(t, err, "is not a repository name")
	}
}
