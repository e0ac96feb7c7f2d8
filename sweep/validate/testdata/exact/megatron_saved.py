#!/usr/bin/env python3
"""Counts the bytes that autograd keeps by module in Megatron-Core's GPTModel, on fake tensors.

Needs torch 2.15.0 and megatron-core 0.16.1; no GPU. One forward and loss on tensor-parallel rank 0, torch's fake
process group. Stood in for, as CUDA extensions: norms (input and fp32 statistics), the fused causal softmax (its
output), flash attention (aten's op instead of TransformerEngine's).

  megatron_saved.py --cases FILE > saved.csv      one line of options a case
  megatron_saved.py --hidden 4096 ... --list      every tensor
"""
import argparse
import contextlib
import csv
import gc
import os
import shlex
import sys
import warnings
import weakref

warnings.filterwarnings("ignore")
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # compiled functions do not take fake tensors
import logging

logging.disable(logging.WARNING)
import torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing._internal.distributed.fake_pg import FakeStore

CPU = torch.device("cpu")
torch.cuda.current_device = lambda: CPU
torch.Tensor.cuda = lambda self, *a, **k: self

from megatron.core import parallel_state as ps
from megatron.core import tensor_parallel as tp
from megatron.core.fusions import fused_softmax as fs
from megatron.core.models.gpt import GPTModel
from megatron.core.models.gpt import gpt_layer_specs as specs
from megatron.core.tensor_parallel import random as tpr
from megatron.core.transformer import dot_product_attention as dpa
from megatron.core.transformer import transformer_block as tb
from megatron.core.transformer.transformer_config import TransformerConfig

ATEN = torch.ops.aten


class Tracker:
    @contextlib.contextmanager
    def fork(self, name=None):
        yield

    def is_initialized(self):
        return True

    def get_states(self):
        return {}


for m in (tpr, tp, sys.modules["megatron.core.tensor_parallel.layers"]):
    m.get_cuda_rng_tracker = lambda *a, **k: Tracker()
tpr._get_all_rng_states = lambda: ()
tpr._set_all_rng_states = lambda *a: None


class Norm(torch.nn.Module):
    """A fused norm: keeps its input and fp32 statistics."""

    def __init__(self, config, hidden_size, eps=1e-5, **kwargs):
        super().__init__()
        self.rms = config.normalization == "RMSNorm"
        self.weight = torch.nn.Parameter(torch.empty(hidden_size, dtype=config.params_dtype))
        if not self.rms:
            self.bias = torch.nn.Parameter(torch.empty(hidden_size, dtype=config.params_dtype))

    def forward(self, x):
        return FusedNorm.apply(x, self.weight, self.rms)


class FusedNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, rms):
        stats = [x.new_empty((*x.shape[:-1], 1), dtype=torch.float32) for _ in range(1 if rms else 2)]
        ctx.save_for_backward(x, weight, *stats)
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx, g):
        return g, None, None


class FusedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = torch.empty_like(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        return g


class Flash(torch.nn.Module):
    def __init__(self, config, *args, **kwargs):
        super().__init__()
        self.p = config.attention_dropout

    def forward(self, q, k, v, *args, **kwargs):
        s, b = q.shape[:2]
        q, k, v = (t.permute(1, 2, 0, 3) for t in (q, k, v))
        out = ATEN._scaled_dot_product_flash_attention(q, k, v, self.p, True, False)[0]
        return out.permute(2, 0, 1, 3).reshape(s, b, -1)


class Dropout(torch.autograd.Function):
    """Dropout as on CUDA: a mask of one byte an element."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.empty(x.shape, dtype=torch.bool))
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx, g):
        return g


torch.nn.functional.dropout = lambda x, p=0.5, training=True, inplace=False: Dropout.apply(x) if p > 0 and training else x
fs.get_default_causal_mask = lambda sq: torch.triu(torch.ones(sq, sq), diagonal=1).bool()
TORCH_SOFTMAX = fs.FusedScaleMaskSoftmax.forward


def run(a):
    world = a.tp
    if dist.is_initialized():
        ps.destroy_model_parallel()
        dist.destroy_process_group()
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=world)
    ps.initialize_model_parallel(tensor_model_parallel_size=a.tp)
    ps._set_global_memory_buffer() if ps._GLOBAL_MEMORY_BUFFER is None else None
    dtype = torch.bfloat16 if a.param_dtype == "bf16" else torch.float32
    extra = {}
    if a.experts:
        extra = dict(num_moe_experts=a.experts, moe_router_topk=a.topk, moe_ffn_hidden_size=a.ffn, moe_token_dispatcher_type="alltoall", moe_grouped_gemm=False, add_bias_linear=False)
    c = TransformerConfig(
        num_layers=a.layers_run, hidden_size=a.hidden, num_attention_heads=a.heads, num_query_groups=a.kv_heads or a.heads, ffn_hidden_size=a.ffn, kv_channels=a.head_dim or None,
        tensor_model_parallel_size=a.tp, sequence_parallel=a.sp, bf16=a.param_dtype == "bf16", params_dtype=dtype, pipeline_dtype=dtype,
        hidden_dropout=a.dropout, attention_dropout=a.dropout, gated_linear_unit=a.swiglu, activation_func=torch.nn.functional.silu if a.swiglu else torch.nn.functional.gelu,
        normalization="RMSNorm" if a.swiglu else "LayerNorm", add_bias_linear=not a.swiglu, add_qkv_bias=a.qkv_bias, bias_activation_fusion=True, bias_dropout_fusion=False, masked_softmax_fusion=a.softmax == "fused",
        qk_layernorm=a.qk_norm, use_cpu_initialization=False, perform_initialization=False, gradient_accumulation_fusion=False, apply_rope_fusion=False, attention_softmax_in_fp32=False,
        recompute_granularity={"none": None}.get(a.recompute, a.recompute), recompute_method="uniform" if a.recompute == "full" else None, recompute_num_layers=1 if a.recompute == "full" else None,
        **{k: v for k, v in extra.items() if k != "add_bias_linear"},
    )
    specs.LNImpl = tb.LayerNormImpl = Norm
    specs.LocalSpecProvider.layer_norm = lambda self, rms_norm=False, for_qk=False: Norm
    fs.FusedScaleMaskSoftmax.forward = (lambda self, x, mask, offset=None: FusedSoftmax.apply(x)) if a.softmax == "fused" else TORCH_SOFTMAX
    spec = specs.get_gpt_layer_local_spec(num_experts=a.experts or None, qk_layernorm=a.qk_norm, normalization=c.normalization)
    if a.attention == "flash":
        spec.submodules.self_attention.submodules.core_attention = Flash
    with FakeTensorMode(allow_non_fake_inputs=True):
        torch.set_default_dtype(dtype)
        model = GPTModel(c, spec, a.vocab, a.seq, parallel_output=True, share_embeddings_and_output_weights=not a.swiglu, position_embedding_type="rope" if a.swiglu else "learned_absolute")
        torch.set_default_dtype(torch.float32)
        model.train()
        params = list(dict.fromkeys(model.parameters()))
        own = {p.untyped_storage()._cdata for p in params}
        names = {id(m): n for n, m in model.named_modules()}
        stack, held = [], []
        for m in model.modules():
            m.register_forward_pre_hook(lambda m, x: stack.append(names[id(m)]))
            m.register_forward_hook(lambda m, x, o: (stack.pop(), None)[1], always_call=True)

        class Held:
            def __init__(self, t, module):
                self.t, self.module = t, module

        def pack(t):
            h = Held(t, stack[-1] if stack else "loss")
            held.append(weakref.ref(h))
            return h

        ids = torch.zeros(a.batch, a.seq, dtype=torch.int64)
        pos = torch.arange(a.seq).unsqueeze(0).expand(a.batch, -1).contiguous()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda h: h.t):
            loss = model(ids, pos, None, labels=ids)
            total = loss.mean()
        seen, rows = set(), []
        for r in held:
            h = r()
            if h is None:
                continue
            k = h.t.untyped_storage()._cdata
            if k in seen or k in own:
                continue
            seen.add(k)
            rows.append((h.module, list(h.t.shape), str(h.t.dtype)[6:], h.t.untyped_storage().nbytes()))
        n = sum(p.numel() for p in params)
        middle = a.layers_run // 2
        out = dict(params_per_rank=n, layer_params_per_rank=sum(p.numel() for p in model.decoder.layers[middle].parameters()))
        out.update(param_bytes=n * dtype.itemsize, main_grad_bytes=4 * n, optimizer_bytes_dp1=(12 if dtype == torch.bfloat16 else 8) * n)
        columns = [("input_layernorm", "norm1_bytes"), ("self_attention.linear_qkv", "qkv_bytes"), ("self_attention.core_attention", "core_attention_bytes"), ("self_attention.linear_proj", "proj_bytes"), ("self_attention", "attention_other_bytes"), ("pre_mlp_layernorm", "norm2_bytes"), ("mlp.linear_fc1", "fc1_bytes"), ("mlp.linear_fc2", "fc2_bytes"), ("mlp", "mlp_activation_bytes"), ("", "layer_other_bytes")]
        out.update({c: 0 for _, c in columns}, per_layer_bytes=0, head_and_loss_bytes=0, embedding_and_shared_bytes=0)
        for module, shape, d, size in rows:
            p = "decoder.layers.%d" % middle
            if module == p or module.startswith(p + "."):
                rest = module[len(p) + 1 :]
                col = next(c for n, c in columns if rest == n or rest.startswith(n + ".") or n == "")
                out[col] += size
                out["per_layer_bytes"] += size
            elif module == "decoder" and shape[-1] == a.hidden:  # the inputs of checkpointed layers
                out["layer_other_bytes"] += size / a.layers_run
                out["per_layer_bytes"] += size / a.layers_run
            elif module.startswith(("decoder.final", "output_layer", "loss")) or module == "":
                out["head_and_loss_bytes"] += size
            elif not module.startswith("decoder.layers"):
                out["embedding_and_shared_bytes"] += size
            if a.list and not module.startswith(tuple("decoder.layers.%d" % i for i in range(a.layers_run) if i != middle)):
                print("%-60s %-26s %-9s %12d" % (module, shape, d, size), file=sys.stderr)
        out = {k: int(v) for k, v in out.items()}
        del total, loss
    del model
    gc.collect()
    return out


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cases")
    p.add_argument("--list", action="store_true")
    p.add_argument("--model", default="row")
    for n, d in dict(hidden=1024, layers_run=3, heads=16, kv_heads=0, head_dim=0, ffn=2816, vocab=32000, tp=1, batch=1, seq=1024, experts=0, topk=2).items():
        p.add_argument("--" + n.replace("_", "-"), type=int, default=d)
    for n in ("swiglu", "sp", "qk-norm", "qkv-bias"):
        p.add_argument("--" + n, action="store_true")
    p.add_argument("--dropout", type=float, default=0.0)
    p.add_argument("--param-dtype", default="bf16")
    p.add_argument("--recompute", default="none", choices=["none", "selective", "full"])
    p.add_argument("--attention", default="flash", choices=["flash", "unfused"])
    p.add_argument("--softmax", default="fused", choices=["fused", "torch"])
    return p


COLUMNS = "id,framework,model,hidden,layers_run,heads,kv_heads,ffn,swiglu,vocab,dropout,tp,sequence_parallel,param_dtype,recompute,attention,softmax,batch,seq,per_layer_bytes,norm1_bytes,qkv_bytes,core_attention_bytes,proj_bytes,norm2_bytes,fc1_bytes,fc2_bytes,attention_other_bytes,mlp_activation_bytes,layer_other_bytes,head_and_loss_bytes,embedding_and_shared_bytes,params_per_rank,layer_params_per_rank,param_bytes,main_grad_bytes,optimizer_bytes_dp1,note,head_dim,qk_norm".split(",")

if __name__ == "__main__":
    a = parser().parse_args()
    out = csv.DictWriter(sys.stdout, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    out.writeheader()
    cases = [parser().parse_args(shlex.split(l)) for l in open(a.cases) if l.strip() and not l.startswith("#")] if a.cases else [a]
    for n, c in enumerate(cases):
        c.list = a.list
        try:
            r = run(c)
        except Exception as e:
            if not a.cases:
                raise
            print("case %d: %s: %s" % (n, type(e).__name__, str(e)[:300]), file=sys.stderr)
            continue
        r.update(id="more-%02d" % n, framework="megatron-core-0.16.1", swiglu="yes" if c.swiglu else "no", sequence_parallel="yes" if c.sp else "no")
        for k in "model hidden layers_run heads kv_heads ffn vocab dropout tp param_dtype recompute attention batch seq".split():
            r[k] = getattr(c, k)
        r["kv_heads"] = c.kv_heads or c.heads
        r["head_dim"], r["qk_norm"] = c.head_dim or c.hidden // c.heads, "yes" if c.qk_norm else "no"
        r["softmax"] = c.softmax if c.attention == "unfused" else ""
        out.writerow(r)
        sys.stdout.flush()
