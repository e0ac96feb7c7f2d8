package validate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// An Order is how well the runs of one model are put in order.
type Order struct {
	Family string `json:"family"`
	Model  string `json:"model"`
	Metric string `json:"metric"`
	Rows   int    `json:"rows"`
	// Rank is Spearman's correlation of predicted and measured.
	Rank float64 `json:"rank_correlation"`
	// Perfect is the correlation that a prediction without error would have on average,
	// were each run measured once and repeatable to within [repeatNoise].
	Perfect float64 `json:"perfect_rank_correlation"`
	// Spread is the largest measured value over the smallest.
	Spread float64 `json:"spread"`
}

// repeatNoise is the standard deviation of one measurement, as a share: two of the same
// run then differ by 2 % in the median. Published repetitions differ by 1 to 7 %.
const repeatNoise = 0.02

// perfectDraws is how often the noise is drawn: the mean is good to 0.005.
const perfectDraws = 400

// orders lists the models of each family that have at least minRanked runs.
func orders(rows []Row, want func(metric string) bool) []Order {
	models := grouped{}
	for i := range rows {
		if r := &rows[i]; r.Scored && want(r.Metric) {
			key := strings.Join([]string{r.Family, r.Model, r.Metric}, "\x00")
			models[key] = append(models[key], r)
		}
	}
	var out []Order
	for key, g := range models {
		rho, ok := spearman(g)
		if !ok {
			continue
		}
		words := strings.Split(key, "\x00")
		least, most := math.Inf(1), 0.0
		for _, r := range g {
			least, most = min(least, r.Measured), max(most, r.Measured)
		}
		out = append(out, Order{words[0], words[1], words[2], len(g), rho, perfect(g), most / least})
	}
	slices.SortFunc(out, func(a, b Order) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Metric, b.Metric))
	})
	return out
}

// MeanRank is the mean rank correlation over models, and that of a perfect prediction.
func MeanRank(orders []Order) (rank, perfect float64) {
	for i := range orders {
		rank += orders[i].Rank / float64(len(orders))
		perfect += orders[i].Perfect / float64(len(orders))
	}
	return rank, perfect
}

// perfect is [Order.Perfect] of some runs. The draws are the same each time.
func perfect(rows []*Row) float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	noisy := make([]*Row, len(rows))
	var all []float64
	for range perfectDraws {
		for i, r := range rows {
			noisy[i] = &Row{Measured: r.Measured, Predicted: r.Measured * math.Exp(repeatNoise*rng.NormFloat64())}
		}
		if rho, ok := spearman(noisy); ok {
			all = append(all, rho)
		}
	}
	return mean(all)
}
