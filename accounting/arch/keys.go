package arch

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"headroom/internal/suggest"
)

// Keys of published configs that change no shape, whatever the model_type:
// generation, tokenizer, training and serving settings, numerical constants.
var harmlessKeys = words(`
	model_type architectures auto_map transformers_version torch_dtype dtype name_or_path name
	use_cache torchscript gradient_checkpointing initializer_range initializer_factor initializer_cutoff_factor
	init_std init_method_std init_device init_config initializer
	quantization_config compression_config quantization pruned_heads
	return_dict use_bfloat16 use_return_dict tf_legacy_loss tie_encoder_decoder chunk_size_feed_forward
	id2label label2id num_labels finetuning_task problem_type task_specific_params tokenizer_class
	tokenizer_name prefix is_decoder is_encoder_decoder is_composition language
	max_length min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty
	temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size
	encoder_no_repeat_ngram_size bad_words_ids num_return_sequences forced_bos_token_id forced_eos_token_id
	remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens
	generation_config decoder_start_token_id token_ids stop_token_ids
	attn_implementation use_flash_attn use_flash_attention use_flash_attention_2 flash_attention attn_impl
	use_sdpa use_xformers flash_attn use_mem_eff_path fuse_norm fuse_cross_entropy
	rotary_emb_base rope_theta rope_scaling rope_parameters rope_local_base_freq rope_pct rope_base rope_type
	rotary_base original_rope rope_ratio rope_ntk rope_interleave rope_interleaved rope_traditional rope_dtype
	use_rope_scaling rotary_scaling_factor partial_rotary_factor rotary_percentage rotary_pct rotary_dim
	original_max_position_embeddings max_sequence_length max_seq_length seq_length sequence_length n_ctx
	model_max_length train_max_length max_context_length context_length default_theta
	pretraining_tp ep_size tensor_parallel_degree tensor_parallel_output sequence_parallel expert_parallel_degree
	router_aux_loss_coef router_z_loss_coef router_jitter_noise input_jitter_noise aux_loss_alpha seq_aux
	aux_loss_coef z_loss_coeff z_loss_coef output_router_logits norm_topk_prob normalize_topk_prob
	normalize_expert_weights scoring_func score_function score_func topk_method topk_group n_group num_expert_group routed_scaling_factor
	moe_jitter_eps moe_loss_weight moe_normalize_expert_weights router_dtype
	logit_scale logits_scaling embedding_multiplier residual_multiplier attention_multiplier query_pre_attn_scalar
	attn_logit_softcapping final_logit_softcapping scale_attn_weights scale_attn_by_inverse_layer_idx
	reorder_and_upcast_attn attention_softmax_in_fp32 scale_attention_softmax_in_fp32 softmax_scale
	clip_qkv attn_clip_qkv swiglu_limit layernorm_compute_dtype fp32_residual_connection residual_in_fp32
	apply_query_key_layer_scaling attn_scale logit_cap attn_temperature_tuning floor_scale attn_scale
	summary_type summary_use_proj summary_activation summary_proj_to_labels summary_first_dropout
	predict_special_tokens resid_pdrop embd_pdrop attn_pdrop emb_pdrop
	classifier_dropout problem_type vocab_file merges_file cache_implementation use_dynamic_cache
	verbose low_precision_layernorm loss_fn bos_token eos_token pad_token unk_token sep_token cls_token mask_token
	special_tokens additional_special_tokens num_image_tokens chat_template sliding_window_size use_logits_to_keep
	is_llama_config transformers.js_config use_mrope rotary context_window_size prefill_chunk_size
	sliding_window use_sliding_window max_window_layers
	full_attn_mod interpolate_factor unsloth_fixed
`)

// harmlessPattern matches whole names of further keys that change no shape.
var harmlessPattern = regexp.MustCompile(`^(` + strings.Join([]string{
	`_.*`,                          // private state of the writer: _name_or_path, _attn_implementation, …
	`.*_token_(id|ids|index)`,      // pad_token_id, image_token_index, …
	`.*_(dropout|pdrop|drop_rate)`, // rates
	`.*dropout(_.*)?`,
	`.*_(eps|epsilon)`, `eps`,
	`(rope|yarn|mscale|ntk)_.*`,
	`.*_(dtype|theta|coef|coeff|std|init|lr|loss|noise|alpha|beta|seed)`,
	`output_(attentions|hidden_states|scores|logits|past)`, `return_dict.*`,
	`use_(flash|fused|kernel|triton|apex|mem|recompute|checkpoint|dynamic|logit|cuda|quant|liger).*`,
	`fused?_.*`, `.*_fusion`, `is_causal`,
	`max_(.*_)?(length|len|tokens|seq_len|seqlen|batch_size)`, `.*_(seq_len|seq_length|seqlen)`,
	`(init|initializer|optim|train|training|dataset|data|tokenizer|generation)_.*`,
	`unsloth_.*`, `.*_version`, `.*_implementation`,
}, "|") + `)$`)

// variantWord finds words that speak of a variant of the architecture in keys
// whose value is a string: an unknown key of that sort is refused.
var variantWord = regexp.MustCompile(`(^|_)(type|types|arch|architecture|layout|pattern|norm|layernorm|position|positions|pos|mlp|ffn|layers?)(_|$)`)

// shapeWord finds words that speak of sizes in keys whose value is a fraction:
// an unknown key of that sort is refused.
var shapeWord = regexp.MustCompile(`(^|_)(dim|dims|width|depth|ratio|expansion|mult|multiplier|size|hidden|rank|layers?|heads?|experts?|norm|layernorm|affine|position|positions|pos|mlp|ffn|moe|arch|type|types|pattern)(_|$)`)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// refuseUnread refuses every key that no importer read and that may change a
// shape. A key is let through when its name is known to be harmless, or when
// its value switches nothing on: null, false, zero, or empty. So a config with
// an addition that headroom has never heard of is refused, not guessed at.
func (d *document) refuseUnread(m *Model) {
	for _, c := range d.all {
		var known []string // what an unknown key may have meant
		for r := range c.read {
			if c.obj.at[r] == nil {
				known = append(known, r)
			}
		}
		slices.Sort(known)
		for _, k := range c.obj.keys {
			v := c.obj.at[k]
			if c.read[k] || harmlessKeys[k] || harmlessPattern.MatchString(k) {
				continue
			}
			if on, ok := v.v.(bool); ok {
				if what, known, holds := m.asserts(k, on); known {
					if !holds {
						c.fail(k, "is %v, but that does not decide on %s in the code of model_type %q", on, what, m.Type)
					}
					continue
				}
			}
			if !meaningful(k, v) || m.restates(k, v) {
				continue
			}
			if len(d.errs) == maxErrors {
				d.more++ // without looking for what is near
				continue
			}
			hint := ""
			if near := suggest.Nearest(k, known, 1); len(near) > 0 {
				hint = "; did you mean " + near[0] + "?"
			}
			c.fail(k, "headroom does not know this key for model_type %q, and it may change shapes%s", m.Type, hint)
		}
	}
}

// meaningful reports whether the value of an unknown key may change a shape.
func meaningful(key string, v *value) bool {
	switch x := v.v.(type) {
	case nil:
		return false
	case bool:
		return x
	case string:
		return x != "" && variantWord.MatchString(key)
	case json.Number:
		f, err := x.Float64()
		switch {
		case err != nil:
			return true
		case f == 0:
			return false
		case strings.ContainsAny(x.String(), ".eE"):
			return shapeWord.MatchString(key)
		}
		return true
	case []*value:
		return len(x) > 0
	case *object:
		return len(x.keys) > 0
	}
	return true
}
