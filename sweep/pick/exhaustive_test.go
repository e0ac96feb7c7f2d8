package pick

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
)

// An enumerated is one plan at one price, evaluated on its own.
type enumerated struct {
	name  string // of accelerator, number and price: the choice
	hours float64
	usd   float64
	roomy bool // leaves Room of the memory free
}

// enumerate evaluates every case of a query by itself, with none of the search's
// short cuts: each is resolved, compiled and timed from its options, and paid by
// the formula. It returns those that fit, and how many cases there are.
func enumerate(t *testing.T, q *Query) (fits []enumerated, cases int64) {
	t.Helper()
	experts := int64(1)
	for i := range q.Case.Model.Kinds {
		if moe := q.Case.Model.Kinds[i].MoE; moe != nil {
			experts = moe.Experts
		}
	}
	layers := q.Case.Model.Layers()
	upTo := func(n int64, yield func(int64)) {
		for i := int64(1); i <= n; i++ {
			if n%i == 0 {
				yield(i)
			}
		}
	}
	one := func(a hardware.Accelerator, n, tp, pp, vpp, cp, ep, zero, mb int64, recompute string) {
		cases++
		dp := n / (tp * pp * cp)
		o := q.Case
		o.TP, o.PP, o.VPP, o.CP, o.EP, o.DP, o.GPUs = tp, pp, vpp, cp, ep, dp, n
		o.ZeRO, o.MicroBatch, o.Recompute, o.UsableBytes = &zero, mb, recompute, a.UsableBytes
		c, err := o.Resolve()
		require.NoError(t, err)
		c.Setting.Machine, err = accounting.NewMachine(a, &c.Recipe.Precision, 0)
		if err != nil || tp > max(a.GPUsPerNode.Or(8), a.ScaleUpDomain.Or(1)) {
			return
		}
		compiled, err := c.Compile()
		require.NoError(t, err)
		var report accounting.Report
		compiled.Evaluate(&c.Setting, &report)
		if !report.Fits() {
			return
		}
		steps := math.Ceil(float64(o.Tokens) / float64(o.GlobalBatch*o.Context))
		hours := steps * report.Time.StepSeconds / 3600
		for i := range q.Offers {
			p := &q.Offers[i]
			alone := n <= p.GPUs
			joined := p.GPUs == a.GPUsPerNode.Or(-1) && a.NICBytesPerSecond.Known && p.Provider != "vast"
			if p.Accelerator == a.Slug && (alone || joined) {
				instances := math.Ceil(float64(n) / float64(p.GPUs))
				fits = append(fits, enumerated{fmt.Sprintf("%d %s %s", n, a.Slug, p.Provider), hours, hours * instances * p.PerHourUSD, float64(report.Memory.PeakBytes) <= (1-Room)*float64(a.UsableBytes)})
			}
		}
	}
	for _, a := range q.Accelerators {
		for _, n := range q.GPUs {
			upTo(n, func(tp int64) {
				upTo(n/tp, func(pp int64) {
					upTo(n/tp/pp, func(cp int64) {
						chunks := []int64{1}
						if pp > 1 && layers%pp == 0 {
							chunks = nil
							upTo(layers/pp, func(v int64) { chunks = append(chunks, v) })
						}
						dp := n / tp / pp / cp
						zeros := []int64{0, 1, 2, 3}
						if dp*cp == 1 {
							zeros = []int64{1} // nobody to share with: one of them is enough
						}
						for _, vpp := range chunks {
							upTo(experts, func(ep int64) {
								for _, zero := range zeros {
									if q.Case.GlobalBatch%dp != 0 {
										cases += 3 // of each mode of recompute one, to say why
										continue
									}
									upTo(q.Case.GlobalBatch/dp, func(mb int64) {
										for _, mode := range []string{"none", "selective", "full"} {
											one(a, n, tp, pp, vpp, cp, ep, zero, mb, mode)
										}
									})
								}
							})
						}
					})
				})
			})
		}
	}
	return fits, cases
}

// What the search finds is what there is: winner, fastest and front are those of
// an exhaustive evaluation of every plan, and every plan is counted.
func TestPickEqualsExhaustiveSearch(t *testing.T) {
	tight := 0
	for _, x := range []struct {
		model           string
		layers, context int64
		batch           int64
		gpus            []int64
		offers          []hardware.Price
	}{
		{"gpt2-medium", 6, 1024, 16, []int64{1, 2, 4, 6, 8, 16}, []hardware.Price{
			offer("one", "h100-sxm", 8, 24), offer("two", "h100-sxm", 8, 40), offer("one", "h100-sxm", 1, 4), offer("one", "a10g", 4, 6), offer("one", "a10g", 1, 1),
		}},
		{"llama-3.1-8b", 4, 4096, 8, []int64{1, 2, 8, 12, 16}, []hardware.Price{
			offer("one", "h100-sxm", 8, 24), offer("one", "l40s", 8, 12), offer("one", "l40s", 1, 1.5), offer("two", "l40s", 4, 5), offer("vast", "h100-sxm", 8, 20),
		}},
		{"llama-3.1-8b", 8, 4096, 8, []int64{4, 8}, []hardware.Price{offer("one", "a10g", 8, 16)}},
		{"mixtral-8x7b", 2, 4096, 8, []int64{2, 8}, []hardware.Price{
			offer("one", "h200-sxm", 8, 30), offer("one", "a100-sxm-80gb", 8, 14), offer("two", "a100-sxm-80gb", 2, 3),
		}},
	} {
		t.Run(x.model, func(t *testing.T) {
			m, err := arch.Lookup(x.model, arch.Options{Layers: x.layers})
			require.NoError(t, err)
			var slugs []string
			for _, p := range x.offers {
				slugs = append(slugs, p.Accelerator)
			}
			slices.Sort(slugs)
			q := Query{
				Case:         accounting.Options{Model: m, Context: x.context, GlobalBatch: x.batch, Tokens: 1e9},
				Accelerators: accelerators(t, slices.Compact(slugs)...), GPUs: x.gpus, Offers: x.offers, Workers: 2,
			}
			r, err := Pick(q)
			require.NoError(t, err)
			if len(x.offers) == 1 {
				// An accelerator on which the winner is tight: it is still the best of what fits.
				q.Accelerators[0].UsableBytes = r.Winner.PeakBytes + r.Winner.PeakBytes/50
				r, err = Pick(q)
				require.NoError(t, err)
			}
			all, cases := enumerate(t, &q)
			require.NotEmpty(t, all)
			require.Equal(t, cases, r.Candidates)
			countsAddUp(t, r)

			cheapest := slices.MinFunc(all, func(a, b enumerated) int { return cmp.Compare(a.usd, b.usd) })
			fastest := slices.MinFunc(all, func(a, b enumerated) int { return cmp.Compare(a.hours, b.hours) })
			require.InEpsilon(t, cheapest.usd, *r.Winner.Cost.USD, 1e-12)
			require.InEpsilon(t, cheapest.usd, *r.Cheapest.Cost.USD, 1e-12)
			require.InEpsilon(t, fastest.hours, r.Fastest.Cost.Hours, 1e-12)
			var want, got []enumerated
			for _, e := range all {
				better := func(o enumerated) bool {
					return o.usd <= e.usd && o.hours <= e.hours && (o.usd < e.usd || o.hours < e.hours)
				}
				if !slices.ContainsFunc(all, better) {
					want = append(want, e)
				}
			}
			slices.SortFunc(want, func(a, b enumerated) int { return cmp.Compare(a.hours, b.hours) })
			want = slices.CompactFunc(want, func(a, b enumerated) bool { return a.hours == b.hours })
			for _, c := range r.Front {
				got = append(got, enumerated{fmt.Sprintf("%d %s %s", c.GPUs, c.Accelerator, c.Cost.Price.Provider), c.Cost.Hours, *c.Cost.USD, false})
			}
			require.Len(t, got, len(want))
			for i := range want {
				require.Equal(t, want[i].name, got[i].name)
				require.InEpsilon(t, want[i].hours, got[i].hours, 1e-12)
				require.InEpsilon(t, want[i].usd, got[i].usd, 1e-12)
			}

			// Where the winner is tight, the best that leaves room.
			require.Equal(t, r.Winner.free() < Room, r.Roomier != nil)
			if r.Roomier != nil {
				tight++
				roomy := slices.DeleteFunc(slices.Clone(all), func(e enumerated) bool { return !e.roomy })
				require.InEpsilon(t, slices.MinFunc(roomy, func(a, b enumerated) int { return cmp.Compare(a.usd, b.usd) }).usd, *r.Roomier.Choice.Cost.USD, 1e-12)
			}

			// Within a budget the fastest, by a deadline the cheapest.
			q.BudgetUSD = math.Sqrt(cheapest.usd * fastest.usd)
			affordable := slices.DeleteFunc(slices.Clone(all), func(e enumerated) bool { return e.usd > q.BudgetUSD })
			r, err = Pick(q)
			require.NoError(t, err)
			require.InEpsilon(t, slices.MinFunc(affordable, func(a, b enumerated) int { return cmp.Compare(a.hours, b.hours) }).hours, r.Winner.Cost.Hours, 1e-12)
			q.BudgetUSD, q.DeadlineHours = 0, math.Sqrt(cheapest.hours*fastest.hours)
			inTime := slices.DeleteFunc(slices.Clone(all), func(e enumerated) bool { return e.hours > q.DeadlineHours })
			r, err = Pick(q)
			require.NoError(t, err)
			require.InEpsilon(t, slices.MinFunc(inTime, func(a, b enumerated) int { return cmp.Compare(a.usd, b.usd) }).usd, *r.Winner.Cost.USD, 1e-12)
		})
	}
	require.Positive(t, tight, "no winner was without room")
}
