package sweep

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
)

// An engine holds what all workers share: it is read-only but for the cache of
// compiled models.
type engine struct {
	study  *Study
	kinds  []axisKind
	values [][]int64  // by axis: of those of whole numbers and truth values
	texts  [][]string // of the others
	rooms  []room     // by value of the accelerator axis, then of the network's
	// networks is how many values the network axis has, 1 where there is none.
	networks int32

	mu       sync.Mutex
	compiled map[kernelKey]*kernel
}

// A room is what a study needs to know of an accelerator in a network.
type room struct {
	name    string
	usable  int64
	network float64 // Gbit/s of one accelerator; 0 = not known
	// What is rented: accelerators of so many devices, from one of the offers.
	device  hardware.Accelerator
	devices int64
	offers  []hardware.Price
}

// A kernelKey is a choice on the axes that decide what is compiled, by index of
// the value; −1 where the study leaves it to the default.
type kernelKey [numKernelAxes]int32

// A kernel is one compiled model under one recipe and profile, and the defaults
// and names that follow.
type kernel struct {
	compiled *accounting.Compiled
	err      error // a count that does not fit into 64 bits
	// Names that a row holds, made once.
	recompute, trainable, offload, overlap string
	model                                  string
	profile                                *accounting.Profile
	recipe                                 accounting.Recipe
	context                                int64
	// The time model's view of each room under the recipe, nil where its accelerator
	// has no such number format: rows then hold no time.
	machines []*accounting.Machine
}

func newEngine(s *Study) (*engine, error) {
	e := &engine{study: s, compiled: map[kernelKey]*kernel{}, networks: 1}
	var networks []int64
	for k, name := range s.grid.Axes() {
		kind := axisKinds[name]
		values := s.grid.Values(k)
		var numbers []int64
		var texts []string
		for _, v := range values {
			switch {
			case kind <= axAccelerator:
				texts = append(texts, v.String())
			case kind == axSchedule:
				schedule, err := accounting.ParseSchedule(v.String())
				if err != nil {
					return nil, err
				}
				numbers = append(numbers, int64(schedule))
			case v.Bool():
				numbers = append(numbers, 1)
			default:
				numbers = append(numbers, v.Int())
			}
		}
		e.kinds = append(e.kinds, kind)
		e.values = append(e.values, numbers)
		e.texts = append(e.texts, texts)
		if kind == axNetwork {
			networks = numbers
		}
		if kind != axAccelerator {
			continue
		}
		for _, name := range texts {
			a, err := hardware.Lookup(name)
			if err != nil {
				return nil, err
			}
			one := a.PerDevice()
			r := room{name: a.Slug, usable: one.UsableBytes, network: a.NICBytesPerSecond.Or(0) / hardware.BytesPerGbit, device: a, devices: max(a.Devices, 1)}
			if r.offers, err = s.offers(a.Slug); err != nil {
				return nil, err
			}
			e.rooms = append(e.rooms, r)
		}
	}
	e.wire(networks)
	return e, nil
}

// wire puts every accelerator into each network of the study, in Gbit/s an accelerator.
func (e *engine) wire(networks []int64) {
	if len(networks) == 0 {
		return // the catalog's
	}
	e.networks = int32(len(networks))
	rooms := make([]room, 0, len(e.rooms)*len(networks))
	for _, r := range e.rooms {
		for _, gbits := range networks {
			r.network = float64(gbits)
			r.device.NICBytesPerSecond = hardware.Known(r.network * hardware.BytesPerGbit)
			rooms = append(rooms, r)
		}
	}
	e.rooms = rooms
}

// offers are the prices of an accelerator that the study allows.
func (s *Study) offers(slug string) ([]hardware.Price, error) {
	return hardware.SelectPrices(s.Prices.all(), s.Prices.filter(slug))
}

// maxKernels bounds each cache of compiled models, some tens of kilobytes apiece.
// A full cache is emptied: cases come in grid order, so that what was in use is
// soon back.
const maxKernels = 256

// kernel compiles a model, once for all workers.
func (e *engine) kernel(key kernelKey) (*kernel, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if k := e.compiled[key]; k != nil {
		return k, nil
	}
	text := func(kind axisKind) string {
		for i, have := range e.kinds {
			if have == kind && key[kind] >= 0 {
				return e.texts[i][key[kind]]
			}
		}
		return ""
	}
	model := e.model(text(axModel))
	if model == nil {
		return nil, fmt.Errorf("no model %q in the study", text(axModel))
	}
	predictions, _ := strconv.ParseInt(text(axMTP), 10, 64) // none where there is no such axis
	c, err := accounting.Options{
		Model: model, Profile: text(axProfile), Recipe: text(axRecipe), Optimizer: text(axOptimizer),
		Attention: text(axAttention), Recompute: text(axRecompute), Loss: text(axLoss), Dropout: text(axDropout),
		Trainable: text(axTrainable), Offload: text(axOffload), Compile: text(axCompile) == "true", OptimizerInBackward: text(axInBackward) == "true", MoE: text(axMoE), MTP: predictions, Overlap: text(axOverlap),
	}.Resolve()
	if err != nil {
		return nil, err
	}
	k := &kernel{model: model.Name, profile: c.Profile, recipe: c.Recipe, context: c.Setting.Context}
	k.recompute, k.trainable, k.offload = c.Recipe.Recompute.String(), c.Recipe.Trainable.String(), c.Recipe.Offload.String()
	k.overlap = c.Recipe.Overlap.String()
	k.compiled, k.err = c.Compile()
	for i := range e.rooms {
		m, err := accounting.NewMachine(e.rooms[i].device, &k.recipe.Precision, 0)
		if err != nil {
			m = nil
		}
		k.machines = append(k.machines, m)
	}
	if len(e.compiled) >= maxKernels {
		clear(e.compiled)
	}
	e.compiled[key] = k
	return k, nil
}

// timeNotes says of each recipe of the study which accelerators lack its number format,
// so that their rows hold memory alone.
func (e *engine) timeNotes() (notes []string) {
	var told []string
	for _, profile := range e.named(axProfile) {
		for _, recipe := range e.named(axRecipe) {
			c, err := accounting.Options{Model: e.study.Models[0], Profile: profile, Recipe: recipe}.Resolve()
			if err != nil || slices.Contains(told, c.Recipe.Precision.Name) {
				continue // what is wrong with the two the rows themselves say
			}
			told = append(told, c.Recipe.Precision.Name)
			var lacking hardware.Troubles
			for i := range e.rooms {
				if _, err := accounting.NewMachine(e.rooms[i].device, &c.Recipe.Precision, 0); err != nil {
					lacking.Add(e.rooms[i].name, err)
				}
			}
			for _, sentence := range lacking.Sentences() {
				notes = append(notes, fmt.Sprintf("no times in recipe %s: %s", c.Recipe.Precision.Name, sentence))
			}
		}
	}
	return notes
}

// named are the names on an axis, or "" for the default where the study leaves it to that.
func (e *engine) named(axis axisKind) []string {
	if i := slices.Index(e.kinds, axis); i >= 0 {
		return e.texts[i]
	}
	return []string{""}
}

func (e *engine) model(name string) *arch.Model {
	for _, m := range e.study.Models {
		if m.Name == name {
			return m
		}
	}
	return nil
}
