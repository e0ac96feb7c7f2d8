package sweep

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// At the count of a published model its own shapes come out.
func TestFamilyMembersAreFixedPoints(t *testing.T) {
	for _, f := range modelFamilies {
		members, err := f.published()
		require.NoError(t, err)
		for _, m := range members {
			n, err := m.model.ParameterCount()
			require.NoError(t, err)
			got, err := f.scale(n.Total)
			require.NoError(t, err)
			require.Equal(t, m.model.Hidden, got.Hidden, m.preset.Name)
			require.Equal(t, m.model.Layers(), got.Layers(), m.preset.Name)
			require.Equal(t, m.model.Kinds[0].FFN.Width, got.Kinds[0].FFN.Width, m.preset.Name)
			have, err := got.ParameterCount()
			require.NoError(t, err)
			require.Equal(t, n, have, m.preset.Name)
		}
	}
}

func TestFamilySizesAreNear(t *testing.T) {
	for _, f := range modelFamilies {
		for _, want := range []int64{500e6, 1e9, 3e9, 13e9, 30e9, 175e9} {
			m, err := f.scale(want)
			require.NoError(t, err)
			n, err := m.ParameterCount()
			require.NoError(t, err)
			t.Log(m.Name, m.Source)
			require.InEpsilon(t, want, n.Total, 0.06)
		}
	}
}
