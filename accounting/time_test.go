package accounting

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/accounting/arch"
	"headroom/hardware"
)

func machine(t require.TestingT, gpu, recipe string) *Machine {
	a, err := hardware.Lookup(gpu)
	require.NoError(t, err)
	p, err := ParsePrecision(recipe)
	require.NoError(t, err)
	m, err := NewMachine(a, &p, 0)
	require.NoError(t, err)
	return m
}

func TestTimeProperties(t *testing.T) {
	machines := []*Machine{machine(t, "a100-sxm-80gb", "bf16-mixed"), machine(t, "h100-sxm", "fp8-mixed"), machine(t, "gb200", "nvfp4-mixed"), machine(t, "b200-sxm", "mxfp8-mixed"), machine(t, "mi300x", "bf16-mixed"), machine(t, "l40s", "bf16-mixed")}
	rapid.Check(t, func(t *rapid.T) {
		c, k, _ := drawCase(t)
		m := rapid.SampledFrom(machines).Draw(t, "machine")
		var one Time
		k.Time(&c.Setting, m, &one)
		var sum float64
		for _, p := range one.Parts() {
			require.GreaterOrEqual(t, p.Seconds, 0.0, p.Name)
			require.False(t, math.IsInf(p.Seconds, 0) || math.IsNaN(p.Seconds), p.Name)
			sum += p.Seconds
		}
		require.InEpsilon(t, one.StepSeconds, sum, 1e-12)
		require.Less(t, one.LowSeconds, one.StepSeconds)
		require.Greater(t, one.HighSeconds, one.StepSeconds)
		require.Greater(t, one.MFU, 0.0)
		require.Less(t, one.MFU, 1.0)

		// Twice the batch takes longer, but not twice as long.
		next := c.Setting
		next.GlobalBatch *= 2
		var two Time
		k.Time(&next, m, &two)
		require.Greater(t, two.StepSeconds, one.StepSeconds)
		require.LessOrEqual(t, two.StepSeconds, 2*one.StepSeconds)

		// A faster part of any kind never takes longer, but for a trifle: where another stage
		// becomes the slowest and hides less of the reduction, and where experts' exchange
		// runs beside another micro-batch, whose share that fills the pipeline hides nothing.
		// Schedules that fill the bubble with gradients of weights have less to fill it with.
		if s := c.Setting.Plan.Schedule; s != OneFOneB && s != GPipe && s != Interleaved {
			return
		}
		faster := func(change func(m *Machine)) {
			f := *m
			change(&f)
			var got Time
			k.Time(&c.Setting, &f, &got)
			require.LessOrEqual(t, got.StepSeconds, one.StepSeconds*1.01)
		}
		faster(func(m *Machine) { m.MemoryRate *= 2 })
		faster(func(m *Machine) { m.NetworkRate *= 2 })
		faster(func(m *Machine) { m.ScaleUpRate *= 2; m.PeerRate *= 2 })
		faster(func(m *Machine) { m.Peak *= 1.5; m.Peak16 *= 1.5; m.PrintedPeak *= 1.5 })
	})
}

// ZeRO-2 reduces the gradients of every micro-batch, stages 0 and 1 once a step:
// with one micro-batch it costs no more, with many over a network it does.
func TestZeRO2ReducesEachMicroBatch(t *testing.T) {
	model, err := arch.Lookup("llama-3.1-70b", arch.Options{})
	require.NoError(t, err)
	step := func(zero, globalBatch int64) Time {
		c, err := Options{Model: model, TP: 8, PP: 4, DP: 2, GlobalBatch: globalBatch, Context: 4096, ZeRO: &zero}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var out Time
		k.Time(&c.Setting, machine(t, "h100-sxm", "bf16-mixed"), &out)
		return out
	}
	require.InEpsilon(t, step(1, 2).DPCommSeconds, step(2, 2).DPCommSeconds, 1e-12)
	one, many := step(2, 2).DPCommSeconds, step(2, 128).DPCommSeconds
	require.InEpsilon(t, step(1, 2).DPCommSeconds, step(1, 128).DPCommSeconds, 1e-12)
	require.Greater(t, many, 2*one)
	require.InEpsilon(t, 63.0/31.0, (many-one)/(step(2, 64).DPCommSeconds-one), 1e-9)
}

// A deeper model takes longer, and so does a longer context in tokens of the same
// number; more FLOPs are never faster.
func TestTimeGrowsWithWork(t *testing.T) {
	machines := []*Machine{machine(t, "a100-sxm-80gb", "bf16-mixed"), machine(t, "h100-sxm", "fp8-mixed"), machine(t, "gb200", "mxfp8-mixed"), machine(t, "rtx-4090", "bf16-mixed")}
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(machines).Draw(t, "machine")
		profile := rapid.SampledFrom([]string{"megatron", "fsdp2", "torch-eager", "deepspeed"}).Draw(t, "profile")
		heads := rapid.Int64Range(2, 64).Draw(t, "heads")
		step := func(layers, width, ffn, context int64) float64 {
			p, err := ParseProfile(profile)
			require.NoError(t, err)
			r := Recipe{Precision: precisions[0], Optimizer: optimizers[0]}
			r.Precision.Products = m.Format
			k, err := Compile(NewLedger(llamaLike(width, layers, heads, heads, ffn, 32000, false, true), r, p))
			require.NoError(t, err)
			x := Setting{Workload: Workload{Context: context, MicroBatch: 1, GlobalBatch: 8 * 16384 / context}, Plan: Plan{TP: 1, PP: 1, VPP: 1, CP: 1, EP: 1, ETP: 1, DP: 1}, GPUs: 1}
			var one Time
			k.Time(&x, m, &one)
			require.Greater(t, one.MFU, 0.0)
			require.Less(t, one.MFU, 0.8)
			return one.StepSeconds
		}
		layers := rapid.Int64Range(1, 80).Draw(t, "layers")
		width, ffn := 128*heads, rapid.Int64Range(1, 200).Draw(t, "ffn")*128
		base := step(layers, width, ffn, 2048)
		require.Greater(t, step(layers+1, width, ffn, 2048), base)
		require.GreaterOrEqual(t, step(layers, width, 2*ffn, 2048), base)
	})
}

// Every accelerator of the catalog is timed within reason or refused in words.
func TestEveryAcceleratorIsTimed(t *testing.T) {
	m, err := arch.Lookup("llama-3.1-8b", arch.Options{})
	require.NoError(t, err)
	for _, slug := range hardware.Builtin().Slugs() {
		a, err := hardware.Lookup(slug)
		require.NoError(t, err)
		for _, profile := range []string{"megatron", "fsdp2", "torch-eager", "deepspeed"} {
			for _, recipe := range []string{"bf16-mixed", "fp16-mixed", "fp8-mixed", "mxfp8-mixed", "nvfp4-mixed"} {
				for _, gpus := range []int64{1, 8, 64} {
					o := Options{Model: m, Profile: profile, Recipe: recipe, Context: 4096, MicroBatch: 2, GlobalBatch: 512, GPUs: gpus}
					c, err := o.Resolve()
					require.NoError(t, err)
					machine, err := NewMachine(a, &c.Recipe.Precision, 0)
					if err != nil {
						require.Contains(t, err.Error(), slug)
						break
					}
					k, err := c.Compile()
					require.NoError(t, err)
					var x Time
					k.Time(&c.Setting, machine, &x)
					name := fmt.Sprint(slug, " ", profile, " ", recipe, " ", gpus)
					least := 0.01
					switch {
					case machine.ScaleUpRate < 40e9 && gpus > 1:
						least = 0.001 // through the host or its network
					case machine.Format >= FormatFP8:
						least = 0.003 // of a peak that small products in 16 bits do not see
					}
					if !(x.MFU > least && x.MFU < 0.75) {
						t.Errorf("%s: MFU %.4f", name, x.MFU)
					}
					require.Greater(t, x.LowSeconds, 0.0, name)
					require.Greater(t, x.HighSeconds, x.LowSeconds, name)
					if machine.Inherited {
						known := *machine
						known.Inherited = false
						var y Time
						k.Time(&c.Setting, &known, &y)
						require.Greater(t, x.HighSeconds/x.LowSeconds, y.HighSeconds/y.LowSeconds, name)
						require.Greater(t, x.HighSeconds/x.LowSeconds, 1.25, name)
					}
				}
			}
		}
	}
}

func TestTimeDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"llama-3.1-8b", "deepseek-v3", "gemma-2-9b"} {
		m, err := arch.Lookup(name, arch.Options{})
		require.NoError(t, err)
		c, err := Options{Model: m, PP: 4, TP: 2, DP: 8, GlobalBatch: 64, Context: 2048}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		c.Setting.Machine = machine(t, "h100-sxm", "bf16-mixed")
		var r Report
		require.Zero(t, testing.AllocsPerRun(100, func() { k.Evaluate(&c.Setting, &r) }))
	}
}

func TestTimeOfKnownRuns(t *testing.T) {
	f := func(model, gpu string, o Options, low, high float64) {
		t.Helper()
		var err error
		o.Model, err = arch.Lookup(model, arch.Options{})
		require.NoError(t, err)
		c, err := o.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var x Time
		k.Time(&c.Setting, machine(t, gpu, c.Recipe.Precision.Name), &x)
		require.Greater(t, x.MFU, low)
		require.Less(t, x.MFU, high)
	}
	// MFU of large runs, as their papers print it: 38 to 43 % for 405B on 8,192 and
	// 16,384 H100 (Llama 3, arXiv:2407.21783, table 4; of the 989 peak, with recompute
	// off and BF16).
	f("llama-3.1-405b", "h100-sxm", Options{Context: 8192, TP: 8, PP: 16, DP: 64, GlobalBatch: 2048, Recipe: "bf16-mixed", VPP: 4}, 0.36, 0.56)
	// A tiny model on a large GPU is bound by launches.
	f("gpt2", "b200-sxm", Options{Context: 1024, GlobalBatch: 1, Profile: "torch-eager"}, 0.0, 0.1)
}

// replayTime runs a pipeline as events: every stage works through its order, a pass
// starts when its stage is free and what it needs has arrived.
func replayTime(s Schedule, p, v, m int64, forward, backward func(stage int64) float64) float64 {
	type key struct {
		backward   bool
		chunk, mic int64
	}
	done := map[key]float64{}
	orders := make([][]pass, p)
	for q := range p {
		orders[q] = stageOrder(s, p, v, q, m)
	}
	free, next := make([]float64, p), make([]int, p)
	for moved := true; moved; {
		moved = false
		for q := range p {
			for next[q] < len(orders[q]) {
				x := orders[q][next[q]]
				ready, known := 0.0, true
				need := key{x.backward, x.chunk - 1, x.microBatch}
				if x.backward {
					need.chunk = x.chunk + 1
				}
				switch {
				case !x.backward && x.chunk == 0:
				case x.backward && x.chunk == p*v-1:
					ready, known = done[key{false, x.chunk, x.microBatch}], done[key{false, x.chunk, x.microBatch}] > 0
				default:
					ready, known = done[need], done[need] > 0
				}
				if !known {
					break
				}
				took := forward(q)
				if x.backward {
					took = backward(q)
				}
				free[q] = math.Max(free[q], ready) + took/float64(v)
				done[key{x.backward, x.chunk, x.microBatch}] = free[q]
				next[q]++
				moved = true
			}
		}
	}
	var end float64
	for q := range p {
		if next[q] < len(orders[q]) {
			return math.NaN() // a deadlock
		}
		end = math.Max(end, free[q])
	}
	return end
}

func TestPipelineAgainstReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.Int64Range(1, 8).Draw(t, "p")
		v := int64(1)
		if p > 1 {
			v = rapid.Int64Range(1, 4).Draw(t, "v")
		}
		m := p * rapid.Int64Range(1, 6).Draw(t, "m")
		schedule := OneFOneB
		if v == 1 && rapid.Bool().Draw(t, "gpipe") {
			schedule = GPipe
		}
		f := rapid.Float64Range(0.5, 2).Draw(t, "forward")
		b := rapid.Float64Range(f, 3*f).Draw(t, "backward")
		equal := replayTime(schedule, p, v, m, func(int64) float64 { return f }, func(int64) float64 { return b })
		require.InEpsilon(t, equal, pipelineSeconds(schedule, f+b, float64(p)*(f+b), 0, v, float64(m)), 1e-9)

		// A slower last stage, with the head: the closed form is a lower bound, and near.
		if v == 1 {
			head := rapid.Float64Range(1, 1.5).Draw(t, "head")
			at := func(x float64) func(int64) float64 {
				return func(q int64) float64 {
					if q == p-1 {
						return x * head
					}
					return x
				}
			}
			got := replayTime(schedule, p, v, m, at(f), at(b))
			all := float64(p-1)*(f+b) + (f+b)*head
			want := pipelineSeconds(schedule, (f+b)*head, all, 0, v, float64(m))
			require.GreaterOrEqual(t, got, want*(1-1e-9))
			require.LessOrEqual(t, got, want*1.05)
		}
	})
}

func TestZeroBubble(t *testing.T) {
	// Four equal stages, forward 1, gradients of inputs 1 and of weights 1: the
	// bubbles of Qi et al. 2023, table 2, are 9, 3 and 0.
	f := func(s Schedule, want float64) {
		t.Helper()
		require.InDelta(t, 8*3+want, pipelineSeconds(s, 3, 12, 1, 1, 8), 1e-12)
	}
	f(OneFOneB, 9)
	f(ZBH1, 3)
	f(ZBH2, 0)
}

func TestGroups(t *testing.T) {
	h100 := machine(t, "h100-sxm", "bf16-mixed")
	f := func(size, stride, want int64) {
		t.Helper()
		require.Equal(t, want, group{size, stride}.inDomain(h100))
	}
	f(8, 1, 8)   // tp 8 fills the node
	f(16, 1, 8)  // half of tp 16
	f(4, 8, 1)   // dp across nodes
	f(32, 2, 4)  // dp with tp 2
	f(2, 4, 2)   // dp 2 of tp 4 in one node
	f(4, 4, 2)   // two in each node
	f(1, 1, 1)   // alone
	f(64, 16, 1) // farther apart than a node
}

func TestCollectives(t *testing.T) {
	m := machine(t, "h100-sxm", "bf16-mixed")
	const big = 16 << 30
	require.Zero(t, m.gather(group{1, 1}, big))
	require.Zero(t, m.exchange(group{8, 1}, 0, spread{copies: 8}))
	// A ring across nodes is as fast as all network cards of a node together, if the node's
	// own links are faster.
	m.NetworkRate /= 2
	inside, across := m.gather(group{8, 1}, big), m.gather(group{16, 1}, big)
	require.Greater(t, across, inside)
	// One rank a node has its own card alone: eight times slower than eight cards.
	require.InEpsilon(t, 8, m.gather(group{16, 8}, big)/across, 0.02)
	// The switch helps all-reduce, which otherwise costs two gathers.
	require.Less(t, m.reduce(group{8, 1}, big), 2*inside)
	require.InEpsilon(t, 2*m.gather(group{4, 1}, big), m.reduce(group{4, 1}, big), 0.01)
	// 445 and 335 GB/s for 512 MiB on 8 H100 (efficiency.csv), within a tenth.
	bus := func(seconds float64, passes float64) float64 { return passes * 512 * (1 << 20) * 7 / 8 / seconds }
	require.InEpsilon(t, 335e9, bus(m.gather(group{8, 1}, 512<<20), 1), 0.1)
	require.InEpsilon(t, 445e9, bus(m.reduce(group{8, 1}, 512<<20), 2), 0.1)
}

// A ring's hops count for every rank, a tree's for every doubling; a broadcast goes
// round the ring once for each rank that has a part.
func TestLatencies(t *testing.T) {
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	c := m.Calibration
	all := group{1024, 1}
	require.InEpsilon(t, c.LinkLatency+896*c.LinkHop+127*c.NetworkHop, m.ring(all), 1e-12)
	require.InEpsilon(t, c.LinkLatency+7*c.LinkHop+7*c.NetworkLatency, m.tree(all), 1e-12)
	require.InEpsilon(t, c.LinkLatency+7*c.NetworkHop, m.ring(group{8, 8}), 1e-12)
	require.InEpsilon(t, 100*m.ring(all)+1e9/m.rate(all), m.broadcast(all, 1e9, 100), 1e-12)
	require.Zero(t, m.broadcast(group{1, 1}, 1e9, 1))
}

// InternEvo's broadcasts over all ranks cost more the more ranks there are, those of
// shards inside a node do not; both reduce gradients over all ranks.
func TestBroadcastOfUpdatedWeights(t *testing.T) {
	model, err := arch.Lookup("llama-2-7b", arch.Options{})
	require.NoError(t, err)
	step := func(dp, replicas int64) float64 {
		zero := int64(1)
		c, err := Options{Model: model, Profile: "internevo", DP: dp, Replicas: replicas, GlobalBatch: 8 * dp, MicroBatch: 2, Context: 2048, ZeRO: &zero}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		require.Equal(t, 32*9.0+3, k.tensors())
		m := *machine(t, "a100-sxm-80gb", "bf16-mixed")
		m.NetworkRate = 6.25e9
		var out Time
		k.Time(&c.Setting, &m, &out)
		return out.DPCommSeconds
	}
	all := step(1024, 1) - step(256, 1)
	node := step(1024, 128) - step(256, 32)
	require.Greater(t, all, 0.4) // 291 broadcasts, each past 768 ranks more
	require.Less(t, node, 0.1)
}

// Small products never run at a higher rate than large ones.
func TestProductRateGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := machine(t, "h100-sxm", "bf16-mixed")
		side := func(name string) float64 { return float64(rapid.Int64Range(1, 16384).Draw(t, name)) }
		rows, n, k := side("rows"), side("n"), side("k")
		rate := func(rows, n, k float64) float64 { return rows * n * k / m.product(rows, n, k, false) }
		require.GreaterOrEqual(t, rate(2*rows, n, k), rate(rows, n, k)*(1-1e-9))
		require.GreaterOrEqual(t, rate(rows, 2*n, k), rate(rows, n, k)*(1-1e-9))
		require.GreaterOrEqual(t, rate(rows, n, 2*k), rate(rows, n, k)*(1-1e-9))
	})
}

// The share of large products fits kernels measured alone: within a quarter of
// every 8192³ product of an accelerator that was measured in training as well.
// Microbenchmarks of one part differ by as much between libraries.
func TestProductsAgainstMicrobenchmarks(t *testing.T) {
	all, err := hardware.SelectMeasurements(hardware.Measurements(), "", "matmul_tflops_8192cubed")
	require.NoError(t, err)
	var errors []float64
	for _, x := range all {
		if x.DType != hardware.BF16 {
			continue
		}
		a, err := hardware.Lookup(x.Accelerator)
		require.NoError(t, err)
		if _, inherited, _ := architectureOf(a.Architecture); inherited {
			continue
		}
		m := machine(t, x.Accelerator, "bf16-mixed")
		got := 2 * 8192.0 * 8192 * 8192 / m.product(8192, 8192, 8192, false)
		errors = append(errors, math.Log(got/x.PerSecond))
	}
	require.NotEmpty(t, errors)
	var sum float64
	for _, e := range errors {
		sum += e
	}
	require.InDelta(t, 0, sum/float64(len(errors)), 0.25)
}

// Graphics cards of a measured generation are another chip: their error bar says so.
func TestGraphicsCardsInherit(t *testing.T) {
	for slug, want := range map[string]bool{"a6000": true, "rtx-3090": true, "l40s": true, "mi300x": true, "a100-sxm-80gb": false, "h200-sxm": false, "gb300": false} {
		require.Equal(t, want, machine(t, slug, "bf16-mixed").Inherited, slug)
	}
}

// The error bar is what every step lacks and, squares added, what the constants behind
// each of its parts lack, as in [Calibration.Constants], by the part's share.
func TestErrorBarOfParts(t *testing.T) {
	band := &Shipped().Band
	spread := map[string]float64{}
	for _, c := range Shipped().Constants() {
		spread[c.Name[strings.Index(c.Name, ".")+1:]] = c.Spread // of any architecture or framework: they are equal
	}
	dense, routed := &Compiled{}, &Compiled{}
	routed.limits.experts = []int64{8}
	f := func(c *Compiled, part Time, want float64) {
		t.Helper()
		part.StepSeconds = 2
		d := c.Doubt(&Machine{}, &part)
		require.InDelta(t, want/2, math.Sqrt(d.Variance), 1e-12)
		require.InDelta(t, math.Hypot(band.Base, band.Parts*want/2), band.Spread(&d), 1e-12)
		inherited := c.Doubt(&Machine{Inherited: true}, &part)
		require.Greater(t, band.Spread(&inherited), band.Spread(&d))
	}
	require.InDelta(t, math.Hypot(spread["link_latency_seconds"], spread["dp_hidden"]), exchangeSpread, 0.005)
	f(dense, Time{ComputeSeconds: 1, RecomputeSeconds: 1}, 0)
	f(routed, Time{ComputeSeconds: 1, RecomputeSeconds: 1}, spread["grouped"])
	f(dense, Time{StragglerSeconds: 1}, spread["straggler"])
	f(dense, Time{AttentionSeconds: 1}, spread["attention"])
	f(dense, Time{ElementwiseSeconds: 1}, spread["elementwise"])
	f(dense, Time{LaunchSeconds: 1}, spread["launch_seconds"])
	f(dense, Time{OverheadSeconds: 1}, spread["step_seconds"])
	f(dense, Time{OptimizerSeconds: 1}, spread["optimizer"])
	f(dense, Time{PPCommSeconds: 0.5, BubbleSeconds: 0.5}, pipelineSpread)
	f(dense, Time{TPCommSeconds: 0.25, CPCommSeconds: 0.25, EPCommSeconds: 0.25, DPCommSeconds: 0.25}, exchangeSpread)
	f(dense, Time{LaunchSeconds: 1, DPCommSeconds: 1}, math.Hypot(spread["launch_seconds"], exchangeSpread))
}

func TestNewMachineRefuses(t *testing.T) {
	f := func(gpu, recipe, want string) {
		t.Helper()
		a, err := hardware.Lookup(gpu)
		require.NoError(t, err)
		p, err := ParsePrecision(recipe)
		require.NoError(t, err)
		_, err = NewMachine(a, &p, 0)
		require.EqualError(t, err, want)
	}
	broken, err := hardware.Lookup("h100-sxm")
	require.NoError(t, err)
	for _, rate := range []float64{-1, math.NaN(), math.Inf(1)} {
		_, err := NewMachine(broken, &precisions[0], rate)
		require.ErrorContains(t, err, "write a positive rate")
	}
	for _, change := range []func(a *hardware.Accelerator){
		func(a *hardware.Accelerator) { a.MemoryBytesPerSecond = 0 },
		func(a *hardware.Accelerator) { a.ScaleUpBytesPerSecond = hardware.Known(-1.0) },
		func(a *hardware.Accelerator) { a.NICBytesPerSecond = hardware.Known(0.0) },
	} {
		a := broken
		change(&a)
		_, err := NewMachine(a, &precisions[0], 0)
		require.ErrorContains(t, err, "zero")
	}
	f("v100-sxm-32gb", "bf16-mixed", "v100-sxm-32gb has no bf16: choose another recipe")
	f("a100-sxm-80gb", "fp8-mixed", "a100-sxm-80gb has no fp8: choose a 16-bit recipe")
	f("h100-sxm", "nvfp4-mixed", "h100-sxm has no fp4: choose a 16-bit recipe")
	f("h100-sxm", "mxfp8-mixed", "h100-sxm has no mxfp8: choose a recipe in fp8 or 16 bits")
	f("gaudi3", "fsdp-mxfp8", "gaudi3 has no mxfp8: choose a recipe in fp8 or 16 bits")
}

// BenchmarkTime is the cost of timing one case, nothing cached between cases.
func BenchmarkTime(b *testing.B) {
	m := machine(b, "h100-sxm", "bf16-mixed")
	k, err := Compile(NewLedger(llamaLike(12288, 96, 96, 96, 49152, 51200, false, true), Recipe{Precision: precisions[0], Optimizer: optimizers[0]}, &megatronProfile))
	require.NoError(b, err)
	for _, pp := range []int64{1, 8, 32} {
		plan := Plan{TP: 8, PP: pp, VPP: 1, CP: 1, EP: 1, ETP: 8, DP: 32 / pp, SP: true, ZeRO: 1}
		x := Setting{Workload: Workload{Context: 2048, MicroBatch: 1, GlobalBatch: 1024}, Plan: plan, GPUs: plan.GPUs()}
		var t Time
		b.Run(fmt.Sprintf("pp=%d/memo=false", pp), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Time(&x, m, &t)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cases/s")
		})
		b.Run(fmt.Sprintf("pp=%d/memo=true", pp), func(b *testing.B) {
			b.ReportAllocs()
			x.Memo = new(Memo)
			for b.Loop() {
				k.Time(&x, m, &t)
			}
			x.Memo = nil
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cases/s")
		})
	}
}

// planSpace lists every plan, micro-batch and ZeRO stage of a 175B model on 256
// GPUs that passes the check, as plan: auto does.
func planSpace(k *Compiled) []Setting {
	var out []Setting
	pow2 := []int64{1, 2, 4, 8, 16, 32, 64, 128, 256}
	for _, tp := range pow2[:4] {
		for _, pp := range []int64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96} {
			for _, vpp := range []int64{1, 2, 3, 4, 6, 8, 12} {
				for _, cp := range pow2[:4] {
					for _, micro := range pow2[:4] {
						for zero := range int64(2) {
							if 256%(tp*pp*cp) != 0 {
								continue
							}
							p := Plan{TP: tp, PP: pp, VPP: vpp, CP: cp, EP: 1, ETP: tp, DP: 256 / (tp * pp * cp), SP: tp > 1, ZeRO: zero}
							x := Setting{Workload: Workload{Context: 2048, MicroBatch: micro, GlobalBatch: 1536}, Plan: p, GPUs: 256}
							if k.Check(&x.Workload, &p, 256) == OK {
								out = append(out, x)
							}
						}
					}
				}
			}
		}
	}
	return out
}

// BenchmarkPlanSpace is the full evaluation of plans that can exist: memory of all
// stages and phases, and time.
func BenchmarkPlanSpace(b *testing.B) {
	m := machine(b, "h100-sxm", "bf16-mixed")
	k, err := Compile(NewLedger(llamaLike(12288, 96, 96, 96, 49152, 51200, false, true), Recipe{Precision: precisions[0], Optimizer: optimizers[0]}, &megatronProfile))
	require.NoError(b, err)
	for _, fit := range []bool{false, true} {
		space := planSpace(k)
		memo := new(Memo)
		for i := range space {
			space[i].Machine, space[i].Memo = m, memo
			if fit {
				space[i].UsableBytes = 79 << 30
			}
		}
		b.Run(fmt.Sprintf("plans=%d/capacity=%v", len(space), fit), func(b *testing.B) {
			var r Report
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k.Evaluate(&space[i%len(space)], &r)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cases/s")
		})
	}
}

// FlashAttention 1 keeps what 2 keeps and takes its time longer, whatever the width of
// a head.
func TestFlash1(t *testing.T) {
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	run := func(attention string, heads int64) (Time, int64) {
		c, err := Options{Model: llamaLike(4096, 4, heads, heads, 11008, 32000, false, true), Attention: attention, Context: 8192, MicroBatch: 1, GlobalBatch: 1, GPUs: 1}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var report Report
		k.Evaluate(&c.Setting, &report)
		var out Time
		k.Time(&c.Setting, m, &out)
		return out, report.Memory.PeakBytes
	}
	for _, heads := range []int64{32, 64} {
		one, bytes := run("flash1", heads)
		two, same := run("flash", heads)
		require.Equal(t, same, bytes)
		if heads == 32 { // 128 wide
			require.InEpsilon(t, flash1, one.AttentionSeconds/two.AttentionSeconds, 1e-9)
		} else {
			wide, _ := run("flash1", 32)
			require.InEpsilon(t, wide.AttentionSeconds, one.AttentionSeconds, 1e-9)
		}
		require.InDelta(t, two.StepSeconds-two.AttentionSeconds, one.StepSeconds-one.AttentionSeconds, 1e-9)
	}
}

// The port of FlashAttention 1 to Triton takes 0.8 of its time in either direction.
func TestTriton(t *testing.T) {
	run := func(attention string) (Time, Memory) {
		return runOf(t, Options{Model: mptLike(t, true), Profile: "fsdp2", Attention: attention, GPUs: 8, Context: 8192, MicroBatch: 2, GlobalBatch: 16}, "a100-sxm-40gb")
	}
	triton, bytes := run("triton")
	flash1, same := run("flash1")
	require.InEpsilon(t, 0.8, triton.AttentionSeconds/flash1.AttentionSeconds, 1e-9)
	require.Equal(t, same, bytes)
}

// Kernels with Ampere's instructions reach of their share of Hopper's peak what they reach
// of Ampere's, on all other parts as before.
func TestEarlyAttention(t *testing.T) {
	ampere, hopper, blackwell := machine(t, "a100-sxm-80gb", "bf16"), machine(t, "h100-sxm", "bf16"), machine(t, "b200-sxm", "bf16")
	for _, backward := range []bool{false, true} {
		one, two := ampere.earlyAttention(1e12, 4096, 128, backward), hopper.earlyAttention(1e12, 4096, 128, backward)
		require.Equal(t, ampere.attention(1e12, 4096, 128, backward), one)
		require.InEpsilon(t, 989.4*hopper.Calibration.EarlyAttention/312, one/two, 1e-3)
		require.Greater(t, two, hopper.attention(1e12, 4096, 128, backward))
		require.Equal(t, blackwell.attention(1e12, 4096, 128, backward), blackwell.earlyAttention(1e12, 4096, 128, backward))
	}
}

// On Hopper flash is what the framework takes: FlashAttention 2 in PyTorch, cuDNN's
// kernel in TransformerEngine. On Ampere they are the same, and memory is everywhere.
func TestFlashOfFramework(t *testing.T) {
	run := func(profile, gpu, attention string) (float64, Memory) {
		out, memory := runOf(t, Options{Model: llamaLike(4096, 4, 32, 32, 11008, 32000, false, true), Profile: profile, Attention: attention, GPUs: 8, Context: 8192, MicroBatch: 1, GlobalBatch: 8}, gpu)
		return out.AttentionSeconds, memory
	}
	for profile, own := range map[string]string{"fsdp2": "flash2", "deepspeed": "flash2", "torchtune": "flash2", "megatron-2023": "flash2", "megatron-2024": "flash3", "megatron": "flash3"} {
		flash, memory := run(profile, "h100-sxm", "flash")
		same, bytes := run(profile, "h100-sxm", own)
		require.Equal(t, same, flash, profile)
		require.Equal(t, bytes, memory, profile)
		two, _ := run(profile, "h100-sxm", "flash2")
		three, _ := run(profile, "h100-sxm", "flash3")
		require.Greater(t, two, three, profile)
		two, _ = run(profile, "a100-sxm-80gb", "flash2")
		three, _ = run(profile, "a100-sxm-80gb", "flash3")
		require.Equal(t, three, two, profile)
	}
}

// DeepSpeed gathers a layer's weights one by one: over many ranks each ring's hops
// count, over eight hardly.
func TestZeRO3GathersEachWeight(t *testing.T) {
	model, err := arch.Lookup("llama-2-7b", arch.Options{})
	require.NoError(t, err)
	step := func(profile string, gpus int64) float64 {
		zero := int64(3)
		c, err := Options{Model: model, Profile: profile, GPUs: gpus, DP: gpus, GlobalBatch: gpus, MicroBatch: 1, Context: 1024, ZeRO: &zero}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var out Time
		k.Time(&c.Setting, machine(t, "a100-sxm-80gb", "bf16-mixed"), &out)
		return out.DPCommSeconds
	}
	// 32 layers of 9 weights, gathered forward and backward.
	ring := machine(t, "a100-sxm-80gb", "bf16-mixed").ring(group{1024, 1})
	require.InEpsilon(t, 32*8*2*ring, step("deepspeed", 1024)-step("deepspeed", 8), 0.6)
	require.Less(t, step("fsdp2", 1024)-step("fsdp2", 8), 0.5*(step("deepspeed", 1024)-step("deepspeed", 8)))
}

// Without --tp-comm-overlap a fixed share of tensor-parallel communication is left: three
// quarters with sequence parallelism, half without.
func TestBlockingTensorParallel(t *testing.T) {
	m := machine(t, "a100-sxm-80gb", "bf16-mixed")
	step := func(blocking, sp bool) float64 {
		overlap := "auto"
		if blocking {
			overlap = "grad-reduce+param-gather"
		}
		c, err := Options{Model: llamaLike(4096, 4, 32, 32, 11008, 32000, false, true), Overlap: overlap, SP: &sp, TP: 8, GPUs: 8, Context: 4096, MicroBatch: 1, GlobalBatch: 1}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		var out Time
		k.Time(&c.Setting, m, &out)
		return out.TPCommSeconds
	}
	overlapped := m.Calibration.stack(stackMegatron).TPExposed
	require.InEpsilon(t, 0.75/overlapped, step(true, true)/step(false, true), 1e-9)
	require.InEpsilon(t, 0.5/overlapped, step(true, false)/step(false, false), 1e-9)
}

// Before torch 2.1 a recomputed layer ran to its end; since then all but its last product
// is run again: of 4 + 2k products of width d, with k = 4 the ratio of the feed-forward,
// the 4 of the down-projection are spared.
func TestWholeRecompute(t *testing.T) {
	m := machine(t, "a100-sxm-80gb", "fsdp-mixed")
	step := func(profile, recompute, recipe string) (out Time) {
		c, err := Options{Model: llamaLike(8192, 4, 64, 64, 4*8192, 32000, false, false), Profile: profile, Recipe: recipe, Recompute: recompute, GPUs: 8, Context: 512, MicroBatch: 64, GlobalBatch: 512}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		k.Time(&c.Setting, m, &out)
		return out
	}
	now, before := step("fsdp2", "full", "fsdp-mixed"), step("fsdp-2023", "full", "fsdp-mixed")
	last := 4 * m.ProductSeconds(64*512, 8192, 4*8192, false, false)
	require.InEpsilon(t, last, before.RecomputeSeconds-now.RecomputeSeconds, 1e-9)
	require.InDelta(t, 2.0/3, now.RecomputeSeconds/before.RecomputeSeconds, 0.02)
	require.Equal(t, step("fsdp2", "none", "fsdp-mixed").StepSeconds, step("fsdp-2023", "none", "fsdp-mixed").StepSeconds)
}

// Under Composer's PURE gradients are reduced in 16 bits: half of a scatter's bytes.
func TestReduce16(t *testing.T) {
	step := func(recipe string) (scattered float64, out Time) {
		c, err := Options{Model: llamaLike(8192, 4, 64, 64, 4*8192, 32000, false, false), Profile: "fsdp-2023", Recipe: recipe, GPUs: 8, Context: 512, MicroBatch: 1, GlobalBatch: 8}.Resolve()
		require.NoError(t, err)
		k, err := c.Compile()
		require.NoError(t, err)
		m := machine(t, "a100-sxm-80gb", recipe)
		k.Time(&c.Setting, m, &out)
		u := k.unitContext(&c.Setting, m)
		return u.reduceBytes(), out
	}
	mixed, wide := step("fsdp-mixed")
	pure, narrow := step("fsdp-pure")
	require.Equal(t, 4.0, mixed)
	require.Equal(t, 2.0, pure)
	require.Less(t, narrow.DPCommSeconds, wide.DPCommSeconds)
	require.Equal(t, wide.OptimizerSeconds, narrow.OptimizerSeconds)
}
