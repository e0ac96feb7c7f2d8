package validate

import (
	"fmt"
	"sort"
	"strings"
)

// shortSamples says that a run did not pack its samples into whole contexts, so that
// its memory is that of its longest batch, of which the source says nothing.
func (m *Measurement) shortSamples() bool {
	return strings.Contains(m.Notes, "samples shorter") || strings.Contains(m.Notes, "UNPACKED")
}

// solveSamples says which length of samples a measured memory figure stands for, or
// that none does. Such a row is solved for its unknown, not scored.
func solveSamples(e *Evaluation, q quantity) string {
	full := e.Case.Setting.Context
	predict := func(tokens int64) float64 {
		at := *e
		at.Case.Setting.Context = tokens
		at.Compiled.Evaluate(&at.Case.Setting, &at.Report)
		var row Row
		q.compare(&at, &row)
		return row.Predicted
	}
	least, most := predict(1), predict(full)
	gib := func(bytes float64) float64 { return bytes / (1 << 30) }
	const why = "not given: the length of its samples, shorter than the context"
	switch {
	case q.value < least:
		return fmt.Sprintf("%s; and its %.1f GiB are less than the %.1f GiB that weights, gradients and optimizer take without any", why, gib(q.value), gib(least))
	case q.value > most && q.value <= most*1.05:
		return fmt.Sprintf("%s; its %.1f GiB are near the %.1f GiB of %d tokens, the most it may have", why, gib(q.value), gib(most), full)
	case q.value > most:
		return fmt.Sprintf("%s; and its %.1f GiB are more than the %.1f GiB of %d tokens", why, gib(q.value), gib(most), full)
	}
	tokens := sort.Search(int(full), func(n int) bool { return predict(int64(n)+1) >= q.value }) + 1
	return fmt.Sprintf("%s; its %.1f GiB are those of %d tokens", why, gib(q.value), tokens)
}
