package accounting

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A pass is one forward or backward of one micro-batch through one chunk.
type pass struct {
	backward   bool
	chunk      int64 // of the whole model, 0 … p·v−1
	microBatch int64
}

// stageOrder lists the passes of one stage in Megatron-Core's order, written from
// its schedules.py: warm-up, pairs of one forward and one backward, cool-down.
func stageOrder(s Schedule, p, v, q, m int64) []pass {
	var forwards, backwards []pass
	for group := int64(0); group < m; group += p {
		for j := range v {
			for i := group; i < min(group+p, m); i++ {
				forwards = append(forwards, pass{false, j*p + q, i})
				backwards = append(backwards, pass{true, (v-1-j)*p + q, i})
			}
		}
	}
	warmup := p - q - 1
	switch {
	case v > 1:
		warmup = 2*(p-q-1) + p*(v-1)
	case s == GPipe:
		warmup = m
	}
	warmup = min(warmup, int64(len(forwards)))
	order := slices.Clone(forwards[:warmup])
	for i := warmup; i < int64(len(forwards)); i++ {
		order = append(order, forwards[i], backwards[i-warmup])
	}
	return append(order, backwards[int64(len(forwards))-warmup:]...)
}

// replay runs all stages as events, each pass after the passes it depends on, and
// returns the most that each stage holds. It fails when the order can not run.
func replay(t *rapid.T, s Schedule, p, v, m int64, size func(q, chunk int64) int64) []int64 {
	orders := make([][]pass, p)
	next := make([]int, p)
	for q := range p {
		orders[q] = stageOrder(s, p, v, q, m)
	}
	done := map[pass]bool{}
	held, peak := make([]int64, p), make([]int64, p)
	for left := p * m * v * 2; left > 0; {
		moved := false
		for q := range p {
			if next[q] == len(orders[q]) {
				continue
			}
			x := orders[q][next[q]]
			ready := x.chunk == 0 || done[pass{false, x.chunk - 1, x.microBatch}]
			if x.backward {
				ready = done[pass{false, x.chunk, x.microBatch}] && (x.chunk == p*v-1 || done[pass{true, x.chunk + 1, x.microBatch}])
			}
			if !ready {
				continue
			}
			done[x] = true
			next[q]++
			left--
			moved = true
			if x.backward {
				held[q] -= size(q, x.chunk/p)
			} else {
				held[q] += size(q, x.chunk/p)
				peak[q] = max(peak[q], held[q])
			}
		}
		if !moved {
			t.Fatalf("the schedule can not run: p %d v %d m %d", p, v, m)
		}
	}
	return peak
}

// The closed forms hold what an independent event simulation of the schedule holds.
func TestInFlightEqualsReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.Int64Range(1, 6).Draw(t, "p")
		v := rapid.Int64Range(1, 4).Draw(t, "v")
		m := rapid.Int64Range(1, 20).Draw(t, "m")
		s := rapid.SampledFrom([]Schedule{OneFOneB, GPipe}).Draw(t, "schedule")
		if v > 1 {
			p = max(p, 2)
			m, s = p*rapid.Int64Range(1, 5).Draw(t, "groups"), OneFOneB
		}
		sizes := make([][]int64, p)
		for q := range sizes {
			for range v {
				sizes[q] = append(sizes[q], rapid.Int64Range(0, 9).Draw(t, "size"))
			}
		}
		peak := replay(t, s, p, v, m, func(q, chunk int64) int64 { return sizes[q][chunk] })
		for q := range p {
			got := s.inFlight(p, q, m) * sizes[q][0]
			if v > 1 {
				var err error
				got, err = interleavedPeak(p, q, m, sizes[q])
				require.NoError(t, err)
			}
			require.Equal(t, peak[q], got, "stage %d of %d, %d chunks, %d micro-batches, sizes %v", q, p, v, m, sizes[q])
		}
	})
}

// accounting.md 5.5: p·(1 + (p−1)/(p·v)) micro-batches of whole stages on stage 0.
func TestInterleavedFirstStage(t *testing.T) {
	const p, v = 8, 4
	got, err := interleavedPeak(p, 0, 64, []int64{100, 100, 100, 100})
	require.NoError(t, err)
	require.Equal(t, int64(100*(p*v+p-1)), got)
}
