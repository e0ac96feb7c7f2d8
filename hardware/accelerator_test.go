package hardware_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/hardware"
)

func gib(bytes int64) float64 { return float64(bytes) / hardware.GiB }

func part(t *testing.T, slug string) hardware.Accelerator {
	t.Helper()
	a, err := hardware.Lookup(slug)
	require.NoError(t, err)
	require.Equal(t, slug, a.Slug)
	return a
}

// The figures are those of the H100 data sheet, sparse rates halved and the
// link taken in one direction.
func TestH100(t *testing.T) {
	a := part(t, "h100-sxm")
	require.Equal(t, "NVIDIA", a.Vendor)
	require.EqualValues(t, 80<<30, a.NominalBytes)
	require.InDelta(t, 79.2, gib(a.UsableBytes), 0.1, "80 GB parts show torch 79.14 to 79.33 GiB")
	require.Equal(t, "torch total_memory reported for this part, 79.14 GiB", a.UsableSource)
	require.Equal(t, 3.35e12, a.MemoryBytesPerSecond)
	require.Equal(t, hardware.Known(450e9), a.ScaleUpBytesPerSecond)
	require.Equal(t, a.ScaleUpBytesPerSecond, a.ScaleUpPeerBytesPerSecond, "through a switch")
	require.Equal(t, "900 GB/s bidirectional", a.ScaleUpVendor)
	require.Equal(t, "hopper", a.Architecture)
	require.Equal(t, hardware.Known(int64(132)), a.ComputeUnits)
	require.Equal(t, hardware.Known(63e9), a.PCIeBytesPerSecond)
	require.Equal(t, hardware.Known(50e9), a.NICBytesPerSecond, "400 Gb/s")
	require.Equal(t, hardware.Known(700.0), a.TDPWatts)
	require.Equal(t, hardware.Known(int64(8)), a.GPUsPerNode)
	require.Equal(t, []string{"year"}, a.FromMemory)

	bf16, ok := a.PeakFLOPS(hardware.BF16)
	require.True(t, ok)
	require.Equal(t, 989.5e12, bf16)
	fp8, ok := a.PeakFLOPS(hardware.FP8)
	require.True(t, ok)
	require.Equal(t, 1979e12, fp8)
	_, ok = a.PeakFLOPS(hardware.FP4)
	require.False(t, ok, "Hopper has no FP4")
	_, ok = a.PeakFLOPS(0)
	require.False(t, ok)
	_, ok = a.PeakFLOPS(200)
	require.False(t, ok)
}

func TestUsableMemory(t *testing.T) {
	f := func(slug string, want float64, source string) {
		t.Helper()
		a := part(t, slug)
		require.InDelta(t, want, gib(a.UsableBytes), 0.005)
		require.Equal(t, source, a.UsableSource)
	}
	f("b300-sxm", 268.59, "driver total reported for this part, 268.59 GiB")
	f("b200-sxm", 178.35, "torch total_memory reported for this part, 178.35 GiB")
	f("h200-sxm", 139.80, "torch total_memory reported for this part, 139.80 GiB")
	f("mi300x", 191.98, "torch total_memory reported for this part, 191.98 GiB")
	f("l40s", 44.99, "driver total reported for this part, 44.99 GiB")
	// The seventh share of fourteen is the B200's, the eighth of fifteen (with the
	// MI300X) the H200's.
	f("h20-sxm", 96*178.35/180, "rule: 99.1% of nominal, the median of 14 NVIDIA HBM parts with a reported figure")
	f("mi325x", 256*139.80/141, "rule: 99.1% of nominal, the median of 15 HBM parts with a reported figure")
}

func TestUnknownIsNotZero(t *testing.T) {
	a := part(t, "t4")
	require.Equal(t, hardware.Optional[float64]{}, a.ScaleUpBytesPerSecond)
	require.Equal(t, hardware.Known(int64(1)), a.ScaleUpDomain)
	require.Equal(t, "unknown", a.ScaleUpBytesPerSecond.String())
	require.Equal(t, 7.0, a.ScaleUpBytesPerSecond.Or(7))
	_, ok := a.PeakFLOPS(hardware.BF16)
	require.False(t, ok, "Turing has no BF16")
}

func TestEveryAcceleratorIsSound(t *testing.T) {
	all := hardware.Accelerators()
	require.Len(t, all, 61)
	for _, a := range all {
		require.Positive(t, a.UsableBytes, a.Slug)
		require.LessOrEqual(t, a.UsableBytes, a.NominalBytes, a.Slug)
		require.Greater(t, gib(a.UsableBytes), 0.9*a.NominalGB, a.Slug)
		require.NotEmpty(t, a.UsableSource, a.Slug)
		require.NotEmpty(t, a.Source, a.Slug)
		known := 0
		for _, d := range hardware.DTypes() {
			if v, ok := a.PeakFLOPS(d); ok {
				require.Positive(t, v, a.Slug)
				known++
			}
		}
		require.Positive(t, known, a.Slug)
		require.GreaterOrEqual(t, a.ScaleUpDomain.Or(1), int64(1), a.Slug)
	}
}

func TestPerDevice(t *testing.T) {
	a := part(t, "mi250x")
	require.EqualValues(t, 2, a.Devices)
	d := a.PerDevice()
	require.EqualValues(t, 64<<30, d.NominalBytes)
	require.Equal(t, a.UsableBytes/2, d.UsableBytes)
	bf16, _ := d.PeakFLOPS(hardware.BF16)
	require.Equal(t, 191.5e12, bf16, "one GCD of two")
	require.Equal(t, hardware.Known(int64(8)), d.GPUsPerNode)
	require.Equal(t, hardware.Known(175e9), d.ScaleUpBytesPerSecond)
	require.False(t, d.NICBytesPerSecond.Known)
	require.Equal(t, hardware.Known(int64(110)), d.ComputeUnits)
	require.Equal(t, d, d.PerDevice())
	require.Equal(t, part(t, "h100-sxm"), part(t, "h100-sxm").PerDevice())
}

func TestMeshPeers(t *testing.T) {
	a := part(t, "mi300x")
	require.Equal(t, hardware.Known(64e9), a.ScaleUpPeerBytesPerSecond)
	require.Equal(t, a.ScaleUpBytesPerSecond.Value, 7*a.ScaleUpPeerBytesPerSecond.Value)
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(part(t, "t4"))
	require.NoError(t, err)
	require.Contains(t, string(text), `"peak_per_second":{"fp16":65000000000000,"fp32":8100000000000,"int8":130000000000000}`)
	require.Contains(t, string(text), `"scale_up_bytes_per_second":null`)
	require.Contains(t, string(text), `"tdp_watts":70`)
	require.Contains(t, string(text), `"from_memory":["year","pcie"]`)
	text, err = json.Marshal(hardware.Accelerators())
	require.NoError(t, err)
	require.NotContains(t, string(text), `"from_memory":null`)
	require.Equal(t, "70", part(t, "t4").TDPWatts.String())
}

func TestDTypes(t *testing.T) {
	for _, d := range hardware.DTypes() {
		got, err := hardware.ParseDType(d.String())
		require.NoError(t, err)
		require.Equal(t, d, got)
	}
	_, err := hardware.ParseDType("bf61")
	require.EqualError(t, err, `unknown number format "bf61": did you mean bf16?`)
	_, err = hardware.ParseDType("posit")
	require.EqualError(t, err, `unknown number format "posit": known are fp64, fp32, tf32, fp16, bf16, fp8, fp4, int8`)
	require.Empty(t, hardware.DType(0).String())
	require.Equal(t, "DType(99)", hardware.DType(99).String())
}

func ExampleLookup() {
	a, err := hardware.Lookup("nvidia h100 sxm5")
	if err != nil {
		fmt.Println(err)
		return
	}
	peak, _ := a.PeakFLOPS(hardware.BF16)
	fmt.Printf("%s: %g GB printed, %.2f GiB usable, %.1f TFLOP/s bf16\n",
		a.Slug, a.NominalGB, float64(a.UsableBytes)/hardware.GiB, peak/1e12)
	_, err = hardware.Lookup("h10")
	fmt.Println(err)
	// Output:
	// h100-sxm: 80 GB printed, 79.14 GiB usable, 989.5 TFLOP/s bf16
	// unknown accelerator "h10": did you mean h100-sxm?
}

func ExampleResolve() {
	r, err := hardware.Resolve("A100-80GB")
	fmt.Println(r.Accelerator.Slug, "-", r.Assumption, err)
	_, err = hardware.Resolve("v100")
	fmt.Println(err)
	// Output:
	// a100-sxm-80gb - the SXM board is meant <nil>
	// ambiguous accelerator "v100": name one of v100-sxm-16gb, v100-sxm-32gb, v100-pcie-16gb
}
