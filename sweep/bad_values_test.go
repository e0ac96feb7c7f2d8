package sweep

import (
	"strings"

	"headroom/accounting"
)

// badValues are rows of [TestBadStudies]: values, names and expressions that look
// nearly right.
func badValues(f func(name string, want ...string)) {
	f("accelerator_empty_name",
		`accelerator_empty_name.bad.yaml:3:17: grid.accelerator[0]: unknown accelerator ""`,
		"  hint: `headroom gpus` lists the names",
	)
	f("accelerator_twice",
		"accelerator_twice.bad.yaml:3:27: grid.accelerator[1]: h100-sxm is given twice",
		"  hint: remove one of them",
	)
	f("alias_not_found_in_list", "alias_not_found_in_list.bad.yaml:4:13: not YAML: unknown anchor 'missing' referenced")
	f("axis_too_long_together",
		"axis_too_long_together.bad.yaml:4:24: grid.context[1]: makes it 1200000 values, and an axis may have 1000000",
		"  hint: use a step, or pow2(…)",
	)
	f("bad_escape", "bad_escape.bad.yaml:1:1: not YAML: found unknown escape character")
	f("bool_sp_number", `bool_sp_number.bad.yaml:4:8: grid.sp[0]: is "1"; write true or false`)
	f("byte_order_mark_utf16",
		"byte_order_mark_utf16.bad.yaml:1:1: is not text: a NUL byte, or not UTF-8",
		"  hint: save the study as UTF-8 text",
	)
	f("column_after_wide_letters",
		"column_after_wide_letters.bad.yaml:1:44: grid.größe: unknown key",
		"  hint: known here: "+strings.Join(keysOf("grid"), ", "),
	)
	f("control_character",
		"control_character.bad.yaml:1:10: is not text: the character U+0001, which YAML has no place for",
		"  hint: save the study as UTF-8 text",
	)
	f("dir_is_list",
		"dir_is_list.bad.yaml:4:12: out.dir: is a list; one value is wanted",
		"  hint: give one value",
	)
	f("dir_is_number",
		"dir_is_number.bad.yaml:4:12: out.dir: is a number; a text is wanted",
		"  hint: put it in quotes if it is meant as text",
	)
	f("dropout_nan",
		`dropout_nan.bad.yaml:4:13: grid.dropout[0]: ".nan" is not a probability from 0 up to, not including, 1`,
		"  hint: write a number such as 0.1",
	)
	f("dropout_negative",
		`dropout_negative.bad.yaml:4:13: grid.dropout[0]: "-0.1" is not a probability from 0 up to, not including, 1`,
		"  hint: write a number such as 0.1",
	)
	f("dropout_text",
		`dropout_text.bad.yaml:4:13: grid.dropout[0]: "none" is not a probability from 0 up to, not including, 1`,
		"  hint: write a number such as 0.1",
	)
	f("exponent_negative", `exponent_negative.bad.yaml:4:12: grid.context: size "1e-3": the exponent "-3" is not between 0 and 99`)
	f("exponent_too_large", `exponent_too_large.bad.yaml:4:12: grid.context: size "1e400": the exponent "400" is not between 0 and 99`)
	f("family_and_name",
		"family_and_name.bad.yaml:2:48: grid.model.name: does not go with family",
		"  hint: a family is scaled by params alone",
	)
	f("family_backwards",
		`family_backwards.bad.yaml:2:36: grid.model.params: range "8B..1B": runs backwards`,
		"  hint: write 1B..8B",
	)
	f("family_huge", "family_huge.bad.yaml:2:37: grid.model.params[0]: is 200000000000000; parameters must be from 1M to 100T")
	f("family_params_text",
		`family_params_text.bad.yaml:2:37: grid.model.params[0]: size "big": is not a number`,
		"  hint: write it like 4096, 4Mi, 70B or 1.5K",
	)
	f("family_too_many",
		"family_too_many.bad.yaml:2:36: grid.model.params: makes it 100000 models, and an axis may have 10000",
		"  hint: use a step",
	)
	f("full_width_digits",
		`full_width_digits.bad.yaml:4:13: grid.context[0]: size "４０９６": is not a number`,
		"  hint: write it like 4096, 4Mi, 70B or 1.5K",
	)
	f("grid_list",
		"grid_list.bad.yaml:1:7: grid: is a list; grid is a mapping",
		"  hint: its keys are "+strings.Join(keysOf("grid"), ", "),
	)
	f("grid_missing",
		"grid_missing.bad.yaml:1:1: grid.model: is missing",
		"  hint: add model: [gpt2]; `headroom models` lists the names",
		"grid_missing.bad.yaml:1:1: grid.accelerator: is missing",
		"  hint: add accelerator: [h100-sxm]; `headroom gpus` lists the names",
	)
	f("grid_null",
		"grid_null.bad.yaml:2:6: grid: is empty; grid is a mapping",
		"  hint: its keys are "+strings.Join(keysOf("grid"), ", "),
	)
	f("infinity", `infinity.bad.yaml:4:16: grid.micro_batch: size ".inf": is not a number`)
	f("keep_list",
		"keep_list.bad.yaml:4:7: keep: is a list; keep is a mapping",
		"  hint: its keys are status, best, per, by",
	)
	f("keep_unknown_key",
		"keep_unknown_key.bad.yaml:4:8: keep.statuss: unknown key",
		"  hint: did you mean status?",
	)
	f("key_is_list", "key_is_list.bad.yaml:1:3: a key is a list; keys are words")
	f("key_is_number",
		"key_is_number.bad.yaml:1:1: 7: unknown key",
		"  hint: known here: "+strings.Join(keysOf(""), ", "),
	)
	f("key_not_text_in_grid", "key_not_text_in_grid.bad.yaml:4:5: grid: a key is a mapping; keys are words")
	f("look_alike_key",
		"look_alike_key.bad.yaml:4:3: grid.сontext: unknown key",
		"  hint: did you mean context?",
	)
	f("look_alike_model",
		`look_alike_model.bad.yaml:2:11: grid.model[0]: unknown model "gрt2"`,
		"  hint: did you mean gpt2, gpt2-xl, gpt2-large?",
	)
	f("minus_zero", `minus_zero.bad.yaml:4:16: grid.micro_batch: size "-0": must not be negative`)
	f("model_body_unknown", `model_body_unknown.bad.yaml:2:11: grid.model[0]: body is "mamba"; want llama, gpt or seed`)
	f("model_flag_text", `model_flag_text.bad.yaml:2:62: grid.model[0].tied: is "maybe"; write true or false`)
	f("model_huge", "model_huge.bad.yaml:2:11: grid.model[0]: hidden is 9000000000000000000; more than 1073741824 is not a transformer")
	f("model_is_directory",
		"model_is_directory.bad.yaml:2:11: grid.model[0]: folder/config.json cannot be read: no such file or directory",
		"  hint: a path in a study is relative to the study's file",
	)
	f("model_key_merged",
		"model_key_merged.bad.yaml:2:21: grid.model[0]: a key is a word",
		"  hint: write the keys out",
	)
	f("model_key_twice",
		"model_key_twice.bad.yaml:2:33: grid.model[0].hidden: is given twice, first on line 2",
		"  hint: remove one of them",
	)
	f("model_list_in_list", "model_list_in_list.bad.yaml:2:11: grid.model[0]: is a list; one value is wanted")
	f("model_negative", `model_negative.bad.yaml:2:29: grid.model[0].hidden: size "-64": must not be negative`)
	f("model_null",
		"model_null.bad.yaml:2:17: grid.model[1]: is empty",
		"  hint: give a value or remove the line",
	)
	f("model_zero",
		"model_zero.bad.yaml:2:41: grid.model[0].layers: is 0",
		"  hint: leave the key out for its default",
	)
	f("name_is_number",
		"name_is_number.bad.yaml:1:8: study: is a number; a text is wanted",
		"  hint: put it in quotes if it is meant as text",
	)
	f("part_rows_huge", "part_rows_huge.bad.yaml:4:18: out.part_rows: is 1000000000000; it must be from 1 to 2147483648")
	f("part_rows_list",
		"part_rows_list.bad.yaml:4:18: out.part_rows: is a list; one value is wanted",
		"  hint: give one value",
	)
	f("plan_list",
		"plan_list.bad.yaml:5:9: grid.plan: is a list; one value is wanted",
		"  hint: give one value",
	)
	f("plan_true",
		"plan_true.bad.yaml:5:9: grid.plan: is true or false; a text is wanted",
		"  hint: put it in quotes if it is meant as text",
	)
	f("pow2_none",
		`pow2_none.bad.yaml:4:12: grid.context: range "pow2(33..63)": there is no power of two from 33 to 63`,
		"  hint: the next is 64",
	)
	f("pow2_open", `pow2_open.bad.yaml:4:12: grid.context: range "pow2(1..64": the parenthesis of pow2( is not closed`)
	f("prices_key",
		"prices_key.bad.yaml:4:10: prices.provider: unknown key",
		"  hint: did you mean providers?",
	)
	f("providers_twice",
		"providers_twice.bad.yaml:4:27: prices.providers[1]: aws is given twice",
		"  hint: remove one of them",
	)
	f("range_fraction_step", `range_fraction_step.bad.yaml:4:12: grid.context: range "1..64:0.5": step: size "0.5": is 0.5, not a whole number`)
	f("range_open", `range_open.bad.yaml:4:12: grid.context: range "1..": last value: size "": empty`)
	f("range_text",
		`range_text.bad.yaml:4:12: grid.context: range "a..z": first value: size "a": is not a number`,
		"  hint: write it like 4096, 4Mi, 70B or 1.5K",
	)
	f("range_three_dots",
		`range_three_dots.bad.yaml:4:12: grid.context: range "1...64": last value: size ".64": ".64" is not a number`,
		"  hint: write it like 4096, 4Mi, 70B or 1.5K",
	)
	f("recipe_number",
		`recipe_number.bad.yaml:4:12: grid.recipe[0]: unknown recipe "16"`,
		"  hint: known: "+strings.Join(accounting.PrecisionNames(), ", "),
	)
	f("seed_comma_number", `seed_comma_number.bad.yaml:4:12: grid.context: size "1,024": unknown suffix ",024" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("size_hex", `size_hex.bad.yaml:4:12: grid.context: size "0x1000": unknown suffix "x1000" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("size_long", `size_long.bad.yaml:4:12: grid.context: size "999999999999999999999999999999999999999999999999999999999999"…: longer than 64 characters`)
	f("size_lower_case_suffix", `size_lower_case_suffix.bad.yaml:4:12: grid.context: size "4k": unknown suffix "k", did you mean 4K? (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("size_spaces", `size_spaces.bad.yaml:4:12: grid.context: size "40 96": unknown suffix " 96" (K M B T are decimal, Ki Mi Gi Ti binary)`)
	f("study_is_null",
		"study_is_null.bad.yaml:1:1: is empty; a study is a mapping",
		"  hint: begin with study: and grid:",
	)
	f("study_is_text",
		"study_is_text.bad.yaml:1:1: is a text; a study is a mapping",
		"  hint: begin with study: and grid:",
	)
	f("tokens_negative", `tokens_negative.bad.yaml:4:9: tokens: size "-1T": must not be negative`)
	f("tokens_null",
		"tokens_null.bad.yaml:4:8: tokens: is empty",
		"  hint: give a value or remove the line",
	)
	f("tokens_zero", "tokens_zero.bad.yaml:4:9: tokens: is 0; it must be from 1 to 9223372036854775807")
	f("unclosed_quote", "unclosed_quote.bad.yaml:5:1: not YAML: found unexpected end of stream")
	f("where_and_word", `where_and_word.bad.yaml:5:28: where[0]: "tp == 1 and pp == ": ends too early`)
	f("where_assignment", `where_assignment.bad.yaml:5:14: where[0]: "let x = 2; tp == x": let cannot be used in a constraint`)
	f("where_call",
		`where_call.bad.yaml:5:10: where[0]: "system(\"rm\") == 1": unknown function "system"`,
		"  hint: there are div, min, max, abs, int, float, floor and ceil",
	)
	f("where_compares_text", `where_compares_text.bad.yaml:5:13: where[0]: "tp == \"two\"": == compares a whole number with a text`)
	f("where_deep", `where_deep.bad.yaml:5:9: where[0]: "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((…": 10007 bytes, and a constraint may have 4096; split it`)
	f("where_division_by_zero", `where_division_by_zero.bad.yaml:5:13: where[0]: "tp / 0 == 1": division by zero for tp = 1`)
	f("where_empty", `where_empty.bad.yaml:5:9: where[0]: "": empty`)
	f("where_huge_number", `where_huge_number.bad.yaml:5:19: where[0]: "tp < 1e400": a number that no 64-bit number can hold`)
	f("where_list", "where_list.bad.yaml:5:9: where[0]: is a list; one value is wanted")
	f("where_loop",
		`where_loop.bad.yaml:5:10: where[0]: "all(1..1000000000, # > 0)": unknown function "all"`,
		"  hint: there are div, min, max, abs, int, float, floor and ceil",
	)
	f("where_mapping",
		"where_mapping.bad.yaml:5:8: where: is a mapping; values are wanted",
		"  hint: write values like [1, 2, 4] or a range like 1..64",
	)
	f("where_misspelt_value",
		`where_misspelt_value.bad.yaml:5:9: where[0]: "accelerator == \"h10\"": excludes every case`,
		"  hint: loosen it, or give its axes other values",
	)
	f("where_not_number", `where_not_number.bad.yaml:5:13: where[0]: "tp < model": < compares a whole number with a text`)
	f("where_overflow", `where_overflow.bad.yaml:5:13: where[0]: "tp * 9223372036854775807 > 0": the result does not fit in 63 bits for tp = 2`)
	f("zero_fraction", `zero_fraction.bad.yaml:4:10: grid.zero[0]: size "1.5": is 1.5, not a whole number`)
}
