package main

import (
	"encoding/json"
	"fmt"

	"headroom/hardware"
	"headroom/internal/suggest"

	"github.com/spf13/cobra"
)

func newGPUs(s *state) *cobra.Command {
	return &cobra.Command{
		Use:   "gpus [SEARCH]...",
		Short: "List the accelerators: memory, peak rates, links, sources",
		Long: `gpus lists the accelerators of the catalog. Memory is told twice: as the vendor
prints it, and what one process can allocate. Rates are dense peaks, links are one
direction. Words narrow the list; a search that leaves one accelerator shows
everything that is known of it, with its sources.`,
		Example: `  headroom gpus
  headroom gpus nvidia sxm
  headroom gpus h100-sxm
  headroom gpus mi300x --json`,
		RunE: func(_ *cobra.Command, args []string) error { return s.printGPUs(args) },
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return hardware.Builtin().Slugs(), cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func (s *state) printGPUs(words []string) error {
	list := []hardware.Accelerator{}
	for _, a := range hardware.Accelerators() {
		if len(words) == 1 && suggest.Letters(words[0]) == suggest.Letters(a.Slug) {
			list = []hardware.Accelerator{a}
			break
		}
		if matches(words, a.Slug, a.Name, a.Vendor, a.FormFactor) {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return noMatch("accelerator", words, hardware.Builtin().Slugs(), "headroom gpus lists all")
	}
	if s.JSON {
		return s.writeJSON(map[string]any{"gpus": list})
	}
	if len(list) == 1 {
		return s.printGPU(&list[0])
	}
	t := table("name", "vendor", "form", ">year", ">GB printed", ">GiB usable", ">TB/s", ">bf16 TFLOPS", ">fp8", ">a node", ">link GB/s")
	for i := range list {
		a := &list[i]
		t.add(a.Slug, a.Vendor, a.FormFactor, fmt.Sprint(a.Year), trimZeros(fmt.Sprintf("%.1f", a.NominalGB)), fmt.Sprintf("%.2f", float64(a.UsableBytes)/gib),
			fmt.Sprintf("%.2f", a.MemoryBytesPerSecond/1e12), tera(a, hardware.BF16), tera(a, hardware.FP8),
			optionalText(a.GPUsPerNode), linkText(a))
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}

// printGPU shows one accelerator in full.
func (s *state) printGPU(a *hardware.Accelerator) error {
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	fields, err := members(raw)
	if err != nil {
		return err
	}
	t := table("", "")
	for _, f := range fields {
		if !isEmpty(f.value) {
			addMembers(t, "", f.name, unitOf(f.name), f.value)
		}
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}

func tera(a *hardware.Accelerator, d hardware.DType) string {
	rate, ok := a.PeakFLOPS(d)
	if !ok {
		return ""
	}
	return trimZeros(fmt.Sprintf("%.1f", rate/1e12))
}

func linkText(a *hardware.Accelerator) string {
	v, ok := a.ScaleUpBytesPerSecond.Get()
	if !ok {
		return ""
	}
	return trimZeros(fmt.Sprintf("%.1f", v/1e9))
}

func optionalText(o hardware.Optional[int64]) string {
	v, ok := o.Get()
	if !ok {
		return ""
	}
	return fmt.Sprint(v)
}
