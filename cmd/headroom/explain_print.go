package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"headroom/accounting"
)

// printExplanation shows a case to a person. What it shows is what the JSON
// holds: sections it has no layout for are listed as they are.
func (s *state) printExplanation(e *accounting.Explanation, c *accounting.Case) error {
	w := s.Stdout
	printCase(w, e)
	s.heading("Parameters")
	printParameters(w, e)
	s.heading(fmt.Sprintf("Ledger: %s of %s tokens, unsharded; kept for backward by profile %s",
		plural(e.Case.MicroBatch, "sequence"), thousands(e.Case.Context), e.Case.Profile))
	s.printLedger(e)
	s.heading("Algebra, in " + e.Algebra["unit"])
	printAlgebra(w, e)
	s.heading("Memory of the fullest rank")
	printMemory(w, e)
	s.heading("FLOPs, attention counted " + e.FLOPs.Convention)
	s.printFLOPs(e)
	s.printTime(e)
	if e.Cost != nil {
		s.heading(fmt.Sprintf("Cost of %s tokens", thousands(e.Cost.Tokens)))
		t := table("", "")
		addCost(t, e.Cost)
		t.write(w, "  ", plain)
		for _, n := range e.Cost.Notes {
			fmt.Fprintf(w, "  - %s\n", n)
		}
	}
	if err := s.printOtherSections(e); err != nil {
		return err
	}
	s.heading("Assumptions and sources")
	for _, n := range e.Notes {
		fmt.Fprintf(w, "  - %s\n", n)
	}
	for _, src := range sources(c) {
		fmt.Fprintf(w, "  - %s\n", src)
	}
	return nil
}

func (s *state) heading(text string) { fmt.Fprintf(s.Stdout, "\n%s\n", s.bold(text)) }

func printCase(w io.Writer, e *accounting.Explanation) {
	c := &e.Case
	fmt.Fprintf(w, "%s (%s, %s) · profile %s · recipe %s · %s · attention %s · recompute %s · loss %s\n",
		c.Model, c.ModelType, plural(c.Layers, "layer"), c.Profile, c.Recipe, c.Optimizer, c.Attention, c.Recompute, c.Loss)
	if more := departures(c); len(more) > 0 {
		fmt.Fprintln(w, strings.Join(more, " · "))
	}
	plan := []string{plural(c.GPUs, "GPU")}
	if c.Accelerator != "" {
		plan[0] = fmt.Sprintf("%d × %s", c.GPUs, c.Accelerator)
	}
	for _, d := range []struct {
		name string
		n    int64
	}{{"tp", c.TP}, {"pp", c.PP}, {"vpp", c.VPP}, {"cp", c.CP}, {"ep", c.EP}, {"dp", c.DP}, {"dp_replicate", c.Replicas}} {
		if d.n > 1 {
			plan = append(plan, fmt.Sprintf("%s %d", d.name, d.n))
		}
	}
	if c.PP > 1 {
		plan = append(plan, c.Schedule)
	}
	if c.FirstLayers+c.LastLayers > 0 {
		plan = append(plan, fmt.Sprintf("%s first, %s last layers", orEven(c.FirstLayers), orEven(c.LastLayers)))
	}
	if c.SP {
		plan = append(plan, "sequence parallel")
	}
	if c.ZeRO > 0 {
		plan = append(plan, fmt.Sprintf("ZeRO-%d", c.ZeRO))
	}
	fmt.Fprintf(w, "context %s · micro-batch %s · global batch %s (%s a rank) · %s\n",
		thousands(c.Context), thousands(c.MicroBatch), thousands(c.GlobalBatch), plural(c.MicroBatches, "micro-batch"), strings.Join(plan, " · "))
}

// departures are how a case trains other than usual, in a few words each.
func departures(c *accounting.CaseFields) (words []string) {
	say := func(departs bool, what string) {
		if departs {
			words = append(words, what)
		}
	}
	say(c.Trainable != accounting.Trainable{}.String(), "trained "+c.Trainable)
	say(c.Offload != accounting.Offload(0).String(), c.Offload+" on the host")
	say(c.Compile, "compiled layers")
	say(c.InBackward, "optimizer in backward")
	say(c.MoE != accounting.Routed{}.String(), "routed layers "+c.MoE)
	say(c.Overlap != accounting.Overlap(0).String(), "communication overlapped: "+c.Overlap)
	say(c.MTP > 0, plural(c.MTP, "layer")+" of multi-token prediction")
	say(c.Dropout > 0, fmt.Sprintf("dropout %g", c.Dropout))
	return words
}

func printParameters(w io.Writer, e *accounting.Explanation) {
	p := &e.Parameters
	t := table("", ">", "")
	line := func(name string, n int64, remark string) {
		if n != 0 {
			t.add(name, thousands(n), remark)
		}
	}
	line("total", p.Total, fmt.Sprintf("%s to load as %s weights", bytesBoth(p.LoadBytes), e.Case.Recipe))
	if p.Active != p.Total {
		line("active", p.Active, "what one token runs through")
		line("  less the embedding", p.ActiveNoEmbedding, "conventions of model cards")
		line("  less its ends", p.ActiveNoEmbeddingNorHead, "without embedding and head")
	}
	if p.Trainable != p.Total {
		line("trained", p.Trainable, "what has gradients and optimizer states")
	}
	line("embedding", p.Embedding, "")
	line("positions", p.Position, "")
	line("head", p.Head, "")
	line("the rest", p.NonEmbedding, "")
	line("multi-token prediction", p.MTP, "not in the total")
	if p.PerRankMax != p.Total {
		line("on the fullest rank", p.PerRankMax, stageParameters(p.PerStage))
		line("on all ranks", p.AllRanks, "with every copy of what is not cut")
	}
	t.write(w, "  ", plain)
	var load []string
	for _, name := range []string{"fp32", "bf16", "fp8", "int4"} {
		load = append(load, fmt.Sprintf("%s %s", inGiB(p.LoadBytesByDType[name]), name))
	}
	fmt.Fprintf(w, "  to load: %s\n", strings.Join(load, " · "))
}

// stageParameters lists what a rank of each pipeline stage holds.
func stageParameters(stages []int64) string {
	if len(stages) < 2 {
		return ""
	}
	text := make([]string, len(stages))
	for i, n := range stages {
		text[i] = thousands(n)
	}
	return "by stage: " + strings.Join(text, ", ")
}

func (s *state) printLedger(e *accounting.Explanation) {
	t := table("component", "parameters of one", ">parameters", ">gradients", ">optimizer", "kept by one, bytes", ">activations", ">forward FLOPs")
	var section string
	var sum accounting.LedgerRow
	for _, r := range e.Ledger {
		if r.Section != section {
			section = r.Section
			t.add(fmt.Sprintf("%s ×%d", words(section), r.Count))
		}
		name := "  " + words(r.Component)
		if r.LeftOut {
			name += " *"
		}
		t.add(name, dash(r.Algebra), count(r.Parameters), sized(r.Gradients), sized(r.Optimizer), dash(r.SavedAlgebra), sized(r.Activations), flops(r.FLOPs))
		for _, x := range r.Tensors {
			t.add("    "+x.Name, keptText(&x)+" "+x.Shape, "", "", "", x.DType+" "+x.Shard, sized(x.Bytes), "")
		}
		sum.Parameters += r.Parameters
		sum.Gradients += r.Gradients
		sum.Optimizer += r.Optimizer
		sum.Activations += r.Activations
		sum.FLOPs += r.FLOPs
	}
	t.add("all", "", count(sum.Parameters), sized(sum.Gradients), sized(sum.Optimizer), "", sized(sum.Activations), flops(sum.FLOPs))
	t.write(s.Stdout, "  ", s.bold)
	if slices.ContainsFunc(e.Ledger, func(r accounting.LedgerRow) bool { return r.LeftOut }) {
		fmt.Fprintln(s.Stdout, "  * left out of the memory sum below, as published")
	}
}

// printAlgebra shows each section in one line, in the order of the ledger.
func printAlgebra(w io.Writer, e *accounting.Explanation) {
	t := table("", "")
	var done []string
	for _, r := range e.Ledger {
		if slices.Contains(done, r.Section) {
			continue
		}
		done = append(done, r.Section)
		name := words(r.Section)
		if r.Count > 1 {
			name = fmt.Sprintf("%s (one of %d)", name, r.Count)
		}
		line, ok := e.Algebra[r.Section]
		for _, key := range []string{"layer " + r.Section, "layer"} {
			if !ok {
				line, ok = e.Algebra[key]
			}
		}
		t.add(name, dash(line))
	}
	t.write(w, "  ", plain)
}

func printMemory(w io.Writer, e *accounting.Explanation) {
	m := &e.Memory
	t := table("", ">", ">", ">")
	line := func(name string, n int64) {
		if n != 0 {
			t.add(name, inGiB(n), thousands(n), percent(float64(n), float64(m.PeakBytes)))
		}
	}
	line("weights", m.WeightsBytes)
	line("gradients", m.GradientsBytes)
	line("optimizer", m.OptimizerBytes)
	line("activations", m.ActivationsBytes)
	line("logits and loss", m.LogitsBytes)
	line("buffers", m.BuffersBytes)
	line("runtime", m.RuntimeBytes)
	line("peak", m.PeakBytes)
	if m.UsableBytes != nil {
		t.add("usable", inGiB(*m.UsableBytes), thousands(*m.UsableBytes), "")
	}
	t.write(w, "  ", plain)
	fmt.Fprintf(w, "  at its peak: pipeline stage %d, phase %s\n", m.Stage, m.Phase)
	if m.Fits != nil && *m.Fits {
		fmt.Fprintf(w, "  fits: %s to spare\n", inGiB(*m.UsableBytes-m.PeakBytes))
	} else if m.Fits != nil {
		fmt.Fprintf(w, "  does not fit: %s too much\n", inGiB(m.ShortfallBytes))
	}
	if m.RuntimeBytes > 0 {
		fmt.Fprintf(w, "  as PyTorch and the driver show it: %s allocated · %s reserved · %s on the device\n", inGiB(m.AllocatedBytes), inGiB(m.ReservedBytes), inGiB(m.DeviceBytes))
	}
	if len(m.Constants) > 0 {
		fmt.Fprintln(w)
		t = table("constant", ">value", "source")
		for _, c := range m.Constants {
			t.add(c.Name, thousands(int64(c.Value)), c.Source)
		}
		t.write(w, "  ", plain)
	}
}

func (s *state) printFLOPs(e *accounting.Explanation) {
	f := &e.FLOPs
	t := table("forward of one sequence", ">FLOPs", ">share")
	for _, name := range slices.SortedFunc(maps.Keys(f.ForwardByComponent), func(a, b string) int {
		return cmp.Or(-cmp.Compare(f.ForwardByComponent[a], f.ForwardByComponent[b]), cmp.Compare(a, b))
	}) {
		t.add(words(name), whole(f.ForwardByComponent[name]), percent(f.ForwardByComponent[name], f.Forward))
	}
	t.add("forward", whole(f.Forward), "")
	t.write(s.Stdout, "  ", plain)
	fmt.Fprintln(s.Stdout)

	t = table("one step of the global batch", ">FLOPs", "")
	t.add("forward", whole(f.ForwardStep), "")
	t.add("model: forward and backward", whole(f.ModelStep), "")
	if f.HardwareStep != f.ModelStep {
		t.add("hardware: with recomputation", whole(f.HardwareStep), "")
	}
	rule := "rule of thumb 6·P·tokens"
	if e.Parameters.Active < e.Parameters.Total {
		rule = "rule of thumb 6·P·tokens, P active"
	}
	t.add(rule, whole(f.SixPT), fmt.Sprintf("%+.1f %%", 100*f.SixPTError))
	var each int64
	for _, op := range f.OptimizerOps {
		each += op.Each
	}
	t.add("optimizer update", whole(f.OptimizerStep), fmt.Sprintf("%d·P", each))
	for _, op := range f.OptimizerOps {
		t.add("  "+op.Name, whole(op.FLOPs), fmt.Sprintf("%d·P", op.Each))
	}
	t.write(s.Stdout, "  ", plain)
}

// sources tells where the rules of a case come from.
func sources(c *accounting.Case) []string {
	var out []string
	add := func(what, source string) {
		if source != "" {
			out = append(out, what+": "+source)
		}
	}
	add("model "+c.Model.Name, c.Model.Source)
	add("recipe "+c.Recipe.Precision.Name, c.Recipe.Precision.Source)
	add("profile "+c.Profile.Name, c.Profile.Summary)
	return out
}

func plain(text string) string { return text }

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

func dash(text string) string {
	if text == "" || text == "0" {
		return "–"
	}
	return text
}

func count(n int64) string { return dash(thousands(n)) }

func sized(n int64) string {
	if n == 0 {
		return "–"
	}
	return inGiB(n)
}

func flops(x float64) string {
	if x == 0 {
		return "–"
	}
	return whole(x)
}

// bytesBoth writes bytes exactly and in both units.
func bytesBoth(n int64) string {
	return fmt.Sprintf("%s bytes = %s = %.2f GB", thousands(n), inGiB(n), float64(n)/gb)
}

// orEven is the number of layers of a stage, or how it comes by them.
func orEven(n int64) string {
	if n == 0 {
		return "evenly dealt"
	}
	return thousands(n)
}

// keptText is what a tensor is.
func keptText(x *accounting.LedgerTensor) string {
	if x.Frozen {
		return "frozen " + x.Kept
	}
	return x.Kept
}
