package validate

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"headroom/accounting"
	"headroom/hardware"
)

// A kernel is one published rate of a matrix product or a collective, measured
// alone, with what predicts it.
type kernel struct {
	row     hardware.Measurement
	shape   string // what is held out together
	device  string // accelerator and format, or accelerator and operation
	kind    string // of all accelerators
	machine *accounting.Machine
	seconds func(m *accounting.Machine) float64
	work    float64 // FLOPs, or bytes on the bus, in that time
	weight  float64
	chosen  bool // among tens of thousands of shapes, for its speed
}

// kernels are the rows of efficiency.csv that tell of products and collectives
// of a stated shape on an accelerator of the catalog.
func kernels(all []hardware.Measurement) []kernel {
	var out []kernel
	for _, row := range all {
		a, err := hardware.Lookup(row.Accelerator)
		if err != nil || !accounting.KnownArchitecture(a.Architecture) {
			continue
		}
		k := kernel{row: row}
		if k.product(a) || k.collective(a) {
			out = append(out, k)
		}
	}
	// Every device and format weighs the same but for very few rates.
	const few = 4
	n := map[string]float64{}
	for i := range out {
		n[out[i].device]++
	}
	for i := range out {
		out[i].weight = 1 / max(n[out[i].device], few) / 4
	}
	return out
}

// product reads a row of a matrix product: 8192³, and the 99th percentile of tens
// of thousands of shapes, which is faster than a shape taken at random. The best of
// all are as fast as luck allows and left out.
func (k *kernel) product(a hardware.Accelerator) bool {
	switch k.row.Metric {
	case "op_efficiency_median_matmul", "op_efficiency_median_group_matmul":
		return k.training(a)
	case "matmul_tflops_8192cubed":
	case "matmul_tflops_p99_of_shapes":
		k.chosen = true
	case "matmul_tflops_best_shape": // some parts have no other
		if a.Architecture != "cdna3" && a.Architecture != "cdna4" {
			return false
		}
		k.chosen = true
	default:
		return false
	}
	recipe, known := map[hardware.DType]string{hardware.BF16: "bf16-mixed", hardware.FP16: "fp16-mixed", hardware.FP8: "fp8-mixed", hardware.FP4: "nvfp4-mixed"}[k.row.DType]
	mnk, shaped := k.row.MatMul.Get()
	const tiny = 512 // a file of one framework times nothing but launches on one part
	if !known || !shaped || min(mnk[0], mnk[1], mnk[2]) < tiny {
		return false
	}
	p, err := accounting.ParsePrecision(recipe)
	if err != nil {
		return false
	}
	if k.machine, err = accounting.NewMachine(a, &p, 0); err != nil {
		return false
	}
	m, n, inner := float64(mnk[0]), float64(mnk[1]), float64(mnk[2])
	k.work = 2 * m * n * inner
	// Serving frameworks time their narrow products with the quantisation of the
	// activations before them: 16 bits read, 8 written.
	cast := 0.0
	if p.Products != accounting.Format16 {
		cast = 3 * m * inner
	}
	k.seconds = func(x *accounting.Machine) float64 {
		alone := x.ProductSeconds(m, n, inner, p.Products != accounting.Format16, true)
		return alone + x.StreamSeconds(cast)
	}
	k.shape, k.kind = fmt.Sprint(mnk), "matrix product, "+p.Products.String()
	k.device = a.Slug + " " + k.kind
	return true
}

// training reads the median rate of the products of real training runs, forward
// and backward, in one kernel each or grouped. Their shapes are not given: those of
// 8,192 tokens through a matrix of 4,096 squared are taken for all.
func (k *kernel) training(a hardware.Accelerator) bool {
	p, err := accounting.ParsePrecision("bf16-mixed")
	if err != nil {
		return false
	}
	if k.machine, err = accounting.NewMachine(a, &p, 0); err != nil {
		return false
	}
	const tokens, width = 8192, 4096
	k.shape, k.kind, k.work = "training", "matrix product of training", 2*tokens*width*width
	k.seconds = func(x *accounting.Machine) float64 { return x.ProductSeconds(tokens, width, width, false, false) }
	if k.row.Metric == "op_efficiency_median_group_matmul" {
		k.shape, k.kind = "training, grouped", k.kind+", grouped"
		k.seconds = func(x *accounting.Machine) float64 {
			return x.ProductSeconds(tokens, width, width, false, false) / x.Calibration.Grouped
		}
	}
	k.device = a.Slug + " " + k.kind
	return true
}

// collective reads a row of an nccl-tests measurement in one domain or over
// several.
func (k *kernel) collective(a hardware.Accelerator) bool {
	bytes, sized := k.row.MessageBytes.Get()
	op, known := map[string]accounting.Collective{
		"busbw_all_gather": accounting.AllGather, "busbw_reduce_scatter": accounting.AllGather,
		"busbw_all_reduce": accounting.AllReduce, "busbw_all_reduce_ring": accounting.AllReduceRing, "busbw_alltoall": accounting.AllToAll,
	}[k.row.Metric]
	n := k.row.GPUs
	if !known || !sized || n < 2 {
		return false
	}
	p, err := accounting.ParsePrecision("fp16-mixed")
	if err != nil {
		return false
	}
	if k.machine, err = accounting.NewMachine(a, &p, 0); err != nil {
		return false
	}
	k.seconds = func(x *accounting.Machine) float64 { return x.CollectiveSeconds(op, n, 1, float64(bytes)) }
	// nccl-tests: the bus carries (n−1)/n of the bytes, twice for an all-reduce.
	k.work = float64(bytes) * float64(n-1) / float64(n)
	if op == accounting.AllReduce || op == accounting.AllReduceRing {
		k.work *= 2
	}
	link := "a switch or mesh"
	if !a.ScaleUpBytesPerSecond.Known {
		link = "PCIe"
	}
	if nodes, ok := k.row.Nodes.Get(); ok && nodes > 1 {
		link = "a network"
	}
	k.shape, k.kind = fmt.Sprint(op, " ", n, " ", bytes), fmt.Sprint(op, " over ", link)
	k.device = a.Slug + " " + k.kind
	return true
}

// miss is ln(predicted/measured) of the time.
func (k *kernel) miss(c *accounting.Calibration) float64 {
	m := *k.machine
	m.Calibration = c
	return math.Log(k.seconds(&m) * k.row.PerSecond / k.work)
}

// kernelSpread frees the constants of kernels, farther from their guesses than
// training runs may move them.
func kernelSpread(x accounting.Constant) float64 {
	if !x.Kernel {
		return 0
	}
	return 3 * x.Spread
}

// calibrateKernels fits the constants of matrix products and collectives to
// those measured alone. gain is what to add to the miss of a chosen shape.
func calibrateKernels(all []kernel) (c *accounting.Calibration, gain float64) {
	p := problem{
		prior: accounting.Guess, spread: kernelSpread, noise: 0.05,
		residuals: func(c *accounting.Calibration, out []float64) {
			for i := range all {
				out[i] = all[i].miss(c)
			}
		},
	}
	p.gains = 1
	for i := range all {
		p.weights = append(p.weights, all[i].weight)
		p.gain = append(p.gain, -1)
		if all[i].chosen {
			p.gain[i] = 0
		}
	}
	c, gains := p.solve()
	return c, gains[0]
}

// A KernelSummary is the error of one kind of kernel, of all parts together.
type KernelSummary struct {
	Name  string `json:"kernel"`
	Rates int    `json:"rates"`
	// Seen is the median absolute relative error of the fit, Unseen the same with every
	// rate predicted by a fit without rates of its shape, P90 the 90th percentile of
	// that and Bias its median with sign: positive is predicted too slow.
	Seen   float64 `json:"median_error"`
	Unseen float64 `json:"held_out_median_error"`
	P90    float64 `json:"held_out_p90_error"`
	Bias   float64 `json:"held_out_bias"`
}

// folds is how many groups of shapes are held out, one after the other.
const folds = 8

// StudyKernels fits the constants of kernels to the catalog's measurements with
// an eighth of the shapes held out in turn.
func StudyKernels() []KernelSummary {
	all := kernels(hardware.Measurements())
	whole, gain := calibrateKernels(all)
	var shapes []string
	for i := range all {
		shapes = append(shapes, all[i].shape)
	}
	slices.Sort(shapes)
	shapes = slices.Compact(shapes)
	fold := func(k *kernel) int { i, _ := slices.BinarySearch(shapes, k.shape); return i % folds }
	seen, unseen, signed := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for f := range folds {
		rest := slices.DeleteFunc(slices.Clone(all), func(k kernel) bool { return fold(&k) == f })
		c, g := calibrateKernels(rest)
		for i := range all {
			k := &all[i]
			if fold(k) == f {
				fitted, miss := k.miss(whole), k.miss(c)
				if k.chosen {
					fitted, miss = fitted+gain, miss+g
				}
				fitted, miss = math.Expm1(fitted), math.Expm1(miss)
				seen[k.kind] = append(seen[k.kind], math.Abs(fitted))
				unseen[k.kind], signed[k.kind] = append(unseen[k.kind], math.Abs(miss)), append(signed[k.kind], miss)
			}
		}
	}
	var out []KernelSummary
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, KernelSummary{
			Name: kind, Rates: len(seen[kind]), Seen: quantile(seen[kind], 0.5),
			Unseen: quantile(unseen[kind], 0.5), P90: quantile(unseen[kind], 0.9), Bias: quantile(signed[kind], 0.5),
		})
	}
	return out
}
