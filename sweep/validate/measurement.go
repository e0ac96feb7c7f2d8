package validate

import (
	"bufio"
	_ "embed" // for the default measurements
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"headroom/internal/suggest"
)

//go:embed data/measured.csv
var builtin string

// Builtin returns the embedded published measurements.
func Builtin() []Measurement {
	rows, bad, err := Read("measured.csv", strings.NewReader(builtin))
	if err != nil || len(bad) > 0 {
		panic(fmt.Sprint("validate: ", err, bad)) // a test reads the embedded file
	}
	return rows
}

// A Measurement is one published run. Zero, nil or "" means that the source does
// not say; no figure here can be zero in truth.
type Measurement struct {
	Line     int // in the file
	ID       string
	Source   string
	URL      string // or path
	Year     string
	Kinds    []string // what was measured, as the source's row names it
	Notes    string
	Model    string
	FFNKind  string // swiglu, geglu, gelu, relu, relu2
	GPU      string
	ParamsB  float64 // billions, as published
	Layers   int64
	Hidden   int64
	Heads    int64
	KVHeads  int64
	FFN      int64 // of one expert for a mixture of experts
	Vocab    int64
	Tied     *bool
	Experts  int64
	TopK     int64
	Context  int64
	Batch    int64 // sequences a step
	BatchTok int64 // tokens a step

	MicroBatch, GPUs        int64
	TP, PP, VPP, CP, EP, DP int64
	ZeRO                    *int64
	SP                      *bool
	Recompute               string // none, selective, full, other
	Attention               string
	Precision               string // bf16, fp16, fp32, amp, fp8, mxfp8, nvfp4
	Optimizer               string
	Tokens                  float64 // of the whole run
	TokensPerSecondPerGPU   float64
	StepSeconds             float64
	TFLOPSPerGPU            float64
	MFUPercent, HFUPercent  float64
	PeakMemoryGiB           float64 // the printed number; see [Definition]
	GPUHours                float64
}

// Family is the part of the id before its number: the runs of one publication.
func (m *Measurement) Family() string {
	if i := strings.LastIndexByte(m.ID, '-'); i > 0 {
		return m.ID[:i]
	}
	return m.ID
}

// OutOfMemory says that the run is published as one that did not fit.
func (m *Measurement) OutOfMemory() bool {
	return m.PeakMemoryGiB == 0 && slices.Contains(m.Kinds, "memory") && strings.Contains(m.Notes, "OOM")
}

// A CellError is one bad cell, or a row or column that can not be read.
type CellError struct {
	File      string
	Line, Col int
	Column    string
	Msg       string
	Row       int    // the line on which its row begins; 0 = it is not of a row
	ID        string // of its row, where that could be read
}

// Error is file:line:col: column: message.
func (e *CellError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Col, e.Column, e.Msg)
}

// A column reads one cell into a measurement.
type column struct {
	name string
	read func(m *Measurement, s string) error
}

var columns = []column{
	text("id", func(m *Measurement) *string { return &m.ID }),
	text("source", func(m *Measurement) *string { return &m.Source }),
	text("url_or_path", func(m *Measurement) *string { return &m.URL }),
	text("year", func(m *Measurement) *string { return &m.Year }),
	{"metric_kind", func(m *Measurement, s string) error { m.Kinds = strings.Split(s, "+"); return nil }},
	text("model_name", func(m *Measurement) *string { return &m.Model }),
	number("params_B", func(m *Measurement) *float64 { return &m.ParamsB }, 1e6),
	count("num_layers", func(m *Measurement) *int64 { return &m.Layers }),
	count("d_model", func(m *Measurement) *int64 { return &m.Hidden }),
	count("num_heads", func(m *Measurement) *int64 { return &m.Heads }),
	count("num_kv_heads", func(m *Measurement) *int64 { return &m.KVHeads }),
	count("d_ff", func(m *Measurement) *int64 { return &m.FFN }),
	choice("ffn_kind", func(m *Measurement) *string { return &m.FFNKind }, "swiglu", "geglu", "gelu", "relu", "relu2"),
	count("vocab_size", func(m *Measurement) *int64 { return &m.Vocab }),
	yesNo("tied_embeddings", func(m *Measurement) **bool { return &m.Tied }),
	count("experts", func(m *Measurement) *int64 { return &m.Experts }),
	count("top_k", func(m *Measurement) *int64 { return &m.TopK }),
	countTo("seq_len", func(m *Measurement) *int64 { return &m.Context }, largestContext),
	countTo("global_batch_seqs", func(m *Measurement) *int64 { return &m.Batch }, largestBatch),
	count("global_batch_tokens", func(m *Measurement) *int64 { return &m.BatchTok }),
	countTo("micro_batch", func(m *Measurement) *int64 { return &m.MicroBatch }, largestBatch),
	text("gpu_type", func(m *Measurement) *string { return &m.GPU }),
	countTo("num_gpus", func(m *Measurement) *int64 { return &m.GPUs }, largestDevices),
	countTo("tp", func(m *Measurement) *int64 { return &m.TP }, largestDevices),
	countTo("pp", func(m *Measurement) *int64 { return &m.PP }, largestDevices),
	countTo("vpp", func(m *Measurement) *int64 { return &m.VPP }, largestDevices),
	countTo("cp", func(m *Measurement) *int64 { return &m.CP }, largestDevices),
	countTo("ep", func(m *Measurement) *int64 { return &m.EP }, largestDevices),
	countTo("dp", func(m *Measurement) *int64 { return &m.DP }, largestDevices),
	{"zero_stage", func(m *Measurement, s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || n > 3 {
			return fmt.Errorf("%q is not a ZeRO stage: write 0, 1, 2 or 3, or leave it empty", s)
		}
		m.ZeRO = &n
		return nil
	}},
	yesNo("sequence_parallel", func(m *Measurement) **bool { return &m.SP }),
	choice("recompute", func(m *Measurement) *string { return &m.Recompute }, "none", "selective", "full", "other"),
	text("attention_kernel", func(m *Measurement) *string { return &m.Attention }),
	text("precision", func(m *Measurement) *string { return &m.Precision }),
	text("optimizer", func(m *Measurement) *string { return &m.Optimizer }),
	number("tokens_trained", func(m *Measurement) *float64 { return &m.Tokens }, 1e18),
	number("measured_tokens_per_s_per_gpu", func(m *Measurement) *float64 { return &m.TokensPerSecondPerGPU }, 1e9),
	number("measured_step_time_s", func(m *Measurement) *float64 { return &m.StepSeconds }, 1e7),
	number("measured_tflops_per_gpu", func(m *Measurement) *float64 { return &m.TFLOPSPerGPU }, 1e5),
	number("measured_mfu_pct", func(m *Measurement) *float64 { return &m.MFUPercent }, 1000),
	number("measured_hfu_pct", func(m *Measurement) *float64 { return &m.HFUPercent }, 1000),
	number("measured_peak_mem_gib", func(m *Measurement) *float64 { return &m.PeakMemoryGiB }, 1e6),
	number("measured_gpu_hours", func(m *Measurement) *float64 { return &m.GPUHours }, 1e12),
	text("notes", func(m *Measurement) *string { return &m.Notes }),
}

// Columns lists the columns a table may have. Only id is required.
func Columns() []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.name
	}
	return out
}

func text(name string, at func(*Measurement) *string) column {
	return column{name, func(m *Measurement, s string) error { *at(m) = s; return nil }}
}

func choice(name string, at func(*Measurement) *string, known ...string) column {
	return column{name, func(m *Measurement, s string) error {
		if !slices.Contains(known, s) {
			return fmt.Errorf("%s is not known: write one of %s, or leave it empty", clip(s), strings.Join(known, ", "))
		}
		*at(m) = s
		return nil
	}}
}

// More than any size or count of a training run, more devices than were ever built
// for training, and longer than any context.
const (
	largestCount   = 1 << 50
	largestDevices = 1 << 24
	largestContext = 1 << 30
	largestBatch   = 1 << 32
)

func count(name string, at func(*Measurement) *int64) column { return countTo(name, at, largestCount) }

// countTo is a column of counts up to most.
func countTo(name string, at func(*Measurement) *int64, most int64) column {
	return column{name, func(m *Measurement, s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			// Tables made with pandas write whole numbers as 128.0 where a column has gaps.
			x, ferr := strconv.ParseFloat(s, 64)
			if ferr != nil || x != math.Trunc(x) || math.Abs(x) > largestCount {
				return fmt.Errorf("%s is not a whole number", clip(s))
			}
			n = int64(x)
		}
		if n < 1 {
			return fmt.Errorf("%s is not a positive count: leave the cell empty where it is unknown", clip(s))
		}
		if n > most {
			return fmt.Errorf("%s is more than %d, which no run has", clip(s), most)
		}
		*at(m) = n
		return nil
	}}
}

func number(name string, at func(*Measurement) *float64, most float64) column {
	return column{name, func(m *Measurement, s string) error {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(x) {
			return fmt.Errorf("%s is not a number", clip(s))
		}
		if x <= 0 || x > most {
			return fmt.Errorf("%s is not between 0 and %g: leave the cell empty where it is unknown", clip(s), most)
		}
		*at(m) = x
		return nil
	}}
}

func yesNo(name string, at func(*Measurement) **bool) column {
	return column{name, func(m *Measurement, s string) error {
		if s != "yes" && s != "no" {
			return fmt.Errorf("%s is neither yes nor no: leave the cell empty where it is unknown", clip(s))
		}
		b := s == "yes"
		*at(m) = &b
		return nil
	}}
}

func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// Read reads a CSV table with a header line; file is its name in messages.
// Columns may come in any order; only id is required. A row with a bad cell is
// left out and its cells are in bad, as are columns that nothing is called like,
// which are not read. The error is for a file without a usable header, or one
// that is no CSV from some line on: then rows holds what came before.
func Read(file string, r io.Reader) (rows []Measurement, bad []CellError, err error) {
	in := csv.NewReader(withoutMark(limit(r)))
	in.FieldsPerRecord = -1
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%s:1:1: the file is empty: its first line must name the columns (%s)", file, strings.Join(Columns(), ", "))
	}
	if err != nil {
		return nil, nil, csvError(file, err)
	}
	at, bad, err := readHeader(file, in, header)
	if err != nil {
		return nil, nil, err
	}
	lines := map[string]int{}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, bad, nil
		}
		if p := new(csv.ParseError); errors.As(err, &p) && p.Line == p.StartLine {
			bad = append(bad, CellError{file, p.Line, p.Column, "row", p.Err.Error(), p.StartLine, ""})
			continue // only that line is no CSV
		}
		if err != nil {
			return rows, bad, csvError(file, err)
		}
		m, wrong := readRow(file, in, at, record)
		switch first, twice := lines[m.ID]; {
		case m.ID == "":
			wrong = append(wrong, CellError{File: file, Line: m.Line, Col: 1, Column: "id", Msg: "the row has no id"})
		case twice:
			wrong = append(wrong, CellError{File: file, Line: m.Line, Col: 1, Column: "id", Msg: fmt.Sprintf("%s is the id of line %d already", clip(m.ID), first)})
		default:
			lines[m.ID] = m.Line
		}
		for i := range wrong {
			wrong[i].Row, wrong[i].ID = m.Line, m.ID
		}
		bad = append(bad, wrong...)
		if len(wrong) == 0 {
			rows = append(rows, m)
		}
	}
}

// readHeader finds the column of every cell; nil is one that is not read.
func readHeader(file string, in *csv.Reader, header []string) (at []*column, bad []CellError, err error) {
	at = make([]*column, len(header))
	var problems []error
	for i, name := range header {
		name = strings.TrimSpace(name)
		line, col := in.FieldPos(i)
		k := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
		switch {
		case k >= 0 && slices.Contains(at, &columns[k]):
			problems = append(problems, &CellError{File: file, Line: line, Col: col, Column: name, Msg: "the column is there already"})
		case k >= 0:
			at[i] = &columns[k]
		default:
			unknown := CellError{File: file, Line: line, Col: col, Column: clip(name), Msg: fmt.Sprintf("no column is called %s", clip(name))}
			if near := suggest.Nearest(name, Columns(), 1); len(near) > 0 {
				unknown.Msg += "; did you mean " + near[0] + "?"
				problems = append(problems, &unknown)
				continue
			}
			unknown.Msg += ": it is not read"
			bad = append(bad, unknown)
		}
	}
	if len(problems) == 0 && !slices.Contains(at, &columns[0]) {
		problems = append(problems, fmt.Errorf("%s:1:1: there is no column id, which names each row", file))
	}
	return at, bad, errors.Join(problems...)
}

// readRow reads one record, and what is wrong with it.
func readRow(file string, in *csv.Reader, at []*column, record []string) (m Measurement, wrong []CellError) {
	m.Line, _ = in.FieldPos(0)
	if len(record) != len(at) {
		if i := slices.Index(at, &columns[0]); i < len(record) {
			m.ID = strings.TrimSpace(record[i])
		}
		return m, []CellError{{File: file, Line: m.Line, Col: 1, Column: "row", Msg: fmt.Sprintf("%d cells, but the header names %d columns", len(record), len(at))}}
	}
	for i, c := range at {
		s := strings.TrimSpace(record[i])
		if s == "" || c == nil {
			continue
		}
		if err := c.read(&m, s); err != nil {
			l, col := in.FieldPos(i)
			wrong = append(wrong, CellError{File: file, Line: l, Col: col, Column: c.name, Msg: err.Error()})
		}
	}
	return m, wrong
}

// withoutMark skips the byte order mark that some programs begin a file with.
func withoutMark(r io.Reader) io.Reader {
	in := bufio.NewReader(r)
	if head, _ := in.Peek(3); string(head) == "\ufeff" {
		_, _ = in.Discard(3) // they were just looked at
	}
	return in
}

func csvError(file string, err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("%s:%d:%d: %w", file, p.Line, p.Column, p.Err)
	}
	return fmt.Errorf("%s: %w", file, err)
}
