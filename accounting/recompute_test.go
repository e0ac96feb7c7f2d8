package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

// recomputes are modes of every kind.
var recomputes = []string{
	"none", "selective", "full", "selective:core_attn+moe_act", "selective:layernorm", "selective:mla_up_proj", "selective:mlp+moe",
	"selective:shared_experts", "full:uniform:2", "full:uniform:5", "full:block:1", "full:block:3", "every:2", "every:3",
}

func TestParseRecompute(t *testing.T) {
	for _, text := range recomputes {
		r, err := ParseRecompute(text)
		require.NoError(t, err)
		require.Equal(t, text, r.String())
	}
	same := func(text, want string) {
		t.Helper()
		r, err := ParseRecompute(text)
		require.NoError(t, err)
		require.Equal(t, want, r.String())
	}
	same("Full", "full")
	same("full:uniform:1", "full")
	same("selective:2", "every:2")
	same("every:1", "full")
	same("selective:op", "selective")
	same("selective:core_attn", "selective")
	same("selective:moe_act, core_attn", "selective:core_attn+moe_act")
	bad := func(text, want string) {
		t.Helper()
		_, err := ParseRecompute(text)
		require.ErrorContains(t, err, want)
	}
	bad("ful", "did you mean full?")
	bad("selective:core_atn", "did you mean core_attn?")
	bad("full:bloc:2", "did you mean block?")
	bad("full:block", "write full:block:4")
	bad("full:block:0", "write full:block:4")
	bad("every:x", "write every:2")
	bad("selective:", "name modules")
	bad("none:2", "none has no options")
	bad("full:block:99999999999999999999", "write full:block:4")
}

func explained(t require.TestingT, o Options) (*Case, Report) {
	c, err := o.Resolve()
	require.NoError(t, err)
	k, err := c.Compile()
	require.NoError(t, err)
	var r Report
	k.Evaluate(&c.Setting, &r)
	return c, r
}

// What each way of recomputing leaves, layer by layer, on a stage of 10 layers.
func TestRecomputedLayers(t *testing.T) {
	m := llamaLike(1024, 20, 16, 16, 4096, 32000, true, false)
	saved := func(profile, text string, pp int64) int64 {
		t.Helper()
		c, r := explained(t, Options{Model: m, Profile: profile, Recompute: text, PP: pp, Context: 1024, GlobalBatch: 8})
		require.Equal(t, OK, r.Reason, text)
		k, err := c.Compile()
		require.NoError(t, err)
		var first Memory
		require.NoError(t, k.StageMemory(&c.Setting, 0, &first))
		return first.SavedTotalBytes
	}
	for _, profile := range []string{"megatron", "megatron-2023", "internevo"} {
		full := saved(profile, "full", 2)
		each := saved(profile, "full:block:9", 2) - full // of a layer kept whole in place of its input
		require.Equal(t, full+6*each, saved(profile, "full:block:4", 2), profile)
		require.Equal(t, full, saved(profile, "full:block:99", 2), profile)
		const input = 1024 * 1024 * 2
		require.Equal(t, full-5*input, saved(profile, "full:uniform:2", 2), profile)
		require.Equal(t, full-7*input, saved(profile, "full:uniform:4", 2), profile, "units of 4, 4 and 2 layers")
	}
	none, full := saved("fsdp2", "none", 2), saved("fsdp2", "full", 2)
	each := (none - full) / 10
	require.Equal(t, full+5*each, saved("fsdp2", "every:2", 2))
	require.Equal(t, full+7*each, saved("fsdp2", "every:3", 2))
}

// A profile without a mode rules it out.
func TestRecomputeOfProfiles(t *testing.T) {
	m := llamaLike(1024, 20, 16, 16, 4096, 32000, true, false)
	f := func(profile, text string, want Reason) {
		t.Helper()
		_, r := explained(t, Options{Model: m, Profile: profile, Recompute: text, Context: 1024})
		require.Equal(t, want, r.Reason, "%s %s", profile, text)
	}
	f("torch-eager", "selective", ReasonProfileRecompute)
	f("torch-eager", "full:block:2", ReasonProfileRecompute)
	f("megatron", "every:2", ReasonProfileRecompute)
	f("megatron-2023", "selective:moe_act", ReasonProfileRecompute)
	f("fsdp2", "full:uniform:2", ReasonProfileRecompute)
	f("fsdp2", "selective:mlp", ReasonProfileRecompute)
	f("seed", "full", ReasonProfileRecipe)
	f("megatron", "selective:mlp+layernorm", OK)
}

// Naming more modules never keeps more, and each module there is keeps less.
func TestRecomputeModules(t *testing.T) {
	saved := func(model, text string) int64 {
		t.Helper()
		m, err := arch.Lookup(model, arch.Options{})
		require.NoError(t, err)
		_, r := explained(t, Options{Model: m, Recompute: text, Context: 4096, GPUs: 8, TP: 4})
		require.Equal(t, OK, r.Reason)
		return r.Memory.SavedTotalBytes
	}
	for model, modules := range map[string][]string{
		"deepseek-v2-lite": {"core_attn", "moe_act", "layernorm", "mla_up_proj", "mlp", "moe", "shared_experts"},
		"llama-3.1-8b":     {"layernorm", "mlp"},
		"qwen3-30b-a3b":    {"moe_act", "layernorm", "moe"},
	} {
		none, full := saved(model, "none"), saved(model, "full")
		all := "selective"
		before := none
		for _, name := range modules {
			one := saved(model, "selective:"+name)
			require.Less(t, one, none, "%s %s", model, name)
			require.Greater(t, one, full, "%s %s", model, name)
			all += map[bool]string{true: ":", false: "+"}[all == "selective"] + name
			together := saved(model, all)
			require.LessOrEqual(t, together, before)
			before = together
		}
	}
}

// Recomputing more never repeats fewer FLOPs.
func TestRecomputeFLOPs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _, r := drawCase(t)
		require.GreaterOrEqual(t, r.FLOPs.Hardware, r.FLOPs.Model)
		require.LessOrEqual(t, r.FLOPs.Hardware, r.FLOPs.Model+r.FLOPs.Forward)
		if c.Recipe.Recompute.Mode == RecomputeNone {
			require.Equal(t, r.FLOPs.Hardware, r.FLOPs.Model)
		}
	})
}
