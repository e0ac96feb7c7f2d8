package validate

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
)

// savedPrefix starts the metrics of saved-tensor rows.
const savedPrefix = "saved_"

// savedLayers are the columns of a saved-tensor table that hold figures: what
// PyTorch's autograd keeps of a model cut to so many layers, in bytes.
var savedLayers = []struct {
	column string
	layers int64
}{{"saved_1_layer_bytes", 1}, {"saved_2_layers_bytes", 2}, {"saved_3_layers_bytes", 3}}

// IsSaved says whether the first line of a CSV table is that of a saved-tensor
// table (saved_tensors.csv) and not that of measured runs.
func IsSaved(header string) bool {
	names := strings.Split(strings.TrimSpace(header), ",")
	for _, l := range savedLayers {
		for _, n := range names {
			if strings.Trim(n, `"`) == l.column {
				return true
			}
		}
	}
	return false
}

// Saved compares a saved-tensor table with profile torch-eager. Its columns are
// those of saved_tensors.csv: id, slug (an embedded model), precision (bf16, fp32 or
// autocast), attention (sdpa or eager), dropout, batch, seq and the figures. A row
// that cannot be predicted is skipped with the reason; an error is a table that
// cannot be read.
func Saved(file string, r io.Reader) (*Report, error) {
	in := csv.NewReader(r)
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	at := map[string]int{}
	for i, name := range header {
		at[name] = i
	}
	for _, name := range []string{"id", "slug", "precision", "attention", "batch", "seq"} {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("%s:1: there is no column %s", file, name)
		}
	}
	out := &Report{Rows: []Row{}}
	for {
		cells, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out.Measurements++
		cell := func(name string) string {
			if i, ok := at[name]; ok {
				return cells[i]
			}
			return ""
		}
		for _, l := range savedLayers {
			if cell(l.column) != "" {
				out.Rows = append(out.Rows, savedRow(cell, l.column, l.layers))
			}
		}
	}
	out.Memory, out.Time = summarize(out.Rows, isMemory), summarize(out.Rows, isTime)
	return out, nil
}

// savedRow predicts one figure.
func savedRow(cell func(string) string, column string, layers int64) Row {
	row := Row{
		ID: cell("id"), Family: cell("precision") + " " + cell("attention"), Model: cell("slug"),
		Profile: "torch-eager", Metric: column,
	}
	predicted, measured, err := saved(cell, column, layers)
	if err != nil {
		row.Skipped = err.Error()
		return row
	}
	row.Predicted, row.Measured, row.Scored = float64(predicted), float64(measured), true
	row.Error = row.Predicted/row.Measured - 1
	return row
}

func saved(cell func(string) string, column string, layers int64) (predicted, measured int64, err error) {
	number := func(name string) int64 {
		n, bad := strconv.ParseInt(cell(name), 10, 64)
		if (bad != nil || n < 1) && err == nil {
			err = fmt.Errorf("%s: %q is not a positive count", name, cell(name))
		}
		return n
	}
	measured = number(column)
	b, s := number("batch"), number("seq")
	if err != nil {
		return 0, 0, err
	}
	m, err := arch.Lookup(cell("slug"), arch.Options{Layers: layers})
	if err != nil {
		return 0, 0, err
	}
	c, err := accounting.Options{
		Model: m, Context: s, MicroBatch: b, GlobalBatch: b, GPUs: 1,
		Profile: "torch-eager", Recipe: cell("precision"), Attention: cell("attention"), Dropout: cell("dropout"),
	}.Resolve()
	if err != nil {
		return 0, 0, err
	}
	k, err := c.Compile()
	if err != nil {
		return 0, 0, err
	}
	var r accounting.Report
	k.Evaluate(&c.Setting, &r)
	if r.RuledOut() {
		return 0, 0, fmt.Errorf("%s", r.Reason)
	}
	return r.Memory.SavedTotalBytes, measured, nil
}
