package validate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
	"headroom/accounting/arch"
	"headroom/hardware"
)

// Every recipe names a model, parts, a path and modules that are known.
func TestLaunches(t *testing.T) {
	catalog := hardware.Builtin()
	for _, l := range launches {
		_, err := arch.Lookup(l.model, arch.Options{})
		require.NoError(t, err)
		for _, gpu := range l.gpus {
			_, err := catalog.Resolve(gpu)
			require.NoError(t, err)
		}
		if l.moe != "" {
			_, err = accounting.ParseRouted(l.moe)
			require.NoError(t, err)
		}
		if l.recompute != "" {
			_, err = accounting.ParseRecompute("selective:" + l.recompute)
			require.NoError(t, err)
		}
	}
}

// The last recipe that a release has by then holds, and overlap where there are chunks.
func TestLaunch(t *testing.T) {
	f := func(release, model, gpu, precision string, vpp int64, moe, recompute string) {
		t.Helper()
		m := &Measurement{Notes: "release " + release + " NeMo container", GPU: gpu, Precision: precision, VPP: vpp}
		l := m.launch(&Source{Name: "megatron-bridge"}, model)
		if moe == "" && recompute == "" {
			require.Nil(t, l)
			return
		}
		require.Equal(t, [2]string{moe, recompute}, [2]string{l.moe, l.recompute})
	}
	f("25.11", "qwen3-235b-a22b", "H100-80GB", "fp8", 4, "dropless+overlap+alltoall", "")
	f("26.02", "qwen3-30b-a3b", "B200", "mxfp8", 0, "graphed+alltoall", "")
	f("26.02.01", "qwen3-30b-a3b", "B200", "mxfp8", 0, "graphed", "")
	f("26.06", "gpt-oss-120b", "B300", "mxfp8", 0, "graphed", "")
	f("26.06", "gpt-oss-120b", "GB300", "mxfp8", 0, "fused", "")
	f("26.08", "gpt-oss-120b", "GB300", "bf16", 0, "graphed+alltoall", "")
	f("26.06", "deepseek-v3", "GB200", "mxfp8", 4, "fused", "mla_up_proj")
	f("25.09", "gpt-oss-120b", "GB200", "bf16", 0, "", "")
	m := &Measurement{Notes: "release 26.06", GPU: "GB300", Precision: "mxfp8"}
	require.Nil(t, m.launch(&Source{Name: "other"}, "gpt-oss-120b"))
}

// Recipes of Llama 3 70B interleave every pipeline, whether a table says so or not.
func TestLaunchInterleaves(t *testing.T) {
	l := launches[0]
	var notes []string
	assume := func(format string, _ ...any) { notes = append(notes, format) }
	o := &accounting.Options{PP: 4, VPP: 1}
	l.apply(&Measurement{Model: "LLAMA3_70B"}, o, assume)
	require.EqualValues(t, 5, o.VPP)
	require.Len(t, notes, 1)
	for _, m := range []Measurement{{Model: "LLAMA3_70B", VPP: 2}, {Model: "LLAMA3_70B SFT"}} {
		o := &accounting.Options{PP: 4, VPP: 2}
		l.apply(&m, o, assume)
		require.EqualValues(t, 2, o.VPP)
	}
}
