package validate

import (
	"os"
	"testing"
)

// With HEADROOM_PRINT_MEMORY set, every memory row is listed: predicted beside
// measured, the stage and phase of the peak and its parts.
func TestPrintMemory(t *testing.T) {
	if os.Getenv("HEADROOM_PRINT_MEMORY") == "" {
		t.Skip("HEADROOM_PRINT_MEMORY is not set")
	}
	const gib = 1 << 30
	for _, m := range Builtin() {
		s := m.source()
		for _, q := range m.quantities(s) {
			if !isMemory(q.metric) {
				continue
			}
			t1, err := m.Trial()
			if err != nil {
				t.Logf("%-16s %-10s skipped: %v", m.ID, q.metric, err)
				continue
			}
			e, err := t1.Evaluate()
			if err != nil {
				t.Logf("%-16s %-10s skipped: %v", m.ID, q.metric, err)
				continue
			}
			row := Row{Measured: q.value}
			q.compare(e, &row)
			r := &e.Report.Memory
			p := &e.Case.Setting.Plan
			g := func(n int64) float64 { return float64(n) / gib }
			t.Logf("%-16s %-26.26s %-9.6s b%d S%d n%d t%d p%d c%d e%d z%d sp=%v %s %s %s | pred %6.2f meas %6.2f %+6.1f%% | st%d %s w%.1f g%.1f o%.1f act%.2f log%.2f buf%.2f rt%.2f %s",
				m.ID, m.Model, q.metric, m.MicroBatch, m.Context, p.DP, p.TP, p.PP, p.CP, p.EP, p.ZeRO, p.SP, e.Case.Recipe.Recompute, e.Case.Profile.Name, e.Case.Recipe.Precision.Name,
				row.Predicted/gib, row.Measured/gib, 100*row.Error, r.Stage, r.Phase, g(r.WeightsBytes), g(r.GradientsBytes), g(r.OptimizerBytes), g(r.ActivationsBytes), g(r.LogitsBytes), g(r.BuffersBytes), g(r.RuntimeBytes), row.Why)
		}
	}
}
