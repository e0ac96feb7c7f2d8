package validate

import (
	"crypto/sha256"
	"math"
	"strconv"

	"headroom/accounting"
)

// A trainingRun is a measured step with everything that predicts it.
type trainingRun struct {
	id, family, group string
	e                 *Evaluation
	seconds           float64 // measured
	weight            float64
}

// runs evaluates the measurements whose time is scored.
func runs(rows []Measurement) []trainingRun {
	var out []trainingRun
	for i := range rows {
		m := &rows[i]
		t, err := m.Trial()
		if err != nil {
			continue
		}
		e, err := t.Evaluate()
		if err != nil || e.NoTime != "" {
			continue
		}
		for _, q := range m.timeQuantities() {
			row := Row{Measured: q.value}
			q.compare(e, &row)
			if row.Scored {
				out = append(out, trainingRun{id: m.ID, family: m.Family(), group: m.Model + " " + m.GPU, e: e, seconds: row.Time.StepSeconds / row.Ratio})
			}
		}
	}
	weigh(out)
	return out
}

// weigh gives every family the same weight but for very small ones, within it
// every group (model and GPU), within that every run.
func weigh(all []trainingRun) {
	inGroup, inFamily, groups := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for i := range all {
		r := &all[i]
		if inGroup[r.family+r.group] == 0 {
			groups[r.family]++
		}
		inGroup[r.family+r.group]++
		inFamily[r.family]++
	}
	const few = 4 // runs at which a family has half its weight
	for i := range all {
		r := &all[i]
		n := inFamily[r.family]
		r.weight = n / (n + few) / groups[r.family] / inGroup[r.family+r.group]
	}
}

// noise is the error below which residuals count as squares, above it as
// absolute values: repeated measurements differ by 1 to 7 %.
const noise = 0.07

// runSpread frees the constants that training runs may move.
func runSpread(c accounting.Constant) float64 {
	if c.Alone {
		return 0
	}
	return c.Spread
}

// Calibrate fits the time model's constants to measured runs.
func Calibrate(all []trainingRun) *accounting.Calibration { return calibrateFrom(nil, all) }

// calibrateFrom begins at the solution for like runs, which changes nothing but
// the time it takes.
func calibrateFrom(start *accounting.Calibration, all []trainingRun) *accounting.Calibration {
	p := problem{
		prior: accounting.Prior, start: start, spread: runSpread, noise: noise,
		residuals: func(c *accounting.Calibration, out []float64) {
			for i := range all {
				out[i] = math.Log(all[i].predict(c) / all[i].seconds)
			}
		},
	}
	for i := range all {
		p.weights = append(p.weights, all[i].weight)
	}
	c, _ := p.solve()
	return c
}

// predict is the step of the run under a calibration, seconds.
func (r *trainingRun) predict(c *accounting.Calibration) float64 {
	m := *r.e.Machine
	m.Calibration = c
	var t accounting.Time
	r.e.Timed.Time(&r.e.Case.Setting, &m, &t)
	return t.StepSeconds
}

// leaveOut fits without the runs of each key in turn; the fit of a key has never
// seen its runs.
func leaveOut(whole *accounting.Calibration, all []trainingRun, key func(r *trainingRun) string) map[string]*accounting.Calibration {
	out := map[string]*accounting.Calibration{}
	for i := range all {
		k := key(&all[i])
		if out[k] != nil {
			continue
		}
		var rest []trainingRun
		for j := range all {
			if key(&all[j]) != k {
				rest = append(rest, all[j])
			}
		}
		out[k] = calibrateFrom(whole, rest)
	}
	return out
}

// foldOf deals the keys into eighths, by a hash that has nothing to do with their
// order in the table.
func foldOf(key func(r *trainingRun) string) func(r *trainingRun) string {
	return func(r *trainingRun) string {
		sum := sha256.Sum256([]byte(key(r)))
		return strconv.Itoa(int(sum[0]) % folds)
	}
}

func byFamily(r *trainingRun) string { return r.family }

func byArchitecture(r *trainingRun) string { return r.e.Machine.Architecture }

// coverage is the share of runs that an error bar is to hold.
const coverage = 0.8

// A Holdout is how the time model does on runs that its constants have not seen.
type Holdout struct {
	Calibration *accounting.Calibration `json:"-"`      // fitted on everything
	Seen        Summary                 `json:"seen"`   // with it
	Unseen      Summary                 `json:"unseen"` // every family with constants fitted on the others
	// Groups is the same with an eighth of the groups of one family, model and GPU held
	// out in turn, and Rows with an eighth of the runs.
	Groups Summary `json:"held_out_groups"`
	Rows   Summary `json:"held_out_rows"`
	// Families are the calibrations without each.
	Families map[string]*accounting.Calibration `json:"-"`
	// Coverage is the weighted share of unseen runs inside an error bar made from the
	// other families' residuals; FamilyCoverage the same of each family.
	Coverage       float64            `json:"coverage"`
	FamilyCoverage map[string]float64 `json:"family_coverage"`
	// Spread is how far the mean error bar of unseen runs reaches, as a share.
	Spread float64 `json:"mean_error_bar"`
	// Score is the mean interval score of those bars for four of five, of logarithms:
	// how wide a bar is, and ten times what a run lies outside it (Gneiting and Raftery
	// 2007, section 6.2). Bars that are right have the least, whatever they are made from.
	Score float64 `json:"interval_score"`
}

// Study fits the time model on the measurements and holds every family out in turn.
func Study(rows []Measurement) *Holdout {
	all := runs(rows)
	h := &Holdout{Calibration: Calibrate(all)}
	families := leaveOut(h.Calibration, all, byFamily)
	h.Families = families
	seen := func(by map[string]*accounting.Calibration, key func(r *trainingRun) string) func(r *trainingRun) *accounting.Calibration {
		return func(r *trainingRun) *accounting.Calibration { return by[key(r)] }
	}
	unseen := misses(all, seen(families, byFamily))
	h.Calibration.Band = fitBand(unseen)
	h.Calibration.Band.New = fitNew(h.Calibration.Band, misses(all, seen(leaveOut(h.Calibration, all, byArchitecture), byArchitecture)))
	h.Seen = score(all, func(r *trainingRun) *accounting.Calibration { return h.Calibration })
	h.Unseen = score(all, seen(families, byFamily))
	byGroup := foldOf(func(r *trainingRun) string { return r.family + " " + r.group })
	h.Groups = score(all, seen(leaveOut(h.Calibration, all, byGroup), byGroup))
	byRow := foldOf(func(r *trainingRun) string { return r.id })
	h.Rows = score(all, seen(leaveOut(h.Calibration, all, byRow), byRow))
	h.cover(unseen)
	return h
}

// score sums up the errors of the runs' step time.
func score(all []trainingRun, calibration func(r *trainingRun) *accounting.Calibration) Summary {
	var rows []Row
	for i := range all {
		r := &all[i]
		p := r.predict(calibration(r))
		m := r.e.Trial.Measurement
		row := Row{ID: r.id, Family: r.family, Model: m.Model, GPU: m.GPU, Metric: "step_seconds", Predicted: p, Measured: r.seconds, Error: p/r.seconds - 1, Scored: true}
		row.place(r.e)
		rows = append(rows, row)
	}
	return summarize(rows, isTime)
}
