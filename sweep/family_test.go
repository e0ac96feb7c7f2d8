package sweep

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// At the count of a published member its own shapes come out.
func TestFamilyMembersAreFixedPoints(t *testing.T) {
	for _, f := range modelFamilies {
		members, err := familyMembers(f.name)
		require.NoError(t, err)
		for _, m := range members {
			n, err := m.ParameterCount()
			require.NoError(t, err)
			require.Equal(t, m, nearestMember(members, n.Total))
			got, _, err := arch.ScaleFamily(m, n.Total)
			require.NoError(t, err)
			have, err := got.ParameterCount()
			require.NoError(t, err)
			require.Equal(t, n.Total, have.Total, m.Name)
		}
	}
}

func TestScaledModel(t *testing.T) {
	m, err := ScaledModel("llama-3", 13_456_789_012)
	require.NoError(t, err)
	require.Equal(t, "llama-3@13.5B", m.Name)
	n, err := m.ParameterCount()
	require.NoError(t, err)
	require.InEpsilon(t, 13.46e9, float64(n.Total), 0.1)
	_, err = ScaledModel("lama-3", 1e9)
	require.ErrorContains(t, err, "llama-3")
}

// The name that rows of a scaled family have stands for the same model wherever a
// model is named.
func TestFamilyMember(t *testing.T) {
	m, ok, err := FamilyMember("llama-3@3B")
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, "llama-3@3B", m.Name)
	n, err := m.ParameterCount()
	require.NoError(t, err)
	require.EqualValues(t, 3_011_410_944, n.Total)

	_, ok, _ = FamilyMember("llama-3.1-8b")
	require.False(t, ok)
	_, ok, err = FamilyMember("llama-3@3X")
	require.True(t, ok)
	require.ErrorContains(t, err, `unknown suffix "X"`)
	_, _, err = FamilyMember("llama-3@1K")
	require.EqualError(t, err, "llama-3@1K: parameters must be from 1M to 100T")
	_, _, err = FamilyMember("llama-9@1B")
	require.ErrorContains(t, err, `unknown family "llama-9"`)
}
