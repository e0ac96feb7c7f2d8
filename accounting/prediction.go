package accounting

import "headroom/accounting/arch"

// Multi-token prediction (DeepSeek-V3, section 2.2; Megatron-Core's
// --mtp-num-layers, transformer/multi_token_prediction.py): behind the last layer
// stand further ones, each of which norms the hidden state and the embedding of the next
// token, projects both to one state, and predicts one token more through the model's own
// head, with a loss of its own. They are on the last pipeline stage, and the embedding
// with them.

// predictionSection are n prediction layers, of the kind of the model's last layer.
func predictionSection(m *arch.Model, n int64) Section {
	s := layerSection(m, RolePrediction, m.Sequence[len(m.Sequence)-1], n)
	s.Name = "prediction"
	s.norm("prediction_embedding_norm", m.FinalNorm)
	s.norm("prediction_hidden_norm", m.FinalNorm)
	s.add("prediction_projection", GroupHead, Tensor{Name: "prediction_projection", Shape: []Expr{symD, symD.Scale(2)}, Shard: ByTP, Uses: tokens})
	s.norm("prediction_final_norm", m.FinalNorm)
	return s
}

// predict adds the further uses of the head by n prediction layers.
func (s *Section) predict(n int64) {
	head := s.Component("head")
	if n == 0 || head == nil {
		return
	}
	w := head.Weights[0]
	w.Name, w.Tied, w.Uses = "prediction_head", true, tokens.Scale(n)
	s.add("prediction_head", GroupHead, w)
	s.add("prediction_loss", GroupLoss)
}

// megatronPrediction is what a prediction layer keeps beside its layer's own tensors: the
// hidden state is the input of the final norm as well, which keeps it.
func megatronPrediction(r Recipe, s *Section, keep keepFunc, half DType) {
	const source = "/multi_token_prediction.py"
	keep("prediction_embedding_norm", "input", half, TokensSP, source, symD)
	if r.Recompute.Mode != RecomputeFull {
		keep("prediction_projection", "input", half, TokensSP, source, symD.Scale(2))
	}
	keep("prediction_final_norm", "input", half, TokensSP, source, symD)
	for _, norm := range []string{"prediction_embedding_norm", "prediction_hidden_norm", "prediction_final_norm"} {
		keep(norm, "statistics", FP32, TokensSP, source, Int(1))
	}
}

// holdPrediction adds the prediction layers to the last stage. Their backward follows
// their forward at once: one micro-batch's tensors are alive.
func (c *Compiled) holdPrediction(st *stage, m *Memory) error {
	n := c.Ledger.Recipe.MTP
	if n == 0 {
		return nil
	}
	var size int64
	if err := c.hold(st, c.prediction, n, n, &size, m); err != nil {
		return err
	}
	var err error
	st.saved, err = addChecked(st.saved, size)
	return err
}

// prediction adds to a layer what makes it a prediction layer: the embedding of the next
// token, three norms, and the projection of embedding and state.
func (u *unitContext) prediction(m *arch.Model, f, b *passTime) {
	d := float64(m.Hidden)
	u.linear(f, b, u.tokens, d/float64(u.x.Plan.TP), 2*d, true)
	forward, backward := u.passes.norm(m.FinalNorm.Kind, 1)
	u.stream(f, u.local*d, float64(3*forward)+2)
	u.stream(b, u.local*d, float64(3*backward)+4)
	f.kernels += 8
	b.kernels += 12
}
