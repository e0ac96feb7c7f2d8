"""Count parameters as count_meta.py does, for small configs in which one key after
another of the configuration class is given another value, null, or left out. What
does not change the count is not written.

    python count_keys.py > key_counts.csv

writes one row each: model_type, key, value, total. An empty key starts a model_type
with its base config as the value; an empty value leaves the key out.
"""

import csv
import json
import random
import sys

from transformers import AutoConfig

from count_meta import ABSENT, COUSINS, VARY, count

NO_SHAPE = {
    "model_type", "transformers_version", "architectures", "id2label", "label2id", "dtype", "return_dict",
    "output_hidden_states", "output_attentions", "chunk_size_feed_forward", "problem_type", "bos_token_id",
    "eos_token_id", "pad_token_id", "initializer_range", "use_cache", "rope_parameters", "rope_scaling", "_name_or_path",
}
# Keys that decide on the mathematics of a published checkpoint although transformers
# ignores them (MPT), or that it reads otherwise than the checkpoints mean them (an
# untied head of T5, BERT's second bias of an untied head, which nothing uses).
NOT_COMPARED = {
    "mpt": {"expansion_ratio", "no_bias", "attn_config", "norm_type", "learned_pos_emb"},
    "t5": {"tie_word_embeddings", "is_gated_act"},
    "bert": {"tie_word_embeddings"},
    "roberta": {"tie_word_embeddings"},
}


def others(value):
    """Values of the same kind; not those that no model has (0 layers, 3 of 4 heads)."""
    if isinstance(value, bool):
        return [True, False]
    if isinstance(value, int):
        return [1, 2, 4, 8, 48, 96] if abs(value) < 1000 else [64]
    if value is None:
        return [1, 2, 4, 24, True, False, []]
    if isinstance(value, str):
        return ["gelu", "silu", "relu2", "xielu", "prelu", "gated-gelu"]
    if isinstance(value, list):
        return [[], [0], [1]]
    return []


def main():
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["model_type", "key", "value", "total"])
    for model_type in sorted(VARY):
        rng = random.Random("keys " + model_type)
        base = {"model_type": model_type}
        for key, choices in VARY[model_type].items():
            value = rng.choice([x for x in choices if x is not ABSENT and x is not None] or [None])
            if value is not None:
                base[key] = value
        total = count(base)
        out.writerow([model_type, "", json.dumps(base), total])
        fields = dict(base)
        fields.pop("model_type")
        known = AutoConfig.for_model(COUSINS.get(model_type, model_type), **fields).to_dict()
        for key, value in sorted(known.items()):
            if key in NO_SHAPE or key in NOT_COMPARED.get(model_type, ()):
                continue
            for other in [*others(value), None, ABSENT]:
                config = dict(base)
                if other is ABSENT:
                    config.pop(key, None)
                else:
                    config[key] = other
                try:
                    n = count(config)
                except Exception:  # what the class refuses has no count
                    continue
                if n != total:
                    out.writerow([model_type, key, "" if other is ABSENT else json.dumps(other), n])


if __name__ == "__main__":
    main()
