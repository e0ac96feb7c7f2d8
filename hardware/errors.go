package hardware

import (
	"fmt"
	"strconv"
	"strings"

	"headroom/internal/suggest"
)

// NameError reports a name that stands for nothing here, or for several things.
type NameError struct {
	What        string   // what was looked up: "accelerator", "provider", …
	Name        string   // as it was typed
	Candidates  []string // what an ambiguous name may stand for, in catalog order; empty when it matches nothing
	Suggestions []string // the nearest names when it matches nothing, best first; may be empty
	Known       []string // every name there is, where they are few enough to print
}

// Error says what is unknown or ambiguous and which names would do.
func (e *NameError) Error() string {
	switch {
	case len(e.Candidates) > 0:
		return fmt.Sprintf("ambiguous %s %q: name one of %s", e.What, e.Name, list(e.Candidates, 12))
	case len(e.Suggestions) > 0:
		return fmt.Sprintf("unknown %s %q: %s", e.What, e.Name, suggest.Question(e.Suggestions[:1]))
	case len(e.Known) > 0:
		return fmt.Sprintf("unknown %s %q: known are %s", e.What, e.Name, list(e.Known, 12))
	}
	return fmt.Sprintf("unknown %s %q", e.What, e.Name)
}

// list writes the first names of a list, in quotes those that hold a comma, as flags and
// studies take them.
func list(all []string, most int) string {
	var names []string
	for _, n := range all {
		switch {
		case n == "": // not known
		case strings.Contains(n, ","):
			names = append(names, strconv.Quote(n))
		default:
			names = append(names, n)
		}
	}
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s … (%d more)", strings.Join(names[:most], ", "), len(names)-most)
}

// CellError is one problem in a table: a cell, or a whole row or file when Name
// is empty. Line and Column count from 1, Column in bytes.
type CellError struct {
	File         string
	Line, Column int
	Name         string // the column's name
	Msg          string
}

// Error returns file:line:column: name: message.
func (e *CellError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Column, e.Name, e.Msg)
}
