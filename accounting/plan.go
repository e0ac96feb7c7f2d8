package accounting

// A Plan says how the ranks of a job are laid out. Groups nest tp → cp → dp → pp
// from the inside; GPUs = tp·cp·dp·pp. Experts are spread over EP ranks taken
// from the same tp·cp·dp block.
type Plan struct {
	TP  int64 // tensor parallel size
	SP  bool  // Megatron sequence parallelism over the tp group
	PP  int64 // pipeline stages
	VPP int64 // chunks of layers a stage holds (interleaved schedule); 1 = one
	CP  int64 // context parallel size
	EP  int64 // expert parallel size
	ETP int64 // tensor parallel size inside an expert
	DP  int64 // data parallel size
	// ZeRO stage: 0 none, 1 optimizer states (Megatron's distributed optimizer),
	// 2 and gradients, 3 and weights (FSDP).
	ZeRO int64
	// Schedule of the pipeline.
	Schedule Schedule
	// Uneven lets the layers be dealt unevenly to the chunks of an interleaved
	// pipeline, as a layout written by hand does (Megatron-Core's
	// --pipeline-model-parallel-layout).
	Uneven bool
	// FirstLayers and LastLayers are the layers of the first and the last stage where
	// they are not those of the others (Megatron-Core's
	// --decoder-first-pipeline-num-layers and --decoder-last-pipeline-num-layers);
	// 0 = as the others.
	FirstLayers, LastLayers int64
	// Replicas is how many groups of data-parallel ranks hold all shards each: hybrid
	// sharding (HSDP; torchtitan's data_parallel_replicate_degree, Megatron-Core's
	// --num-distributed-optimizer-instances). 0 and 1 are one group.
	Replicas int64
}

// SingleGPU is the plan of one GPU.
var SingleGPU = Plan{TP: 1, PP: 1, VPP: 1, CP: 1, EP: 1, ETP: 1, DP: 1}

// GPUs is the number of ranks N.
func (p *Plan) GPUs() int64 { return p.TP * p.CP * p.PP * p.DP }

// ExpertDP is the number of ranks that hold the same experts of a stage, 1 at
// least: a model without experts takes any EP·ETP.
func (p *Plan) ExpertDP() int64 { return max(p.TP*p.CP*p.DP/(p.EP*p.ETP), 1) }

// ShardRanks is the number of ranks that ZeRO cuts dense states over.
func (p *Plan) ShardRanks() int64 { return p.DP * p.CP / max(p.Replicas, 1) }

// ExpertShardRanks is the number of ranks that ZeRO cuts experts over.
func (p *Plan) ExpertShardRanks() int64 { return max(p.ExpertDP()/max(p.Replicas, 1), 1) }

// DefaultETP is the expert-tensor-parallel size a plan without one gets:
// Megatron's default, tp, where the experts then still fit into the block of
// tp·cp·dp ranks, otherwise 1; in torchtitan 1 with any expert parallelism.
func (p *Plan) DefaultETP(of *Profile) int64 {
	if p.EP > 1 && of.WholeExperts {
		return 1
	}
	if p.EP > 0 && p.CP*p.DP%p.EP == 0 {
		return p.TP
	}
	return 1
}

// A Workload is what one optimizer step trains on.
type Workload struct {
	Context     int64 // tokens a sequence, S
	MicroBatch  int64 // sequences a rank runs at once, b
	GlobalBatch int64 // sequences a step, B
	Tokens      int64 // tokens of the whole run; 0 = not asked
}

// MicroBatches is m, how many micro-batches one data-parallel rank runs a step.
func (w *Workload) MicroBatches(p *Plan) int64 { return w.GlobalBatch / (w.MicroBatch * p.DP) }

// A Reason says why a case is ruled out, or what it lacks. Its text is the code
// in the dataset.
type Reason uint8

// Reasons. Checks run in this order and the first that holds is reported.
const (
	OK Reason = iota
	ReasonSize
	ReasonWorld
	ReasonTPHeads
	ReasonTPKVHeads
	ReasonTPFFN
	ReasonSPNeedsTP
	ReasonSPContext
	ReasonPPLayers
	ReasonVPPNeedsPP
	ReasonVPPLayers
	ReasonVPPSchedule
	ReasonSchedule
	ReasonStageLayers
	ReasonCPContext
	ReasonEPNoExperts
	ReasonEPExperts
	ReasonEPRanks
	ReasonETPFFN
	ReasonZeROStage
	ReasonReplicas
	ReasonBatch
	ReasonVPPMicroBatches
	ReasonContextPositions
	ReasonProfilePlan
	ReasonProfileRecompute
	ReasonProfileRecipe
	ReasonProfileOption
	ReasonRouted
	ReasonOverlap
	ReasonOffload
	ReasonOptimizerInBackward
	ReasonOverflow
	ReasonMemory
	numReasons
)

var reasonText = [numReasons]struct{ code, text string }{
	OK:                        {"", ""},
	ReasonSize:                {"size", "a size is zero or negative"},
	ReasonWorld:               {"world", "tp·pp·cp·dp is not the number of GPUs"},
	ReasonTPHeads:             {"tp_heads", "tp does not divide the attention heads"},
	ReasonTPKVHeads:           {"tp_kv_heads", "neither of tp and the key/value heads divides the other"},
	ReasonTPFFN:               {"tp_ffn", "tp does not divide a feed-forward width"},
	ReasonSPNeedsTP:           {"sp_needs_tp", "sequence parallelism needs tp > 1"},
	ReasonSPContext:           {"sp_context", "tp does not divide the tokens of a context-parallel rank"},
	ReasonPPLayers:            {"pp_layers", "more pipeline stages than layers"},
	ReasonVPPNeedsPP:          {"vpp_needs_pp", "interleaved chunks need pp > 1"},
	ReasonVPPLayers:           {"vpp_layers", "pp·vpp divides neither the layers nor the layers and two, or a stage holds over 64 chunks"},
	ReasonVPPSchedule:         {"vpp_schedule", "interleaved chunks (vpp > 1) go with the schedules 1f1b and interleaved, and interleaved needs them"},
	ReasonSchedule:            {"schedule", "the schedule needs pp > 1 (dualpipe an even number of stages), and zb-v two layers a stage"},
	ReasonStageLayers:         {"stage_layers", "the layers of the first and the last stage leave no whole number for each of the others"},
	ReasonCPContext:           {"cp_context", "2·cp does not divide the context"},
	ReasonEPNoExperts:         {"ep_no_experts", "expert parallelism on a model without experts"},
	ReasonEPExperts:           {"ep_experts", "ep does not divide the experts"},
	ReasonEPRanks:             {"ep_ranks", "ep·expert-tp does not divide tp·cp·dp"},
	ReasonETPFFN:              {"etp_ffn", "expert-tp does not divide the expert width"},
	ReasonZeROStage:           {"zero_stage", "ZeRO stage is not 0, 1, 2 or 3"},
	ReasonReplicas:            {"dp_replicate", "dp_replicate does not divide dp, or leaves a shard group that does not hold the experts"},
	ReasonBatch:               {"batch", "micro-batch·dp does not divide the global batch"},
	ReasonVPPMicroBatches:     {"vpp_micro_batches", "the interleaved schedule needs micro-batches in multiples of pp"},
	ReasonContextPositions:    {"context_positions", "the context is longer than the learned position table"},
	ReasonProfilePlan:         {"profile_plan", "the framework profile has no such parallelism"},
	ReasonProfileRecompute:    {"profile_recompute", "the framework profile has no such recompute mode"},
	ReasonProfileRecipe:       {"profile_recipe", "the framework profile has no recompute"},
	ReasonProfileOption:       {"profile_option", "the framework profile can not offload that, not update in backward, not train layers of multi-token prediction, or not overlap that communication"},
	ReasonRouted:              {"moe", "routed layers can not run so in the framework profile, recipe or pipeline"},
	ReasonOverlap:             {"moe_overlap", "the exchange of tokens overlaps (--moe …+overlap) only with ep > 1, in a pipeline with vpp > 1 or under dualpipe, and without full recompute"},
	ReasonOffload:             {"offload", "parameters are offloaded as shards: that needs ZeRO stage 3"},
	ReasonOptimizerInBackward: {"optimizer_in_backward", "an update inside backward needs a step of one micro-batch and no pipeline"},
	ReasonOverflow:            {"overflow", "a count does not fit into 64 bits"},
	ReasonMemory:              {"memory", "does not fit into the accelerator's memory"},
}

// Code is the short form written to datasets; empty for OK.
func (r Reason) Code() string { return reasonText[r].code }

// String is the sentence for people.
func (r Reason) String() string { return reasonText[r].text }

// Reasons lists every reason but OK, in the order of the checks.
func Reasons() []Reason {
	out := make([]Reason, 0, numReasons-1)
	for r := OK + 1; r < numReasons; r++ {
		out = append(out, r)
	}
	return out
}

// Check says whether a plan can exist for this model and workload on gpus ranks,
// before any memory is counted. It allocates nothing.
func (c *Compiled) Check(w *Workload, p *Plan, gpus int64) Reason {
	if p.TP < 1 || p.PP < 1 || p.VPP < 1 || p.CP < 1 || p.EP < 1 || p.ETP < 1 || p.DP < 1 ||
		w.Context < 1 || w.MicroBatch < 1 || w.GlobalBatch < 1 {
		return ReasonSize
	}
	if p.GPUs() != gpus {
		return ReasonWorld
	}
	if p.ZeRO < 0 || p.ZeRO > 3 {
		return ReasonZeROStage
	}
	m := &c.limits
	if p.TP > 1 {
		for i := range m.heads {
			if m.heads[i]%p.TP != 0 {
				return ReasonTPHeads
			}
			if g := m.kvHeads[i]; g%p.TP != 0 && p.TP%g != 0 {
				return ReasonTPKVHeads
			}
		}
		for _, f := range m.widths {
			if f%p.TP != 0 {
				return ReasonTPFFN
			}
		}
	} else if p.SP {
		return ReasonSPNeedsTP
	}
	if p.PP > m.layers {
		return ReasonPPLayers
	}
	if p.VPP > 1 {
		if p.PP == 1 {
			return ReasonVPPNeedsPP
		}
		// Embedding and head may stand in for a layer each, see stageLayers.
		chunks := p.PP * p.VPP
		dealt := p.FirstLayers+p.LastLayers > 0 || m.layers%chunks == 0 || (m.layers+2)%chunks == 0
		if p.VPP > maxChunks || chunks > m.layers+2 || !dealt && (!p.Uneven || chunks > m.layers) {
			return ReasonVPPLayers
		}
		if p.Schedule != OneFOneB && p.Schedule != Interleaved {
			return ReasonVPPSchedule
		}
	} else if p.Schedule == Interleaved {
		return ReasonVPPSchedule
	}
	switch {
	case p.Schedule.folded() && (p.PP == 1 || p.Schedule == DualPipe && p.PP%2 != 0 || p.Schedule == ZBV && 2*p.PP > m.layers):
		return ReasonSchedule
	case !p.dealt(m.layers):
		return ReasonStageLayers
	}
	if p.CP > 1 && w.Context%(2*p.CP) != 0 {
		return ReasonCPContext
	}
	if p.SP && w.Context/p.CP%p.TP != 0 {
		return ReasonSPContext
	}
	if p.EP > 1 {
		if len(m.experts) == 0 {
			return ReasonEPNoExperts
		}
		for _, e := range m.experts {
			if e%p.EP != 0 {
				return ReasonEPExperts
			}
		}
	}
	if len(m.experts) > 0 {
		if p.TP*p.CP*p.DP%(p.EP*p.ETP) != 0 {
			return ReasonEPRanks
		}
		for _, f := range m.expertWidths {
			if f%p.ETP != 0 {
				return ReasonETPFFN
			}
		}
	}
	if n := p.Replicas; n < 0 || n > 1 && (p.DP%n != 0 || len(m.experts) > 0 && p.ExpertDP()%n != 0) {
		return ReasonReplicas
	}
	if w.GlobalBatch%(w.MicroBatch*p.DP) != 0 {
		return ReasonBatch
	}
	if p.VPP > 1 && w.MicroBatches(p)%p.PP != 0 {
		return ReasonVPPMicroBatches
	}
	if m.positions > 0 && w.Context > m.positions {
		return ReasonContextPositions
	}
	if !c.Ledger.Profile.allows(p) {
		return ReasonProfilePlan
	}
	if r := c.Ledger.Recipe.Recompute; r.Mode != RecomputeNone && c.Ledger.Profile.NoRecompute {
		return ReasonProfileRecipe
	}
	if !c.Ledger.Profile.recomputes(c.Ledger.Recipe.Recompute) {
		return ReasonProfileRecompute
	}
	r, profile := &c.Ledger.Recipe, c.Ledger.Profile
	switch {
	case r.Offload&^profile.Offloads != 0 || r.OptimizerInBackward && !profile.OptimizerInBackward || r.MTP > 0 && !(profile.Predicts && r.Trainable.all() && len(c.Ledger.Model.Encoder) == 0) || !r.Overlap.possible(profile, r.Compile):
		return ReasonProfileOption
	case len(m.experts) > 0 && !r.Routed.Path.possible(profile, r.Precision.Products, p):
		return ReasonRouted
	case r.Routed.Overlap && len(m.experts) > 0 && (p.EP == 1 || !overlapsExchange(p) || r.Recompute.Mode == RecomputeFull):
		return ReasonOverlap
	case r.Offload&OffloadParameters != 0 && p.ZeRO < 3:
		return ReasonOffload
	case r.OptimizerInBackward && (w.MicroBatches(p) > 1 || p.PP > 1):
		return ReasonOptimizerInBackward
	}
	return OK
}
