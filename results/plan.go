package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Plan is what decides every byte of a dataset.
type Plan struct {
	// Name is the study's name.
	Name string `json:"name"`
	// Study is the study with all defaults filled in, as JSON. Spacing and the
	// order of keys do not matter.
	Study json.RawMessage `json:"study"`
	// Catalogs is the hash of the model, hardware and price catalogs used.
	Catalogs string `json:"catalogs"`
	// Engine is the version of the engine that computes and writes the rows.
	Engine string `json:"engine_version"`
	// Cases is the size of the index space; case ids are in [0, Cases).
	Cases int64 `json:"cases"`
	// PartRows is the number of case ids in a part; the last may hold fewer.
	PartRows int64 `json:"part_rows"`
	// Models are the architectures, as JSON, of models that only the study describes, by
	// name: readers cannot look those up. Study has their hashes, so that they are no part
	// of the identity.
	Models map[string]json.RawMessage `json:"models,omitempty"`
}

// planFile is the plan as it stands in a dataset.
type planFile struct {
	RunID         string `json:"run_id"`
	SchemaVersion int    `json:"schema_version"`
	Plan
}

// maxParts bounds what a directory and a manifest can reasonably hold.
const maxParts = 1_000_000

// validate reports a plan no dataset can be made of, all problems at once.
func (p *Plan) validate() error {
	var problems []error
	if p.Cases < 0 {
		problems = append(problems, fmt.Errorf("cases is %d: must not be negative", p.Cases))
	}
	if p.PartRows <= 0 {
		problems = append(problems, fmt.Errorf("part_rows is %d: must be at least 1", p.PartRows))
	} else if n := p.parts(); n > maxParts {
		problems = append(problems, fmt.Errorf("part_rows is %d: %d parts are more than %d; use at least %d rows a part",
			p.PartRows, n, maxParts, (p.Cases+maxParts-1)/maxParts))
	}
	if _, err := canonicalJSON(p.Study); err != nil {
		problems = append(problems, fmt.Errorf("study is not JSON: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("results: plan: %w", err)
	}
	return nil
}

// parts is the number of parts; PartRows must be positive.
func (p *Plan) parts() int64 {
	n := p.Cases / p.PartRows
	if p.Cases%p.PartRows != 0 {
		n++
	}
	return n
}

// RunID is the identity of the dataset: the SHA-256 of the canonical plan and
// the schema version, in hexadecimal.
func (p *Plan) RunID() string {
	study, err := canonicalJSON(p.Study)
	if err != nil {
		study = p.Study // validate reports it
	}
	canonical := *p
	canonical.Study, canonical.Models = study, nil
	b, err := json.Marshal(planFile{SchemaVersion: SchemaVersion, Plan: canonical})
	if err != nil {
		b = fmt.Appendf(nil, "%#v", canonical)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (p *Plan) encode() ([]byte, error) {
	return encodeJSON(planFile{RunID: p.RunID(), SchemaVersion: SchemaVersion, Plan: *p})
}

// diffPlans tells in lines what differs between a dataset's plan and another.
func diffPlans(dataset planFile, now Plan) []string {
	lines := diffTrees(nil, "", dataset.tree(), now.tree(), "in the dataset", "now")
	if dataset.SchemaVersion != SchemaVersion {
		lines = append(lines, fmt.Sprintf("schema_version: %d in the dataset, %d now", dataset.SchemaVersion, SchemaVersion))
	}
	return lines
}

// tree is the plan as a JSON value.
func (p *Plan) tree() map[string]any {
	var study any
	if err := decodeNumbers(p.Study, &study); err != nil {
		study = string(p.Study)
	}
	number := func(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }
	return map[string]any{
		"name": p.Name, "study": study, "catalogs": p.Catalogs, "engine_version": p.Engine,
		"cases": number(p.Cases), "part_rows": number(p.PartRows),
	}
}

// diffTrees appends a line for each place where two JSON values differ.
func diffTrees(lines []string, path string, a, b any, aName, bName string) []string {
	if am, ok := a.(map[string]any); ok {
		if bm, ok := b.(map[string]any); ok {
			keys := maps.Clone(am)
			maps.Copy(keys, bm)
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				sub := k
				if path != "" {
					sub = path + "." + k
				}
				av, inA := am[k]
				bv, inB := bm[k]
				switch {
				case !inA:
					lines = append(lines, fmt.Sprintf("%s: not set %s, %s %s", sub, aName, brief(bv), bName))
				case !inB:
					lines = append(lines, fmt.Sprintf("%s: %s %s, not set %s", sub, brief(av), aName, bName))
				default:
					lines = diffTrees(lines, sub, av, bv, aName, bName)
				}
			}
			return lines
		}
	}
	if al, ok := a.([]any); ok {
		if bl, ok := b.([]any); ok {
			an, aNames := named(al)
			bn, bNames := named(bl)
			if an != nil && bn != nil {
				if slices.Equal(slices.Sorted(slices.Values(aNames)), slices.Sorted(slices.Values(bNames))) && !slices.Equal(aNames, bNames) {
					lines = append(lines, fmt.Sprintf("%s: in the order %s %s, %s %s", path, strings.Join(aNames, " "), aName, strings.Join(bNames, " "), bName))
				}
				return diffTrees(lines, path, an, bn, aName, bName)
			}
			// Of long lists, what only one has tells more than both in full.
			const long = 12
			if av, bv := strangers(al, bl), strangers(bl, al); len(av)+len(bv) > 0 && an == nil && max(len(al), len(bl)) > long {
				return append(lines, fmt.Sprintf("%s: only %s %s, only %s %s", path, aName, compactJSON(av), bName, compactJSON(bv)))
			}
		}
	}
	if compactJSON(a) != compactJSON(b) {
		lines = append(lines, fmt.Sprintf("%s: %s %s, %s %s", path, brief(a), aName, brief(b), bName))
	}
	return lines
}

// named turns a list of objects that each have an "axis" into a map by that
// name, so that the difference is told axis by axis; nil for any other list.
func named(list []any) (map[string]any, []string) {
	out := map[string]any{}
	var names []string
	for _, x := range list {
		m, ok := x.(map[string]any)
		if !ok {
			return nil, nil
		}
		name, ok := m["axis"].(string)
		if !ok {
			return nil, nil
		}
		rest := maps.Clone(m)
		delete(rest, "axis")
		out[name] = rest
		names = append(names, name)
	}
	return out, names
}

// strangers are the elements of a that b lacks.
func strangers(a, b []any) []any {
	in := map[string]bool{}
	for _, x := range b {
		in[compactJSON(x)] = true
	}
	out := []any{}
	for _, x := range a {
		if !in[compactJSON(x)] {
			out = append(out, x)
		}
	}
	return out
}

func compactJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// brief is a value as much of it as a person reads.
func brief(v any) string {
	const most = 120
	if text := []rune(compactJSON(v)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return compactJSON(v)
}

// canonicalJSON rewrites a document with sorted keys and no spaces, numbers as
// they were written.
func canonicalJSON(b []byte) ([]byte, error) {
	var v any
	if err := decodeNumbers(b, &v); err != nil {
		return nil, err
	}
	return []byte(compactJSON(v)), nil
}

// decodeNumbers decodes one JSON document, keeping the text of its numbers.
func decodeNumbers(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// encodeJSON writes the files of a dataset: indented, so that people can read
// them, and with a final newline.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// decodeStrict decodes one JSON document whose keys must all be known.
func decodeStrict(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}
