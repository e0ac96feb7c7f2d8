package accounting

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting/arch"
	"headroom/hardware"
)

// presetConfigs are the embedded config.json files, by name.
func presetConfigs(t testing.TB) (names []string, texts [][]byte) {
	t.Helper()
	names, err := filepath.Glob("arch/data/*.json")
	require.NoError(t, err)
	require.Greater(t, len(names), 100)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		texts = append(texts, text)
	}
	return names, texts
}

// mutate sets the key at a position of a config, or one of its objects', to a value;
// "" drops the key.
func mutate(config map[string]any, at int, value string) bool {
	// The order of a map is chance; that of the fuzzer's input must not be.
	keys := slices.Sorted(maps.Keys(config))
	if len(keys) == 0 {
		return false
	}
	key := keys[at%len(keys)]
	if inner, ok := config[key].(map[string]any); ok && at/len(keys)%2 == 1 {
		return mutate(inner, at/len(keys)/2, value)
	}
	if value == "" {
		delete(config, key)
		return true
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(value))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return false
	}
	config[key] = v
	return true
}

// FuzzMutatedConfig changes two keys of a published config.json, of every
// model_type: what is still read has a count, and every profile evaluates it without
// a panic and without a figure that no memory can have.
func FuzzMutatedConfig(f *testing.F) {
	names, texts := presetConfigs(f)
	values := []string{"", "0", "1", "-1", "2", "3", "7", "64", "1e3", "0.5", "2147483647", "1073741824", "true", "false", "null", `"silu"`, `"gelu"`, "[]", "[1,2]", "{}", `["full_attention"]`}
	for i := range names {
		f.Add(uint16(i), uint16(3*i), values[i%len(values)], uint16(7*i), values[i/len(values)%len(values)], uint32(i))
	}
	machine, err := hardware.Lookup("h100-sxm")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, which, at uint16, value string, at2 uint16, value2 string, knobs uint32) {
		var config map[string]any
		dec := json.NewDecoder(strings.NewReader(string(texts[int(which)%len(texts)])))
		dec.UseNumber()
		require.NoError(t, dec.Decode(&config))
		if !mutate(config, int(at), value) || !mutate(config, int(at2), value2) {
			t.Skip()
		}
		text, err := json.Marshal(config)
		require.NoError(t, err)
		m, err := arch.ImportBytes("config.json", text, arch.Options{})
		if err != nil {
			var told *arch.ConfigError
			require.ErrorAs(t, err, &told)
			require.Positive(t, told.Line)
			return
		}
		if m.Layers() > 200 {
			t.Skip("only takes long")
		}
		pick := func(n int) int {
			k := int(knobs) % n
			knobs /= uint32(n)
			return k
		}
		zero := int64(pick(4))
		o := Options{
			Model: m, Profile: ProfileNames()[pick(len(ProfileNames()))], MicroBatch: int64(1 + pick(2)), TP: 1 << pick(4), PP: int64(1 + pick(4)),
			EP: 1 << pick(3), CP: 1 << pick(2), DP: 1 << pick(3), ZeRO: &zero, Recompute: recomputes[pick(len(recomputes))], UsableBytes: 1 << 50, Tokens: 1e12,
		}
		c, err := o.Resolve()
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		k, err := c.Compile()
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		if x, err := NewMachine(machine, &c.Recipe.Precision, 0); err == nil {
			c.Setting.Machine = x
		}
		var r Report
		k.Evaluate(&c.Setting, &r)
		if r.RuledOut() {
			return
		}
		require.Positive(t, r.Memory.PeakBytes)
		for _, b := range []int64{r.Memory.WeightsBytes, r.Memory.GradientsBytes, r.Memory.OptimizerBytes, r.Memory.ActivationsBytes, r.Memory.LogitsBytes, r.Memory.BuffersBytes} {
			require.GreaterOrEqual(t, b, int64(0))
			require.LessOrEqual(t, b, r.Memory.PeakBytes)
		}
		for _, x := range []float64{r.FLOPs.Forward, r.Time.StepSeconds} {
			require.False(t, math.IsNaN(x) || math.IsInf(x, 0) || x < 0, "%v", r)
		}
	})
}
