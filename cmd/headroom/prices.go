package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"headroom/hardware"

	"github.com/spf13/cobra"
)

func newPrices(s *state) *cobra.Command {
	filter := hardware.PriceFilter{Marketplaces: true}
	var pricing []string
	cmd := &cobra.Command{
		Use:   "prices [ACCELERATOR]...",
		Short: "List what accelerators cost to rent, with date and source",
		Long: `prices lists the price rows of the catalog, cheapest a GPU first: of each offer the
latest. Every row has the date it was read and its source (--json). A price that
is not there is not known; headroom never makes one up.`,
		Example: `  headroom prices h100-sxm
  headroom prices --provider aws --pricing spot --min-gpus 8
  headroom prices b200-sxm mi300x --json`,
		RunE: func(_ *cobra.Command, args []string) error {
			for _, name := range args {
				found, err := hardware.Resolve(name)
				if err != nil {
					return misuse(err, "headroom gpus lists the accelerators")
				}
				filter.Accelerators = append(filter.Accelerators, found.Accelerator.Slug)
			}
			for _, p := range pricing {
				filter.Pricing = append(filter.Pricing, hardware.Pricing(p))
			}
			return s.printPrices(filter)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return pricedNames(func(p hardware.Price) string { return p.Accelerator }), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&filter.Providers, "provider", nil, "only from `NAME`[,NAME]")
	f.StringSliceVar(&pricing, "pricing", nil, "only `KIND`[,KIND]: on_demand, spot, reserved")
	f.StringSliceVar(&filter.Regions, "region", nil, "only in `REGION`[,REGION]")
	f.Int64Var(&filter.MinGPUs, "min-gpus", 0, "only instances with at least `N` GPUs")
	dynamic(cmd, "provider", false, func() []string { return pricedNames(func(p hardware.Price) string { return p.Provider }) })
	dynamic(cmd, "region", false, func() []string { return pricedNames(func(p hardware.Price) string { return p.Region }) })
	fixed(cmd, "pricing", "on_demand", "spot", "reserved")
	return cmd
}

func (s *state) printPrices(filter hardware.PriceFilter) error {
	list, err := hardware.SelectPrices(hardware.Prices(), filter)
	if err != nil {
		return misuse(err, "")
	}
	if s.JSON {
		if list == nil {
			list = []hardware.Price{}
		}
		return s.writeJSON(map[string]any{"prices": list})
	}
	if len(list) == 0 {
		fmt.Fprintln(s.Stdout, "no price is known for that")
		return nil
	}
	t := table("accelerator", ">$/GPU/h", ">$/h", ">GPUs", "provider", "instance", "region", "pricing", "as of")
	for i := range list {
		p := &list[i]
		t.add(p.Accelerator, dollars(p.PerGPUHourUSD), dollars(p.PerHourUSD), strconv.FormatInt(p.GPUs, 10),
			p.Provider, p.InstanceType, p.Region, string(p.Pricing), cmp.Or(string(p.AsOf), "unknown"))
	}
	t.write(s.Stdout, "", s.bold)
	return nil
}

func dollars(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

// pricedNames lists the values of a column of the price table.
func pricedNames(column func(hardware.Price) string) []string {
	var names []string
	for _, p := range hardware.Prices() {
		if name := column(p); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
