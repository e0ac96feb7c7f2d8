package sweep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/accounting"
)

// One file a rule in testdata/bad, and all that Load says about it.
func TestBadStudies(t *testing.T) {
	t.Chdir("testdata/bad")
	tested := map[string]bool{}
	f := func(name string, want ...string) {
		t.Helper()
		tested[name+".bad.yaml"] = true
		_, err := Load(Source{File: name + ".bad.yaml"})
		require.EqualError(t, err, strings.Join(want, "\n"))
	}
	f("accelerator_ambiguous",
		`accelerator_ambiguous.bad.yaml:3:17: grid.accelerator[0]: accelerator "rtx 6000" is ambiguous`,
		"  hint: it may be rtx-6000-ada, rtx-pro-6000-server, rtx-pro-6000-ws",
	)
	f("accelerator_is_bool",
		"accelerator_is_bool.bad.yaml:3:17: grid.accelerator[0]: is true or false; a name is wanted",
	)
	f("axis_is_mapping",
		"axis_is_mapping.bad.yaml:4:12: grid.context: is a mapping; values are wanted",
		"  hint: write values like [1, 2, 4] or a range like 1..64",
	)
	f("bad_dropout",
		`bad_dropout.bad.yaml:4:13: grid.dropout[0]: "1.5" is not a probability from 0 up to, not including, 1`,
		"  hint: write a number such as 0.1",
	)
	f("bad_keep",
		`bad_keep.bad.yaml:4:7: keep.status: unknown status "fit"`,
		"  hint: did you mean fits?",
	)
	f("bad_part_rows",
		"bad_part_rows.bad.yaml:4:18: out.part_rows: is 0; it must be from 1 to 2147483648",
	)
	f("bad_energy",
		`bad_energy.bad.yaml:4:17: energy.power: "hot" is not a number`,
		"  hint: write a number such as 0.9",
		"bad_energy.bad.yaml:4:27: energy.pue: is 0.5; it must be from 1 to 10",
	)
	f("bad_goodput",
		"bad_goodput.bad.yaml:4:10: goodput: is 90; it must be from 0.001 to 1",
	)
	f("bad_prices",
		`bad_prices.bad.yaml:4:17: prices.since: "2026-13-01" is not a day like 2026-07-30`,
		"  hint: write a day such as 2026-01-01",
		`bad_prices.bad.yaml:4:39: prices.regions[0]: unknown region "us-eest-1"`,
		"  hint: did you mean us-east-1, us-east1 or us-west1?",
	)
	f("prices_since_the_future",
		"prices_since_the_future.bad.yaml:4:17: prices.since: no price row is of 2099-01-01 or later",
		"  hint: the latest is of 2026-07-30",
	)
	f("bad_price_table",
		"bad_price_table.csv:2:11: accelerator_slug: unknown accelerator \"h10\": did you mean h100-sxm?",
		"  hint: this table is prices.file of the study",
	)
	f("unused_price_table",
		"unused_price_table.bad.yaml:4:16: prices.file: no row of it, on_demand, is for an accelerator of the study",
		"  hint: prices.pricing, providers, regions and since choose among its rows",
	)
	f("empty_price_table",
		"empty_price_table.bad.yaml:4:16: prices.file: no row of it, on_demand, is for an accelerator of the study",
		"  hint: prices.pricing, providers, regions and since choose among its rows",
	)
	f("no_price_table",
		"no_price_table.bad.yaml:4:16: prices.file: missing.csv cannot be read: no such file or directory",
		"  hint: a path in a study is relative to the study's file",
	)
	f("failures_without_rate",
		"failures_without_rate.bad.yaml:4:32: failures.checkpoint_seconds: checkpoints and restarts cost nothing without failures: give the GPU-hours between failures too, or the instance-hours between interruptions of spot instances",
		"  hint: add failures.gpu_hours_between: 419 interruptions of 16,384 H100 in 54 days, as Llama 3 405B had, are 50700",
	)
	f("goodput_and_failures",
		"goodput_and_failures.bad.yaml:4:10: goodput: is the share that failures would give; both are given",
		"  hint: remove one of them",
	)
	f("bad_plan",
		`bad_plan.bad.yaml:5:9: grid.plan: is "manual"; the one plan there is a word for is auto`,
		"  hint: write plan: auto, or the axes tp, pp, … themselves",
	)
	f("bad_pricing",
		`bad_pricing.bad.yaml:4:19: prices.pricing: unknown pricing "ondemand"`,
		"  hint: did you mean on_demand?",
	)
	f("bad_sp",
		`bad_sp.bad.yaml:4:8: grid.sp[0]: is "yes"; write true or false`,
	)
	f("bad_tokens",
		`bad_tokens.bad.yaml:4:9: tokens: size "lots": is not a number`,
		"  hint: write it like 4096, 4Mi, 70B or 1.5K",
	)
	f("batch_tokens",
		"batch_tokens.bad.yaml:5:24: grid.global_batch_tokens: 4000000 tokens are no whole number of sequences for any context",
		"  hint: 4Mi is 4194304, 4M is 4000000; global_batch counts sequences",
	)
	f("bool_size",
		`bool_size.bad.yaml:4:17: grid.micro_batch[0]: size "true": is not a number`,
		"  hint: write it like 4096, 4Mi, 70B or 1.5K",
	)
	f("both_batches",
		"both_batches.bad.yaml:5:24: grid.global_batch_tokens: is the same thing as global_batch in other units; both are given",
		"  hint: remove one of them",
	)
	f("cyclic_anchor",
		"cyclic_anchor.bad.yaml:4:12: grid.context: is a mapping; values are wanted",
		"  hint: write values like [1, 2, 4] or a range like 1..64",
	)
	f("cyclic_model",
		"cyclic_model.bad.yaml:2:14: grid.model[0]: is a list; one value is wanted",
	)
	f("cyclic_list",
		"cyclic_list.bad.yaml:4:22: grid.context[1]: is a list; one value is wanted",
	)
	f("empty",
		"empty.bad.yaml:1:1: is empty",
		"  hint: a study needs at least grid: {model: […]}",
	)
	f("empty_axis",
		"empty_axis.bad.yaml:4:12: grid.context: is an empty list",
		"  hint: give values or remove the line",
	)
	f("empty_text",
		"empty_text.bad.yaml:1:8: study: is empty",
		"  hint: give a value or remove the line",
	)
	f("family_params_small",
		"family_params_small.bad.yaml:2:37: grid.model.params[0]: is 7; parameters must be from 1M to 100T",
	)
	f("family_with_layers",
		"family_with_layers.bad.yaml:2:50: grid.model.layers: does not go with family",
		"  hint: a family is scaled by params alone",
	)
	f("family_without_params",
		"family_without_params.bad.yaml:2:10: grid.model: a family needs params",
		"  hint: add params: [1B, 3B, 8B]",
	)
	f("float_size",
		`float_size.bad.yaml:4:17: grid.micro_batch[0]: size "1.5": is 1.5, not a whole number`,
	)
	f("keep_best_of_all",
		"keep_best_of_all.bad.yaml:4:16: keep.status: contradicts keep.best",
		"  hint: remove it: the best rows are of cases that fit",
	)
	f("keep_best_too_many",
		"keep_best_too_many.bad.yaml:5:14: keep.best: 10000 rows of each of 61000 groups are too many to choose in a part of 2097152 cases",
		"  hint: keep fewer, name fewer axes in keep.per, or set out.part_rows to 1Mi at most",
	)
	f("keep_best_zero",
		"keep_best_zero.bad.yaml:4:14: keep.best: is 0; it must be from 1 to 1048576",
	)
	f("keep_by_text",
		"keep_by_text.bad.yaml:4:23: keep.by: model is a string, and only numbers rank",
		"  hint: write a column such as cost_usd, or -mfu_causal for the largest first; `headroom top --list` shows them",
	)
	f("keep_by_two",
		`keep_by_two.bad.yaml:4:23: keep.by: "cost_usd,tp" is 2 columns, and only one ranks`,
		"  hint: write a column such as cost_usd, or -mfu_causal for the largest first; `headroom top --list` shows them",
	)
	f("keep_by_unknown",
		`keep_by_unknown.bad.yaml:4:23: keep.by: unknown column "cost_us": did you mean cost_usd?`,
		"  hint: write a column such as cost_usd, or -mfu_causal for the largest first; `headroom top --list` shows them",
	)
	f("keep_per_alone",
		"keep_per_alone.bad.yaml:4:13: keep.per: says how to choose the best rows, but not how many are kept",
		"  hint: add best: 100",
		"keep_per_alone.bad.yaml:4:26: keep.by: says how to choose the best rows, but not how many are kept",
		"  hint: add best: 100",
	)
	f("keep_per_unknown",
		`keep_per_unknown.bad.yaml:4:25: keep.per[0]: "modle" is no axis of this study`,
		"  hint: did you mean model?",
		"keep_per_unknown.bad.yaml:4:39: keep.per[2]: model is given twice",
		"  hint: remove one of them",
		`keep_per_unknown.bad.yaml:4:46: keep.per[3]: "tp" is no axis of this study`,
		"  hint: the axes are model, accelerator",
	)
	f("key_in_wrong_case",
		"key_in_wrong_case.bad.yaml:1:1: Study: unknown key",
		"  hint: did you mean study?",
	)
	f("key_of_other_tool",
		"key_of_other_tool.bad.yaml:4:3: grid.seq_length: unknown key",
		"  hint: did you mean context?",
	)
	f("key_too_high",
		"key_too_high.bad.yaml:1:1: tp: unknown key",
		"  hint: tp belongs under grid:",
	)
	f("key_too_low",
		"key_too_low.bad.yaml:4:3: grid.dir: unknown key",
		"  hint: dir belongs under out:",
	)
	f("key_twice",
		"key_twice.bad.yaml:5:3: grid.context: is given twice, first on line 4",
		"  hint: remove one of them",
	)
	f("keys_differ_in_case",
		"keys_differ_in_case.bad.yaml:2:1: STUDY: differs from study on line 1 only in case",
		"  hint: remove one of them",
	)
	f("list_at_top",
		"list_at_top.bad.yaml:1:1: is a list; a study is a mapping",
		"  hint: begin with study: and grid:",
	)
	f("many_at_once",
		"many_at_once.bad.yaml:1:1: studdy: unknown key",
		"  hint: did you mean study?",
		`many_at_once.bad.yaml:3:11: grid.model[0]: unknown model "llama-3.1-9b"`,
		"  hint: did you mean llama-3.1-8b?",
		"many_at_once.bad.yaml:4:3: grid.contxt: unknown key",
		"  hint: did you mean context?",
		"many_at_once.bad.yaml:5:17: grid.micro_batch[0]: is 0; it must be from 1 to 2147483647",
		`many_at_once.bad.yaml:5:20: grid.micro_batch[1]: size "1.5": is 1.5, not a whole number`,
		"many_at_once.bad.yaml:6:16: grid.accelerator: is an empty list",
		"  hint: give values or remove the line",
		`many_at_once.bad.yaml:7:7: keep.status: unknown status "fit"`,
		"  hint: did you mean fits?",
		`many_at_once.bad.yaml:8:9: where[0]: "tpp <= 8": unknown name "tpp"`,
		"  hint: did you mean pp, tp or vpp?",
		`many_at_once.bad.yaml:8:33: where[2]: "cp >": ends too early`,
	)
	f("merge_key",
		"merge_key.bad.yaml:1:1: a: unknown key",
		"  hint: known here: study, grid, where, tokens, prices, goodput, failures, energy, keep, out",
		"merge_key.bad.yaml:3:3: grid: merge keys (<<) are not understood",
		"  hint: write the keys out",
	)
	f("model_config_wrong",
		`broken-config.json:4:24: num_hidden_layers: is the string "many"; want an integer`,
		"  hint: this config.json is grid.model[0] of the study",
	)
	f("model_dimensions",
		"model_dimensions.bad.yaml:2:11: grid.model[0]: 3 heads do not divide hidden 100; give head_dim",
	)
	f("model_dimensions_missing",
		"model_dimensions_missing.bad.yaml:2:11: grid.model[0]: hidden is missing",
		"model_dimensions_missing.bad.yaml:2:11: grid.model[0]: vocab is missing",
	)
	f("model_is_number",
		"model_is_number.bad.yaml:2:11: grid.model[0]: is a number; a model's name is wanted",
	)
	f("model_key",
		"model_key.bad.yaml:2:21: grid.model[0].hiden: unknown key",
		"  hint: did you mean hidden?",
	)
	f("model_path_missing",
		"model_path_missing.bad.yaml:2:11: grid.model[0]: nowhere/config.json cannot be read: no such file or directory",
		"  hint: a path in a study is relative to the study's file",
	)
	f("model_twice",
		"model_twice.bad.yaml:2:17: grid.model[1]: gpt2 is given twice, first on line 2",
		"  hint: remove one of them, or give it another name",
	)
	f("model_without_name",
		"model_without_name.bad.yaml:2:11: grid.model[0]: explicit dimensions need a name",
		"  hint: add name: my-model",
	)
	f("nan_size",
		`nan_size.bad.yaml:4:17: grid.micro_batch[0]: size ".nan": is not a number`,
	)
	f("negative_size",
		`negative_size.bad.yaml:4:17: grid.micro_batch[0]: size "-1": must not be negative`,
	)
	f("nested_list",
		"nested_list.bad.yaml:4:13: grid.context[0]: is a list; one value is wanted",
	)
	f("no_accelerator",
		"no_accelerator.bad.yaml:1:1: grid.accelerator: is missing",
		"  hint: add accelerator: [h100-sxm]; `headroom gpus` lists the names",
	)
	f("no_model",
		"no_model.bad.yaml:1:1: grid.model: is missing",
		"  hint: add model: [gpt2]; `headroom models` lists the names",
	)
	f("no_plan_divides",
		"no_plan_divides.bad.yaml:7:9: grid.plan: no plan is left, for every one breaks global_batch % (micro_batch * dp) == 0",
		"  hint: loosen it, or give its axes other values",
	)
	f("not_utf8",
		"not_utf8.bad.yaml:1:11: is not text: a NUL byte, or not UTF-8",
		"  hint: save the study as UTF-8 text",
	)
	f("not_yaml",
		"not_yaml.bad.yaml:1:1: not YAML: did not find expected ',' or ']'",
	)
	f("nul",
		"nul.bad.yaml:1:9: is not text: a NUL byte, or not UTF-8",
		"  hint: save the study as UTF-8 text",
	)
	f("null_axis",
		"null_axis.bad.yaml:4:11: grid.context: is empty",
		"  hint: give values or remove the line",
	)
	f("null_element",
		"null_element.bad.yaml:4:19: grid.context[1]: is empty",
		"  hint: give a value or remove the line",
	)
	f("null_value",
		"null_value.bad.yaml:1:7: study: is empty",
		"  hint: give a value or remove the line",
	)
	f("plan_without_gpus",
		"plan_without_gpus.bad.yaml:4:9: grid.plan: auto needs to know how many GPUs there are to divide",
		"  hint: add gpus: [8, 64]",
	)
	f("range_backwards",
		`range_backwards.bad.yaml:4:12: grid.context: range "64..1": runs backwards`,
		"  hint: write 1..64",
	)
	f("range_bad_step",
		`range_bad_step.bad.yaml:4:16: grid.micro_batch: range "1..64:0": the step is zero`,
	)
	f("range_too_long",
		`range_too_long.bad.yaml:4:16: grid.micro_batch: range "1..1B": has 1,000,000,000 values, and an axis may have 1,000,000`,
		"  hint: use a step, or pow2(1..1000000000)",
	)
	f("section_is_scalar",
		"section_is_scalar.bad.yaml:1:7: grid: is a number; grid is a mapping",
		"  hint: its keys are model, context, global_batch, global_batch_tokens, micro_batch, accelerator, network, gpus, plan, tp, sp, pp, vpp, cp, ep, dp, zero, dp_replicate, schedule, first_stage_layers, last_stage_layers, recompute, attention, recipe, profile, optimizer, loss, moe, mtp_num_layers, overlap, dropout, trainable, offload, compile, optimizer_in_backward",
	)
	f("size_overflow",
		`size_overflow.bad.yaml:4:13: grid.context[0]: size "99999999T": is more than 9223372036854775807 (2⁶³−1), the largest number there is here`,
	)
	f("size_too_large",
		"size_too_large.bad.yaml:4:8: grid.tp[0]: is 4294967296; it must be from 1 to 2147483647",
	)
	f("suffix_g",
		`suffix_g.bad.yaml:4:13: grid.context[0]: size "4G": unknown suffix "G": write 4B for 10⁹ or 4Gi for 2³⁰`,
	)
	f("tab",
		"tab.bad.yaml:2:1: not YAML: found character that cannot start any token",
	)
	f("tagged",
		"tagged.bad.yaml:4:13: grid.context[0]: tags such as !!int are not understood",
		"  hint: remove it",
	)
	f("text_size",
		`text_size.bad.yaml:4:17: grid.micro_batch[0]: size "many": is not a number`,
		"  hint: write it like 4096, 4Mi, 70B or 1.5K",
	)
	f("tokens_list",
		"tokens_list.bad.yaml:4:9: tokens: is a list; one value is wanted",
		"  hint: give one value",
	)
	f("too_many_cases",
		"too_many_cases.bad.yaml:1:1: grid: 100,000,000,000,000,000,000 cases, more than 2⁶³−1",
		"  hint: use fewer values or add constraints",
	)
	f("two_documents",
		"two_documents.bad.yaml:4:1: a second document begins here",
		"  hint: one study a file; remove the --- line",
	)
	f("unknown_accelerator",
		`unknown_accelerator.bad.yaml:3:17: grid.accelerator[0]: unknown accelerator "h10"`,
		"  hint: did you mean h100-sxm, h100-nvl or h100-pcie?",
	)
	f("unknown_anchor",
		"unknown_anchor.bad.yaml:4:12: not YAML: unknown anchor 'nowhere' referenced",
	)
	f("unknown_attention",
		`unknown_attention.bad.yaml:4:15: grid.attention[0]: unknown attention "flush"`,
		"  hint: did you mean flash? (known: flash, unfused, flash1, triton, flash2, flash3)",
	)
	f("unknown_axis",
		"unknown_axis.bad.yaml:4:3: grid.micro_bach: unknown key",
		"  hint: did you mean micro_batch?",
	)
	f("unknown_family",
		`unknown_family.bad.yaml:2:19: grid.model.family: unknown family "llama3"`,
		"  hint: did you mean llama-3? (known: seed-gpt2, gpt2, llama-2, llama-3, qwen2.5)",
	)
	f("unknown_key",
		"unknown_key.bad.yaml:1:1: studdy: unknown key",
		"  hint: did you mean study?",
	)
	f("unknown_loss",
		`unknown_loss.bad.yaml:4:10: grid.loss[0]: unknown loss "fussed"`,
		"  hint: did you mean fused? (known: eager, fused, chunked)",
	)
	f("unknown_model",
		`unknown_model.bad.yaml:2:11: grid.model[0]: unknown model "llama-3.1-9b"`,
		"  hint: did you mean llama-3.1-8b?",
	)
	f("unknown_optimizer",
		`unknown_optimizer.bad.yaml:4:15: grid.optimizer[0]: unknown optimizer "adamv"`,
		"  hint: did you mean adamw? (known: "+strings.Join(accounting.OptimizerNames(), ", ")+")",
	)
	f("unknown_profile",
		`unknown_profile.bad.yaml:4:13: grid.profile[0]: unknown profile "xyzzy"`,
		"  hint: known: "+strings.Join(accounting.ProfileNames(), ", "),
	)
	f("unknown_provider",
		`unknown_provider.bad.yaml:4:22: prices.providers[0]: unknown provider "awz"`,
		"  hint: did you mean aws or azure?",
	)
	f("unknown_recipe",
		`unknown_recipe.bad.yaml:4:12: grid.recipe[0]: unknown recipe "bf61-mixed"`,
		"  hint: did you mean bf16-mixed? (known: "+strings.Join(accounting.PrecisionNames(), ", ")+")",
	)
	f("unknown_recompute",
		`unknown_recompute.bad.yaml:4:15: grid.recompute[0]: unknown recompute "some"`,
		"  hint: known: none, selective, full, every",
	)
	f("unknown_suffix",
		`unknown_suffix.bad.yaml:4:13: grid.context[0]: size "4Gx": unknown suffix "Gx" (K M B T are decimal, Ki Mi Gi Ti binary)`,
	)
	f("value_twice",
		"value_twice.bad.yaml:4:19: grid.context[1]: 4096 is given twice",
		"  hint: remove one of them",
	)
	f("where_impossible",
		`where_impossible.bad.yaml:5:9: where[0]: "tp > 8": excludes every case`,
		"  hint: loosen it, or give its axes other values",
	)
	f("where_impossible_together",
		`where_impossible_together.bad.yaml:1:1: grid: no case is left: where "tp > 2" and "tp < 4" exclude every case together, and none of them alone`,
		"  hint: loosen one of them",
	)
	f("where_not_condition",
		`where_not_condition.bad.yaml:4:9: where[0]: "tp + pp": "tp + pp" is a whole number, not a condition`,
		"  hint: compare it with something",
	)
	f("where_single_equals",
		`where_single_equals.bad.yaml:6:8: where[0]: "tp = 2": a single = does not compare`,
		"  hint: write ==",
	)
	f("where_syntax",
		`where_syntax.bad.yaml:5:15: where[0]: "tp <=": ends too early`,
	)
	f("where_type",
		"where_type.bad.yaml:4:9: where[0]: is a number; a constraint is wanted",
		"  hint: write a condition such as tp <= 8",
	)
	f("where_unknown_name",
		`where_unknown_name.bad.yaml:5:21: where[0]: "pp == 1 || tpp <= 4": unknown name "tpp"`,
		"  hint: did you mean pp, tp or vpp?",
	)
	f("zero_size",
		"zero_size.bad.yaml:4:17: grid.micro_batch[0]: is 0; it must be from 1 to 2147483647",
	)
	f("zero_stage",
		"zero_stage.bad.yaml:4:10: grid.zero[0]: is 4; it must be from 0 to 3",
	)
	badValues(f)

	files, err := filepath.Glob("*.bad.yaml")
	require.NoError(t, err)
	for _, name := range files {
		require.True(t, tested[name], "%s has no row in this test", name)
	}
}

// What is no study at all.
func TestUnreadableStudies(t *testing.T) {
	dir := t.TempDir()
	f := func(name, want string) {
		t.Helper()
		_, err := Load(Source{File: filepath.Join(dir, name)})
		require.ErrorContains(t, err, filepath.Join(dir, name)+": "+want)
	}
	f("missing.yaml", "no such file\n  hint: check the path, or name one of the embedded studies: context-ladder, default, overnight, pick-8b-1T, seed")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o777))
	f("folder.yaml", "is a directory\n  hint: name the study's YAML file")
	// A gigabyte in one line, of which a megabyte is read.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "long.yaml"), nil, 0o666))
	require.NoError(t, os.Truncate(filepath.Join(dir, "long.yaml"), 1<<30))
	f("long.yaml", "is larger than 1024 KiB, which no study is")
}

// A megabyte of mistakes is told in good time, and not in full.
func TestManyProblems(t *testing.T) {
	f := func(text string) {
		t.Helper()
		_, err := Load(Source{File: "many.yaml", Data: []byte(text)})
		var ps Problems
		require.ErrorAs(t, err, &ps)
		require.LessOrEqual(t, len(ps), maxProblems+10)
		require.Contains(t, err.Error(), "\nand 1")
	}
	f("grid: {model: [" + strings.Repeat("gpt, ", 200_000) + "]}")
	f("grid: {accelerator: [" + strings.Repeat("h10, ", 200_000) + "]}")
	f("grid: {model: gpt2, tp: [" + strings.Repeat("0, ", 300_000) + "]}")
	var keys strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	f(keys.String())
}
