package hardware_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/hardware"
)

// badFiles compares all that a parser says about each file of a folder with a
// table: one file a rule.
type badFiles struct {
	*testing.T
	dir    string
	parse  func(file string, r io.Reader) (kept int, err error)
	tested map[string]bool
}

func newBadFiles(t *testing.T, folder string, parse func(file string, r io.Reader) (kept int, err error)) *badFiles {
	return &badFiles{t, filepath.Join("testdata/bad", folder), parse, map[string]bool{}}
}

func (b *badFiles) f(name string, want ...string) {
	b.Helper()
	name += ".csv"
	b.tested[name] = true
	in, err := os.Open(filepath.Join(b.dir, name))
	require.NoError(b, err)
	defer in.Close()
	kept, err := b.parse(name, in)
	require.EqualError(b, err, strings.Join(want, "\n"))
	require.Zero(b, kept)
}

func (b *badFiles) end() {
	b.Helper()
	files, err := os.ReadDir(b.dir)
	require.NoError(b, err)
	for _, file := range files {
		require.True(b, b.tested[file.Name()], "%s has no row in this test", file.Name())
	}
}

func TestBadAccelerators(t *testing.T) {
	b := newBadFiles(t, "accelerators", func(file string, r io.Reader) (int, error) {
		all, err := hardware.ParseAccelerators(file, r)
		return len(all), err
	})
	f := b.f
	f("empty", "empty.csv:1:1: empty: the first line must name the columns")
	f("column_misspelt",
		`column_misspelt.csv:1:1: unknown column "slgu": did you mean slug?`,
		`column_misspelt.csv:1:1: column "slug" is missing`,
	)
	f("column_twice", `column_twice.csv:1:13: column "vendor" is there twice`)
	f("slug_empty", "slug_empty.csv:2:1: slug: is empty")
	f("slug_with_space", `slug_with_space.csv:2:1: slug: "X 1" is not lower-case letters and digits joined by single hyphens`)
	f("vendor_empty", "vendor_empty.csv:2:4: vendor: is empty")
	f("vendor_nul", "vendor_nul.csv:2:4: vendor: \"Ac\\x00me\" is not plain text")
	f("vendor_not_utf8", "vendor_not_utf8.csv:2:4: vendor: \"Ac\\xffme\" is not plain text")
	f("year_two_digits", "year_two_digits.csv:2:16: year: 24 is not a year of this century")
	f("year_empty", "year_empty.csv:2:16: year: is empty")
	f("year_fraction", `year_fraction.csv:2:16: year: "2024.5" is not a whole number`)
	f("year_huge", "year_huge.csv:2:16: year: 99999999999999999999 is not from 1 to 1000000")
	f("memory_zero", "memory_zero.csv:2:29: memory_gb: is 0: leave the cell empty when it is not known")
	f("memory_empty", "memory_empty.csv:2:29: memory_gb: is empty")
	f("memory_negative", "memory_negative.csv:2:29: memory_gb: -80 is negative")
	f("memory_minus_zero", "memory_minus_zero.csv:2:29: memory_gb: -0 is negative")
	f("memory_with_unit", `memory_with_unit.csv:2:29: memory_gb: "80GB" is not a number`)
	f("memory_space", `memory_space.csv:2:29: memory_gb: " 80" is not a number`)
	f("memory_nan", `memory_nan.csv:2:29: memory_gb: "NaN" is not a number`)
	f("memory_hex", `memory_hex.csv:2:29: memory_gb: "0x50" is not a number`)
	f("memory_1e400", `memory_1e400.csv:2:29: memory_gb: "1e400" is too large`)
	f("memory_1e300", "memory_1e300.csv:2:29: memory_gb: 1e+300 is not a memory size in GB")
	f("kind_unknown", `kind_unknown.csv:2:32: memory_kind: "sram" is none of hbm, gddr`)
	f("kind_misspelt", `kind_misspelt.csv:2:32: memory_kind: "hbm2" is unknown: did you mean hbm?`)
	f("devices_zero", "devices_zero.csv:2:36: devices: 0 is not from 1 to 1000000")
	f("memory_less_than_usable", "memory_less_than_usable.csv:2:29: memory_gb: 80 GB is less than the usable memory (driver total reported for this part, 90.00 GiB)")
	f("tflops_zero", "tflops_zero.csv:2:49: bf16_dense_tflops: is 0: leave the cell empty when it is not known")
	f("tflops_inf", `tflops_inf.csv:2:49: bf16_dense_tflops: "inf" is not a number`)
	f("peer_more_than_all", "peer_more_than_all.csv:2:60: scale_up_peer_gb_s: 451 to one peer is more than 450 to all")
	f("peer_without_all", "peer_without_all.csv:2:57: scale_up_peer_gb_s: 450 to one peer is more than nothing to all")
	f("architecture_empty", "architecture_empty.csv:2:21: architecture: is empty")
	f("units_fraction", `units_fraction.csv:2:25: compute_units: "1.5" is not a whole number`)
	f("link_more_than_vendor", "link_more_than_vendor.csv:2:56: scale_up_gb_s_unidirectional: 901 is more than the vendor's figure 900")
	f("direction_empty", "direction_empty.csv:2:68: scale_up_vendor_direction: is empty")
	f("tdp_negative", "tdp_negative.csv:2:89: tdp_w: -1 is negative")
	f("source_empty", "source_empty.csv:2:99: source: is empty")
	f("from_memory_misspelt", `from_memory_misspelt.csv:2:105: from_memory_fields: "yaer" is none of year, memory, mem_bw, fp64, fp32, tf32, fp16, bf16, fp8, fp4, int8, scale_up, domain, pcie, tdp_w, nic`)
	f("cell_missing", "cell_missing.csv:2:1: 33 cells, but the header names 34 columns")
	f("quote_in_cell", `quote_in_cell.csv:2:6: not CSV: bare " in non-quoted-field`)
	f("newline_in_cell", `newline_in_cell.csv:2:4: vendor: "Ac\nme" is not plain text`)
	b.end()
}

func TestBadPrices(t *testing.T) {
	b := newBadFiles(t, "prices", func(file string, r io.Reader) (int, error) {
		all, err := hardware.ParsePrices(file, r, "2026-02-01")
		return len(all), err
	})
	f := b.f
	f("provider_empty", "provider_empty.csv:2:1: provider: is empty")
	f("instance_empty", "instance_empty.csv:2:6: instance_type: is empty")
	f("region_empty", "region_empty.csv:2:9: region: is empty")
	f("slug_misspelt", `slug_misspelt.csv:2:14: accelerator_slug: unknown accelerator "h100-smx": did you mean h100-sxm?`)
	f("slug_not_exact", `slug_not_exact.csv:2:14: accelerator_slug: "H100" is not exact: name h100-sxm if the 80 GB SXM board is meant`)
	f("slug_ambiguous", `slug_ambiguous.csv:2:14: accelerator_slug: ambiguous accelerator "v100": name one of v100-sxm-16gb, v100-sxm-32gb, v100-pcie-16gb`)
	f("gpus_zero", "gpus_zero.csv:2:23: gpus: 0 is not from 1 to 1000000")
	f("gpus_empty", "gpus_empty.csv:2:23: gpus: is empty")
	f("price_zero", "price_zero.csv:2:33: price_per_hour_usd: is 0: leave the cell empty when it is not known")
	f("price_negative", "price_negative.csv:2:33: price_per_hour_usd: -24 is negative")
	f("price_with_dollar", `price_with_dollar.csv:2:33: price_per_hour_usd: "$24" is not a number`)
	f("price_nan", `price_nan.csv:2:33: price_per_hour_usd: "NaN" is not a number`)
	f("network",
		"network.csv:2:33: notes: a node network of 0 Gb/s: leave it out when it is not known",
		"network.csv:3:33: notes: a node network of -400 Gb/s: leave it out when it is not known",
		"network.csv:4:33: notes: a node network of inf Gb/s: leave it out when it is not known",
		"network.csv:5:33: notes: a node network of 1e999 Gb/s: leave it out when it is not known",
	)
	f("per_gpu_wrong", "per_gpu_wrong.csv:2:36: per_gpu_hour_usd: 3.1 is not price_per_hour_usd 24 / 8 gpus = 3.0000")
	f("per_gpu_is_of_instance", "per_gpu_is_of_instance.csv:2:36: per_gpu_hour_usd: 24 is not price_per_hour_usd 24 / 8 gpus = 3.0000: is it the price of the whole instance, or price_per_hour_usd that of one GPU?")
	f("price_of_instance_for_one", "price_of_instance_for_one.csv:2:33: price_per_hour_usd: 98.32 for 1 h100-sxm is $98.32 per GPU-hour, outside 0.125 to 53.46 (known rows of h100-sxm have 1.25 to 17.82, the dearest is prices.csv:165): is it the price of a whole instance?")
	f("price_of_one_for_instance", "price_of_one_for_instance.csv:2:33: price_per_hour_usd: 0.8 for 8 h100-sxm is $0.1 per GPU-hour, outside 0.125 to 53.46 (known rows of h100-sxm have 1.25 to 17.82, the dearest is prices.csv:165): is price_per_hour_usd the price of one GPU?")
	f("price_out_of_bounds", "price_out_of_bounds.csv:2:31: price_per_hour_usd: 2400 for 8 mi325x is $300 per GPU-hour, outside 0.01 to 100 (an accelerator-hour costs between those): is it the price of a whole instance?")
	f("pricing_misspelt", `pricing_misspelt.csv:2:43: pricing: "on-demand" is unknown: did you mean on_demand?`)
	f("pricing_unknown", `pricing_unknown.csv:2:43: pricing: "free" is none of on_demand, spot, reserved`)
	f("as_of_in_future", "as_of_in_future.csv:2:53: as_of: 2026-02-02 is in the future: it is 2026-02-01")
	f("as_of_not_iso", `as_of_not_iso.csv:2:53: as_of: "31.1.2026" is not a day like 2026-07-30`)
	f("as_of_no_day", `as_of_no_day.csv:2:53: as_of: "2026-02-30" is not a day like 2026-07-30`)
	f("vcpus_text", `vcpus_text.csv:2:25: vcpus: "many" is not a whole number`)
	f("mem_negative", "mem_negative.csv:2:28: mem_gb: -1 is negative")
	b.end()
}

func TestBadMeasurements(t *testing.T) {
	b := newBadFiles(t, "measurements", func(file string, r io.Reader) (int, error) {
		all, err := hardware.ParseMeasurements(file, r)
		return len(all), err
	})
	f := b.f
	f("slug_not_exact", `slug_not_exact.csv:2:1: accelerator_slug: "H100-80GB" is not exact: name h100-sxm if the SXM board is meant`)
	f("metric_empty", "metric_empty.csv:2:10: metric: is empty")
	f("dtype_unknown", `dtype_unknown.csv:2:17: dtype: "bf61" is no number format known here`)
	f("achieved_empty", "achieved_empty.csv:2:22: achieved: is empty")
	f("achieved_negative", "achieved_negative.csv:2:22: achieved: -750 is negative")
	f("unit_misspelt", `unit_misspelt.csv:2:26: unit: "PFLOPS" is unknown: did you mean TFLOPS?`)
	f("share_wrong", "share_wrong.csv:2:38: efficiency_pct: 76.0 is not achieved / peak_used = 75.00%")
	f("share_without_peak", "share_without_peak.csv:2:38: efficiency_pct: a share and the peak it refers to go together")
	f("share_more_than_peak", "share_more_than_peak.csv:2:37: efficiency_pct: 150.0% of a peak is more than 125%: is the peak that of another format?")
	f("nodes_zero", "nodes_zero.csv:2:51: nodes: 0 is not from 1 to 1000000")
	f("source_empty", "source_empty.csv:2:59: source: is empty")
	b.end()
}
