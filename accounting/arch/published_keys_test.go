package arch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys that published configs of each type carry beside those that give sizes:
// none of them may stop a count.
func TestPublishedKeys(t *testing.T) {
	f := func(modelType, more string) {
		t.Helper()
		_, err := ImportBytes("config.json", []byte(`{"model_type": "`+modelType+`", `+more+`}`), Options{})
		require.NoError(t, err)
	}
	f("openai-gpt", `"afn": "gelu", "n_ctx": 512, "n_special": 0, "predict_special_tokens": true, "summary_type": "cls_index", "summary_use_proj": true, "task_specific_params": {"text-generation": {"max_length": 50}}`)
	f("gpt2", `"n_ctx": 1024, "predict_special_tokens": true, "summary_first_dropout": 0.1, "gradient_checkpointing": false, "_num_labels": 1, "id2label": {"0": "LABEL_0"}, "reorder_and_upcast_attn": false, "scale_attn_by_inverse_layer_idx": true`)
	f("gpt_neo", `"attention_layers": ["global", "local"], "embed_dropout": 0, "resid_dropout": 0, "gradient_checkpointing": false, "summary_activation": null, "tokenizer_class": "GPT2Tokenizer", "use_cache": true`)
	f("gptj", `"rotary": true, "scale_attn_weights": true, "gradient_checkpointing": false, "n_ctx": 2048, "summary_type": "cls_index", "task_specific_params": {"text-generation": {"do_sample": true}}`)
	f("codegen", `"n_ctx": 2048, "rotary_dim": 64, "scale_attn_weights": true, "summary_type": "cls_index", "tokenizer_class": "GPT2Tokenizer"`)
	f("gpt_neox", `"classifier_dropout": 0.1, "hidden_dropout": 0.0, "num_steps": "global_step301000", "rotary_emb_base": 10000, "attention_dropout": 0.0`)
	f("opt", `"activation_dropout": 0.0, "layerdrop": 0.0, "prefix": "</s>", "init_std": 0.02, "_remove_final_layer_norm": false, "learned_embeddings": true, "scale_embeddings": false, "output_projection": true`)
	f("bloom", `"apply_residual_connection_post_layernorm": false, "attention_softmax_in_fp32": true, "bias_dropout_fusion": true, "masked_softmax_fusion": true, "offset_alibi": 100, "pretraining_tp": 4, "skip_bias_add": true, "skip_bias_add_qkv": false, "slow_but_exact": false, "seq_length": 2048, "unk_token_id": 0, "n_inner": null, "n_embed": 64`)
	f("falcon", `"apply_residual_connection_post_layernorm": false, "ff_factor": 4, "activation": "gelu", "hidden_dropout": 0.0, "rope_theta": 500042, "num_ln_in_parallel_attn": 1`)
	f("mpt", `"tokenizer_name": "EleutherAI/gpt-neox-20b", "embedding_fraction": 1, "init_config": {"name": "kaiming_normal_", "init_div_is_residual": true, "emb_init_std": null}, "init_device": "cpu", "logit_scale": null, "verbose": 0, "fc_type": "torch", "ffn_config": {"ffn_type": "mptmlp", "fc_type": "torch"}, "attn_config": {"alibi": true, "alibi_bias_max": 8, "attn_impl": "torch", "attn_pdrop": 0, "attn_uses_sequence_id": false, "clip_qkv": 6, "prefix_lm": false, "qk_ln": false, "softmax_scale": null}`)
	f("mpt", `"alibi": true, "alibi_bias_max": 8, "attn_clip_qkv": null, "attn_impl": "torch", "attn_pdrop": 0, "attn_qk_ln": false, "attn_uses_sequence_id": false, "low_precision_layernorm": true, "mlp_ratio": 4, "prefix_lm": false, "fan_mode": "fan_in", "init_gain": 0`)
	f("gpt_bigcode", `"attention_softmax_in_fp32": true, "inference_runner": 0, "max_batch_size": null, "max_sequence_length": null, "pad_key_length": true, "pre_allocate_kv_cache": false, "scale_attention_softmax_in_fp32": true, "validate_runner_input": true, "n_ctx": 8192`)
	f("starcoder2", `"embedding_dropout": 0.1, "residual_dropout": 0.1, "mlp_type": "default", "norm_type": "layer_norm", "norm_epsilon": 1e-05, "activation_function": "gelu"`)
	f("llama", `"pretraining_tp": 1, "max_sequence_length": 2048, "is_llama_config": true, "rope_interleaved": false, "transformers.js_config": {"dtype": "q4"}, "rope_scaling": {"type": "llama3"}, "sliding_window": 4096, "unsloth_version": "2024.9", "quantization": {"bits": 4}`)
	f("mixtral", `"output_router_logits": false, "router_aux_loss_coef": 0.02, "sliding_window": null, "router_jitter_noise": 0.0`)
	f("qwen2", `"max_window_layers": 28, "sliding_window": 131072, "use_sliding_window": false, "use_mrope": false`)
	f("qwen3_moe", `"use_qk_norm": true, "qkv_bias": false, "shared_expert_intermediate_size": 0, "max_window_layers": 62, "mlp_only_layers": [], "output_router_logits": false`)
	f("gemma2", `"cache_implementation": "hybrid", "sliding_window_size": 4096, "query_pre_attn_scalar": 256`)
	f("gemma3_text", `"cache_implementation": "hybrid", "rope_local_base_freq": 10000.0, "rope_scaling": {"factor": 8.0}, "use_bidirectional_attention": false`)
	f("phi", `"embd_pdrop": 0.0, "resid_pdrop": 0.1, "qk_layernorm": false, "partial_rotary_factor": 0.4`)
	f("phi3", `"full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": false, "mlp_bias": false, "attention_bias": false, "original_max_position_embeddings": 4096, "embd_pdrop": 0.0, "rope_scaling": {"short_factor": [1.0], "long_factor": [1.0]}`)
	f("phimoe", `"hidden_dropout": 0.0, "input_jitter_noise": 0.01, "router_jitter_noise": 0.01, "original_max_position_embeddings": 4096`)
	f("stablelm", `"num_heads": 32, "norm_eps": 1e-05, "rope_pct": 0.25, "rotary_scaling_factor": 1.0, "hidden_dropout": 0.0`)
	f("olmoe", `"clip_qkv": null, "norm_topk_prob": false, "output_router_logits": false, "router_aux_loss_coef": 0.01`)
	f("cohere", `"logit_scale": 0.0625, "model_max_length": 131072, "use_qk_norm": true`)
	f("cohere2", `"layer_switch": 4, "order_of_interleaved_layers": "local_attn_first", "position_embedding_type": "rope_gptj", "rotary_pct": 1.0, "use_embedding_sharing": true, "use_gated_activation": true, "use_parallel_block": true, "use_parallel_embedding": false, "use_qk_norm": false, "cache_implementation": "hybrid"`)
	f("nemotron", `"rope_percent": 0.5, "partial_rotary_factor": 0.5, "norm_eps": 1e-05`)
	f("apertus", `"mlp_bias": false, "post_norm": false, "qk_norm": true, "rope_scaling": {"factor": 8.0}`)
	f("smollm3", `"max_window_layers": 28, "no_rope_layer_interval": 4, "use_sliding_window": false, "pretraining_tp": 2`)
	f("granitemoe", `"position_embedding_type": "rope", "output_router_logits": false, "router_aux_loss_coef": 0.0, "logits_scaling": 6.0`)
	f("internlm2", `"attn_implementation": "eager", "bias": false, "rope_scaling": {"factor": 2.0, "type": "dynamic"}, "pretraining_tp": 1`)
	f("chatglm", `"add_bias_linear": false, "apply_query_key_layer_scaling": true, "attention_softmax_in_fp32": true, "bias_dropout_fusion": true, "fp32_residual_connection": false, "interleaved_qkv": false, "original_rope": true, "rope_ratio": 500, "classifier_dropout": null, "quantization_bit": 0, "pre_seq_len": null, "prefix_projection": false, "vocab_size": 65024`)
	f("deepseek_v3", `"ep_size": 1, "aux_loss_alpha": 0.001, "seq_aux": true, "scoring_func": "sigmoid", "topk_method": "noaux_tc", "n_group": 8, "auto_map": {"AutoConfig": "x"}`)
	f("llama4_text", `"attn_scale": 0.1, "attn_temperature_tuning": true, "floor_scale": 8192, "for_llm_compressor": false, "no_rope_layers": [], "router_jitter_noise": 0.0, "_attn_implementation_autoset": true`)
	f("gpt_oss", `"initial_context_length": 4096, "swiglu_limit": 7.0, "experts_per_token": 4, "router_aux_loss_coef": 0.9`)
	f("ernie4_5_moe", `"moe_capacity": [64, 64, 64], "moe_gate": "topk", "moe_gate_act": "softmax", "moe_use_aux_free": true, "moe_norm_min": 1e-12, "moe_layer_end_index": 29`)
	f("minimax_m2", `"attn_type_list": [1, 1], "mlp_intermediate_size": 8192, "shared_moe_mode": "sigmoid", "mtp_transformer_layers": 1, "num_mtp_modules": 3, "use_mtp": true, "qk_norm_type": "per_layer", "scoring_func": "sigmoid", "shared_intermediate_size": 0, "rotary_dim": 64, "layernorm_mlp_beta": 1.0`)
	f("dots1", `"n_routed_experts": 128, "num_experts_per_tok": 6, "n_shared_experts": 2, "use_sliding_window": false, "sliding_window": null, "scoring_func": "noaux_tc", "moe_layer_freq": 1`)
	f("hunyuan_v1_moe", `"head_dim": 128, "attention_head_dim": 128, "cla_share_factor": 2, "use_cla": false, "dense_list": [4096, 0], "norm_type": "rms", "pool_type": "last", "use_mixed_mlp_moe": true, "use_qk_norm": true, "mask_init_id": 12, "im_start_id": 1, "org_vocab_size": 128167, "moe_drop_tokens": false, "capacity_factor": 1.0`)
	f("bailing_moe", `"num_key_value_heads": 4, "moe_intermediate_size": 64, "norm_head": false, "norm_softmax": false, "embedding_dropout": 0.0, "output_dropout": 0.0, "first_k_dense_replace": 0`)
	f("bailing_moe_v2", `"intermediate_size": 64, "router_dtype": "fp32", "score_function": "sigmoid", "use_rmsnorm": true, "mtp_loss_scaling_factor": 0, "moe_router_enable_expert_bias": true, "moe_shared_expert_intermediate_size": 512, "rotary_dim": 64, "partial_rotary_factor": 0.5, "using_split_qkv_in_self_attention": false`)
	f("seed_oss", `"residual_dropout": 0.1, "attention_dropout": 0.1, "pretraining_tp": 1`)
	f("bert", `"gradient_checkpointing": false, "position_embedding_type": "absolute", "directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3, "pooler_size_per_head": 128, "pooler_type": "first_token_transform"`)
	f("xlm-roberta", `"output_past": true, "position_embedding_type": "absolute", "classifier_dropout": null`)
	f("t5", `"n_positions": 512, "output_past": true, "relative_attention_max_distance": 128, "dropout_rate": 0.1, "task_specific_params": {"summarization": {"num_beams": 4}}, "gradient_checkpointing": false`)
}
