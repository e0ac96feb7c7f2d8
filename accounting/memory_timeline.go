package accounting

// note records a moment for a timeline.
func (st *stage) note(moment *Memory) {
	if st.trace != nil {
		*st.trace = append(*st.trace, *moment)
	}
}

// Timeline is what the fullest stage of a case holds at each moment that can be
// its peak, in the order of the step; the plan must have passed [Compiled.Check].
// Of the layers' backward it has the first and the last few.
func (c *Compiled) Timeline(x *Setting) ([]Memory, error) {
	var worst Memory
	if err := c.memory(x, &worst); err != nil {
		return nil, err
	}
	var moments []Memory
	st := c.stage(x)
	st.trace = &moments
	var err error
	if st.costs, err = c.price(&st, nil); err != nil {
		return nil, err
	}
	var m Memory
	if err := c.stageMemory(st, worst.Stage, &m); err != nil {
		return nil, err
	}
	for i := range moments {
		if err := moments[i].finish(c, st.outside, 0); err != nil {
			return nil, err
		}
	}
	return moments, nil
}
