package accounting

import "strings"

// A Schedule is the order in which a pipeline runs its micro-batches; memory
// depends on it because it decides how many of them a stage keeps.
type Schedule uint8

// Schedules.
const (
	OneFOneB    Schedule = iota // PipeDream-flush; with vpp > 1 Megatron's interleaved form
	GPipe                       // all forwards, then all backwards
	ZBH1                        // zero bubble, memory as 1F1B's first stage on every stage
	ZBH2                        // zero bubble, twice the warm-up
	Interleaved                 // 1f1b that insists on vpp > 1
	ZBV                         // zero bubble, two chunks a stage: down the stages and up again
	DualPipe                    // DeepSeek-V3: two copies of the model, fed from either end
)

var scheduleText = []string{"1f1b", "gpipe", "zb-h1", "zb-h2", "interleaved", "zb-v", "dualpipe"}

// scheduleAliases are the names in torchtitan's configs and in papers.
var scheduleAliases = map[string]string{
	"interleaved1f1b": "interleaved", "zero-bubble": "zb-h1", "zb1p": "zb-h1", "zbvzerobubble": "zb-v", "zbv": "zb-v", "pipedream-flush": "1f1b",
}

// folded schedules give every stage two parts of the model.
func (s Schedule) folded() bool { return s == ZBV || s == DualPipe }

// ScheduleNames lists the pipeline schedules, default first.
func ScheduleNames() []string { return scheduleText }

// String is the name of the flag value.
func (s Schedule) String() string { return scheduleText[s] }

// ParseSchedule reads the name of a schedule, ours or torchtitan's.
func ParseSchedule(name string) (Schedule, error) {
	if a, ok := scheduleAliases[strings.ToLower(name)]; ok {
		name = a
	}
	for i, t := range scheduleText {
		if strings.EqualFold(name, t) {
			return Schedule(i), nil
		}
	}
	return 0, unknown("schedule", name, scheduleText)
}

// maxChunks is the largest number of chunks a stage of the interleaved schedule
// may hold.
const maxChunks = 64

// inFlight is how many micro-batches stage q of p keeps at most, with one chunk a
// stage: GPipe all m; 1F1B p − q (Narayanan et al. 2021); ZB-H1 p on every stage,
// because weight gradients wait, and ZB-H2 2p − 1 (Qi et al. 2023, section 2).
func (s Schedule) inFlight(p, q, microBatches int64) int64 {
	n := p - q
	switch s {
	case GPipe:
		n = microBatches
	case ZBH1:
		n = p
	case ZBH2:
		n = 2*p - 1
	}
	return min(n, microBatches)
}

// foldedPeak is the most that stage q of p keeps when a micro-batch leaves size[0]
// and size[1] bytes in its two chunks. ZB-V keeps as much as 1F1B's first stage on
// every stage (Qi et al. 2024, "Pipeline parallelism with controllable memory",
// table 1). DualPipe keeps p + 1 stages (DeepSeek-V3, table 2): 1F1B's p − q of its
// own direction and q + 1 of the other, each with half of the micro-batches.
func (s Schedule) foldedPeak(p, q, microBatches int64, size []int64) (int64, error) {
	a, b := min(p, microBatches), min(p, microBatches)
	if s == DualPipe {
		half := (microBatches + 1) / 2
		a, b = min(p-q, half), min(q+1, half)
	}
	first, err := mulChecked(size[0], a)
	if err != nil {
		return 0, err
	}
	second, err := mulChecked(size[1], b)
	if err != nil {
		return 0, err
	}
	return addChecked(first, second)
}

// interleavedPeak is the largest sum of the activations that stage q of p keeps
// under Megatron's interleaved schedule, when a micro-batch leaves size[j] bytes in
// chunk j. Forwards run p micro-batches through chunk 0, then through chunk 1, …;
// backwards the same from the last chunk down; 2(p−q−1) + p(v−1) forwards come
// before the first pair of one forward and one backward (Megatron-Core
// schedules.py). Chunks of equal size peak at the first pair; for others the pattern
// is walked once, from one change of chunk to the next: it repeats after p·v pairs,
// which run every chunk forward and backward as often, and between changes the sum
// moves evenly.
//
// It returns [ErrOverflow] when the sum does not fit into 64 bits.
func interleavedPeak(p, q, microBatches int64, size []int64) (int64, error) {
	v := int64(len(size))
	total := microBatches * v
	warmup := min(2*(p-q-1)+p*(v-1), total)
	equal := true
	for _, n := range size {
		if _, err := mulChecked(n, total); err != nil {
			return 0, err
		}
		equal = equal && n == size[0]
	}
	if equal {
		return min(warmup+1, total) * size[0], nil
	}
	var held int64
	forward, left := int64(0), int64(0) // the chunk that runs forward next, and how often before the next one does
	for done := int64(0); done < warmup; {
		n := min(p, warmup-done)
		held += n * size[forward]
		if left = p - n; left == 0 {
			forward = (forward + 1) % v
		}
		done += n
	}
	if left == 0 {
		left = p
	}
	peak := held
	backward, back := v-1, p
	for pairs := min(total-warmup, p*v); pairs > 0; {
		n := min(left, back, pairs)
		change := size[forward] - size[backward]
		peak = max(peak, held+size[forward]+max(0, (n-1)*change))
		held += n * change
		pairs -= n
		if left -= n; left == 0 {
			forward, left = (forward+1)%v, p
		}
		if back -= n; back == 0 {
			backward, back = (backward+v-1)%v, p
		}
	}
	return peak, nil
}
