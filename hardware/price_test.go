package hardware_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/hardware"
)

// row returns the one embedded price row with these properties.
func row(t *testing.T, instance, region string, pricing hardware.Pricing, asOf hardware.Date) hardware.Price {
	t.Helper()
	var found []hardware.Price
	for _, p := range hardware.Prices() {
		if p.InstanceType == instance && p.Region == region && p.Pricing == pricing && p.AsOf == asOf {
			found = append(found, p)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

func TestEmbeddedPrices(t *testing.T) {
	all := hardware.Prices()
	require.Len(t, all, 485)
	slugs := hardware.Builtin().Slugs()
	for _, p := range all {
		require.Contains(t, slugs, p.Accelerator, p.Row)
		require.Positive(t, p.PerHourUSD, p.Row)
		require.InEpsilon(t, p.PerHourUSD, p.PerGPUHourUSD*float64(p.GPUs), 1e-12, p.Row)
		require.Contains(t, hardware.Pricings(), p.Pricing, p.Row)
		require.LessOrEqual(t, p.AsOf, hardware.PricesCollected, p.Row)
		require.NotEmpty(t, p.Source, p.Row)
	}
	// The list price of the H100 instance fell in June 2025: 98.32 → 55.04.
	require.Equal(t, 98.32, row(t, "p5.48xlarge", "us-east-1", hardware.OnDemand, "2025-04-28").PerHourUSD)
	p := row(t, "p5.48xlarge", "us-east-1", hardware.OnDemand, "2026-07-20")
	require.Equal(t, 55.04, p.PerHourUSD)
	require.Equal(t, 6.88, p.PerGPUHourUSD)
	require.Equal(t, "h100-sxm", p.Accelerator)
}

func TestQuote(t *testing.T) {
	p := row(t, "p5.48xlarge", "us-east-1", hardware.OnDemand, "2026-07-20")
	f := func(gpus, paid, instances int64, usd float64) {
		t.Helper()
		q, err := p.Quote(gpus)
		require.NoError(t, err)
		require.Equal(t, hardware.Quote{GPUs: paid, Instances: instances, PerHourUSD: usd}, q)
	}
	f(1, 8, 1, 55.04)
	f(8, 8, 1, 55.04)
	f(9, 16, 2, 110.08)
	f(1024, 1024, 128, 7045.12)
	f(math.MaxInt64-7, math.MaxInt64-7, math.MaxInt64/8, float64(math.MaxInt64/8)*55.04)

	bad := func(p hardware.Price, gpus int64, want string) {
		t.Helper()
		_, err := p.Quote(gpus)
		require.EqualError(t, err, want)
	}
	bad(p, 0, "a quote for 0 GPUs: ask for at least 1")
	bad(p, -8, "a quote for -8 GPUs: ask for at least 1")
	bad(p, math.MaxInt64, "a quote for 9223372036854775807 GPUs: too many to count")
	bad(hardware.Price{Row: "own.csv:2"}, 8, "price row own.csv:2 has 0 GPUs in an instance")
}

func TestSelectPrices(t *testing.T) {
	got, err := hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{
		Accelerators: []string{"h100-sxm"},
		Providers:    []string{"aws", "azure", "lambda"},
		Pricing:      []hardware.Pricing{hardware.OnDemand},
		Regions:      []string{"us-east-1", "eastus"},
		MinGPUs:      8,
	})
	require.NoError(t, err)
	var lines []string
	for _, p := range got {
		lines = append(lines, fmt.Sprintf("%s %s %.2f %s", p.Provider, p.InstanceType, p.PerGPUHourUSD, p.AsOf))
	}
	require.Equal(t, []string{
		"lambda gpu_8x_h100_sxm5 3.99 ",
		"aws p5.48xlarge 6.88 2026-07-20", // not the four dearer or older rows
		"azure Standard_ND96isr_H100_v5 12.29 2026-06-18",
	}, lines)

	got, err = hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{Accelerators: []string{"mi455x"}})
	require.NoError(t, err, "an accelerator may have no price")
	require.Empty(t, got)

	got, err = hardware.SelectPrices(nil, hardware.PriceFilter{})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestSelectPricesTakesTheLatestThenTheCheapest(t *testing.T) {
	offer := func(usd float64, asOf hardware.Date, notes string) hardware.Price {
		return hardware.Price{Provider: "acme", InstanceType: "i", Region: "r", Accelerator: "h100-sxm", GPUs: 1, PerHourUSD: usd, PerGPUHourUSD: usd, Pricing: hardware.Reserved, AsOf: asOf, Notes: notes}
	}
	got, err := hardware.SelectPrices([]hardware.Price{
		offer(1, "", "date unknown"), offer(2, "2025-01-01", "old"), offer(4, "2026-01-01", "1y"), offer(3, "2026-01-01", "3y"),
	}, hardware.PriceFilter{})
	require.NoError(t, err)
	require.Equal(t, []hardware.Price{offer(3, "2026-01-01", "3y")}, got)
}

func TestSelectPricesDoesNotDependOnOrder(t *testing.T) {
	all := hardware.Prices()
	want, err := hardware.SelectPrices(all, hardware.PriceFilter{})
	require.NoError(t, err)
	slices.Reverse(all)
	got, err := hardware.SelectPrices(all, hardware.PriceFilter{})
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.True(t, slices.IsSortedFunc(got, func(a, b hardware.Price) int {
		if a.PerGPUHourUSD < b.PerGPUHourUSD {
			return -1
		}
		return 0
	}))
}

func TestSelectPricesNamesWhatIsUnknown(t *testing.T) {
	_, err := hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{
		Accelerators: []string{"h10"}, Providers: []string{"aws", "lamda", "nobody"},
		Pricing: []hardware.Pricing{"ondemand"}, Regions: []string{"us-east"},
	})
	require.EqualError(t, err, `unknown accelerator "h10": did you mean h100-sxm?
unknown provider "lamda": did you mean lambda?
unknown provider "nobody": known are aws, azure, gcp, hyperstack, lambda, nebius, oci, runpod, vast
unknown region "us-east": did you mean us-east-1?
unknown pricing "ondemand": did you mean on_demand?`)
	// Regions of a marketplace hold commas, and one may be empty.
	_, err = hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{Regions: []string{"mars"}})
	require.ErrorContains(t, err, `unknown region "mars": known are ", CN, AS", ", US, NA", "British Columbia, CA, NA", `)
	require.ErrorContains(t, err, `, CANADA-1, `)
}

const (
	priceHeader = "provider,instance_type,region,accelerator_slug,gpus,vcpus,mem_gb,price_per_hour_usd,per_gpu_hour_usd,pricing,as_of,source,notes\n"
	priceRow    = "acme,x8,mars,h100-sxm,8,96,1000,24,3.0000,on_demand,2026-01-31,list,"
)

func TestParsePricesReportsEverything(t *testing.T) {
	_, err := hardware.ParsePrices("p.csv", strings.NewReader(priceHeader+priceRow+"\n"+
		strings.Replace(priceRow, "24", "25", 1)+"\n"+strings.Replace(priceRow, "8,96", "x,y", 1)+"\n"+priceRow+"\n"), "")
	require.EqualError(t, err, `p.csv:3:36: per_gpu_hour_usd: 3 is not price_per_hour_usd 25 / 8 gpus = 3.1250
p.csv:3:6: instance_type: line 2 has a price for the same instance, region, pricing, date and notes
p.csv:4:23: gpus: "x" is not a whole number
p.csv:4:25: vcpus: "y" is not a whole number
p.csv:5:6: instance_type: line 3 has a price for the same instance, region, pricing, date and notes`)
}

func TestParsePricesAccepts(t *testing.T) {
	got, err := hardware.ParsePrices("own.csv", strings.NewReader("provider,region,instance_type,accelerator_slug,gpus,pricing,price_per_hour_usd\nown,here,rack,H100 SXM,8,reserved,16\n"), "")
	require.NoError(t, err)
	require.Equal(t, []hardware.Price{{
		Provider: "own", InstanceType: "rack", Region: "here", Accelerator: "h100-sxm", GPUs: 8,
		PerHourUSD: 16, PerGPUHourUSD: 2, Pricing: hardware.Reserved, Row: "own.csv:2",
	}}, got)

	_, err = hardware.ParsePrices("own.csv", strings.NewReader("provider,region,pricing\n"), "")
	require.EqualError(t, err, `own.csv:1:1: column "instance_type" is missing
own.csv:1:1: column "accelerator_slug" is missing
own.csv:1:1: column "gpus" is missing
own.csv:1:1: column "price_per_hour_usd" is missing`)
}

func FuzzParsePrices(f *testing.F) {
	f.Add(priceHeader + priceRow + "\n")
	f.Add(priceHeader + strings.Replace(priceRow, "24", "1e308", 1))
	f.Add(priceHeader + priceRow + "\n" + priceRow)
	f.Fuzz(func(t *testing.T, data string) {
		all, err := hardware.ParsePrices("f.csv", strings.NewReader(data), "2026-02-01")
		if err != nil {
			require.Empty(t, all)
			require.ErrorContains(t, err, "f.csv:")
		}
		for _, p := range all {
			q, err := p.Quote(p.GPUs)
			require.NoError(t, err)
			require.Equal(t, p.PerHourUSD, q.PerHourUSD)
			require.Positive(t, q.PerHourUSD)
		}
	})
}

func ExampleSelectPrices() {
	offers, err := hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{
		Accelerators: []string{"h100-sxm"},
		Providers:    []string{"aws", "lambda"},
		Pricing:      []hardware.Pricing{hardware.OnDemand},
		MinGPUs:      8,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range offers {
		q, _ := p.Quote(100)
		fmt.Printf("%s %s: %d GPUs at $%.2f an hour\n", p.Provider, p.InstanceType, q.GPUs, q.PerHourUSD)
	}
	// Output:
	// lambda gpu_8x_h100_sxm5: 104 GPUs at $414.96 an hour
	// aws p5.48xlarge: 104 GPUs at $715.52 an hour
}

func TestParseDate(t *testing.T) {
	f := func(s string, ok bool) {
		t.Helper()
		d, err := hardware.ParseDate(s)
		require.Equal(t, ok, err == nil, "%v", err)
		if ok {
			require.Equal(t, s, string(d))
		}
	}
	f("2026-07-30", true)
	f("2024-02-29", true)
	f("2000-02-29", true)
	f("2026-02-29", false)
	f("1900-02-29", false)
	f("2026-13-01", false)
	f("2026-04-31", false)
	f("2026-00-10", false)
	f("2026-01-00", false)
	f("2026-1-1", false)
	f("2026/01/01", false)
	f("+026-01-01", false)
	f(" 2026-01-1", false)
	f("", false)
}

func TestUserPrice(t *testing.T) {
	p, err := hardware.UserPrice("h100-sxm", 2.5)
	require.NoError(t, err)
	q, err := p.Quote(12)
	require.NoError(t, err)
	require.Equal(t, hardware.Quote{GPUs: 12, Instances: 12, PerHourUSD: 30}, q)
	f := func(slug string, usd float64, want string) {
		t.Helper()
		_, err := hardware.UserPrice(slug, usd)
		require.ErrorContains(t, err, want)
	}
	f("h100-sxm", 98.32, "your price for h100-sxm is $98.32 per GPU-hour, outside")
	f("h100-sxm", 98.32, "the dearest is prices.csv:")
	f("h100-sxm", 98.32, "is it the price of a whole instance?")
	f("h100-sxm", 0.01, "outside")
	f("h100-sxm", 0, "write a positive number")
	f("h100-sxm", -1, "write a positive number")
	f("h100-sxm", math.NaN(), "write a positive number")
	f("h100-sxm", math.Inf(1), "write a positive number")
}

func TestPriceUnfit(t *testing.T) {
	h100, err := hardware.Lookup("h100-sxm")
	require.NoError(t, err)
	f := func(provider string, gpus, run int64, want string) {
		t.Helper()
		require.Equal(t, want, hardware.Price{Provider: provider, GPUs: gpus}.Unfit(h100, run))
	}
	f("aws", 8, 1024, "")
	f("aws", 8, 1, "")
	f("aws", 1, 1, "")
	f("aws", 1, 8, hardware.UnfitPartialNode)
	f("vast", 8, 8, "")
	f("vast", 8, 9, hardware.UnfitMarketplace)
	f(hardware.UserProvider, 1, 512, "")
}

func TestPriceNotes(t *testing.T) {
	parse := func(row string) hardware.Price {
		t.Helper()
		all, err := hardware.ParsePrices("p.csv", strings.NewReader("provider,instance_type,region,accelerator_slug,gpus,price_per_hour_usd,pricing,notes\n"+row), "")
		require.NoError(t, err)
		return all[0]
	}
	p := parse("us,rack,x,l40s,8,16,on_demand,node network 400.0 Gb/s; mem is GiB")
	require.Equal(t, hardware.Known(6.25e9), p.NetworkBytesPerSecond) // 50 Gbit/s a GPU
	l40s, err := hardware.Lookup("l40s")
	require.NoError(t, err)
	require.Empty(t, p.Unfit(l40s, 64))
	p = parse("us,rack,x,l40s,8,16,on_demand,no word of a network")
	require.Equal(t, hardware.UnfitNoNetwork, p.Unfit(l40s, 64))
	require.Empty(t, p.Unfit(l40s, 8))
	t4, err := hardware.Lookup("t4") // how many are in a node is not known
	require.NoError(t, err)
	require.Equal(t, hardware.UnfitPartialNode, parse("us,one,x,t4,1,0.5,on_demand,node network 5.0 Gb/s").Unfit(t4, 2))
	p = parse("us,rack,x,a100-sxm-80gb,8,16,reserved,3y committed use; of a list")
	require.Equal(t, hardware.Known(3*365*24.0), p.CommitmentHours)
	require.True(t, parse("us,rack,x,h100-sxm,8,16,on_demand,marketplace offer").Marketplace())
	v5e, err := hardware.Lookup("tpu-v5e")
	require.NoError(t, err)
	require.Empty(t, parse("us,chip,x,tpu-v5e,1,1.2,on_demand,per chip-hour").Unfit(v5e, 256))
	require.False(t, parse("us,rack,x,h100-sxm,8,16,on_demand,node network fast Gb/s; 0y committed use").NetworkBytesPerSecond.Known)
}

func TestSelectPricesByDayAndMarket(t *testing.T) {
	f := func(filter hardware.PriceFilter, ok func(hardware.Price) bool) {
		t.Helper()
		filter.Accelerators = []string{"h100-sxm"}
		list, err := hardware.SelectPrices(hardware.Prices(), filter)
		require.NoError(t, err)
		require.NotEmpty(t, list)
		for _, p := range list {
			require.True(t, ok(p), "%+v", p)
		}
	}
	f(hardware.PriceFilter{}, func(p hardware.Price) bool { return p.Provider != "vast" })
	f(hardware.PriceFilter{Providers: []string{"vast"}}, func(p hardware.Price) bool { return p.Provider == "vast" })
	f(hardware.PriceFilter{Since: "2026-06-01"}, func(p hardware.Price) bool { return p.AsOf >= "2026-06-01" })
	// Terms of one and of three years are two offers.
	list, err := hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{Providers: []string{"gcp"}, Pricing: []hardware.Pricing{hardware.Reserved}})
	require.NoError(t, err)
	terms := map[float64]int{}
	for _, p := range list {
		terms[p.CommitmentHours.Or(0)/365/24]++
	}
	require.Positive(t, terms[1])
	require.Positive(t, terms[3])
}

// The time of a run is told with the network that the accelerator is said to have: an
// instance with less of it is no price of that run while there is another.
func TestCheapestOfferHasTheNetwork(t *testing.T) {
	a100, err := hardware.Lookup("a100-sxm-80gb")
	require.NoError(t, err)
	gbits := func(x float64) hardware.Optional[float64] { return hardware.Known(x * hardware.BytesPerGbit) }
	offer := func(provider string, usd float64, network hardware.Optional[float64]) hardware.Price {
		return hardware.Price{Provider: provider, Accelerator: a100.Slug, GPUs: 8, PerHourUSD: usd, PerGPUHourUSD: usd / 8, NetworkBytesPerSecond: network}
	}
	short, wide, unsaid := offer("short", 20, gbits(50)), offer("wide", 40, gbits(200)), offer("unsaid", 30, hardware.Optional[float64]{})
	f := func(network float64, gpus int64, want string, offers ...hardware.Price) {
		t.Helper()
		a := a100
		a.NICBytesPerSecond = gbits(network)
		for range 2 { // in any order
			p, _, why := hardware.CheapestOffer(offers, a, gpus)
			require.Empty(t, why)
			require.Equal(t, want, p.Provider)
			slices.Reverse(offers)
		}
	}
	f(200, 16, "wide", short, wide)
	f(200, 16, "unsaid", short, wide, unsaid)
	f(50, 16, "short", short, wide, unsaid)
	f(200, 8, "short", short, wide, unsaid) // one instance needs no network
	f(200, 16, "short", short)
	f(400, 16, "short", short, wide)

	list, err := hardware.SelectPrices(hardware.Prices(), hardware.PriceFilter{Accelerators: []string{a100.Slug}, Pricing: []hardware.Pricing{hardware.OnDemand}})
	require.NoError(t, err)
	p, _, _ := hardware.CheapestOffer(list, a100, 64)
	require.False(t, p.ShorterNetwork(a100.NICBytesPerSecond.Or(0)), "the catalog has nodes with the catalog's network")
}

func TestCheapestOffer(t *testing.T) {
	h100, err := hardware.Lookup("h100-sxm")
	require.NoError(t, err)
	offer := func(provider string, gpus int64, usd float64) hardware.Price {
		return hardware.Price{Provider: provider, Region: "r", Accelerator: "h100-sxm", GPUs: gpus, PerHourUSD: usd, PerGPUHourUSD: usd / float64(gpus)}
	}
	offers := []hardware.Price{offer("vast", 8, 16), offer("aws", 8, 40), offer("aws", 1, 6), {Accelerator: "t4", GPUs: 8, PerHourUSD: 1}}
	f := func(gpus int64, provider string, usd float64) {
		t.Helper()
		p, q, why := hardware.CheapestOffer(offers, h100, gpus)
		require.Empty(t, why)
		require.Equal(t, provider, p.Provider)
		require.Equal(t, usd, q.PerHourUSD)
	}
	f(1, "aws", 6) // one of one, not an eighth of eight
	f(2, "vast", 16)
	f(8, "vast", 16)
	f(9, "aws", 80)
	f(16, "aws", 80)
	none := func(offers []hardware.Price, want string) {
		t.Helper()
		p, _, why := hardware.CheapestOffer(offers, h100, 16)
		require.Nil(t, p)
		require.Equal(t, want, why)
	}
	none(nil, "no price row for h100-sxm")
	none(offers[3:], "no price row for h100-sxm")
	none(offers[:1], "no price row for 16 × h100-sxm; of the nearest, vast in r, its machines have different owners, and no network for training joins them")
}
