# SPDX-License-Identifier: MIT
"""The forward pass of a GGUF language model in float64, written from the equations of each family.

Slow and plain on purpose: all positions at once, no cache, no blocking. `evaluate(model, tokens)`
returns the logits of every position; a `Trace` collects what a comparison needs to know about the
routers.
"""

import math
from dataclasses import dataclass, field

import numpy as np

FAMILIES = ("llama", "qwen2", "gemma2", "olmoe", "qwen3moe")
NEIGHBOURS, HALVES = "neighbours", "halves"  # which elements a rotation pairs
SOFTMAX, SIGMOID, SOFTMAX_SELECTED = 1, 2, 3  # values of expert_gating_func


@dataclass
class Trace:
    """Smallest distance of the last chosen expert to the first one left out, and the choices."""

    router_gap: float = math.inf
    experts: list = field(default_factory=list)  # per MoE layer: (n_tokens, k) indices, best first


@dataclass
class Config:
    """What the metadata say; names as in the equations."""

    arch: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    head_dim: int
    eps: float
    pairs: str
    n_rot: int
    theta: float
    scaling: str
    factor: float
    n_ctx_orig: int
    attn_factor: float
    yarn_mix: float
    yarn_beta_fast: float
    yarn_beta_slow: float
    attn_scale: float
    attn_softcap: float
    logit_softcap: float
    embedding_scale: float
    window: int
    window_period: int
    n_expert: int
    n_expert_used: int
    gating: int
    renormalise: bool
    expert_scale: float


def read_config(metadata):
    """The families: llama (dense, and Mixtral with experts), qwen2, gemma2, olmoe, qwen3moe."""
    arch = metadata["general.architecture"]
    if arch not in FAMILIES:
        raise ValueError(f"architecture {arch}: the oracle knows {', '.join(FAMILIES)}")

    def get(key, default=None):
        value = metadata.get(f"{arch}.{key}", default)
        if isinstance(value, list):
            value = value[0] if len(set(value)) == 1 else None
        if value is None:
            raise ValueError(f"{arch}.{key} is missing or differs between layers")
        return value

    gemma = arch == "gemma2"
    n_embd, n_head = get("embedding_length"), get("attention.head_count")
    head_dim = get("attention.key_length", n_embd // n_head)
    scaling = get("rope.scaling.type", "linear")
    factor = get("rope.scaling.factor", get("rope.scale_linear", 1.0))
    wide_head = (
        gemma and get("block_count") == 46
    )  # the 27B model scales by the width of the embedding
    return Config(
        arch=arch,
        n_layer=get("block_count"),
        n_embd=n_embd,
        n_head=n_head,
        n_head_kv=get("attention.head_count_kv", n_head),
        head_dim=head_dim,
        eps=get("attention.layer_norm_rms_epsilon"),
        pairs=NEIGHBOURS if arch == "llama" else HALVES,
        n_rot=get("rope.dimension_count", head_dim),
        theta=get("rope.freq_base", 10000.0),
        scaling=scaling,
        factor=1.0 if scaling == "none" or factor == 0 else factor,
        n_ctx_orig=get("rope.scaling.original_context_length", get("context_length")),
        attn_factor=get("rope.scaling.attn_factor", 1.0),
        yarn_mix=abs(get("rope.scaling.yarn_ext_factor", -1.0)),
        yarn_beta_fast=get("rope.scaling.yarn_beta_fast", 32.0),
        yarn_beta_slow=get("rope.scaling.yarn_beta_slow", 1.0),
        attn_scale=1 / math.sqrt(n_embd / n_head if wide_head else head_dim),
        attn_softcap=get("attn_logit_softcapping", 50.0) if gemma else 0.0,
        logit_softcap=get("final_logit_softcapping", 30.0) if gemma else 0.0,
        embedding_scale=math.sqrt(n_embd) if gemma else 1.0,
        window=get("attention.sliding_window", 4096) if gemma else 0,
        window_period=get("attention.sliding_window_pattern", 2),
        n_expert=get("expert_count", 0),
        n_expert_used=get("expert_used_count", 0),
        gating=get("expert_gating_func", 0) or SOFTMAX,
        renormalise=get("expert_weights_norm", arch in ("llama", "qwen3moe")),
        expert_scale=get("expert_weights_scale", 0.0) or 1.0,
    )


def evaluate(model, tokens, trace=None):
    """Logits (n_tokens, n_vocab) of `tokens` evaluated from position 0."""
    config = read_config(model.metadata)
    trace = Trace() if trace is None else trace
    embedding = model.array("token_embd.weight")
    x = embedding[np.asarray(tokens)] * config.embedding_scale
    cos_sin = rotations(config, model.array("rope_freqs.weight"), len(tokens))
    for i_layer in range(config.n_layer):

        def tensor(name, prefix=f"blk.{i_layer}."):
            return model.array(prefix + name)

        branch = rms_norm(x, tensor("attn_norm.weight"), config.eps)
        branch = attention(config, tensor, branch, cos_sin, layer_window(config, i_layer))
        post = tensor("post_attention_norm.weight") if config.arch == "gemma2" else None
        x = x + (branch if post is None else rms_norm(branch, post, config.eps))

        branch = rms_norm(x, tensor("ffn_norm.weight"), config.eps)
        if config.n_expert > 0:
            branch = moe_ffn(config, model, i_layer, branch, trace)
        else:
            gate, up, down = (tensor(f"ffn_{part}.weight") for part in ("gate", "up", "down"))
            branch = gated_ffn(config, branch, gate, up, down)
        post = tensor("post_ffw_norm.weight") if config.arch == "gemma2" else None
        x = x + (branch if post is None else rms_norm(branch, post, config.eps))

    x = rms_norm(x, model.array("output_norm.weight"), config.eps)
    output, bias = model.array("output.weight"), model.array("output.bias")
    logits = x @ (embedding if output is None else output).T
    if bias is not None:
        logits = logits + bias
    if config.logit_softcap:
        logits = config.logit_softcap * np.tanh(logits / config.logit_softcap)
    return logits


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight


# ---- positions ----


def rotations(config, factors, n_tokens):
    """cos and sin, (n_tokens, n_rot / 2), of the angle of every pair at every position."""
    pair = np.arange(config.n_rot // 2)
    frequency = config.theta ** (-2.0 * pair / config.n_rot)
    if factors is not None:
        frequency = frequency / factors
    magnitude = config.attn_factor
    if config.scaling == "yarn":
        keep = (
            yarn_ramp(config, pair) * config.yarn_mix
        )  # 1: the pair turns fast and keeps its angle
        frequency = frequency * (keep + (1 - keep) / config.factor)
        if config.yarn_mix != 0:
            magnitude *= 1 + 0.1 * math.log(config.factor)
    else:
        frequency = frequency / config.factor
    angle = np.arange(n_tokens)[:, None] * frequency[None, :]
    return magnitude * np.cos(angle), magnitude * np.sin(angle)


def yarn_ramp(config, pair):
    def corrected(turns):
        full_turns = config.n_ctx_orig / (2 * math.pi * turns)
        return config.n_rot * math.log(full_turns) / (2 * math.log(config.theta))

    low = max(0, math.floor(corrected(config.yarn_beta_fast)))
    high = min(config.n_rot - 1, math.ceil(corrected(config.yarn_beta_slow)))
    return 1 - np.clip((pair - low) / max(0.001, high - low), 0, 1)


def rotate(config, x, cos_sin):
    """x (n_tokens, n_head, head_dim); elements beyond n_rot pass through."""
    cos, sin = (part[:, None, :] for part in cos_sin)
    n_rot = config.n_rot
    if config.pairs == NEIGHBOURS:
        first, second = slice(0, n_rot, 2), slice(1, n_rot, 2)
    else:
        first, second = slice(0, n_rot // 2), slice(n_rot // 2, n_rot)
    out = x.copy()
    out[:, :, first] = x[:, :, first] * cos - x[:, :, second] * sin
    out[:, :, second] = x[:, :, first] * sin + x[:, :, second] * cos
    return out


# ---- attention ----


def layer_window(config, i_layer):
    """gemma2: all layers but the last of a period see `window` positions, themselves included."""
    return config.window if i_layer % config.window_period < config.window_period - 1 else 0


def project(config, tensor, x):
    """Queries, keys and values before the split into heads; matrices separate or fused."""
    fused = tensor("attn_qkv.weight")
    if fused is not None:
        n_q, n_kv = config.n_head * config.head_dim, config.n_head_kv * config.head_dim
        y = x @ fused.T
        bias = tensor("attn_qkv.bias")
        y = y if bias is None else y + bias
        return np.split(y, [n_q, n_q + n_kv], axis=1)
    parts = []
    for name in ("attn_q", "attn_k", "attn_v"):
        y, bias = x @ tensor(name + ".weight").T, tensor(name + ".bias")
        parts.append(y if bias is None else y + bias)
    return parts


def attention(config, tensor, x, cos_sin, window):
    n_tokens = len(x)
    q, k, v = project(config, tensor, x)
    if config.arch == "olmoe":  # norms over the whole projection
        q = rms_norm(q, tensor("attn_q_norm.weight"), config.eps)
        k = rms_norm(k, tensor("attn_k_norm.weight"), config.eps)
    q = q.reshape(n_tokens, config.n_head, -1)
    k = k.reshape(n_tokens, config.n_head_kv, -1)
    if config.arch == "qwen3moe":  # head by head
        q = rms_norm(q, tensor("attn_q_norm.weight"), config.eps)
        k = rms_norm(k, tensor("attn_k_norm.weight"), config.eps)
    q, k = rotate(config, q, cos_sin), rotate(config, k, cos_sin)
    v = v.reshape(n_tokens, config.n_head_kv, -1)

    position = np.arange(n_tokens)
    hidden = position[None, :] > position[:, None]  # (query, key)
    if window > 0:
        hidden |= position[:, None] - position[None, :] >= window
    heads = []
    for i_head in range(config.n_head):
        i_kv = i_head // (config.n_head // config.n_head_kv)
        score = q[:, i_head] @ k[:, i_kv].T * config.attn_scale
        if config.attn_softcap:
            score = config.attn_softcap * np.tanh(score / config.attn_softcap)
        heads.append(softmax(np.where(hidden, -np.inf, score)) @ v[:, i_kv])
    y = np.concatenate(heads, axis=1) @ tensor("attn_output.weight").T
    bias = tensor("attn_output.bias")
    return y if bias is None else y + bias


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---- feed-forward ----


def activation(config, z):
    if config.arch == "gemma2":
        return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    return z / (1 + np.exp(-z))


def gated_ffn(config, x, gate, up, down):
    return (activation(config, x @ gate.T) * (x @ up.T)) @ down.T


def expert_matrices(config, model, i_layer):
    """gate, up, down as (n_expert, out, in): one merged tensor each, or one tensor per expert."""
    prefix = f"blk.{i_layer}.ffn_"
    fused = model.array(prefix + "gate_up_exps.weight")
    if fused is not None:
        gate, up = np.split(fused, 2, axis=1)
        return gate, up, model.array(prefix + "down_exps.weight")
    parts = []
    for part in ("gate", "up", "down"):
        merged = model.array(f"{prefix}{part}_exps.weight")
        if merged is None:
            names = [f"{prefix}{part}.{e}.weight" for e in range(config.n_expert)]
            merged = np.stack([model.array(name) for name in names])
        parts.append(merged)
    return parts


def route(config, x, router, trace):
    """Chosen experts (n_tokens, k), best first, lower index on ties, and their weights."""
    # Plain products and sums: equal rows must give equal logits, which a BLAS does not promise.
    logits = np.stack([(x * row).sum(axis=1) for row in router], axis=1)
    if config.gating == SIGMOID:
        p = 1 / (1 + np.exp(-logits))
    else:
        p = softmax(logits) if config.gating == SOFTMAX else logits
    order = np.argsort(-p, axis=1, kind="stable")
    k = config.n_expert_used
    chosen = order[:, :k]
    if k < config.n_expert:
        edge = np.take_along_axis(logits, order[:, k - 1 : k + 1], axis=1)
        gaps = edge[:, 0] - edge[:, 1]
        gaps = gaps[gaps > 0]  # an exact tie is decided by the index, not by rounding
        trace.router_gap = min(trace.router_gap, gaps.min(initial=math.inf))
    weights = np.take_along_axis(p, chosen, axis=1)
    if config.gating == SOFTMAX_SELECTED:
        weights = softmax(weights)
    if config.renormalise:
        weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 2.0**-14)
    trace.experts.append(chosen)
    return chosen, weights * config.expert_scale


def moe_ffn(config, model, i_layer, x, trace):
    gate, up, down = expert_matrices(config, model, i_layer)
    router = model.array(f"blk.{i_layer}.ffn_gate_inp.weight")
    chosen, weights = route(config, x, router, trace)
    y = np.zeros_like(x)
    for e in range(config.n_expert):
        token, slot = np.nonzero(chosen == e)
        if len(token) > 0:
            out = gated_ffn(config, x[token], gate[e], up[e], down[e])
            y[token] += weights[token, slot, None] * out
    return y
