// Package hardware is the catalog of accelerators, their links, what they cost
// to rent and how much of their printed speed programs reach. The data are
// embedded CSV files; every row names its source.
package hardware
