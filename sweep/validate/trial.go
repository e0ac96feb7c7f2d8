package validate

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"headroom/accounting"
	"headroom/hardware"
)

// A Trial is a measurement as a case to evaluate, with what had to be assumed.
type Trial struct {
	Measurement *Measurement
	Source      *Source
	Options     accounting.Options
	Network     float64 // bytes a second of one GPU's share, from the notes; 0 = the catalog's
	Assumed     []string
	StandIn     bool // the profile is not built; see [Trial.Evaluate]
	// Search says that the row lacks its micro-batch, its layout or its recompute:
	// [Trial.Evaluate] takes the fastest that fits.
	SearchMicroBatch, SearchLayout, SearchRecompute bool
	// Packed is the tokens of the samples that fill a sequence, between which
	// attention is masked; 0 = one sample. Its time alone depends on it.
	Packed int64
}

// precisions is the recipe of each profile by the row's precision. An fp8 run
// keeps the states of a bf16 one; only its matrix products differ.
func precisionRecipe(profile, precision string) (string, error) {
	format := precision
	switch precision {
	case "":
		return "", errors.New("the precision is not given")
	case "amp", "16-bit":
		format = "bf16"
	case "tf32":
		return "fp32", nil
	case "fp32", "bf16", "fp16", "fp8", "mxfp8", "nvfp4":
	default:
		return "", fmt.Errorf("the precision %s is not known", clip(precision))
	}
	narrow := format == "fp8" || format == "mxfp8" || format == "nvfp4"
	switch {
	case precision == "fp32":
		return "fp32", nil
	case precision == "fp16":
		return "fp16-mixed", nil
	case profile == "fsdp2" && narrow:
		return "fsdp-" + format, nil
	case profile == "fsdp2":
		return "fsdp-mixed", nil
	case narrow:
		return format + "-mixed", nil
	case profile == "deepspeed":
		return "bf16-mixed-grad16", nil
	case profile == "torch-eager":
		return "autocast", nil
	}
	return "bf16-mixed", nil
}

// Trial maps the measurement to a case. The error says which input is missing.
// Unknown inputs with one usual value take it and the trial says so; those
// without (micro-batch, GPUs, layout) make the row unusable.
func (m *Measurement) Trial() (*Trial, error) {
	s := m.source()
	t := &Trial{Measurement: m, Source: s}
	assume := func(format string, args ...any) { t.Assumed = append(t.Assumed, fmt.Sprintf(format, args...)) }
	var missing []string
	need := func(name string, value int64) {
		if value == 0 {
			missing = append(missing, name)
		}
	}
	if err := m.layout(s, need, assume, t); err != nil {
		return nil, err
	}
	need("seq_len", m.Context)
	need("num_gpus", t.Options.GPUs)
	if m.GPU == "" {
		missing = append(missing, "gpu_type")
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("not given: %s", strings.Join(missing, ", "))
	}
	var err error
	o := &t.Options
	var notes []string
	if o.Model, notes, err = m.model(s); err != nil {
		return nil, err
	}
	t.Assumed = append(t.Assumed, notes...)
	o.Profile = m.profile(s)
	o.ReduceBucket, o.MaxLive, o.ReduceLast, o.Overlap = s.ReduceBucket, s.MaxLive, s.ReduceLast, s.Overlap
	if o.Recipe, err = precisionRecipe(o.Profile, m.Precision); err != nil {
		return nil, err
	}
	// Where a project trains with several frameworks, its recipe is that of its own code.
	if r, ok := s.Recipe[m.Precision]; ok && (s.Profile != "" || o.Profile == "torch-eager") {
		o.Recipe = r
	}
	if o.Profile == "composer" && pure16(m) {
		o.Recipe = cmp.Or(map[string]string{"fsdp-mixed": "fsdp-pure", "fsdp-fp8": "fsdp-fp8-pure"}[o.Recipe], o.Recipe)
	}
	if t.Network = m.network(); t.Network > 0 {
		assume("the network is the one its notes name: %g Gbit/s a GPU", t.Network/hardware.BytesPerGbit)
	}
	o.Compile = s.Compile || m.compiled()
	o.Context = m.Context
	o.Optimizer = optimizer(m.Optimizer, assume)
	o.Attention = m.attention(s, assume)
	var open bool
	o.Recompute, open = m.recompute(s, assume)
	// NVIDIA's recipes keep recompute off and find room otherwise, by offloading or
	// sharding more than a row says: that theirs do not fit tells nothing.
	t.SearchRecompute = open && (t.SearchLayout || !strings.HasPrefix(o.Profile, "megatron"))
	if open && !t.SearchRecompute {
		assume(noRecompute)
	}
	if m.TFLOPSPerGPU > 0 && m.countsRecompute(s) != s.Recompute && o.Recompute != "none" {
		assume("its TFLOPS are taken to count what is recomputed, as was usual before 2022")
	}
	o.Loss = s.Loss
	m.techniques(o)
	m.stages(o, assume)
	if strings.Contains(m.Notes, `"cross-entropy-loss-fusion": true`) {
		o.Loss = "fused"
	}
	o.MoE = m.routedPath(s)
	if l := m.launch(s, o.Model.Name); l != nil {
		l.apply(m, o, assume)
	}
	if s.Predicts && !strings.Contains(m.Notes, "w/o MTP") {
		o.MTP = o.Model.Predictions()
	}
	if s.Dropout {
		o.Dropout = "0.1"
	}
	if m.ZeRO != nil {
		o.ZeRO = m.ZeRO
	} else {
		// The launch scripts of Megatron's users pass --use-distributed-optimizer, those of
		// DeepSpeed's a stage of one or three; a single GPU has nothing to cut.
		stage := int64(1)
		if o.Profile == "deepspeed" || o.Profile == "fsdp2" || o.Profile == "composer" {
			stage = 3
		} else if o.GPUs == 1 || o.Profile == "torch-eager" && !s.Sharded {
			stage = 0
		}
		o.ZeRO = &stage
		assume("no ZeRO stage is given: %d is assumed", stage)
	}
	if n := m.shardRanks(); n > 0 && n < o.DP && o.DP%n == 0 {
		o.Replicas = o.DP / n
	}
	o.SP = m.SP
	if m.SP == nil {
		// Sequence parallelism came with Megatron-Core in the course of 2022 (Korthikanti et
		// al., May) and has been the default of its recipes since; earlier code has no such thing.
		sp := o.Profile == "megatron" && o.TP > 1 && !s.Dropout && !m.until(2022) // the profiles of earlier code stay without
		o.SP = &sp
		if o.TP > 1 {
			assume("sequence parallelism is not given: %s is assumed", map[bool]string{true: "on", false: "off"}[sp])
		}
	} else if *m.SP && o.TP == 1 {
		sp := false
		o.SP = &sp
	}
	switch o.Profile {
	case "megatron":
		o.Profile = m.megatron(o.Model.Routed())
	case "fsdp2":
		o.Profile = m.fsdp()
	case "composer":
		o.Profile = m.composer()
	case "torch-eager":
		o.Profile = cmp.Or(s.Eager, o.Profile)
	}
	if pack := m.packed(); pack > 0 {
		t.Packed = pack
		assume("fine-tuning packs short samples and attention ends with each: %d tokens are assumed", pack)
	}
	return t, nil
}

// fsdp is the profile of torch's FSDP at the time of the run.
func (m *Measurement) fsdp() string {
	if m.until(2022) {
		return "fsdp-2023"
	}
	return "fsdp2"
}

// composer is the profile of Composer at the time of the run. Of llm-foundry's tables
// those of A100 in pure 16 bits are the first, of spring 2023 on torch 1.13, whose script
// asks for mixed_precision PURE; those under DEFAULT came in October on torch 2.1, and all
// of H100, which torch 1.13 does not know (scripts/train/benchmarking: the images of
// submit_benchmarks.py and sweep.sh).
func (m *Measurement) composer() string {
	if pure16(m) && !strings.HasPrefix(m.GPU, "H") {
		return "composer-2023"
	}
	return "composer"
}

// pure16 says that Composer's FSDP ran in pure 16 bits.
func pure16(m *Measurement) bool { return strings.Contains(m.Notes, "MP mode PURE") }

// composerAttention is the kernel of MPT's attention: triton, the default of
// submit_benchmarks.py, but for the sweep over 128 to 512 H100 of January 2024, which has
// FlashAttention 2 for all models except those of 13 and 30 billion parameters
// (scripts/train/benchmarking/sweep.py, and flash-attn 2.4.2 in setup.py). Its A100 are of
// the first tables, however many.
func (m *Measurement) composerAttention() string {
	if m.GPUs >= 128 && strings.HasPrefix(m.GPU, "H") && !strings.HasSuffix(m.Model, "-13b") && !strings.HasSuffix(m.Model, "-30b") {
		return "flash"
	}
	return "triton"
}

// fasterMoE is the first release of NVIDIA's containers whose routed layers are
// those of profile megatron; earlier ones are megatron-2025's.
const fasterMoE = 26.06

// megatron is the profile of Megatron-Core at the time of the run.
func (m *Measurement) megatron(routed bool) string {
	switch {
	case m.until(2024):
		return "megatron-2024"
	case routed && m.release() < fasterMoE:
		return "megatron-2025"
	}
	return "megatron"
}

// routedPath is how the run's recipe computes routed layers, where it differs from
// what Megatron-Bridge's do with most models.
func (m *Measurement) routedPath(s *Source) string {
	switch {
	case strings.Contains(m.Notes, "tokendrop"):
		return "capacity"
	case s.TokenDrop && m.EP > gpusPerNode && strings.HasPrefix(m.GPU, "H"): // DeepEP, which only Hopper had
		return "dropless"
	case s.TokenDrop:
		return "capacity"
	case m.Optimizer == "muon": // perf_recipes/kimi: without the fused grouped MLP, overlap and full graphs
		return "dropless"
	}
	return ""
}

// releaseNote finds the release of NVIDIA's container, and its patch.
var releaseNote = regexp.MustCompile(`release (\d\d\.\d\d)(\.\d\d)?`)

// release is the release of NVIDIA's container that the notes name, 26.06 for June
// 2026; 0 where they name none, as those of earlier years do.
func (m *Measurement) release() float64 {
	if match := releaseNote.FindStringSubmatch(m.Notes); match != nil {
		if r, err := strconv.ParseFloat(match[1], 64); err == nil {
			return r
		}
	}
	return 0
}

// packed is the tokens that attention sees in fine-tuning recipes that fill a
// sequence with samples of question and answer, some hundred tokens each, and mask
// attention between them: NVIDIA's, and torchtune's where compilation gives it a
// kernel for that; 0 = all.
func (m *Measurement) packed() int64 {
	nvidia := strings.HasPrefix(m.profile(m.source()), "megatron")
	if strings.HasSuffix(m.Model, " SFT") && nvidia || strings.Contains(m.Notes, "packed to") && m.compiled() {
		return packedSample
	}
	return 0
}

const packedSample = 256

// compiled says that the run used torch.compile: its notes say so (in torchtune's
// cumulative table, from that step on), or it is in a narrow format of torchao, which
// depends on it.
func (m *Measurement) compiled() bool {
	narrow := m.Precision == "fp8" || m.Precision == "mxfp8" || m.Precision == "nvfp4"
	if m.source().Profile == "composer" { // TransformerEngine's
		narrow = false
	}
	return narrow || m.step() > 0 || strings.Contains(strings.ToLower(m.Notes), "compile")
}

// The steps of torchtune's table, whose rows add one technique after the other.
var torchtuneSteps = []string{"Compile", "Chunked Cross Entropy", "Activation Checkpointing", "Fuse optimizer step", "Activation Offloading", "8-bit AdamW"}

// step is the number of the row's step of torchtune's table, from 1; 0 = none.
func (m *Measurement) step() int {
	for i, name := range torchtuneSteps {
		if strings.Contains(m.Notes, "+ "+name+" ") {
			return i + 1
		}
	}
	return 0
}

// techniques sets what a row of that table has beside recompute and optimizer.
func (m *Measurement) techniques(o *accounting.Options) {
	step := m.step()
	if step >= 2 {
		o.Loss = "chunked"
	}
	text := strings.ToLower(m.Notes + " " + m.Optimizer)
	o.OptimizerInBackward = step >= 4 || has(text, "optimizer-in-backward", "optimizer in backward", "optimizer_in_bwd", "fused optimizer step", "fuse optimizer step") && step == 0
	if has(text, "cpu-offload optimizer", "cpuoffloadoptimizer", "optimizer cpu offload", "offload optimizer", "optimizer offload") {
		o.Offload = "optimizer"
	}
	if o.Profile == "fsdp2" && o.Compile && has(text, "async tp", "async_tp", "asynchronous tensor parallel") {
		o.Overlap = "tp"
	}
	if step >= 5 {
		o.Offload = "activations"
	}
}

// firstStage finds Megatron's flag for the layers of the first stage.
var firstStage = regexp.MustCompile(`"decoder-first-pipeline-num-layers": (\d+)`)

// stages sets the layers of the first and the last stage that the notes name. Where
// they name the first alone and the rest does not divide, the last has as many.
func (m *Measurement) stages(o *accounting.Options, assume func(string, ...any)) {
	match := firstStage.FindStringSubmatch(m.Notes)
	if match == nil {
		return
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return
	}
	o.FirstLayers = n
	if layers := o.Model.Layers(); o.PP > 2 && (layers-n)%(o.PP-1) != 0 && (layers-2*n)%(o.PP-2) == 0 {
		o.LastLayers = n
		assume("the last pipeline stage is taken to have %d layers, as the first: otherwise the rest does not divide", n)
	}
}

// optimizer is the optimizer of accounting that a name stands for. Low-bit ones are
// told by their bits, whoever wrote them.
func optimizer(name string, assume func(string, ...any)) string {
	low := strings.ToLower(name)
	switch {
	case has(low, "8bit", "8-bit", "fp8") && strings.Contains(low, "adam"):
		return "adam8bit"
	case has(low, "4bit", "4-bit") && strings.Contains(low, "adam"):
		return "adam4bit"
	case strings.Contains(low, "adafactor"):
		return "adafactor"
	case strings.Contains(low, "adam") || name == "":
		return "adamw"
	}
	if o, err := accounting.ParseOptimizer(low); err == nil {
		return o.Name
	}
	assume("the optimizer %s is not known: adamw is assumed", clip(name))
	return "adamw"
}

func (m *Measurement) attention(s *Source, assume func(string, ...any)) string {
	fused := cmp.Or(s.Fused, "flash")
	if s.Profile == "composer" {
		fused = m.composerAttention()
	}
	switch m.Attention {
	case "flash":
		return fused
	case "unfused":
		return m.Attention
	}
	// The flags of Megatron's functional tests are in their notes. Tests have to repeat
	// to the bit: attention is unfused unless a flag asks for flash.
	if m.source().LastRank && !strings.Contains(m.Notes, `"attention-backend": "flash"`) {
		assume("the attention kernel is not given: unfused is assumed, which repeats to the bit")
		return "unfused"
	}
	if s.Unfused {
		assume("the attention kernel is not given: unfused is assumed, this release had no other")
		return "unfused"
	}
	if m.until(2022) {
		// FlashAttention is of May 2022 (Dao et al.); Megatron-LM took it in January 2023.
		assume("the attention kernel is not given: unfused is assumed, as all was until 2022")
		return "unfused"
	}
	assume("the attention kernel is not given: %s is assumed", fused)
	return fused
}

// recompute is the row's own, else what the framework's benchmark recipes do:
// those of NVIDIA's frameworks with flash attention turn recompute off unless
// they name it. open says that the rest may recompute what it must to fit
// ([Trial.search]).
func (m *Measurement) recompute(s *Source, assume func(string, ...any)) (mode string, open bool) {
	if s.Selective && m.Recompute != "full" {
		assume("selective recompute is assumed, as in its configurations")
		return "selective", false
	}
	switch m.Recompute {
	case "none", "selective", "full":
		return m.Recompute, false
	case "other":
		assume("recompute is of a kind that is not modelled: selective is taken")
		return "selective", false
	}
	if s.DefaultRecompute != "" && (!s.RecomputeSharded || m.GPUs > 1) {
		assume("recompute is not given: %s is assumed, the default of the code", s.DefaultRecompute)
		return s.DefaultRecompute, false
	}
	return "none", true
}

// insteadNote finds "A100 rows are on A800 hardware".
var insteadNote = regexp.MustCompile(`(\w+) rows are on (\w+) hardware`)

// accelerator is the row's, or the part that the notes say it was in truth.
func (m *Measurement) accelerator() string {
	if match := insteadNote.FindStringSubmatch(m.Notes); match != nil {
		if memory, ok := strings.CutPrefix(m.GPU, match[1]); ok {
			return match[2] + memory
		}
	}
	return m.GPU
}

// shardNote finds the ranks that InternEvo cuts optimizer states over: "zero1 group
// size 8", "zero1 group 8"; all ranks are -1.
var shardNote = regexp.MustCompile(`zero1 group (?:size )?(\d+)`)

// shardRanks is how many ranks hold one set of optimizer states together, 0 where the
// notes do not say less than all.
func (m *Measurement) shardRanks() int64 {
	match := shardNote.FindStringSubmatch(m.Notes)
	if match == nil {
		return 0
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// networkNote finds "4x100Gb RoCE", "1600 Gbps node-node" and "800 Gbps inter-node".
var networkNote = regexp.MustCompile(`(?:(\d+)x)?(\d+) ?Gb(?:ps)? (?:RoCE|IB|InfiniBand|node-node|inter-node)`)

// gpusPerNode is the usual node of eight; the notes' rate is a node's.
const gpusPerNode = 8

// network is one GPU's share of the network that the notes name, bytes a second.
func (m *Measurement) network() float64 {
	match := networkNote.FindStringSubmatch(m.Notes)
	if match == nil {
		return 0
	}
	rate, err := strconv.ParseFloat(match[2], 64)
	if err != nil {
		return 0
	}
	if times, err := strconv.ParseFloat(match[1], 64); err == nil {
		rate *= times
	}
	return rate * hardware.BytesPerGbit / gpusPerNode
}
