package results

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Counts are the evaluated cases by status and by reason, those included that
// the study does not keep as rows.
type Counts struct {
	// Cases is the number of evaluated cases.
	Cases int64 `json:"cases"`
	// Status counts them by status; the values sum to Cases.
	Status map[string]int64 `json:"status"`
	// Reason counts those with a reason code.
	Reason map[string]int64 `json:"reason"`
}

// add accumulates the counts of another range of cases.
func (c *Counts) add(o Counts) {
	c.Cases += o.Cases
	for k, n := range o.Status {
		c.Status[k] += n
	}
	for k, n := range o.Reason {
		c.Reason[k] += n
	}
}

func newCounts() Counts {
	return Counts{Status: map[string]int64{}, Reason: map[string]int64{}}
}

// Marker describes a committed part.
type Marker struct {
	Part      int    `json:"part"`
	RunID     string `json:"run_id,omitempty"`
	FirstCase int64  `json:"first_case"` // first case id of the range
	EndCase   int64  `json:"end_case"`   // first case id after the range
	Rows      int64  `json:"rows"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"`
	Counts
	// Seal is the hash of the marker's other fields: a marker with a flipped bit
	// must not pass for one of a part that was made differently.
	Seal string `json:"marker_sha256,omitempty"`
}

// encode seals a marker and writes it as it stands in a dataset, the same bytes
// for the same marker.
func (m *Marker) encode() ([]byte, error) {
	sealed := *m
	sealed.Seal = ""
	b, err := encodeJSON(sealed)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	sealed.Seal = hex.EncodeToString(sum[:])
	return encodeJSON(sealed)
}

// Manifest describes a complete dataset.
type Manifest struct {
	RunID         string `json:"run_id"`
	Name          string `json:"name"`
	Engine        string `json:"engine_version"`
	SchemaVersion int    `json:"schema_version"`
	Rows          int64  `json:"rows"`
	Bytes         int64  `json:"bytes"`
	// SHA256 is the hash of the parts' hashes, one a line: the identity of the
	// dataset's content.
	SHA256 string `json:"sha256"`
	Counts
	// Parts are the markers in order, without the run id and their seals.
	Parts []Marker `json:"parts"`
}

// manifest sums the markers of a dataset, in order of parts. It is used for
// incomplete datasets too.
func (d *Dataset) manifest(markers []Marker) Manifest {
	m := Manifest{
		RunID: d.runID, Name: d.plan.Name, Engine: d.plan.Engine, SchemaVersion: d.schemaVersion,
		Counts: newCounts(), Parts: make([]Marker, 0, len(markers)),
	}
	h := sha256.New()
	for _, part := range markers {
		m.Rows += part.Rows
		m.Bytes += part.Bytes
		m.add(part.Counts)
		_, _ = io.WriteString(h, part.SHA256+"\n") // a hash does not fail
		part.RunID, part.Seal = "", ""
		m.Parts = append(m.Parts, part)
	}
	m.SHA256 = hex.EncodeToString(h.Sum(nil))
	return m
}

// check tells why a marker cannot be the one of part p of a plan.
func (m *Marker) check(p *Plan, runID string, part int) error {
	lo, hi := p.bounds(part)
	switch {
	case m.RunID != runID:
		return fmt.Errorf("it is of run %.12s…, not %.12s…", m.RunID, runID)
	case m.Part != part || m.FirstCase != lo || m.EndCase != hi:
		return fmt.Errorf("it is of part %d [%d, %d), not %d [%d, %d)", m.Part, m.FirstCase, m.EndCase, part, lo, hi)
	case m.Rows < 0 || m.Rows > m.Cases || m.Cases > hi-lo || m.Bytes <= 0 || len(m.SHA256) != 2*sha256.Size:
		return fmt.Errorf("its numbers are impossible (%d rows, %d cases, %d bytes, sha256 %q)", m.Rows, m.Cases, m.Bytes, m.SHA256)
	}
	return nil
}

// bounds is the range of case ids [lo, hi) of a part.
func (p *Plan) bounds(part int) (lo, hi int64) {
	lo = int64(part) * p.PartRows
	return lo, lo + min(p.PartRows, p.Cases-lo)
}
