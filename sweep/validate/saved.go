package validate

import (
	"headroom/accounting"
	"headroom/accounting/arch"
)

// savedLayers are the columns of a saved-tensor table that hold figures: what
// PyTorch's autograd keeps of a model cut to so many layers, in bytes.
var savedLayers = []struct {
	column string
	layers int64
}{{"saved_1_layer_bytes", 1}, {"saved_2_layers_bytes", 2}, {"saved_3_layers_bytes", 3}}

// savedTable is saved_tensors.csv: Hugging Face models, held against profile
// torch-eager.
var savedTable = exactTable{
	marks: []string{"saved_1_layer_bytes", "saved_2_layers_bytes", "saved_3_layers_bytes"},
	needs: []string{"id", "slug", "precision", "attention", "batch", "seq"},
	columns: []string{
		"model_type", "split", "torch", "transformers", "attention_kernel", "dropout", "per_layer_bytes", "rest_bytes", "linear",
		weightCopies, "logits_bytes", "logits_dtype", "parameters_2_layers", "note", "trainable",
	},
	rows: func(c *cells) []Row {
		var out []Row
		for _, l := range savedLayers {
			if measured, ok := c.bytes(l.column); ok {
				out = append(out, savedRow(c, l.column, l.layers, measured, func(m *accounting.Memory) int64 { return m.SavedTotalBytes }))
			}
		}
		if measured, ok := c.bytes(weightCopies); ok && c.text("precision") == "autocast" {
			out = append(out, savedRow(c, weightCopies, 2, measured, func(m *accounting.Memory) int64 { return m.WeightCopiesBytes }))
		}
		return out
	},
}

// weightCopies is the column of the 16-bit copies that autocast makes of weights.
const weightCopies = "autocast_weight_copies_2_layers_bytes"

// savedRow predicts one figure.
func savedRow(c *cells, column string, layers, measured int64, figure func(*accounting.Memory) int64) Row {
	row := Row{
		ID: c.text("id"), Family: c.text("precision") + " " + c.text("attention"), Model: c.text("slug"),
		Profile: "torch-eager", Metric: column,
	}
	b, s := c.count("batch"), c.count("seq")
	err := c.err
	var m *arch.Model
	if err == nil {
		m, err = arch.Lookup(c.text("slug"), arch.Options{Layers: layers})
	}
	var r *accounting.Report
	if err == nil {
		_, r, err = evaluate(accounting.Options{
			Model: m, Context: s, MicroBatch: b, GlobalBatch: b, GPUs: 1,
			Profile: "torch-eager", Recipe: c.text("precision"), Attention: c.text("attention"), Dropout: c.text("dropout"), Trainable: c.text("trainable"),
		}, nil)
	}
	if err != nil {
		row.Skipped = err.Error()
		return row
	}
	return row.compare(figure(&r.Memory), measured)
}
