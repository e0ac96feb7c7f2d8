package hardware

import (
	"fmt"
	"slices"
	"strings"
)

// Decimal and binary units. Rates and printed sizes are decimal; memory that is
// made, allocated or reported is binary.
const (
	giga = 1e9
	tera = 1e12

	GB  = 1_000_000_000 // bytes
	GiB = 1 << 30       // bytes

	// BytesPerGbit is a Gbit, in whose multiples a second networks are sold, in bytes.
	BytesPerGbit = giga / 8
)

// reportedMemory is what has been seen of a part's memory in GiB: the total
// that PyTorch gives a process, and the total that the driver reports
// (nvidia-smi and the like), of which the driver itself holds some.
type reportedMemory struct{ torch, driver Optional[float64] }

// enoughParts is how many reported parts of one vendor make a rule for the rest.
const enoughParts = 3

// setUsable fills UsableBytes and UsableSource: the figure of torch for the
// part if there is one, else of its driver, else by a rule: the median share of
// the nominal size that the reported parts of the same vendor and memory kind
// keep; of all vendors' parts of that kind, when that vendor has fewer than
// enoughParts. The median is the lower one of two, and shares are of whole
// bytes rounded down, so a figure is never flattered.
func setUsable(all []Accelerator, memory []reportedMemory) {
	for i := range all {
		a := &all[i]
		if gib, ok := memory[i].torch.Get(); ok {
			a.UsableBytes = int64(gib * GiB)
			a.UsableSource = fmt.Sprintf("torch total_memory reported for this part, %.2f GiB", gib)
		} else if gib, ok := memory[i].driver.Get(); ok {
			a.UsableBytes = int64(gib * GiB)
			a.UsableSource = fmt.Sprintf("driver total reported for this part, %.2f GiB", gib)
		}
	}
	reported := func(vendor, kind string) (shares []float64) {
		for i, a := range all {
			known := memory[i].torch.Known || memory[i].driver.Known
			if known && a.MemoryKind == kind && (vendor == "" || a.Vendor == vendor) {
				shares = append(shares, float64(a.UsableBytes)/float64(a.NominalBytes))
			}
		}
		return shares
	}
	for i := range all {
		a := &all[i]
		if memory[i].torch.Known || memory[i].driver.Known {
			continue
		}
		whose := a.Vendor + " "
		shares := reported(a.Vendor, a.MemoryKind)
		if len(shares) < enoughParts {
			whose = ""
			shares = reported("", a.MemoryKind)
		}
		if len(shares) == 0 {
			a.UsableBytes = a.NominalBytes
			a.UsableSource = fmt.Sprintf("nominal size: no %s part has a reported figure", strings.ToUpper(a.MemoryKind))
			continue
		}
		slices.Sort(shares)
		share := shares[(len(shares)-1)/2]
		a.UsableBytes = int64(float64(a.NominalBytes) * share)
		a.UsableSource = fmt.Sprintf("rule: %.1f%% of nominal, the median of %d %s%s parts with a reported figure",
			100*share, len(shares), whose, strings.ToUpper(a.MemoryKind))
	}
}
