// Package validate holds predictions against published measurements: it reads a
// table of runs, maps each run to a case by rules that depend on its own columns
// alone, evaluates the case and compares what the source measured, as the source
// defined it. Runs that lack an input are skipped with the reason.
package validate
