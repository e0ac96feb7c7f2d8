#!/usr/bin/env python3
"""Counts the bytes that autograd keeps in the forward of Hugging Face models, on fake CUDA tensors.

Needs torch 2.15.0 and transformers 5.23.0; no GPU: nothing is allocated, the models' own code runs
on shapes. Counted is every distinct storage that the graph of the loss holds for backward, parameters
and buffers left out, 16-bit copies that autocast makes of weights apart.

  saved_tensors.py --configs configs.jsonl > rows.csv      every configuration, the cases of CASES
  saved_tensors.py --config FILE.json --precision bf16 --attention sdpa --layers 2 --list
  saved_tensors.py --config FILE.json --lora 16 --targets q_proj+v_proj      adapters of peft 0.21.2, in fp32
"""
import argparse
import copy
import csv
import json
import os
import sys
import warnings
import weakref

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
import transformers
import transformers.masking_utils
import transformers.utils.import_utils
from transformers import AutoConfig, AutoModelForCausalLM

transformers.logging.set_verbosity_error()

# Let code that asks for the device see an H100 although there is no driver.
torch.cuda.amp.common.amp_definitely_not_available = lambda: False
torch.cuda.is_bf16_supported = lambda *a, **k: True
torch.cuda.get_device_capability = lambda *a, **k: (9, 0)
# Models take the branches that they take with real tensors; sequences hold one document each.
transformers.utils.import_utils.is_fake_tensor = lambda t: False
transformers.masking_utils.find_packed_sequence_indices = lambda position_ids: None

ATEN = torch.ops.aten
LOW = (torch.bfloat16, torch.float16)
# layers, micro-batch, context
CASES = [(2, 1, 992), (1, 2, 480)]


def key(t):
    return t.untyped_storage()._cdata


def make_sdpa(kernels):
    """scaled_dot_product_attention as CUDA dispatches it: flash where it can run, else memory-efficient."""

    def sdpa(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
        if torch.is_autocast_enabled("cuda"):
            dtype = torch.get_autocast_dtype("cuda")
            with torch.autocast("cuda", enabled=False):
                cast = lambda t: t.to(dtype) if t is not None and t.is_floating_point() else t
                return sdpa(cast(q), cast(k), cast(v), cast(attn_mask), dropout_p, is_causal, scale, enable_gqa)
        d = q.shape[-1]
        if attn_mask is None and q.dtype in LOW and d == v.shape[-1] and d <= 256:
            kernels.add("flash")
            if d % 8:
                q, k, v = (F.pad(t, (0, 8 - d % 8)) for t in (q, k, v))
            out = ATEN._scaled_dot_product_flash_attention(q, k, v, dropout_p, is_causal, False, scale=scale or d**-0.5)[0]
            return out[..., :d] if d % 8 else out
        if enable_gqa and k.shape[1] != q.shape[1]:
            k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
        elif k.shape[1] != q.shape[1]:
            k, v = (t.expand(-1, q.shape[1], -1, -1).contiguous() for t in (k, v))
        if attn_mask is not None:
            if attn_mask.dtype == torch.bool:
                attn_mask = torch.zeros_like(attn_mask, dtype=q.dtype).masked_fill_(attn_mask.logical_not(), float("-inf"))
            attn_mask = attn_mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
        kernels.add("efficient+mask" if attn_mask is not None else "efficient")
        return ATEN._scaled_dot_product_efficient_attention(q, k, v, attn_mask, True, dropout_p, is_causal, scale=scale)[0]

    return sdpa


class WeightCopies(TorchDispatchMode):
    """Finds the 16-bit storages that are made from parameters alone."""

    def __init__(self, parameters):
        super().__init__()
        self.derived, self.copies, self.alive = set(parameters), set(), []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        if isinstance(out, torch.Tensor) and tensors and all(key(t) in self.derived for t in tensors):
            if key(out) not in self.derived:
                self.derived.add(key(out))
                self.alive.append(out)
            if out.dtype in LOW and (torch.is_autocast_enabled("cuda") or any(t.dtype == torch.float32 for t in tensors)):
                self.copies.add(key(out))
        return out


class Held:
    def __init__(self, tensor, module):
        self.tensor, self.module = tensor, module


def cut(config, layers):
    """The configuration object with that many layers."""
    c = copy.deepcopy(config)
    kind = c.pop("model_type")
    for k in ("auto_map", "torch_dtype", "dtype", "quantization_config"):
        c.pop(k, None)
    for k in ("num_hidden_layers", "n_layer", "num_layers", "n_layers"):
        if k in c:
            c[k] = layers
    if c.get("layer_types"):
        c["layer_types"] = c["layer_types"][:layers]
    if kind == "gpt_neo":
        c.pop("attention_layers", None)
        c["attention_types"] = [[(["global", "local"] * layers)[:layers], 1]]
        c["num_layers"] = layers
    out = AutoConfig.for_model(kind, **c)
    if getattr(out, "num_hidden_layers", layers) != layers:
        out.num_hidden_layers = layers
    if getattr(out, "layer_types", None) is not None and len(out.layer_types) != layers:
        out.layer_types = out.layer_types[:layers]
    out.use_cache = False
    return out


def rates(config):
    """Every dropout rate of a configuration object."""
    return {k: v for k, v in config.to_dict().items() if "drop" in k and isinstance(v, (int, float)) and not isinstance(v, bool)}


def adapted(model, precision, rank, targets, dropout, narrow):
    """The model with peft's adapters, fp32 as peft makes them over 16-bit weights unless narrow."""
    from peft import LoraConfig, get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    BaseTunerLayer._move_adapter_to_device_of_base_layer = lambda self, name, device=None: None
    torch.set_default_dtype(torch.bfloat16 if narrow and precision == "bf16" else torch.float32)
    to = torch.nn.Module.to
    torch.nn.Module.to = lambda self, *a, **k: self  # fake parameters cannot be swapped
    try:
        with torch.device("cuda"):
            config = LoraConfig(r=rank, target_modules=targets if targets == "all-linear" else targets.split("+"), lora_dropout=dropout, task_type="CAUSAL_LM")
            model = get_peft_model(model, config, autocast_adapter_dtype=False)
    finally:
        torch.nn.Module.to = to
    model.enable_input_require_grads()  # as trainers do for gradient checkpointing
    return model


def measure(config, precision, attention, batch, seq, layers, dropout=None, lora=None):
    hf = cut(config, layers)
    if dropout is not None:
        for k in rates(hf):
            setattr(hf, k, dropout)
    kernels, held, stack = set(), [], []
    real = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = make_sdpa(kernels)
    default = torch.get_default_dtype()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            with torch.device("cuda"):
                model = AutoModelForCausalLM.from_config(hf, attn_implementation=attention, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
            if lora:
                model = adapted(model, precision, **lora)
            for m in model.modules():
                for n, b in list(m._buffers.items()):
                    if b is not None and b.device.type != "cuda":
                        m._buffers[n] = torch.empty_like(b, device="cuda")
            model.train()
            own = {key(p) for p in model.parameters()} | {key(b) for b in model.buffers()}
            names = {id(m): n for n, m in model.named_modules()}
            for m in model.modules():
                m.register_forward_pre_hook(lambda m, a: stack.append(names[id(m)]))
                m.register_forward_hook(lambda m, a, o: (stack.pop(), None)[1] if stack else None, always_call=True)

            def pack(t):
                h = Held(t, stack[-1] if stack else "")
                held.append(weakref.ref(h))
                return h

            ids = torch.zeros(batch, seq, dtype=torch.int64, device="cuda")
            copies = WeightCopies(own)
            with copies, torch.autograd.graph.saved_tensors_hooks(pack, lambda h: h.tensor), torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "autocast"):
                out = model(input_ids=ids, labels=ids)
            seen, rows = set(), []
            for r in held:
                h = r()
                if h is None or key(h.tensor) in seen or key(h.tensor) in own:
                    continue
                seen.add(key(h.tensor))
                t = h.tensor
                rows.append((h.module, list(t.shape), str(t.dtype)[6:], t.untyped_storage().nbytes(), key(t) in copies.copies))
            return {
                "saved": sum(r[3] for r in rows if not r[4]),
                "copies": sum(r[3] for r in rows if r[4]),
                "kernel": "+".join(sorted(kernels)) or "none",
                "logits": out.logits.untyped_storage().nbytes(),
                "rows": rows,
            }
    finally:
        F.scaled_dot_product_attention = real
        torch.set_default_dtype(default)


def everything(path):
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["config", "precision", "attention", "dropout", "layers", "batch", "seq", "saved", "weight_copies"])
    for line in open(path):
        c = json.loads(line)
        name, c = c["name"], c["config"]
        rate = max([0.0] + [float(v) for k, v in rates(cut(c, 1)).items() if not k.startswith(("classifier", "summary", "layerdrop"))])
        for precision in ("bf16", "fp32", "autocast"):
            for attention in ("sdpa", "eager"):
                for layers, batch, seq in CASES:
                    if getattr(cut(c, 1), "max_position_embeddings", seq) < seq:
                        seq = 480
                    for dropout in [None, 0.0][: 2 if rate and batch == 1 else 1]:
                        try:
                            m = measure(c, precision, attention, batch, seq, layers, dropout)
                        except ValueError as e:
                            if "does not support an attention" not in str(e):
                                raise
                            continue
                        out.writerow([name, precision, attention, rate if dropout is None else 0, layers, batch, seq, m["saved"], m["copies"]])
                        sys.stdout.flush()


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--configs")
    p.add_argument("--config")
    p.add_argument("--precision", default="bf16", choices=["bf16", "fp32", "autocast"])
    p.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--seq", type=int, default=992)
    p.add_argument("--layers", type=int, default=1)
    p.add_argument("--dropout", type=float)
    p.add_argument("--lora", type=int)
    p.add_argument("--targets", default="q_proj+v_proj")
    p.add_argument("--lora-dropout", type=float, default=0)
    p.add_argument("--narrow", action="store_true")
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    if a.configs:
        everything(a.configs)
        sys.exit()
    m = measure(json.load(open(a.config)), a.precision, a.attention, a.batch, a.seq, a.layers, a.dropout, dict(rank=a.lora, targets=a.targets, dropout=a.lora_dropout, narrow=a.narrow) if a.lora else None)
    if a.list:
        for module, shape, dtype, size, weight in m["rows"]:
            print("%-45s %-24s %-9s %12d %s" % (module, shape, dtype, size, "weight copy" if weight else ""))
    print({k: v for k, v in m.items() if k != "rows"})
