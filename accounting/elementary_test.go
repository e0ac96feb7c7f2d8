package accounting

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestElementaryFunctions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(1e-9, 1e9).Draw(t, "x")
		y := rapid.Float64Range(-20, 20).Draw(t, "y")
		require.InDelta(t, math.Log2(x), log2(x), 1e-13)
		require.InEpsilon(t, math.Exp(y), exp(y), 1e-13)
		require.InEpsilon(t, math.Pow(x, y/20), pow(x, y/20), 1e-13)
	})
	require.Equal(t, 0.0, log2(1))
	require.Equal(t, 10.0, log2(1024))
	require.Equal(t, 1.0, exp(0))
	require.Equal(t, 0.0, pow(0, 2))
	require.Equal(t, 1.0, pow(1, 0.3))
}

// TestNoFusedMultiplyAdd compiles the package for a processor whose compiler
// fuses x*y + z into one rounding, and finds none: the same case has the same
// bytes everywhere.
func TestNoFusedMultiplyAdd(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package for another processor")
	}
	cmd := exec.Command("go", "build", "-gcflags=-S", "-o", filepath.Join(t.TempDir(), "out.a"), ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	listing, err := cmd.CombinedOutput()
	require.NoError(t, err, string(listing))
	fused := regexp.MustCompile(`\(([^()]*\.go:\d+)\)\s+FN?M(?:ADD|SUB)D`)
	seen := map[string]bool{}
	for _, m := range fused.FindAllStringSubmatch(string(listing), -1) {
		seen[m[1]] = true
	}
	require.Empty(t, seen, "write float64(x*y) where a product feeds a sum")
}
