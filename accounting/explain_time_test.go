package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
)

// Every constant that moves the time of a case is among those that its explanation lists.
func TestExplainListsTheConstantsBehindATime(t *testing.T) {
	llama, err := arch.Lookup("llama-3-8b", arch.Options{})
	require.NoError(t, err)
	mixtral, err := arch.Lookup("mixtral-8x7b", arch.Options{})
	require.NoError(t, err)
	moved := map[string]bool{}
	for _, profile := range ProfileNames() {
		for _, slug := range []string{"v100-sxm2-32gb", "a100-sxm-80gb", "h100-sxm", "b200-sxm", "l40s", "rtx-5090", "mi300x"} {
			for _, attention := range AttentionNames() {
				for _, model := range []*arch.Model{llama, mixtral} {
					c, err := Options{Model: model, Profile: profile, Recipe: "fp16-mixed", Attention: attention, GPUs: 16, Context: 2048, MicroBatch: 1, GlobalBatch: 32}.Resolve()
					if err != nil {
						continue // the profile has no such recipe or kernel
					}
					c.Setting.Machine = machine(t, slug, "fp16-mixed")
					k, err := c.Compile()
					require.NoError(t, err)
					step := func(m *Machine) float64 {
						var out Time
						k.Time(&c.Setting, m, &out)
						return out.StepSeconds
					}
					listed := map[string]bool{}
					for _, x := range c.timeFields(k).Constants {
						listed[x.Name] = true
					}
					require.False(t, listed["hopper.attention"] && listed["hopper.early_attention"])
					m := *c.Setting.Machine
					calibration := *m.Calibration
					m.Calibration = &calibration
					before := step(&m)
					for _, x := range calibration.Constants() {
						was := *x.Value
						*x.Value *= 0.9
						if step(&m) != before {
							moved[x.Name] = true
							require.True(t, listed[x.Name], "%s of %s, %s, %s on %s", x.Name, profile, model.Name, attention, slug)
						}
						*x.Value = was
					}
				}
			}
		}
	}
	require.Contains(t, moved, "ampere.attention")
	require.Contains(t, moved, "unfused.elementwise")
	require.Greater(t, len(moved), 30)
}
