// Package grids turns axes of values and constraints into a numbered list of
// points: point i is a pure function of i, the size is known without visiting
// the points, and what a constraint excludes is never visited.
package grids
