package arch

import (
	"fmt"
	"slices"
	"strings"
)

// A ConfigError says what is wrong with one place of a config.json.
type ConfigError struct {
	File      string // as the caller named it
	Line, Col int    // 1-based; 0 = no one place
	Path      string // the key, dotted: "text_config.hidden_size"; "" = the whole file
	Msg       string
}

// Error gives "file:line:col: path: message".
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Col)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// ConfigErrors is every problem of one config.json, in the order of the file.
type ConfigErrors []*ConfigError

// Error gives one problem a line.
func (es ConfigErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the problems one by one to errors.As.
func (es ConfigErrors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

func (es ConfigErrors) sorted() ConfigErrors {
	slices.SortStableFunc(es, func(a, b *ConfigError) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	return slices.CompactFunc(es, func(a, b *ConfigError) bool { return *a == *b })
}
