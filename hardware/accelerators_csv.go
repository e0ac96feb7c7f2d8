package hardware

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

var acceleratorColumns = strings.Fields(`slug vendor name form_factor year architecture compute_units memory_gb memory_kind devices
	memory_gib_usable_reported torch_total_gib mem_bw_gb_s
	fp64_tflops fp32_tflops tf32_dense_tflops fp16_dense_tflops bf16_dense_tflops fp8_dense_tflops fp4_dense_tflops int8_dense_tops
	scale_up_gb_s_unidirectional scale_up_peer_gb_s scale_up_vendor_gb_s scale_up_vendor_direction scale_up_domain_size
	pcie_gen pcie_gb_s_unidirectional tdp_w gpus_per_node nic_gbit_s_per_gpu source from_memory_fields notes`)

var peakColumns = [...]string{
	FP64: "fp64_tflops", FP32: "fp32_tflops", TF32: "tf32_dense_tflops", FP16: "fp16_dense_tflops",
	BF16: "bf16_dense_tflops", FP8: "fp8_dense_tflops", FP4: "fp4_dense_tflops", INT8: "int8_dense_tops",
}

// fromMemory are the words that from_memory_fields may hold.
var fromMemory = strings.Fields("year memory mem_bw fp64 fp32 tf32 fp16 bf16 fp8 fp4 int8 scale_up domain pcie tdp_w nic")

var slugPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// ParseAccelerators reads a catalog in the columns of data/gpus.csv; file names
// it in errors. An empty cell is unknown. It returns every problem at once,
// each a [CellError], and then no accelerators.
func ParseAccelerators(file string, r io.Reader) ([]Accelerator, error) {
	t := readTable(file, r, acceleratorColumns, nil)
	lines := make(map[string]int)
	var all []Accelerator
	var memory []reportedMemory
	for i := range t.rows {
		r := &t.rows[i]
		a := parseAccelerator(r)
		memory = append(memory, reportedMemory{torch: r.number("torch_total_gib"), driver: r.number("memory_gib_usable_reported")})
		if line, twice := lines[a.Slug]; twice {
			r.fail("slug", "%s is in line %d already", quote(a.Slug), line)
		}
		lines[a.Slug] = r.line
		all = append(all, a)
	}
	if len(t.problems) == 0 {
		setUsable(all, memory)
		for i, a := range all {
			if a.UsableBytes > a.NominalBytes {
				t.rows[i].fail("memory_gb", "%g GB is less than the usable memory (%s)", a.NominalGB, a.UsableSource)
			}
		}
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return all, nil
}

func parseAccelerator(r *row) Accelerator {
	a := Accelerator{
		Slug:                 r.need("slug"),
		Vendor:               r.need("vendor"),
		Name:                 r.need("name"),
		FormFactor:           r.need("form_factor"),
		Year:                 r.needCount("year"),
		Architecture:         r.need("architecture"),
		ComputeUnits:         r.count("compute_units"),
		NominalGB:            r.needNumber("memory_gb"),
		MemoryKind:           r.choice("memory_kind", "hbm", "gddr"),
		MemoryBytesPerSecond: r.needNumber("mem_bw_gb_s") * giga,

		ScaleUpBytesPerSecond:     scaled(r.numberOrZero("scale_up_gb_s_unidirectional"), giga),
		ScaleUpPeerBytesPerSecond: scaled(r.numberOrZero("scale_up_peer_gb_s"), giga),
		ScaleUpDomain:             r.count("scale_up_domain_size"),
		PCIeGeneration:            r.count("pcie_gen"),
		PCIeBytesPerSecond:        scaled(r.number("pcie_gb_s_unidirectional"), giga),
		NICBytesPerSecond:         scaled(r.numberOrZero("nic_gbit_s_per_gpu"), BytesPerGbit),
		TDPWatts:                  r.number("tdp_w"),
		GPUsPerNode:               r.count("gpus_per_node"),

		Devices: r.needCount("devices"),
		Source:  r.need("source"),
		Notes:   r.text("notes"),
	}
	for d, column := range peakColumns {
		if column != "" {
			a.PeakPerSecond[d] = scaled(r.number(column), tera)
		}
	}
	if a.Slug != "" && !slugPattern.MatchString(a.Slug) {
		r.fail("slug", "%s is not lower-case letters and digits joined by single hyphens", quote(a.Slug))
	}
	if a.Year != 0 && (a.Year < 2000 || a.Year > 2100) {
		r.fail("year", "%d is not a year of this century", a.Year)
	}
	if a.NominalGB > 1e6 {
		r.fail("memory_gb", "%g is not a memory size in GB", a.NominalGB)
	}
	a.NominalBytes = int64(min(a.NominalGB, 1e6) * GiB)

	if a.ScaleUpPeerBytesPerSecond.Value > a.ScaleUpBytesPerSecond.Value {
		r.fail("scale_up_peer_gb_s", "%s to one peer is more than %s to all", r.text("scale_up_peer_gb_s"), cmp.Or(r.text("scale_up_gb_s_unidirectional"), "nothing"))
	}
	vendor := r.number("scale_up_vendor_gb_s")
	if vendor.Known {
		a.ScaleUpVendor = fmt.Sprintf("%g %s", vendor.Value, r.need("scale_up_vendor_direction"))
		if !strings.Contains(a.ScaleUpVendor, "/s") {
			a.ScaleUpVendor = fmt.Sprintf("%g GB/s %s", vendor.Value, r.text("scale_up_vendor_direction"))
		}
		if one := r.numberOrZero("scale_up_gb_s_unidirectional"); one.Value > vendor.Value {
			r.fail("scale_up_gb_s_unidirectional", "%g is more than the vendor's figure %g", one.Value, vendor.Value)
		}
	}
	if s := r.text("from_memory_fields"); s == "all" || strings.HasPrefix(s, "all but ") {
		a.FromMemory = []string{s}
		return a
	}
	a.FromMemory = strings.Fields(r.text("from_memory_fields"))
	for _, field := range a.FromMemory {
		if !slices.Contains(fromMemory, field) {
			r.fail("from_memory_fields", "%s is none of %s", quote(field), strings.Join(fromMemory, ", "))
		}
	}
	return a
}

func scaled(o Optional[float64], unit float64) Optional[float64] {
	o.Value *= unit
	return o
}
