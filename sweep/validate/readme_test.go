package validate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
)

const (
	readmeFile  = "../../README.md"
	readmeBegin = "<!-- accuracy: written by go test ./sweep/validate -run Accuracy -update -->\n"
	readmeEnd   = "<!-- accuracy: end -->\n"
	// farOffTime is the error from which a family's worst run is explained.
	farOffTime = 0.30
)

// timeReasons say why the time of runs is far off, by the rows they hold for: the
// first that matches an id counts. They are sentences about the run, never an input
// of the prediction.
var timeReasons = []struct {
	ids []string
	why string
}{
	{[]string{"internevo-006", "internevo-007", "internevo-008", "internevo-042", "internevo-052", "internevo-053", "internevo-054"}, "a fixed global batch on 512 and 1,024 GPUs leaves one or two micro-batches to hide the gradient reduction behind; with four times the batch the same table keeps its speed and is predicted to 15 %. Congestion between so many nodes is not modelled"},
	{[]string{"mbridge-072", "mbridge-095", "mbridge-122"}, "an early release for this model, which overlaps its exchange layer by layer from a host without graphs: later releases in the same table run the same GPUs 1.4 to 2 times as fast"},
	{[]string{"vtrain-014", "vtrain-016", "vtrain-021"}, "an outlier of its own table: the run beside it, with half the micro-batch, takes half the time and is predicted to 8 %"},
	{[]string{"sc21-012", "sc21-013", "sc21-016"}, "ZeRO-3 with one sequence a GPU on over a thousand GPUs gathers all weights between nodes for almost no work, and hid less of that than any other run"},
	{[]string{"llmfoundry-140"}, "a 65B model on 64 cards of 40 GB leaves next to no memory free: the run on 128 of them is predicted to 9 %"},
	{[]string{"torchtitan-009", "torchtitan-010"}, "the first release of context parallelism, at 131,072 and 262,144 tokens, in float8 on cards limited to 500 W"},
	{[]string{"torchtitan-029", "torchtitan-030"}, "the source itself calls its row-wise float8 with tensor parallelism abnormally slow"},
	{[]string{"bigscience-148"}, "two V100s share each layer at 6 to 7 GB/s an all-reduce, what PCI Express gives and not NVLink; its step is rounded to whole seconds"},
	{[]string{"bigscience-153"}, "its memory, too, contradicts the other runs of its table, and its step is rounded to whole seconds"},
}

// TestAccuracyOfREADME holds the accuracy that README.md quotes to what is predicted
// today; -update rewrites it. The figures of families held out need half a minute of
// fitting, so that only -holdout and -update compute them: whatever changes them
// changes the others, too.
func TestAccuracyOfREADME(t *testing.T) {
	const how = "README.md quotes another accuracy than today's: run go test ./sweep/validate -run Accuracy -update"
	b, err := os.ReadFile(readmeFile)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(b), readmeBegin)
	require.True(t, ok, "README.md has no line %s", readmeBegin)
	quoted, after, ok := strings.Cut(rest, readmeEnd)
	require.True(t, ok, "README.md has no line %s", readmeEnd)

	report := Run(Builtin(), nil)
	memory := memoryAccuracy(report)
	_, quotedTime, _ := strings.Cut(quoted, "**Time**")
	quotedTime = "**Time**" + quotedTime
	var held *Holdout
	if *holdout || *update && withoutHeldOut(quotedTime) != withoutHeldOut(timeAccuracy(report, nil)) {
		held = Study(Builtin())
	}
	if *update {
		if held != nil {
			quotedTime = timeAccuracy(report, held)
		}
		require.NoError(t, os.WriteFile(readmeFile, []byte(before+readmeBegin+memory+quotedTime+readmeEnd+after), 0o644))
		return
	}
	got := memory + timeAccuracy(report, held)
	if held == nil {
		quoted, got = withoutHeldOut(quoted), withoutHeldOut(got)
	}
	// The sentences to the letter, the figures to a fifth of a percent: the last bits of
	// a fit depend on the processor.
	number := regexp.MustCompile(`[+-]?\d+(\.\d+)?`)
	require.Equal(t, number.ReplaceAllString(quoted, "#"), number.ReplaceAllString(got, "#"), how)
	was, is := number.FindAllString(quoted, -1), number.FindAllString(got, -1)
	for i := range was {
		x, err1 := strconv.ParseFloat(was[i], 64)
		y, err2 := strconv.ParseFloat(is[i], 64)
		require.NoError(t, cmp.Or(err1, err2))
		require.InDelta(t, x, y, 0.2, how)
	}
}

// withoutHeldOut leaves out what only the hold-out tells: the marked lines, and the
// last columns of the table.
func withoutHeldOut(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) > 9 { // of the time
			line = strings.Join(cells[:4], "|") + "\n"
		}
		if !strings.Contains(line, "held out") && !strings.HasPrefix(line, "- ") && line != "\n" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// A page is Markdown in the making.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func share(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

func signed(x float64) string { return fmt.Sprintf("%+.1f %%", 100*x) }

// memoryAccuracy is the half of the section on memory.
func memoryAccuracy(r *Report) string {
	var b page
	line := b.line
	line("")
	line("**Memory** is a sum over tensors, not a fit; only the runtime's few constants (context, communicators, fragmentation) are read off published figures, and `explain` prints each with its source. Error of the peak on %d published runs, by family of publication:", r.Memory.Scored)
	line("")
	line("| family | compared with | runs | median | 90 %% within | bias | worst |")
	line("|---|---|---:|---:|---:|---:|---|")
	for _, f := range r.Memory.Families {
		if f.Scored > 0 {
			line("| %s | %s | %d | %s | %s | %s | %s %s |", f.Name, strings.TrimSuffix(f.Metric, "_bytes"), f.Scored, share(f.Median), share(f.P90), signed(f.Bias), signed(f.Worst), f.WorstID)
		}
	}
	line("")
	line("The mean over families is %s. Of %d runs published as out of memory, %d are called a fit. [ACCURACY.md](accounting/ACCURACY.md) lists every run that is far off, with the reason.", share(r.Memory.MacroMedian), r.Memory.FitsTested, r.Memory.WrongFits)
	line("")
	return b.String()
}

// timeAccuracy is the half on time. Without a hold-out its figures are dashes.
func timeAccuracy(r *Report, held *Holdout) string {
	var b page
	line := b.line
	free := 0
	for _, c := range accounting.Prior().Constants() {
		if c.Spread > 0 {
			free++
		}
	}
	line("**Time** has %d constants, each of a GPU generation, a framework or a network, none of a model; they are fitted on the %d runs below and on kernels measured alone, each held near a physical prior. *Held out* is the error on a family with everything fitted on the other families: expect that for a run of your own.", free, r.Time.Scored)
	line("")
	line("| family | runs | fitted | held out | 90 %% within | bias | rank | worst |")
	line("|---|---:|---:|---:|---:|---:|---:|---|")
	unseen := map[string]Family{}
	if held != nil {
		for _, f := range held.Unseen.Families {
			unseen[f.Name] = f
		}
	}
	var far []Family
	for _, f := range merged(r.Time.Families) {
		u, ok := unseen[f.Name]
		if !ok {
			line("| %s | %d | %s | – | – | – | – | – |", f.Name, f.Scored, share(f.Median))
			continue
		}
		rank := "–"
		if u.RankModels > 0 {
			rank = fmt.Sprintf("%.2f", u.Rank)
		}
		line("| %s | %d | %s | %s | %s | %s | %s | %s %s |", f.Name, f.Scored, share(f.Median), share(u.Median), share(u.P90), signed(u.Bias), rank, signed(u.Worst), u.WorstID)
		if math.Abs(u.Worst) > farOffTime {
			far = append(far, u)
		}
	}
	line("")
	line("What the launch scripts of these sources ask for is known of them; from the columns and notes of a row alone the mean over families, models and GPUs is %s.", share(Run(anonymous(Builtin()), nil).Time.MacroMedian))
	if held != nil {
		line("")
		line("The mean over families, models and GPUs is %s as fitted and %s held out; one constant efficiency for all runs would err by %s.", share(r.Time.MacroMedian), share(held.Unseen.MacroMedian), share(r.Baseline.MacroMedian))
		rank, perfect := MeanRank(r.Time.Orders)
		unseenRank, _ := MeanRank(held.Unseen.Orders)
		line("The rank correlation within the %d models of four and more runs is %.3f in the mean as fitted and %.3f held out; a prediction without error would reach %.3f if runs repeated to 2 %%.", len(r.Time.Orders), rank, unseenRank, perfect)
		least, most := covered(held.FamilyCoverage)
		line("The error bars hold %.0f %% of the runs held out, from %.0f %% of %s to %.0f %% of %s, and reach %.0f %% on average; they are made to hold 80 %%. A bar is wider the more of the step goes to what is less certain than dense products: launches, exchanges, attention, passes over memory, waiting in a pipeline, experts.",
			100*held.Coverage, 100*held.FamilyCoverage[least], least, 100*held.FamilyCoverage[most], most, 100*held.Spread)
		line("Errors and bias are of the step time; rank is Spearman's correlation within a model. The worst of the families held out, where they are further off than %.0f %%:", 100*farOffTime)
		line("")
		for _, f := range far {
			line("- %s, %s: %s.", f.WorstID, signed(f.Worst), reasonOf(f.WorstID))
		}
	}
	return b.String()
}

// anonymous are the measurements without their sources, so that no rule for one applies.
func anonymous(all []Measurement) []Measurement {
	out := slices.Clone(all)
	for i := range out {
		out[i].Source, out[i].URL = "", ""
	}
	return out
}

// covered names the families of which the error bars hold least and most, the first by
// name of equals.
func covered(by map[string]float64) (least, most string) {
	for _, f := range slices.Sorted(maps.Keys(by)) {
		if least == "" || by[f] < by[least] {
			least = f
		}
		if most == "" || by[f] > by[most] {
			most = f
		}
	}
	return least, most
}

// merged puts the metrics of a family together, weighed by their runs.
func merged(families []Family) []Family {
	var out []Family
	for _, f := range families {
		if f.Scored == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(o Family) bool { return o.Name == f.Name })
		if i < 0 {
			out = append(out, f)
			continue
		}
		o := &out[i]
		n, m := float64(o.Scored), float64(f.Scored)
		o.Median = (o.Median*n + f.Median*m) / (n + m)
		o.Scored += f.Scored
	}
	return out
}

func reasonOf(id string) string {
	for _, r := range timeReasons {
		if slices.Contains(r.ids, id) {
			return r.why
		}
	}
	return "not explained yet"
}
