package accounting

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
)

// A memo never changes an answer, whatever it was asked before: cases that differ in
// one thing from those before find what these left.
func TestMemo(t *testing.T) {
	machines := []*Machine{nil, machine(t, "a100-sxm-80gb", "bf16-mixed"), machine(t, "h100-sxm", "bf16-mixed"), machine(t, "b200-sxm", "mxfp8-mixed"), machine(t, "gb200", "bf16-mixed")}
	memo := new(Memo)
	compiled := map[string]*Compiled{} // a memo knows a ledger by its address
	models := []string{"llama-3.1-8b", "mixtral-8x7b", "deepseek-v2-lite", "gemma-2-9b", "bloom-560m", "gpt2-xl"}
	sizes := func(t *rapid.T, name string, of ...int64) int64 { return rapid.SampledFrom(of).Draw(t, name) }
	ruledOut, possible := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(models).Draw(t, "model")
		m, err := arch.Lookup(name, arch.Options{})
		require.NoError(t, err)
		profile, recompute := rapid.SampledFrom(append(ProfileNames(), "megatron", "megatron", "megatron", "megatron", "megatron", "megatron")).Draw(t, "profile"), rapid.SampledFrom([]string{"none", "full", "selective", "full:uniform:2", "full:block:3", "every:2"}).Draw(t, "recompute")
		c, err := Options{Model: m, Profile: profile, Recompute: recompute}.Resolve()
		require.NoError(t, err)
		key := name + profile + recompute
		if compiled[key] == nil {
			compiled[key], err = c.Compile()
			require.NoError(t, err)
		}
		k := compiled[key]
		x := &c.Setting
		p := &x.Plan
		draw := map[string]func(){
			"tp":   func() { p.TP = sizes(t, "tp", 1, 1, 2, 4) },
			"sp":   func() { p.SP = p.TP > 1 && rapid.Bool().Draw(t, "sp") },
			"pp":   func() { p.PP = sizes(t, "pp", 1, 1, 1, 2, 2, 2, 3, 4, 7, 8) },
			"vpp":  func() { p.VPP = sizes(t, "vpp", 1, 1, 1, 1, 1, 1, 1, 1, 2, 3) },
			"cp":   func() { p.CP = sizes(t, "cp", 1, 2, 4) },
			"ep":   func() { p.EP = sizes(t, "ep", 1, 1, 1, 1, 1, 1, 1, 2, 4) },
			"etp":  func() { p.ETP = sizes(t, "etp", 1, p.TP) },
			"dp":   func() { p.DP = sizes(t, "dp", 1, 2, 3, 8, 64) },
			"zero": func() { p.ZeRO = sizes(t, "zero", 0, 1, 2, 3) },
			"schedule": func() {
				p.Schedule = rapid.SampledFrom([]Schedule{OneFOneB, OneFOneB, OneFOneB, OneFOneB, OneFOneB, OneFOneB, OneFOneB, GPipe, ZBH1, ZBH2, Interleaved, ZBV, DualPipe}).Draw(t, "schedule")
			},
			"uneven":      func() { p.Uneven = rapid.Bool().Draw(t, "uneven") },
			"firstLayers": func() { p.FirstLayers = sizes(t, "firstLayers", 0, 0, 0, 0, 0, 0, 0, 0, 2) },
			"lastLayers":  func() { p.LastLayers = sizes(t, "lastLayers", 0, 0, 0, 0, 0, 0, 0, 0, 2) },
			"replicas":    func() { p.Replicas = sizes(t, "replicas", 0, 0, 0, 1, 2) },
			"firstStep":   func() { x.FirstStep = rapid.Bool().Draw(t, "firstStep") },
			"context":     func() { x.Context = sizes(t, "context", 512, 768, 1024) },
			"micro":       func() { x.MicroBatch = sizes(t, "micro", 1, 2, 5) },
			"convention":  func() { x.Convention = rapid.SampledFrom([]Convention{Causal, FullSquare}).Draw(t, "convention") },
			"tokens":      func() { x.Tokens = sizes(t, "tokens", 0, 1e9) },
			"usable":      func() { x.UsableBytes = sizes(t, "usable", 0, 20<<30, 80<<30, 2000<<30) },
			"machine":     func() { x.Machine = rapid.SampledFrom(machines).Draw(t, "machine") },
			"globalBatch": func() { x.GlobalBatch = x.MicroBatch * p.DP * p.PP * sizes(t, "m", 1, 2, 5) },
		}
		names := []string{
			"tp", "sp", "pp", "vpp", "cp", "ep", "etp", "dp", "zero", "schedule", "uneven", "firstLayers", "lastLayers", "replicas",
			"context", "micro", "globalBatch", "tokens", "convention", "usable", "machine", "firstStep",
		}
		require.Len(t, names, len(draw))
		// Without the plan and the workload as wholes, the GPUs, which follow, and the memo.
		fields := reflect.TypeFor[Plan]().NumField() + reflect.TypeFor[Workload]().NumField() + reflect.TypeFor[Setting]().NumField() - 4
		require.Len(t, names, fields, "draw every field that a case is decided by")
		for _, n := range names {
			draw[n]()
		}
		for range 8 {
			x.GPUs = p.GPUs()
			var plain, kept Report
			x.Memo = nil
			k.Evaluate(x, &plain)
			x.Memo = memo
			k.Evaluate(x, &kept)
			require.Equal(t, plain, kept)
			if plain.RuledOut() {
				ruledOut++
			} else {
				possible++
			}
			draw[rapid.SampledFrom(names).Draw(t, "next")]()
		}
	})
	if !testing.Short() { // fewer draws may hold too few by chance
		// A quarter can exist on average, with a standard deviation of a twenty-fifth.
		require.Greater(t, possible*8, ruledOut, "too few cases can exist")
	}
}

// A memo keeps what each ZeRO stage takes apart from the others': few draws of [TestMemo]
// change the stage alone where it matters to a profile.
func TestMemoOfZeRO(t *testing.T) {
	on := machine(t, "a100-sxm-80gb", "bf16-mixed")
	for _, profile := range ProfileNames() {
		c, err := Options{Model: llamaLike(1024, 4, 16, 16, 4096, 32000, true, false), Profile: profile, GPUs: 16, Context: 1024, MicroBatch: 1, GlobalBatch: 64}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		memo := new(Memo)
		for _, zero := range []int64{0, 2, 1, 3, 2, 0, 3, 1} {
			var plain, kept Report
			c.Setting.Plan.ZeRO, c.Setting.Machine, c.Setting.Memo = zero, on, nil
			k.Evaluate(&c.Setting, &plain)
			c.Setting.Memo = memo
			k.Evaluate(&c.Setting, &kept)
			require.Equal(t, plain, kept, "%s, stage %d", profile, zero)
		}
	}
}
