package accounting

// A Calibration is every constant of the time model that physics does not give.
// The shipped one is fitted on published measurements by package
// headroom/sweep/validate, whose test reproduces it; see [Calibration.Constants].
type Calibration struct {
	Architectures [numArchitectures]Efficiency
	// Stacks have what differs from one framework's code to another's: what is zero is
	// Unfused's where attention is unfused, otherwise Common's.
	Stacks          [numStacks]Stack
	Common, Unfused Stack

	// Sustained is the rate of 16-bit products of training shapes in a running step, against
	// large ones measured alone: power and caches are shared. Narrower formats draw less power
	// for an operation and lose nothing.
	Sustained float64
	// Narrow is the share of its peak that large products in each narrow format reach,
	// against that in 16 bits. Block scales cost nothing in the product itself.
	Narrow [numFormats]float64
	// AttentionBackward is the rate of fused attention backward, which computes 2.5 times as
	// much, against forward.
	AttentionBackward float64
	// Memory is the share of its printed bandwidth that streaming reaches.
	Memory float64
	// LinkLatency is the time of an empty collective of two ranks in one domain and LinkHop
	// what each further rank adds, seconds.
	LinkLatency, LinkHop float64
	// NVLS is the gain of an all-reduce in a switch that adds.
	NVLS float64
	// TileFill is the k that an output tile takes to fill its pipeline in 16 bits.
	TileFill float64
	// Grouped is the share of an expert's product in a grouped kernel against a
	// dense one of the same shape.
	Grouped float64
	// AttentionRamp is the context, in tokens, at which fused attention reaches half
	// of its share.
	AttentionRamp float64
	// EarlyAttention is the share of Hopper's peak that Ampere's instructions can reach.
	EarlyAttention float64
	// AttentionWidth is the exponent with which its share falls for heads narrower
	// than 128.
	AttentionWidth float64
	// Network is the share of a network's printed rate that collectives reach,
	// NetworkLatency what each doubling of the domains adds to a tree, and NetworkHop what
	// each further domain adds to a ring, seconds.
	Network, NetworkLatency, NetworkHop float64
	// Straggler is the part of a step that ranks wait for the slowest one, for every
	// doubling of the domains.
	Straggler float64
	Band      Band
	// Cast is the traffic of quantising one element to each narrow format, bytes.
	Cast [numFormats]float64
	// AttentionFP8 is the rate of attention in fp8 against 16 bits.
	AttentionFP8 float64
	// RoutedApart is the time of a routed feed-forward's products, activation and casts
	// in kernels of their own, against one kernel for all ([RoutedFused]).
	RoutedApart float64
	// EarlyCasts is the time of quantisation before 2025 against now.
	EarlyCasts float64
}

// A Stack is what a framework's code adds to the hardware's time.
type Stack struct {
	Name string
	// Launch is the time the host takes to start one kernel, seconds; the device
	// waits for the host where its kernels are shorter.
	Launch float64
	// KernelsForward and KernelsBackward of a dense layer, KernelsMoE more of a
	// mixture of experts forward; counted in profiles of the frameworks, not fitted.
	KernelsForward, KernelsBackward, KernelsMoE float64
	// RoutedHost is the time the host takes for one direction of a routed layer that is
	// in no graph, beside starting kernels: it waits for the counts of tokens and
	// works through PyTorch's operations one by one. Seconds.
	RoutedHost float64
	// Elementwise is the traffic of norms, activations and residual additions
	// against a perfectly fused one that reads and writes each tensor once.
	Elementwise float64
	// The shares of communication that computation cannot hide: all, unless the framework
	// overlaps some of it.
	Overlaps             bool
	TPExposed, EPExposed float64
	// Gather is the rate of gathering weights and scattering gradients that ZeRO-3
	// reaches, against a plain ring.
	Gather float64
	// EachWeight says that ZeRO-3 gathers one weight after the other, each round the
	// ring (deepspeed/runtime/zero/partition_parameters.py).
	EachWeight bool
	// DPHidden is the part of a backward pass behind which gradients are reduced.
	DPHidden float64
	// Step is what happens once a step beside everything else: data, logging,
	// gradient norm, synchronisation. Seconds.
	Step float64
	// Operations says that selective recompute is by operation (torchtitan), not core
	// attention alone.
	Operations bool
	// EarlyStop says that full recompute ends with the last tensor that backward
	// wants: the product of the feed-forward that follows it is not run again
	// (torch.utils.checkpoint without reentrance, since torch 2.1).
	EarlyStop bool
	// Optimizer is the traffic of the update against one that touches every state once.
	Optimizer float64
}

type architecture uint8

const (
	archVolta architecture = iota
	archAmpere
	archHopper
	archBlackwell
	archAda
	archBlackwellRTX
	archCDNA3
	numArchitectures
)

// stackID numbers the stacks.
type stackID uint8

const (
	stackMegatron stackID = iota
	stackMegatronUnfused
	stackFSDP2
	stackDeepSpeed
	stackDeepSpeedUnfused
	stackEager
	numStacks
)

// architectureOf maps the catalog's architecture to the one whose constants it
// takes. Parts without measured runs inherit, a relative's if there is one, otherwise
// Ampere's: their band is wider.
func architectureOf(name string) (a architecture, inherited, related bool) {
	switch name {
	case "volta":
		return archVolta, false, true
	case "ampere":
		return archAmpere, false, true
	case "hopper":
		return archHopper, false, true
	case "blackwell":
		return archBlackwell, false, true
	case "pascal", "turing":
		return archVolta, true, true
	case "ada":
		return archAda, true, true
	case "blackwell-rtx":
		return archBlackwellRTX, true, true
	case "rubin":
		return archBlackwell, true, true
	case "cdna3", "cdna4", "cdna2", "cdna", "cdna5":
		return archCDNA3, true, true
	}
	return archAmpere, true, false
}

// KnownArchitecture says that an architecture, as the catalog names it, has
// constants of its own or a relative's.
func KnownArchitecture(name string) bool {
	_, _, related := architectureOf(name)
	return related
}

// stack is the one a case runs on: its profile's, in the generation before
// fused kernels where attention is unfused.
func (l *Ledger) stack() stackID {
	switch l.Profile.Name {
	case "fsdp2", "fsdp2-2024", "fsdp-2023", "composer", "composer-2023":
		return stackFSDP2
	case "deepspeed", "internevo":
		if l.Recipe.Attention == Unfused {
			return stackDeepSpeedUnfused
		}
		return stackDeepSpeed
	case "torch-eager", "torchtune", "seed":
		return stackEager
	}
	if l.Recipe.Attention == Unfused {
		return stackMegatronUnfused
	}
	return stackMegatron
}

// unfused says that a stack is of the generation before fused kernels.
func (id stackID) unfused() bool { return id == stackMegatronUnfused || id == stackDeepSpeedUnfused }

// stack is the one of that number with what it takes from the others in place.
func (c *Calibration) stack(id stackID) Stack {
	s := c.Stacks[id]
	if id.unfused() {
		s.inherit(&c.Unfused)
	}
	s.inherit(&c.Common)
	return s
}

// inherit takes from another what s does not say.
func (s *Stack) inherit(from *Stack) {
	to, other := s.times(), from.times()
	for i := range to {
		if *to[i] == 0 {
			*to[i] = *other[i]
		}
	}
}

// times are the constants that one stack can take from another.
func (s *Stack) times() [8]*float64 {
	return [...]*float64{&s.Launch, &s.Elementwise, &s.TPExposed, &s.EPExposed, &s.Gather, &s.DPHidden, &s.Step, &s.Optimizer}
}

// Prior is what is known before any training run is looked at: [Guess], with the
// constants of kernels and collectives as they were measured alone.
func Prior() *Calibration {
	c := Guess()
	c.set(kernels)
	return c
}

// Guess is what is known before any measurement, with its uncertainty in
// [Calibration.Constants].
func Guess() *Calibration {
	return &Calibration{
		Architectures: [numArchitectures]Efficiency{
			archVolta:        {Name: "volta", MatMul: 0.70, Link: 0.72},
			archAmpere:       {Name: "ampere", MatMul: 0.80, Attention: 0.55, Link: 0.72},
			archHopper:       {Name: "hopper", MatMul: 0.74, LinkHop: 2e-6, Attention: 0.55, Link: 0.77},
			archBlackwell:    {Name: "blackwell", MatMul: 0.70, LinkHop: 6e-6, Sustained: 0.8, Attention: 0.45, Link: 0.70},
			archAda:          {Name: "ada", MatMul: 0.65, Link: 0.3, LinkHop: 10e-6},
			archBlackwellRTX: {Name: "blackwell-rtx", MatMul: 0.80, Link: 0.4, LinkHop: 10e-6},
			archCDNA3:        {Name: "cdna3", MatMul: 0.55, Link: 0.70},
		},
		Common:  Stack{Launch: 7e-6, Elementwise: 1.4, TPExposed: 1, EPExposed: 1, Gather: 0.8, DPHidden: 0.8, Step: 20e-3, Optimizer: 1.5},
		Unfused: Stack{Name: "unfused", Launch: 22e-6, Elementwise: 1.5},
		Stacks: [numStacks]Stack{
			stackMegatron:         {Name: "megatron", Overlaps: true, KernelsForward: 20, KernelsBackward: 40, KernelsMoE: 40, RoutedHost: 4e-3, TPExposed: 0.7, EPExposed: 0.8, Step: 20e-3},
			stackMegatronUnfused:  {Name: "megatron-unfused", KernelsForward: 40, KernelsBackward: 80, KernelsMoE: 40, DPHidden: 0.05},
			stackFSDP2:            {Name: "fsdp2", Operations: true, EarlyStop: true, KernelsForward: 25, KernelsBackward: 50, KernelsMoE: 40, Elementwise: 1.3},
			stackDeepSpeed:        {Name: "deepspeed", EachWeight: true, KernelsForward: 35, KernelsBackward: 70, KernelsMoE: 60},
			stackDeepSpeedUnfused: {Name: "deepspeed-unfused", EachWeight: true, KernelsForward: 40, KernelsBackward: 80, KernelsMoE: 60, Gather: 0.3, DPHidden: 0.3},
			// Optimizer: PyTorch's update over lists of tensors, its default, passes 20 times over a
			// parameter's values where 8 are counted: mul_ 2, lerp_ 3, mul_ 2, addcmul_ 3, sqrt 2, div_ 2,
			// add 2, addcdiv_ 4 (torch/optim/adamw.py, _multi_tensor_adamw).
			stackEager: {Name: "torch-eager", EarlyStop: true, KernelsForward: 45, KernelsBackward: 90, KernelsMoE: 80, Optimizer: 2.5},
		},
		Sustained: 0.92, Narrow: [numFormats]float64{FormatFP8: 0.86, FormatFP4: 0.8}, AttentionBackward: 0.8, Memory: 0.86,
		LinkLatency: 30e-6, LinkHop: 5e-6, NVLS: 1.3,
		TileFill: 150, Grouped: 0.65, AttentionRamp: 300, EarlyAttention: 0.629, AttentionWidth: 0.4,
		Network: 0.8, NetworkLatency: 60e-6, NetworkHop: 9.6e-6, Straggler: 0.004,
		Cast:         [numFormats]float64{FormatFP8: 4, FormatMXFP8: 5, FormatFP4: 6},
		AttentionFP8: 1.3, RoutedApart: 1.2, EarlyCasts: 1.2,
		Band: Band{Base: 0.1, Parts: 1.28, New: 0.2},
	}
}
