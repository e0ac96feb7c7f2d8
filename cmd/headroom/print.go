package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"headroom/internal/digits"
)

// writeJSON answers a machine.
func (s *state) writeJSON(v any) error {
	enc := json.NewEncoder(s.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// A grid of text: a header and rows of cells. Columns whose header begins with
// '>' are aligned to the right.
type textTable struct {
	header []string
	rows   [][]string
}

func table(header ...string) *textTable { return &textTable{header: header} }

func (t *textTable) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table with each line after indent; bold emphasises the header. On
// a terminal the last column is broken between words where it is too wide.
func (t *textTable) write(w io.Writer, indent string, bold func(string) string) {
	width := make([]int, len(t.header))
	right := make([]bool, len(t.header))
	head := make([]string, len(t.header))
	titled := false
	for i, h := range t.header {
		head[i] = strings.TrimPrefix(h, ">")
		right[i] = head[i] != h
		width[i] = utf8.RuneCountInString(head[i])
		titled = titled || head[i] != ""
	}
	for _, r := range t.rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	line := func(cells []string) string {
		var b strings.Builder
		for i, c := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if right[i] {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	if titled {
		fmt.Fprintf(w, "%s%s\n", indent, bold(line(head)))
	}
	last := len(width) - 1
	before := utf8.RuneCountInString(indent) + 2*last
	for i := range last {
		before += width[i]
	}
	room := 0 // for the last column; 0 = as much as it takes
	if out, ok := w.(*stream); ok && out.TTY && !right[last] && out.width()-before >= leastRoom {
		room = out.width() - before
	}
	for _, r := range t.rows {
		var rest []string
		if room > 0 && len(r) == len(width) && utf8.RuneCountInString(r[last]) > room {
			pieces := lines(r[last], room)
			r, rest = append(slices.Clone(r[:last]), pieces[0]), pieces[1:]
		}
		fmt.Fprintf(w, "%s%s\n", indent, line(r))
		for _, piece := range rest {
			fmt.Fprintf(w, "%s%s\n", strings.Repeat(" ", before), piece)
		}
	}
}

// leastRoom is how narrow a column may become by breaking it.
const leastRoom = 24

// bold is for headings, where a person looks at a terminal that can show it.
func (s *state) bold(text string) string {
	if !s.color(s.Stdout) {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// thousands writes an integer in groups of three.
func thousands(n int64) string { return digits.Thousands(n) }

const (
	gib = 1 << 30
	gb  = 1e9
)

// inGiB writes bytes as people are shown them: GiB with two decimals, and small
// amounts in MiB or KiB.
func inGiB(bytes int64) string {
	const kib, mib = 1 << 10, 1 << 20
	unit, name := gib, " GiB"
	switch a := max(bytes, -bytes); {
	case a == 0 || a >= gib/100:
	case a >= mib/100:
		unit, name = mib, " MiB"
	default:
		unit, name = kib, " KiB"
	}
	return strconv.FormatFloat(float64(bytes)/float64(unit), 'f', 2, 64) + name
}

// significant writes x with four significant digits, large and small ones with a
// decimal suffix or exponent.
func significant(x float64) string {
	a := math.Abs(x)
	switch {
	case x == 0:
		return "0"
	case a >= 1e15 || a < 1e-3:
		return strconv.FormatFloat(x, 'e', 3, 64)
	case a >= 1e4:
		return thousands(int64(math.Round(x)))
	}
	decimals := 3 - int(math.Floor(math.Log10(a)))
	return strconv.FormatFloat(x, 'f', max(decimals, 0), 64)
}

// trimZeros drops a fraction of zeros.
func trimZeros(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// whole writes a count that is kept as a float; beyond 2⁵³ not every digit is known.
func whole(x float64) string {
	if math.Abs(x) < 1<<53 && x == math.Trunc(x) {
		return thousands(int64(x))
	}
	return strconv.FormatFloat(x, 'e', 6, 64)
}

func percent(part, of float64) string {
	if of == 0 {
		return ""
	}
	return strconv.FormatFloat(100*part/of, 'f', 2, 64) + " %"
}

// plural writes a number with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ch") {
		noun += "e"
	}
	return thousands(n) + " " + noun + "s"
}
