package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// shown are the sections of an answer that have a layout of their own.
var shown = []string{"case", "parameters", "flops", "memory", "algebra", "ledger", "time", "cost", "status", "reason", "notes"}

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
		if t := listTable(m.value); t != nil {
			t.write(s.Stdout, "  ", s.bold)
			continue
		}
		t := table("", "")
		addMembers(t, "", m.name, unitOf(m.name), m.value)
		t.write(s.Stdout, "  ", plain)
	}
	return nil
}

// listTable is a list of flat objects as a table, a row each; nil for any other
// value. The columns are those of the first object.
func listTable(value json.RawMessage) *textTable {
	var list []json.RawMessage
	if value[0] != '[' || json.Unmarshal(value, &list) != nil || len(list) == 0 || list[0][0] != '{' {
		return nil
	}
	var t *textTable
	for _, row := range list {
		fields, err := members(row)
		if err != nil {
			return nil
		}
		var header, cells []string
		for _, f := range fields {
			if f.value[0] == '{' || f.value[0] == '[' {
				return nil
			}
			unit := unitOf(f.name)
			name := words(strings.TrimSuffix(f.name, "_"+unit))
			if f.value[0] != '"' {
				name = ">" + name
			}
			header = append(header, name)
			cells = append(cells, words(leaf(unit, f.value)))
		}
		if t == nil {
			t = table(header...)
		}
		if len(header) != len(t.header) {
			return nil
		}
		t.add(cells...)
	}
	return t
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

// addMembers adds a value to a table, a line for each leaf; unit is the name whose
// ending tells what a number counts.
func addMembers(t *textTable, indent, name, unit string, value json.RawMessage) {
	switch value[0] {
	case '{':
		fields, err := members(value)
		if err != nil {
			return // it was marshalled a moment ago
		}
		t.add(indent + words(name))
		for _, f := range fields {
			if !isEmpty(f.value) {
				addMembers(t, indent+"  ", f.name, cmp.Or(unitOf(f.name), unit), f.value)
			}
		}
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil {
			return
		}
		if len(list) == 0 || list[0][0] == '{' || list[0][0] == '[' {
			for i, v := range list {
				addMembers(t, indent, fmt.Sprintf("%s %d", name, i+1), unit, v)
			}
			return
		}
		texts := make([]string, len(list))
		for i, v := range list {
			texts[i] = leaf(unit, v)
		}
		t.add(indent+words(name), strings.Join(texts, ", "))
	default:
		t.add(indent+words(strings.TrimSuffix(name, "_"+unitOf(name))), leaf(cmp.Or(unitOf(name), unit), value))
	}
}

// units are the endings of names that say what a number counts.
var units = []string{"bytes_per_second", "per_second", "bytes", "seconds", "usd", "hours", "watts", "year"}

func unitOf(name string) string {
	for _, u := range units {
		if name == u || strings.HasSuffix(name, "_"+u) {
			return u
		}
	}
	return ""
}

// leaf writes one value with its unit.
func leaf(unit string, value json.RawMessage) string {
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return string(value)
	}
	number, isNumber := v.(json.Number)
	if !isNumber {
		return fmt.Sprint(v)
	}
	x, err := number.Float64()
	if err != nil {
		return number.String()
	}
	switch unit {
	case "bytes_per_second":
		return significant(x/gb) + " GB/s"
	case "per_second":
		return significant(x/1e12) + " T/s"
	case "bytes":
		return inGiB(int64(x))
	case "seconds":
		return significant(x) + " s"
	case "usd":
		return "$" + significant(x)
	case "hours":
		return significant(x) + " h"
	case "watts":
		return trimZeros(number.String()) + " W"
	case "year":
		return number.String()
	}
	if n, err := number.Int64(); err == nil {
		return thousands(n)
	}
	return significant(x)
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
