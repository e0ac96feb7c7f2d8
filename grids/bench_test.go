package grids

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// divisors is the domain of an axis that divides all of its needs.
func divisors(args []Value) ([]Value, error) {
	ns := make([]int64, len(args))
	for i, v := range args {
		ns[i] = v.Int()
	}
	return Ints(Divisors(ns...)...), nil
}

// autoPlan is what a study with plan: auto asks for: every
// tp·pp·vpp·cp·ep·dp·zero that divides the GPUs, heads and layers of a
// 96-layer, 96-head model, with some inner axes: over a million cases.
func autoPlan() Spec {
	quotient := func(args []Value) (Value, error) {
		q := args[0].Int()
		for _, d := range args[1:] {
			if q%d.Int() != 0 {
				return IntValue(0), nil
			}
			q /= d.Int()
		}
		return IntValue(q), nil
	}
	whole := []Kind{Int}
	return Spec{
		Axes: []Axis{
			{Name: "context", Values: Ints(4096, 8192, 32768)},
			{Name: "global_batch", Values: Ints(512, 1024, 1536, 2048)},
			{Name: "accelerator", Values: Strings("h100-sxm", "h200-sxm", "b200-sxm", "mi300x")},
			{Name: "gpus", Values: Ints(64, 128, 256)},
			{Name: "tp", Needs: []string{"gpus", "heads"}, Kinds: whole, Domain: divisors},
			{Name: "pp", Needs: []string{"gpus_tp", "layers"}, Kinds: whole, Domain: divisors},
			{Name: "vpp", Needs: []string{"layers_pp", "layers_pp"}, Kinds: whole, Domain: divisors},
			{Name: "cp", Needs: []string{"gpus_tp_pp", "context"}, Kinds: whole, Domain: divisors},
			{Name: "dp", Needs: []string{"gpus_tp_pp", "cp"}, Kinds: whole, Domain: func(args []Value) ([]Value, error) {
				return Ints(args[0].Int() / args[1].Int()), nil
			}},
			{Name: "ep", Needs: []string{"dp", "experts"}, Kinds: whole, Domain: divisors},
			{Name: "zero", Values: Ints(0, 1, 2, 3)},
			{Name: "micro_batch", Values: Ints(1, 2, 4, 8)},
			{Name: "recompute", Values: Strings("none", "selective", "full")},
		},
		Derived: []Derived{
			Constant("heads", IntValue(96)),
			Constant("layers", IntValue(96)),
			Constant("experts", IntValue(1)),
			Constant("node_gpus", IntValue(8)),
			{Name: "gpus_tp", Needs: []string{"gpus", "tp"}, Kinds: whole, Value: quotient},
			{Name: "gpus_tp_pp", Needs: []string{"gpus_tp", "pp"}, Kinds: whole, Value: quotient},
			{Name: "layers_pp", Needs: []string{"layers", "pp"}, Kinds: whole, Value: quotient},
			{Name: "micro_batches", Needs: []string{"global_batch", "dp", "micro_batch"}, Kinds: whole, Value: quotient},
		},
		Where: []string{
			"tp <= node_gpus",
			"vpp == 1 || pp > 1",
			"micro_batches >= 1",
			"pp == 1 || micro_batches >= pp",
			"context / cp >= 1024",
			"zero < 2 || pp == 1",
		},
	}
}

// plainPlan asks for plans with listed axes and constraints alone, most of them
// joined with each other.
func plainPlan() Spec {
	sizes := Ints(1, 2, 4, 8, 16, 32, 64, 128, 256)
	return Spec{
		Axes: []Axis{
			{Name: "gpus", Values: Ints(64, 128, 256)},
			{Name: "tp", Values: sizes},
			{Name: "pp", Values: sizes},
			{Name: "vpp", Values: sizes},
			{Name: "cp", Values: sizes},
			{Name: "dp", Values: sizes},
			{Name: "ep", Values: sizes},
			{Name: "micro_batch", Values: sizes},
			{Name: "global_batch", Values: Ints(512, 1024, 1536, 2048)},
		},
		Where: []string{
			"tp * pp * cp * dp == gpus", "tp <= 8", "96 % tp == 0", "96 % (pp * vpp) == 0",
			"dp * cp % ep == 0", "global_batch % (dp * micro_batch) == 0",
		},
	}
}

// spread is a bad case: a quarter of a million distinct products to remember.
func spread() Spec {
	thousand, err := ParseRange("1..1000")
	if err != nil {
		panic(err)
	}
	return Spec{
		Axes:  []Axis{{Name: "a", Values: Ints(thousand...)}, {Name: "b", Values: Ints(thousand...)}, {Name: "c", Values: Ints(thousand[:8]...)}},
		Where: []string{"a * b % c == 0"},
	}
}

func BenchmarkBuild(b *testing.B) {
	for name, spec := range map[string]Spec{"auto": autoPlan(), "plain": plainPlan(), "spread": spread()} {
		b.Run("plan="+name, func(b *testing.B) {
			b.ReportAllocs()
			var g *Grid
			for b.Loop() {
				var err error
				g, err = Build(spec)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(g.Len()), "cases")
			b.ReportMetric(float64(g.Nodes()), "nodes")
			b.ReportMetric(float64(len(g.runs)), "runs")
		})
	}
}

func BenchmarkCursor(b *testing.B) {
	g, err := Build(autoPlan())
	require.NoError(b, err)
	b.ReportAllocs()
	c := g.Cursor(0, g.Len())
	for b.Loop() {
		if !c.Next() {
			c = g.Cursor(0, g.Len())
		}
	}
}

func BenchmarkAt(b *testing.B) {
	g, err := Build(autoPlan())
	require.NoError(b, err)
	var point []int32
	i := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		point = g.At(i, point)
		i = (i + 1_000_003) % g.Len()
	}
}

func BenchmarkIndex(b *testing.B) {
	g, err := Build(autoPlan())
	require.NoError(b, err)
	point := g.At(g.Len()/3, nil)
	for b.Loop() {
		_, _ = g.Index(point)
	}
}

func BenchmarkConstraint(b *testing.B) {
	s, conj, err := resolve(&Spec{
		Axes:  []Axis{{Name: "tp", Values: Ints(2)}, {Name: "pp", Values: Ints(4)}, {Name: "layers", Values: Ints(96)}},
		Where: []string{"tp <= 8 || layers % (pp * tp) == 0 || pp == 1"},
	})
	require.NoError(b, err)
	frame := make([]Value, len(s.slots))
	frame[0], frame[1], frame[2], frame[3] = IntValue(16), IntValue(3), IntValue(96), BoolValue(false)
	b.ReportAllocs()
	for b.Loop() {
		if conj[0].eval(frame).kind != Bool {
			b.Fatal(fmt.Sprint(conj[0].eval(frame)))
		}
	}
}
