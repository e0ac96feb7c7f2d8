// Package accounting counts what training one transformer costs: parameters,
// FLOPs, memory, time and money of one case.
//
// Its heart is the [Ledger]: rows are components (QKV, softmax, gate, head …),
// columns are parameters, gradients, optimizer state, activations and FLOPs;
// every cell is a small algebraic expression with a data type and a sharding
// rule. Printed, the ledger explains; summed, it counts; compiled, it sweeps.
//
// Everything here is a pure function of its arguments: no file, clock, network,
// randomness or goroutine, and no map iteration where order could show.
//
// Where a formula stands, by file:
//
//	weights, counts            parameters of the components and their totals
//	flops                      FLOPs of the components, and the conventions
//	profile_*, kept            what each framework keeps for backward, tensor by tensor
//	recompute, offload, shard  what changes that
//	memory_stage, _buffers     the peak of a Megatron or DeepSpeed rank
//	memory_autograd*           the peak of a PyTorch or FSDP2 rank, moment by moment
//	memory_recorded, runtime   the allocator's cache; CUDA's and NCCL's own memory
//	time, schedule_time        the parts of a step, the update; the pipeline and its bubble
//	time_layer                 one layer: _attention, _experts, _tensor_parallel, _ring
//	                           (context parallelism), _sharded (ZeRO-3), _recompute, _launch
//	time_ends                  embedding, head and loss
//	time_synchronise           reduction of gradients and gathering of weights
//	efficiency, collective     kernels and collectives on a machine (time_machine)
//	time_calibration, _fitted  the constants: what each means, and its fitted value
//	time_band                  the error bar
//	cost, goodput              dollars, energy and lost time
package accounting
