package suggest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	f := func(name string, want ...string) {
		t.Helper()
		require.Equal(t, want, Nearest(name, []string{"h100-sxm", "h200-sxm", "a100-sxm-80gb", "mi300x", "t4"}, 2))
	}
	f("h10", "h100-sxm")
	f("H100 SXM", "h100-sxm", "h200-sxm")
	f("mi30x", "mi300x")
	f("sxm", "h100-sxm", "h200-sxm")
	f("warp-drive")
}
