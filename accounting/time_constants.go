package accounting

import "strings"

// A Constant is one number of the time model that is fitted or inherited.
type Constant struct {
	Name   string // dotted: hopper.attention, megatron.launch
	Value  *float64
	Spread float64 // uncertainty of the prior, as a natural logarithm; 0 = set from residuals, not fitted
	Share  bool    // between 0 and 1
	Kernel bool    // its prior is fitted on kernels and collectives measured alone
	Alone  bool    // and training runs do not move it
	Source string  // of the prior
}

// The uncertainty of some constants before any training run is looked at: how far the
// fit may move them, and what an error bar takes a part of the step to lack
// ([Compiled.Doubt]). Natural logarithms, one standard deviation.
const (
	attentionSpread   = 0.2
	launchSpread      = 0.4
	elementwiseSpread = 0.25
	stepSpread        = 0.7
	optimizerSpread   = 0.3
	groupedSpread     = 0.15
	stragglerSpread   = 0.7

	// pipelineSpread is of a pipeline's sends and bubble, for which nothing is fitted: they
	// are taken to be as uncertain as other overlap.
	pipelineSpread = 0.3
	// exchangeSpread is of the exposed part of an exchange: its latency and what of it is
	// hidden, 0.3 each, squares added.
	exchangeSpread = 0.42
)

// Constants lists every constant of the calibration, for printing and for
// fitting. The values point into c.
func (c *Calibration) Constants() []Constant {
	var out []Constant
	add := func(name string, value *float64, spread float64, share bool, source string) {
		if *value > 0 {
			out = append(out, Constant{Name: name, Value: value, Spread: spread, Share: share, Source: source})
		}
	}
	kernel := func(name string, value *float64, spread float64, share bool, source string) {
		add(name, value, spread, share, source)
		if *value > 0 {
			out[len(out)-1].Kernel = true
		}
	}
	for i := range c.Architectures {
		e := &c.Architectures[i]
		kernel(e.Name+".matmul_16bit", &e.MatMul, 0.08, true, "8192³, median of training and the 99th percentile of shapes in 16 bits, efficiency.csv")
		kernel(e.Name+".sustained", &e.Sustained, 0.05, true, "median products of training on B200 against those measured alone, efficiency.csv: 0.82")
		if n := len(out) - 1; e.Sustained > 0 {
			out[n].Alone = true
		}
		add(e.Name+".attention", &e.Attention, attentionSpread, true, "median fused attention of training shapes, efficiency.csv, causal work only")
		kernel(e.Name+".link", &e.Link, 0.05, true, "ring collectives of 512 MiB on 8 devices, efficiency.csv")
		kernel(e.Name+".link_hop_seconds", &e.LinkHop, 0.3, false, "ring collectives of 16 MiB on 2, 4 and 8 devices, efficiency.csv")
	}
	add("sustained", &c.Sustained, 0.05, true, "guess: power and caches are shared in a running step")
	kernel("matmul_fp8", &c.Narrow[FormatFP8], 0.10, true, "products in fp8, with one scale or in blocks, against 16 bits, efficiency.csv")
	kernel("matmul_fp4", &c.Narrow[FormatFP4], 0.10, true, "the same in nvfp4, of at most twice the fp8 peak")
	add("attention_backward", &c.AttentionBackward, attentionSpread, true, "median fused attention of training shapes, backward against forward, efficiency.csv")
	add("memory", &c.Memory, 0.03, true, "matrix-vector products over 1 GB of weights, efficiency.csv: 0.84 to 0.92")
	kernel("link_latency_seconds", &c.LinkLatency, 0.3, false, "ring collectives of 16 MiB, efficiency.csv")
	kernel("link_hop_seconds", &c.LinkHop, 0.3, false, "ring collectives of 16 MiB on 2, 4 and 8 devices, efficiency.csv")
	stack := func(s *Stack) {
		name := s.Name
		if name != "" {
			name += "."
		}
		add(name+"launch_seconds", &s.Launch, launchSpread, false, "4 to 25 µs a kernel started from Python")
		add(name+"routed_host_seconds", &s.RoutedHost, 0.4, false, "guess: some hundred operations from Python, 10 µs each")
		add(name+"elementwise", &s.Elementwise, elementwiseSpread, false, "1 = each tensor passes once")
		if s.Overlaps {
			add(name+"tp_exposed", &s.TPExposed, 0.2, true, "1 = not overlapped")
			add(name+"ep_exposed", &s.EPExposed, 0.2, true, "1 = not overlapped")
		}
		add(name+"gather", &s.Gather, 0.3, true, "of a plain ring")
		add(name+"dp_hidden", &s.DPHidden, 0.3, true, "1 = behind all of a backward pass")
		add(name+"step_seconds", &s.Step, stepSpread, false, "guess: tens of milliseconds")
		add(name+"optimizer", &s.Optimizer, optimizerSpread, false, "1 = each state passes once; plain PyTorch's lists of tensors 2.5 times")
	}
	stack(&c.Common)
	stack(&c.Unfused)
	for i := range c.Stacks {
		stack(&c.Stacks[i])
	}
	kernel("nvls", &c.NVLS, 0.1, false, "all-reduce against all-gather on 8 H100 and H200, efficiency.csv")
	kernel("tile_fill", &c.TileFill, 0.4, false, "a few main-loop iterations of 64")
	kernel("grouped", &c.Grouped, groupedSpread, true, "grouped against dense products of training shapes, efficiency.csv: 0.62 on B200, 0.90 on A100")
	add("attention_ramp_tokens", &c.AttentionRamp, 0.4, false, "a few tiles of 128")
	add("hopper.early_attention", &c.EarlyAttention, 0.05, true, "what Ampere's instructions, mma.sync, reach of Hopper's peak: 62.9 % on average (Luo et al. 2024, arXiv 2402.13499), about two thirds (PyTorch's announcement of FlashAttention 3)")
	add("attention_width", &c.AttentionWidth, 0.5, false, "guess: half the width costs a quarter")
	kernel("network", &c.Network, 0.1, true, "32 B200 over 4 nodes, efficiency.csv: 0.95; 0.74 to 0.97 of the wire elsewhere")
	kernel("network_latency_seconds", &c.NetworkLatency, 0.4, false, "32 B200 over 4 nodes, small messages, efficiency.csv")
	kernel("network_hop_seconds", &c.NetworkHop, 0.7, false, "a ring's step over a network, 9.6 µs in NCCL's own model (src/graph/tuning.cc)")
	add("straggler", &c.Straggler, stragglerSpread, false, "guess: half a percent a doubling")
	add("fp8_cast_bytes", &c.Cast[FormatFP8], 0.3, false, "16-bit read, two 8-bit writes")
	add("mxfp8_cast_bytes", &c.Cast[FormatMXFP8], 0.3, false, "16-bit read for the scales along rows and along columns, two 8-bit writes")
	add("fp4_cast_bytes", &c.Cast[FormatFP4], 0.3, false, "a 16-bit pass for the transform, one for the scales, two 4-bit writes")
	add("early_casts", &c.EarlyCasts, 0.4, false, "the same tables of NeMo from one release to the next")
	add("attention_fp8", &c.AttentionFP8, 0.1, false, "guess: twice the rate of products, and a softmax that is no faster")
	add("routed_apart", &c.RoutedApart, 0.15, false, "guess: small products that fill late, and results written and read once more")
	b := &c.Band
	const unseen = "residuals of runs whose project the fit has not seen"
	add("band_base", &b.Base, 0, false, unseen)
	add("band_parts", &b.Parts, 0, false, unseen+", by the shares of the step's parts and what each is uncertain by")
	add("band_new", &b.New, 0, false, "residuals of runs whose architecture the fit has not seen")
	return out
}

// A fittedValue is a constant that measurements set.
type fittedValue struct {
	name  string
	value float64
}

// set puts the values in place of the constants of those names.
func (c *Calibration) set(values []fittedValue) {
	constants := c.Constants()
	for _, f := range values {
		for i := range constants {
			if constants[i].Name == f.name {
				*constants[i].Value = f.value
			}
		}
	}
}

// shipped is the prior with the constants fitted on training runs in place.
var shipped = func() Calibration {
	c := Prior()
	c.set(fitted)
	return *c
}()

// Shipped returns a copy of the calibration in use.
func Shipped() *Calibration { c := shipped; return &c }

// Fitted reports whether a constant differs from its prior by fitting.
func Fitted(name string) bool {
	for _, f := range fitted {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}
