package accounting

import (
	"fmt"
	"math"

	"headroom/hardware"
)

// A Machine is what the time model needs of one accelerator, its node and its
// network, for one number format of matrix products. It is plain data.
type Machine struct {
	Architecture string
	Calibration  *Calibration
	arch         architecture
	// Inherited says that no run on this architecture has been measured: its
	// constants are a relative's or a guess, and the error bar is wider.
	Inherited bool
	// Peaks of matrix products, operations a second: in the recipe's format, and in
	// 16 bits, which attention and the head keep.
	Peak, Peak16 float64
	PrintedPeak  float64 // of the format, for MFU
	Format       Format
	MemoryRate   float64 // bytes a second, printed
	ComputeUnits float64
	// PowerRatio is the watts for each operation a second against the architecture's
	// full part, at most 1; 0 = not known.
	PowerRatio float64
	// ScaleUpRate and PeerRate are bytes a second one way inside the fast domain,
	// with all peers and with one; NetworkRate is the share of one accelerator in
	// its node's network.
	ScaleUpRate, PeerRate, NetworkRate float64
	// HostRate is bytes a second one way between the accelerator and its host.
	HostRate float64
	Domain   int64 // accelerators in one fast domain
	// FastExponentials says that it computes exponentials at twice the rate of the first part
	// of its architecture.
	FastExponentials bool
	Switched         bool // the fabric reduces in the switch (NVLS)
	// Multicast says that NCCL has buffers for that: a switch joins the node.
	Multicast bool
	Assumed   []string
}

// A Format is the number format of matrix products, with its scaling.
type Format uint8

// Formats.
const (
	Format16    Format = iota // bf16 or fp16
	FormatTF32                // 32-bit storage on tensor cores
	FormatFP8                 // one scale a tensor
	FormatMXFP8               // a scale for each 32 values
	FormatFP4                 // nvfp4 or mxfp4
	numFormats
)

var formatTypes = [numFormats]hardware.DType{Format16: hardware.BF16, FormatTF32: hardware.TF32, FormatFP8: hardware.FP8, FormatMXFP8: hardware.FP8, FormatFP4: hardware.FP4}

// String is the name in outputs.
func (f Format) String() string { return [...]string{"16-bit", "tf32", "fp8", "mxfp8", "fp4"}[f] }

// NewMachine describes one device of an accelerator for a recipe. network, if
// positive, is the bytes a second of one accelerator's share of the network in
// place of the catalog's. The error says that the accelerator has no such format.
func NewMachine(a hardware.Accelerator, p *Precision, network float64) (*Machine, error) {
	if network < 0 || math.IsNaN(network) || math.IsInf(network, 0) {
		return nil, fmt.Errorf("a network of %g bytes a second: write a positive rate, or leave it to the catalog", network)
	}
	a = a.PerDevice()
	m := &Machine{Architecture: a.Architecture, Calibration: &shipped, Format: p.Products, MemoryRate: a.MemoryBytesPerSecond}
	var related bool
	m.arch, m.Inherited, related = architectureOf(a.Architecture)
	if m.arch == archAmpere && related && a.MemoryKind == "gddr" {
		// The chip of graphics cards: its products reach what Ada's do (A6000 61 % and
		// L40S 57 to 61 % of the peak against 74 to 84 % of A100, efficiency.csv).
		m.arch, m.Inherited = archAda, true
	}
	var ok bool
	note := func(format string, args ...any) { m.Assumed = append(m.Assumed, fmt.Sprintf(format, args...)) }
	sixteen := hardware.BF16
	if p.Half {
		sixteen = hardware.FP16
	}
	if m.Peak16, ok = a.PeakFLOPS(sixteen); !ok {
		if p.Compute != FP32 {
			return nil, fmt.Errorf("%s has no %s: choose another recipe", a.Slug, sixteen)
		}
		m.Peak16, _ = a.PeakFLOPS(hardware.FP32)
	}
	switch m.Format {
	case Format16:
		m.Peak = m.Peak16
		if p.Compute == FP32 {
			m.Format = FormatTF32
			if m.Peak, ok = a.PeakFLOPS(hardware.TF32); !ok {
				if m.Peak, ok = a.PeakFLOPS(hardware.FP32); !ok {
					return nil, fmt.Errorf("%s has no fp32 whose rate is known: choose another recipe", a.Slug)
				}
			}
			m.Peak16 = m.Peak
		}
	default:
		if m.Peak, ok = a.PeakFLOPS(formatTypes[m.Format]); !ok {
			return nil, fmt.Errorf("%s has no %s: choose a 16-bit recipe", a.Slug, m.Format)
		}
		// Products that take a scale for each block came with those in fp4: NVIDIA's with
		// compute capability 10.0, AMD's with gfx950 (check_mxfp8_support of both's
		// TransformerEngine, transformer_engine/pytorch/fp8.py).
		if _, blocks := a.PeakFLOPS(hardware.FP4); m.Format == FormatMXFP8 && !blocks {
			return nil, fmt.Errorf("%s has no %s: choose a recipe in fp8 or 16 bits", a.Slug, m.Format)
		}
	}
	m.PrintedPeak = m.Peak
	fp4, _ := a.PeakFLOPS(hardware.FP4)
	if fp8, known := a.PeakFLOPS(hardware.FP8); known && fp4 > 2*fp8 {
		// Blackwell Ultra, which has exponentials at twice Blackwell's rate as well (10.7
		// against 5 tera a second; NVIDIA, Making softmax more efficient with Blackwell Ultra).
		m.FastExponentials = m.arch == archBlackwell
		if m.Format == FormatFP4 {
			// Matrix products of B300 and GB300 are no faster in fp4 than those of B200 and
			// GB200, although the printed rate is half as high again (efficiency.csv).
			m.Peak = 2 * fp8
		}
	}
	if !(m.Peak > 0) || !(m.Peak16 > 0) || !(m.MemoryRate > 0) {
		return nil, fmt.Errorf("%s: a rate is zero or unknown, so no time can be told", a.Slug)
	}
	// The architecture's full part sets what a watt buys; a part limited below it
	// cannot hold its clock in matrix products.
	if watts, known := a.TDPWatts.Get(); known && related && fullPower[m.arch] > 0 {
		m.PowerRatio = min(watts/m.Peak16/fullPower[m.arch], 1)
	}
	m.ComputeUnits = float64(a.ComputeUnits.Or(100))
	pcie := a.PCIeBytesPerSecond.Or(32e9)
	m.HostRate = 0.88 * pcie // copies on H200, efficiency.csv
	m.Domain = max(a.ScaleUpDomain.Or(1), 1)
	m.ScaleUpRate = a.ScaleUpBytesPerSecond.Or(pcie)
	if !a.ScaleUpBytesPerSecond.Known {
		// Through the host: the cards of a node are one domain at PCIe's rate.
		m.Domain = max(a.GPUsPerNode.Or(8), 1)
	} else if node := a.GPUsPerNode.Or(m.Domain); m.Domain < node && m.Domain <= 2 {
		note("bridges join only %d of %d accelerators: PCIe is taken inside the node", m.Domain, node)
		m.ScaleUpRate, m.Domain = pcie, node
	}
	m.PeerRate = min(a.ScaleUpPeerBytesPerSecond.Or(m.ScaleUpRate), m.ScaleUpRate)
	m.Switched = m.Architecture == "hopper" || m.Architecture == "blackwell"
	m.Multicast = m.Switched && m.Domain > 2 && m.ScaleUpRate > pcie
	switch nic, known := a.NICBytesPerSecond.Get(); {
	case network > 0:
		m.NetworkRate = network
	case known:
		m.NetworkRate = nic
	default:
		m.NetworkRate = min(pcie, assumedNIC)
		note("the network of %s is not in the catalog: %g Gbit/s an accelerator are assumed", a.Slug, m.NetworkRate/hardware.BytesPerGbit)
	}
	if !(m.ScaleUpRate > 0) || !(m.PeerRate > 0) || !(m.NetworkRate > 0) || !(m.HostRate > 0) {
		return nil, fmt.Errorf("%s: a link's rate is zero or negative, so no time can be told", a.Slug)
	}
	return m, nil
}

// assumedNIC is an accelerator's share of the network, bytes a second, where the
// catalog has none: 200 Gbit/s.
const assumedNIC = 25e9

// fullPower is watts for each 16-bit operation a second of the part that has the
// most: V100 SXM 300 W, A100 SXM 400 W, H100 SXM 700 W, GB300 1,400 W.
var fullPower = [numArchitectures]float64{
	archVolta: 300 / 125e12, archAmpere: 400 / 312e12, archHopper: 700 / 989.5e12, archBlackwell: 1400 / 2500e12,
}

// clock is the share of the printed clock that power lets matrix products hold: an
// operation takes the same energy on every part of an architecture.
func (m *Machine) clock() float64 {
	if m.PowerRatio <= 0 {
		return 1
	}
	return m.PowerRatio
}
