package main

import (
	"cmp"
	"fmt"
	"strings"

	"headroom/accounting/arch"
	"headroom/results/plot"
	"headroom/sweep"

	"github.com/spf13/cobra"
)

func newLimit(s *state) *cobra.Command {
	var f caseFlags
	var axis string
	var step size
	var picture pictureFlag
	cmd := &cobra.Command{
		Use:   "limit --model NAME (--capacity SIZE | --gpu NAME) [flags]",
		Short: "Find the largest micro-batch, context or depth that fits",
		Long: `limit finds the largest number along one axis whose case still fits, exactly, by
bisection on the memory of the case; and beside it fits the curve of the memory over
that axis and solves it for the capacity. Where the two disagree it says so.

80GB and 80GiB are different capacities, and the answer may differ: the output says
which was used.`,
		Example: `  headroom limit --model seed-gpt2-xl --seq 1024 --capacity 80GB
  headroom limit --model llama-3.1-8b --gpu h100-sxm --axis context --step 1024 --zero 3 --dp 8
  headroom limit --model gpt2-xl --gpu a100-40gb --axis layers --json
  headroom limit --model gpt2-xl --capacity 80GB --plot memory.svg`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.orExample(cmd, [2]string{"model", "seed-gpt2-xl"}, [2]string{"seq", "1024"}, [2]string{"capacity", "80GB"}); err != nil {
				return err
			}
			axis = strings.ReplaceAll(axis, "-", "_")
			if axis == "seq" {
				axis = sweep.LimitContext
			}
			if own := map[string]string{sweep.LimitMicroBatch: "micro-batch", sweep.LimitContext: "seq", sweep.LimitLayers: "layers"}[axis]; own != "" && cmd.Flags().Changed(own) && (own != "layers" || f.model != "") {
				return usage("leave out --"+own+", or choose another --axis", "--%s says what limit is to find along --axis %s", own, axis)
			}
			o, err := f.options(s, cmd)
			if err != nil {
				return err
			}
			q := sweep.LimitQuery{Case: o, Axis: axis, Step: int64(step), CapacityBytes: o.UsableBytes, Capacity: f.capacity.Text}
			if f.device != nil {
				q.Capacity = f.device.Slug
			}
			if q.CapacityBytes == 0 {
				return usage("write --capacity 80GB, --capacity 80GiB, or --gpu NAME", "no capacity was given")
			}
			q.Layers = func(n int64) (*arch.Model, error) {
				if len(dimensionsGiven(cmd)) > 0 {
					return f.dims.model(cmd, n)
				}
				return s.findModel(f.model, arch.Options{Layers: n})
			}
			r, err := sweep.Limit(q)
			if err != nil {
				return misuse(err, "")
			}
			r.Notes = append(f.notes, r.Notes...)
			if err := s.draw(&picture, memoryPicture(o.Model.Name, r)); err != nil {
				return err
			}
			if s.JSON {
				return s.writeJSON(r)
			}
			s.printLimit(o.Model.Name, r)
			return nil
		},
	}
	f.register(cmd)
	p := cmd.Flags()
	p.StringVar(&axis, "axis", sweep.LimitMicroBatch, "what to find: "+strings.Join(sweep.LimitAxes(), ", "))
	p.Var(&step, "step", "answer in multiples of this")
	picture.register(cmd, "the memory curve, its fit and the capacity")
	fixed(cmd, "axis", sweep.LimitAxes()...)
	return cmd
}

func memoryPicture(model string, r *sweep.LimitResult) plot.Memory {
	m := plot.Memory{Title: fmt.Sprintf("%s: largest %s %s", model, words(r.Axis), thousands(r.Largest)), Axis: words(r.Axis), CapacityBytes: r.CapacityBytes, Capacity: r.Capacity, Largest: r.Largest, LargestBytes: r.PeakBytes}
	for _, p := range r.Swept {
		m.X, m.Bytes = append(m.X, p.Value), append(m.Bytes, p.PeakBytes)
	}
	if r.Fit != nil {
		m.Coefficients, m.Subtitle = r.Fit.Coefficients, fmt.Sprintf("fitted over %d values, R² = %.6g", len(r.Fit.Points), r.Fit.R2)
		if r.Fit.Root != nil {
			m.Root = *r.Fit.Root
		}
	}
	return m
}

func (s *state) printLimit(model string, r *sweep.LimitResult) {
	w := s.Stdout
	axis := words(r.Axis)
	fmt.Fprintf(w, "%s: largest %s %s\n\n", model, axis, s.bold(thousands(r.Largest)))
	t := table("", ">", ">", ">")
	in := func(name string, n int64) {
		t.add(name, inGiB(n), fmt.Sprintf("%.2f GB", float64(n)/gb), thousands(n)+" bytes")
	}
	in("capacity, "+cmp.Or(r.Capacity, "bytes"), r.CapacityBytes)
	if r.Largest > 0 {
		in(fmt.Sprintf("peak at %s", thousands(r.Largest)), r.PeakBytes)
	}
	if r.NextPeakBytes > 0 {
		in(fmt.Sprintf("peak at %s", thousands(r.Largest+r.Step)), r.NextPeakBytes)
	}
	t.write(w, "  ", plain)
	if r.LimitedBy != "memory" {
		fmt.Fprintf(w, "  limited by %s\n", words(r.LimitedBy))
	}
	if fit := r.Fit; fit != nil {
		terms := make([]string, len(fit.Coefficients))
		for i, c := range fit.Coefficients {
			terms[i] = whole(c) + []string{"", "·x", "·x²"}[i]
		}
		fmt.Fprintf(w, "\nfitted: bytes = %s, x = %s, R² = %.6g over %d values\n", strings.Join(terms, " + "), axis, fit.R2, len(fit.Points))
		if fit.Root != nil {
			fmt.Fprintf(w, "        meets the capacity at x = %.3f", *fit.Root)
			if fit.Agrees {
				fmt.Fprint(w, ": agrees with the exact search")
			}
			fmt.Fprintln(w)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  - %s\n", n)
	}
}
