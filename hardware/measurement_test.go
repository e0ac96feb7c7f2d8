package hardware_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/hardware"
)

func TestEmbeddedMeasurements(t *testing.T) {
	all := hardware.Measurements()
	require.Len(t, all, 655)
	require.Len(t, hardware.Metrics(all), 28)
	shapes, messages := 0, 0
	for _, m := range all {
		require.Positive(t, m.PerSecond, m.Row)
		require.Contains(t, []string{"FLOP/s", "B/s"}, m.Unit, m.Row)
		if m.MatMul.Known {
			shapes++
		}
		if m.MessageBytes.Known {
			messages++
		}
		if strings.HasPrefix(m.Metric, "matmul_tflops_") {
			require.True(t, m.MatMul.Known, m.Row)
			require.NotZero(t, m.DType, m.Row)
		}
	}
	require.Equal(t, 302, shapes) // 182 + 90 + 20 crossed, 10 named
	require.Equal(t, 254, messages)
}

// The best shape of mamf-finder on an H100, as ml-engineering prints it.
func TestMeasurement(t *testing.T) {
	found, err := hardware.SelectMeasurements(hardware.Measurements(), "h100-sxm", "matmul_tflops_best_shape")
	require.NoError(t, err)
	m := found[0]
	require.Equal(t, hardware.BF16, m.DType)
	require.Equal(t, 794.5e12, m.PerSecond)
	require.Equal(t, "FLOP/s", m.Unit)
	require.Equal(t, hardware.Known(989e12), m.PeakPerSecond)
	require.InDelta(t, 0.803, m.Share.Value, 1e-12)
	require.Equal(t, hardware.Known([3]int64{2048, 2048, 13312}), m.MatMul)
	require.EqualValues(t, 1, m.GPUs)

	found, err = hardware.SelectMeasurements(hardware.Measurements(), "", "internode_nic_write")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, 193.72e9/8, found[0].PerSecond, "bits to bytes")

	found, err = hardware.SelectMeasurements(hardware.Measurements(), "t4", "")
	require.NoError(t, err)
	require.Empty(t, found)

	_, err = hardware.SelectMeasurements(hardware.Measurements(), "h10", "")
	require.EqualError(t, err, `unknown accelerator "h10": did you mean h100-sxm?`)
	_, err = hardware.SelectMeasurements(hardware.Measurements(), "", "busbw_allreduce")
	require.EqualError(t, err, `unknown metric "busbw_allreduce": did you mean busbw_all_reduce?`)
}

const (
	measurementHeader = "accelerator_slug,metric,dtype,achieved,unit,peak_used,efficiency_pct,shape_or_size,gpus,nodes,software,source,notes\n"
	measurementRow    = "h100-sxm,matmul,bf16,750,TFLOPS,1000,75.0,8x8x8,1,1,torch,here,"
)

func TestParseMeasurementShapes(t *testing.T) {
	f := func(shape string, mnk hardware.Optional[[3]int64], bytes hardware.Optional[int64]) {
		t.Helper()
		all, err := hardware.ParseMeasurements("e.csv", strings.NewReader(measurementHeader+strings.Replace(measurementRow, "8x8x8", `"`+shape+`"`, 1)))
		require.NoError(t, err)
		require.Equal(t, mnk, all[0].MatMul)
		require.Equal(t, bytes, all[0].MessageBytes)
	}
	none, no := hardware.Optional[[3]int64]{}, hardware.Optional[int64]{}
	f("1x2x3", hardware.Known([3]int64{1, 2, 3}), no)
	f("1x2x3 (mxnxk)", hardware.Known([3]int64{1, 2, 3}), no)
	f("1x2x3 (MxNxK)", hardware.Known([3]int64{1, 2, 3}), no)
	f("m=1, n=2 k=3", hardware.Known([3]int64{1, 2, 3}), no)
	f("16 MiB", none, hardware.Known[int64](16<<20))
	f("4GiB", none, hardware.Known[int64](4<<30))
	f("1073741824 B", none, hardware.Known[int64](1<<30))
	f("not stated", none, no)
	f("", none, no)
	f("99999999999999999999 B", none, no)
	f("9999999999 GiB", none, no)
}

func FuzzParseMeasurements(f *testing.F) {
	f.Add(measurementHeader + measurementRow)
	f.Add(measurementHeader + strings.Replace(measurementRow, "8x8x8", "9999999999 GiB", 1))
	f.Fuzz(func(t *testing.T, data string) {
		all, err := hardware.ParseMeasurements("f.csv", strings.NewReader(data))
		if err != nil {
			require.Empty(t, all)
		}
		for _, m := range all {
			require.Positive(t, m.PerSecond)
			require.GreaterOrEqual(t, m.MessageBytes.Or(0), int64(0))
		}
	})
}

func ExampleSelectMeasurements() {
	cubes, err := hardware.SelectMeasurements(hardware.Measurements(), "a100-sxm-80gb", "matmul_tflops_8192cubed")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range cubes {
		if m.DType == hardware.BF16 && strings.HasPrefix(m.Software, "trtllm") {
			fmt.Printf("%s reaches %.1f TFLOP/s bf16, %.1f%% of %g\n", m.Accelerator, m.PerSecond/1e12, 100*m.Share.Value, m.PeakPerSecond.Value/1e12)
		}
	}
	// Output: a100-sxm-80gb reaches 262.5 TFLOP/s bf16, 84.1% of 312
}
