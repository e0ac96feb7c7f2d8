package accounting

// Counts are the exact parameter counts of a model. "Active" is what one token
// runs through: routed experts times K/E, everything else whole. Model cards use
// three conventions, so each has its name.
type Counts struct {
	Total                    int64 `json:"total"`
	Active                   int64 `json:"active"` // all in
	ActiveNoEmbedding        int64 `json:"active_without_embedding"`
	ActiveNoEmbeddingNorHead int64 `json:"active_without_embedding_and_head"`
	Embedding                int64 `json:"embedding"` // token table
	Position                 int64 `json:"position"`  // learned position table
	Head                     int64 `json:"head"`      // with its bias; 0 when tied
	NonEmbedding             int64 `json:"non_embedding"`
	Trainable                int64 `json:"trainable"` // what has gradients, of the total and of prediction layers
	MTP                      int64 `json:"mtp"`       // multi-token prediction, not in the total
}

func (l *Ledger) counts() (Counts, error) {
	var n Counts
	for i := range l.Sections {
		s := &l.Sections[i]
		for j := range s.Components {
			c := &s.Components[j]
			one, active, err := s.size(c)
			if err != nil {
				return n, err
			}
			size, err := mulChecked(one, s.Count)
			if err != nil {
				return n, err
			}
			trained, err := c.Trained().Scale(s.Count).Eval(&s.Values)
			if err != nil {
				return n, err
			}
			n.Trainable += trained
			if s.Role == RolePrediction {
				continue
			}
			if n.Total, err = addChecked(n.Total, size); err != nil {
				return n, err
			}
			switch {
			case c.Name == "token_embedding":
				n.Embedding += size
			case c.Name == "position_embedding":
				n.Position += size
			case c.Name == "head" && !l.Model.Head.Tied:
				n.Head += size
			}
			n.Active += active * s.Count
		}
	}
	for _, x := range l.Model.MTP {
		n.MTP += x.Elements()
	}
	n.NonEmbedding = n.Total - n.Embedding - n.Position - n.Head
	n.ActiveNoEmbedding = n.Active
	if !l.Model.Head.Tied {
		// A tied table still is the head's matrix: only an untied one goes unused.
		n.ActiveNoEmbedding -= n.Embedding
	}
	n.ActiveNoEmbedding -= n.Position
	n.ActiveNoEmbeddingNorHead = n.Active - n.Embedding - n.Position - n.Head
	return n, nil
}

// size is the trained values of one component, and those of them that a token
// runs through.
func (s *Section) size(c *Component) (one, active int64, err error) {
	if one, err = c.Parameters().Eval(&s.Values); err != nil {
		return 0, 0, err
	}
	active = one
	for k := range c.Weights {
		if w := &c.Weights[k]; w.Shard == ByExpert {
			all, err := w.Elems().Eval(&s.Values)
			if err != nil {
				return 0, 0, err
			}
			active -= all - all/s.Values[SymE]*s.Values[SymTopK]
		}
	}
	return one, active, nil
}
