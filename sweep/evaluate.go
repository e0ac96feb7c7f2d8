package sweep

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"

	"headroom/accounting"
	"headroom/grids"
	"headroom/results"
)

// An axisKind is what an axis sets in a case.
type axisKind uint8

const (
	axModel axisKind = iota
	axProfile
	axRecipe
	axOptimizer
	axAttention
	axRecompute
	axLoss
	axDropout
	axTrainable
	axOffload
	axCompile
	axInBackward
	axMoE
	axMTP
	axOverlap
	axAccelerator // the last that has texts

	axContext
	axGlobalBatch
	axGlobalBatchTokens
	axMicroBatch
	axGPUs
	axTP
	axPP
	axVPP
	axCP
	axEP
	axDP
	axZeRO
	axSP
	axSchedule // a name all the same
	axReplicas
	axFirstLayers
	axLastLayers
	axNetwork
)

// numKernelAxes is how many kinds, the first ones, decide what is compiled.
const numKernelAxes = axAccelerator

var axisKinds = map[string]axisKind{
	"model": axModel, "profile": axProfile, "recipe": axRecipe, "optimizer": axOptimizer, "attention": axAttention,
	"recompute": axRecompute, "loss": axLoss, "dropout": axDropout, "accelerator": axAccelerator, "context": axContext,
	"global_batch": axGlobalBatch, "global_batch_tokens": axGlobalBatchTokens, "micro_batch": axMicroBatch, "gpus": axGPUs,
	"tp": axTP, "pp": axPP, "vpp": axVPP, "cp": axCP, "ep": axEP, "dp": axDP, "zero": axZeRO, "sp": axSP,
	"trainable": axTrainable, "offload": axOffload, "compile": axCompile, "optimizer_in_backward": axInBackward, "moe": axMoE, "mtp_num_layers": axMTP, "overlap": axOverlap,
	"schedule": axSchedule, "dp_replicate": axReplicas, "first_stage_layers": axFirstLayers, "last_stage_layers": axLastLayers,
	"network": axNetwork,
}

// An evaluator turns cases into rows, one at a time, in cursor order. Each worker
// has its own. After the first rows of a model, no row allocates.
type evaluator struct {
	*engine
	key     kernelKey
	kernels map[kernelKey]*kernel // of this worker, without the lock
	kernel  *kernel
	room    *room
	roomAt  int32 // index of the room

	accelerator, network int32 // values of these axes

	rents     map[rentKey]*rent
	lastRents []struct { // by room: what was asked for last
		gpus int64
		rent *rent
	}

	// What the axes say; 0, or −1 for zero and sp, where there is no such axis.
	context, globalBatch, globalTokens, microBatch int64
	gpus, tp, pp, vpp, cp, ep, dp, zero, sp        int64
	schedule, replicas, firstLayers, lastLayers    int64

	setting accounting.Setting
	memo    accounting.Memo // of this worker: what cases have in common
	report  accounting.Report
	row     results.Row
	chooser *chooser          // of the best rows; nil where all are written
	onCase  func(index int64) // tests make cases panic with it
	best    Best              // of the cases so far, for the progress
}

func newEvaluator(e *engine) *evaluator {
	v := &evaluator{engine: e, kernels: map[kernelKey]*kernel{}, rents: map[rentKey]*rent{}, zero: -1, sp: -1}
	v.lastRents = slices.Grow(v.lastRents, len(e.rooms))[:len(e.rooms)]
	for i := range v.key {
		v.key[i] = -1
	}
	return v
}

// next evaluates the cursor's case into v.row. A panic becomes a row of status
// internal, and the sweep goes on; failure says what happened.
func (v *evaluator) next(c *grids.Cursor) (failure *Failure) {
	defer func() {
		if r := recover(); r != nil {
			failure = &Failure{Case: c.Index(), Message: fmt.Sprint(r), Stack: string(debug.Stack())}
			v.setting, v.kernel, v.row = accounting.Setting{}, nil, results.Row{}
			v.rule(c.Index(), results.StatusInternal, "panic")
		}
	}()
	recompile := v.kernel == nil
	first := c.Changed()
	if recompile {
		first = 0 // after a panic nothing that is remembered is trusted
	}
	for k, at := range c.Point()[first:] {
		recompile = v.take(first+k, at) || recompile
	}
	if recompile {
		if err := v.choose(); err != nil {
			panic(err)
		}
	}
	if v.onCase != nil {
		v.onCase(c.Index())
	}
	if reason := v.settle(); reason != accounting.OK {
		v.report = accounting.Report{Reason: reason}
	} else {
		v.kernel.compiled.Evaluate(&v.setting, &v.report)
	}
	v.fill(c.Index())
	return nil
}

// take sets what axis k says at its value i, and reports whether that changes
// what is compiled.
func (v *evaluator) take(k int, i int32) bool {
	kind := v.kinds[k]
	if kind < numKernelAxes {
		v.key[kind] = i
		return true
	}
	switch kind {
	case axAccelerator:
		v.accelerator = i
		v.enter()
		return false
	case axNetwork:
		v.network = i
		v.enter()
		return false
	}
	n := v.values[k][i]
	switch kind {
	case axContext:
		v.context = n
	case axGlobalBatch:
		v.globalBatch = n
	case axGlobalBatchTokens:
		v.globalTokens = n
	case axMicroBatch:
		v.microBatch = n
	case axGPUs:
		v.gpus = n
	case axTP:
		v.tp = n
	case axPP:
		v.pp = n
	case axVPP:
		v.vpp = n
	case axCP:
		v.cp = n
	case axEP:
		v.ep = n
	case axDP:
		v.dp = n
	case axZeRO:
		v.zero = n
	case axSP:
		v.sp = n
	case axSchedule:
		v.schedule = n
	case axReplicas:
		v.replicas = n
	case axFirstLayers:
		v.firstLayers = n
	case axLastLayers:
		v.lastLayers = n
	}
	return false
}

// enter finds the room of the accelerator and the network.
func (v *evaluator) enter() {
	v.roomAt = v.accelerator*v.networks + v.network
	v.room = &v.rooms[v.roomAt]
}

// choose finds the compiled model of the current key, and its names for rows.
func (v *evaluator) choose() error {
	k := v.kernels[v.key]
	if k == nil {
		var err error
		if k, err = v.engine.kernel(v.key); err != nil {
			return err
		}
		if len(v.kernels) >= maxKernels {
			clear(v.kernels)
		}
		v.kernels[v.key] = k
	}
	v.kernel = k
	r := &v.row
	r.Model, r.Profile, r.Recipe = k.model, k.profile.Name, k.recipe.Precision.Name
	r.Optimizer, r.Attention = k.recipe.Optimizer.Name, k.recipe.Attention.String()
	r.Recompute, r.Loss = k.recompute, k.recipe.Loss.String()
	r.MoE, r.MTP = k.recipe.Routed.String(), narrow(k.recipe.MTP)
	r.Overlap = k.overlap
	r.Trainable, r.Offload, r.Dropout = k.trainable, k.offload, k.recipe.Dropout
	r.Compiled, r.InBackward = k.recipe.Compile, k.recipe.OptimizerInBackward
	return nil
}

// settle fills in the setting of the current case, by the rules of
// [accounting.Options.Resolve]; a test compares the two.
func (v *evaluator) settle() accounting.Reason {
	k := v.kernel
	x := &v.setting
	p := &x.Plan
	*p = accounting.Plan{TP: max(v.tp, 1), PP: max(v.pp, 1), VPP: max(v.vpp, 1), CP: max(v.cp, 1), EP: max(v.ep, 1), DP: v.dp}
	p.Schedule, p.Replicas, p.FirstLayers, p.LastLayers = accounting.Schedule(v.schedule), v.replicas, v.firstLayers, v.lastLayers
	x.GPUs, x.Context, x.MicroBatch, x.GlobalBatch = v.gpus, v.context, max(v.microBatch, 1), v.globalBatch
	x.Tokens = v.study.Tokens
	x.UsableBytes, x.Machine, x.Memo = v.room.usable, k.machines[v.roomAt], &v.memo
	if x.Context == 0 {
		x.Context = k.context
	}
	inner, err := product(p.TP, p.PP, p.CP)
	if err != nil || inner > math.MaxInt32 {
		return accounting.ReasonOverflow
	}
	switch {
	case p.DP == 0 && x.GPUs == 0:
		p.DP, x.GPUs = 1, inner
	case p.DP == 0:
		p.DP = max(x.GPUs/inner, 1)
	case x.GPUs == 0:
		x.GPUs = p.DP * inner
	}
	p.ETP = p.DefaultETP(k.profile)
	p.SP = k.profile.SP && p.TP > 1
	if v.sp >= 0 {
		p.SP = v.sp == 1
	}
	p.ZeRO = k.profile.ZeRO
	if v.zero >= 0 {
		p.ZeRO = v.zero
	}
	switch {
	case v.globalTokens > 0:
		x.GlobalBatch = v.globalTokens / x.Context
		if v.globalTokens%x.Context != 0 {
			return accounting.ReasonBatch // a fraction of a sequence
		}
	case x.GlobalBatch == 0:
		if x.GlobalBatch, err = product(x.MicroBatch, p.DP, p.PP); err != nil {
			x.GlobalBatch = math.MaxInt64
		}
	}
	if x.GPUs > math.MaxInt32 || p.DP > math.MaxInt32/inner || x.GlobalBatch > math.MaxInt32 {
		return accounting.ReasonOverflow
	}
	return k.reason()
}

func (k *kernel) reason() accounting.Reason {
	if k.err != nil {
		return accounting.ReasonOverflow
	}
	return accounting.OK
}

// fill writes the row of the current setting and report.
func (v *evaluator) fill(index int64) {
	rep := &v.report
	switch {
	case rep.RuledOut():
		v.rule(index, results.StatusRuledOut, rep.Reason.Code())
		return
	case rep.Fits():
		v.rule(index, results.StatusFits, "")
	default:
		v.rule(index, results.StatusOOM, rep.Reason.Code())
	}
	r, m, c := &v.row, &rep.Memory, &v.kernel.compiled.Counts
	r.MicroBatches = int32(rep.MicroBatches)
	r.ParametersTotal, r.ParametersActive, r.ParametersPerRank = c.Total, c.Active, m.ParametersPerRank
	r.WeightsBytes, r.GradientsBytes, r.OptimizerBytes = m.WeightsBytes, m.GradientsBytes, m.OptimizerBytes
	r.ActivationsBytes, r.LogitsBytes = m.ActivationsBytes, m.LogitsBytes
	r.BuffersBytes, r.RuntimeBytes = m.BuffersBytes, m.RuntimeBytes
	r.PeakBytes, r.UsableBytes = m.PeakBytes, v.setting.UsableBytes
	r.Stage, r.Phase = int32(m.Stage), m.Phase.String()
	r.AllocatedBytes, r.ReservedBytes, r.DeviceBytes = m.AllocatedBytes, m.ReservedBytes, m.DeviceBytes
	r.HeadroomBytes = r.UsableBytes - r.PeakBytes
	f := &rep.FLOPs
	r.ForwardFLOPs, r.ModelFLOPsStep, r.HardwareFLOPsStep, r.OptimizerFLOPsStep = f.Forward, f.Model, f.Hardware, f.Optimizer
	r.TokensPerStep = rep.TokensPerStep
	rent := v.rent()
	r.PriceUSDPerGPUHour = rent.perRank
	r.PriceProvider, r.PriceRegion, r.PriceAsOf = rent.provider, rent.region, rent.asOf
	if rep.Fits() && v.setting.Machine != nil {
		v.time(&rep.Time)
	}
}

// time writes how long the current case takes and what it costs.
func (v *evaluator) time(t *accounting.Time) {
	r, x := &v.row, &v.setting
	r.StepSeconds, r.StepLowSeconds, r.StepHighSeconds = t.StepSeconds, t.LowSeconds, t.HighSeconds
	r.TokensPerSecondPerGPU, r.MFU, r.HFU = t.TokensPerSecondPerGPU, t.MFU, t.HFU
	r.ComputeSeconds, r.AttentionSeconds, r.ElementwiseSeconds = t.ComputeSeconds, t.AttentionSeconds, t.ElementwiseSeconds
	r.RecomputeSeconds, r.LaunchSeconds = t.RecomputeSeconds, t.LaunchSeconds
	r.TPCommSeconds, r.CPCommSeconds, r.EPCommSeconds = t.TPCommSeconds, t.CPCommSeconds, t.EPCommSeconds
	r.DPCommSeconds, r.PPCommSeconds, r.BubbleSeconds = t.DPCommSeconds, t.PPCommSeconds, t.BubbleSeconds
	r.OptimizerSeconds, r.StragglerSeconds, r.OverheadSeconds = t.OptimizerSeconds, t.StragglerSeconds, t.OverheadSeconds
	if x.Tokens == 0 {
		return
	}
	// As [accounting.Rental.Cost] counts, which a test compares: whole accelerators,
	// whole instances.
	rent := v.rent()
	if rent.goodput == 0 {
		return
	}
	hours := accounting.RunHours(accounting.Steps(x.Tokens, r.TokensPerStep), t.StepSeconds, rent.goodput)
	gpus := (x.GPUs-1)/v.room.devices + 1
	r.RunDays, r.GPUHours = hours/24, hours*float64(gpus)
	r.Goodput, r.CostUSD, r.EnergyKWh = rent.goodput, hours*rent.hourly, hours*rent.power
}

// rule writes what a row says of every case, and zero for the rest.
func (v *evaluator) rule(index int64, status, reason string) {
	r, x := &v.row, &v.setting
	p := &x.Plan
	*r = results.Row{
		CaseID: index, Model: r.Model, Recipe: r.Recipe, Profile: r.Profile, Optimizer: r.Optimizer,
		Recompute: r.Recompute, Attention: r.Attention, Loss: r.Loss, MoE: r.MoE, MTP: r.MTP, Overlap: r.Overlap, Trainable: r.Trainable, Offload: r.Offload, Dropout: r.Dropout, Compiled: r.Compiled, InBackward: r.InBackward, Status: status, Reason: reason,
		ContextTokens: x.Context, MicroBatch: narrow(x.MicroBatch), GlobalBatch: narrow(x.GlobalBatch), GPUs: narrow(x.GPUs),
		TP: narrow(p.TP), PP: narrow(p.PP), VPP: narrow(p.VPP), CP: narrow(p.CP), EP: narrow(p.EP), DP: narrow(p.DP), ZeRO: narrow(p.ZeRO), SP: p.SP,
		Schedule: p.Schedule.String(), Replicas: narrow(max(p.Replicas, 1)), FirstLayers: narrow(p.FirstLayers), LastLayers: narrow(p.LastLayers),
	}
	if v.room != nil {
		r.Accelerator, r.NetworkGbits = v.room.name, v.room.network
	}
}

// narrow fits a number into a 32-bit column: 0 where it does not fit, in rows
// that are ruled out for that.
func narrow(n int64) int32 {
	if n > math.MaxInt32 {
		return 0
	}
	return int32(n)
}
