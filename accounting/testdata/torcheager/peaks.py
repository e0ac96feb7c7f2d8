#!/usr/bin/env python3
"""Finds the peak memory of a training step's forward and backward of Hugging Face models, on fake tensors.

Same needs as saved_tensors.py. The second step is taken, when AdamW's moments exist: model, moments,
forward, loss and backward are followed by torch's own MemTracker; the loss alone is held, as in the
Trainer. Autograd runs on fake CPU tensors (fake CUDA ones need a driver), with attention as on CUDA.

  peaks.py > peaks.csv
"""
import csv
import json
import os
import sys

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from transformers import AutoModelForCausalLM

import saved_tensors as st

# configuration, precision, attention, gradient checkpointing, layers, micro-batch, context, vocabulary (0 = its own); heads are untied
CASES = [
    (name, precision, attention, full, layers, batch, seq, vocab)
    for name, layers, batch, seq in [
        ("llama-13b", 4, 2, 1984), ("cerebras-gpt-111m", 10, 4, 992), ("gemma-2b", 8, 2, 992), ("qwen3-8b", 4, 2, 1984), ("qwen2-head64", 12, 4, 992),
        ("gpt-neox-20b", 3, 2, 1984), ("olmo-2-7b", 4, 2, 1984), ("bloom-1b1", 8, 2, 992), ("opt-125m", 12, 4, 992), ("gemma-2-9b", 4, 2, 992),
        ("falcon-11b", 4, 2, 1984), ("command-r7b", 4, 2, 1984), ("phi-2", 6, 2, 992), ("stablelm-3b-4e1t", 6, 2, 992), ("starcoder2-3b", 6, 2, 992),
    ]
    for precision in ("bf16", "fp32")
    for attention in ("sdpa", "eager")
    for full in (False, True)
    for vocab in (1000, 0)
    if not full or vocab
]


def peak(config, precision, attention, full, layers, batch, seq, vocab):
    # Fake tensors cannot add the two gradients of a tied table in place as real ones do.
    config = dict(config, tie_word_embeddings=False)
    if vocab:
        config.update(vocab_size=vocab, pad_token_id=None)
    hf = st.cut(config, layers)
    for k in st.rates(hf):
        setattr(hf, k, 0.0)
    real, default = F.scaled_dot_product_attention, torch.get_default_dtype()
    F.scaled_dot_product_attention = st.make_sdpa(set())
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            model = AutoModelForCausalLM.from_config(hf, attn_implementation=attention, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
            model.train()
            if full:
                model.gradient_checkpointing_enable()
            adam = torch.optim.AdamW(model.parameters(), foreach=False)
            ids = torch.zeros(batch, seq, dtype=torch.int64)
            step = lambda: model(input_ids=ids, labels=ids).loss.backward()
            step()
            adam.step()
            adam.zero_grad()
            tracker = MemTracker()
            tracker.track_external(model, adam)
            with tracker:
                step()
            found = tracker.get_tracker_snapshot("peak")
            return sum(v["Total"] for v in found.values())
    finally:
        F.scaled_dot_product_attention = real
        torch.set_default_dtype(default)


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    configs = {c["name"]: c["config"] for c in map(json.loads, open(os.path.join(here, "configs.jsonl")))}
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["config", "precision", "attention", "recompute", "layers", "batch", "seq", "vocab", "peak"])
    for case in CASES:
        name, precision, attention, full, *rest = case
        try:
            out.writerow([name, precision, attention, "full" if full else "none", *rest, peak(configs[name], precision, attention, full, *rest)])
        except ValueError as e:
            if "does not support an attention" not in str(e):
                raise
        sys.stdout.flush()
