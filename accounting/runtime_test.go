package accounting

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
	"headroom/hardware"
)

// NVLS adds 192 MiB (NCCL 2.18 to 2.20) or 32 MiB (2.22 and later) for each rank of the
// communicators that have more than two in a node with a switch, and nothing to what
// must fit.
func TestMulticast(t *testing.T) {
	model, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	for _, one := range []struct {
		profile, gpu   string
		tp, pp, cp, dp int64
		ranks, each    int64
	}{
		{"megatron-2024", "h100-sxm", 2, 1, 1, 4, 8 + 4, 192 * mib},     // world, dp; tp is a pair
		{"megatron-2024", "h100-sxm", 8, 1, 1, 4, 8 + 8, 192 * mib},     // world, tp; dp is one rank a node
		{"megatron", "h100-sxm", 2, 1, 1, 4, 8 + 4, 32 * mib},           // of today
		{"megatron", "h100-sxm", 1, 8, 1, 1, 8 + 8, 32 * mib},           // world, pp
		{"megatron", "h100-sxm", 2, 1, 4, 8, 8 + 4, 32 * mib},           // world, cp
		{"deepspeed", "h100-sxm", 1, 1, 1, 64, 8 + 8, 192 * mib},        // world, dp
		{"fsdp2", "h100-sxm", 1, 1, 1, 16, 8, 32 * mib},                 // dp
		{"megatron-2024", "a100-sxm-80gb", 2, 1, 1, 4, 0, 192 * mib},    // the switch does not reduce
		{"megatron-2024", "h100-pcie", 2, 1, 1, 4, 0, 192 * mib},        // no switch
		{"megatron", "gb200-nvl72", 4, 1, 1, 16, 32 + 4 + 16, 32 * mib}, // 32 at most
	} {
		o := Options{Model: model, Profile: one.profile, TP: one.tp, PP: one.pp, CP: one.cp, DP: one.dp, Context: 4096, GlobalBatch: 64}
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var plain, on Memory
		require.NoError(t, k.StageMemory(&c.Setting, 0, &plain))
		a, err := hardware.Lookup(one.gpu)
		require.NoError(t, err)
		c.Setting.Machine, err = NewMachine(a, &c.Recipe.Precision, 0)
		require.NoError(t, err)
		require.NoError(t, k.StageMemory(&c.Setting, 0, &on))
		require.Equal(t, one.ranks*one.each, on.DeviceBytes-plain.DeviceBytes, one)
		on.DeviceBytes = plain.DeviceBytes
		require.Equal(t, plain, on)
	}
}

// What is shown stays within the device where the peak does, and never below what is
// allocated.
func TestCachedWithin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Memory{AllocatedBytes: rapid.Int64Range(0, 100).Draw(t, "allocated")}
		outside := rapid.Int64Range(0, 10).Draw(t, "outside")
		m.ReservedBytes = m.AllocatedBytes + rapid.Int64Range(0, 30).Draw(t, "cache")
		m.PeakBytes = m.AllocatedBytes + outside
		m.DeviceBytes = m.ReservedBytes + outside + rapid.Int64Range(0, 10).Draw(t, "multicast")
		usable := rapid.Int64Range(0, 150).Draw(t, "usable")
		reserved, device := m.Cached(usable)
		require.GreaterOrEqual(t, reserved, m.AllocatedBytes)
		require.GreaterOrEqual(t, device, m.PeakBytes)
		require.LessOrEqual(t, reserved, device)
		require.LessOrEqual(t, device, max(usable, m.PeakBytes))
		if m.DeviceBytes <= usable {
			require.Equal(t, m.DeviceBytes, device)
		}
	})
}
