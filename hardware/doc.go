// Package hardware is the catalog of accelerators, what they cost to rent and
// how much of their printed speed programs reach. The data are CSV files
// embedded in the package; every row names its source, and data/README.md says
// what the sources are. Nothing here reads a file, a clock or the network.
//
// # Three sizes of a memory
//
// An H100 is sold as "80 GB". The 80 are binary, as memory is made:
// [Accelerator.NominalBytes] is 80·2³⁰. Of them a process is offered less,
// because the driver and error correction keep some: 79.14 GiB, its
// [Accelerator.UsableBytes]. [Accelerator.UsableSource] says whether that was
// seen on the part itself or follows from a rule, and which.
//
// # Rates
//
// Peak rates are dense: NVIDIA prints twice as much for Hopper and later,
// counting a sparsity that training does not use. Links are given in one
// direction, which is what a collective is bound by; vendors print both
// directions together (an H100's 900 GB/s are 450). All of them are peaks; a
// [Measurement] says what programs got.
//
// # Names
//
// [Lookup] takes the names that people and drivers use: "H100 SXM",
// "nvidia h100 sxm5", "NVIDIA A100-SXM4-80GB", "4090". A name that fits several
// parts is an error that lists them. A few bare names that everybody uses for
// one part ("H100") are settled by data/aliases.csv, and [Resolve] returns the
// assumption in words, to be shown.
//
// # Prices
//
// [Prices] are list prices with provider, region, pricing and date. Filter them
// with [SelectPrices], which keeps the current ones, and ask one for a
// [Price.Quote]: whole instances are rented. [ParsePrices] reads a user's own.
// No price is ever made up; an accelerator without a row has none.
//
// # Measurements
//
// [Measurements] are published figures of matrix products, memory, links and
// training runs, as evidence for a time model, see [SelectMeasurements].
//
// # Unknown figures
//
// An empty cell is unknown, which is not 0: such fields are [Optional].
package hardware
