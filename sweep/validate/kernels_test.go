package validate

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
	"headroom/hardware"
)

const kernelsFile = "../../accounting/time_kernels.go"

// TestKernels holds the prior of the time model's kernels to the fit on rates
// measured alone (hardware/data/efficiency.csv), and says how well the fit
// predicts shapes that it has not seen.
func TestKernels(t *testing.T) {
	all := kernels(hardware.Measurements())
	c, gain := calibrateKernels(all)
	if *update {
		require.NoError(t, os.WriteFile(kernelsFile, fittedSource(t, "kernels", "matrix products and collectives measured alone", "TestKernels", accounting.Guess(), c, func(x accounting.Constant) bool { return x.Kernel }), 0o644))
		return
	}
	want := c.Constants()
	for i, x := range accounting.Prior().Constants() {
		if x.Kernel {
			require.InEpsilon(t, *want[i].Value, *x.Value, 0.01, x.Name+": run go test ./sweep/validate -run TestKernels -update")
		}
	}
	t.Logf("the 99th percentile of shapes takes %.1f %% less time than others", -100*math.Expm1(gain))
	for _, s := range StudyKernels() {
		t.Logf("%-40s %3d rates, median error %5.1f %%, with the shape held out %5.1f %%, 90th percentile %5.1f %%, bias %+5.1f %%", s.Name, s.Rates, 100*s.Seen, 100*s.Unseen, 100*s.P90, 100*s.Bias)
		if s.Rates > 4 && !strings.Contains(s.Name, "PCIe") { // from 1 to 23 GB/s on like hosts, by what their processors pass on
			require.Less(t, s.Unseen, 0.2, s.Name)
		}
	}
}
