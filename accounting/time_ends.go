package accounting

// head is the final norm, the head and the loss.
func (c *Compiled) head(u *unitContext, out *unitTime) {
	*out = unitTime{}
	f, b := &out.forward, &out.backward
	model := c.Ledger.Model
	d := float64(model.Embedding.Width)
	rows := float64(c.vocabRows(&u.x.Plan))
	if !model.Head.None {
		uses := float64(1 + u.r.MTP)
		u.linear(f, b, float64(uses*u.tokens), rows, d, false)
		logits := float64(uses * u.tokens * rows)
		loss := u.passes.loss
		switch p := u.profile; {
		case u.r.Loss == LossEager && p.LayerCompile:
			loss = p.passes.loss
		case u.r.Loss != LossEager || u.r.Compile:
			loss = [2]float64{2, 2}
		}
		u.stream(f, logits, loss[0])
		u.stream(b, logits, loss[1])
	}
	u.stream(f, u.local*float64(model.Hidden), 2)
	u.stream(b, u.local*float64(model.Hidden), 3)
	u.frozen(&c.sections[len(c.sections)-1], b)
	f.kernels, b.kernels = 10, 14
	f.tp = u.tpExposed() * u.m.gather(u.tp, u.bytes*u.tokens*d)
	b.tp = f.tp
	u.host(f, b)
	u.sharded(c, &c.sections[len(c.sections)-1], f, b)
}

// embedding is the look-up of the token table.
func (c *Compiled) embedding(u *unitContext, out *unitTime) {
	*out = unitTime{}
	f, b := &out.forward, &out.backward
	d := float64(c.Ledger.Model.Hidden)
	u.stream(f, u.tokens*d, 2)
	u.stream(b, u.tokens*d, 4) // sorted or atomic additions
	f.kernels, b.kernels = 4, 6
	u.host(f, b)
	u.sharded(c, &c.sections[c.first[0]], f, b)
}
