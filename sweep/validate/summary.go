package validate

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
)

// A Summary is the error of one half, memory or time. Errors are absolute
// relative errors |predicted/measured − 1|.
type Summary struct {
	// MacroMedian is the mean over families of the mean over groups (model and GPU)
	// of the group's median, so that long series of like runs weigh no more than
	// single ones.
	MacroMedian float64 `json:"macro_median_error"`
	Scored      int     `json:"scored"`
	Skipped     int     `json:"skipped"`
	// WrongFits counts runs published as out of memory that are predicted to fit.
	FitsTested int      `json:"out_of_memory_rows"`
	WrongFits  int      `json:"out_of_memory_called_fit"`
	Families   []Family `json:"families"`
	Models     []Family `json:"models"` // the same by model, over all families
	GPUs       []Family `json:"gpus"`
	// Scales is the time of each family that has runs on one node and on many, apart.
	Scales []Family `json:"scales,omitempty"`
	Orders []Order  `json:"orders,omitempty"`
}

// A Family is the rows of one publication with one metric; of one model or GPU
// with all metrics in the other two lists.
type Family struct {
	Name    string  `json:"family"`
	Metric  string  `json:"metric,omitempty"`
	Scored  int     `json:"scored"`
	Skipped int     `json:"skipped"`
	Mean    float64 `json:"mean_error"`
	Median  float64 `json:"median_error"`
	P90     float64 `json:"p90_error"`
	Macro   float64 `json:"macro_median_error"` // mean over groups of their medians
	Bias    float64 `json:"bias"`               // median signed error: positive = predicted too much
	Worst   float64 `json:"worst_error"`        // signed
	WorstID string  `json:"worst_id,omitempty"`
	// Rank is Spearman's correlation of predicted and measured, within each model
	// that has at least minRanked rows, averaged over those models; 0 when none has.
	Rank       float64 `json:"rank_correlation,omitempty"`
	RankModels int     `json:"rank_models,omitempty"`
	// SeriesRank is the same within each model, GPU and precision with at least
	// minRanked different measured values.
	SeriesRank float64 `json:"series_rank_correlation,omitempty"`
	Series     int     `json:"series,omitempty"`
	// Ordered is the share of pairs of runs of one model, farther apart than repeated
	// measurements are (noiseFloor), that are predicted in the order measured; 0 with
	// Pairs 0 when there are none. It is what of a rank the measurements can tell.
	Ordered float64 `json:"ordered_pairs_share,omitempty"`
	Pairs   int     `json:"pairs,omitempty"`
	// Reasons counts the skipped rows.
	Reasons map[string]int `json:"skipped_reasons,omitempty"`
}

const minRanked = 4

// noiseFloor is how far apart two measurements must be, as a share, for their order
// to mean anything: repeated ones differ by 1 to 7 %.
const noiseFloor = 0.05

func summarize(rows []Row, want func(metric string) bool) Summary {
	var s Summary
	byFamily := map[[2]string]*[]*Row{}
	var order [][2]string
	for i := range rows {
		r := &rows[i]
		if !want(r.Metric) {
			continue
		}
		if r.Right != nil {
			s.FitsTested++
			if !*r.Right {
				s.WrongFits++
			}
			continue
		}
		if r.Metric == "fits" {
			s.Skipped++
			continue
		}
		k := [2]string{r.Family, r.Metric}
		if byFamily[k] == nil {
			byFamily[k] = new([]*Row)
			order = append(order, k)
		}
		*byFamily[k] = append(*byFamily[k], r)
	}
	slices.SortFunc(order, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	perFamily := map[string][]float64{}
	var names []string
	for _, k := range order {
		f := family(k[0], k[1], *byFamily[k])
		s.Scored += f.Scored
		s.Skipped += f.Skipped
		if f.Scored > 0 {
			if perFamily[f.Name] == nil {
				names = append(names, f.Name)
			}
			perFamily[f.Name] = append(perFamily[f.Name], f.Macro)
		}
		if f.Scored+f.Skipped > 0 {
			s.Families = append(s.Families, f)
		}
	}
	var sum float64
	for _, n := range names {
		sum += mean(perFamily[n])
	}
	if len(names) > 0 {
		s.MacroMedian = sum / float64(len(names))
	}
	s.Models = by(rows, want, func(r *Row) string { return r.Model })
	s.GPUs = by(rows, want, func(r *Row) string { return r.GPU })
	s.Scales = scales(rows, want)
	s.Orders = orders(rows, want)
	return s
}

// by sums up scored rows by a key, in the order of the key.
func by(rows []Row, want func(metric string) bool, key func(r *Row) string) []Family {
	groups := map[string][]*Row{}
	for i := range rows {
		if r := &rows[i]; want(r.Metric) && r.Scored {
			groups[key(r)] = append(groups[key(r)], r)
		}
	}
	var out []Family
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, family(k, "", groups[k]))
	}
	return out
}

// scales splits the families that have runs on one node and on many.
func scales(rows []Row, want func(metric string) bool) []Family {
	all := by(rows, want, func(r *Row) string { return r.Family + ", " + r.scale })
	var out []Family
	for i := range all {
		name, scale, _ := strings.Cut(all[i].Name, ", ")
		both := func(f Family) bool { n, other, _ := strings.Cut(f.Name, ", "); return n == name && other != scale }
		if scale != "" && slices.ContainsFunc(all, both) {
			out = append(out, all[i])
		}
	}
	return out
}

func family(name, metric string, rows []*Row) Family {
	f := Family{Name: name, Metric: metric}
	groups := map[[2]string][]float64{}
	var order [][2]string
	models, series := grouped{}, grouped{}
	var abs, signed []float64
	for _, r := range rows {
		if r.Skipped != "" {
			f.Skipped++
			if f.Reasons == nil {
				f.Reasons = map[string]int{}
			}
			f.Reasons[r.Skipped]++
			continue
		}
		if !r.Scored {
			continue
		}
		f.Scored++
		abs, signed = append(abs, math.Abs(r.Error)), append(signed, r.Error)
		k := [2]string{r.Model, r.GPU}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], math.Abs(r.Error))
		models[r.Model+" "+r.Metric] = append(models[r.Model+" "+r.Metric], r)
		s := strings.Join([]string{r.Model, r.GPU, r.precision, r.Metric}, " ")
		series[s] = append(series[s], r)
		if f.WorstID == "" || math.Abs(r.Error) > math.Abs(f.Worst) {
			f.Worst, f.WorstID = r.Error, r.ID
		}
	}
	if f.Scored == 0 {
		return f
	}
	f.Mean = mean(abs)
	f.Median, f.P90, f.Bias = quantile(abs, 0.5), quantile(abs, 0.9), quantile(signed, 0.5)
	var medians []float64
	for _, k := range order {
		medians = append(medians, quantile(groups[k], 0.5))
	}
	f.Macro = mean(medians)
	f.Rank, f.RankModels = models.rank(func(g []*Row) int { return len(g) })
	f.SeriesRank, f.Series = series.rank(different)
	f.Ordered, f.Pairs = models.ordered()
	return f
}

// grouped holds rows of one metric by what they have in common.
type grouped map[string][]*Row

// rank is the mean rank correlation of the groups that count at least minRanked.
func (g grouped) rank(size func(g []*Row) int) (float64, int) {
	var all []float64
	for _, k := range slices.Sorted(maps.Keys(g)) {
		if size(g[k]) < minRanked {
			continue
		}
		if rho, ok := spearman(g[k]); ok {
			all = append(all, rho)
		}
	}
	return mean(all), len(all)
}

// different counts the measured values that differ.
func different(rows []*Row) int {
	seen := map[float64]bool{}
	for _, r := range rows {
		seen[r.Measured] = true
	}
	return len(seen)
}

// ordered is the share of pairs of rows of one group, farther apart than the noise,
// that are predicted in the order measured.
func (g grouped) ordered() (share float64, pairs int) {
	right := 0
	for _, rows := range g {
		for i, a := range rows {
			for _, b := range rows[:i] {
				if math.Abs(math.Log(a.Measured/b.Measured)) <= noiseFloor {
					continue
				}
				pairs++
				if (a.Measured > b.Measured) == (a.Predicted > b.Predicted) {
					right++
				}
			}
		}
	}
	return float64(right) / math.Max(float64(pairs), 1), pairs
}

func mean(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	return stat.Mean(x, nil)
}

// quantile interpolates between the two values around rank p·(n−1).
func quantile(x []float64, p float64) float64 {
	s := slices.Sorted(slices.Values(x))
	at := p * float64(len(s)-1)
	i := int(at)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + float64((at-float64(i))*(s[i+1]-s[i]))
}

// spearman is the correlation of the ranks, ties at their mean rank.
func spearman(rows []*Row) (float64, bool) {
	if len(rows) < minRanked {
		return 0, false
	}
	var p, m []float64
	for _, r := range rows {
		p, m = append(p, r.Predicted), append(m, r.Measured)
	}
	rho := stat.Correlation(ranks(p), ranks(m), nil)
	return rho, !math.IsNaN(rho)
}

func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			out[order[k]] = float64(i+j-1) / 2
		}
		i = j
	}
	return out
}
