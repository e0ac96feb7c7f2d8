package results

// SchemaVersion is the version of the row schema. It is part of a dataset's run
// id and changes whenever a column is added, removed, renamed or redefined.
const SchemaVersion = 8

// Status says what became of a case.
const (
	// StatusFits marks a case whose peak memory is within the usable memory.
	StatusFits = "fits"
	// StatusOOM marks a case that needs more memory than is usable.
	StatusOOM = "oom"
	// StatusRuledOut marks a case that cannot be laid out at all (a division
	// that leaves a remainder, a plan the framework refuses). Its columns after
	// the plan are 0.
	StatusRuledOut = "ruled_out"
	// StatusInternal marks a case whose evaluation failed by a fault of headroom.
	// Its columns before the status may be empty, those after it are 0.
	StatusInternal = "internal"
)

// Row is one evaluated case: one row of the dataset. Fields are in column
// order. The parquet tag names the column and its encoding, unit and doc
// describe it for people; this is the only place where a column is declared.
//
// Low-cardinality columns are dictionaries, byte counts are deltas (neighbours
// in grid order are close), floats are byte-stream split. Text must be valid
// UTF-8 and floats finite. An optional column is NULL where the field is zero.
type Row struct {
	CaseID int64 `parquet:"case_id,delta" unit:"index" doc:"position of the case in the study, from 0"`

	Model        string  `parquet:"model,dict" unit:"name" doc:"model architecture"`
	Accelerator  string  `parquet:"accelerator,dict" unit:"name" doc:"accelerator from the hardware catalog"`
	NetworkGbits float64 `parquet:"network_gbits,optional,dict" unit:"Gbit/s" doc:"share of one accelerator in its node's network; NULL when neither study nor catalog says it"`
	Recipe       string  `parquet:"recipe,dict" unit:"name" doc:"precision recipe of weights, gradients and optimizer state"`
	Profile      string  `parquet:"profile,dict" unit:"name" doc:"framework profile: which tensors are kept and how they are buffered"`
	Optimizer    string  `parquet:"optimizer,dict" unit:"name" doc:"optimizer"`
	Recompute    string  `parquet:"recompute,dict" unit:"name" doc:"activation recomputation: none, selective (with its modules), full (with its method and layers) or every:N"`
	Attention    string  `parquet:"attention,dict" unit:"name" doc:"attention kernel"`
	Loss         string  `parquet:"loss,dict" unit:"name" doc:"loss kernel"`
	MoE          string  `parquet:"moe,dict" unit:"name" doc:"how routed layers run: auto (as NVIDIA's recipes for the profile and accelerator), dropless, capacity, graphed or fused, with +overlap where the exchange of tokens runs beside computation and +alltoall where each copy of a token is sent apart"`
	MTP          int32   `parquet:"mtp_num_layers,dict" unit:"layers" doc:"trained layers that predict a further token (multi-token prediction)"`
	Overlap      string  `parquet:"overlap,dict" unit:"name" doc:"communication that runs behind computation: auto (as the framework's recipes), none, or tp, grad-reduce and param-gather"`
	Trainable    string  `parquet:"trainable,dict" unit:"name" doc:"which parameters are trained: all, lora:RANK:TARGETS (with :dropout before the adapters) or freeze:PARTS"`
	Offload      string  `parquet:"offload,dict" unit:"name" doc:"what lives in the host's memory: none, optimizer, parameters, activations"`
	Dropout      float64 `parquet:"dropout,split" unit:"ratio" doc:"dropout probability of the model's own layers"`
	Compiled     bool    `parquet:"compile" unit:"flag" doc:"compiled layers"`
	InBackward   bool    `parquet:"optimizer_in_backward" unit:"flag" doc:"each parameter is updated as soon as its gradient is there"`
	Status       string  `parquet:"status,dict" unit:"name" doc:"fits, oom (needs more than is usable), ruled_out (cannot be laid out; later columns are 0) or internal (a fault of headroom)"`
	Reason       string  `parquet:"reason,dict" unit:"code" doc:"why the case does not fit or is ruled out; empty when it fits"`

	ContextTokens int64 `parquet:"context_tokens,dict" unit:"tokens" doc:"context length of a sequence"`
	MicroBatch    int32 `parquet:"micro_batch,dict" unit:"sequences" doc:"sequences in one micro-batch of one data-parallel rank"`
	GlobalBatch   int32 `parquet:"global_batch,dict" unit:"sequences" doc:"sequences in one optimizer step over all ranks"`
	MicroBatches  int32 `parquet:"micro_batches,dict" unit:"count" doc:"micro-batches a data-parallel rank runs in one step (gradient accumulation)"`
	GPUs          int32 `parquet:"gpus,dict" unit:"count" doc:"accelerators: tp × cp × pp × dp"`
	TP            int32 `parquet:"tp,dict" unit:"ranks" doc:"tensor-parallel size"`
	PP            int32 `parquet:"pp,dict" unit:"ranks" doc:"pipeline-parallel size"`
	VPP           int32 `parquet:"vpp,dict" unit:"count" doc:"virtual pipeline: model chunks a pipeline rank holds"`
	CP            int32 `parquet:"cp,dict" unit:"ranks" doc:"context-parallel size"`
	EP            int32 `parquet:"ep,dict" unit:"ranks" doc:"expert-parallel size"`
	DP            int32 `parquet:"dp,dict" unit:"ranks" doc:"data-parallel size"`
	ZeRO          int32 `parquet:"zero,dict" unit:"stage" doc:"ZeRO/FSDP stage: 0 replicated, 1 optimizer state, 2 and gradients, 3 and parameters sharded over data-parallel ranks"`
	SP            bool  `parquet:"sp" unit:"flag" doc:"sequence parallelism within the tensor-parallel group"`

	Schedule    string `parquet:"schedule,dict" unit:"name" doc:"pipeline schedule"`
	Replicas    int32  `parquet:"dp_replicate,dict" unit:"groups" doc:"groups of data-parallel ranks that hold all shards each (HSDP); 1 = states are sharded over all of dp·cp"`
	FirstLayers int32  `parquet:"first_stage_layers,dict" unit:"layers" doc:"layers of the first pipeline stage where the case gives them; 0 = as the others"`
	LastLayers  int32  `parquet:"last_stage_layers,dict" unit:"layers" doc:"layers of the last pipeline stage where the case gives them; 0 = as the others"`

	ParametersTotal   int64 `parquet:"parameters_total,dict" unit:"parameters" doc:"trained parameters of the model, a tied matrix once"`
	ParametersActive  int64 `parquet:"parameters_active,dict" unit:"parameters" doc:"parameters one token uses (routed experts by their share)"`
	ParametersPerRank int64 `parquet:"parameters_per_rank,dict" unit:"parameters" doc:"parameters held by the fullest rank, before ZeRO sharding"`

	WeightsBytes     int64  `parquet:"weights_bytes,delta" unit:"bytes" doc:"parameters on the peak rank"`
	GradientsBytes   int64  `parquet:"gradients_bytes,delta" unit:"bytes" doc:"gradients on the peak rank"`
	OptimizerBytes   int64  `parquet:"optimizer_bytes,delta" unit:"bytes" doc:"optimizer state on the peak rank, master weights included"`
	ActivationsBytes int64  `parquet:"activations_bytes,delta" unit:"bytes" doc:"activations kept for backward on the peak rank, logits apart"`
	LogitsBytes      int64  `parquet:"logits_bytes,delta" unit:"bytes" doc:"logits and the tensors of the loss on the peak rank"`
	BuffersBytes     int64  `parquet:"buffers_bytes,delta" unit:"bytes" doc:"communication and framework buffers on the peak rank"`
	RuntimeBytes     int64  `parquet:"runtime_bytes,delta" unit:"bytes" doc:"device context and allocator overhead on the peak rank"`
	PeakBytes        int64  `parquet:"peak_bytes,delta" unit:"bytes" doc:"peak memory of the fullest rank"`
	Stage            int32  `parquet:"stage,dict" unit:"index" doc:"pipeline stage of the fullest rank, from 0"`
	Phase            string `parquet:"phase,dict" unit:"name" doc:"moment of the step at which it peaks: loss, head_backward, backward, end_of_backward, optimizer"`
	AllocatedBytes   int64  `parquet:"allocated_bytes,delta" unit:"bytes" doc:"what torch.cuda.max_memory_allocated would say on the fullest rank"`
	ReservedBytes    int64  `parquet:"reserved_bytes,delta" unit:"bytes" doc:"what torch.cuda.max_memory_reserved would say: with the allocator's cache, as far as the device has room"`
	DeviceBytes      int64  `parquet:"device_bytes,delta" unit:"bytes" doc:"what nvidia-smi would show: with the context and communicators, as far as the device has room"`
	UsableBytes      int64  `parquet:"usable_bytes,dict" unit:"bytes" doc:"memory a process can allocate on the accelerator"`
	HeadroomBytes    int64  `parquet:"headroom_bytes,delta" unit:"bytes" doc:"usable_bytes − peak_bytes; negative is the shortfall"`

	ForwardFLOPs       float64 `parquet:"forward_causal_flops,split" unit:"FLOP" doc:"one forward pass of the global batch, all ranks, attention counted as half of S²"`
	ModelFLOPsStep     float64 `parquet:"model_step_causal_flops,split" unit:"FLOP" doc:"forward and backward of one step, all ranks, attention counted as half of S², without recomputation"`
	HardwareFLOPsStep  float64 `parquet:"hardware_step_causal_flops,split" unit:"FLOP" doc:"forward and backward of one step, all ranks, attention counted as half of S², with recomputation"`
	OptimizerFLOPsStep float64 `parquet:"optimizer_step_flops,split" unit:"FLOP" doc:"one optimizer update, all parameters once"`
	TokensPerStep      int64   `parquet:"tokens_per_step,dict" unit:"tokens" doc:"tokens of one optimizer step: global_batch × context_tokens"`

	StepSeconds           float64 `parquet:"step_seconds,optional,split" unit:"s" doc:"expected time of one optimizer step; NULL unless the case fits"`
	StepLowSeconds        float64 `parquet:"step_low_seconds,optional,split" unit:"s" doc:"lower end of the error bar of step_seconds: four of five runs are inside"`
	StepHighSeconds       float64 `parquet:"step_high_seconds,optional,split" unit:"s" doc:"upper end of the error bar of step_seconds"`
	TokensPerSecondPerGPU float64 `parquet:"tokens_per_second_per_gpu,optional,split" unit:"tokens/s/GPU" doc:"throughput"`
	MFU                   float64 `parquet:"mfu_causal,optional,split" unit:"ratio" doc:"model FLOPs, attention counted as half of S², over step time and the printed dense peak"`
	HFU                   float64 `parquet:"hfu_causal,optional,split" unit:"ratio" doc:"the same with recomputation"`
	ComputeSeconds        float64 `parquet:"compute_seconds,split" unit:"s" doc:"of the step: matrix products, forward and backward. The parts sum to step_seconds"`
	AttentionSeconds      float64 `parquet:"attention_seconds,split" unit:"s" doc:"of the step: scores, softmax and weighted sum"`
	ElementwiseSeconds    float64 `parquet:"elementwise_seconds,split" unit:"s" doc:"of the step: norms, activations, residuals, casts"`
	RecomputeSeconds      float64 `parquet:"recompute_seconds,split" unit:"s" doc:"of the step: what backward computes again"`
	LaunchSeconds         float64 `parquet:"launch_seconds,split" unit:"s" doc:"of the step: the device waits for the host"`
	TPCommSeconds         float64 `parquet:"tp_comm_exposed_seconds,split" unit:"s" doc:"of the step: tensor-parallel communication that nothing hides"`
	CPCommSeconds         float64 `parquet:"cp_comm_exposed_seconds,split" unit:"s" doc:"of the step: context-parallel communication that nothing hides"`
	EPCommSeconds         float64 `parquet:"ep_comm_exposed_seconds,split" unit:"s" doc:"of the step: expert-parallel communication that nothing hides"`
	DPCommSeconds         float64 `parquet:"dp_comm_exposed_seconds,split" unit:"s" doc:"of the step: gradient reduction and weight gathering that nothing hides"`
	PPCommSeconds         float64 `parquet:"pp_comm_exposed_seconds,split" unit:"s" doc:"of the step: pipeline sends that nothing hides"`
	BubbleSeconds         float64 `parquet:"bubble_seconds,split" unit:"s" doc:"of the step: the slowest stage waits for the others"`
	OptimizerSeconds      float64 `parquet:"optimizer_seconds,split" unit:"s" doc:"of the step: the optimizer update"`
	StragglerSeconds      float64 `parquet:"straggler_seconds,split" unit:"s" doc:"of the step: waiting for the slowest of many ranks"`
	OverheadSeconds       float64 `parquet:"overhead_seconds,split" unit:"s" doc:"of the step: data, logging, synchronisation"`

	RunDays   float64 `parquet:"run_days,optional,split" unit:"d" doc:"of the whole run by the clock, lost time included; NULL unless the study gives tokens and the case fits"`
	Goodput   float64 `parquet:"goodput,optional,dict" unit:"ratio" doc:"share of the rented time that trains: 1 unless the study gives a share or failures; NULL where failures come faster than the run moves forward"`
	GPUHours  float64 `parquet:"gpu_hours,optional,split" unit:"GPU·h" doc:"of the whole run; NULL unless the study gives tokens and the case fits"`
	CostUSD   float64 `parquet:"cost_usd,optional,split" unit:"USD" doc:"of the whole run on whole instances at price_usd_per_gpu_hour; NULL without tokens or a price"`
	EnergyKWh float64 `parquet:"energy_kwh,optional,split" unit:"kWh" doc:"of the accelerators of the whole run, with the building's overhead; NULL unless the study asks for energy and the TDP is known"`

	PriceUSDPerGPUHour float64 `parquet:"price_usd_per_gpu_hour,optional,dict" unit:"USD/GPU/h" doc:"price of one accelerator for one hour; NULL when the catalog has no price"`
	PriceProvider      string  `parquet:"price_provider,dict" unit:"name" doc:"who asks that price; empty without one"`
	PriceRegion        string  `parquet:"price_region,dict" unit:"name" doc:"where"`
	PriceAsOf          string  `parquet:"price_as_of,dict" unit:"day" doc:"when, as 2026-07-20; empty where the day is not known"`
}
