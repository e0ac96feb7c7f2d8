#!/usr/bin/env python3
"""Finds the peak memory of torchtitan's training steps under FSDP2 or DDP, on fake tensors.

Needs torch 2.15.0 and torchtitan 0.1.0 (the default) or 0.3.0 first on the path; no GPU. The frameworks' own
model, activation checkpointing and wrapping run with torch's fake process group; torch's FSDPMemTracker follows
every storage of rank 0. Autograd runs on fake CPU tensors, with attention, norms and block sizes as on CUDA.
Tensor parallelism (--tp) is torchtitan's own plan with sequence and loss parallelism; mixtures of experts (--experts)
and latent attention (--kv-rank) are torchtitan 0.3's modules on Llama's layout, with tokens in balance.

  fsdp_peaks.py --cases FILE > peaks.csv      one line of options a case
  fsdp_peaks.py --hidden 4096 ... --trace     every new maximum and every change of a big tensor
"""
import argparse
import contextlib
import csv
import functools
import gc
import math
import os
import shlex
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TORCHTITAN_QUIET", "1")
import logging

logging.disable(logging.INFO)
import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools import mem_tracker as mt
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker, _FSDPRefType
from torch.distributed._tools.mem_tracker import MemTracker, _MemRefType
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import loss_parallel
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import _disable_current_modes

ATEN = torch.ops.aten
RMS_FORWARD = nn.RMSNorm.forward


def rounded(self):
    return math.ceil(self.size * self.element_size / 512) * 512


mt._WeakRefInfo._calculate_mem_consumed = rounded


class FusedNorm(torch.autograd.Function):
    """aten::_fused_rms_norm as CUDA runs it: keeps the input and the fp32 reciprocal deviation."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        rstd = x.new_empty((*x.shape[:-1], 1), dtype=torch.float32)
        ctx.save_for_backward(x, weight, rstd)
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx, g):
        x, weight, rstd = ctx.saved_tensors
        return torch.empty_like(x), torch.empty_like(weight), None


class ManualNorm(nn.Module):
    """torchtitan's own RMSNorm of mid 2024."""

    def __init__(self, dim, eps):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x.float()).type_as(x) * self.weight

    def reset_parameters(self):
        torch.nn.init.ones_(self.weight)


def sdpa(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if torch.is_autocast_enabled("cpu"):
        d = torch.get_autocast_dtype("cpu")
        with torch.autocast("cpu", enabled=False):
            return sdpa(q.to(d), k.to(d), v.to(d), attn_mask, dropout_p, is_causal, scale, enable_gqa)
    if q.dtype == torch.float32:
        return ATEN._scaled_dot_product_efficient_attention(q, k, v, None, True, dropout_p, is_causal, scale=scale)[0]
    return ATEN._scaled_dot_product_flash_attention(q, k, v, dropout_p, is_causal, False, scale=scale)[0]


def fused_norm(x, weight, eps):
    from torch.distributed.tensor import DTensor

    if isinstance(x, DTensor):  # each rank normalises its own tokens
        w = weight.to_local() if isinstance(weight, DTensor) else weight
        return DTensor.from_local(FusedNorm.apply(x.to_local(), w, eps), x.device_mesh, x.placements, run_check=False)
    return FusedNorm.apply(x, weight, eps)


def rms_norm(x, shape, weight=None, eps=None):
    return FusedNorm.apply(x, weight, eps)


def make_tracker(base, model, optim, args):
    class Tracker(base):
        phase, best, where, snap, label = "", 0, "", {}, ""
        last = 0

        def _update_peak_stats(self, state):
            super()._update_peak_stats(state)
            total = sum(s["Total"] for s in self._curr_mem_snap.values())
            op = str(getattr(self, "_op", ""))
            if args.trace and abs(total - self.last) >= args.trace * 2**20:
                print("%12.1f %+10.1f MiB  %s:%s:%s" % (total / 2**20, (total - self.last) / 2**20, self.phase, self.deepest(), op), {k.value: round(v / 2**20) for s in self._curr_mem_snap.values() for k, v in s.items() if k != "Total" and v > 1 << 19} if args.parts else "", file=sys.stderr)
            self.last = total
            if total > self.best:
                self.best, self.where = total, "%s:%s:%s" % (self.phase, self.deepest(), op)
                if args.live:
                    self.held = self.holdings()
                self.snap = {k: sum(s.get(k, 0) for s in self._curr_mem_snap.values()) for s in self._curr_mem_snap.values() for k in s}

        def deepest(self):
            p = self._mod_tracker.parents - {"Global"}
            return max(p, key=lambda n: n.count("."), default="")

        made = mt.WeakIdKeyDictionary()

        def __torch_dispatch__(self, func, types, args_=(), kwargs=None):
            self._op = func
            res = super().__torch_dispatch__(func, types, args_, kwargs)
            if args.live:
                for t in torch.utils._pytree.tree_leaves(res):
                    if isinstance(t, torch.Tensor) and not isinstance(t, torch.distributed.tensor.DTensor):
                        st = t.untyped_storage()
                        if st not in self.made:
                            self.made[st] = "%s:%s:%s %s %s" % (self.phase, self.deepest(), func, list(t.shape), t.dtype)
            return res

        def holdings(self):
            out = []
            for st in list(self._WINFO.keys()):
                w = self._WINFO[st][0]
                if w.mem_consumed >= LIVE:
                    out.append((w.reftype.value, w.mem_consumed / 2**20, self.made.get(st, "")))
            return sorted(out, key=lambda x: (x[0], x[2]))

        def now(self):
            return sum(s["Total"] for s in self._curr_mem_snap.values())

    return Tracker(model, optim) if base is FSDPMemTracker else Tracker()


def hide_shape_propagation(tracker_holder):
    """DTensor's shape propagation runs operations on whole fake tensors that no device ever holds."""
    from torch.distributed.tensor import _sharding_prop as sp

    name = "_propagate_tensor_meta_non_cached"
    real = getattr(sp.ShardingPropagator, name)

    def quiet(self, *a, **k):
        t = tracker_holder[0]
        if t is None:
            return real(self, *a, **k)
        with _disable_current_modes():
            return real(self, *a, **k)

    setattr(sp.ShardingPropagator, name, quiet)


LIVE = 1 << 20  # the smallest storage that --live lists
HOLDER = [None]


class Groups:
    """Several FSDP groups of one module as the one that the tracker looks for."""

    def __init__(self, groups):
        self.__dict__["groups"] = groups

    @property
    def fsdp_params(self):
        return [p for g in self.groups for p in g.fsdp_params]

    def __getattr__(self, name):
        return getattr(self.groups[0 if name == "pre_backward" else -1], name)

    def __setattr__(self, name, value):
        setattr(self.groups[0 if name == "pre_backward" else -1], name, value)


def one_group():
    from torch.distributed.fsdp._fully_shard._fsdp_state import FSDPState

    FSDPState._fsdp_param_group = property(lambda self: None if not self._fsdp_param_groups else self._fsdp_param_groups[0] if len(self._fsdp_param_groups) == 1 else Groups(self._fsdp_param_groups))


def build_010(a):
    from torchtitan.models.llama3.model import model as tm
    from torchtitan.models.llama3.model.args import TransformerModelArgs

    nn.RMSNorm.forward = RMS_FORWARD
    tm.nn = nn
    if a.norm == "fused":
        nn.RMSNorm.forward = lambda self, x: fused_norm(x, self.weight, self.eps)
    elif a.norm == "manual":
        tm.nn = type("nn", (), dict(vars(nn)))
        tm.nn.RMSNorm = lambda dim, eps: ManualNorm(dim, eps)
    F.scaled_dot_product_attention = sdpa
    m = TransformerModelArgs(dim=a.hidden, n_layers=a.layers, n_heads=a.heads, n_kv_heads=a.kv_heads or a.heads, vocab_size=a.vocab, max_seq_len=a.seq)

    class FFN(tm.FeedForward):
        def __init__(self, dim, hidden_dim, multiple_of, ffn_dim_multiplier):
            nn.Module.__init__(self)
            self.w1, self.w2, self.w3 = nn.Linear(dim, a.ffn, bias=False), nn.Linear(a.ffn, dim, bias=False), nn.Linear(dim, a.ffn, bias=False)

    tm.FeedForward = FFN
    with torch.device("meta"):
        model = tm.Transformer(m)
    if a.tied:
        model.output.weight = model.tok_embeddings.weight
    return model


def wrap_010(a, model):
    from types import SimpleNamespace as NS

    from torchtitan.models.llama3.infra import parallelize as par

    if a.tp > 1:
        mesh = init_device_mesh("cpu", (a.world // a.tp, a.tp), mesh_dim_names=("dp_shard", "tp"))
        par.apply_tp(model, mesh["tp"], True, False, False)
    if a.recompute != "none":
        par.apply_ac(model, NS(mode="selective" if a.recompute == "selective-op" else "full", selective_ac_option="op"))
    if a.strategy == "ddp":
        mesh = init_device_mesh("cpu", (a.world,), mesh_dim_names=("dp_replicate",))
        return model, mesh
    if a.replicas > 1:
        mesh = init_device_mesh("cpu", (a.replicas, a.world // a.replicas), mesh_dim_names=("dp_replicate", "dp_shard"))
    elif a.tp > 1:
        mesh = mesh["dp_shard"]
    else:
        mesh = init_device_mesh("cpu", (a.world,), mesh_dim_names=("dp_shard",))
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}
    par.apply_fsdp(model, mesh, dtype[a.param_dtype], dtype[a.reduce_dtype], False, a.cpu_offload, "never" if a.strategy == "fsdp2-noreshard" else "default")
    if a.keep_root or a.strategy == "fsdp2-noreshard":
        # torch before mid 2025: the root group stayed gathered whatever was asked.
        from torch.distributed.fsdp._fully_shard._fsdp_state import FSDPState
        state = model._get_fsdp_state()
        for g in getattr(state, "_fsdp_param_groups", [state._fsdp_param_group]):
            g.post_forward_mesh_info = None
    return model, mesh


def build_030(a):
    from functools import partial

    import torchtitan.models.common.config_utils as cu
    import torchtitan.models.llama3 as l3
    from torchtitan.models.common import ComplexRoPE, Embedding, Linear, RMSNorm
    from torchtitan.models.common.attention import ScaledDotProductAttention

    nn.RMSNorm.forward = RMS_FORWARD
    if a.norm == "fused":
        nn.RMSNorm.forward = lambda self, x: fused_norm(x, self.weight, self.eps)
    F.scaled_dot_product_attention = sdpa
    # torchtitan 0.3 offers SDPA no more; its own class is still there and saves what varlen flash does.
    import torchtitan.models.deepseek_v3 as ds

    cu.get_attention_config = l3.get_attention_config = ds.get_attention_config = lambda backend: ScaledDotProductAttention.Config()
    c = l3.Llama3Model.Config(
        dim=a.hidden, vocab_size=a.vocab, enable_weight_tying=a.tied,
        tok_embeddings=Embedding.Config(num_embeddings=a.vocab, embedding_dim=a.hidden, param_init=l3._EMBEDDING_INIT),
        norm=RMSNorm.Config(normalized_shape=a.hidden, param_init=l3._NORM_INIT),
        lm_head=Linear.Config(in_features=a.hidden, out_features=a.vocab, param_init=l3._output_linear_init(a.hidden)),
        layers=l3._build_llama3_layers(
            n_layers=a.layers, dim=a.hidden, n_heads=a.heads, n_kv_heads=a.kv_heads or a.heads, hidden_dim=a.ffn, fuse_qkv=True, attn_backend="sdpa",
            rope=ComplexRoPE.Config(dim=a.hidden // a.heads, max_seq_len=a.seq, theta=500000),
        ),
    )
    if a.experts:
        c.layers = moe_layers(a)
    a.dims = None
    if a.tp > 1 or a.ep > 1:
        from torchtitan.distributed import ParallelDims
        from torchtitan.models.common.decoder_sharding import set_decoder_sharding_config
        from torchtitan.models.llama3.sharding import set_llama3_sharding_config
        from torchtitan.models.qwen3.sharding import set_qwen3_sharding_config
        from torchtitan.distributed import utils as du

        a.dims = ParallelDims(dp_replicate=a.replicas, dp_shard=a.world // a.tp // a.replicas, cp=1, tp=a.tp, pp=1, ep=a.ep, world_size=a.world, spmd_backend="partial_dtensor")
        du._spmd_backend = "partial_dtensor"
        import torchtitan.distributed.parallel_dims as pd
        pd.device_type = "cpu"
        a.dims.build_mesh()
        if a.experts:
            set_qwen3_sharding_config(c, enable_sp=True, enable_ep=a.ep > 1)
        else:
            set_llama3_sharding_config(c, enable_sp=True)
    with torch.device("meta"):
        return c.build()


def moe_layers(a):
    """torchtitan's own MoE block (that of its Qwen 3) with Llama's attention."""
    global ROUTER
    import torchtitan.models.common.moe as moe
    import torchtitan.models.common.token_dispatcher as td
    import torchtitan.models.qwen3 as q3
    from torchtitan.models.common import ComplexRoPE
    from torchtitan.models.common.attention import ScaledDotProductAttention
    from torchtitan.models.common.config_utils import make_ffn_config, make_gqa_config, make_moe_config, make_routed_experts_config, make_router_config

    def gate(self, x, expert_bias_E=None):
        # CUDA's autocast to fp32, which the CPU lacks.
        real = self.gate.forward
        self.gate.forward = lambda x: F.linear(x.float(), self.gate.weight.float())
        try:
            return ROUTER(self, x, expert_bias_E)
        finally:
            self.gate.forward = real

    ROUTER = ROUTER or moe.TokenChoiceTopKRouter.forward
    moe.TokenChoiceTopKRouter.forward = gate

    def counts(self, local, exchanged, ep):  # tokens are in balance
        n = a.batch * a.seq * a.topk // a.tp
        return exchanged.reshape(-1), [n // ep] * ep, [n // ep] * ep

    td.AllToAllTokenDispatcher._sync_token_count_exchange = counts
    head = a.head_dim or a.hidden // a.heads
    layers = []
    if a.kv_rank:
        import torchtitan.models.deepseek_v3 as ds

        return ds.build_mla_moe_layers(
            n_layers=a.layers, n_dense_layers=0, dim=a.hidden, n_heads=a.heads, q_lora_rank=a.q_rank, kv_lora_rank=a.kv_rank, qk_nope_head_dim=a.nope, qk_rope_head_dim=a.rope,
            v_head_dim=a.v_dim, mscale=1.0, dense_hidden_dim=a.ffn, moe_hidden_dim=a.ffn, num_experts=a.experts, num_shared_experts=a.shared_ffn // a.ffn, router_top_k=a.topk,
            router_score_func="sigmoid", attn_backend="sdpa", moe_comm_backend="standard", non_blocking_capacity_factor=None, linear_init=ds._LINEAR_INIT, norm_init=ds._NORM_INIT,
            depth_init=ds._depth_init, depth_experts_init=ds._depth_experts_init, rope=ComplexRoPE.Config(dim=a.rope, max_seq_len=a.seq, theta=10000),
        )
    for _ in range(a.layers):
        layers.append(
            q3.Qwen3TransformerBlock.Config(
                attention_norm=q3._qwen3_norm(a.hidden), ffn_norm=q3._qwen3_norm(a.hidden),
                attention=make_gqa_config(
                    dim=a.hidden, n_heads=a.heads, n_kv_heads=a.kv_heads or a.heads, head_dim=head, wqkv_param_init=q3._LINEAR_INIT, wo_param_init=q3._LINEAR_INIT,
                    inner_attention=ScaledDotProductAttention.Config(), fuse_qkv=True, rope=ComplexRoPE.Config(dim=head, max_seq_len=a.seq, theta=500000),
                    qk_norm=q3._qwen3_norm(head) if a.qk_norm else None,
                ),
                moe=make_moe_config(
                    num_experts=a.experts,
                    router=make_router_config(dim=a.hidden, num_experts=a.experts, gate_param_init=q3._LINEAR_INIT, top_k=a.topk, score_func=a.score, route_norm=a.score == "softmax"),
                    routed_experts=make_routed_experts_config(dim=a.hidden, hidden_dim=a.ffn, num_experts=a.experts, top_k=a.topk, param_init=q3._moe_experts_init(a.layers), comm_backend="standard"),
                    shared_experts=make_ffn_config(dim=a.hidden, hidden_dim=a.shared_ffn, w1_param_init=q3._LINEAR_INIT, w2w3_param_init=q3._LINEAR_INIT) if a.shared_ffn else None,
                ),
            )
        )
    return layers


ROUTER = None


def wrap_030(a, model):
    from torchtitan.distributed import activation_checkpoint as ac
    from torchtitan.distributed.fsdp import apply_fsdp_to_decoder

    if a.dims:
        model.parallelize(a.dims)
    if a.recompute != "none":
        cls = ac.SelectiveAC if a.recompute == "selective-op" else ac.FullAC
        cls(cls.Config(preserve_rng_state=False)).apply(model)
    edp = None
    if a.dims:
        mesh = a.dims.get_mesh(["dp_replicate", "fsdp"] if a.replicas > 1 else ["fsdp"])
        if a.ep > 1:
            edp = a.dims.get_optional_mesh(["dp_replicate", "efsdp"] if a.replicas > 1 else ["efsdp"])
    elif a.replicas > 1:
        mesh = init_device_mesh("cpu", (a.replicas, a.world // a.replicas), mesh_dim_names=("dp_replicate", "fsdp"))
    else:
        mesh = init_device_mesh("cpu", (a.world,), mesh_dim_names=("fsdp",))
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}
    apply_fsdp_to_decoder(model, mesh, dtype[a.param_dtype], dtype[a.reduce_dtype], False, a.cpu_offload, "never" if a.strategy == "fsdp2-noreshard" else "default", ep_degree=a.ep, edp_mesh=edp)
    return model, mesh


def chunked(a, model, tracker, ids, labels, optim):
    from torchtitan.components.loss import ChunkedLossWrapper

    loss_fn = ChunkedLossWrapper(ChunkedLossWrapper.Config())
    loss_fn.set_lm_head(model.lm_head)
    model._skip_lm_head = True
    # The tracker refuses a module that is called again.
    handle = model.lm_head.register_forward_pre_hook(lambda m, x: tracker.memory_tracking.pop(m, None) and None, prepend=True)
    pred = model(ids)
    tracker.phase = "loss"
    loss, _ = loss_fn(pred, labels)
    handle.remove()
    del pred
    return loss


def materialize(model):
    model.to_empty(device="cpu")
    return model


def run(a):
    HOLDER[0] = None
    if not dist.is_initialized() or dist.get_world_size() != a.world:
        if dist.is_initialized():
            dist.destroy_process_group()
        dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=a.world)
    model = (build_010 if a.titan == "0.1.0" else build_030)(a)
    model, mesh = (wrap_010 if a.titan == "0.1.0" else wrap_030)(a, model)
    with FakeTensorMode(allow_non_fake_inputs=True):
        materialize(model)
        if a.tied and a.titan == "0.1.0" and a.strategy == "ddp":
            model.output.weight = model.tok_embeddings.weight
        n_params = sum(p.numel() for p in dict.fromkeys(model.parameters()))
        if a.strategy == "ddp":
            model = ddp(a, model, mesh)
        params = [p for p in model.parameters() if p.requires_grad]
        if a.optimizer == "adamw":
            optim = torch.optim.AdamW(params, lr=1e-4, fused=a.impl == "fused", foreach=a.impl == "foreach")
        else:
            optim = torch.optim.SGD(params, lr=1e-4, foreach=a.impl == "foreach")
        base = MemTracker if a.strategy == "ddp" else FSDPMemTracker
        rows = []
        tracker = make_tracker(base, model, optim, a)
        if a.strategy == "ddp":
            tracker.track_external(model, optim)
            for b in getattr(model, "_bucket_stand_ins", []):
                tracker.track_external(b)
        HOLDER[0] = tracker
        with tracker:
            for it in (1, 2):
                tracker.best, tracker.snap = 0, {}
                if it > 1:
                    tracker.reset_mod_stats()
                r = step(a, model, optim, tracker, mesh)
                r.update(iteration=it, peak_bytes=tracker.best, peak_phase=tracker.where, params=n_params, **parts(a, tracker.snap))
                rows.append(r)
                if a.live:
                    for h in tracker.held:
                        print("%-14s %9.1f %s" % h, file=sys.stderr)
                    print("----", file=sys.stderr)
        HOLDER[0] = None
    del model, optim, tracker
    gc.collect()
    return rows


def parts(a, snap):
    g = lambda *names: sum(v for k, v in snap.items() if k != "Total" and k.value in names)
    if a.strategy == "ddp":
        return dict(param_bytes=g("Parameter"), grad_bytes=g("Gradient"), optimizer_bytes=g("Optstate"), activation_bytes=g("Activation"), allgather_bytes=0, reducescatter_bytes=0, temp_bytes=g("Temp"), other_bytes=g("Buffer", "Other"))
    return dict(
        param_bytes=g("Sharded Param"), grad_bytes=g("Sharded Grad"), optimizer_bytes=g("OptState"), activation_bytes=g("Activation"),
        allgather_bytes=g("Unsharded Param", "All Gather"), reducescatter_bytes=g("Unsharded Grad", "Reduce Scatter"), temp_bytes=g("Temp"), other_bytes=g("Buffer", "Inputs"),
    )


def step(a, model, optim, tracker, mesh):
    out = {}
    tracker.phase = "zero"
    optim.zero_grad()
    loss_sum = lambda pred, labels: F.cross_entropy(pred.flatten(0, 1).float(), labels.flatten(0, 1), reduction="sum")
    loss_fn = lambda pred, labels: F.cross_entropy(pred.flatten(0, 1).float(), labels.flatten(0, 1))
    for micro in range(a.grad_accum):
        if a.sync_last and a.strategy != "ddp":
            model.set_requires_gradient_sync(micro == a.grad_accum - 1)
        ids = torch.zeros(a.batch, a.seq, dtype=torch.int64)
        labels = torch.zeros(a.batch, a.seq, dtype=torch.int64)
        if a.strategy == "ddp":
            tracker.track_external(ids, labels)
        else:
            tracker.track_inputs((ids, labels)) if hasattr(tracker, "track_inputs") else None
        if a.strategy != "ddp" and micro > 0:
            tracker.reset_mod_stats()
        tracker.phase = "forward"
        loss_is_parallel = loss_parallel if a.tp > 1 else contextlib.nullcontext
        with loss_is_parallel(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.strategy == "ddp" and a.param_dtype == "bf16"):
            if a.loss == "chunked":
                loss = chunked(a, model, tracker, ids, labels, optim)
                out.setdefault("before_backward_total_bytes", tracker.now())
            else:
                pred = model(ids)
                out["after_forward_total_bytes"] = tracker.now()
                tracker.phase = "loss"
                loss = (loss_fn if a.titan == "0.1.0" else loss_sum)(pred, labels)
                if a.grad_accum > 1:
                    loss = loss / a.grad_accum
                del pred
        out["before_backward_total_bytes"] = tracker.now()
        tracker.phase = "backward"
        with loss_is_parallel():
            loss.backward()
        del loss, ids, labels
    tracker.phase = "clip"
    params = [p for p in model.parameters() if p.grad is not None]
    grads = [p.grad for p in params]
    meshes = {}  # experts have their own
    for p in params:
        meshes.setdefault(getattr(p.grad, "device_mesh", None), []).append(p)
    for group in meshes.values():
        total = nn.utils.get_total_norm([p.grad for p in group], 2.0, False, True)
        if hasattr(total, "full_tensor"):
            total = total.full_tensor()
        nn.utils.clip_grads_with_norm_(group, 1.0, total, True)
        del total
    del grads, meshes
    tracker.phase = "optimizer"
    optim.step()
    out["step_end_total_bytes"] = tracker.now()
    return out


def ddp(a, model, mesh):
    from torch.nn.parallel import DistributedDataParallel as DDP
    import torch.distributed.utils as du

    torch.distributed.utils._verify_param_shape_across_processes = lambda *x, **k: None
    torch.nn.parallel.distributed._verify_param_shape_across_processes = lambda *x, **k: None
    torch.nn.parallel.distributed._sync_module_states = lambda *x, **k: None
    out = DDP(model, process_group=mesh.get_group(), bucket_cap_mb=100, broadcast_buffers=False, init_sync=False)

    def hook(state, bucket):
        # Buckets are made by C++ before the tracker looks: from the first backward on they count.
        if HOLDER[0] is not None:
            HOLDER[0]._update_and_maybe_create_winfos(bucket.buffer(), _MemRefType.OTH, update_existing=True)
        f = torch.futures.Future()
        f.set_result(bucket.buffer())
        return f

    out.register_comm_hook(None, hook)

    class Reducer:  # the order of buckets follows real data
        def __getattr__(self, name):
            return getattr(real, name)

        def _rebuild_buckets(self):
            return False

    real = out.reducer
    out.reducer = Reducer()
    return out


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cases")
    p.add_argument("--titan", default="0.1.0")
    p.add_argument("--model", default="row")
    for n, d in dict(hidden=512, layers=4, heads=8, kv_heads=0, ffn=1536, vocab=32000, world=8, replicas=1, batch=1, seq=1024, grad_accum=1, tp=1, ep=1, experts=0, topk=2, shared_ffn=0, head_dim=0, q_rank=0, kv_rank=0, nope=128, rope=64, v_dim=128).items():
        p.add_argument("--" + n.replace("_", "-"), type=int, default=d)
    p.add_argument("--tied", action="store_true")
    p.add_argument("--qk-norm", action="store_true")
    p.add_argument("--score", default="sigmoid", choices=["sigmoid", "softmax"])
    p.add_argument("--strategy", default="fsdp2-full", choices=["fsdp2-full", "fsdp2-noreshard", "ddp"])
    p.add_argument("--param-dtype", default="bf16")
    p.add_argument("--reduce-dtype", default="fp32")
    p.add_argument("--optimizer", default="adamw")
    p.add_argument("--impl", default="fused")
    p.add_argument("--recompute", default="none", choices=["none", "selective-op", "full"])
    p.add_argument("--norm", default="fused", choices=["fused", "composite", "manual"])
    p.add_argument("--loss", default="full", choices=["full", "chunked"])
    p.add_argument("--keep-root", action="store_true")
    p.add_argument("--sync-last", action="store_true")
    p.add_argument("--cpu-offload", action="store_true")
    p.add_argument("--trace", type=float, default=0)
    p.add_argument("--live", action="store_true")
    p.add_argument("--parts", action="store_true")
    return p


COLUMNS = "id,framework,model,hidden,layers,heads,kv_heads,ffn,vocab,tied,world,strategy,param_dtype,reduce_dtype,optimizer,optimizer_impl,recompute,batch,seq,grad_accum,iteration,peak_bytes,peak_phase,param_bytes,grad_bytes,optimizer_bytes,activation_bytes,allgather_bytes,reducescatter_bytes,temp_bytes,other_bytes,note,norm,gqa,loss,params,after_forward_total_bytes,before_backward_total_bytes,step_end_total_bytes,dp_replicate,tp,ep,experts,topk,shared_ffn,head_dim,qk_norm,q_rank,kv_rank,nope,rope,v_dim".split(",")

if __name__ == "__main__":
    a = parser().parse_args()
    hide_shape_propagation(HOLDER)
    one_group()
    out = csv.DictWriter(sys.stdout, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    out.writeheader()
    cases = [parser().parse_args(shlex.split(l)) for l in open(a.cases) if l.strip() and not l.startswith("#")] if a.cases else [a]
    for n, c in enumerate(cases):
        c.trace, c.parts, c.live = a.trace, a.parts, a.live
        notes = [x for x in ["root kept unsharded" if c.keep_root else "", "gradient sync in the last micro-batch only" if c.sync_last else "", "cpu offload" if c.cpu_offload else ""] if x]
        try:
            rows = run(c)
        except Exception as e:
            if not a.cases:
                raise
            print("case %d: %s: %s" % (n, type(e).__name__, str(e)[:300]), file=sys.stderr)
            continue
        for r in rows:
            r.update(id="case-%d-%d" % (n, r["iteration"]), framework="torchtitan-" + c.titan, tied="yes" if c.tied else "no", qk_norm="yes" if c.qk_norm else "no", optimizer_impl=c.impl, note=", ".join(notes), dp_replicate=c.replicas, gqa="native" if c.titan != "0.1.0" else "repeat")
            for k in "model hidden layers heads kv_heads ffn vocab world strategy param_dtype reduce_dtype optimizer recompute batch seq grad_accum norm loss tp ep experts topk shared_ffn head_dim q_rank kv_rank nope rope v_dim".split():
                r[k] = getattr(c, k) or (c.heads if k == "kv_heads" else getattr(c, k))
            out.writerow(r)
        sys.stdout.flush()
