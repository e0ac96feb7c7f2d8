// Command headroom plans the training of transformers: does it fit, how long and
// how much, and what to rent.
package main

func main() {}
