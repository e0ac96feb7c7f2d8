package validate

import (
	"fmt"
	"math/bits"

	"headroom/accounting"
)

// layout fills in the plan and the batch. need notes what is missing and has no
// usual value, assume what took one.
func (m *Measurement) layout(s *Source, need func(string, int64), assume func(string, ...any), t *Trial) error {
	o := &t.Options
	m.campaign(assume, o)
	o.TP, o.PP, o.VPP, o.CP, o.EP, o.DP = m.TP, m.PP, m.VPP, m.CP, m.EP, m.DP
	sharded := m.ZeRO != nil && *m.ZeRO == 3
	blank := m.TP == 0 && m.PP == 0 && m.CP <= 1
	switch {
	case o.GPUs == 1 || sharded && m.DP == o.GPUs:
		o.TP, o.PP, o.CP = max(o.TP, 1), max(o.PP, 1), max(o.CP, 1)
	case blank && (s.Sharded || m.shards()):
		o.TP, o.PP, o.CP = 1, 1, 1
		assume("no layout is given: data parallelism over all GPUs is assumed, as its framework does by itself")
	case blank && o.GlobalBatch > 0 && o.GPUs > 0:
		t.SearchLayout, o.TP, o.PP, o.CP = true, 1, 1, 1
		m.whole(assume, o)
	default:
		if o.TP > 0 {
			o.CP = max(o.CP, 1)
		}
		m.solve(assume, o)
	}
	need("tp", o.TP)
	need("pp", o.PP)
	need("cp", o.CP)
	if o.EP == 0 && s.Experts > 0 && m.Experts > 0 && o.GPUs%s.Experts == 0 {
		o.EP = s.Experts
		assume("no expert parallelism is given: %d is assumed, as in its scripts", o.EP)
	}
	o.VPP, o.EP = max(o.VPP, 1), max(o.EP, 1)
	if o.TP == 0 || o.PP == 0 || o.CP == 0 || o.GPUs == 0 {
		return nil
	}
	inner := o.TP * o.PP // no overflow: each is at most largestDevices
	if inner <= o.GPUs {
		inner *= o.CP
	}
	if o.GPUs%inner != 0 && inner <= largestDevices && o.DP > 0 && inner*o.DP <= largestDevices {
		assume("tp·pp·cp·dp is %d, not the %d GPUs of the table: %d are taken", inner*o.DP, o.GPUs, inner*o.DP)
		o.GPUs = inner * o.DP
	}
	if o.GPUs%inner != 0 {
		return fmt.Errorf("tp·pp·cp = %d does not divide %d GPUs", inner, o.GPUs)
	}
	if o.DP != o.GPUs/inner {
		if o.DP != 0 {
			assume("dp is %d in the table but %d GPUs over tp·pp·cp give %d, which is taken", o.DP, o.GPUs, o.GPUs/inner)
		}
		o.DP = o.GPUs / inner
	}
	m.batch(s, need, assume, t)
	return nil
}

// campaign fills in the GPUs and the batch of trainings of which the source prints
// neither, nor a layout. What a GPU does in an hour hardly depends on them.
func (m *Measurement) campaign(assume func(string, ...any), o *accounting.Options) {
	o.GPUs, o.GlobalBatch = m.GPUs, m.Batch
	if o.GlobalBatch == 0 && m.BatchTok > 0 && m.Context > 0 {
		o.GlobalBatch = max(m.BatchTok/m.Context, 1)
		// Tokens in decimal, such as 4M, stand for a power of two.
		if near := nearestPower(o.GlobalBatch); m.BatchTok%m.Context != 0 && gap(near, o.GlobalBatch) < o.GlobalBatch/10 {
			assume("the global batch of %d tokens is taken as %d sequences", m.BatchTok, near)
			o.GlobalBatch = near
		}
	}
	if m.Context == 0 || m.TP > 0 || m.PP > 0 || m.GPUs == 0 && (m.GPUHours == 0 || m.Tokens == 0) {
		return
	}
	const usual = 4 << 20 // tokens, of LLaMA and most since
	if o.GlobalBatch == 0 && m.MicroBatch == 0 {
		o.GlobalBatch = max(usual/m.Context, 1)
		assume("no global batch is given: 4 Mi tokens are assumed")
	}
	if o.GPUs == 0 && o.GlobalBatch > 0 {
		o.GPUs = 1 << (bits.Len64(uint64(o.GlobalBatch)) - 1)
		assume("the GPUs are not given: %d are assumed, one for a sequence", o.GPUs)
	}
}

func nearestPower(n int64) int64 {
	low := int64(1) << (bits.Len64(uint64(n)) - 1)
	if n-low > 2*low-n {
		return 2 * low
	}
	return low
}

func gap(a, b int64) int64 { return max(a, b) - min(a, b) }

// whole makes a batch in rounded tokens one of whole micro-batches for every GPU,
// which leaves any layout open.
func (m *Measurement) whole(assume func(string, ...any), o *accounting.Options) {
	each := max(m.MicroBatch, 1) * o.GPUs
	if m.Batch > 0 || o.GlobalBatch%each == 0 || o.GlobalBatch < each/2 {
		return
	}
	n := max((o.GlobalBatch+each/2)/each, 1) * each
	assume("the global batch of %d sequences is taken as %d, whole micro-batches for every GPU", o.GlobalBatch, n)
	o.GlobalBatch = n
}

// shards says that the row's framework is one that spreads a model over all GPUs by
// itself, where no layout is given.
func (m *Measurement) shards() bool {
	named := m.framework()
	return named == "fsdp2" || named == "torch-eager" || named == "deepspeed"
}

// solve finds the one degree of parallelism that a row leaves out from the others
// and the GPUs.
func (m *Measurement) solve(assume func(string, ...any), o *accounting.Options) {
	var missing *int64
	var name string
	known := max(o.DP, 1)
	for _, p := range []struct {
		name string
		n    *int64
	}{{"tp", &o.TP}, {"pp", &o.PP}, {"cp", &o.CP}} {
		switch {
		case *p.n > 0 && known <= o.GPUs:
			known *= *p.n
		case *p.n == 0 && missing == nil:
			missing, name = p.n, p.name
		case *p.n == 0:
			return // two are too many
		}
	}
	if missing == nil || o.GPUs == 0 {
		return
	}
	*missing = 1
	if o.DP > 0 && known <= o.GPUs && o.GPUs%known == 0 {
		*missing = o.GPUs / known
	}
	assume("%s is not given: %d is taken", name, *missing)
}

// batch fills in the micro-batch and the global batch.
func (m *Measurement) batch(s *Source, need func(string, int64), assume func(string, ...any), t *Trial) {
	o := &t.Options
	o.MicroBatch = m.MicroBatch
	if b := s.MicroBatch; o.MicroBatch == 0 && b > 0 && o.GlobalBatch%(b*max(o.DP, 1)) == 0 {
		o.MicroBatch = b
		assume("no micro-batch is given: %d is assumed, as in its configurations", b)
	}
	if g := s.GlobalBatch; o.GlobalBatch == 0 && o.MicroBatch > 0 && g > 0 {
		o.GlobalBatch = g
		assume("no global batch is given: %d sequences are assumed, as in its configurations", g)
	}
	if o.GlobalBatch == 0 && o.MicroBatch > 0 {
		o.GlobalBatch = o.MicroBatch * o.DP * max(o.PP, 1)
		assume("no global batch is given: %d micro-batches a rank are assumed", max(o.PP, 1))
	}
	switch {
	case o.MicroBatch > 0:
	case t.SearchLayout && o.GlobalBatch > 0:
		t.SearchMicroBatch, o.MicroBatch = true, 1
	case o.GlobalBatch > 0 && o.GlobalBatch < 2*o.DP:
		o.MicroBatch = 1
		assume("no micro-batch is given: the global batch leaves one sequence a rank")
	case o.GlobalBatch >= o.DP:
		t.SearchMicroBatch, o.MicroBatch = true, 1
	}
	need("micro_batch", o.MicroBatch)
	if o.MicroBatch == 0 || t.SearchLayout {
		return
	}
	each := o.MicroBatch * o.DP
	if o.GlobalBatch%each == 0 {
		return
	}
	if o.VPP > 1 {
		each *= o.PP // the interleaved schedule takes micro-batches in rounds of pp
	}
	// A published batch in rounded tokens need not divide.
	whole := max((o.GlobalBatch+each/2)/each, 1) * each
	assume("the global batch of %d sequences is taken as %d, whole micro-batches for every rank", o.GlobalBatch, whole)
	o.GlobalBatch = whole
}
