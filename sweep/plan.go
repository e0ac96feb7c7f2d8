package sweep

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"

	"headroom/accounting/arch"
	"headroom/hardware"
	"headroom/results"
)

// A Plan says what running a study would do. Some of its cases have been evaluated
// for that, and nothing is kept of them.
type Plan struct {
	Study    string `json:"study"`
	Cases    int64  `json:"cases"`
	Raw      string `json:"cases_before_constraints,omitempty"` // may exceed 64 bits; empty where an axis depends on others
	Parts    int64  `json:"parts"`
	PartRows int64  `json:"part_rows"`
	Estimate
	RunID  string      `json:"run_id"`
	Dir    string      `json:"dir,omitempty"`
	Axes   []PlanAxis  `json:"axes"`
	Models []PlanModel `json:"models"`
	// Excluded tells what each constraint takes away from what the ones before it
	// leave, those of plan: auto included.
	Excluded []PlanExclusion `json:"excluded,omitempty"`
	Notes    []string        `json:"notes,omitempty"` // see [Study.Notes]
}

// A PlanExclusion is the work of one constraint.
type PlanExclusion struct {
	Where string `json:"where"`
	Cases string `json:"cases"` // may exceed 64 bits; empty where it is too much to count
}

// A PlanModel is one value of the model axis.
type PlanModel struct {
	Name       string   `json:"name"`
	Source     string   `json:"source"`
	Parameters int64    `json:"parameters"`
	Notes      []string `json:"notes,omitempty"` // what was assumed; how a scaled size was rounded
}

// A PlanAxis is an axis with its values as text.
type PlanAxis struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Cases is the number of cases of the study.
func (s *Study) Cases() int64 { return s.grid.Len() }

// dataset is the study as package results wants it.
func (s *Study) dataset(engine string) results.Plan {
	return results.Plan{
		Name: s.Name, Study: s.Canonical(), Catalogs: catalogs(), Engine: engine,
		Cases: s.grid.Len(), PartRows: s.Out.PartRows, Models: s.ownModels(),
	}
}

// ownModels are the architectures that have no name outside the study, or another
// there.
func (s *Study) ownModels() map[string]json.RawMessage {
	own := map[string]json.RawMessage{}
	for _, m := range s.Models {
		text := bareJSON(m)
		known, err := namedModel(m.Name)
		if err != nil || !bytes.Equal(text, bareJSON(known)) {
			own[m.Name] = text
		}
	}
	return own
}

// ModelOf finds the architecture of a model of a dataset: as the study described it,
// otherwise by its name. It is an error if that is not what the rows were made from.
func ModelOf(p *results.Plan, name string) (*arch.Model, error) {
	var m *arch.Model
	var err error
	if text, own := p.Models[name]; own {
		m = &arch.Model{}
		err = json.Unmarshal(text, m)
		m.Name, m.Source = name, "the dataset"
	} else {
		m, err = namedModel(name)
	}
	if err != nil {
		return nil, fmt.Errorf("the dataset's model %s: %w", name, err)
	}
	var study struct {
		Models map[string]string `json:"models"`
	}
	if err := json.Unmarshal(p.Study, &study); err != nil || study.Models[name] != hashOf(m) {
		return nil, fmt.Errorf("the dataset's model %s is not what this build takes it for", name)
	}
	return m, nil
}

// Terms are what a study says of the run behind every case and of its money.
type Terms struct {
	Tokens int64   `json:"tokens"` // of the whole run; 0 = not asked
	Prices Prices  `json:"prices"`
	Lost   Lost    `json:"lost"`
	Energy *Energy `json:"energy"` // nil = not asked
}

// TermsOf reads the terms of a dataset's study, without the rows of its own table of
// prices, of which a dataset has the hash alone.
func TermsOf(p *results.Plan) (Terms, error) {
	var t Terms
	err := json.Unmarshal(p.Study, &t)
	return t, err
}

// axisColumns are the columns of axes whose column has another name.
var axisColumns = map[string]string{"context": "context_tokens", "global_batch_tokens": "tokens_per_step", "network": "network_gbits"}

// AxisColumns are the columns that hold the axes which a dataset's study declares, in
// its order.
func AxisColumns(p *results.Plan) []string {
	var study struct {
		Axes []struct {
			Axis string `json:"axis"`
		} `json:"axes"`
	}
	if json.Unmarshal(p.Study, &study) != nil {
		return nil // of a program that wrote it otherwise
	}
	var columns []string
	for _, a := range study.Axes {
		columns = append(columns, cmp.Or(axisColumns[a.Axis], a.Axis))
	}
	return columns
}

// namedModel finds a model of the catalog or of a family.
func namedModel(name string) (*arch.Model, error) {
	if m, ok, err := FamilyMember(name); ok {
		return m, err
	}
	return arch.Lookup(name, arch.Options{})
}

// catalogs identifies the embedded data that rows depend on. Models are hashed
// one by one in the canonical study.
func catalogs() string {
	sum := sha256.Sum256([]byte("hardware " + hardware.Digest()))
	return hex.EncodeToString(sum[:])
}

// Notes tells what a reader of the dataset should know, and no row says.
func (s *Study) Notes() ([]string, error) {
	e, err := newEngine(s)
	if err != nil {
		return nil, err
	}
	return append(e.timeNotes(), e.priceNotes()...), nil
}

// Plan describes what [Run] would do under an engine of that version.
func (s *Study) Plan(engine string) (Plan, error) {
	ds := s.dataset(engine)
	p := Plan{
		Study: s.Name, Cases: s.grid.Len(), PartRows: s.Out.PartRows, RunID: ds.RunID(), Dir: s.Out.Dir,
		Parts: (s.grid.Len() + s.Out.PartRows - 1) / s.Out.PartRows,
	}
	b := s.grid.Breakdown()
	if b.Raw != nil {
		p.Raw = b.Raw.String()
	}
	for _, x := range b.Excluded {
		e := PlanExclusion{Where: x.Where}
		if x.Cases != nil {
			e.Cases = x.Cases.String()
		}
		p.Excluded = append(p.Excluded, e)
	}
	for k, name := range s.grid.Axes() {
		a := PlanAxis{Name: name}
		for _, v := range s.grid.Values(k) {
			a.Values = append(a.Values, v.String())
		}
		p.Axes = append(p.Axes, a)
	}
	for _, m := range s.Models {
		n, err := m.ParameterCount()
		if err != nil {
			return p, err
		}
		p.Models = append(p.Models, PlanModel{Name: m.Name, Source: m.Source, Parameters: n.Total, Notes: m.Notes})
	}
	var err error
	if p.Notes, err = s.Notes(); err != nil {
		return p, err
	}
	p.Estimate, err = s.estimate(ds, runtime.GOMAXPROCS(0))
	return p, err
}
