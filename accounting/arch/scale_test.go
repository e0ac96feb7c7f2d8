package arch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScaleFamily(t *testing.T) {
	f := func(base string, target, hidden, layers, heads, kv, ffn, total int64) {
		t.Helper()
		b, err := Lookup(base, Options{})
		require.NoError(t, err)
		m, rule, err := ScaleFamily(b, target)
		require.NoError(t, err)
		require.NotEmpty(t, rule)
		c, err := m.ParameterCount()
		require.NoError(t, err)
		l := m.Kinds[len(m.Kinds)-1]
		got := []int64{m.Hidden, m.Layers(), l.Attention.Heads, l.Attention.KVHeads, 0, c.Total}
		if l.FFN != nil {
			got[4] = l.FFN.Width
		} else {
			got[4] = l.MoE.Expert.Width
		}
		require.Equal(t, []int64{hidden, layers, heads, kv, ffn, total}, got, rule)
		require.Equal(t, b.Head, m.Head)
		require.Equal(t, b.Kinds[0].Attention.HeadDim, l.Attention.HeadDim)
	}
	// Its own size gives the model itself.
	f("llama-3.1-8b", 8_030_261_248, 4096, 32, 32, 8, 14336, 8_030_261_248)
	f("llama-2-7b", 6_738_415_616, 4096, 32, 32, 32, 11008, 6_738_415_616)
	f("gpt2-xl", 1_557_611_200, 1600, 48, 25, 25, 6400, 1_557_611_200)
	f("deepseek-v3", 671_026_419_200, 7168, 61, 128, 128, 2048, 671_026_419_200)
	f("gemma-3-1b", 999_885_952, 1152, 26, 4, 1, 6912, 999_885_952)
	f("falcon-7b", 6_921_720_704, 4544, 32, 71, 1, 18176, 6_921_720_704)
}

func TestScaleFamilyNear(t *testing.T) {
	for _, base := range Presets() {
		b, err := base.Model(Options{})
		require.NoError(t, err)
		if len(b.Encoder) > 0 || len(b.Extras) > 0 || b.Embedding.Width != b.Hidden {
			_, _, err := ScaleFamily(b, 1_000_000_000)
			require.ErrorContains(t, err, "cannot be scaled")
			continue
		}
		for _, target := range []int64{3_000_000_000, 70_000_000_000} {
			m, _, err := ScaleFamily(b, target)
			require.NoError(t, err, base.Name)
			c, err := m.ParameterCount()
			require.NoError(t, err)
			require.InEpsilon(t, target, c.Total, 0.35, base.Name)
		}
	}
}

func TestScaleFamilyRefuses(t *testing.T) {
	b, err := Lookup("llama-3.1-8b", Options{})
	require.NoError(t, err)
	_, _, err = ScaleFamily(b, 0)
	require.EqualError(t, err, "a family member of 0 parameters: want a positive number")
	_, _, err = ScaleFamily(b, 1000)
	require.EqualError(t, err, "llama-3.1-8b has no member near 1000 parameters: the nearest is 1 layers of width 512 with 134743552 parameters")
}
