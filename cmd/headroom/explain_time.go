package main

import (
	"fmt"

	"headroom/accounting"
)

// printTime shows what a step takes, part by part, and the constants behind it.
func (s *state) printTime(e *accounting.Explanation) {
	x := e.Time
	if x == nil {
		return
	}
	s.heading("Time of one step, in seconds")
	t := table("part of the step", ">seconds", ">share")
	for _, p := range (&accounting.Time{}).Parts() {
		if v := x.Parts[p.Name]; v > 0 {
			t.add(words(p.Name[:len(p.Name)-len("_seconds")]), significant(v), percent(1000*v, 1000*x.StepSeconds))
		}
	}
	t.add("step", significant(x.StepSeconds), percent(1, 1))
	t.write(s.Stdout, "  ", plain)
	if e.Status == "oom" {
		fmt.Fprintf(s.Stdout, "  of a plan that does not fit: %s too much\n", inGiB(e.Memory.ShortfallBytes))
	}
	fmt.Fprintf(s.Stdout, "  four of five runs take %s to %s s\n", significant(x.Low), significant(x.High))
	fmt.Fprintf(s.Stdout, "  %s tokens a second and GPU · MFU %s · HFU %s of %s TFLOPS\n\n",
		thousands(int64(x.TokensPerSecondPerGPU)), percent(1000*x.MFU, 1000), percent(1000*x.HFU, 1000), significant(x.PeakFLOPS*1e-12))
	t = table("constant", ">value", "", "source")
	for _, c := range x.Constants {
		fitted := ""
		if c.Fitted {
			fitted = "fitted"
		}
		t.add(c.Name, significant(c.Value), fitted, c.Source)
	}
	t.write(s.Stdout, "  ", plain)
}
