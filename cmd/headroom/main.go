// Command headroom plans the training of transformers: does it fit, how long and
// how much, and what to rent.
//
// main only wires: the arithmetic is in packages accounting, hardware, grids,
// results and sweep, and everything that belongs to the process (arguments,
// environment, streams, signals, files) is in one value, the state.
package main

func main() {
	s := processState()
	s.Exit(run(s))
}
