"""Count the FLOPs of one forward pass with PyTorch's own counter: transformers
builds small random models, and torch.utils.flop_counter adds up the matrix
products of a run on one sequence, attention over all of S² (eager). What it
counts beside the model's mathematics is taken out: the product of frequencies
and positions inside rotary embeddings.

    python count_flops.py > flops.csv

writes one row each: model_type, config, tokens, forward_full. Left out: DBRX, whose
experts the counter can not follow; Llama 4,
whose code runs every expert on every token, and configs whose sliding window is
shorter than the sequence, which eager attention computes whole.
"""

import csv
import json
import pathlib
import random
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, T5ForConditionalGeneration

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "arch" / "testdata"))
from count_meta import ABSENT, COUSINS, VARY  # noqa: E402

TOKENS = 16
EACH = 4


def forward(config):
    config = dict(config)
    model_type = config.pop("model_type")
    c = AutoConfig.for_model(COUSINS.get(model_type, model_type), **config)
    ids = torch.randint(1, c.vocab_size, (1, TOKENS))
    inputs = {"input_ids": ids}
    if model_type == "t5":
        m = T5ForConditionalGeneration(c)
        inputs["decoder_input_ids"] = ids
    elif model_type in ("bert", "roberta"):
        m = AutoModelForMaskedLM.from_config(c, attn_implementation="eager")
    else:
        m = AutoModelForCausalLM.from_config(c, attn_implementation="eager")
        inputs["use_cache"] = False
    m.eval()
    if hasattr(m, "set_experts_implementation"):
        m.set_experts_implementation("eager")
    with torch.no_grad(), FlopCounterMode(m, display=False, depth=None) as counter:
        m(**inputs)
    rotary = sum(sum(v.values()) for k, v in counter.get_flop_counts().items() if k.endswith("rotary_emb"))
    return counter.get_total_flops() - rotary


def main():
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["model_type", "config", "tokens", "forward_full"])
    for model_type in sorted(VARY):
        if model_type in ("llama4_text", "dbrx"):
            continue
        rng = random.Random("flops " + model_type)
        done = 0
        for _ in range(5 * EACH):
            config = {"model_type": model_type}
            for key, choices in VARY[model_type].items():
                value = rng.choice(choices)
                if value is not ABSENT:
                    config[key] = min(value, 3) if key in ("num_hidden_layers", "n_layer") else value
            if 0 < (config.get("sliding_window") or 0) < TOKENS:
                del config["sliding_window"]
            if done == EACH:
                break
            try:
                n = forward(config)
            except Exception as e:  # a config that the class builds but can not run
                print(f"{model_type} {json.dumps(config)}: {type(e).__name__}: {str(e)[:120]}", file=sys.stderr)
                continue
            out.writerow([model_type, json.dumps(config), TOKENS, n])
            done += 1


if __name__ == "__main__":
    main()
