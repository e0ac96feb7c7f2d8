package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"headroom/hardware"
	"headroom/sweep/pick"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// command is the one that explains the winner; "" for a model that has no name.
func (f *pickFlags) command(cmd *cobra.Command, r *pick.Result) string {
	if r.Explain == nil || f.run.model == "" {
		return ""
	}
	c := r.Explain.Case
	c.Layers = int64(f.run.layers)
	words := explainWords(f.run.model, &c)
	add := func(flag string, value any) { words = append(words, fmt.Sprintf("--%s %v", flag, value)) }
	if n := r.Winner.Network; n != nil {
		add("network", strconv.FormatFloat(*n/hardware.BytesPerGbit, 'g', 6, 64))
	}
	add("tokens", r.Winner.Cost.Tokens)
	if p := r.Winner.Cost.Price; p != nil && p.Provider != hardware.UserProvider {
		add("provider", quoted(p.Provider))
		add("region", quoted(csvWord(p.Region)))
		add("pricing", p.Pricing)
	}
	cmd.Flags().Visit(func(g *pflag.Flag) {
		if slices.Contains([]string{
			"price", "prices", "prices-since", "goodput", "gpu-hours-between-failures", "instance-hours-between-interruptions",
			"checkpoint-time", "restart-time", "checkpoint-interval", "power", "pue",
			"reduce-bucket-size", "stage3-max-live-parameters", "as-published",
		}, g.Name) {
			add(g.Name, quoted(g.Value.String()))
		}
	})
	return strings.Join(words, " ")
}

// csvWord is a value as a flag that takes several reads it.
func csvWord(word string) string {
	if strings.ContainsAny(word, `,"`) {
		return `"` + strings.ReplaceAll(word, `"`, `""`) + `"`
	}
	return word
}

// continued is a command on lines of the usual width that a shell joins.
func continued(command string) string {
	const indent = "    "
	var b strings.Builder
	line := indent
	for i, flag := range strings.Split(command, " --") {
		if i > 0 {
			flag = " --" + flag
		}
		if len(line)+len(flag)+2 > pickColumns {
			b.WriteString(line + " \\\n")
			line = indent + " "
		}
		line += flag
	}
	return b.String() + line
}

// assumptions are what the answer rests on.
func (f *pickFlags) assumptions(r *pick.Result) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if r.Explain != nil {
		c := &r.Explain.Case
		add("%s in %s with %s, %s attention and %s loss, as the framework profile %s keeps and computes them", r.Model, c.Recipe, c.Optimizer, c.Attention, c.Loss, c.Profile)
		if more := departures(c); len(more) > 0 {
			add("asked for: %s", strings.Join(more, ", "))
		}
	}
	add("tried: %s, on %s", f.triedAccelerators(), triedNumbers(r.GPUs))
	if r.Winner == nil || r.Winner.Cost.Price != nil {
		switch {
		case f.money.price > 0:
			add("price: your own")
		default:
			add("prices: list prices, %s, of %s in %s%s; marketplaces (vast) only where --provider names them; whole instances are rented; what a contract takes off, storage, traffic out and people are not in them, and whether so many GPUs are free to rent is not known",
				strings.Join(f.money.pricing, " or "), anyList(f.money.filter.Providers, "every provider"), anyList(f.money.filter.Regions, "every region"),
				f.sources())
		}
	}
	if slices.Contains(f.money.pricing, string(hardware.Reserved)) {
		add("cost and order are by the run's share of a contract, as if the rest of it had a use; a budget is held against all that the contract binds one to pay")
	}
	switch {
	case f.network > 0:
		add("network: %g Gbit/s a GPU, as given", f.network)
	default:
		add("network of a GPU between nodes: what the price row says, otherwise the catalog's; instances are joined only where it is known")
	}
	if r.Winner != nil {
		g := &r.Winner.Cost.Goodput
		add("goodput %s: %s", significant(g.Share), g.Source)
		if p := r.Winner.Cost.Price; p != nil && p.Pricing == hardware.Spot && g.Failures == nil && g.Share == 1 {
			add("spot instances can be taken away, and no interruption is counted: --instance-hours-between-interruptions, --checkpoint-time and --restart-time count them")
		}
		add("error bar: four of five measured runs took between low and high (headroom validate); dollars follow the time, and no price is uncertain")
	}
	add("memory: a plan fits if its predicted peak is at most what a process can use, with %s of it to spare", percent(f.spare, 1))
	if f.deadline.hours == 0 {
		add("no deadline was given: runs longer than %d days are left out if shorter ones meet the rest", horizonHours/24)
	}
	if f.cautious {
		add("budget and deadline are held against the high end of the error bar")
	}
	return out
}

// sources says which table of prices it was.
func (f *pickFlags) sources() string {
	text := ""
	if f.money.file != "" {
		text = " out of " + f.money.file
	}
	if f.money.since != "" {
		return text + " since " + f.money.since
	}
	return text + ", the latest of each, some of an unknown day"
}

func (f *pickFlags) triedAccelerators() string {
	if len(f.gpu) > 0 {
		return strings.Join(f.gpu, ", ")
	}
	return "every NVIDIA and AMD accelerator of the catalog (TPU, Trainium, Gaudi and Arc only by name: the framework profiles are of CUDA and ROCm code)"
}

// triedNumbers are the numbers of GPUs in short.
func triedNumbers(n []int64) string {
	const most = 8
	if len(n) == 0 {
		return "no number of GPUs"
	}
	if len(n) <= most {
		var words []string
		for _, x := range n {
			words = append(words, thousands(x))
		}
		return strings.Join(words, ", ") + " GPUs"
	}
	doubled := true
	for i := 1; i < len(n); i++ {
		doubled = doubled && n[i] == 2*n[i-1]
	}
	if doubled {
		return fmt.Sprintf("powers of two from %s to %s GPUs", thousands(n[0]), thousands(n[len(n)-1]))
	}
	return fmt.Sprintf("%d numbers from %s to %s GPUs", len(n), thousands(n[0]), thousands(n[len(n)-1]))
}

func anyList(list []string, otherwise string) string {
	return cmp.Or(strings.Join(list, ", "), otherwise)
}
