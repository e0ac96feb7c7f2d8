package accounting

import (
	"errors"
	"slices"
	"strings"
)

// An Overlap says which communication runs behind computation: that of the products'
// inputs and outputs, and that of data parallelism. The zero value leaves it to the
// framework: Megatron as NVIDIA's recipes run it, everything overlapped; torchtitan with
// tensor parallelism in the open.
type Overlap uint8

// What can run behind computation.
const (
	// OverlapStated says that what is not named is exposed, of what the framework can be told.
	OverlapStated Overlap = 1 << iota
	// OverlapTP: products hide the tensor-parallel communication of their inputs and
	// outputs (Megatron's --tp-comm-overlap; torchtitan's enable_async_tensor_parallel).
	OverlapTP
	// OverlapGradReduce: gradients are reduced in buckets behind the last backward, not
	// all at once when it has ended (Megatron's --overlap-grad-reduce;
	// megatron/core/distributed/distributed_data_parallel.py, bucket_size = None).
	OverlapGradReduce
	// OverlapParamGather: updated weights are gathered behind the next forward, not
	// before it (Megatron's --overlap-param-gather).
	OverlapParamGather
)

var overlapNames = []string{"auto", "none", "tp", "grad-reduce", "tp+grad-reduce", "grad-reduce+param-gather", "tp+grad-reduce+param-gather"}

// OverlapNames lists the choices, default first.
func OverlapNames() []string { return overlapNames }

var overlapParts = []string{"tp", "grad-reduce", "param-gather"}

// String is the flag value: auto, none, or names joined by +.
func (o Overlap) String() string {
	switch o {
	case 0:
		return overlapNames[0]
	case OverlapStated:
		return overlapNames[1]
	}
	var out []string
	for i, n := range overlapParts {
		if o&(OverlapTP<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, "+")
}

// ParseOverlap reads what [Overlap.String] writes; commas will do as well.
func ParseOverlap(text string) (Overlap, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case overlapNames[0]:
		return 0, nil
	case overlapNames[1]:
		return OverlapStated, nil
	}
	o := OverlapStated
	for _, name := range strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return c == '+' || c == ',' || c == ' ' }) {
		i := slices.Index(overlapParts, strings.ReplaceAll(name, "_", "-"))
		if i < 0 {
			return 0, unknown("overlap", name, append(slices.Clone(overlapNames[:2]), overlapParts...))
		}
		o |= OverlapTP << i
	}
	switch {
	case o == OverlapStated:
		return 0, unknown("overlap", text, overlapNames)
	case o&OverlapParamGather != 0 && o&OverlapGradReduce == 0:
		return 0, errors.New("overlap param-gather needs grad-reduce, as in Megatron (megatron/training/arguments.py)")
	}
	return o, nil
}

// behind says that this runs behind computation: stated, or left to a framework that
// overlaps it and can not be told otherwise.
func (o Overlap) behind(part Overlap, profile *Profile) bool {
	return o == 0 || o&part != 0 || profile.Overlaps&part == 0
}

// possible says that a framework can be asked for it under a recipe: torchtitan
// overlaps tensor parallelism in compiled layers alone (parallelize_llama.py, "Async TP
// requires --training.compile").
func (o Overlap) possible(profile *Profile, compiled bool) bool {
	if o == 0 {
		return true
	}
	return profile.Overlaps != 0 && o&^(OverlapStated|profile.Overlaps) == 0 && (o&OverlapTP == 0 || compiled || profile.memory.style != styleAutograd)
}
