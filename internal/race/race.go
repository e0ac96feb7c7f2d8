//go:build race

// Package race tells whether the race detector is compiled in, for tests that
// count what it adds to: allocations and time.
package race

// Enabled says that this binary has the race detector.
const Enabled = true
