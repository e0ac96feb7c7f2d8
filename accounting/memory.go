package accounting

// A Memory is what one rank holds at its worst moment, in bytes. The seven
// components sum to PeakBytes.
type Memory struct {
	Stage            int64
	Phase            Phase
	WeightsBytes     int64 // as kept between steps
	GradientsBytes   int64 // alive at the peak
	OptimizerBytes   int64
	ActivationsBytes int64 // saved for backward and the working set of the layer at work
	LogitsBytes      int64 // head and loss
	BuffersBytes     int64 // gathered weights, all-gather and reduce-scatter buffers
	RuntimeBytes     int64 // what the allocator, the driver and the communicators add
	PeakBytes        int64 // sum of the above: what the device must offer

	// Parts of the components above that PyTorch's memory tracker tells apart.
	TemporaryBytes int64 // of activations and logits: made in backward
	GatheredBytes  int64 // of buffers: whole weights and all-gather buffers
	ReducingBytes  int64 // of buffers: whole gradients of sharded weights, and what is under reduction

	SavedTotalBytes    int64 // autograd's saved tensors at the end of forward, one micro-batch
	WeightCopiesBytes  int64 // autocast's 16-bit copies of weights, kept beside them
	SavedPerLayerBytes int64 // of the largest kind of layer
	AllocatedBytes     int64 // torch.cuda.max_memory_allocated: with the workspaces of libraries
	ReservedBytes      int64 // torch.cuda.max_memory_reserved, as far as the device has room
	DeviceBytes        int64 // what nvidia-smi shows, as far as the device has room; on Setting.Machine, where it is given
	ParametersPerRank  int64 // of this stage, before ZeRO cuts them
}

// A Phase is a moment of the step at which memory can peak.
type Phase uint8

// Phases.
const (
	PhaseAll       Phase = iota // everything at once: the sheet
	PhaseLoss                   // the turn from forward to backward, in the loss
	PhaseHead                   // backward of the head
	PhaseBackward               // inside the backward of a layer
	PhaseEnd                    // the end of backward: all gradients exist
	PhaseOptimizer              // the optimizer's update
)

// String is the name in outputs.
func (p Phase) String() string {
	return [...]string{"all", "loss", "head_backward", "backward", "end_of_backward", "optimizer"}[p]
}

// A memoryStyle says how gradients and gathered weights come and go.
type memoryStyle uint8

const (
	// styleSheet takes every component at its largest at the same moment.
	styleSheet memoryStyle = iota
	// styleBuffers keeps one gradient buffer alive all step (Megatron, DeepSpeed).
	styleBuffers
	// styleAutograd makes gradients in backward and drops them after the update
	// (PyTorch: zero_grad(set_to_none)), with FSDP2's gathering when ZeRO is 3.
	styleAutograd
)

// memoryRules say how a framework's memory moves through a step, beside the
// tensors it keeps for backward.
type memoryRules struct {
	style   memoryStyle
	runtime runtimeRules
	// vocabMultiple: the vocabulary is padded to this many rows a tensor-parallel rank
	// (Megatron's --make-vocab-size-divisible-by, 128 unless changed).
	vocabMultiple int64
	// updateBytes: what the update makes for each parameter that this rank updates,
	// beside states and gradients, in flat tensors: fp32 gradients, temporaries.
	updateBytes int64
	// flatBytes is the flat copy of the 16-bit gradients that the update makes first,
	// unless ZeRO-3 has flat tensors already.
	flatBytes int64
	// reduceElements is a buffer for gradients under reduction, as configured, whatever
	// the model; liveElements how many gathered parameters ZeRO-3 keeps at once.
	reduceElements, liveElements int64
	// fsdp: ZeRO-3 is torch's FSDP: no buffers of the framework's own.
	fsdp bool
	// holdsLogits: the loss holds every fp32 copy of the logits to its end, so that no
	// block of their size is lost to the cache.
	holdsLogits bool
	// records: PyTorch before 2.8, whose tensor-parallel collectives keep the blocks of
	// their tensors until the device has run them; see [Compiled.recorded].
	records bool
	// unpaced: the host does not wait for the device between passes.
	unpaced bool
	// narrowCopies is the bytes of quantised copies of a layer's matrices that stay from
	// the first micro-batch of a step on, where products run in fp8.
	narrowCopies int64
	// operations: selective recompute is by operation (torchtitan).
	operations bool
	// grouped: embedding and head are FSDP groups of their own (torchtitan 0.3).
	grouped bool
	// rootGathered: FSDP2 until mid 2025 kept the root group (embedding, final norm,
	// head) gathered from forward to backward.
	rootGathered bool
}

// finish adds up the components and what the runtime adds: outside is what lies
// outside its allocator ([runtimeRules.outside]), cache what the allocator keeps beyond
// the peak because later requests cannot use it.
func (m *Memory) finish(c *Compiled, outside, cache int64) error {
	sum := int64(0)
	for _, n := range [...]int64{m.WeightsBytes, m.GradientsBytes, m.OptimizerBytes, m.ActivationsBytes, m.LogitsBytes, m.BuffersBytes} {
		var err error
		if sum, err = addChecked(sum, n); err != nil || n < 0 {
			return ErrOverflow
		}
	}
	r := &c.Ledger.Profile.memory.runtime
	m.AllocatedBytes = sum + r.workspaceBytes
	m.PeakBytes = m.AllocatedBytes + outside
	m.RuntimeBytes = m.PeakBytes - sum
	m.ReservedBytes = r.fragmented(m.AllocatedBytes)
	if r.caches {
		m.ReservedBytes += cache
	}
	m.DeviceBytes = m.ReservedBytes + outside
	return nil
}

// Cached is what PyTorch's allocator reserves, and what nvidia-smi shows, on a
// device that offers usable bytes to a process: the cache gives blocks back before
// an allocation fails, so that it never makes a case not fit; nor does NVLS.
func (m *Memory) Cached(usable int64) (reserved, device int64) {
	over := max(0, min(m.DeviceBytes-usable, m.ReservedBytes-m.AllocatedBytes))
	return m.ReservedBytes - over, min(m.DeviceBytes-over, max(usable, m.PeakBytes))
}
