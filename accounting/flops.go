package accounting

import "slices"

// A Convention says how attention is counted, the one choice on which published
// FLOPs differ; it is part of every name.
type Convention uint8

// Conventions.
const (
	Causal     Convention = iota // half of S²: what a causal kernel computes (Megatron, NeMo)
	FullSquare                   // all of S² (nanoGPT, PaLM, torchtitan, llm-foundry)
)

// String is the name in outputs.
func (c Convention) String() string { return [...]string{"causal", "full"}[c] }

// ParseConvention reads "causal" or "full".
func ParseConvention(name string) (Convention, error) {
	switch name {
	case "causal":
		return Causal, nil
	case "full":
		return FullSquare, nil
	}
	return 0, unknown("FLOPs convention", name, []string{"causal", "full"})
}

// groupOrder is the order in which FLOPs are reported.
var groupOrder = []Group{GroupEmbedding, GroupQKV, GroupQK, GroupAV, GroupOut, GroupRouter, GroupFFN, GroupHead, GroupNorm, GroupSoftmax, GroupLoss, GroupResidual}

const numGroups = 12

func groupIndex(g Group) int { return slices.Index(groupOrder, g) }

// products are the FLOPs of a section by what they grow with, of one sequence.
type products struct {
	sequence float64 // once a sequence (BERT's pooler)
	token    float64 // a token: products with weights
	square   float64 // a token and token of the context: attention that no mask cuts (T5's cross-attention)
	span     float64 // a token and key it looks at
}

func (p *products) add(s *Section, flops Expr) {
	v := s.Values
	v[SymB], v[SymS] = 1, 1
	for _, m := range flops {
		x := Expr{m}.Float(&v, 1)
		switch {
		case m.Pow[SymSpan] > 0:
			p.span += x
		case m.Pow[SymS] == 0:
			p.sequence += x
		case m.Pow[SymS] == 1:
			p.token += x
		default:
			p.square += x
		}
	}
}

// at is the FLOPs over s tokens whose queries look at so many keys together.
func (p *products) at(s, keys float64) float64 {
	return p.sequence + float64(p.token*s) + float64(p.square*float64(s*s)) + float64(p.span*keys)
}

// keys is how many keys all queries of a context of s tokens look at together:
// s² or half of it, or what the window leaves of it. A query at position i of a
// sliding window w sees min(i, w) keys, ws − w²/2 together; one in a chunk sees the
// chunk. It is exact: a multiple of one half.
func (cs *compiledSection) keys(s int64, conv Convention) float64 {
	full := float64(s)
	w := float64(cs.window)
	if w <= 0 || w >= full {
		w = full
	}
	whole := conv == FullSquare || cs.twoWay
	switch {
	case cs.chunked && w < full:
		rest := float64(s % cs.window)
		square := float64(float64(s/cs.window)*float64(w*w)) + float64(rest*rest)
		if !whole {
			square /= 2
		}
		return square
	case whole:
		return w * full
	}
	return float64(w*full) - float64(float64(w*w)/2)
}

// span is keys a query, on average.
func (cs *compiledSection) span(s int64, conv Convention) float64 {
	return cs.keys(s, conv) / float64(s)
}

// ForwardFLOPs is the arithmetic of one forward pass over sequences of s tokens.
func (c *Compiled) ForwardFLOPs(sequences, s int64, conv Convention) float64 {
	var perSequence float64
	for i := range c.sections {
		cs := &c.sections[i]
		perSequence += float64(cs.flops.at(float64(s), cs.keys(s, conv)) * float64(cs.count))
	}
	return perSequence * float64(sequences)
}

// repeatedFLOPs is the part of [Compiled.ForwardFLOPs] that backward repeats when
// every layer is recomputed as the recipe says.
func (c *Compiled) repeatedFLOPs(sequences, s int64, conv Convention) float64 {
	var perSequence float64
	for i := range c.sections {
		cs := &c.sections[i]
		perSequence += float64(cs.again.at(float64(s), cs.keys(s, conv)) * float64(cs.count))
	}
	return perSequence * float64(sequences)
}

// frozenFLOPs is what frozen weights save of [Compiled.ForwardFLOPs] in backward:
// they have no gradient of their own.
func (c *Compiled) frozenFLOPs(sequences, s int64) float64 {
	var perSequence float64
	for i := range c.sections {
		cs := &c.sections[i]
		perSequence += float64(cs.fixed.at(float64(s), 0) * float64(cs.count))
	}
	return float64(perSequence * float64(sequences))
}

// A GroupFLOPs is one bar of the forward pass.
type GroupFLOPs struct {
	Group Group
	FLOPs float64
}

// ForwardByGroup splits [Compiled.ForwardFLOPs] by component group, groups
// without arithmetic left out.
func (c *Compiled) ForwardByGroup(sequences, s int64, conv Convention) []GroupFLOPs {
	var out []GroupFLOPs
	for g, name := range groupOrder {
		var sum float64
		for i := range c.sections {
			cs := &c.sections[i]
			sum += float64(cs.groups[g].at(float64(s), cs.keys(s, conv)) * float64(cs.count))
		}
		if sum > 0 {
			out = append(out, GroupFLOPs{name, sum * float64(sequences)})
		}
	}
	return out
}

// A StepFLOPs is the arithmetic of one optimizer step.
type StepFLOPs struct {
	Convention Convention
	Forward    float64 // one forward of the global batch
	Model      float64 // forward and backward, 3 × forward; never holds recompute
	Hardware   float64 // with what recompute repeats
	Optimizer  float64 // the update, [Optimizer.FLOPsPerParameter] · P
}

// StepFLOPs counts one step on a global batch of sequences of s tokens. Backward
// is twice forward: each product m×k·k×n has two gradients of the same size.
func (c *Compiled) StepFLOPs(globalBatch, s int64, conv Convention) StepFLOPs {
	return c.stepFLOPs(&Setting{Workload: Workload{GlobalBatch: globalBatch, Context: s}, Plan: SingleGPU, Convention: conv})
}

// stepFLOPs is [Compiled.StepFLOPs] under a plan, which decides how many layers
// are recomputed where not all are.
func (c *Compiled) stepFLOPs(x *Setting) StepFLOPs {
	w := x.Memo.passFLOPs(c, x)
	r := &c.Ledger.Recipe
	return StepFLOPs{
		Convention: x.Convention,
		Forward:    w.forward,
		Model:      w.model,
		Hardware:   w.model + float64(w.repeated*r.Recompute.share(c.limits.layers, &x.Plan)),
		Optimizer:  float64(r.Optimizer.FLOPsPerParameter()) * float64(c.Counts.Trainable),
	}
}

// A passFLOPs is the arithmetic of a global batch, whatever the plan.
type passFLOPs struct {
	forward, model float64 // as in [StepFLOPs]
	repeated       float64 // where every layer is recomputed
}

func (c *Compiled) passFLOPs(x *Setting) passFLOPs {
	forward := c.ForwardFLOPs(x.GlobalBatch, x.Context, x.Convention)
	return passFLOPs{
		forward:  forward,
		model:    float64(3*forward) - c.frozenFLOPs(x.GlobalBatch, x.Context),
		repeated: c.repeatedFLOPs(x.GlobalBatch, x.Context, x.Convention),
	}
}
