package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// shown are the sections of an answer that have a layout of their own.
var shown = []string{"case", "parameters", "flops", "memory", "algebra", "ledger", "status", "reason", "notes"}

// printOtherSections lists the sections of an answer without a layout, from its
// JSON: what a machine can read, a person can see.
func (s *state) printOtherSections(answer any) error {
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	sections, err := members(raw)
	if err != nil {
		return err
	}
	for _, m := range sections {
		if slices.Contains(shown, m.name) || isEmpty(m.value) {
			continue
		}
		s.heading(title(m.name))
		t := table("", "")
		addMembers(t, "", m.name, m.value)
		t.write(s.Stdout, "  ", plain)
	}
	return nil
}

// A member is one field of a JSON object, in the order of the text.
type member struct {
	name  string
	value json.RawMessage
}

func members(object json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var out []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: fmt.Sprint(name)}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// addMembers adds a value to a table, a line for each leaf.
func addMembers(t *textTable, indent, name string, value json.RawMessage) {
	switch value[0] {
	case '{':
		fields, err := members(value)
		if err != nil {
			return // it was marshalled a moment ago
		}
		if indent != "" {
			t.add(strings.TrimPrefix(indent, "  ") + words(name))
		}
		for _, f := range fields {
			if !isEmpty(f.value) {
				addMembers(t, indent+"  ", f.name, f.value)
			}
		}
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil {
			return
		}
		for i, v := range list {
			addMembers(t, indent, fmt.Sprintf("%s %d", name, i+1), v)
		}
	default:
		label, text := leaf(name, value)
		t.add(strings.TrimPrefix(indent, "  ")+label, text)
	}
}

// leaf words a number by the unit that ends its name.
func leaf(name string, value json.RawMessage) (label, text string) {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return words(name), string(value)
	}
	x, isNumber := v.(float64)
	if !isNumber {
		return words(name), fmt.Sprint(v)
	}
	for _, u := range []struct {
		suffix string
		format func(float64) string
	}{
		{"_bytes", func(x float64) string { return inGiB(int64(x)) }},
		{"_seconds", func(x float64) string { return significant(x) + " s" }},
		{"_usd", func(x float64) string { return "$" + significant(x) }},
		{"_hours", func(x float64) string { return significant(x) + " h" }},
	} {
		if rest, ok := strings.CutSuffix(name, u.suffix); ok {
			return words(rest), u.format(x)
		}
	}
	return words(name), significant(x)
}

func isEmpty(value json.RawMessage) bool {
	switch string(bytes.TrimSpace(value)) {
	case "null", "{}", "[]", `""`:
		return true
	}
	return false
}

func title(name string) string {
	name = words(name)
	return strings.ToUpper(name[:1]) + name[1:]
}
