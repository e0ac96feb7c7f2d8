package accounting

// launchesAhead is how many launches the driver queues before it makes the host wait,
// and layerLaunches those of a tensor-parallel layer's forward: 17 kernels, and seven
// for each of its four collectives (the kernel; events that make two streams wait for
// each other, each recorded and awaited; one event for each of two freed tensors).
const (
	launchesAhead = 1024
	layerLaunches = 17 + 4*7
)

// recorded is the bytes of tensors that are free at the end of a forward pass but whose
// blocks PyTorch cannot give out yet. A collective ran on them in NCCL's stream, and
// the allocator waits for the device to come by there
// (torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp: recordStream;
// c10/cuda/CUDACachingAllocator.cpp: insert_events), while the host is as many
// launches ahead as the driver's queue holds, at most the pass: the pipeline's
// transfers and the check of the loss wait for the device
// (megatron/core/pipeline_parallel/p2p_communication.py; pretrain_gpt.py, isnan). They
// are the outputs of the two row-parallel products, which are reduced; with sequence
// parallelism those and the two gathered inputs, whole, and the outputs' shares.
// torch.cuda.max_memory_allocated leaves them out, and a run that is short of memory
// waits for them. PyTorch 2.8 ended it (pytorch/pytorch pull request 150398); 2.2 had
// exempted the gathers of the forward pass, not the backward's, which are as many.
func (c *Compiled) recorded(st *stage) (int64, error) {
	x, p := st.x, &st.x.Plan
	if !c.Ledger.Profile.memory.records || p.TP == 1 {
		return 0, nil
	}
	layers := min(ceilDiv(c.limits.layers, p.PP*p.chunks()), launchesAhead/layerLaunches)
	tensors := 2 * layers
	if p.SP {
		tensors = 4*layers + ceilDiv(2*layers, p.TP)
	}
	tokens, err := mulChecked(x.MicroBatch, ceilDiv(x.Context, p.CP))
	if err != nil {
		return 0, err
	}
	return mulChecked(tokens, tensors*c.Ledger.Model.Embedding.Width*c.Ledger.Recipe.Precision.Compute.Bytes())
}
