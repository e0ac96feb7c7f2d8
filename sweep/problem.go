package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing that is wrong with a study, and where.
type Problem struct {
	File      string // file of the study, or of a config.json it names; empty when Source tells
	Line, Col int    // 1-based; 0 = the file as a whole
	Source    string // environment variable or flag that gave the value; empty for a file
	Path      string // the key, such as grid.context[2]; empty = the study as a whole
	Msg       string
	Hint      string // the next step; may be empty
}

// Error is "file:line:col: path: message", or "HEADROOM_GRID_TP: grid.tp: message".
func (p *Problem) Error() string {
	var b strings.Builder
	switch {
	case p.Source != "":
		b.WriteString(p.Source + ": ")
	case p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Col)
	case p.File != "":
		b.WriteString(p.File + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Msg)
	return b.String()
}

// Problems is everything that is wrong with a study, sorted by position: files
// first, then the environment and flags.
type Problems []Problem

// Error has a line a problem, each followed by its hint.
func (ps Problems) Error() string {
	const most = 20
	var b strings.Builder
	for i := range ps {
		if i == most {
			fmt.Fprintf(&b, "\nand %d more", len(ps)-most)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(ps[i].Error())
		if ps[i].Hint != "" {
			b.WriteString("\n  hint: " + ps[i].Hint)
		}
	}
	return b.String()
}

// Unwrap gives the problems one by one to errors.As.
func (ps Problems) Unwrap() []error {
	out := make([]error, len(ps))
	for i := range ps {
		out[i] = &ps[i]
	}
	return out
}

// sorted orders by position and drops what is said twice.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Source, b.Source), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
		)
	})
	return slices.Compact(ps)
}
