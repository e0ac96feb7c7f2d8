package hardware

// Accelerator is one GPU or other training chip as a data sheet and its driver
// describe it. Rates are peaks that no program reaches; see [Measurement] for
// how near programs come. Figures that no source gives are unknown, never 0.
type Accelerator struct {
	Slug       string `json:"slug"`   // the name used everywhere: h100-sxm
	Vendor     string `json:"vendor"` // NVIDIA, AMD, Intel, Google, AWS
	Name       string `json:"name"`   // as the vendor writes it
	FormFactor string `json:"form_factor"`
	Year       int64  `json:"year"` // of launch
	// Architecture is the generation of the silicon: hopper, blackwell, cdna3.
	// Parts of one architecture reach similar shares of their peaks.
	Architecture string `json:"architecture"`
	// ComputeUnits are the streaming multiprocessors or compute units, over which
	// the tiles of a matrix product are dealt out in waves.
	ComputeUnits Optional[int64] `json:"compute_units"`

	// NominalGB is the memory as the vendor prints it. Memory is made in powers
	// of two, so the "80 GB" of an H100 are 80·2³⁰ bytes: NominalBytes.
	NominalGB    float64 `json:"nominal_gb"`
	NominalBytes int64   `json:"nominal_bytes"`
	MemoryKind   string  `json:"memory_kind"` // hbm or gddr
	// UsableBytes is what one process can allocate before its own context and
	// libraries take their part, and UsableSource how that is known.
	UsableBytes  int64  `json:"usable_bytes"`
	UsableSource string `json:"usable_source"`

	MemoryBytesPerSecond float64 `json:"memory_bytes_per_second"`
	PeakPerSecond        Peaks   `json:"peak_per_second"`

	// ScaleUpBytesPerSecond is what one accelerator sends in one direction over
	// the fast fabric (NVLink, xGMI, ICI) to all its peers together; vendors
	// mostly print both directions, ScaleUpVendor. Unknown where there is no
	// such fabric: then ScaleUpDomain, the number of accelerators that it
	// joins, is 1 and PCIe is the way.
	ScaleUpBytesPerSecond Optional[float64] `json:"scale_up_bytes_per_second"`
	// ScaleUpPeerBytesPerSecond is what it sends to a single neighbour: all of it
	// through a switch or a two-card bridge, one link of a mesh or a torus (64 of
	// an MI300X's 448 GB/s).
	ScaleUpPeerBytesPerSecond Optional[float64] `json:"scale_up_peer_bytes_per_second"`
	ScaleUpVendor             string            `json:"scale_up_vendor"` // figure and direction as the vendor prints them, or ""
	ScaleUpDomain             Optional[int64]   `json:"scale_up_domain"`
	PCIeGeneration            Optional[int64]   `json:"pcie_generation"`
	PCIeBytesPerSecond        Optional[float64] `json:"pcie_bytes_per_second"` // one direction
	// NICBytesPerSecond is the share of one accelerator in its node's usual
	// network, one direction. Clouds differ: see the notes of price rows.
	NICBytesPerSecond Optional[float64] `json:"nic_bytes_per_second"`
	TDPWatts          Optional[float64] `json:"tdp_watts"`
	GPUsPerNode       Optional[int64]   `json:"gpus_per_node"` // of the usual node

	// Devices is how many devices software sees in one accelerator, each with
	// an equal part of every figure here: 2 for an MI250X. A rank owns a device.
	Devices int64 `json:"devices"`

	Source     string   `json:"source"`      // keys of data/README.md
	FromMemory []string `json:"from_memory"` // fields that no stored source gives; "all" or "all but …" for the row
	Notes      string   `json:"notes"`
}

// PeakFLOPS returns the dense peak rate for a number format in operations a
// second (a multiply-add is two; INT8 counts integer operations), and false
// when the accelerator has none or it is not known. Accumulation is in FP32
// where that makes a difference.
func (a Accelerator) PeakFLOPS(d DType) (float64, bool) {
	if int(d) >= len(a.PeakPerSecond) {
		return 0, false
	}
	return a.PeakPerSecond[d].Get()
}

// PerDevice returns the accelerator that one rank sees: itself, or an equal
// part of a module that shows software several devices, with as many more of
// them in the node and the scale-up domain.
func (a Accelerator) PerDevice() Accelerator {
	n := a.Devices
	if n <= 1 {
		return a
	}
	share := func(o Optional[float64]) Optional[float64] {
		o.Value /= float64(n)
		return o
	}
	a.NominalGB /= float64(n)
	a.NominalBytes /= n
	a.UsableBytes /= n
	a.MemoryBytesPerSecond /= float64(n)
	for d := range a.PeakPerSecond {
		a.PeakPerSecond[d] = share(a.PeakPerSecond[d])
	}
	a.ComputeUnits.Value /= n
	a.ScaleUpBytesPerSecond = share(a.ScaleUpBytesPerSecond)
	a.ScaleUpPeerBytesPerSecond = share(a.ScaleUpPeerBytesPerSecond)
	a.PCIeBytesPerSecond = share(a.PCIeBytesPerSecond)
	a.NICBytesPerSecond = share(a.NICBytesPerSecond)
	a.TDPWatts = share(a.TDPWatts)
	a.ScaleUpDomain.Value *= n
	a.GPUsPerNode.Value *= n
	a.Devices = 1
	return a
}
