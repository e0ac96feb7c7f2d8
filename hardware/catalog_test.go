package hardware_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/hardware"
)

func TestResolve(t *testing.T) {
	f := func(name, slug, assumption string) {
		t.Helper()
		r, err := hardware.Resolve(name)
		require.NoError(t, err)
		require.Equal(t, slug, r.Accelerator.Slug)
		require.Equal(t, assumption, r.Assumption)
	}
	const sxm = "the SXM board is meant"
	f("h100-sxm", "h100-sxm", "")
	f("H100 SXM", "h100-sxm", "")
	f("H100_SXM5_80GB", "h100-sxm", "")
	f("h100sxm5", "h100-sxm", "")
	f("nvidia h100 sxm5", "h100-sxm", "")
	f("h100 pcie", "h100-pcie", "")
	f("h100", "h100-sxm", "the 80 GB SXM board is meant")
	f("trn2", "trainium2", "")
	f("ironwood", "tpu-v7", "")
	f("tpuv5e", "tpu-v5e", "")
	f("TPU v5 lite", "tpu-v5e", "")
	f("4090", "rtx-4090", "")
	f("GB200 NVL72", "gb200", "")
	f("b60", "intel-arc-pro-b60", "")
	f("80GB H100 PCIe", "h100-pcie", "")

	// As the driver's tools print them.
	f("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb", "")
	f("NVIDIA H100 80GB HBM3", "h100-sxm", sxm)
	f("NVIDIA H100 NVL", "h100-nvl", "")
	f("Tesla V100-SXM2-32GB", "v100-sxm-32gb", "")
	f("Tesla T4", "t4", "")
	f("NVIDIA GeForce RTX 4090", "rtx-4090", "")
	f("NVIDIA RTX A6000", "a6000", "")
	f("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada", "")
	f("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000-server", "")
	f("AMD Instinct MI300X OAM", "mi300x", "")

	// As published measurements spell them.
	f("A100", "a100-sxm-80gb", "the 80 GB SXM board is meant: a 40 GB one computes as fast but holds half")
	f("A100-40GB", "a100-sxm-40gb", sxm)
	f("A100-80GB", "a100-sxm-80gb", sxm)
	f("A10G-24GB", "a10g", "")
	f("A800-80GB", "a800-sxm-80gb", "")
	f("B200", "b200-sxm", "")
	f("B300", "b300-sxm", "")
	f("GB200", "gb200", "")
	f("GB300", "gb300", "")
	f("H100-80GB", "h100-sxm", sxm)
	f("H100-96GB-HBM2e-500W", "h100-sxm-96gb-500w", "")
	f("H800-80GB", "h800-sxm", "")
	f("V100-16GB", "v100-sxm-16gb", sxm)
	f("V100-32GB", "v100-sxm-32gb", "")
}

func TestResolveRefuses(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		r, err := hardware.Resolve(name)
		require.EqualError(t, err, want)
		require.IsType(t, &hardware.NameError{}, err)
		require.Zero(t, r)
	}
	f("h10", `unknown accelerator "h10": did you mean h100-sxm?`)
	f("nvidia x y z blackwell b100 a100", `unknown accelerator "nvidia x y z blackwell b100 a100"`)
	f("h100-smx", `unknown accelerator "h100-smx": did you mean h100-sxm?`)
	f("mi300", `unknown accelerator "mi300": did you mean mi300x?`)
	f("gh200", `ambiguous accelerator "gh200": name one of gh200-96gb, gh200-144gb`)
	f("a100 pcie", `ambiguous accelerator "a100 pcie": name one of a100-pcie-40gb, a100-pcie-80gb`)
	f("warp drive", `unknown accelerator "warp drive"`)
	f("nvidia", `unknown accelerator "nvidia"`)
	f("", `unknown accelerator ""`)
	f("432gb", `unknown accelerator "432gb"`) // one part has it, but a size is no name
	f("blackwell", `ambiguous accelerator "blackwell": name one of rtx-pro-6000-server, rtx-pro-6000-ws`)
	f(strings.Repeat("h100 ", 50), "unknown accelerator "+`"`+strings.Repeat("h100 ", 50)+`"`)
}

func TestEverySlugAndNameResolves(t *testing.T) {
	for _, a := range hardware.Accelerators() {
		for _, name := range []string{a.Slug, strings.ToUpper(a.Slug), strings.ReplaceAll(a.Slug, "-", " "), a.Name, a.Vendor + " " + a.Name} {
			r, err := hardware.Resolve(name)
			require.NoError(t, err, name)
			require.Equal(t, a.Slug, r.Accelerator.Slug, name)
			require.Empty(t, r.Assumption, name)
		}
	}
}

func TestAliasesAreChecked(t *testing.T) {
	f := func(aliases, want string) {
		t.Helper()
		_, err := hardware.NewCatalog(hardware.Accelerators(), "a.csv", strings.NewReader("alias,slug,assumption\n"+aliases))
		require.EqualError(t, err, want)
	}
	f("hopper,h10-sxm,\n", `a.csv:2:8: slug: "h10-sxm" is not in the catalog`)
	f("hopper,h100-sxm,\nNVIDIA Hopper,h100-sxm,\n", `a.csv:3:1: alias: "NVIDIA Hopper" is there already, perhaps in other words`)
}

func TestCatalogsAreCopies(t *testing.T) {
	hardware.Accelerators()[0].Slug = "changed"
	require.Equal(t, "p100-pcie-16gb", hardware.Accelerators()[0].Slug)
	hardware.Prices()[0].Provider = "changed"
	require.Equal(t, "aws", hardware.Prices()[0].Provider)
	hardware.Measurements()[0].Metric = "changed"
	require.Equal(t, "matmul_tflops_best_shape", hardware.Measurements()[0].Metric)
	require.Len(t, hardware.Digest(), 64)
}

const header = "slug,vendor,name,form_factor,year,architecture,compute_units,memory_gb,memory_kind,devices,memory_gib_usable_reported,torch_total_gib,mem_bw_gb_s,fp64_tflops,fp32_tflops,tf32_dense_tflops,fp16_dense_tflops,bf16_dense_tflops,fp8_dense_tflops,fp4_dense_tflops,int8_dense_tops,scale_up_gb_s_unidirectional,scale_up_peer_gb_s,scale_up_vendor_gb_s,scale_up_vendor_direction,scale_up_domain_size,pcie_gen,pcie_gb_s_unidirectional,tdp_w,gpus_per_node,nic_gbit_s_per_gpu,source,from_memory_fields,notes\n"

const good = "x1,Acme,X1,SXM,2024,new,100,80,hbm,1,,,3000,,,,,900,,,,450,450,900,bidirectional,8,5,63,700,8,400,sheet,year,"

func TestParseAcceleratorsReportsEverything(t *testing.T) {
	bad := strings.Replace(strings.Replace(good, "2024", "then", 1), "3000", "-1", 1)
	_, err := hardware.ParseAccelerators("g.csv", strings.NewReader(header+good+"\n"+bad+"\n"))
	require.EqualError(t, err, `g.csv:3:16: year: "then" is not a whole number
g.csv:3:40: mem_bw_gb_s: -1 is negative
g.csv:3:1: slug: "x1" is in line 2 already`)

	_, err = hardware.ParseAccelerators("g.csv", strings.NewReader(header+strings.Repeat(bad+"\n", 60)))
	require.ErrorContains(t, err, "g.csv: and 79 more problems") // 3·60 − 1, and 100 are shown
}

func TestParseAcceleratorsUnreadable(t *testing.T) {
	_, err := hardware.ParseAccelerators("g.csv", strings.NewReader(strings.Repeat("x", 17<<20)))
	require.EqualError(t, err, "g.csv:1:1: more than 16 MiB: not a table of this kind")

	// A directory can be opened, but not read.
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	_, err = hardware.ParseAccelerators("g.csv", dir)
	require.ErrorContains(t, err, "is a directory")
}

func TestParseAcceleratorsAccepts(t *testing.T) {
	all, err := hardware.ParseAccelerators("g.csv", strings.NewReader("\ufeff"+header+strings.Replace(good, ",450,450,", ",0,,", 1)+"\r\n"))
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, hardware.Known(0.0), all[0].ScaleUpBytesPerSecond, "a link known to be absent")
	require.Equal(t, all[0].NominalBytes, all[0].UsableBytes)
	require.Equal(t, "nominal size: no HBM part has a reported figure", all[0].UsableSource)
}

func FuzzParseAccelerators(f *testing.F) {
	f.Add(header + good + "\n")
	f.Add(header + strings.Replace(good, "80", "1e19", 1))
	f.Add("slug\n\"")
	f.Fuzz(func(t *testing.T, data string) {
		all, err := hardware.ParseAccelerators("f.csv", strings.NewReader(data))
		if err != nil {
			require.Empty(t, all)
			require.ErrorContains(t, err, "f.csv:")
		}
		for _, a := range all {
			require.Positive(t, a.NominalBytes)
			require.LessOrEqual(t, a.UsableBytes, a.NominalBytes)
		}
	})
}

func FuzzResolve(f *testing.F) {
	for _, name := range []string{"h100-sxm", "NVIDIA H100 80GB HBM3", "h10", "\xff", "80 gb gb", "sxm sxm4 sxmsxm"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r, err := hardware.Resolve(name)
		if err != nil {
			require.IsType(t, &hardware.NameError{}, err)
			require.NotEmpty(t, err.Error())
			return
		}
		again, err := hardware.Resolve(r.Accelerator.Slug)
		require.NoError(t, err)
		require.Equal(t, r.Accelerator, again.Accelerator)
	})
}
