"""Count parameters with the public modelling code itself: transformers builds
each model on PyTorch's meta device (nothing is allocated) and the parameters
are added up, a tied one once, buffers left out. Only the router's correction
values, which transformers keeps as buffers although training moves them, are
counted in, as headroom does.

    python count_meta.py data > meta_counts.csv

reads every embedded config that transformers has a class for, the class's own
defaults of each model_type, and random small variations of each (a fixed seed),
and writes one row each: name, model_type, config, total.
"""

import csv
import json
import pathlib
import random
import sys

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, T5ForConditionalGeneration

transformers.logging.set_verbosity_error()

COUSINS = {"kimi_k2": "deepseek_v3"}  # model_types that are another class with other sizes
CORRECTIONS = ("e_score_correction_bias",)


def build(config):
    config = dict(config)
    model_type = config.pop("model_type")
    model_type = COUSINS.get(model_type, model_type)
    for key in ("architectures", "auto_map", "torch_dtype", "quantization_config"):
        config.pop(key, None)
    c = AutoConfig.for_model(model_type, **config)
    with torch.device("meta"):
        if model_type == "t5":
            return T5ForConditionalGeneration(c)
        if model_type in ("bert", "roberta"):
            return AutoModelForMaskedLM.from_config(c)
        return AutoModelForCausalLM.from_config(c)


def count(config):
    m = build(config)
    n = sum(p.numel() for p in m.parameters())
    return n + sum(b.numel() for name, b in m.named_buffers() if name.endswith(CORRECTIONS))


ABSENT = object()
TIE = {"tie_word_embeddings": [ABSENT, True, False]}
KV = {"num_key_value_heads": [ABSENT, None, 1, 2, 4]}
KVN = {"num_key_value_heads": [1, 2, 4]}
HEAD = {"head_dim": [ABSENT, ABSENT, 16, 24, 40]}
BIAS = {"attention_bias": [ABSENT, True, False]}
MLPB = {"mlp_bias": [ABSENT, True, False]}
BODY = {
    "vocab_size": [101, 512],
    "hidden_size": [64, 96, 192],
    "num_hidden_layers": [1, 2, 3, 5, 8, 13],
    "num_attention_heads": [4, 8],
    "intermediate_size": [72, 160],
    "pad_token_id": [0],
}
GPT = {
    "vocab_size": [101, 512],
    "n_embd": [64, 96, 192],
    "n_layer": [1, 2, 5],
    "n_head": [4, 8],
    "n_positions": [33, 128],
    "n_inner": [ABSENT, None, 72],
    "pad_token_id": [0],
}
DEEPSEEK = {
    "moe_intermediate_size": [24, 56],
    "n_routed_experts": [4, 6],
    "n_shared_experts": [1, 2, 3],
    "num_experts_per_tok": [1, 2],
    "first_k_dense_replace": [0, 1, 2],
    "n_group": [1],
    "topk_group": [1],
}
MLA = {
    "q_lora_rank": [None, 20, 36],
    "kv_lora_rank": [28, 40],
    "qk_nope_head_dim": [8, 12],
    "qk_rope_head_dim": [4, 8],
    "v_head_dim": [10, 16],
}

# What to vary beside the body, by model_type.
VARY = {
    "openai-gpt": GPT | {"n_inner": [ABSENT]} | TIE,
    "gpt2": GPT | TIE,
    "gptj": GPT | TIE | {"rotary_dim": [4, 8]},
    "codegen": GPT | TIE | {"rotary_dim": [4, 8]},
    "gpt_bigcode": GPT | TIE | {"multi_query": [ABSENT, True, False]},
    "gpt_neo": {
        "vocab_size": [101], "hidden_size": [64, 96], "num_heads": [4, 8], "num_layers": [4],
        "attention_types": [[[["global", "local"], 2]], [[["global"], 1], [["local"], 3]]], "window_size": [16],
        "max_position_embeddings": [33], "intermediate_size": [ABSENT, None, 72], "pad_token_id": [0],
    } | TIE,
    "gpt_neox": BODY | TIE | BIAS | {"use_parallel_residual": [ABSENT, True, False], "rotary_pct": [ABSENT, 0.5, 1.0]},
    "opt": {
        "vocab_size": [101], "hidden_size": [64, 96], "num_hidden_layers": [1, 3], "num_attention_heads": [4],
        "ffn_dim": [72, 160], "max_position_embeddings": [33, 128], "word_embed_proj_dim": [ABSENT, None, 32, 64],
        "do_layer_norm_before": [ABSENT, True, False], "_remove_final_layer_norm": [ABSENT, True, False],
        "enable_bias": [ABSENT, True, False], "layer_norm_elementwise_affine": [ABSENT, True, False], "pad_token_id": [0],
    } | TIE,
    "bloom": {"vocab_size": [101], "hidden_size": [64, 96], "n_layer": [1, 3], "n_head": [4, 8], "pad_token_id": [0]} | TIE,
    "falcon": {
        "vocab_size": [101], "hidden_size": [64, 96], "num_hidden_layers": [1, 3], "num_attention_heads": [4, 8],
        "num_kv_heads": [ABSENT, None, 2, 4], "new_decoder_architecture": [ABSENT, True, False],
        "multi_query": [ABSENT, True, False], "parallel_attn": [ABSENT, True, False], "bias": [ABSENT, True, False],
        "alibi": [ABSENT, True, False], "num_ln_in_parallel_attn": [ABSENT, None, 1, 2],
        "ffn_hidden_size": [ABSENT, None, 72], "pad_token_id": [0],
    } | TIE,
    "mpt": {"vocab_size": [101], "d_model": [64, 96], "n_layers": [1, 3], "n_heads": [4, 8], "max_seq_len": [33], "no_bias": [True], "pad_token_id": [0], "attn_config": [ABSENT, {"alibi": True}]} | TIE,
    "starcoder2": BODY | TIE | KVN | HEAD | {"use_bias": [ABSENT, True, False]},
    "llama": BODY | TIE | KV | HEAD | BIAS | MLPB,
    "mistral": BODY | TIE | KVN | HEAD | {"sliding_window": [ABSENT, None, 8]},
    "mixtral": BODY | TIE | KVN | HEAD | {"num_local_experts": [2, 5], "num_experts_per_tok": [1, 2]},
    "qwen2": BODY | TIE | KVN | HEAD | {"use_sliding_window": [ABSENT, True], "max_window_layers": [ABSENT, 1]},
    "qwen2_moe": BODY | TIE | KVN | HEAD | {
        "moe_intermediate_size": [24, 56], "shared_expert_intermediate_size": [40, 64], "num_experts": [4, 6],
        "num_experts_per_tok": [1, 2], "decoder_sparse_step": [ABSENT, 1, 2, 3], "mlp_only_layers": [ABSENT, None, [], [0], [0, 2]],
        "qkv_bias": [ABSENT, True, False],
    },
    "qwen3": BODY | TIE | KVN | HEAD | BIAS,
    "qwen3_moe": BODY | TIE | KVN | HEAD | BIAS | {
        "moe_intermediate_size": [24, 56], "num_experts": [4, 6], "num_experts_per_tok": [1, 2],
        "decoder_sparse_step": [ABSENT, 1, 2, 3], "mlp_only_layers": [ABSENT, None, [], [0], [0, 2]],
    },
    "gemma": BODY | TIE | KVN | HEAD | BIAS,
    "gemma2": BODY | TIE | KVN | HEAD | BIAS,
    "gemma3_text": BODY | TIE | KVN | HEAD | BIAS | {"sliding_window_pattern": [ABSENT, 2, 4]},
    "phi": BODY | TIE | KV | {"qk_layernorm": [ABSENT, True, False]},
    "phi3": BODY | TIE | KV | HEAD,
    "phimoe": BODY | TIE | KVN | HEAD | BIAS | {"lm_head_bias": [ABSENT, True, False], "num_local_experts": [2, 5], "num_experts_per_tok": [1, 2]},
    "stablelm": BODY | TIE | KVN | {"use_qkv_bias": [ABSENT, True, False], "qk_layernorm": [ABSENT, True, False], "use_parallel_residual": [ABSENT, True, False]},
    "persimmon": BODY | TIE | {"qk_layernorm": [ABSENT, True, False]},
    "olmo": BODY | TIE | KV | HEAD | BIAS,
    "olmo2": BODY | TIE | KV | HEAD | BIAS,
    "olmo3": BODY | TIE | KV | HEAD | BIAS,
    "olmoe": BODY | TIE | KV | BIAS | {"num_experts": [4, 6], "num_experts_per_tok": [1, 2]},
    "cohere": BODY | TIE | KV | HEAD | BIAS | {"use_qk_norm": [ABSENT, True, False]},
    "cohere2": BODY | TIE | KV | BIAS | {"sliding_window_pattern": [ABSENT, 2]},
    "nemotron": BODY | TIE | KVN | HEAD | BIAS | MLPB,
    "arcee": BODY | TIE | KV | HEAD | BIAS | MLPB,
    "apertus": BODY | TIE | KV | HEAD | BIAS | {"hidden_act": [ABSENT, "xielu", "silu"]},
    "smollm3": BODY | TIE | KV | HEAD | BIAS | MLPB | {"no_rope_layer_interval": [ABSENT, 2]},
    "granite": BODY | TIE | KV | HEAD | BIAS | MLPB,
    "granitemoe": BODY | TIE | KV | HEAD | BIAS | {"num_local_experts": [2, 5], "num_experts_per_tok": [1, 2]},
    "exaone4": BODY | TIE | KVN | HEAD | {"sliding_window": [ABSENT, 8], "sliding_window_pattern": [ABSENT, 2]},
    "glm": BODY | TIE | KVN | HEAD | BIAS,
    "glm4": BODY | TIE | KVN | HEAD | BIAS,
    "glm4_moe": BODY | TIE | KVN | HEAD | BIAS | DEEPSEEK | {"use_qk_norm": [ABSENT, True, False]},
    "dbrx": {
        "vocab_size": [101], "d_model": [64, 96], "n_layers": [1, 3], "n_heads": [4, 8], "pad_token_id": [0],
        "attn_config": [{"kv_n_heads": 2, "rope_theta": 10000.0}, {"kv_n_heads": 4, "clip_qkv": 8, "rope_theta": 10000.0}, {"rope_theta": 10000.0}],
        "ffn_config": [{"ffn_hidden_size": 72, "moe_num_experts": 3, "moe_top_k": 2}, {"ffn_hidden_size": 40}],
    },
    "deepseek_v2": BODY | TIE | BIAS | MLPB | DEEPSEEK | MLA,
    "deepseek_v3": BODY | TIE | BIAS | DEEPSEEK | MLA,
    "kimi_k2": BODY | TIE | BIAS | DEEPSEEK | MLA,
    "llama4_text": BODY | TIE | KVN | HEAD | BIAS | {
        "intermediate_size_mlp": [48, 88], "num_local_experts": [2, 5], "interleave_moe_layer_step": [ABSENT, 1, 2, 3],
        "moe_layers": [ABSENT, ABSENT, [0], []], "use_qk_norm": [ABSENT, True, False],
    },
    "gpt_oss": BODY | TIE | KVN | HEAD | BIAS | {"num_local_experts": [4, 6], "num_experts_per_tok": [1, 2]},
    "ernie4_5": BODY | TIE | KV | HEAD | {"use_bias": [ABSENT, True, False]},
    "ernie4_5_moe": BODY | TIE | KVN | HEAD | {
        "use_bias": [ABSENT, True, False], "moe_intermediate_size": [24, 56], "moe_num_experts": [4, 6], "moe_k": [1, 2],
        "moe_num_shared_experts": [0, 1, 2], "moe_layer_start_index": [0, 1, 2], "moe_layer_end_index": [ABSENT, -1, 2],
        "moe_layer_interval": [ABSENT, 1, 2],
    },
    "minimax_m2": BODY | TIE | KVN | HEAD | {"num_local_experts": [4, 6], "num_experts_per_tok": [1, 2]},
    "dots1": BODY | TIE | KVN | HEAD | BIAS | DEEPSEEK,
    "hunyuan_v1_moe": BODY | TIE | KVN | BIAS | {"head_dim": [16, 24, 40]} | {"num_experts": [4, 6], "moe_topk": [1, 2]},
    "seed_oss": BODY | TIE | {"num_key_value_heads": [None, 1, 2, 4]} | HEAD | BIAS | MLPB | {"attention_out_bias": [ABSENT, True, False]},
    "bert": BODY | {"type_vocab_size": [ABSENT, 1, 3], "max_position_embeddings": [33]},
    "roberta": BODY | {"type_vocab_size": [ABSENT, 1], "max_position_embeddings": [33]},
    "t5": {
        "vocab_size": [101], "d_model": [64, 96], "d_kv": [8, 24], "d_ff": [72, 160], "num_layers": [1, 3],
        "num_decoder_layers": [ABSENT, None, 2, 4], "num_heads": [4, 6], "relative_attention_num_buckets": [ABSENT, 16],
        "feed_forward_proj": [ABSENT, "relu", "gated-gelu", "gated-silu"], "pad_token_id": [0],
    },
}
# Defaults that are no model: no number of experts a token uses, 96 heads in a
# width of 4096, no head width, no rotary base.
NO_DEFAULT = {"dots1", "deepseek_v2", "glm4_moe", "nemotron", "hunyuan_v1_moe", "dbrx"}


def variations(model_type, n):
    rng = random.Random(model_type)
    for _ in range(n):
        config = {"model_type": model_type}
        for key, choices in VARY[model_type].items():
            value = rng.choice(choices)
            if value is not ABSENT:
                config[key] = value
        yield config


def main():
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["name", "model_type", "config", "total"])

    def row(name, config):
        try:
            total = count(config)
        except Exception as e:  # a class that refuses the config has no count to compare
            print(f"{name} {json.dumps(config)}: {type(e).__name__}: {str(e)[:120]}", file=sys.stderr)
            return
        out.writerow([name, config["model_type"], json.dumps(config) if name in ("default", "variation") else "", total])

    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
        config = json.loads(path.read_text())
        if config["model_type"] == "t5" and not config.get("tie_word_embeddings", True):
            continue  # transformers 5 ties every T5; the published checkpoints of v1.1 hold a head of their own
        row(path.stem, config)
    for model_type in sorted(VARY):
        if model_type not in NO_DEFAULT and model_type not in COUSINS:
            row("default", {"model_type": model_type})
        for config in variations(model_type, 16):
            row("variation", config)


if __name__ == "__main__":
    main()
