package accounting

// launchesAhead is how many launches the driver queues before it makes the host wait.
// forwardLaunches and backwardLaunches are those of a tensor-parallel layer: 17 and 22
// kernels, and seven for each collective, four in forward and six in backward (the
// kernel; events that make two streams wait for each other, each recorded and awaited;
// one event for each of two freed tensors).
const (
	launchesAhead    = 1024
	forwardLaunches  = 17 + 4*7
	backwardLaunches = 22 + 6*7
)

// recorded is the bytes of tensors that are free at the end of a forward and of a
// backward pass but whose blocks PyTorch cannot give out yet. A collective ran on them
// in NCCL's stream, and the allocator waits for the device to come by there
// (torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp: recordStream;
// c10/cuda/CUDACachingAllocator.cpp: insert_events), while the host is as many
// launches ahead as the driver's queue holds, at most the pass: the pipeline's
// transfers and the check of the loss wait for the device
// (megatron/core/pipeline_parallel/p2p_communication.py; pretrain_gpt.py, isnan).
// DeepSpeed's engine does not wait in the first two steps (deepspeed/utils/timer.py,
// ThroughputTimer.start), and what was reserved stays. torch.cuda.max_memory_allocated
// leaves these tensors out, and a run that is short of memory waits for them. PyTorch 2.8
// ended it (pytorch/pytorch pull request 150398); 2.2 had exempted the gathers of the
// forward pass, not the backward's, which are as many.
//
// They are the outputs of forward's two row-parallel products and of backward's two
// column-parallel ones, which are reduced. Sequence parallelism gathers the inputs of
// two products in forward and of four in backward beside, and each reduced output, in
// backward also each gradient and input that was gathered, leaves a rank's share.
// Backward frees more than that where the layer kept its tensors: only a layer that
// runs forward again adds to the peak there.
func (c *Compiled) recorded(st *stage) (forward, backward int64, err error) {
	x, p, rules := st.x, &st.x.Plan, &c.Ledger.Profile.memory
	if !rules.records || p.TP == 1 {
		return 0, 0, nil
	}
	tokens, err := mulChecked(x.MicroBatch, ceilDiv(x.Context, p.CP))
	if err != nil {
		return 0, 0, err
	}
	whole, err := mulChecked(tokens, c.Ledger.Model.Embedding.Width*c.Ledger.Recipe.Precision.Compute.Bytes())
	if err != nil {
		return 0, 0, err
	}
	layers := ceilDiv(c.limits.layers, p.PP*p.chunks())
	pass := func(layers, forwards, backwards int64) (int64, error) {
		tensors, shares := 2*forwards+2*backwards, int64(0)
		if p.SP {
			tensors, shares = 4*forwards+6*backwards, 2*forwards+6*backwards
		}
		launches := layers * (forwards*forwardLaunches + backwards*backwardLaunches)
		n, err := mulChecked(whole, layers*tensors+ceilDiv(layers*shares, p.TP))
		if launches > launchesAhead && err == nil {
			n = n / launches * launchesAhead
		}
		return n, err
	}
	again := int64(0)
	if c.Ledger.Recipe.Recompute.Mode == RecomputeFull {
		again = 1
	}
	if forward, err = pass(layers, 1, 0); err != nil {
		return 0, 0, err
	}
	switch {
	case rules.unpaced:
		backward, err = pass(min(layers*x.MicroBatches(p), launchesAhead), 1+again, 1)
		forward = max(forward, backward)
	case again > 0:
		backward, err = pass(layers, 1, 1)
	}
	return forward, backward, err
}
