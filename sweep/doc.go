// Package sweep turns studies into datasets. A [Study] is a grid of cases with
// what to keep of them; [Load] reads it, [Study.Plan] says what running it would
// do, [Run] does it. [Limit] asks the other way round: how large one number of a
// case may be.
//
// # A study
//
// A study is a YAML file (or JSON, which is YAML):
//
//	study: overnight
//	grid:                                  # axes; the last one given varies fastest
//	  model: [llama-3.1-8b, ./my/config.json]
//	  context: [4096, 8Ki]
//	  global_batch_tokens: [4Mi]           # or global_batch, in sequences
//	  micro_batch: pow2(1..8)
//	  accelerator: [h100-sxm, mi300x]      # or all
//	  gpus: [64, 128]
//	  plan: auto                           # or the axes tp, sp, pp, vpp, cp, ep, dp, zero
//	  recompute: [none, selective, full]   # also attention, recipe, profile, optimizer, loss, moe, dropout, trainable, …
//	where: ["tp <= node_gpus"]
//	tokens: 1T
//	prices: {pricing: on_demand, providers: [aws]}   # or {file: ours.csv}
//	keep: fits                             # or all; the others are counted all the same
//	out: {dir: overnight.ds, part_rows: 1Mi}
//
// [Keys] lists them all. Only model and accelerator are required; what is left out follows the defaults
// of [accounting.Options]. A model is a name, the path of a config.json (relative
// to the study's file), dimensions such as {name: mine, hidden: 1024, layers: 8,
// vocab: 32K}, or a scaled family such as {family: llama-3, params: [1B, 3B]}.
// Sizes and ranges are those of package grids. Any key can be overridden, from
// weakest to strongest by HEADROOM_ variables (HEADROOM_GRID_TP=1,2), by --set
// (tp=1,2) and by flags of its own.
//
// Constraints may use every axis, given or not, and what follows from them:
// layers, hidden, vocab, heads, kv_heads, experts, max_positions, parameters,
// active_parameters, node_gpus, usable_bytes, world, micro_batches, tokens.
//
// With plan: auto, the parallel sizes that are not given become axes of their
// own, with the values that divide what they have to divide: every tp · pp · cp
// whose product divides gpus, that the model's heads, widths, layers and the
// context allow, and that leave whole micro-batches.
//
// # Errors
//
// Everything wrong with a study is told at once, as [Problems]: each with
// file, line and column or the variable or flag it came from, the key, and what to
// do. Nothing is coerced: a fraction is no count, an unknown key or name is an
// error that names the nearest known one.
//
// # A run
//
// Workers take parts, ranges of case numbers of equal length, evaluate them in
// grid order into one reused row, and package results commits each part on its
// own. So resuming, sharding and the order of work come from one mechanism, and
// none of them changes a byte. Cases that do not fit or cannot exist are rows like
// any others; a case that panics is a row of status internal.
package sweep
