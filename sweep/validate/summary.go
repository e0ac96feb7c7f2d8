package validate

import (
	"cmp"
	"maps"
	"math"
	"slices"

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
}

// A Family is the rows of one publication with one metric; of one model or GPU
// with all metrics in the other two lists.
type Family struct {
	Name    string  `json:"family"`
	Metric  string  `json:"metric,omitempty"`
	Scored  int     `json:"scored"`
	Skipped int     `json:"skipped"`
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
	// Reasons counts the skipped rows.
	Reasons map[string]int `json:"skipped_reasons,omitempty"`
}

const minRanked = 4

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

func family(name, metric string, rows []*Row) Family {
	f := Family{Name: name, Metric: metric}
	groups := map[[2]string][]float64{}
	var order [][2]string
	models := map[string][]*Row{}
	var modelOrder []string
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
		if models[r.Model] == nil {
			modelOrder = append(modelOrder, r.Model)
		}
		models[r.Model] = append(models[r.Model], r)
		if f.WorstID == "" || math.Abs(r.Error) > math.Abs(f.Worst) {
			f.Worst, f.WorstID = r.Error, r.ID
		}
	}
	if f.Scored == 0 {
		return f
	}
	f.Median, f.P90, f.Bias = quantile(abs, 0.5), quantile(abs, 0.9), quantile(signed, 0.5)
	var medians []float64
	for _, k := range order {
		medians = append(medians, quantile(groups[k], 0.5))
	}
	f.Macro = mean(medians)
	var ranks []float64
	for _, m := range modelOrder {
		if rho, ok := spearman(models[m]); ok {
			ranks = append(ranks, rho)
		}
	}
	f.Rank, f.RankModels = mean(ranks), len(ranks)
	return f
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
