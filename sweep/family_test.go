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
