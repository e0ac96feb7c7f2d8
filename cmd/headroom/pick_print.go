package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"headroom/accounting"
	"headroom/hardware"
	"headroom/sweep/pick"
)

const hoursOfYear = 365 * 24

// pickColumns is how wide the answer is written: a usual terminal.
const pickColumns = 100

// printPick shows a person what to rent.
func (s *state) printPick(r *pick.Result, rows int) {
	w := s.Stdout
	wrapped(w, "", fmt.Sprintf("%s · %s tokens · context %s · global batch %s", r.Model, thousands(r.Tokens), thousands(r.Context), plural(r.Global, "sequence")))
	if o := r.Optimal; o != nil {
		wrapped(w, "", fmt.Sprintf("compute-optimal by %s: %.3g FLOPs on %.4g parameters (the model has %s) and %s tokens, a loss of %.3f nats a token",
			o.Law, o.FLOPs, o.Parameters, thousands(o.ModelParameters), thousands(o.Tokens), o.Loss))
	}
	switch {
	case r.Winner != nil:
		s.heading(title(r.Objective) + ": " + headline(r.Winner))
		printChoice(w, r.Winner)
		if r.Command != "" {
			fmt.Fprintf(w, "  look into it:\n%s\n", continued(r.Command))
		}
		s.heading("Against other choices")
		s.printComparisons(r)
		s.heading("Best of each GPU")
		s.printByGPU(r, rows)
	case r.Nearest != nil:
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
		for i, line := range lines(e.Text, pickColumns-48) {
			if i == 0 {
				t.add(e.Stage, e.Reason, thousands(e.Count), line)
			} else {
				t.add("", "", "", line)
			}
		}
	}
	t.write(w, "  ", plain)
	s.list("Notes", r.Notes)
	s.list("Assumptions", r.Assumptions)
}

// list writes sentences under a heading.
func (s *state) list(heading string, sentences []string) {
	if len(sentences) == 0 {
		return
	}
	s.heading(heading)
	for _, text := range sentences {
		wrapped(s.Stdout, "  - ", text)
	}
}

// wrapped writes a text in lines of the usual width, the first after indent and the
// others as far in.
func wrapped(w io.Writer, indent, text string) {
	for _, line := range lines(text, pickColumns-utf8.RuneCountInString(indent)) {
		fmt.Fprintf(w, "%s%s\n", indent, line)
		indent = strings.Repeat(" ", utf8.RuneCountInString(indent))
	}
}

// lines breaks a text at spaces into lines of at most so many characters, where
// its words allow.
func lines(text string, width int) (out []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			out, line = append(out, line), word
		default:
			line += " " + word
		}
	}
	return append(out, line)
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
	t.add("memory", fmt.Sprintf("%s of %s, %s free", inGiB(c.PeakBytes), inGiB(c.UsableBytes), percent(float64(c.UsableBytes-c.PeakBytes), float64(c.UsableBytes))))
	t.add("speed", fmt.Sprintf("%s s a step · %s tokens a second and GPU · MFU %s", significant(c.Step.Seconds), thousands(int64(c.Step.TokensPerSecondPerGPU)), percent(c.Step.MFU, 1)))
	t.write(w, "  ", plain)
	for _, n := range c.Cost.Notes {
		wrapped(w, "  - ", n)
	}
}

// addCost adds the lines of what a run costs.
func addCost(t *textTable, cost *accounting.Cost) {
	if usd := cost.USD; usd != nil {
		t.add("cost", fmt.Sprintf("$%s ($%s to $%s)", wholeDollars(*usd), wholeDollars(*cost.USDLow), wholeDollars(*cost.USDHigh)))
		if cost.CommitmentUSD != nil {
			t.add("contract", fmt.Sprintf("$%s in %.0f months, of which the cost is the run's share", wholeDollars(*cost.CommitmentUSD), cost.Price.CommitmentHours.Or(0)*12/hoursOfYear))
		}
		t.add("price", priceText(cost))
		if p := cost.Price; p.Provider != hardware.UserProvider {
			t.add("offer", strings.TrimSpace(fmt.Sprintf("%s in %s · %s %s", p.Provider, p.Region, p.Pricing, p.InstanceType)))
		}
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

// printComparisons tells how near other choices come, and whether the model can tell
// them apart from the winner.
func (s *state) printComparisons(r *pick.Result) {
	worse := "slower"
	if r.Objective == pick.Cheapest {
		worse = "dearer"
	}
	say := func(format string, args ...any) { wrapped(s.Stdout, "  - ", fmt.Sprintf(format, args...)) }
	if t := r.Trade; t != nil {
		if r.Objective == pick.Cheapest {
			say("for about the same money: %s takes %s days in place of %s, and is %.1f %% dearer (the error bar is +%.0f %%)",
				headline(&t.Choice), significant(t.Choice.Days), significant(r.Winner.Days), 100*t.Gap, 100*t.ErrorBar)
		} else {
			say("in about the same time: %s costs %s in place of %s, and is %.1f %% slower (the error bar is +%.0f %%)",
				headline(&t.Choice), shortDollars(t.Choice.Cost.USD), shortDollars(r.Winner.Cost.USD), 100*t.Gap, 100*t.ErrorBar)
		}
	}
	seen := ""
	for _, x := range []struct {
		name string
		*pick.Comparison
	}{{"runner-up", r.RunnerUp}, {"other GPU", r.OtherGPU}, {"at a price of a known day", r.Dated}, {"with more memory free", r.Roomier}} {
		if x.Comparison == nil || x.name == "other GPU" && headline(&x.Choice) == seen {
			continue
		}
		seen = headline(&x.Choice)
		verdict := fmt.Sprintf("beyond the error bars (+%.0f %%): a real difference", 100*x.Both)
		switch {
		case x.Comparison == r.Roomier:
			verdict = fmt.Sprintf("%s free: %s", percent(float64(x.Choice.UsableBytes-x.Choice.PeakBytes), float64(x.Choice.UsableBytes)), planText(&x.Choice))
		case x.WithinErrorBar:
			verdict = fmt.Sprintf("within the error bars (+%.0f %%): not told apart", 100*x.Both)
		}
		say("%s: %s, %.1f %% %s, %s", x.name, headline(&x.Choice), 100*x.Gap, worse, verdict)
	}
	switch {
	case len(r.Tied) > 0:
		say("a tie: the error bars do not tell %s apart from %s; let a contract, what is free to rent, or a measured step decide",
			r.Winner.Accelerator, strings.Join(r.Tied, ", "))
	case len(r.ByGPU) > 1:
		say("no tie: every other GPU is beyond the error bars")
	}
}

// printByGPU lists the best choice of each accelerator.
func (s *state) printByGPU(r *pick.Result, rows int) {
	t := table(">GPUs", "", ">days", ">cost", ">than best", "", "provider", ">MFU", "plan")
	shown := r.ByGPU
	if rows > 0 && len(shown) > rows {
		shown = shown[:rows]
	}
	for i := range shown {
		b := &shown[i]
		c := &b.Choice
		gap, mark := fmt.Sprintf("%+.0f %%", 100*b.Gap), ""
		switch {
		case i == 0:
			gap = ""
		case b.WithinErrorBar:
			mark = "≈"
		}
		t.add(strconv.FormatInt(c.GPUs, 10), c.Accelerator, significant(c.Days), shortDollars(c.Cost.USD), gap, mark, seller(c), fmt.Sprintf("%.0f %%", 100*c.Step.MFU), shortPlan(c))
	}
	t.write(s.Stdout, "  ", s.bold)
	if len(r.Tied) > 0 {
		fmt.Fprintln(s.Stdout, "  ≈ not told apart from the best")
	}
	if n := len(r.ByGPU) - len(shown); n > 0 {
		fmt.Fprintf(s.Stdout, "  and %d more: --rows %d\n", n, len(r.ByGPU))
	}
}

func (s *state) printFront(r *pick.Result, rows int) {
	t := table(">GPUs", "", ">days", ">low", ">high", ">cost", "provider", ">MFU", "plan")
	shown := r.Front
	if rows > 0 && len(shown) > rows {
		shown = shown[:rows]
	}
	for i := range shown {
		c := &shown[i]
		t.add(strconv.FormatInt(c.GPUs, 10), c.Accelerator, significant(c.Days), significant(c.DaysLow), significant(c.DaysHigh), shortDollars(c.Cost.USD),
			seller(c), fmt.Sprintf("%.0f %%", 100*c.Step.MFU), shortPlan(c))
	}
	t.write(s.Stdout, "  ", s.bold)
	if n := len(r.Front) - len(shown); n > 0 {
		fmt.Fprintf(s.Stdout, "  and %d more: --rows %d\n", n, len(r.Front))
	}
}

// seller is the provider, with the pricing where it is not the usual one.
func seller(c *pick.Choice) string {
	p := c.Cost.Price
	switch {
	case p == nil:
		return ""
	case p.Pricing == hardware.Spot || p.Pricing == hardware.Reserved:
		name := p.Provider + " " + string(p.Pricing)
		if term, bound := p.CommitmentHours.Get(); bound {
			name += fmt.Sprintf(" (%.0fy)", term/hoursOfYear)
		}
		return name
	}
	return p.Provider
}

// shortPlan is a plan in a table's cell: without what is 1, or follows.
func shortPlan(c *pick.Choice) string {
	p := &c.Plan
	text := ""
	for _, d := range []struct {
		name string
		n    int64
	}{{"tp", p.TP}, {"pp", p.PP}, {"vpp", p.VPP}, {"cp", p.CP}, {"ep", p.EP}} {
		if d.n > 1 {
			text += fmt.Sprintf("%s%d ", d.name, d.n)
		}
	}
	text += fmt.Sprintf("zero%d mb%d", p.ZeRO, c.MicroBatch)
	if c.Recompute != "none" {
		text += " " + c.Recompute
	}
	return text
}

// shortCount writes a large number with a decimal suffix: 1.5T.
func shortCount(n int64) string {
	for _, s := range []struct {
		suffix string
		size   float64
	}{{"T", 1e12}, {"B", 1e9}, {"M", 1e6}} {
		if x := float64(n); x >= s.size {
			return strconv.FormatFloat(x/s.size, 'g', 4, 64) + s.suffix
		}
	}
	return thousands(n)
}

// shortDollars writes an amount in a table's cell; nothing where none is known.
func shortDollars(usd *float64) string {
	switch {
	case usd == nil:
		return ""
	case *usd >= 1e9:
		return fmt.Sprintf("$%.2fB", *usd/1e9)
	case *usd >= 1e6:
		return fmt.Sprintf("$%.2fM", *usd/1e6)
	case *usd >= 1e4:
		return fmt.Sprintf("$%.1fK", *usd/1e3)
	}
	return "$" + wholeDollars(*usd)
}

// wholeDollars writes an amount without cents, unless they matter.
func wholeDollars(x float64) string {
	if x < 1000 {
		return dollars(x)
	}
	return whole(float64(int64(x + 0.5)))
}
