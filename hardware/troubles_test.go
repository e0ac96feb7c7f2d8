package hardware

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is wrong with several accelerators is said once, in the order it was found, and an
// accelerator twice in a list is named once.
func TestTroubles(t *testing.T) {
	var all Troubles
	require.Empty(t, all.Sentences())
	for _, slug := range []string{"t4", "v100", "t4", "p100"} {
		all.Add(slug, errors.New(slug+" has no bf16: choose another recipe"))
	}
	all.Add("a100", errors.New("a100 has no fp8"))
	require.Equal(t, []string{"t4, v100 and p100 have no bf16: choose another recipe", "a100 has no fp8"}, all.Sentences())
}
