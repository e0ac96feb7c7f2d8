// Package rules holds the rules of this repository as tests: which package may
// import which, and why not the others, that every package says what it is, and
// that the module builds from its registry alone. It has no code of its own.
package rules
