package arch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The bodies are those of published models: given their sizes they have their
// counts.
func TestDimensions(t *testing.T) {
	f := func(d Dimensions, want string) {
		t.Helper()
		m, err := d.Model()
		require.NoError(t, err)
		got, err := m.ParameterCount()
		require.NoError(t, err)
		p, err := Lookup(want, Options{})
		require.NoError(t, err)
		c, err := p.ParameterCount()
		require.NoError(t, err)
		require.Equal(t, c.Total, got.Total)
		require.Equal(t, c.Active, got.Active)
	}
	f(Dimensions{Hidden: 4096, Layers: 32, Vocab: 32000}, "llama-2-7b") // all defaults: 32 heads, 11008
	f(Dimensions{Hidden: 4096, Layers: 32, Vocab: 128256, KVHeads: 8, FFN: 14336}, "llama-3.1-8b")
	f(Dimensions{Body: "gpt", Hidden: 1600, Layers: 48, Vocab: 50257, Heads: 25}, "gpt2-xl")
	f(Dimensions{Body: "seed", Hidden: 768, Layers: 12, Vocab: 50257, Heads: 12}, "seed-gpt2-small")
	f(Dimensions{Hidden: 4096, Layers: 32, Vocab: 32000, KVHeads: 8, FFN: 14336, Experts: 8}, "mixtral-8x7b")
}

func TestBadDimensions(t *testing.T) {
	f := func(d Dimensions, want string) {
		t.Helper()
		_, err := d.Model()
		require.EqualError(t, err, want)
	}
	f(Dimensions{}, "hidden is missing\nlayers is missing\nvocab is missing")
	f(Dimensions{Hidden: -1, Layers: 1, Vocab: 1, KVHeads: -2}, "hidden is -1; want a positive number\nkv_heads is -2; want a positive number")
	f(Dimensions{Hidden: 64, Layers: 1_000_000_000, Vocab: 1}, "layers is 1000000000; more than 100000 is not a transformer")
	f(Dimensions{Hidden: 100, Layers: 1, Vocab: 1}, "hidden 100 is not a multiple of the head width 64; give heads")
	f(Dimensions{Hidden: 100, Layers: 1, Vocab: 1, Heads: 3}, "3 heads do not divide hidden 100; give head_dim")
	f(Dimensions{Hidden: 128, Layers: 1, Vocab: 1, Heads: 8, KVHeads: 3}, "3 kv_heads do not divide 8 heads")
	f(Dimensions{Hidden: 128, Layers: 1, Vocab: 1, Body: "bert"}, `body is "bert"; want llama, gpt or seed`)
	f(Dimensions{Hidden: 128, Layers: 1, Vocab: 1, Experts: 2, TopK: 3}, "top_k 3 is more than the 2 experts")
	f(Dimensions{Hidden: 128, Layers: 1, Vocab: 1, TopK: 3}, "top_k and shared_ffn need experts")
	f(Dimensions{Hidden: 1 << 30, Layers: 1 << 16, Vocab: 1}, "the parameters do not fit in 63 bits")
}
