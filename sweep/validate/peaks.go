package validate

import (
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
)

// peakParts are the components that a peak table tells apart, with our figure of each.
var peakParts = []struct {
	column string
	figure func(m *accounting.Memory) int64
}{
	{"param_bytes", func(m *accounting.Memory) int64 { return m.WeightsBytes }},
	{"grad_bytes", func(m *accounting.Memory) int64 { return m.GradientsBytes }},
	{"optimizer_bytes", func(m *accounting.Memory) int64 { return m.OptimizerBytes }},
	{"activation_bytes", func(m *accounting.Memory) int64 { return m.ActivationsBytes + m.LogitsBytes - m.TemporaryBytes }},
	{"temp_bytes", func(m *accounting.Memory) int64 { return m.TemporaryBytes }},
	{"allgather_bytes", func(m *accounting.Memory) int64 { return m.GatheredBytes }},
	{"reducescatter_bytes", func(m *accounting.Memory) int64 { return m.ReducingBytes }},
	{"other_bytes", func(m *accounting.Memory) int64 { return m.BuffersBytes - m.GatheredBytes - m.ReducingBytes }},
}

// peakTable is fsdp_peaks.csv: whole steps of torchtitan under FSDP2 or DDP, held
// against profile fsdp2.
var peakTable = exactTable{
	marks: []string{"peak_phase", "allgather_bytes", "reducescatter_bytes"},
	needs: []string{"id", "hidden", "layers", "heads", "ffn", "vocab", "world", "strategy", "batch", "seq", "peak_bytes"},
	columns: []string{
		"split", "torch_version", "framework", "model", "kv_heads", "head_dim", "experts", "topk", "shared_ffn", "qk_norm", "q_rank", "kv_rank", "nope", "rope", "v_dim", "tied", "tp", "ep", "param_dtype", "reduce_dtype", "optimizer", "optimizer_impl",
		"recompute", "attention", "grad_accum", "iteration", "param_bytes", "grad_bytes", "optimizer_bytes", "activation_bytes", "temp_bytes",
		"other_bytes", "note", "dp_replicate", "norm", "gqa", "loss", "params", "unsharded_param_bytes", "unsharded_grad_bytes", "after_forward_total_bytes",
		"after_forward_activation_bytes", "before_backward_total_bytes", "step_end_total_bytes",
	},
	rows: peakRows,
}

func peakRows(c *cells) []Row {
	base := Row{
		ID: c.text("id"), Family: strings.TrimSpace(c.text("strategy") + ", step " + c.text("iteration")), Model: c.text("model"), Profile: "fsdp2",
		MeasuredPhase: c.text("peak_phase"),
	}
	r, err := peak(c)
	out := make([]Row, 0, 1+len(peakParts))
	add := func(metric string, figure func(m *accounting.Memory) int64, why string) {
		measured, ok := c.bytes(metric)
		if !ok {
			return
		}
		row := base
		row.Metric = metric
		if err != nil {
			row.Measured, row.Skipped = float64(measured), err.Error()
		} else {
			row.Phase = r.Memory.Phase.String()
			row = row.compare(figure(&r.Memory), measured)
			row.Scored, row.Why = row.Scored && why == "", why
		}
		out = append(out, row)
	}
	// A fake run has no workspaces of libraries and nothing outside the allocator.
	add("peak_bytes", func(m *accounting.Memory) int64 { return m.PeakBytes - m.RuntimeBytes }, "")
	for _, p := range peakParts {
		add(p.column, p.figure, "a part of the peak")
	}
	return out
}

// peak predicts a row.
func peak(c *cells) (*accounting.Report, error) {
	tied := c.yes("tied")
	d := arch.Dimensions{
		Name: c.text("model"), Hidden: c.count("hidden"), Layers: c.count("layers"), Vocab: c.count("vocab"), Heads: c.count("heads"), FFN: c.count("ffn"), Tied: &tied,
	}
	for name, into := range map[string]*int64{"kv_heads": &d.KVHeads, "head_dim": &d.HeadDim, "experts": &d.Experts, "topk": &d.TopK, "shared_ffn": &d.SharedFFN} {
		if c.text(name) != "" && c.text(name) != "0" {
			*into = c.count(name)
		}
	}
	if d.Experts == 0 {
		d.TopK = 0
	}
	strategy := c.one("strategy", "fsdp2-full", "fsdp2-noreshard", "ddp")
	zero := map[string]int64{"fsdp2-full": 3, "fsdp2-noreshard": 2, "ddp": 0}[strategy]
	world, batch, tp := c.count("world"), c.count("batch"), c.orOne("tp")
	norm := c.one("norm", "fused", "composite", "manual")
	o := accounting.Options{
		Context: c.count("seq"), MicroBatch: batch, GPUs: world, TP: tp, EP: c.orOne("ep"), GlobalBatch: batch * (world / max(tp, 1)) * c.orOne("grad_accum"), ZeRO: &zero, Replicas: c.orOne("dp_replicate"),
		Optimizer: c.one("optimizer", "adamw", "sgd"),
		Recompute: map[string]string{"none": "none", "full": "full", "selective-op": "selective"}[c.one("recompute", "none", "full", "selective-op")],
		Loss:      map[string]string{"full": "eager", "chunked": "chunked"}[c.one("loss", "full", "chunked")],
		Profile:   "fsdp2",
	}
	note := strings.ToLower(c.text("note"))
	code := accounting.TorchTitan{
		Norm:    map[string]accounting.TitanNorm{"manual": accounting.ManualNorm, "composite": accounting.CompositeNorm}[norm],
		Grouped: c.one("gqa", "repeat", "native") == "native",
		// The older torch that has these norms keeps the root group gathered.
		RootGathered: norm != "fused" || strings.Contains(note, "root") && has(note, "kept", "keep", "stay", "unsharded", "gathered"),
	}.Profile("fsdp2", "")
	o.Code = &code
	o.Foreach = c.one("optimizer_impl", "fused", "foreach") == "foreach"
	o.Reduce = map[string]accounting.DType{"bf16": accounting.BF16}[c.one("reduce_dtype", "fp32", "bf16")]
	o.ReduceLast = has(note, "sync", "last micro", "only in the last", "only last")
	switch fp32 := c.one("param_dtype", "bf16", "fp32") == "fp32"; {
	case fp32:
		o.Recipe = "fp32-compute"
	case zero == 0:
		o.Recipe = "autocast" // as torchtitan applies DDP
	}
	headNorms := c.yes("qk_norm")
	var latent arch.MLA
	var valueDim int64
	if c.text("kv_rank") != "" && c.text("kv_rank") != "0" {
		latent = arch.MLA{KVRank: c.count("kv_rank"), NopeDim: c.count("nope"), RopeDim: c.count("rope")}
		valueDim = c.count("v_dim")
		if c.text("q_rank") != "0" {
			latent.QRank = c.count("q_rank")
		}
	}
	first := c.orOne("iteration") == 1
	if c.err != nil {
		return nil, c.err
	}
	var err error
	if o.Model, err = d.Model(); err != nil {
		return nil, err
	}
	if latent.KVRank > 0 {
		for i := range o.Model.Kinds {
			a := &o.Model.Kinds[i].Attention
			mla := latent
			mla.QNorm, mla.KVNorm = arch.NewNorm(arch.RMSNorm, mla.QRank), arch.NewNorm(arch.RMSNorm, mla.KVRank)
			a.MLA, a.HeadDim, a.ValueDim, a.RotaryDim = &mla, mla.NopeDim+mla.RopeDim, valueDim, mla.RopeDim
		}
	}
	if headNorms {
		for i := range o.Model.Kinds {
			a := &o.Model.Kinds[i].Attention
			a.QNorm, a.KNorm = arch.NewNorm(arch.RMSNorm, a.HeadDim), arch.NewNorm(arch.RMSNorm, a.HeadDim)
		}
	}
	_, r, err := evaluate(o, func(x *accounting.Setting) { x.FirstStep = first })
	return r, err
}

// has says that a note holds one of the words.
func has(note string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(note, w) {
			return true
		}
	}
	return false
}
