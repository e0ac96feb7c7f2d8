package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"headroom/accounting"
	"headroom/hardware"
	"headroom/sweep"
)

// explainWords are the words of the command that shows the ledger of a case; what
// explain takes to be so by itself is left out, and so is what the case leaves zero.
// The model is the name or the path that --model reads.
func explainWords(model string, c *accounting.CaseFields) []string {
	words := []string{"headroom", "explain"}
	add := func(flag string, value any) { words = append(words, "--"+flag, quoted(fmt.Sprint(value))) }
	count := func(flag string, n, silent int64) {
		if n != silent {
			add(flag, n)
		}
	}
	name := func(flag, value, silent string) {
		if value != "" && value != silent {
			add(flag, value)
		}
	}
	add("model", model)
	count("layers", c.Layers, 0)
	count("seq", c.Context, 0)
	count("micro-batch", c.MicroBatch, 1)
	count("global-batch", c.GlobalBatch, 0)
	name("gpu", c.Accelerator, "")
	count("gpus", c.GPUs, 1)
	count("tp", c.TP, 1)
	if c.TP > 1 {
		words = append(words, fmt.Sprintf("--sp=%t", c.SP))
	}
	count("pp", c.PP, 1)
	count("vpp", c.VPP, 1)
	name("schedule", c.Schedule, accounting.OneFOneB.String())
	count("decoder-first-pipeline-num-layers", c.FirstLayers, 0)
	count("decoder-last-pipeline-num-layers", c.LastLayers, 0)
	count("cp", c.CP, 1)
	count("ep", c.EP, 1)
	profile, err := accounting.ParseProfile(c.Profile)
	if err != nil {
		profile = new(accounting.Profile)
	}
	if c.ETP > 0 && c.ETP != (&accounting.Plan{TP: c.TP, CP: c.CP, EP: c.EP, DP: c.DP}).DefaultETP(profile) {
		add("etp", c.ETP)
	}
	count("dp-replicate", max(c.Replicas, 1), 1)
	add("zero", c.ZeRO)
	kind, rest, _ := strings.Cut(c.Trainable, ":")
	switch kind {
	case "lora":
		rank, targets, _ := strings.Cut(rest, ":")
		add("lora-rank", rank)
		targets, dropout := strings.CutSuffix(targets, ":dropout")
		add("lora-target-modules", listed(targets))
		if dropout {
			add("lora-dropout", 0.1) // of any rate the mask is the same
		}
	case "freeze":
		add("freeze", listed(rest))
	}
	name("offload", listed(c.Offload), accounting.Offload(0).String())
	if c.Compile {
		words = append(words, "--compile")
	}
	if c.InBackward {
		words = append(words, "--optimizer-in-backward")
	}
	name("recipe", c.Recipe, "")
	name("profile", c.Profile, "")
	name("optimizer", c.Optimizer, "")
	name("attention", c.Attention, "")
	name("recompute", c.Recompute, "")
	name("loss", c.Loss, "")
	name("moe", c.MoE, accounting.Routed{}.String())
	name("overlap", c.Overlap, accounting.Overlap(0).String())
	count("mtp-num-layers", c.MTP, 0)
	if c.Dropout > 0 {
		add("dropout", c.Dropout)
	}
	return words
}

// moneyWords are the flags that make explain price a case as a study does.
func moneyWords(t *sweep.Terms) (words []string) {
	add := func(flag, value string) {
		if value != "" {
			words = append(words, "--"+flag, quoted(value))
		}
	}
	number := func(flag string, x, silent float64) {
		if x != silent {
			add(flag, strconv.FormatFloat(x, 'g', -1, 64))
		}
	}
	seconds := func(flag string, x float64) {
		if x > 0 {
			add(flag, time.Duration(math.Round(x*1e9)).String())
		}
	}
	names := func(flag string, all []string) {
		csv := make([]string, len(all))
		for i := range all {
			csv[i] = csvWord(all[i])
		}
		add(flag, strings.Join(csv, ","))
	}
	add("tokens", strconv.FormatInt(t.Tokens, 10))
	if p := &t.Prices; p.Pricing != string(hardware.OnDemand) {
		add("pricing", p.Pricing)
	}
	names("provider", t.Prices.Providers)
	names("region", t.Prices.Regions)
	add("prices-since", string(t.Prices.Since))
	number("goodput", t.Lost.Goodput, 0)
	f := &t.Lost.Failures
	number("gpu-hours-between-failures", f.GPUHoursBetween, 0)
	number("instance-hours-between-interruptions", f.InstanceHoursBetween, 0)
	seconds("checkpoint-time", f.CheckpointSeconds)
	seconds("restart-time", f.RestartSeconds)
	seconds("checkpoint-interval", f.IntervalSeconds)
	if e := t.Energy; e != nil {
		number("power", e.Power, 0)
		number("pue", e.PUE, 0)
	}
	return words
}

// listed writes a+b as a flag of several words reads it.
func listed(names string) string { return strings.ReplaceAll(names, "+", ",") }
