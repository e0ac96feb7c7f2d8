package validate

import (
	"slices"
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
)

// parametersMetric is the one count among the figures of exact tables.
const parametersMetric = "params_per_rank"

// moduleColumns are the figures of a Megatron table by module: what the middle
// layer keeps, split by the module that saved it first.
var moduleColumns = []string{
	"norm1_bytes", "qkv_bytes", "core_attention_bytes", "proj_bytes", "norm2_bytes", "fc1_bytes", "fc2_bytes",
	"attention_other_bytes", "mlp_activation_bytes", "layer_other_bytes",
}

// moduleTable is megatron_saved.csv: Megatron-Core's GPTModel, rank 0 of tp, held
// against profile megatron.
var moduleTable = exactTable{
	marks: []string{"head_and_loss_bytes", "embedding_and_shared_bytes", "core_attention_bytes"},
	needs: []string{"id", "hidden", "layers_run", "heads", "ffn", "vocab", "batch", "seq"},
	columns: slices.Concat(moduleColumns, []string{
		"split", "torch_version", "framework", "model", "kv_heads", "swiglu", "dropout", "tp", "sequence_parallel", "param_dtype",
		"recompute", "attention", "softmax", "per_layer_bytes", parametersMetric, "layer_params_per_rank", "param_bytes",
		"main_grad_bytes", "optimizer_bytes_dp1", "note", "head_dim", "qk_norm",
	}),
	rows: moduleRows,
}

func moduleRows(c *cells) []Row {
	base := Row{
		ID: c.text("id"), Family: "megatron " + c.text("attention") + ", recompute " + c.text("recompute"), Model: c.text("model"), Profile: "megatron",
	}
	var figures []string
	for _, name := range slices.Concat([]string{"per_layer_bytes"}, moduleColumns, []string{"head_and_loss_bytes", "embedding_and_shared_bytes", parametersMetric, "param_bytes", "main_grad_bytes", "optimizer_bytes_dp1"}) {
		if _, ok := c.bytes(name); ok {
			figures = append(figures, name)
		}
	}
	predicted, err := moduleBytes(c)
	var out []Row
	for _, name := range figures {
		row := base
		row.Metric = name
		measured, _ := c.bytes(name)
		if err != nil {
			row.Measured, row.Skipped = float64(measured), err.Error()
		} else {
			row = row.compare(predicted[name], measured)
		}
		out = append(out, row)
	}
	return out
}

// moduleBytes predicts every figure of a row.
func moduleBytes(c *cells) (map[string]int64, error) {
	sp := c.yes("sequence_parallel")
	headNorms := c.yes("qk_norm")
	gated := c.yes("swiglu")
	d := arch.Dimensions{
		Name: c.text("model"), Hidden: c.count("hidden"), Layers: c.count("layers_run"), Vocab: c.count("vocab"), Heads: c.count("heads"), FFN: c.count("ffn"),
	}
	if c.text("kv_heads") != "" {
		d.KVHeads = c.count("kv_heads")
	}
	if c.text("head_dim") != "" {
		d.HeadDim = c.count("head_dim")
	}
	o := accounting.Options{
		Context: c.count("seq"), MicroBatch: c.count("batch"), TP: c.orOne("tp"), SP: &sp, Profile: "megatron", VocabMultiple: 1,
		Recipe: c.one("param_dtype", "bf16", "fp32"), Dropout: c.text("dropout"),
		Recompute: c.one("recompute", "none", "selective", "full"), Attention: c.one("attention", "flash", "unfused"),
	}
	if !gated { // Megatron's GPT: LayerNorm, biases, learned positions, tied head
		d.Body, d.MaxPositions = "gpt", o.Context
	}
	o.Softmax = map[string]accounting.SoftmaxKernel{"torch": accounting.SoftmaxTorch, "fused": accounting.SoftmaxFused}[c.one("softmax", "", "fused", "torch")]
	if c.err != nil {
		return nil, c.err
	}
	var err error
	if o.Model, err = d.Model(); err != nil {
		return nil, err
	}
	if headNorms {
		for i := range o.Model.Kinds {
			a := &o.Model.Kinds[i].Attention
			a.QNorm = arch.NewNorm(o.Model.FinalNorm.Kind, a.HeadDim)
			a.KNorm = a.QNorm
		}
	}
	resolved, r, err := evaluate(o, nil)
	if err != nil {
		return nil, err
	}
	kept, err := resolved.Kept()
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for i := range kept {
		k := &kept[i]
		if k.Tensor.Kernel || k.Tensor.Copy {
			continue
		}
		switch k.Role {
		case accounting.RoleLayer:
			out["per_layer_bytes"] += k.Bytes
			out[moduleOf(k, o.Recompute == "selective", o.Attention == "flash", headNorms)] += k.Bytes
		case accounting.RoleHead:
			out["head_and_loss_bytes"] += k.Bytes
		default:
			out["embedding_and_shared_bytes"] += k.Bytes * k.Count
		}
	}
	n := r.Memory.ParametersPerRank
	p := &resolved.Recipe.Precision
	out[parametersMetric] = n
	out["param_bytes"] = n * p.WeightBytes
	out["main_grad_bytes"] = n * p.GradientBytes
	out["optimizer_bytes_dp1"] = n*p.MasterBytes + n*2*p.MomentBytes
	return out, nil
}

// moduleOf is the column of a tensor that a layer keeps: the first module that
// saves it. The output of flash attention is saved by attention itself before the
// projection reads it; under selective recompute attention saves nothing and what
// goes in is its caller's.
func moduleOf(k *accounting.Kept, selective, flash, headNorms bool) string {
	name := k.Tensor.Name
	if name == "layer_input" {
		return "layer_other_bytes"
	}
	switch k.Component {
	case "input_norm":
		return "norm1_bytes"
	case "ffn_norm":
		return "norm2_bytes"
	case "qkv":
		switch name {
		case "input":
			return "qkv_bytes"
		case "cos_sin":
			return "attention_other_bytes"
		}
		if selective || headNorms && strings.HasPrefix(name, "qkv_output") {
			return "attention_other_bytes" // the norms of heads save it first
		}
		return "core_attention_bytes"
	case "softmax", "qk", "av":
		return "core_attention_bytes"
	case "out":
		switch {
		case name == "dropout_mask":
			return "layer_other_bytes"
		case flash && !selective:
			return "core_attention_bytes"
		}
		return "proj_bytes"
	case "gate", "up":
		if name == "input" {
			return "fc1_bytes"
		}
		return "mlp_activation_bytes"
	case "down":
		if name == "dropout_mask" {
			return "layer_other_bytes"
		}
		return "fc2_bytes"
	}
	return "attention_other_bytes"
}
