package hardware

import (
	"bytes"
	_ "embed" // for the data file
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"headroom/internal/suggest"
)

//go:embed data/efficiency.csv
var efficiencyCSV []byte

// Measurement is one published figure of how fast an accelerator, its links or
// a whole training run went. It is evidence as found; what to conclude from
// many of them is for a time model to say.
type Measurement struct {
	Accelerator string `json:"accelerator"` // slug
	// Metric is what was measured: matmul_tflops_8192cubed, busbw_all_reduce,
	// mem_bw_gemv_median, train_mfu, …; see [Metrics].
	Metric string `json:"metric"`
	DType  DType  `json:"-"`      // of the operands; none for copies
	Format string `json:"format"` // the source's word for it in lower case: fp8_block, mxfp8, nvfp4; or ""

	// PerSecond is the rate reached, in FLOP/s or bytes/s as Unit says; of one
	// accelerator. PeakPerSecond is the peak that the source divided by, which
	// may differ from the catalog's, and Share their quotient (0.8 is 80 %).
	PerSecond     float64           `json:"per_second"`
	Unit          string            `json:"unit"` // FLOP/s or B/s
	PeakPerSecond Optional[float64] `json:"peak_per_second"`
	Share         Optional[float64] `json:"share"`

	Shape        string             `json:"shape"`         // as the source says it
	MatMul       Optional[[3]int64] `json:"mnk"`           // m, n, k of a matrix product, where Shape tells
	MessageBytes Optional[int64]    `json:"message_bytes"` // of a collective, where Shape tells

	GPUs     int64           `json:"gpus"`
	Nodes    Optional[int64] `json:"nodes"`
	Software string          `json:"software"`
	Source   string          `json:"source"`
	Notes    string          `json:"notes"`
	Row      string          `json:"row"` // file:line of the row
}

var measurementColumns = strings.Fields("accelerator_slug metric dtype achieved unit peak_used efficiency_pct shape_or_size gpus nodes software source notes")

var measurementUnits = map[string]struct {
	unit  string
	scale float64
}{
	"TFLOPS": {"FLOP/s", tera},
	"GB/s":   {"B/s", giga},
	"Gb/s":   {"B/s", BytesPerGbit},
}

// measurementFormats are the sources' words for number formats.
var measurementFormats = map[string]DType{
	"": 0, "fp32": FP32, "fp16": FP16, "bf16": BF16, "int8": INT8,
	"fp8": FP8, "fp8_block": FP8, "fp8_e4m3fn": FP8, "mxfp8": FP8, "nvfp4": FP4,
}

// mostShare is the largest plausible share of a peak. Shares slightly above 1
// are real: NVLS reduces in the switch, and clocks boost above the printed rate.
const mostShare = 1.25

var builtinMeasurements = sync.OnceValue(func() []Measurement {
	all, err := ParseMeasurements("efficiency.csv", bytes.NewReader(efficiencyCSV))
	if err != nil {
		panic("hardware: " + err.Error()) // a test parses the embedded file
	}
	return all
})

// Measurements returns the embedded measurements in file order.
func Measurements() []Measurement { return slices.Clone(builtinMeasurements()) }

// Metrics returns the metrics of these measurements, each once, in
// alphabetical order.
func Metrics(all []Measurement) []string {
	var names []string
	for _, m := range all {
		names = append(names, m.Metric)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SelectMeasurements returns the measurements of an accelerator (a slug) and a
// metric in their order; an empty name is any. A slug that is not in the
// catalog or a metric that no measurement has is a [NameError]; an accelerator
// that nobody measured is an empty answer.
func SelectMeasurements(all []Measurement, accelerator, metric string) ([]Measurement, error) {
	if slugs := Builtin().Slugs(); accelerator != "" && !slices.Contains(slugs, accelerator) {
		return nil, Builtin().unknown(accelerator)
	}
	if metrics := Metrics(all); metric != "" && !slices.Contains(metrics, metric) {
		return nil, &NameError{What: "metric", Name: metric, Suggestions: suggest.Nearest(metric, metrics, 3), Known: metrics}
	}
	var found []Measurement
	for _, m := range all {
		if (accelerator == "" || m.Accelerator == accelerator) && (metric == "" || m.Metric == metric) {
			found = append(found, m)
		}
	}
	return found, nil
}

// ParseMeasurements reads measurements in the columns of data/efficiency.csv;
// file names it in errors. A share must agree with the rates to the decimals it
// has. It returns every problem at once, each a [CellError], and then no
// measurements.
func ParseMeasurements(file string, r io.Reader) ([]Measurement, error) {
	t := readTable(file, r, measurementColumns, nil)
	var all []Measurement
	for i := range t.rows {
		all = append(all, parseMeasurement(&t.rows[i]))
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return all, nil
}

func parseMeasurement(r *row) Measurement {
	m := Measurement{
		Accelerator:  parseSlug(r, "accelerator_slug"),
		Metric:       r.need("metric"),
		Format:       strings.ToLower(r.text("dtype")),
		Shape:        r.text("shape_or_size"),
		MatMul:       parseMNK(r.text("shape_or_size")),
		MessageBytes: parseBytes(r.text("shape_or_size")),
		GPUs:         r.needCount("gpus"),
		Nodes:        r.count("nodes"),
		Software:     r.text("software"),
		Source:       r.need("source"),
		Notes:        r.text("notes"),
		Row:          fmt.Sprintf("%s:%d", r.t.file, r.line),
	}
	var ok bool
	if m.DType, ok = measurementFormats[m.Format]; !ok {
		r.fail("dtype", "%s is no number format known here", quote(m.Format))
	}
	unit := measurementUnits[r.choice("unit", "TFLOPS", "GB/s", "Gb/s")]
	m.Unit = unit.unit
	m.PerSecond = r.needNumber("achieved") * unit.scale
	m.PeakPerSecond = scaled(r.number("peak_used"), unit.scale)
	m.Share = scaled(r.number("efficiency_pct"), 0.01)
	if m.PeakPerSecond.Known != m.Share.Known {
		r.fail("efficiency_pct", "a share and the peak it refers to go together")
	}
	if m.PeakPerSecond.Known && m.Share.Known && !r.bad {
		_, decimals, _ := strings.Cut(r.text("efficiency_pct"), ".")
		pct := 100 * m.PerSecond / m.PeakPerSecond.Value
		// The rates are rounded as well, hence a whole unit of the last place.
		if math.Abs(pct-100*m.Share.Value) > math.Pow10(-len(decimals)) {
			r.fail("efficiency_pct", "%s is not achieved / peak_used = %.2f%%", r.text("efficiency_pct"), pct)
		}
		if m.Share.Value > mostShare {
			r.fail("efficiency_pct", "%s%% of a peak is more than %g%%: is the peak that of another format?", r.text("efficiency_pct"), 100*mostShare)
		}
	}
	return m
}

var (
	mnkCross = regexp.MustCompile(`^([0-9]{1,9})x([0-9]{1,9})x([0-9]{1,9})(?: \((?i:mxnxk)\))?$`)
	mnkNamed = regexp.MustCompile(`^m=([0-9]{1,9}), n=([0-9]{1,9}) k=([0-9]{1,9})$`)
	sizeText = regexp.MustCompile(`^([0-9]{1,10}) ?(B|MiB|GiB)$`)
)

// parseMNK reads "4096x65536x8192 (mxnxk)" or "m=1, n=16384 k=51200".
func parseMNK(s string) Optional[[3]int64] {
	for _, pattern := range []*regexp.Regexp{mnkCross, mnkNamed} {
		if g := pattern.FindStringSubmatch(s); g != nil {
			return Known([3]int64{atoi(g[1]), atoi(g[2]), atoi(g[3])})
		}
	}
	return Optional[[3]int64]{}
}

// parseBytes reads "16 MiB", "1GiB" or "1073741824 B".
func parseBytes(s string) Optional[int64] {
	g := sizeText.FindStringSubmatch(s)
	if g == nil {
		return Optional[int64]{}
	}
	unit := map[string]int64{"B": 1, "MiB": 1 << 20, "GiB": GiB}[g[2]]
	if atoi(g[1]) > math.MaxInt64/unit {
		return Optional[int64]{}
	}
	return Known(atoi(g[1]) * unit)
}

// atoi parses at most ten decimal digits.
func atoi(digits string) int64 {
	v, _ := strconv.ParseInt(digits, 10, 64) // the patterns let nothing else through
	return v
}
