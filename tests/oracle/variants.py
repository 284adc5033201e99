# SPDX-License-Identifier: MIT
"""Small GGUF files for what the synthetic shapes do not cover: one entry of VARIANTS per feature."""

import os
import zlib
from dataclasses import dataclass, field

import numpy as np

import gguf_writer
from gguf_writer import Typed


@dataclass
class Variant:
    """Shape of the model and departures from the plain file of its family."""

    arch: str
    n_layer: int = 2
    n_embd: int = 64
    n_head: int = 4
    n_head_kv: int = 2
    head_dim: int = 16
    n_ff: int = 96
    n_vocab: int = 80
    n_ctx: int = 256
    n_expert: int = 0
    n_expert_used: int = 0
    keys: dict = field(
        default_factory=dict
    )  # added to or replacing the metadata, without the prefix "ARCH."
    drop: tuple = ()  # keys left out
    types: tuple = ()  # types of the matrices, in turn; empty: F32
    output: bool = True  # a matrix of its own for the output, else tied to the embedding
    rope_factors: bool = False
    layout: str = (
        "merged"  # of the experts: merged, one (a tensor each), fused (gate and up in one)
    )
    fused_qkv: bool = False
    biases: bool = False  # of q, k and v (qwen2 has them anyway), and of the attention output
    equal_router_rows: bool = False
    n_parts: int = 1
    version: int = 3


def dense(arch, **changes):
    return Variant(arch, **changes)


def experts(arch, **changes):
    return Variant(arch, **{"n_expert": 6, "n_expert_used": 2, **changes})


YARN = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4.0,
    "rope.scaling.original_context_length": 64,
}
WINDOW = {"attention.sliding_window": 5}
CAPS = {"attn_logit_softcapping": 4.0, "final_logit_softcapping": 2.0}

VARIANTS = {
    # attention shapes
    "llama-heads-all": dense("llama", n_head_kv=4),
    "llama-heads-one": dense("llama", n_head_kv=1),
    "llama-heads-three": dense("llama", n_head=6, n_head_kv=2, n_embd=96),
    "llama-tied": dense("llama", output=False),
    "llama-wide-heads": dense(
        "llama", keys={"attention.key_length": 32, "attention.value_length": 32}, head_dim=32
    ),
    "qwen2-seven-to-one": dense("qwen2", n_head=7, n_head_kv=1, n_embd=112),
    "qwen2-tied": dense("qwen2", output=False),
    "llama-fused-qkv": dense("llama", fused_qkv=True),
    "qwen2-fused-qkv": dense("qwen2", fused_qkv=True),
    "llama-fused-qkv-blocks": dense("llama", fused_qkv=True, types=("Q4_0", "Q5_1", "Q8_0")),
    "llama-biases": dense("llama", biases=True),
    # positions
    "llama-half-rotated": dense("llama", keys={"rope.dimension_count": 8}),
    "qwen2-half-rotated": dense("qwen2", keys={"rope.dimension_count": 8}),
    "llama-theta": dense("llama", keys={"rope.freq_base": 500000.0}),
    "llama-linear": dense(
        "llama", keys={"rope.scaling.type": "linear", "rope.scaling.factor": 3.0}
    ),
    "llama-linear-untyped": dense("llama", keys={"rope.scaling.factor": 2.0}),
    "llama-linear-old": dense("llama", keys={"rope.scale_linear": 4.0}),
    "llama-scaling-none": dense(
        "llama", keys={"rope.scaling.type": "none", "rope.scaling.factor": 4.0}
    ),
    "llama-yarn": dense("llama", keys=YARN),
    "qwen2-yarn": dense("qwen2", keys=YARN),
    "llama-yarn-attn-factor": dense("llama", keys={**YARN, "rope.scaling.attn_factor": 0.8}),
    "llama-yarn-betas": dense(
        "llama",
        keys={**YARN, "rope.scaling.yarn_beta_fast": 8.0, "rope.scaling.yarn_beta_slow": 2.0},
    ),
    "llama-yarn-factors": dense("llama", keys=YARN, rope_factors=True),
    "llama-factors": dense("llama", rope_factors=True),
    "llama-factors-linear": dense("llama", rope_factors=True, keys={"rope.scaling.factor": 2.0}),
    # gemma2
    "gemma2-window": dense("gemma2", keys={**WINDOW, **CAPS}, n_layer=4),
    "gemma2-window-one": dense("gemma2", keys={"attention.sliding_window": 1, **CAPS}, n_layer=3),
    "gemma2-window-default": dense("gemma2", keys=CAPS, n_layer=2),
    "gemma2-caps-default": dense("gemma2", keys=WINDOW),
    "gemma2-period-three": dense(
        "gemma2", keys={**WINDOW, **CAPS, "attention.sliding_window_pattern": 3}, n_layer=5
    ),
    "gemma2-no-caps": dense(
        "gemma2", keys={"attn_logit_softcapping": 0.0, "final_logit_softcapping": 0.0}
    ),
    "gemma2-46-layers": dense("gemma2", n_layer=46, n_embd=32, n_ff=32, head_dim=32, keys=CAPS),
    # experts
    "mixtral": experts("llama"),
    "mixtral-one-tensor-each": experts("llama", layout="one"),
    "mixtral-fused-gate-up": experts("llama", layout="fused"),
    "mixtral-ties": experts("llama", equal_router_rows=True),
    "mixtral-all-used": experts("llama", n_expert=4, n_expert_used=4),
    "mixtral-one-used": experts("llama", n_expert_used=1),
    "mixtral-expert-width": experts("llama", keys={"expert_feed_forward_length": 96}),
    "mixtral-mixed": experts(
        "llama", n_embd=256, n_ff=256, head_dim=64, layout="one", types=("Q4_K", "Q6_K", "Q8_0")
    ),
    "mixtral-not-normalised": experts("llama", keys={"expert_weights_norm": False}),
    "mixtral-scaled": experts("llama", keys={"expert_weights_scale": 2.5}),
    "mixtral-sigmoid": experts("llama", keys={"expert_gating_func": 2}),
    "mixtral-softmax-selected": experts(
        "llama", keys={"expert_gating_func": 3, "expert_weights_norm": False}
    ),
    "olmoe-normalised": experts(
        "olmoe", keys={"expert_weights_norm": True, "expert_weights_scale": 0.5}
    ),
    "olmoe-sigmoid": experts("olmoe", keys={"expert_gating_func": 2}),
    "olmoe": experts("olmoe", n_head_kv=4),
    "olmoe-grouped-heads": experts("olmoe"),
    "olmoe-ties": experts("olmoe", equal_router_rows=True, n_expert=13, n_expert_used=5),
    "qwen3moe": experts("qwen3moe"),
    "qwen3moe-as-they-are": experts("qwen3moe", keys={"expert_weights_norm": False}),
    "olmoe-many": experts("olmoe", n_expert=60, n_expert_used=8, n_head_kv=4),
    # types: every matrix of the model takes the next one
    "llama-f16-bf16": dense("llama", types=("F16", "BF16")),
    "llama-blocks-32": dense(
        "llama", types=("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "MXFP4")
    ),
    "qwen2-blocks-256": dense(
        "qwen2",
        n_embd=256,
        n_ff=512,
        head_dim=64,
        types=("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"),
    ),
    "olmoe-blocks-32": experts("olmoe", types=("Q5_1", "IQ4_NL", "MXFP4", "Q4_1", "Q5_0")),
    "olmoe-blocks-256": experts(
        "olmoe", n_embd=256, n_ff=256, head_dim=64, types=("Q6_K", "IQ4_XS", "Q2_K", "Q5_K", "Q3_K")
    ),
    "gemma2-blocks-256": dense(
        "gemma2",
        n_embd=256,
        n_ff=256,
        head_dim=64,
        keys={**WINDOW, **CAPS},
        types=("Q4_K", "Q6_K", "Q3_K", "Q8_0", "F16"),
    ),
    # container
    "llama-version-2": dense("llama", version=2),
    "llama-alignment-64": dense("llama", keys={"general.alignment": 64}),
    "llama-split": dense("llama", n_parts=3),
    "mixtral-split": experts("llama", n_parts=2, layout="one"),
    "llama-other-integers": dense(
        "llama",
        keys={
            "attention.head_count": Typed("i32", 4),
            "block_count": Typed("u64", 2),
            "attention.head_count_kv": Typed("i32", [2, 2]),
            "feed_forward_length": Typed("u32", [96, 96]),
        },
    ),
    "llama-no-optional-keys": dense(
        "llama",
        n_head_kv=4,
        drop=("attention.head_count_kv", "rope.dimension_count", "rope.freq_base"),
    ),
}


def metadata_of(variant):
    own = {
        "context_length": variant.n_ctx,
        "embedding_length": variant.n_embd,
        "block_count": variant.n_layer,
        "feed_forward_length": variant.n_ff,
        "vocab_size": variant.n_vocab,
        "attention.head_count": variant.n_head,
        "attention.head_count_kv": variant.n_head_kv,
        "rope.dimension_count": variant.head_dim,
        "rope.freq_base": 10000.0,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    if variant.arch == "gemma2":
        own.update(
            {"attention.key_length": variant.head_dim, "attention.value_length": variant.head_dim}
        )
    if variant.n_expert > 0:
        own.update({"expert_count": variant.n_expert, "expert_used_count": variant.n_expert_used})
    own.update(
        {key: value for key, value in variant.keys.items() if not key.startswith("general.")}
    )
    general = {"general.architecture": variant.arch, "tokenizer.ggml.model": "no_vocab"}
    general.update(
        {key: value for key, value in variant.keys.items() if key.startswith("general.")}
    )
    prefixed = {
        f"{variant.arch}.{key}": value for key, value in own.items() if key not in variant.drop
    }
    return {**general, **prefixed}


class TensorMaker:
    """Random tensors of a variant, in file order."""

    def __init__(self, variant, rng):
        self.variant, self.rng, self.tensors, self.n_matrices = variant, rng, {}, 0

    def matrix(self, name, *shape, gain=1.0, type_name=None):
        types = self.variant.types or ("F32",)
        if type_name is None:
            type_name = types[self.n_matrices % len(types)]
            self.n_matrices += 1
        data = gguf_writer.pack_random(self.rng, type_name, shape, gain / np.sqrt(shape[-1]))
        self.tensors[name] = (shape, type_name, data)

    def vector(self, name, n, centre, spread):
        values = centre + spread * self.rng.normal(size=n)
        self.tensors[name] = ((n,), "F32", values.astype("<f4").tobytes())

    def model(self):
        v = self.variant
        embedding_gain = 1.0 if v.arch == "gemma2" else np.sqrt(v.n_embd)
        self.matrix("token_embd.weight", v.n_vocab, v.n_embd, gain=embedding_gain)
        if v.rope_factors:
            factors = np.linspace(1, 8, v.head_dim // 2).astype("<f4")
            self.tensors["rope_freqs.weight"] = (factors.shape, "F32", factors.tobytes())
        for i_layer in range(v.n_layer):
            prefix = f"blk.{i_layer}."
            self.attention(prefix)
            self.vector(prefix + "ffn_norm.weight", v.n_embd, 1, 0.1)
            if v.n_expert > 0:
                self.experts(prefix)
            else:
                self.dense(prefix)
        self.vector("output_norm.weight", v.n_embd, 1, 0.1)
        if v.output and v.arch != "gemma2":
            self.matrix("output.weight", v.n_vocab, v.n_embd, gain=3.0)
        return self.tensors

    def attention(self, prefix):
        v = self.variant
        n_q, n_kv = v.n_head * v.head_dim, v.n_head_kv * v.head_dim
        self.vector(prefix + "attn_norm.weight", v.n_embd, 1, 0.1)
        if v.fused_qkv:
            self.matrix(prefix + "attn_qkv.weight", n_q + 2 * n_kv, v.n_embd, gain=1.5)
            if v.arch == "qwen2":
                self.vector(prefix + "attn_qkv.bias", n_q + 2 * n_kv, 0, 0.3)
        else:
            for name, n_out, gain in (
                ("attn_q", n_q, 2.0),
                ("attn_k", n_kv, 2.0),
                ("attn_v", n_kv, 1.0),
            ):
                self.matrix(prefix + name + ".weight", n_out, v.n_embd, gain=gain)
                if v.arch == "qwen2" or v.biases:
                    self.vector(prefix + name + ".bias", n_out, 0, 0.3)
        if v.arch == "olmoe":
            self.vector(prefix + "attn_q_norm.weight", n_q, 1.3, 0.2)
            self.vector(prefix + "attn_k_norm.weight", n_kv, 1.3, 0.2)
        if v.arch == "qwen3moe":
            self.vector(prefix + "attn_q_norm.weight", v.head_dim, 1.3, 0.2)
            self.vector(prefix + "attn_k_norm.weight", v.head_dim, 1.3, 0.2)
        self.matrix(prefix + "attn_output.weight", v.n_embd, n_q)
        if v.biases:
            self.vector(prefix + "attn_output.bias", v.n_embd, 0, 0.3)
        if v.arch == "gemma2":
            self.vector(prefix + "post_attention_norm.weight", v.n_embd, 0.7, 0.1)
            self.vector(prefix + "post_ffw_norm.weight", v.n_embd, 0.7, 0.1)

    def dense(self, prefix):
        v = self.variant
        self.matrix(prefix + "ffn_gate.weight", v.n_ff, v.n_embd)
        self.matrix(prefix + "ffn_up.weight", v.n_ff, v.n_embd)
        self.matrix(prefix + "ffn_down.weight", v.n_embd, v.n_ff)

    def experts(self, prefix):
        v = self.variant
        self.router(prefix + "ffn_gate_inp.weight")
        shapes = {"gate": (v.n_ff, v.n_embd), "up": (v.n_ff, v.n_embd), "down": (v.n_embd, v.n_ff)}
        if v.layout == "fused":
            shapes = {"gate_up": (2 * v.n_ff, v.n_embd), "down": shapes["down"]}
        for part, shape in shapes.items():
            if v.layout != "one":
                self.matrix(f"{prefix}ffn_{part}_exps.weight", v.n_expert, *shape)
                continue
            type_name = v.types[self.n_matrices % len(v.types)] if v.types else "F32"
            self.n_matrices += 1
            for e in self.rng.permutation(v.n_expert):  # any order in the file
                self.matrix(f"{prefix}ffn_{part}.{e}.weight", *shape, type_name=type_name)

    def router(self, name):
        v = self.variant
        rows = self.rng.normal(0, 2 / np.sqrt(v.n_embd), (v.n_expert, v.n_embd))
        if v.equal_router_rows:  # pairs of experts (0, 1), (2, 3), ... always tie
            rows = rows[np.arange(v.n_expert) // 2]
            rows[-1] = rows[0]
        self.tensors[name] = (rows.shape, "F32", rows.astype("<f4").tobytes())


def write_variant(name, folder):
    """Writes the file; returns the path to give to moescope and the one to give to the oracle."""
    variant = VARIANTS[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    metadata, tensors = metadata_of(variant), TensorMaker(variant, rng).model()
    whole = os.path.join(folder, name + ".gguf")
    gguf_writer.write(whole, metadata, tensors, variant.version)
    if variant.n_parts == 1:
        return whole, whole
    return (
        gguf_writer.write_split(os.path.join(folder, name), metadata, tensors, variant.n_parts),
        whole,
    )
