package accounting

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Trainable says which parameters are trained. The zero value trains all. Frozen
// parameters have no gradients and no optimizer states, and a product with a frozen
// matrix does not keep its input.
type Trainable struct {
	// Rank of low-rank adapters (LoRA: Hu et al. 2021), 0 = none: each target W of out
	// rows and in columns gets trained matrices A, rank×in, and B, out×rank, and all
	// else is frozen.
	Rank    int64
	Targets Parts
	Dropout bool // before the adapters
	// Frozen parts, without adapters.
	Frozen Parts
}

// Parts are kinds of weights, each with its name among adapters' targets (Hugging
// Face peft's target_modules) or among what can be frozen.
type Parts uint32

// Parts.
const (
	partQ Parts = 1 << iota
	partK
	partV
	partO
	partGate
	partUp
	partDown
	partQDown
	partQUp
	partKVDown
	partKVUp
	partEmbedding
	partHead
	partNorms
	partRouter
	partExperts
	partOther

	attentionParts = partQ | partK | partV | partO | partQDown | partQUp | partKVDown | partKVUp
	mlpParts       = partGate | partUp | partDown
	linearParts    = attentionParts | mlpParts
	everyPart      = partOther<<1 - 1
)

type partName struct {
	name string
	part Parts
}

// targetNames are what adapters can be put on; the names of other code follow the
// canonical ones.
var targetNames = []partName{
	{"all-linear", linearParts},
	{"q_proj", partQ},
	{"k_proj", partK},
	{"v_proj", partV},
	{"o_proj", partO},
	{"gate_proj", partGate},
	{"up_proj", partUp},
	{"down_proj", partDown},
	{"q_a_proj", partQDown},
	{"q_b_proj", partQUp},
	{"kv_a_proj_with_mqa", partKVDown},
	{"kv_b_proj", partKVUp},
	// Megatron's, as separate matrices; torchtune's.
	{"linear_qkv", partQ | partK | partV},
	{"linear_proj", partO},
	{"linear_fc1", partGate | partUp},
	{"linear_fc2", partDown},
	{"output_proj", partO},
	{"attention", attentionParts},
	{"mlp", mlpParts},
}

// frozenNames are what can be frozen.
var frozenNames = []partName{
	{"embedding", partEmbedding},
	{"head", partHead},
	{"norms", partNorms},
	{"attention", attentionParts},
	{"mlp", mlpParts},
	{"router", partRouter},
	{"experts", partExperts},
}

// defaultTargets are peft's for the Llama family.
const defaultTargets = partQ | partV

// maxRank is more than any adapter has.
const maxRank = 1 << 16

// all says that every parameter is trained.
func (t Trainable) all() bool { return t == Trainable{} }

// String is the flag value: all, lora:16:q_proj+v_proj, lora:16:q_proj+v_proj:dropout,
// freeze:embedding+head.
func (t Trainable) String() string {
	write := func(names []partName, parts Parts) string {
		var out []string
		for _, n := range names {
			if parts&n.part == n.part && parts != 0 {
				out = append(out, n.name)
				parts &^= n.part
			}
		}
		return strings.Join(out, "+")
	}
	switch {
	case t.Rank > 0:
		dropout := ""
		if t.Dropout {
			dropout = ":dropout"
		}
		return fmt.Sprintf("lora:%d:%s%s", t.Rank, write(targetNames, t.Targets), dropout)
	case t.Frozen != 0:
		return "freeze:" + write(frozenNames, t.Frozen)
	}
	return "all"
}

// ParseTrainable reads what [Trainable.String] writes; parts may be separated by
// commas, and lora:16 alone takes q_proj and v_proj; a last :dropout says that the
// adapters have dropout before them.
func ParseTrainable(text string) (Trainable, error) {
	word, rest, more := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	parts := func(kind string, known []partName, list string) (Parts, error) {
		var out Parts
		for _, name := range strings.FieldsFunc(list, func(c rune) bool { return c == '+' || c == ',' || c == ' ' }) {
			i := slices.IndexFunc(known, func(n partName) bool { return n.name == name })
			if i < 0 {
				return 0, unknown(kind, name, names(known, func(n partName) string { return n.name }))
			}
			out |= known[i].part
		}
		return out, nil
	}
	switch {
	case word == "all" && !more:
		return Trainable{}, nil
	case word == "freeze":
		frozen, err := parts("part of a model", frozenNames, rest)
		if err == nil && frozen == 0 {
			err = fmt.Errorf("trainable %q: name what is frozen, such as freeze:embedding+head", text)
		}
		return Trainable{Frozen: frozen}, err
	case word == "lora":
		number, list, _ := strings.Cut(rest, ":")
		list, dropout := strings.CutSuffix(":"+list, ":dropout")
		list = strings.TrimPrefix(list, ":")
		rank, err := strconv.ParseInt(number, 10, 64)
		if err != nil || rank < 1 || rank > maxRank {
			return Trainable{}, fmt.Errorf("trainable %q: write lora:16 or lora:16:q_proj+v_proj for adapters of rank 16", text)
		}
		targets, err := parts("LoRA target", targetNames, list)
		return Trainable{Rank: rank, Targets: cmp.Or(targets, defaultTargets), Dropout: dropout}, err
	}
	return Trainable{}, unknown("trainable", word, []string{"all", "lora", "freeze"})
}

// LoRATargets are the names of what adapters can be put on.
func LoRATargets() []string { return names(targetNames, func(n partName) string { return n.name }) }

// FrozenParts are the names of what can be frozen.
func FrozenParts() []string { return names(frozenNames, func(n partName) string { return n.name }) }

// partOf is the part that a weight of a component belongs to.
func partOf(component, weight string, g Group) Parts {
	switch component {
	case "token_embedding", "position_embedding", "type_embedding", "embedding_norm", "embedding_projection":
		return partEmbedding
	case "head", "head_projection":
		return partHead
	case "router", "shared_expert_gate":
		return partRouter
	}
	if g == GroupNorm {
		return partNorms
	}
	name := strings.TrimSuffix(weight, "_bias")
	if strings.HasPrefix(name, "expert_") {
		return partExperts
	}
	switch strings.TrimPrefix(name, "shared_") {
	case "q":
		return partQ
	case "k":
		return partK
	case "v":
		return partV
	case "o":
		return partO
	case "gate":
		return partGate
	case "up":
		return partUp
	case "down":
		return partDown
	case "q_down":
		return partQDown
	case "q_up":
		return partQUp
	case "kv_down":
		return partKVDown
	case "kv_up":
		return partKVUp
	}
	return partOther
}

// freeze marks what is not trained and adds the adapters of a section.
func (s *Section) freeze(t Trainable) {
	if t.all() {
		return
	}
	for i := range s.Components {
		c := &s.Components[i]
		for j := range len(c.Weights) {
			w := &c.Weights[j]
			part := partOf(c.Name, w.Name, c.Group)
			w.Frozen = t.Rank > 0 || part&t.Frozen != 0
			if s.Layer == nil || part&t.Targets == 0 || w.Uses == nil || len(w.Shape) != 2 {
				continue
			}
			// Column-parallel matrices have B cut like them and A whole, row-parallel ones
			// the other way round (Megatron-Bridge, peft/lora.py).
			a := Tensor{Name: w.Name + "_lora_a", Shape: []Expr{Int(t.Rank), w.Shape[1]}, Uses: w.Uses}
			b := Tensor{Name: w.Name + "_lora_b", Shape: []Expr{w.Shape[0], Int(t.Rank)}, Uses: w.Uses}
			if part == partO || part == partDown {
				a.Shard = w.Shard
			} else {
				b.Shard = w.Shard
			}
			c.Weights = append(c.Weights, a, b)
		}
	}
}

// trains says that some matrix of a component is trained, or an adapter on it.
func (s *Section) trains(component string) bool {
	c := s.Component(component)
	if c == nil {
		return true
	}
	return slices.ContainsFunc(c.Weights, func(w Tensor) bool { return !w.Frozen }) || len(c.Weights) == 0
}

// frozenGradient says that a working tensor is the gradient of a frozen matrix.
func (s *Section) frozenGradient(name string) bool {
	weight, found := strings.CutSuffix(name, "_gradient")
	if !found {
		return false
	}
	if weight == "down" && s.Component("down") == nil {
		weight = "expert_down"
	}
	for i := range s.Components {
		for j := range s.Components[i].Weights {
			if w := &s.Components[i].Weights[j]; w.Name == weight {
				return w.Frozen
			}
		}
	}
	return false
}

// prune takes away the saved tensors that a frozen section does not keep, and adds
// the adapters' own. A product with a frozen matrix needs no input for the gradient
// of the weight; attention's output stays, because the fused kernel keeps it.
// Where several matrices read one input, it is kept for any that is trained.
// The product of a frozen norm's weight needs no normalised value. peft's adapters read
// an input of their own, not the frozen matrix's.
func (s *Section) prune(r *Recipe, peft bool) {
	if r.Trainable.all() {
		return
	}
	if s.Role == RoleEmbedding {
		for _, name := range []string{"token_embedding", "position_embedding", "type_embedding"} {
			if c := s.Component(name); c != nil && !s.trains(name) {
				c.Saved = nil // no gradient, no numbers of its rows
			}
		}
	}
	if s.Layer == nil && s.Role != RoleHead {
		return
	}
	if s.idle {
		for i := range s.Components {
			s.Components[i].Saved = nil
		}
		return
	}
	fused := [][]string{{"gate", "up"}, {"shared_gate", "shared_up", "expert_gate", "expert_up", "router"}, {"q_down", "kv_down", "q"}}
	for i := range s.Components {
		c := &s.Components[i]
		trains := func(name string) bool {
			if own, _ := r.adapterInput(peft); own && s.adapted(name) {
				return false
			}
			return s.trains(name)
		}
		kept := trains(c.Name)
		for _, group := range fused {
			if slices.Contains(group, c.Name) {
				kept = slices.ContainsFunc(group, func(name string) bool { return s.Component(name) != nil && trains(name) })
			}
		}
		if c.Group == GroupNorm && !s.trains(c.Name) {
			c.Saved = slices.DeleteFunc(c.Saved, func(t Tensor) bool { return t.Name == "normalised" })
		}
		if c.Group == GroupNorm || c.Name == "out" && r.Attention.fused() && !s.keepsOutput() {
			kept = true // a norm needs its input for the gradient of its input
		}
		if !kept {
			c.Saved = slices.DeleteFunc(c.Saved, func(t Tensor) bool { return t.Name == "input" })
		}
	}
}

// keepsOutput says that attention lists its output, of which the last projection then
// keeps a copy.
func (s *Section) keepsOutput() bool {
	for _, name := range []string{"qk", "softmax", "av"} {
		if c := s.Component(name); c != nil && slices.ContainsFunc(c.Saved, func(t Tensor) bool { return t.Name == "output" }) {
			return true
		}
	}
	return false
}

// adapted says that a component has adapters.
func (s *Section) adapted(component string) bool {
	c := s.Component(component)
	return c != nil && slices.ContainsFunc(c.Weights, func(w Tensor) bool { return strings.HasSuffix(w.Name, "_lora_a") })
}

// adapterInput says whether each adapter keeps an input of its own, and its type:
// peft casts the input to its adapters' fp32, and autocast casts that back
// (peft/tuners/lora/layer.py, Linear.forward; autocast_adapter_dtype).
func (r *Recipe) adapterInput(peft bool) (own bool, of DType) {
	switch {
	case !peft || r.Precision.Compute == FP32:
		return r.Trainable.Dropout, r.Precision.Compute
	case r.Precision.Autocast:
		return true, r.Precision.Compute
	}
	return true, FP32
}

// widenAdapters makes adapters fp32 over 16-bit weights, as peft does.
func (p *Precision) widenAdapters() {
	if p.WeightBytes < 4 && p.MasterBytes == 0 {
		p.AdapterBytes, p.GradientBytes, p.MomentBytes = 4-p.WeightBytes, 4, 4
	}
}

// adapterTensors are what the adapters of a section keep: the result of each A, its
// input where it is one of its own, and the mask of dropout before it.
func (s *Section) adapterTensors(r *Recipe, peft bool) {
	if r.Trainable.Rank == 0 || r.Recompute.Mode == RecomputeFull {
		return
	}
	own, of := r.adapterInput(peft)
	for i := range s.Components {
		c := &s.Components[i]
		for j := range c.Weights {
			w := &c.Weights[j]
			name, found := strings.CutSuffix(w.Name, "_lora_a")
			if !found {
				continue
			}
			keep := func(name string, d DType, source string, width Expr, shard Shard) {
				c.Saved = append(c.Saved, Tensor{Name: name, Shape: []Expr{batch, context, width}, DType: d, Shard: shard, Source: source})
			}
			shard := Tokens
			if w.Shard == ByTP { // A of a row-parallel matrix
				shard = TokensTP
			}
			if r.Trainable.Dropout {
				keep(name+"_lora_mask", Bool, "dropout before A", w.Shape[1], shard)
			}
			if own {
				keep(name+"_lora_input", of, "the input of A, for its gradient", w.Shape[1], shard)
			}
			keep(name+"_lora_hidden", of, "the result of A, for the gradient of B", Int(r.Trainable.Rank), Tokens)
		}
	}
}
