package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"headroom/accounting/arch"
	"headroom/grids"
)

// A Study is a named grid with what to keep of it and where to write it: what
// [Load] makes of a YAML file, the environment and flags. It is complete and
// valid; nobody changes it.
type Study struct {
	Name   string
	Axes   []Axis        // in declared order; the last varies fastest
	Auto   bool          // every parallel plan that divides, on the axes that are not given
	Models []*arch.Model // what the values of the model axis stand for
	Where  []string
	Tokens int64 // of the whole training run; 0 = not asked
	Prices Prices
	Lost   Lost
	Energy *Energy // nil = not asked
	Keep   Keep
	Out    Out

	grid *grids.Grid
}

// An Axis is one swept quantity under its name in the study, and its values.
type Axis struct {
	Name   string
	Values []grids.Value
}

// Keep says which rows are written. The others are counted all the same.
type Keep struct {
	Status string `json:"status"` // all or fits
	// Best, if not 0, is how many rows of each group a part keeps, of cases that fit: the
	// first in the order By; the case id breaks ties. A group is the cases with the same
	// values on the axes Per. Readers choose among the parts, as Top does with Per.
	Best int64    `json:"best,omitempty"`
	Per  []string `json:"per,omitempty"`
	By   string   `json:"by,omitempty"`
}

// What Keep.Status can be.
const (
	KeepAll  = "all"
	KeepFits = "fits"
)

// Out says where the dataset goes and how it is cut.
type Out struct {
	Dir      string
	PartRows int64 // cases a part
}

// Axis returns the axis of that name, nil if the study has none.
func (s *Study) Axis(name string) *Axis {
	for i := range s.Axes {
		if s.Axes[i].Name == name {
			return &s.Axes[i]
		}
	}
	return nil
}

// Canonical is the study as JSON, the same text for the same cases and rows: it
// decides a dataset's run id. Where the output goes is left out, so that a
// dataset can be moved; a model is named together with a hash of its
// architecture, so that an edited config.json is another study.
func (s *Study) Canonical() json.RawMessage {
	type axis struct {
		Name   string   `json:"axis"`
		Values []string `json:"values"`
	}
	c := struct {
		Axes   []axis            `json:"axes"`
		Models map[string]string `json:"models"`
		Plan   string            `json:"plan,omitempty"`
		Where  []string          `json:"where,omitempty"`
		Tokens int64             `json:"tokens,omitempty"`
		Prices Prices            `json:"prices"`
		Lost   *Lost             `json:"lost,omitempty"`
		Energy *Energy           `json:"energy,omitempty"`
		Keep   Keep              `json:"keep"`
	}{Models: map[string]string{}, Where: s.Where, Tokens: s.Tokens, Prices: s.Prices, Energy: s.Energy, Keep: s.Keep}
	if s.Lost != (Lost{}) {
		c.Lost = &s.Lost
	}
	if s.Auto {
		c.Plan = "auto"
	}
	for _, a := range s.Axes {
		c.Axes = append(c.Axes, axis{a.Name, a.shorten()})
	}
	for _, m := range s.Models {
		c.Models[m.Name] = hashOf(m)
	}
	return mustJSON(c)
}

// hashOf identifies an architecture.
func hashOf(m *arch.Model) string {
	sum := sha256.Sum256(bareJSON(m))
	return hex.EncodeToString(sum[:])
}

// bareJSON is an architecture alone: not where it was read from.
func bareJSON(m *arch.Model) []byte {
	bare := *m
	bare.Name, bare.Source, bare.Notes = "", "", nil
	return mustJSON(&bare)
}

// shorten writes the values as a study may: whole numbers in equal steps as a
// range, so that a long axis does not swell the metadata of every part.
func (a *Axis) shorten() []string {
	const worth = 4 // values that a range stands for, at least
	var out []string
	for i := 0; i < len(a.Values); {
		n := 1
		step := int64(0)
		if i+1 < len(a.Values) && a.Values[i].Kind() == grids.Int {
			step = a.Values[i+1].Int() - a.Values[i].Int()
		}
		for step > 0 && i+n < len(a.Values) && a.Values[i+n].Int()-a.Values[i+n-1].Int() == step {
			n++
		}
		text := a.Values[i].String()
		switch {
		case n < worth:
			n = 1
		case step == 1:
			text = fmt.Sprintf("%s..%s", text, a.Values[i+n-1])
		default:
			text = fmt.Sprintf("%s..%s:%d", text, a.Values[i+n-1], step)
		}
		out = append(out, text)
		i += n
	}
	return out
}

// mustJSON encodes plain structs, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
