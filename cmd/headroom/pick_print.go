package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"headroom/accounting"
	"headroom/sweep/pick"
)

// printPick shows a person what to rent.
func (s *state) printPick(r *pick.Result, rows int) {
	w := s.Stdout
	fmt.Fprintf(w, "%s · %s tokens · context %s · global batch %s\n", r.Model, thousands(r.Tokens), thousands(r.Context), plural(r.Global, "sequence"))
	if o := r.Optimal; o != nil {
		fmt.Fprintf(w, "compute-optimal by %s: %.3g FLOPs on %.4g parameters (the model has %s) and %s tokens, a loss of %.3f nats a token\n",
			o.Law, o.FLOPs, o.Parameters, thousands(o.ModelParameters), thousands(o.Tokens), o.Loss)
	}
	if r.Winner != nil {
		s.heading(title(r.Objective) + ": " + headline(r.Winner))
		printChoice(w, r.Winner)
		printComparison(w, "runner-up", r, r.RunnerUp)
		if o := r.OtherGPU; o != nil && (r.RunnerUp == nil || headline(&o.Choice) != headline(&r.RunnerUp.Choice)) {
			printComparison(w, "other GPU", r, o)
		}
		if e := r.Explain; e != nil {
			fmt.Fprintf(w, "  look into it: %s\n", winnersCommand(e))
		}
	} else if r.Nearest != nil {
		s.heading("Nearest: " + headline(r.Nearest))
		printChoice(w, r.Nearest)
	}
	if len(r.Front) > 0 {
		s.heading("Front of dollars against days: nothing is cheaper and as fast")
		s.printFront(r, rows)
	}
	s.heading(fmt.Sprintf("Looked at %s and %s", plural(r.Candidates, "candidate"), plural(r.Choices, "priced choice")))
	t := table("ruled out by", "", ">count", "because")
	for _, e := range r.Excluded {
		t.add(e.Stage, e.Reason, thousands(e.Count), e.Text)
	}
	t.write(w, "  ", plain)
	if len(r.Notes) == 0 {
		return
	}
	s.heading("Notes")
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  - %s\n", n)
	}
}

// headline names a choice in one line, which no other choice has.
func headline(c *pick.Choice) string {
	text := fmt.Sprintf("%d × %s", c.GPUs, c.Accelerator)
	if p := c.Cost.Price; p != nil {
		text += " at " + strings.Join(strings.Fields(p.Provider+" "+p.InstanceType+" "+p.Region+" "+string(p.Pricing)), " ")
	}
	return text
}

func printChoice(w io.Writer, c *pick.Choice) {
	t := table("", "")
	addCost(t, &c.Cost)
	t.add("plan", planText(c))
	t.add("memory", fmt.Sprintf("%s of %s", inGiB(c.PeakBytes), inGiB(c.UsableBytes)))
	t.add("speed", fmt.Sprintf("%s s a step · %s tokens a second and GPU · MFU %s", significant(c.Step.Seconds), thousands(int64(c.Step.TokensPerSecondPerGPU)), percent(c.Step.MFU, 1)))
	t.write(w, "  ", plain)
	for _, n := range c.Cost.Notes {
		fmt.Fprintf(w, "  - %s\n", n)
	}
}

// addCost adds the lines of what a run costs.
func addCost(t *textTable, cost *accounting.Cost) {
	if usd := cost.USD; usd != nil {
		t.add("cost", fmt.Sprintf("$%s ($%s to $%s)", wholeDollars(*usd), wholeDollars(*cost.USDLow), wholeDollars(*cost.USDHigh)))
		t.add("price", priceText(cost))
	} else {
		t.add("cost", "not known: "+cost.Why)
	}
	t.add("time", fmt.Sprintf("%s days (%s to %s) for %s steps", significant(cost.Hours/24), significant(cost.HoursLow/24), significant(cost.HoursHigh/24), thousands(cost.Steps)))
	t.add("GPU-hours", fmt.Sprintf("%s (%s to %s)", significant(cost.GPUHours), significant(cost.GPUHoursLow), significant(cost.GPUHoursHigh)))
	t.add("goodput", fmt.Sprintf("%s: %s", significant(cost.Goodput.Share), cost.Goodput.Source))
	if f := cost.Goodput.Failures; f != nil {
		t.add("", fmt.Sprintf("a failure every %s h, a checkpoint every %s s, %s s to write it, %s s to restart",
			significant(f.MeanHours), significant(f.CheckpointIntervalSeconds), significant(f.CheckpointSeconds), significant(f.RestartSeconds)))
	}
	if e := cost.Energy; e != nil {
		if e.KWh != nil {
			t.add("energy", fmt.Sprintf("%s kWh: %s W TDP × %s × PUE %s, the servers' own apart", significant(*e.KWh), significant(e.TDPWatts), significant(e.Utilisation), significant(e.PUE)))
		} else {
			t.add("energy", "not known: "+e.Why)
		}
	}
}

func priceText(c *accounting.Cost) string {
	p := c.Price
	text := fmt.Sprintf("$%s a GPU and hour", dollars(p.PerGPUHourUSD))
	if p.InstanceType != "" {
		text += fmt.Sprintf(" · %s of %s", plural(c.Instances, "instance"), plural(p.GPUs, "GPU"))
	}
	if p.Row != "" {
		text += fmt.Sprintf(" · as of %s · %s", cmp.Or(string(p.AsOf), "an unknown day"), p.Row)
	} else {
		text += " · " + p.Source
	}
	return text
}

func planText(c *pick.Choice) string {
	p := &c.Plan
	text := ""
	for _, d := range []struct {
		name string
		n    int64
	}{{"tp", p.TP}, {"pp", p.PP}, {"vpp", p.VPP}, {"cp", p.CP}, {"ep", p.EP}, {"dp", p.DP}} {
		if d.n > 1 {
			text += fmt.Sprintf("%s %d · ", d.name, d.n)
		}
	}
	return text + fmt.Sprintf("zero %d · micro-batch %d · recompute %s", p.ZeRO, c.MicroBatch, c.Recompute)
}

// printComparison tells how near another choice comes, and whether the model can
// tell the two apart.
func printComparison(w io.Writer, name string, r *pick.Result, c *pick.Comparison) {
	if c == nil {
		return
	}
	what := "slower"
	if r.Objective == pick.Cheapest {
		what = "dearer"
	}
	verdict := "beyond the error bars: a real difference"
	if c.WithinErrorBar {
		verdict = fmt.Sprintf("within the error bars (the winner's is +%.0f %%): not told apart", 100*c.ErrorBar)
	}
	fmt.Fprintf(w, "  %s: %s, %.1f %% %s, %s\n", name, headline(&c.Choice), 100*c.Gap, what, verdict)
}

func (s *state) printFront(r *pick.Result, rows int) {
	t := table(">days", ">low", ">high", ">dollars", ">GPUs", "accelerator", "provider", "region", "pricing", "plan", ">MFU")
	shown := r.Front
	if rows > 0 && len(shown) > rows {
		shown = shown[:rows]
	}
	for i := range shown {
		c := &shown[i]
		usd, provider, region, pricing := "", "", "", ""
		if p := c.Cost.Price; p != nil {
			usd, provider, region, pricing = wholeDollars(*c.Cost.USD), p.Provider, p.Region, string(p.Pricing)
		}
		t.add(significant(c.Days), significant(c.DaysLow), significant(c.DaysHigh), usd, strconv.FormatInt(c.GPUs, 10),
			c.Accelerator, provider, region, pricing, planText(c), percent(c.Step.MFU, 1))
	}
	t.write(s.Stdout, "  ", s.bold)
	if n := len(r.Front) - len(shown); n > 0 {
		fmt.Fprintf(s.Stdout, "  and %d more: --rows %d\n", n, len(r.Front))
	}
}

// wholeDollars writes an amount without cents, unless they matter.
func wholeDollars(x float64) string {
	if x < 1000 {
		return dollars(x)
	}
	return whole(float64(int64(x + 0.5)))
}

// winnersCommand is the command that explains the winner.
func winnersCommand(e *accounting.Explanation) string {
	c := &e.Case
	text := fmt.Sprintf("headroom explain --model %s --seq %d --micro-batch %d --global-batch %d --gpu %s --gpus %d --recipe %s --profile %s --recompute %s --zero %d",
		c.Model, c.Context, c.MicroBatch, c.GlobalBatch, c.Accelerator, c.GPUs, c.Recipe, c.Profile, c.Recompute, c.ZeRO)
	for _, d := range []struct {
		name string
		n    int64
	}{{"tp", c.TP}, {"pp", c.PP}, {"vpp", c.VPP}, {"cp", c.CP}, {"ep", c.EP}} {
		if d.n > 1 {
			text += fmt.Sprintf(" --%s %d", d.name, d.n)
		}
	}
	if e.Cost != nil {
		text += fmt.Sprintf(" --tokens %d", e.Cost.Tokens)
	}
	return text
}
