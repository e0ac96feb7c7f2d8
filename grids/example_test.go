package grids_test

import (
	"fmt"

	"headroom/grids"
)

func ExampleBuild() {
	gpus, _ := grids.ParseInts("8", "16")
	sizes, _ := grids.ParseInts("pow2(1..16)")
	grid, err := grids.Build(grids.Spec{
		Axes: []grids.Axis{
			{Name: "gpus", Values: grids.Ints(gpus...)},
			{Name: "tp", Values: grids.Ints(sizes...)},
			{Name: "pp", Values: grids.Ints(sizes...)},
			{Name: "dp", Values: grids.Ints(sizes...)},
		},
		Where: []string{"tp * pp * dp == gpus", "tp <= 8"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(grid.Len(), "of", grid.Raw())
	for c := grid.Cursor(10, 14); c.Next(); {
		fmt.Println(c.Index(), c.Value(0), c.Value(1), c.Value(2), c.Value(3), "changed from", grid.Axes()[c.Changed()])
	}
	// Output:
	// 24 of 250
	// 10 16 1 1 16 changed from gpus
	// 11 16 1 2 8 changed from pp
	// 12 16 1 4 4 changed from pp
	// 13 16 1 8 2 changed from pp
}

// The values of an axis may depend on earlier axes.
func ExampleAxis() {
	layers := map[string]int64{"small": 4, "large": 6}
	grid, err := grids.Build(grids.Spec{
		Axes: []grids.Axis{
			{Name: "model", Values: grids.Strings("small", "large")},
			{Name: "pp", Needs: []string{"model"}, Kinds: []grids.Kind{grids.Int}, Domain: func(args []grids.Value) ([]grids.Value, error) {
				return grids.Ints(grids.Divisors(layers[args[0].Text()])...), nil
			}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for c := grid.Cursor(0, grid.Len()); c.Next(); {
		fmt.Println(c.Index(), c.Value(0), c.Value(1))
	}
	// Output:
	// 0 small 1
	// 1 small 2
	// 2 small 4
	// 3 large 1
	// 4 large 2
	// 5 large 3
	// 6 large 6
}

func ExampleBuild_errors() {
	_, err := grids.Build(grids.Spec{
		Axes: []grids.Axis{
			{Name: "micro_batch", Values: grids.Ints(1, 2, 4)},
			{Name: "tp", Values: nil},
		},
		Where: []string{"microbatch < 4"},
	})
	fmt.Println(err)
	// Output:
	// axis "tp": no values
	// where "microbatch < 4", column 1: unknown name "microbatch"; did you mean micro_batch?
}

func ExampleParseSize() {
	for _, s := range []string{"4Mi", "70B", "1.5K", "1.2345K"} {
		n, err := grids.ParseSize(s)
		fmt.Println(n, err)
	}
	// Output:
	// 4194304 <nil>
	// 70000000000 <nil>
	// 1500 <nil>
	// 0 size "1.2345K": is 1234.5, not a whole number
}

func ExampleParseRange() {
	for _, s := range []string{"1..5", "8..32:8", "pow2(1..64)", "1..1B"} {
		ns, err := grids.ParseRange(s)
		fmt.Println(ns, err)
	}
	// Output:
	// [1 2 3 4 5] <nil>
	// [8 16 24 32] <nil>
	// [1 2 4 8 16 32 64] <nil>
	// [] range "1..1B": has 1,000,000,000 values, and an axis may have 1,000,000; use a step, or pow2(1..1000000000)
}
