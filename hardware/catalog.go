package hardware

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the data files
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"headroom/internal/suggest"
)

var (
	//go:embed data/gpus.csv
	gpusCSV []byte
	//go:embed data/aliases.csv
	aliasesCSV []byte
)

// Catalog is a list of accelerators that finds them by name. It is read-only
// and safe for concurrent use.
type Catalog struct {
	all     []Accelerator
	slugs   []string
	bySlug  map[string]int // also by the slug's key, and by its words glued together
	words   [][]string     // by accelerator: every word of its slug, name, form factor and memory size
	aliases map[string]alias
}

// longestName bounds the work on a name that somebody typed, in bytes.
const longestName = 200

type alias struct{ slug, assumption string }

// Resolution is an accelerator found by a name that somebody typed.
type Resolution struct {
	Accelerator Accelerator
	// Assumption is what the name left open and the catalog settled, in words
	// to show ("the SXM board is meant"), or empty.
	Assumption string
}

// NewCatalog returns the catalog of these accelerators, whose slugs differ, in
// their order. Other names for them come from aliases, a CSV table of alias,
// slug and assumption whose errors are named after file; nil means none.
func NewCatalog(all []Accelerator, file string, aliases io.Reader) (*Catalog, error) {
	c := &Catalog{all: slices.Clone(all), bySlug: map[string]int{}, aliases: map[string]alias{}}
	for i, a := range all {
		c.bySlug[key(a.Slug)] = i
		c.bySlug[strings.ReplaceAll(a.Slug, "-", "")] = i
		c.slugs = append(c.slugs, a.Slug)
		c.words = append(c.words, words(fmt.Sprintf("%s %s %s %g gb", a.Slug, a.Name, a.FormFactor, a.NominalGB)))
	}
	for i, slug := range c.slugs {
		c.bySlug[slug] = i // a slug as it stands comes before any likeness
	}
	if aliases == nil {
		return c, nil
	}
	t := readTable(file, aliases, []string{"alias", "slug", "assumption"}, nil)
	for i := range t.rows {
		r := &t.rows[i]
		k, slug := key(r.need("alias")), r.need("slug")
		if _, twice := c.aliases[k]; twice {
			r.fail("alias", "%s is there already, perhaps in other words", quote(r.text("alias")))
		}
		if !slices.Contains(c.slugs, slug) {
			r.fail("slug", "%s is not in the catalog", quote(slug))
		}
		c.aliases[k] = alias{slug, r.text("assumption")}
	}
	return c, t.err()
}

// Builtin returns the embedded catalog.
var Builtin = sync.OnceValue(func() *Catalog {
	all, err := ParseAccelerators("gpus.csv", bytes.NewReader(gpusCSV))
	if err != nil {
		panic("hardware: " + err.Error()) // a test parses the embedded files
	}
	c, err := NewCatalog(all, "aliases.csv", bytes.NewReader(aliasesCSV))
	if err != nil {
		panic("hardware: " + err.Error())
	}
	return c
})

// Accelerators returns the embedded catalog's accelerators in catalog order:
// by vendor, and roughly by age.
func Accelerators() []Accelerator { return Builtin().Accelerators() }

// Lookup finds an accelerator of the embedded catalog; see [Catalog.Resolve].
func Lookup(name string) (Accelerator, error) {
	r, err := Builtin().Resolve(name)
	return r.Accelerator, err
}

// Resolve finds an accelerator of the embedded catalog; see [Catalog.Resolve].
func Resolve(name string) (Resolution, error) { return Builtin().Resolve(name) }

// Accelerators returns every accelerator in catalog order.
func (c *Catalog) Accelerators() []Accelerator { return slices.Clone(c.all) }

// Slugs returns every accelerator's slug in catalog order.
func (c *Catalog) Slugs() []string { return slices.Clone(c.slugs) }

// Resolve finds the accelerator that a name means: its slug, an alias, or any
// set of words that it alone has ("NVIDIA A100-SXM4-80GB", "4090", "ironwood").
// Case, punctuation and the vendor do not matter. The error is a [NameError]
// with the candidates when the words fit several accelerators, or with the
// nearest slugs when they fit none.
func (c *Catalog) Resolve(name string) (Resolution, error) {
	if i, ok := c.bySlug[name]; ok {
		return Resolution{Accelerator: c.all[i]}, nil
	}
	w := words(name)
	if len(name) > longestName || !namesModel(w) {
		return Resolution{}, c.unknown(name)
	}
	for _, likeness := range []string{key(name), strings.Join(w, "")} {
		if i, ok := c.bySlug[likeness]; ok {
			return Resolution{Accelerator: c.all[i]}, nil
		}
	}
	if a, ok := c.aliases[key(name)]; ok {
		return Resolution{c.all[c.bySlug[a.slug]], a.assumption}, nil
	}
	var found []int
	for i := range c.all {
		if !slices.ContainsFunc(w, func(s string) bool { return !slices.Contains(c.words[i], s) }) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return Resolution{}, c.unknown(name)
	case 1:
		return Resolution{Accelerator: c.all[found[0]]}, nil
	}
	err := &NameError{What: "accelerator", Name: name}
	for _, i := range found {
		err.Candidates = append(err.Candidates, c.slugs[i])
	}
	return Resolution{}, err
}

func (c *Catalog) unknown(name string) error {
	return &NameError{What: "accelerator", Name: name, Suggestions: suggest.Nearest(name, c.slugs, 3)}
}

// Digest returns the SHA-256 in hexadecimal of all embedded data, for whoever
// records what a result was computed from.
func Digest() string {
	h := sha256.New()
	for _, data := range [][]byte{gpusCSV, aliasesCSV, pricesCSV, efficiencyCSV} {
		fmt.Fprintf(h, "%d\n", len(data)) // no shift of bytes between files goes unseen
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}
