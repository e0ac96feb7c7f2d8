package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/grids"
	"headroom/hardware"
	"headroom/results/plot"
	"headroom/sweep"
	"headroom/sweep/pick"

	"github.com/spf13/cobra"
)

// pickFlags are the flags of pick.
type pickFlags struct {
	run                  caseFlags // only those of its fields that are registered below
	family, law, flops   string
	gpu, gpus, recompute []string
	budget               dollarAmount
	deadline             longTime
	cautious             bool
	front                int
	picture              pictureFlag
	money                moneyFlags
	globalTokens         size
	maxGPUs              size
	spare                float64
	network              float64
	notes                []string
}

const (
	defaultGlobalTokens = 4 << 20     // a usual batch of large models
	horizonHours        = hoursOfYear // nobody plans a longer run without saying so
)

func newPick(s *state) *cobra.Command {
	var f pickFlags
	cmd := &cobra.Command{
		Use:   "pick (--model NAME --tokens N | --family NAME --flops N) [--budget USD] [--deadline TIME] [flags]",
		Short: "Choose what to rent: accelerator, number, provider and parallel plan",
		Long: `pick finds what to rent for a training run: the cheapest that meets a deadline, the
fastest within a budget, or without either the cheapest that ends within a year; and
the front of dollars against days, on which no choice is beaten by another in both.

It tries every accelerator, every number of GPUs, and on them every parallel plan,
micro-batch and recompute mode; of those that fit the fastest, at every price that is
known for it. Everything that is ruled out is counted with its reason. The error bar of
the time is the error bar of the dollars, and the answer tells which other GPUs it does
not tell apart, and what is much faster for about the same money. Prices are rows of
the catalog (headroom prices); none is made up.

With --family, model and tokens are chosen too: those with the least loss, by a
published scaling law, for a number of FLOPs or for what the budget buys.

Where nothing meets the budget or the deadline, the exit code is 3 and the nearest
choice is shown.`,
		Example: `  headroom pick --model llama-3.1-8b --seq 8192 --tokens 1T
  headroom pick --model llama-3.1-70b --seq 8192 --tokens 2T --deadline 30d --plot front.svg
  headroom pick --model llama-3.1-8b --tokens 100B --budget 20000 --provider aws,lambda --gpu h100-sxm,h200-sxm
  headroom pick --family llama-3 --budget 1M --deadline 60d --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.orExample(cmd, [2]string{"model", "llama-3.1-8b"}, [2]string{"tokens", "1T"}, [2]string{"seq", "8192"}); err != nil {
				return err
			}
			if f.front < 1 {
				return usage("", "--rows %d: write a number of lines above 0", f.front)
			}
			q, err := f.query(s, cmd)
			if err != nil {
				return err
			}
			var r *pick.Result
			if f.family != "" {
				o, err := f.optimal(q)
				if err != nil {
					return err
				}
				r, err = pick.PickOptimal(*o)
				if err != nil {
					return misuse(err, "")
				}
			} else if r, err = pick.Pick(*q); err != nil {
				return misuse(err, "")
			}
			if err := r.ExplainWinner(); err != nil {
				return err
			}
			r.Assumptions, r.Command = f.assumptions(r), f.command(cmd, r)
			r.Notes = append(f.notes, r.Notes...)
			if len(r.All) > 0 && r.All[0].Cost.USD != nil {
				if err := s.draw(&f.picture, f.frontPicture(r)); err != nil {
					return err
				}
			} else if f.picture.path != "" {
				r.Notes = append(r.Notes, f.picture.path+" was not drawn: there is no choice with a price")
			}
			if s.JSON {
				if err := s.writeJSON(r); err != nil {
					return err
				}
			} else {
				s.printPick(r, f.front)
			}
			return f.infeasible(r)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *pickFlags) register(cmd *cobra.Command) {
	p := cmd.Flags()
	p.SortFlags = false
	r := &f.run
	p.StringVarP(&r.model, "model", "m", "", "model `NAME`, a Hugging Face config.json, or its directory")
	p.Var(&r.layers, "layers", "cut or extend the model to so many layers")
	p.Var(&r.tokens, "tokens", "tokens of the whole training run, such as 1T")
	p.StringVar(&f.family, "family", "", "choose model and tokens too, in a `FAMILY`: "+strings.Join(sweep.FamilyNames(), ", ")+", or any model's name")
	p.StringVar(&f.law, "law", accounting.ScalingLawNames()[0], "scaling `LAW` for that: "+strings.Join(accounting.ScalingLawNames(), ", "))
	p.StringVar(&f.flops, "flops", "", "`FLOPS` to spend, 6·parameters·tokens, such as 1e23 (default what the budget buys)")
	p.Var(&r.seq, "seq", "context length in tokens (default 4096, or the model's longest)")
	p.Var(&r.gb, "global-batch", "sequences of one optimizer step")
	p.Var(&f.globalTokens, "global-batch-tokens", "the same in tokens (default 4Mi)")

	p.Var(&f.budget, "budget", "dollars that the run may cost, such as 250000 or 1.5M")
	p.Var(&f.deadline, "deadline", "time that it may take, such as 36h, 30d or 6w")
	p.BoolVar(&f.cautious, "cautious", false, "hold budget and deadline against the high end of the error bar")

	p.StringSliceVarP(&f.gpu, "gpu", "g", nil, "try only `NAME`[,NAME] (default every NVIDIA and AMD accelerator)")
	p.StringSliceVar(&f.gpus, "gpus", nil, "`NUMBERS` of GPUs to try, such as 8,16 or 8..64:8 (default powers of two, as many as the run may need)")
	p.Var(&f.maxGPUs, "max-gpus", "try at most so many GPUs")
	p.Float64Var(&f.network, "network", 0, "Gbit/s of one GPU in its node's network, in place of what catalog and price rows say")
	p.Float64Var(&f.spare, "spare", 0, "`SHARE` of the memory that a plan must leave free, such as 0.05")
	f.money.register(cmd)

	p.StringSliceVar(&f.recompute, "recompute", nil, "try only these `MODES`: none, selective, full")
	p.Var(&r.mb, "micro-batch", "only this micro-batch")
	p.Var(&r.tp, "tp", "only this tensor-parallel size")
	p.Var(&r.pp, "pp", "only so many pipeline stages")
	p.Var(&r.vpp, "vpp", "only so many chunks of layers a stage")
	p.Var(&r.cp, "cp", "only this context-parallel size")
	p.Var(&r.ep, "ep", "only this expert-parallel size")
	p.Int64Var(&r.zero, "zero", 0, "only this ZeRO `STAGE`")
	r.registerTraining(cmd)

	p.IntVar(&f.front, "rows", 20, "`LINES` of the front to print")
	f.picture.register(cmd, "dollars against days")
	r.registerDimensions(cmd)

	dynamic(cmd, "model", true, modelNames)
	dynamic(cmd, "family", false, sweep.FamilyNames)
	dynamic(cmd, "gpu", false, hardware.Builtin().Slugs)
	fixed(cmd, "law", accounting.ScalingLawNames()...)
	fixed(cmd, "recompute", "none", "selective", "full")
	fixed(cmd, "zero", "0", "1", "2", "3")
}

func (f *pickFlags) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// query reads the flags.
func (f *pickFlags) query(s *state, cmd *cobra.Command) (*pick.Query, error) {
	given := cmd.Flags().Changed
	r := &f.run
	q := &pick.Query{
		Case: r.opt, Recompute: f.recompute, BudgetUSD: float64(f.budget), DeadlineHours: f.deadline.hours,
		HorizonHours: horizonHours, Cautious: f.cautious, Spare: f.spare, MaxGPUs: int64(f.maxGPUs), OwnNetwork: given("network"), Workers: s.CPUs,
	}
	o := &q.Case
	o.Context, o.MicroBatch = int64(r.seq), int64(r.mb)
	o.TP, o.PP, o.VPP, o.CP, o.EP = int64(r.tp), int64(r.pp), int64(r.vpp), int64(r.cp), int64(r.ep)
	if err := r.training(cmd, o); err != nil {
		return nil, err
	}
	if given("zero") {
		if r.zero < 0 || r.zero > 3 {
			return nil, usage("", "--zero %d: a ZeRO stage is 0, 1, 2 or 3", r.zero)
		}
		o.ZeRO = &r.zero
	}
	if err := f.model(s, cmd, q); err != nil {
		return nil, err
	}
	if err := f.batch(cmd, q); err != nil {
		return nil, err
	}
	var err error
	if given("gpus") {
		if q.GPUs, err = grids.ParseInts(f.gpus...); err != nil {
			return nil, misuse(fmt.Errorf("--gpus: %w", err), "write numbers and ranges: 8,16, 8..64:8, pow2(8..4096)")
		}
	}
	if q.Accelerators, err = f.accelerators(); err != nil {
		return nil, err
	}
	if given("network") {
		share, err := networkShare(f.network)
		if err != nil {
			return nil, err
		}
		for i := range q.Accelerators {
			q.Accelerators[i].NICBytesPerSecond = share
		}
	}
	if given("price") && !given("gpu") {
		return nil, usage("name one with --gpu", "--price is of one accelerator, and which one was not said")
	}
	if q.Offers, err = f.money.offers(s, cmd, q.Accelerators); err != nil {
		return nil, err
	}
	if q.Goodput, err = f.money.lostTime(cmd); err != nil {
		return nil, err
	}
	q.Energy = f.money.electricity(cmd)
	return q, nil
}

// model finds the model and the tokens, or sees that they are to be chosen.
func (f *pickFlags) model(s *state, cmd *cobra.Command, q *pick.Query) error {
	given := cmd.Flags().Changed
	if f.family != "" {
		for _, name := range []string{"model", "tokens", "layers"} {
			if given(name) {
				return usage("--family chooses model and tokens", "--family and --%s cannot be combined", name)
			}
		}
		if given := dimensionsGiven(cmd); len(given) > 0 {
			return usage("--family chooses model and tokens", "--family and --%s cannot be combined", given[0])
		}
		if f.flops == "" && f.budget == 0 {
			return usage("write --flops 1e23, or --budget 1M", "--family needs to know how much is to be spent")
		}
		return nil
	}
	for _, name := range []string{"flops", "law"} {
		if given(name) {
			return usage("name a --family in place of --model and --tokens", "--%s chooses a model, which --model has chosen already", name)
		}
	}
	m, err := f.run.findModel(s, cmd)
	if err != nil {
		return err
	}
	if f.run.tokens == 0 {
		return usage("write --tokens 1T; or --family in place of --model, to have tokens and size chosen", "how many tokens are to be trained was not given")
	}
	q.Case.Model, q.Case.Tokens = m, int64(f.run.tokens)
	return nil
}

// batch settles the global batch in sequences.
func (f *pickFlags) batch(cmd *cobra.Command, q *pick.Query) error {
	o := &q.Case
	if f.run.gb > 0 && f.globalTokens > 0 {
		return usage("one says the other", "--global-batch and --global-batch-tokens cannot be combined")
	}
	if o.Context == 0 {
		o.Context = accounting.DefaultContext
		if o.Model != nil && o.Model.MaxPositions > 0 {
			o.Context = min(o.Context, o.Model.MaxPositions)
		}
		f.note("no context length was given: %s tokens are assumed", thousands(o.Context))
	}
	if o.GlobalBatch = int64(f.run.gb); o.GlobalBatch > 0 {
		return nil
	}
	tokens := int64(f.globalTokens)
	if tokens == 0 {
		tokens = max(defaultGlobalTokens/o.Context, 1) * o.Context
		f.note("no global batch was given: %s sequences, %s tokens, are assumed", thousands(tokens/o.Context), thousands(tokens))
	}
	if tokens%o.Context != 0 {
		return usage("give a multiple of the context, or --global-batch in sequences", "a global batch of %s tokens is not a whole number of sequences of %s", thousands(tokens), thousands(o.Context))
	}
	o.GlobalBatch = tokens / o.Context
	return nil
}

// accelerators are those that were named, or all that the framework profiles run on.
func (f *pickFlags) accelerators() ([]hardware.Accelerator, error) {
	var out []hardware.Accelerator
	if len(f.gpu) == 0 {
		for _, slug := range hardware.Builtin().Slugs() {
			a, err := hardware.Lookup(slug)
			if err != nil {
				return nil, err
			}
			if a.Vendor == "NVIDIA" || a.Vendor == "AMD" {
				out = append(out, a)
			}
		}
		return out, nil
	}
	var problems []error
	for _, name := range f.gpu {
		found, err := hardware.Resolve(name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if found.Assumption != "" {
			f.note("--gpu %s: %s", name, found.Assumption)
		}
		same := func(a hardware.Accelerator) bool { return a.Slug == found.Accelerator.Slug }
		if !slices.ContainsFunc(out, same) {
			out = append(out, found.Accelerator)
		}
	}
	return out, misuse(errors.Join(problems...), "headroom gpus lists the accelerators")
}

// optimal is the query with model and tokens to be chosen.
func (f *pickFlags) optimal(q *pick.Query) (*pick.OptimalQuery, error) {
	law, err := accounting.ParseScalingLaw(f.law)
	if err != nil {
		return nil, misuse(err, "")
	}
	if _, err := sweep.ScaledModel(f.family, 1e9); err != nil {
		return nil, misuse(err, "a family's name, or the model to scale")
	}
	o := &pick.OptimalQuery{Query: *q, Law: law, Model: func(n int64) (*arch.Model, error) { return sweep.ScaledModel(f.family, n) }}
	if f.flops != "" {
		if o.FLOPs, err = strconv.ParseFloat(f.flops, 64); err != nil || !(o.FLOPs > 0) || math.IsInf(o.FLOPs, 1) {
			return nil, usage("", "--flops %.40q is not a positive number, such as 1e23", f.flops)
		}
	}
	return o, nil
}

// infeasible is the failure of a query that nothing meets.
func (f *pickFlags) infeasible(r *pick.Result) error {
	if r.Winner != nil {
		return nil
	}
	var hints []string
	if m := r.NearestRoom; m != nil {
		hints = append(hints, fmt.Sprintf("the nearest is %d × %s, which lacks %s", m.GPUs, m.Accelerator, inGiB(m.ShortfallBytes)))
	}
	if n := r.Nearest; n != nil {
		hints = append(hints, "the nearest is "+headline(n))
	}
	if f.deadline.hours > 0 || r.NearestRoom != nil {
		hints = append(hints, fmt.Sprintf("more GPUs may do: --gpus %d", 2*r.GPUs[len(r.GPUs)-1]))
	}
	if f.budget > 0 {
		hints = append(hints, "--pricing on_demand,spot,reserved looks at more prices")
	}
	return &failure{err: errors.New(r.Why), hint: strings.Join(hints, "; "), code: exitIncomplete}
}

func (f *pickFlags) frontPicture(r *pick.Result) plot.Front {
	p := plot.Front{BudgetUSD: float64(f.budget), DeadlineDays: f.deadline.hours / 24}
	p.Title = fmt.Sprintf("What to rent for %s and %s tokens", r.Model, shortCount(r.Tokens))
	p.Subtitle = fmt.Sprintf("context %s · global batch %s · the fastest plan on each accelerator and number of GPUs, at its cheapest price", thousands(r.Context), plural(r.Global, "sequence"))
	front := map[string]bool{}
	for i := range r.Front {
		front[headline(&r.Front[i])] = true
	}
	// Of each accelerator and number the cheapest offer: the others take as long.
	drawn := map[string]bool{}
	cheapestFirst := slices.SortedFunc(slices.Values(r.All), func(a, b pick.Choice) int {
		return cmp.Or(cmp.Compare(*a.Cost.USD, *b.Cost.USD), cmp.Compare(headline(&a), headline(&b)))
	})
	for i := range cheapestFirst {
		c := &cheapestFirst[i]
		on, winner := front[headline(c)], headline(c) == headline(r.Winner)
		key := fmt.Sprintf("%s %d", c.Accelerator, c.GPUs)
		if drawn[key] && !on && !winner {
			continue
		}
		drawn[key] = true
		label := fmt.Sprintf("%d × %s", c.GPUs, c.Accelerator)
		if winner {
			label += fmt.Sprintf(": %s, %.3g days", shortDollars(c.Cost.USD), c.Days)
		}
		p.Points = append(p.Points, plot.Point{
			Series: c.Accelerator, Label: label, Short: strconv.FormatInt(c.GPUs, 10), Days: c.Days, USD: *c.Cost.USD,
			DaysLow: c.DaysLow, DaysHigh: c.DaysHigh, OnFront: on, Winner: winner,
		})
	}
	return p
}
