package accounting

// memoryRules say how a framework's memory moves through a step, beside the
// tensors it keeps for backward.
type memoryRules struct {
	// allAtOnce takes every component at its largest at the same moment: the sheet.
	allAtOnce bool
}

// A Phase is a moment of the step at which memory can peak.
type Phase uint8

// Phases.
const (
	PhaseAll       Phase = iota // everything at once, see memoryRules.allAtOnce
	PhaseLoss                   // the turn from forward to backward, in the loss
	PhaseBackward               // inside the backward of a layer
	PhaseOptimizer              // the optimizer's update
)

// String is the name in outputs.
func (p Phase) String() string { return [...]string{"all", "loss", "backward", "optimizer"}[p] }

// A Memory is what one rank holds at its worst moment, in bytes. The seven
// components sum to PeakBytes.
type Memory struct {
	Stage            int64
	Phase            Phase
	WeightsBytes     int64
	GradientsBytes   int64
	OptimizerBytes   int64
	ActivationsBytes int64 // saved for backward and the working set
	LogitsBytes      int64 // head and loss
	BuffersBytes     int64 // communication and framework buffers
	RuntimeBytes     int64 // what the allocator and the driver add
	PeakBytes        int64 // sum of the above: what the device must offer

	SavedTotalBytes    int64 // autograd's saved tensors at the end of forward, one micro-batch
	SavedPerLayerBytes int64 // of the largest kind of layer
	AllocatedBytes     int64 // torch.cuda.max_memory_allocated
	ReservedBytes      int64 // torch.cuda.max_memory_reserved
	ParametersPerRank  int64 // of the worst stage
}

// divisors turns a plan into the divisor of each sharding rule for a section
// with g key/value heads.
func divisors(p *Plan, g int64) (d [numShards]int64) {
	kv := min(p.TP, g)
	d[Whole], d[ByTP], d[ByKV], d[ByVocab], d[ByExpert] = 1, p.TP, kv, 1, p.EP*p.ETP
	d[Tokens], d[TokensSP], d[TokensTP], d[TokensKV], d[TokensVoc] = p.CP, p.CP, p.CP*p.TP, p.CP*kv, p.CP
	d[TokensEP], d[TokensEPIn] = p.CP*p.TP, p.CP*p.TP/p.ETP
	if p.SP {
		d[TokensSP] = p.CP * p.TP
	}
	return d
}

// vocabRows is the number of vocabulary rows a tensor-parallel rank holds.
func (c *Compiled) vocabRows(p *Plan) int64 {
	return ceilDiv(c.Ledger.Model.Embedding.Vocab, p.TP)
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// bytes sums the terms at one micro-batch b of s tokens.
func sumTerms(terms []term, b, s, vocabRows int64, d *[numShards]int64) (int64, error) {
	var sum int64
	for i := range terms {
		t := &terms[i]
		if !t.when.Holds(b, s) {
			continue
		}
		x := t.coef
		var err error
		for range t.b {
			if x, err = mulChecked(x, b); err != nil {
				return 0, err
			}
		}
		for range t.s {
			if x, err = mulChecked(x, s); err != nil {
				return 0, err
			}
		}
		if t.shard == TokensVoc {
			if x, err = mulChecked(x, vocabRows); err != nil {
				return 0, err
			}
		}
		if sum, err = addChecked(sum, ceilDiv(x, d[t.shard])); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// perRank sums one weight column of a section by its sharding classes: what is
// held outside and inside the routed experts.
func perRank(classes *[numWeightShards]int64, vocabRows int64, d *[numShards]int64) (dense, expert int64) {
	dense = classes[Whole] + ceilDiv(classes[ByTP], d[ByTP]) + ceilDiv(classes[ByKV], d[ByKV]) + classes[ByVocab]*vocabRows
	return dense, ceilDiv(classes[ByExpert], d[ByExpert])
}
