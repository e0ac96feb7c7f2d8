package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// A picture is what both kinds can do.
type picture interface {
	Write(w io.Writer, f Format) error
}

var exampleFront = Front{
	Title: "llama-3.1-8b, 1T tokens",
	Points: []Point{
		{Series: "h100-sxm", Label: "1024 × h100-sxm", Days: 1.3, USD: 77687, DaysLow: 1.1, DaysHigh: 1.6, OnFront: true},
		{Series: "b200-sxm", Label: "1024 × b200-sxm", Days: 0.92, USD: 124814, DaysLow: 0.77, DaysHigh: 1.1, OnFront: true},
		{Series: "h100-sxm", Label: "512 × h100-sxm", Days: 2.4, USD: 70852, DaysLow: 2, DaysHigh: 2.9, OnFront: true, Winner: true},
		{Series: "a100-sxm-80gb", Days: 6, USD: 110000, DaysLow: 5, DaysHigh: 7},
	},
	BudgetUSD: 90000, DeadlineDays: 4,
}

var exampleMemory = Memory{
	Title: "seed-gpt2-xl", Axis: "micro batch", X: []int64{1, 2, 3, 4}, Bytes: []int64{50253699072, 67761055744, 85268412416, 102775769088},
	Coefficients: []float64{32746342400, 17507356672}, CapacityBytes: 80e9, Capacity: "80GB", Largest: 2, LargestBytes: 67761055744,
}

func TestPictures(t *testing.T) {
	for _, x := range []struct {
		name string
		picture
		says []string
	}{
		{"front", exampleFront, []string{"llama-3.1-8b, 1T tokens", "days of training", "US dollars", "512 × h100-sxm", "a100-sxm-80gb", "budget $90K", "deadline 4 days", "winner", "$100K"}},
		{"memory", exampleMemory, []string{"seed-gpt2-xl", "micro batch", "peak memory, GiB", "capacity 80GB, 74.51 GiB", "fitted curve", "largest that fits: 2"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var svg, again, image bytes.Buffer
			require.NoError(t, x.Write(&svg, SVG))
			require.NoError(t, x.Write(&again, SVG))
			require.Equal(t, svg.Bytes(), again.Bytes(), "the same picture is the same bytes")
			dec := xml.NewDecoder(&again)
			for {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else {
					require.NoError(t, err)
				}
			}
			for _, text := range x.says {
				require.Contains(t, svg.String(), text)
			}
			require.NoError(t, x.Write(&image, PNG))
			decoded, err := png.Decode(&image)
			require.NoError(t, err)
			require.Greater(t, decoded.Bounds().Dx(), 600)
			require.Error(t, x.Write(io.Discard, "pdf"))
			require.Error(t, x.Write(failing{}, SVG))
		})
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestPicturesRefuse(t *testing.T) {
	require.ErrorContains(t, Front{}.Write(io.Discard, SVG), "no choice")
	require.ErrorContains(t, Front{Points: []Point{{Days: math.NaN(), USD: 1}}}.Write(io.Discard, SVG), "not a number")
	require.ErrorContains(t, Front{Points: []Point{{Days: 1}}}.Write(io.Discard, SVG), "costs nothing")
	require.ErrorContains(t, Memory{}.Write(io.Discard, SVG), "no memory")
	m := exampleMemory
	m.Coefficients = []float64{math.Inf(1)}
	require.ErrorContains(t, m.Write(io.Discard, SVG), "not a number")
	// One point alone is drawn.
	require.NoError(t, Front{Points: []Point{{Days: 1, USD: 1, OnFront: true, Label: "x"}}}.Write(io.Discard, SVG))
	require.NoError(t, Memory{X: []int64{1}, Bytes: []int64{1 << 30}, CapacityBytes: 1 << 30}.Write(io.Discard, SVG))
}

func TestFormatOf(t *testing.T) {
	f := func(path string, want Format) {
		t.Helper()
		got, err := FormatOf(path)
		require.Equal(t, want, got)
		require.Equal(t, want == "", err != nil)
	}
	f("a.svg", SVG)
	f("dir.png/a.PNG", PNG)
	f("a.pdf", "")
	f("a", "")
	f("", "")
}

func TestLogTicks(t *testing.T) {
	f := func(low, high float64, want ...string) {
		t.Helper()
		var got []string
		for _, tick := range (logTicks{short}).Ticks(low, high) {
			if tick.Label != "" {
				got = append(got, tick.Label)
			}
		}
		require.Equal(t, want, got)
	}
	f(0.5, 60, "0.5", "1", "2", "5", "10", "20", "50")
	f(900, 5000, "900", "1K", "2K", "3K", "4K", "5K")
	f(1.1e6, 1.9e6, "1.2M", "1.5M")
	f(0.86e6, 2.6e6, "900K", "1M", "1.2M", "1.5M", "2M", "2.5M")
	f(0, 1)
	f(2, 1)
}
