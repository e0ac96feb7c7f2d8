package main

import (
	"errors"

	"headroom/accounting"
	"headroom/hardware"

	"github.com/spf13/cobra"
)

func newExplain(s *state) *cobra.Command {
	var f caseFlags
	var money moneyFlags
	var tensors bool
	cmd := &cobra.Command{
		Use:   "explain --model NAME [flags]",
		Short: "Show the ledger of one case: parameters, memory, FLOPs, and why",
		Long: `explain takes one case apart: what each component of the model costs in
parameters, gradients, optimizer state, kept activations and FLOPs, as algebra and
as numbers, what the worst rank needs at its worst moment, and what was assumed.

Whatever is not given has a default, which the output states. Sizes take K M B T
(decimal) and Ki Mi Gi (binary).`,
		Example: `  headroom explain --model llama-3.1-8b --seq 8192
  headroom explain --model seed-gpt2-xl --seq 1024 --capacity 80GB
  headroom explain --model ./config.json --gpu h100-sxm --gpus 64 --tp 8 --zero 1 --recompute selective
  headroom explain --model llama-3.1-8b --seq 8192 --gpu h100-sxm --gpus 64 --tokens 1T --provider aws
  headroom explain --hidden 4096 --layers 32 --heads 32 --kv-heads 8 --ffn 14336 --vocab 128256
  headroom explain --model gpt2 --json | jq .memory.peak_bytes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.orExample(cmd, [2]string{"model", "seed-gpt2-xl"}, [2]string{"seq", "1024"}, [2]string{"capacity", "80GB"}); err != nil {
				return err
			}
			c, err := f.resolve(s, cmd)
			if err != nil {
				return err
			}
			if flag := money.given(cmd); flag != "" && f.tokens == 0 {
				return usage("add --tokens 1T", "--%s is of the cost of a run, and no tokens are given", flag)
			}
			if f.device == nil && f.tokens > 0 {
				c.Notes = append(c.Notes, "no time and no cost of the tokens are told: they are an accelerator's, write --gpu NAME")
			}
			if f.device != nil {
				if c.Setting.Machine, err = accounting.NewMachine(*f.device, &c.Recipe.Precision, 0); err != nil {
					c.Notes = append(c.Notes, "no time is told: "+err.Error())
				}
			}
			e, err := c.Explain(tensors)
			if errors.Is(err, accounting.ErrOverflow) {
				return usage("", "%v: the sizes are too large", err)
			}
			if err != nil {
				return err
			}
			if f.device != nil {
				e.Case.Accelerator = f.device.Slug
			}
			if e.Time != nil && c.Setting.Tokens > 0 {
				whole, err := hardware.Lookup(f.device.Slug)
				if err != nil {
					return err
				}
				if f.network != 0 {
					whole.NICBytesPerSecond, _ = networkShare(f.network) // read above
				}
				if e.Cost, err = money.costOf(s, cmd, whole, c, e.Time); err != nil {
					return err
				}
				if e.Status == "oom" {
					e.Cost.Notes = append(e.Cost.Notes, "nobody can pay this: the plan does not fit into memory")
				}
			}
			if s.JSON {
				if e.Time != nil && e.Cost == nil {
					return s.writeJSON(uncosted{e, noCost{Why: "the tokens of the run are not given: --tokens 1T"}})
				}
				return s.writeJSON(e) // a case that cannot exist is an answer too
			}
			if e.Status == "ruled_out" {
				return usage("change the plan; headroom sweep with plan: auto tries every one that is possible", "%s", ruledOut(e))
			}
			return s.printExplanation(e, c)
		},
	}
	f.register(cmd)
	cmd.Flags().Float64Var(&f.network, "network", 0, "Gbit/s of one GPU in its node's network, in place of the catalog's")
	money.register(cmd)
	cmd.Flags().BoolVar(&tensors, "tensors", false, "list every stored tensor under its component")
	return cmd
}

// uncosted is an explanation that has a time and no cost, because nobody said how
// long the run is.
type uncosted struct {
	*accounting.Explanation
	Cost noCost `json:"cost"`
}

type noCost struct {
	GPUHours *float64 `json:"gpu_hours"`
	USD      *float64 `json:"usd"`
	Price    *float64 `json:"price"`
	Why      string   `json:"why"`
}

// ruledOut tells why a case cannot exist.
func ruledOut(e *accounting.Explanation) string {
	if n := len(e.Notes); n > 0 {
		return e.Notes[n-1]
	}
	return "this case can not exist: " + e.Reason
}
