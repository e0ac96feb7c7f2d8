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
// schedules.py). Chunks of equal size peak at the first pair; for others the
// first turns of the pattern, which repeats every p·v forwards, are walked.
//
// It returns [ErrOverflow] when the sum does not fit into 64 bits.
func interleavedPeak(p, q, microBatches int64, size []int64) (int64, error) {
	v := int64(len(size))
	total := microBatches * v
	chunk := func(k int64) int64 { return k % (p * v) / p }
	warmup := min(2*(p-q-1)+p*(v-1), total)
	for _, n := range size {
		if _, err := mulChecked(n, total); err != nil {
			return 0, err
		}
	}
	var held, peak int64
	forward, backward := int64(0), int64(0)
	equal := true
	for _, n := range size {
		equal = equal && n == size[0]
	}
	if equal {
		return min(warmup+1, total) * size[0], nil
	}
	for ; forward < warmup; forward++ {
		held += size[chunk(forward)]
	}
	peak = held
	for turns := int64(0); backward < total && turns < 3*p*v; turns++ {
		if forward < total {
			held += size[chunk(forward)]
			forward++
			peak = max(peak, held)
		}
		held -= size[v-1-chunk(backward)]
		backward++
	}
	return peak, nil
}
