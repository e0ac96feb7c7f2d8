package grids

import (
	"fmt"
	"slices"
	"strings"
)

// explainEmpty finds constraints that together leave no case, as few as
// dropping them one by one leads to.
func (b *builder) explainEmpty() error {
	kept := make([]int, len(b.spec.Where))
	for i := range kept {
		kept[i] = i
	}
	for i := range b.spec.Where {
		trial := slices.DeleteFunc(slices.Clone(kept), func(j int) bool { return j == i })
		if leavesNone(b.spec, trial) {
			kept = trial
		}
	}
	switch len(kept) {
	case 0:
		return &Error{Part: PartGrid, Msg: "no case: " + b.emptyAxis(), Err: ErrEmpty}
	case 1:
		return &Error{
			Part: PartWhere, Index: kept[0], Name: b.spec.Where[kept[0]], Err: ErrEmpty,
			Msg: "excludes every case", Hint: "loosen it, or give its axes other values",
		}
	}
	var texts []string
	for _, i := range kept {
		texts = append(texts, quote(b.spec.Where[i]))
	}
	return &Error{
		Part: PartGrid, Err: ErrEmpty,
		Msg:  fmt.Sprintf("no case is left: where %s exclude every case together, and none of them alone", strings.Join(texts, " and ")),
		Hint: "loosen one of them",
	}
}

// leavesNone reports whether the grid with these constraints alone is empty.
func leavesNone(spec *Spec, where []int) bool {
	trial := *spec
	trial.Where = nil
	for _, i := range where {
		trial.Where = append(trial.Where, spec.Where[i])
	}
	s, conj, err := resolve(&trial)
	if err != nil {
		return false
	}
	b := newBuilder(&trial, s, conj)
	if err := b.build(); err != nil {
		return false
	}
	return b.grid.Len() == 0
}

// emptyAxis names the first dependent axis that has no value anywhere.
func (b *builder) emptyAxis() string {
	for k, a := range b.spec.Axes {
		if a.Domain != nil && len(b.grid.values[k]) == 0 {
			return fmt.Sprintf("axis %s has no value for any combination of %s", quote(a.Name), strings.Join(a.Needs, ", "))
		}
	}
	return "the dependent axes have no values in common"
}
