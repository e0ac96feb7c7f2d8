// Package accounting counts what training one transformer costs: parameters,
// FLOPs, memory, time and money of one case.
//
// Its heart is the [Ledger]: rows are components (QKV, softmax, gate, head …),
// columns are parameters, gradients, optimizer state, activations and FLOPs;
// every cell is a small algebraic expression with a data type and a sharding
// rule. Printed, the ledger explains; summed, it counts; compiled, it sweeps.
//
// Everything here is a pure function of its arguments: no file, clock, network,
// randomness or goroutine, and no map iteration where order could show.
package accounting
