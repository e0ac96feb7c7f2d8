package accounting

// divisors turns a plan into the divisor of each sharding rule for a section
// with g key/value heads.
func divisors(p *Plan, g int64) (d [numShards]int64) {
	kv := min(p.TP, g)
	d[Whole], d[ByTP], d[ByKV], d[ByVocab], d[ByExpert] = 1, p.TP, kv, 1, p.EP*p.ETP
	d[Tokens], d[TokensSP], d[TokensTP], d[TokensKV], d[TokensVoc] = p.CP, p.CP, p.CP*p.TP, p.CP*kv, p.CP
	d[TokensEP], d[TokensEPIn] = p.CP*p.TP, p.CP*max(p.TP/p.ETP, 1)
	d[ByEP] = p.EP
	if p.SP {
		d[TokensSP] = p.CP * p.TP
	}
	return d
}

// vocabRows is the number of vocabulary rows a tensor-parallel rank holds, with
// the padding of frameworks that pad.
func (c *Compiled) vocabRows(p *Plan) int64 {
	rows := ceilDiv(c.Ledger.Model.Embedding.Vocab, p.TP)
	if each := c.Ledger.Profile.memory.vocabMultiple; each > 1 {
		rows = ceilDiv(rows, each) * each
	}
	return rows
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// sumTerms is the size in bytes of folded tensors at one micro-batch of b
// sequences of s tokens.
func sumTerms(terms []term, b, s, vocabRows int64, d *[numShards]int64) (int64, error) {
	var sum int64
	for i := range terms {
		t := &terms[i]
		if t.limited && !t.when.Holds(b, s, d[ByTP], d[ByEP]) {
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
		if sum, err = addChecked(sum, ceilDiv(x, d[t.shard]*t.parts)); err != nil {
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
