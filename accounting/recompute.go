package accounting

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A RecomputeMode is the coarse choice of what backward computes again.
type RecomputeMode uint8

// Recompute modes.
const (
	RecomputeNone      RecomputeMode = iota
	RecomputeSelective               // the profile's own selection: core attention in Megatron, an operation list in torchtitan
	RecomputeFull                    // every layer keeps its input only
)

// Modules are the parts of a layer that selective recompute can name, by the names
// of Megatron-Core's --recompute-modules.
type Modules uint8

// Modules.
const (
	CoreAttention Modules = 1 << iota // scores, softmax and weighted sum
	MoEActivation                     // the activation inside the experts
	LayerNorms                        // results of the norms before attention and feed-forward
	MLAUp                             // latent attention's up-projections and rotary positions
	DenseMLP                          // the whole dense feed-forward
	MoELayer                          // router, experts and shared experts
	SharedExperts                     // the shared experts alone
)

var moduleNames = []string{"core_attn", "moe_act", "layernorm", "mla_up_proj", "mlp", "moe", "shared_experts"}

// A Recompute says what backward computes again instead of keeping. The zero value
// recomputes nothing.
type Recompute struct {
	Mode RecomputeMode
	// Modules of selective recompute; none = the profile's own selection.
	Modules Modules
	// Layers of full recompute, 0 = each layer for itself: with Block so many layers of
	// each chunk of a stage and none of the others; otherwise units of so many layers,
	// which keep one input (Megatron's --recompute-method block and uniform with
	// --recompute-num-layers).
	Layers int64
	Block  bool
	// Every recomputes every so many-th layer of a stage in full and none of the others
	// (torchtitan's selective_ac_option "2", "3", …); 0 and 1 = all.
	Every int64
}

// String is the flag value: none, selective, selective:core_attn+moe_act, full,
// full:uniform:2, full:block:4, every:2.
func (r Recompute) String() string {
	switch {
	case r.Mode == RecomputeNone:
		return "none"
	case r.Mode == RecomputeSelective && r.Modules == 0:
		return "selective"
	case r.Mode == RecomputeSelective:
		var names []string
		for i, n := range moduleNames {
			if r.Modules&(1<<i) != 0 {
				names = append(names, n)
			}
		}
		return "selective:" + strings.Join(names, "+")
	case r.Every > 1:
		return "every:" + strconv.FormatInt(r.Every, 10)
	case r.Block:
		return "full:block:" + strconv.FormatInt(r.Layers, 10)
	case r.Layers > 1:
		return "full:uniform:" + strconv.FormatInt(r.Layers, 10)
	}
	return "full"
}

// Compare orders by how much is computed again, roughly.
func (r Recompute) Compare(o Recompute) int {
	return cmp.Or(cmp.Compare(r.Mode, o.Mode), cmp.Compare(r.Modules, o.Modules), -cmp.Compare(r.Every, o.Every), cmp.Compare(r.Layers, o.Layers))
}

// partial says that some layers are recomputed and others not, or several at once.
func (r Recompute) partial() bool {
	return r.Mode == RecomputeFull && (r.Block || r.Every > 1 || r.Layers > 1)
}

// sentence says which layers partial recompute runs again.
func (r Recompute) sentence() string {
	switch {
	case r.Block:
		return fmt.Sprintf("the first %d layers of each chunk of a pipeline stage are recomputed, the others kept whole", r.Layers)
	case r.Every > 1:
		return fmt.Sprintf("one of every %d layers of a stage is recomputed, the others are kept whole", r.Every)
	}
	return fmt.Sprintf("%d layers at a time keep one input and are run again together", r.Layers)
}

// unit is how many layers keep one input together.
func (r Recompute) unit() int64 {
	if r.Block {
		return 1
	}
	return max(r.Layers, 1)
}

// again is how many of n equal layers that follow layer i of their chunk, and
// before of their stage, are recomputed.
func (r Recompute) again(i, before, n int64) int64 {
	switch {
	case r.Block:
		return min(max(r.Layers-i, 0), n)
	case r.Every > 1:
		return (before+n)/r.Every - before/r.Every
	}
	return n
}

// share is the part of all layers that full recompute runs again.
func (r Recompute) share(layers int64, p *Plan) float64 {
	switch {
	case r.Block:
		return min(float64(r.Layers*p.PP*p.chunks())/float64(layers), 1)
	case r.Every > 1:
		stage := layers / p.PP
		return float64(stage/r.Every*p.PP) / float64(layers)
	}
	return 1
}

// maxRecomputeLayers is more than any model has.
const maxRecomputeLayers = 1 << 20

// ParseRecompute reads what [Recompute.String] writes. Modules may be separated by
// commas as well; "selective:2" is torchtitan's every:2 and "selective:op" its
// selection by operation.
func ParseRecompute(text string) (Recompute, error) {
	word, rest, more := strings.Cut(strings.ToLower(strings.TrimSpace(text)), ":")
	bad := func(format string, args ...any) (Recompute, error) {
		return Recompute{}, fmt.Errorf("recompute %q: %s", text, fmt.Sprintf(format, args...))
	}
	number := func(s string) (int64, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil && n >= 1 && n <= maxRecomputeLayers
	}
	known := []string{"none", "selective", "full", "every"}
	switch {
	case !slices.Contains(known, word):
		return Recompute{}, unknown("recompute", word, known)
	case word == "none" && more:
		return bad("none has no options")
	case word == "none":
		return Recompute{}, nil
	case word == "selective" && (!more || rest == "op"):
		return Recompute{Mode: RecomputeSelective}, nil
	case word == "every" || word == "selective" && rest != "" && rest[0] <= '9':
		n, ok := number(rest)
		if !ok {
			return bad("write every:2 to recompute every second layer")
		}
		if n == 1 {
			return Recompute{Mode: RecomputeFull}, nil
		}
		return Recompute{Mode: RecomputeFull, Every: n}, nil
	case word == "selective":
		r := Recompute{Mode: RecomputeSelective}
		for _, name := range strings.FieldsFunc(rest, func(c rune) bool { return c == '+' || c == ',' || c == ' ' }) {
			i := slices.Index(moduleNames, name)
			if i < 0 {
				return Recompute{}, unknown("recompute module", name, moduleNames)
			}
			r.Modules |= 1 << i
		}
		if r.Modules == 0 {
			return bad("name modules such as selective:core_attn+moe_act (known: %s)", strings.Join(moduleNames, ", "))
		}
		if r.Modules == CoreAttention {
			r.Modules = 0 // Megatron's own selection
		}
		return r, nil
	}
	if !more {
		return Recompute{Mode: RecomputeFull}, nil
	}
	method, count, _ := strings.Cut(rest, ":")
	if method != "uniform" && method != "block" {
		return Recompute{}, unknown("recompute method", method, []string{"uniform", "block"})
	}
	n, ok := number(count)
	if !ok {
		return bad("write full:%s:4 for four layers", method)
	}
	if method == "uniform" && n == 1 {
		n = 0
	}
	return Recompute{Mode: RecomputeFull, Layers: n, Block: method == "block"}, nil
}

// RecomputeModules are the names of the modules that selective recompute takes.
func RecomputeModules() []string { return moduleNames }

// module is the part of a layer that a component belongs to.
func moduleOf(component string) Modules {
	switch component {
	case "qk", "softmax", "av":
		return CoreAttention
	case "q_up", "kv_up":
		return MLAUp
	case "gate", "up", "activation", "product", "down":
		return DenseMLP
	case "router", "expert_gate", "expert_up", "expert_activation", "expert_product", "expert_down":
		return MoELayer
	case "shared_gate", "shared_up", "shared_activation", "shared_product", "shared_down", "shared_expert_gate":
		return SharedExperts
	}
	return 0
}

// repeats is the part of a component's forward FLOPs that backward repeats, and
// weight, if not empty, the one weight of it that is meant.
func (l *Ledger) repeats(component string) (yes bool, weight string) {
	r := l.Recipe.Recompute
	switch {
	case r.Mode == RecomputeFull:
		return true, ""
	case r.Mode == RecomputeNone:
		return false, ""
	case l.Profile.memory.operations:
		// torchtitan's selection by operation keeps every second matrix product of a layer
		// (q, v, gate, down) and attention's output: k, o and up run again.
		switch component {
		case "qkv":
			return true, "k"
		case "out", "up":
			return true, ""
		}
		return false, ""
	}
	modules := cmp.Or(r.Modules, CoreAttention)
	if modules&MoELayer != 0 {
		modules |= SharedExperts
	}
	return modules&moduleOf(component) != 0, ""
}
