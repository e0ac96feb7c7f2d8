package accounting

import (
	"errors"
	"fmt"
	"math"
)

// A Goodput is the share of the rented time that moves the training forward,
// with where it comes from. Nothing is assumed: it is 1 unless a share or a rate
// of failures is given.
type Goodput struct {
	Share  float64 `json:"share"`
	Source string  `json:"source"`
	// What follows from a rate of failures; nil when none was given.
	Failures *FailureFields `json:"failures,omitempty"`
}

// FailureFields are the inputs of a goodput from failures and what follows.
type FailureFields struct {
	GPUHoursBetween           float64 `json:"gpu_hours_between_failures,omitempty"`
	InstanceHoursBetween      float64 `json:"instance_hours_between_interruptions,omitempty"`
	SpotInstances             int64   `json:"spot_instances,omitempty"`
	MeanHours                 float64 `json:"mean_hours_between_failures"` // of the whole job
	CheckpointSeconds         float64 `json:"checkpoint_seconds"`
	RestartSeconds            float64 `json:"restart_seconds"`
	CheckpointIntervalSeconds float64 `json:"checkpoint_interval_seconds"`
}

// PerfectGoodput is the default: no time is lost.
var PerfectGoodput = Goodput{Share: 1, Source: "no lost time is assumed: give a goodput or a rate of failures to count it"}

// GivenGoodput is a share that the user knows, above 0 and at most 1.
func GivenGoodput(share float64) (Goodput, error) {
	if !(share > 0 && share <= 1) {
		return Goodput{}, fmt.Errorf("a goodput of %g: write a share above 0 and at most 1", share)
	}
	return Goodput{Share: share, Source: "given"}, nil
}

// Failures describe how often a job is interrupted and what that costs. Failures
// come at random with a rate that grows with the number of GPUs.
type Failures struct {
	// GPUHoursBetween is the mean number of GPU-hours between two failures: 419
	// interruptions of 16,384 H100 in 54 days, as Llama 3 405B had, are 50,700.
	GPUHoursBetween float64
	// InstanceHoursBetween is the mean number of hours until a spot instance is taken
	// away; the whole job then stops, as it does for a failure.
	InstanceHoursBetween float64
	// CheckpointSeconds is how long training stops to write a checkpoint, and
	// RestartSeconds from a failure to the next step, lost steps apart.
	CheckpointSeconds, RestartSeconds float64
	// IntervalSeconds of training between checkpoints; 0 = Daly's optimum.
	IntervalSeconds float64
}

// leastGoodput is where a job is said never to end.
const leastGoodput = 1e-3

// ErrNoProgress says that failures come faster than a job moves forward.
var ErrNoProgress = errors.New("the run would not end")

// Goodput is the share of time that so many GPUs train, on spot instances of that
// number (0 = none of them is), by the complete model of
// Daly 2006 (A higher order estimate of the optimum checkpoint interval for
// restart dumps, Future Generation Computer Systems 22): with a mean time M
// between failures of the job, checkpoints of δ seconds after every τ of
// training, and R seconds to restart, T seconds of training take
//
//	M·exp(R/M)·(exp((τ+δ)/M) − 1)·T/τ.
//
// Without an interval τ is Daly's optimum, which is Young's √(2δM) with two more
// terms: √(2δM)·(1 + ⅓√(δ/2M) + ⅑·δ/2M) − δ, or M where δ ≥ 2M.
func (f Failures) Goodput(gpus, spotInstances int64) (Goodput, error) {
	for _, x := range []struct {
		name  string
		value float64
	}{
		{"GPU-hours between failures", f.GPUHoursBetween},
		{"instance-hours between interruptions", f.InstanceHoursBetween},
		{"checkpoint seconds", f.CheckpointSeconds},
		{"restart seconds", f.RestartSeconds},
		{"checkpoint interval seconds", f.IntervalSeconds},
	} {
		if !(x.value >= 0) || math.IsInf(x.value, 1) {
			return Goodput{}, fmt.Errorf("%s are %g: write a number from 0 up", x.name, x.value)
		}
	}
	switch {
	case gpus < 1:
		return Goodput{}, fmt.Errorf("a goodput of %d GPUs: at least 1 is needed", gpus)
	case f.GPUHoursBetween == 0 && f.InstanceHoursBetween == 0 && f != (Failures{}):
		return Goodput{}, errors.New("checkpoints and restarts cost nothing without failures: give the GPU-hours between failures too, or the instance-hours between interruptions of spot instances")
	}
	rate := 0.0 // failures an hour
	if f.GPUHoursBetween > 0 {
		rate += float64(gpus) / f.GPUHoursBetween
	}
	if f.InstanceHoursBetween > 0 {
		rate += float64(spotInstances) / f.InstanceHoursBetween
	}
	if rate == 0 {
		return PerfectGoodput, nil
	}
	mean := 3600 / rate
	write := f.CheckpointSeconds
	interval := f.IntervalSeconds
	if interval == 0 {
		interval = DalyInterval(mean, write)
	}
	share := math.Exp(-f.RestartSeconds / mean)
	if interval > 0 {
		share *= interval / mean / math.Expm1((interval+write)/mean)
	}
	if !(share >= leastGoodput) {
		return Goodput{}, fmt.Errorf("%d GPUs fail every %.3g s on average: with %g s a checkpoint and %g s a restart %w", gpus, mean, write, f.RestartSeconds, ErrNoProgress)
	}
	return Goodput{Share: share, Source: "failures and checkpoints, Daly 2006", Failures: &FailureFields{
		GPUHoursBetween: f.GPUHoursBetween, InstanceHoursBetween: f.InstanceHoursBetween, SpotInstances: spotInstances, MeanHours: mean / 3600, CheckpointSeconds: write,
		RestartSeconds: f.RestartSeconds, CheckpointIntervalSeconds: interval,
	}}, nil
}

// DalyInterval is the training time between checkpoints that loses the least,
// for a mean time between failures and the time a checkpoint takes, in seconds.
// It is 0, checkpoints all the time, where they take none.
func DalyInterval(mean, write float64) float64 {
	if write >= 2*mean {
		return mean
	}
	x := write / (2 * mean)
	return float64(math.Sqrt(2*write*mean)*(1+math.Sqrt(x)/3+x/9)) - write
}
