package pick

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
)

// speeds of the made-up timer, for steps that are easy to add by hand.
var speeds = map[string]float64{"h100-sxm": 2, "a100-sxm-80gb": 1, "t4": 0.1}

// handTimer takes 64/(GPUs·speed) seconds and a tenth for each doubling beyond 8
// GPUs, half as long again with full recompute, and a second more for every
// split but data parallelism and every micro-batch but 1.
func handTimer(a hardware.Accelerator, _ *accounting.Recipe) (StepTimer, error) {
	speed, ok := speeds[a.Slug]
	if !ok {
		return nil, errors.New(a.Slug + " has no bf16")
	}
	return func(c *accounting.Compiled, x *accounting.Setting) Step {
		t := 64/(float64(x.GPUs)*speed) + 0.1*math.Log2(float64(x.GPUs)/8)
		p := &x.Plan
		t += float64(p.TP+p.PP+p.CP+x.MicroBatch-4) + float64(p.ZeRO)/1000
		if c.Ledger.Recipe.Recompute.Mode == accounting.RecomputeFull {
			t *= 1.5
		}
		return Step{Seconds: t, Low: 0.9 * t, High: 1.2 * t}
	}, nil
}

func accelerators(t *testing.T, slugs ...string) []hardware.Accelerator {
	t.Helper()
	var out []hardware.Accelerator
	for _, s := range slugs {
		a, err := hardware.Lookup(s)
		require.NoError(t, err)
		out = append(out, a)
	}
	return out
}

func offer(provider, slug string, gpus int64, usd float64) hardware.Price {
	return hardware.Price{Provider: provider, InstanceType: provider + "-8", Region: "r", Accelerator: slug, GPUs: gpus, PerHourUSD: usd, PerGPUHourUSD: usd / float64(gpus), Pricing: hardware.OnDemand}
}

// byHand is a query whose answers are added up here. 3,600 steps make the hours of
// the run the seconds of a step:
//
//	h100 ×8   64/16        = 4.0 h · $40 = $160
//	h100 ×16  64/32 + 0.1  = 2.1 h · $80 = $168
//	a100 ×8   64/8         = 8.0 h · $16 = $128    at the other provider $20: $160
//	a100 ×16  64/16 + 0.1  = 4.1 h · $32 = $131.20                            $164
func byHand(t *testing.T) Query {
	t.Helper()
	m, err := arch.Lookup("gpt2", arch.Options{})
	require.NoError(t, err)
	zero := int64(0)
	return Query{
		Case:         accounting.Options{Model: m, Context: 1024, GlobalBatch: 16, Tokens: 3600*16*1024 - 5, ZeRO: &zero},
		Accelerators: accelerators(t, "h100-sxm", "a100-sxm-80gb"),
		GPUs:         []int64{16, 8},
		Offers:       []hardware.Price{offer("one", "h100-sxm", 8, 40), offer("one", "a100-sxm-80gb", 8, 16), offer("two", "a100-sxm-80gb", 8, 20)},
		Timer:        handTimer,
	}
}

func TestPickByHand(t *testing.T) {
	r, err := Pick(byHand(t))
	require.NoError(t, err)
	require.Equal(t, Cheapest, r.Objective)
	type line struct {
		gpu   string
		gpus  int64
		hours float64
		usd   float64
	}
	var got []line
	for _, c := range r.Front {
		got = append(got, line{c.Accelerator, c.GPUs, math.Round(c.Cost.Hours*1e6) / 1e6, math.Round(c.usd()*1e6) / 1e6})
		require.Equal(t, Plan{TP: 1, PP: 1, VPP: 1, CP: 1, EP: 1, ETP: 1, DP: c.GPUs}, c.Plan)
		require.EqualValues(t, 1, c.MicroBatch)
		require.Equal(t, "none", c.Recompute)
		require.EqualValues(t, 3600, c.Cost.Steps)
		require.InEpsilon(t, c.Cost.Hours/24, c.Days, 1e-12)
	}
	require.Equal(t, []line{{"h100-sxm", 16, 2.1, 168}, {"h100-sxm", 8, 4, 160}, {"a100-sxm-80gb", 16, 4.1, 131.2}, {"a100-sxm-80gb", 8, 8, 128}}, got)
	require.Equal(t, "a100-sxm-80gb", r.Winner.Accelerator)
	require.Equal(t, "one", r.Winner.Cost.Price.Provider)
	require.Equal(t, *r.Winner, *r.Cheapest)
	require.InEpsilon(t, 2.1, r.Fastest.Cost.Hours, 1e-9)

	// 131.2/128 − 1; 131.2·0.9 is below 128·1.2.
	require.InEpsilon(t, 0.025, r.RunnerUp.Gap, 1e-9)
	require.InEpsilon(t, 0.2, r.RunnerUp.ErrorBar, 1e-9)
	require.True(t, r.RunnerUp.WithinErrorBar)
	require.EqualValues(t, 16, r.RunnerUp.Choice.GPUs)
	require.InEpsilon(t, 0.25, r.OtherGPU.Gap, 1e-9) // h100 ×8, $160
	require.Equal(t, "h100-sxm", r.OtherGPU.Choice.Accelerator)

	require.NoError(t, r.ExplainWinner())
	require.Equal(t, "fits", r.Explain.Status)
	require.Equal(t, r.Winner.PeakBytes, r.Explain.Memory.PeakBytes)
	require.Equal(t, "a100-sxm-80gb", r.Explain.Case.Accelerator)
	require.Equal(t, r.Winner.Cost.USD, r.Explain.Cost.USD)
	require.EqualValues(t, 8, r.Explain.Case.DP)
}

func TestPickMeetsDemands(t *testing.T) {
	f := func(budget, deadline float64, cautious bool, gpu string, gpus int64, objective string) {
		t.Helper()
		q := byHand(t)
		q.BudgetUSD, q.DeadlineHours, q.Cautious = budget, deadline, cautious
		r, err := Pick(q)
		require.NoError(t, err)
		require.NotNil(t, r.Winner, r.Why)
		require.Equal(t, gpu, r.Winner.Accelerator)
		require.Equal(t, gpus, r.Winner.GPUs)
		require.Equal(t, objective, r.Objective)
		require.NotEmpty(t, r.Front)
		countsAddUp(t, r)
	}
	f(150, 0, false, "a100-sxm-80gb", 16, Fastest) // $131.20 in 4.1 h
	f(160, 0, false, "h100-sxm", 8, Fastest)       // $160 in 4 h: a demand is met exactly
	f(155, 0, true, "a100-sxm-80gb", 8, Fastest)   // at the high end 131.2·1.2 = 157.44, 128·1.2 = 153.6
}

func TestPickMeetsDeadlines(t *testing.T) {
	f := func(budget, deadline float64, cautious bool, gpu string, gpus int64) {
		t.Helper()
		q := byHand(t)
		q.BudgetUSD, q.DeadlineHours, q.Cautious = budget, deadline, cautious
		r, err := Pick(q)
		require.NoError(t, err)
		require.NotNil(t, r.Winner, r.Why)
		require.Equal(t, gpu, r.Winner.Accelerator)
		require.Equal(t, gpus, r.Winner.GPUs)
		require.Equal(t, Cheapest, r.Objective)
	}
	f(0, 4.05, false, "h100-sxm", 8)
	f(0, 4.05, true, "h100-sxm", 16) // 4·1.2 = 4.8 h is too late, 2.1·1.2 = 2.52 h is not
	f(165, 4.05, false, "h100-sxm", 8)
	f(0, 100, false, "a100-sxm-80gb", 8)
}

func TestPickTellsTheNearest(t *testing.T) {
	f := func(budget, deadline float64, cautious bool, gpu string, gpus int64, why string) {
		t.Helper()
		q := byHand(t)
		q.BudgetUSD, q.DeadlineHours, q.Cautious = budget, deadline, cautious
		r, err := Pick(q)
		require.NoError(t, err)
		require.Nil(t, r.Winner)
		require.Empty(t, r.Front)
		require.Equal(t, why, r.Why)
		require.Equal(t, gpu, r.Nearest.Accelerator)
		require.Equal(t, gpus, r.Nearest.GPUs)
		countsAddUp(t, r)
	}
	f(100, 0, false, "a100-sxm-80gb", 8, "nothing costs at most $100; the cheapest costs $128")
	f(0, 2, false, "h100-sxm", 16, "nothing ends within 0.08333 days; the fastest takes 0.0875 days")
	f(0, 2.4, true, "h100-sxm", 16, "nothing ends within 0.1 days; the fastest takes 0.105 days at the high end of the error bar")
	// $150 and 4.05 h: h100 ×8 misses by 160/150, a100 ×16 only by 4.1/4.05.
	f(150, 4.05, false, "a100-sxm-80gb", 16, "nothing costs at most $150 and ends within 0.1687 days; the nearest costs $131 and takes 0.1708 days")
}

// countsAddUp holds the promise that nothing is dropped silently.
func countsAddUp(t *testing.T, r *Result) {
	t.Helper()
	var candidates, choices int64
	for _, e := range r.Excluded {
		require.NotEmpty(t, e.Text, e.Reason)
		if e.Stage == stageCost {
			choices += e.Count
		} else {
			candidates += e.Count
		}
	}
	require.Equal(t, r.Candidates, candidates+r.Fitted)
	require.Equal(t, r.Choices, choices+int64(len(r.Front)))
}

func TestPickCountsEverything(t *testing.T) {
	q := byHand(t)
	m, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	q.Case.Model, q.Case.ZeRO = m, nil
	q.GPUs = []int64{1, 6, 8, 64}
	q.Accelerators = accelerators(t, "h100-sxm", "a100-sxm-80gb", "t4", "mi300x", "l40s")
	q.Offers = append(q.Offers, offer("one", "t4", 1, 0.5), offer("vast", "h100-sxm", 8, 16))
	r, err := Pick(q)
	require.NoError(t, err)
	countsAddUp(t, r)
	seen := map[string]bool{}
	for _, e := range r.Excluded {
		seen[e.Reason] = true
	}
	for _, want := range []string{"tp_heads", "pp_layers", "batch", "memory", reasonSlower, reasonFormat, reasonDominated} {
		require.True(t, seen[want], want)
	}
	require.Equal(t, []string{"l40s and mi300x have no bf16"}, r.Notes)
	for _, c := range r.All {
		if c.Cost.Price.Marketplace() {
			require.LessOrEqual(t, c.GPUs, int64(8), "no network joins the machines of a marketplace")
		}
	}
	// An accelerator that nobody rents is told apart from one that does not fit.
	q.Offers = q.Offers[:1]
	r, err = Pick(q)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(r.Excluded, func(e Exclusion) bool { return e.Reason == reasonNoOffer && e.Stage == stagePrice && e.Count > 0 }))
	countsAddUp(t, r)
	// Single GPUs do not make a cluster.
	q.Offers = []hardware.Price{offer("one", "h100-sxm", 1, 2)}
	q.Case.Model, err = arch.Lookup("gpt2", arch.Options{})
	require.NoError(t, err)
	r, err = Pick(q)
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Winner.GPUs)
	require.Len(t, r.All, 1)
	countsAddUp(t, r)
}

func TestPickDoesNotDependOnWorkersOrOrder(t *testing.T) {
	text := func(workers int, change func(*Query)) string {
		q := byHand(t)
		q.Workers = workers
		q.Case.ZeRO = nil
		change(&q)
		r, err := Pick(q)
		require.NoError(t, err)
		b, err := json.Marshal(r)
		require.NoError(t, err)
		return string(b)
	}
	want := text(1, func(*Query) {})
	require.Equal(t, want, text(4, func(q *Query) { slices.Reverse(q.GPUs); slices.Reverse(q.Offers) }))
	require.Equal(t, want, text(2, func(q *Query) { slices.Reverse(q.Accelerators); q.GPUs = []int64{8, 16, 8} }))
}

func TestPickHoldsBudgetsAgainstContracts(t *testing.T) {
	// An offer that binds for a year: the run's share on h100 ×8 is $80, and the contract
	// $175,200.
	q := byHand(t)
	bound := offer("bound", "h100-sxm", 8, 20)
	bound.Pricing, bound.CommitmentHours = hardware.Reserved, hardware.Known(8760.0)
	q.Offers = append(q.Offers, bound)
	r, err := Pick(q)
	require.NoError(t, err)
	require.Equal(t, "bound", r.Winner.Cost.Price.Provider)
	require.InEpsilon(t, 80, r.Winner.usd(), 1e-9)

	for budget, provider := range map[float64]string{175_000: "one", 175_300: "bound"} {
		q.BudgetUSD, q.DeadlineHours = budget, 4.05
		q.GPUs = []int64{8}
		r, err = Pick(q)
		require.NoError(t, err)
		require.Equal(t, provider, r.Winner.Cost.Price.Provider, budget)
	}
	q.Offers, q.BudgetUSD, q.DeadlineHours = []hardware.Price{bound}, 1000, 0
	r, err = Pick(q)
	require.NoError(t, err)
	require.Nil(t, r.Winner)
	require.Equal(t, "nothing costs at most $1,000; the cheapest binds one to pay $175,200", r.Why)
}

func TestPickWithoutPrices(t *testing.T) {
	q := byHand(t)
	q.Offers = nil
	r, err := Pick(q)
	require.NoError(t, err)
	require.Equal(t, Fastest, r.Objective)
	require.Equal(t, "h100-sxm", r.Winner.Accelerator)
	require.Nil(t, r.Winner.Cost.USD)
	require.Equal(t, "no price row for h100-sxm", r.Winner.Cost.Why)
	require.Nil(t, r.Cheapest)
	require.Contains(t, r.Notes, "no price is known for any of the accelerators: the choice is by time alone")
	countsAddUp(t, r)
	q.BudgetUSD = 100
	_, err = Pick(q)
	require.ErrorContains(t, err, "a budget needs prices")
}

func TestPickThatFitsNowhere(t *testing.T) {
	q := byHand(t)
	m, err := arch.Lookup("llama-3.1-405b", arch.Options{})
	require.NoError(t, err)
	q.Case.Model = m
	r, err := Pick(q)
	require.NoError(t, err)
	require.Nil(t, r.Winner)
	require.Nil(t, r.Nearest)
	require.Contains(t, r.Why, "no plan fits")
	require.EqualValues(t, 16, r.NearestRoom.GPUs)
	require.Equal(t, r.NearestRoom.PeakBytes-r.NearestRoom.UsableBytes, r.NearestRoom.ShortfallBytes)
	require.Positive(t, r.NearestRoom.ShortfallBytes)
	countsAddUp(t, r)
}

func TestPickKeepsToGivenSizes(t *testing.T) {
	q := byHand(t)
	q.Case.TP, q.Case.MicroBatch, q.Case.Recompute = 4, 2, "full"
	r, err := Pick(q)
	require.NoError(t, err)
	for _, c := range r.All {
		require.EqualValues(t, 4, c.Plan.TP)
		require.EqualValues(t, 2, c.MicroBatch)
		require.Equal(t, "full", c.Recompute)
	}
	require.NotEmpty(t, r.All)
	countsAddUp(t, r)
	q.Case.TP, q.Case.PP, q.Case.CP = 64, 3, 5 // more than there are
	r, err = Pick(q)
	require.NoError(t, err)
	require.Nil(t, r.Winner)
	countsAddUp(t, r)
}

func TestPickTellsWhatElse(t *testing.T) {
	r, err := Pick(byHand(t))
	require.NoError(t, err)
	// h100 ×8 costs $160 and ×16 $168, beyond the $153.60 of the winner's high end; the
	// a100 ×16 takes 4.1 h for $131.20.
	require.Equal(t, "a100-sxm-80gb", r.Trade.Choice.Accelerator)
	require.EqualValues(t, 16, r.Trade.Choice.GPUs)
	require.InEpsilon(t, 4.1/8-1, r.Trade.OtherGap, 1e-9)
	require.Len(t, r.ByGPU, 2)
	require.Equal(t, "h100-sxm", r.ByGPU[1].Choice.Accelerator)
	require.Equal(t, []string{"h100-sxm"}, r.Tied) // 25 % apart, and 1.2^√2 is 29 %
	require.InEpsilon(t, math.Pow(1.2, math.Sqrt2)-1, r.ByGPU[1].Both, 1e-9)

	q := byHand(t)
	q.Offers[0].AsOf = "2026-01-01" // of the h100 alone
	r, err = Pick(q)
	require.NoError(t, err)
	require.Equal(t, "h100-sxm", r.Dated.Choice.Accelerator)
}

func TestPickLeavesOutLongRuns(t *testing.T) {
	f := func(horizon, deadline float64, gpu string, gpus, left int64) {
		t.Helper()
		q := byHand(t)
		q.HorizonHours, q.DeadlineHours = horizon, deadline
		r, err := Pick(q)
		require.NoError(t, err)
		require.Equal(t, gpu, r.Winner.Accelerator)
		require.Equal(t, gpus, r.Winner.GPUs)
		n := int64(0)
		for _, e := range r.Excluded {
			if e.Reason == reasonHorizon {
				n = e.Count
			}
		}
		require.Equal(t, left, n)
		countsAddUp(t, r)
	}
	f(5, 0, "a100-sxm-80gb", 16, 2)  // the a100 ×8 of both providers takes 8 h
	f(1, 0, "a100-sxm-80gb", 8, 0)   // nothing is shorter: then none is left out
	f(5, 100, "a100-sxm-80gb", 8, 0) // a deadline says what is too long
}

// Instances with other networks are other candidates, each timed on its own.
func TestPickTimesTheNetworkOfTheOffer(t *testing.T) {
	q := byHand(t)
	q.Offers[2].NetworkBytesPerSecond = hardware.Known(1e9)
	seen := map[float64]bool{}
	q.Timer = func(a hardware.Accelerator, r *accounting.Recipe) (StepTimer, error) {
		seen[a.NICBytesPerSecond.Or(0)] = true
		return handTimer(a, r)
	}
	r, err := Pick(q)
	require.NoError(t, err)
	require.True(t, seen[1e9])
	require.EqualValues(t, 6, r.Fitted) // h100, a100 on either network, each ×8 and ×16
	require.Equal(t, 25e9, *r.Winner.Network)
	countsAddUp(t, r)
	q.OwnNetwork = true
	r, err = Pick(q)
	require.NoError(t, err)
	require.EqualValues(t, 4, r.Fitted)
}

func TestPickCountsLostTime(t *testing.T) {
	q := byHand(t)
	q.Goodput = func(int64, *hardware.Price) (accounting.Goodput, error) { return accounting.GivenGoodput(0.5) }
	q.Energy = &accounting.EnergyInputs{Utilisation: 0.5, PUE: 1.5}
	r, err := Pick(q)
	require.NoError(t, err)
	require.InEpsilon(t, 256.0, *r.Winner.Cost.USD, 1e-9)
	require.InEpsilon(t, 16*8*0.4*0.5*1.5, *r.Winner.Cost.Energy.KWh, 1e-9) // 16 h, 8 GPUs of 400 W
	// More GPUs fail more often: on 16 of them the run would not end.
	fails := accounting.Failures{GPUHoursBetween: 0.2, RestartSeconds: 600}
	q.Goodput = func(gpus int64, _ *hardware.Price) (accounting.Goodput, error) { return fails.Goodput(gpus, 0) }
	r, err = Pick(q)
	require.NoError(t, err)
	require.EqualValues(t, 8, r.Winner.GPUs)
	require.True(t, slices.ContainsFunc(r.Excluded, func(e Exclusion) bool { return e.Reason == reasonEndless && e.Count == 3 }))
	countsAddUp(t, r)
	fails.GPUHoursBetween = 0.001
	r, err = Pick(q)
	require.NoError(t, err)
	require.Nil(t, r.Winner)
	require.Contains(t, r.Why, "the run would not end")
	countsAddUp(t, r)
}

func TestPickRefuses(t *testing.T) {
	f := func(want string, change func(*Query)) {
		t.Helper()
		q := byHand(t)
		change(&q)
		_, err := Pick(q)
		require.ErrorContains(t, err, want)
	}
	f("no model", func(q *Query) { q.Case.Model = nil })
	f("0 tokens to train", func(q *Query) { q.Case.Tokens = 0 })
	f("a global batch of 0", func(q *Query) { q.Case.GlobalBatch = 0 })
	f("no accelerator", func(q *Query) { q.Accelerators = nil })
	f("write a share from 0", func(q *Query) { q.Spare = 1 })
	f("0 GPUs", func(q *Query) { q.GPUs = []int64{0} })
	f("-3 GPUs", func(q *Query) { q.GPUs = []int64{-3} })
	f("a budget of -1", func(q *Query) { q.BudgetUSD = -1 })
	f("a budget of NaN", func(q *Query) { q.BudgetUSD = math.NaN() })
	f("a deadline of +Inf", func(q *Query) { q.DeadlineHours = math.Inf(1) })
	f("recompute", func(q *Query) { q.Recompute = []string{"some"} })
	f("profile", func(q *Query) { q.Case.Profile = "megatronn" })
}

func TestPickOptimal(t *testing.T) {
	law := accounting.ScalingLaws()[0]
	base, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	q := OptimalQuery{
		Query: byHand(t), Law: law,
		Model: func(n int64) (*arch.Model, error) {
			m, _, err := arch.ScaleFamily(base, n)
			return m, err
		},
	}
	q.Case.Model, q.Case.Tokens = nil, 0
	// The made-up timer knows no FLOPs: a run costs by its tokens.
	q.FLOPs = 1e20
	r, err := PickOptimal(q)
	require.NoError(t, err)
	o := r.Optimal
	n, _, err := law.Optimal(1e20)
	require.NoError(t, err)
	require.Equal(t, n, o.Parameters)
	require.InEpsilon(t, n, float64(o.ModelParameters), 0.2)
	require.InEpsilon(t, 1e20, 6*float64(o.ModelParameters)*float64(o.Tokens), 1e-9)
	require.Equal(t, o.Tokens, r.Winner.Cost.Tokens)
	require.Equal(t, 1, o.Searches)

	q.FLOPs, q.BudgetUSD = 0, 50_000
	r, err = PickOptimal(q)
	require.NoError(t, err)
	require.NotNil(t, r.Winner, r.Why)
	require.LessOrEqual(t, r.Winner.usd(), 50_000.0)
	require.GreaterOrEqual(t, r.Winner.usd(), 0.9*50_000)
	require.Equal(t, 50_000.0, r.Optimal.BudgetUSD)

	q.BudgetUSD = 0
	_, err = PickOptimal(q)
	require.ErrorContains(t, err, "needs a number of FLOPs or a budget")
	q.FLOPs = 1
	_, err = PickOptimal(q)
	require.ErrorContains(t, err, "no scaling law is known")
	q.FLOPs = math.NaN()
	_, err = PickOptimal(q)
	require.ErrorContains(t, err, "compute budget of NaN")
}
