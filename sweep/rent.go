package sweep

import (
	"fmt"
	"slices"

	"headroom/accounting"
	"headroom/hardware"
)

// A rentKey is what decides the rent: how many of which accelerator.
type rentKey struct {
	room *room
	gpus int64 // accelerators
}

// A rent is the cheapest way to have them, without an offer only goodput and power.
type rent struct {
	perRank  float64 // USD a rank and hour, by the price a GPU of the offer
	hourly   float64 // USD an hour for all instances
	goodput  float64 // share of the time that trains; 0 = the run would not end
	power    float64 // kW of all accelerators; 0 = not asked, or not known
	provider string
	region   string
	asOf     string
}

// rent finds the cheapest offer for the current number of GPUs.
func (v *evaluator) rent() *rent {
	n := v.room.devices
	key := rentKey{v.room, (v.setting.GPUs-1)/n + 1}
	last := &v.lastRents[v.roomAt]
	if last.gpus == key.gpus {
		return last.rent
	}
	r, known := v.rents[key]
	if !known {
		p, q, _ := hardware.CheapestOffer(v.room.offers, v.room.device, key.gpus)
		r = &rent{goodput: v.study.Lost.goodput(key.gpus, p, q)}
		if p != nil {
			r.perRank, r.hourly = p.PerGPUHourUSD/float64(n), q.PerHourUSD
			r.provider, r.region, r.asOf = p.Provider, p.Region, string(p.AsOf)
		}
		if e := v.study.Energy; e != nil {
			tdp := v.room.device.TDPWatts.Or(0)
			r.power = float64(key.gpus) * accounting.EnergyInputs{Utilisation: e.Power, PUE: e.PUE}.Kilowatts(tdp)
		}
		v.rents[key] = r
	}
	last.gpus, last.rent = key.gpus, r
	return r
}

// priceNotes says of each accelerator whose dollars are of machines with less network
// than its time was told with, because the study allows no other price of it.
func (e *engine) priceNotes() (notes []string) {
	said := ""
	for i := range e.rooms {
		r := &e.rooms[i]
		if e.study.Tokens == 0 || r.name == said {
			continue // no dollars; or another network of the study, of the same machines
		}
		for _, ranks := range e.numbers() {
			p, q, _ := hardware.CheapestOffer(r.offers, r.device, (ranks-1)/r.devices+1)
			if p == nil {
				continue
			}
			if short := accounting.ShortNetwork(p, q, r.device); short != "" {
				notes = append(notes, fmt.Sprintf("%s is paid at %s's price in %s: %s; the axis network tells times with another", r.name, p.Provider, p.Region, short))
				said = r.name
				break
			}
		}
	}
	return notes
}

// numbers are the GPUs of the study's cases, or their most where the plans make them.
func (e *engine) numbers() []int64 {
	most := int64(1)
	for k, kind := range e.kinds {
		switch kind {
		case axGPUs:
			return e.values[k]
		case axTP, axPP, axCP, axDP:
			// Beyond all numbers no case is possible.
			if n, err := product(most, max(slices.Max(e.values[k]), 1)); err == nil {
				most = n
			}
		}
	}
	return []int64{most}
}
