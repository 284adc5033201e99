/* SPDX-License-Identifier: MIT */
/*
 * What the bytes of a GGUF file mean: the configuration of the network and a table of typed weights
 * whose names, shapes and types were checked once. After open no string is looked up. Weights point
 * into the mapping, so the gguf must outlive the weights. Immutable; any thread may read.
 *
 * A model family is one arch_<family>.c that fills the configuration and names its tensors;
 * everything in forward/ is driven by the fields below.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/arena.h"
#include "base/dtype.h"
#include "base/error.h"
#include "gguf/gguf.h"

/* ---- configuration --------------------------------------------------------------------------- */

enum rope_style {
    ROPE_NORM, /* rotates neighbours (2i, 2i+1) */
    ROPE_NEOX  /* rotates halves (i, i + n_rot/2) */
};
enum rope_scaling {
    ROPE_SCALING_NONE,
    ROPE_SCALING_LINEAR,
    ROPE_SCALING_YARN,
    ROPE_SCALING_LONGROPE
};

struct rope_config {
    enum rope_style style;
    enum rope_scaling scaling;
    uint32_t n_rot;      /* dimensions rotated, even, <= head_dim */
    float freq_base;     /* theta */
    float factor;        /* positions are divided by it (linear, yarn); 1 when none */
    uint32_t n_ctx_orig; /* context before scaling */
    float attn_factor;   /* multiplies cos and sin; for yarn 1 + 0.1 ln(factor) is already in it */
    /* 1, 32, 1 for yarn unless the file says so */
    float yarn_ext_factor, yarn_beta_fast, yarn_beta_slow;
};

enum ffn_activation { FFN_SILU, FFN_GELU };
/* Values of <arch>.expert_gating_func. */
enum expert_gating { GATING_SOFTMAX = 1, GATING_SIGMOID = 2, GATING_SOFTMAX_SELECTED = 3 };

struct model_config {
    const char *arch; /* "olmoe"; static string of the family */
    uint32_t n_vocab, n_embd, n_layer, n_ctx_train;
    uint32_t n_head, n_head_kv, head_dim_k, head_dim_v;
    uint32_t n_ff; /* dense feed-forward width; 0 when every layer is MoE */
    float norm_eps;
    struct rope_config rope;

    float attn_scale;       /* multiplies q.k */
    float attn_softcap;     /* 0: off */
    float logit_softcap;    /* 0: off */
    float embedding_scale;  /* 1: off */
    uint32_t window;        /* sliding window in positions, itself included; 0: none */
    uint32_t window_period; /* layer il has the window when il mod period < period - 1; 0: no layer,
                               1: all layers */
    bool qk_norm_full;      /* q/k norm over the whole projection (OLMoE) instead of per head */
    enum ffn_activation activation;

    uint32_t n_expert, n_expert_used, n_ff_expert; /* 0 for a dense model */
    uint32_t n_expert_shared;
    enum expert_gating gating;
    bool expert_renorm; /* divide the k weights by their sum */
    float expert_scale; /* multiplies the k weights; 1: off */
};

/* ---- weights --------------------------------------------------------------------------------- */

/* A matrix of n_out rows of n_in elements, or a vector (n_out = 1). `data` is NULL when absent. */
struct weight {
    const void *data;
    enum dtype type;
    uint32_t n_in, n_out;
    size_t row_bytes;
    enum mscope_class cls;
};

/* One matrix per expert, all of one type and shape: data[i_expert] may come from one merged tensor
 * or from many. */
struct expert_weights {
    const void *const *data; /* (n_expert) */
    enum dtype type;
    uint32_t n_in, n_out;
    size_t row_bytes, expert_bytes;
};

struct layer_weights {
    struct weight attn_norm, attn_q, attn_k, attn_v, attn_output;
    struct weight attn_q_bias, attn_k_bias, attn_v_bias, attn_output_bias; /* F32 or absent */
    struct weight attn_q_norm, attn_k_norm;                                /* F32 or absent */
    struct weight attn_post_norm;             /* on the attention output, or absent */
    struct weight ffn_norm, ffn_post_norm;    /* post norm or absent */
    struct weight ffn_gate, ffn_up, ffn_down; /* dense layers */
    bool is_moe;
    struct weight router; /* F32 (n_expert rows of n_embd) */
    struct expert_weights expert_gate, expert_up, expert_down;
    uint32_t window; /* sliding window of this layer, 0: full attention */
};

struct weights {
    struct weight token_embd; /* n_vocab rows of n_embd */
    struct weight output_norm;
    struct weight output;       /* equals token_embd when tied */
    struct weight rope_factors; /* F32 (n_rot / 2): divide the angles; or absent */
    bool tied_output;
    struct layer_weights *layers; /* (n_layer) */
};

/*
 * Reads and checks the configuration. Errors name the key or the architecture (an unknown one with
 * the list of those supported).
 */
enum mscope_status model_config_read(struct model_config *out, const struct gguf *gguf,
                                     struct mscope_error *err);

/*
 * Binds every tensor of the family by name, with shape and type checked; tables come from `arena`.
 * Tensors the family does not know are an error naming the first one (a wrong reading is worse than
 * none).
 */
enum mscope_status model_weights_bind(struct weights *out, const struct model_config *config,
                                      const struct gguf *gguf, struct arena *arena,
                                      struct mscope_error *err);

/* Fills the public description from header and directory alone (strings in `arena`); needs no
 * tokenizer. */
enum mscope_status model_info_fill(struct mscope_model_info *out, const struct gguf *gguf,
                                   struct arena *arena, struct mscope_error *err);

/* Class of a tensor by its name ("blk.3.ffn_up_exps.weight" -> MSCOPE_CLASS_EXPERTS). */
enum mscope_class model_tensor_class(const char *name);

/* Families we can run, NULL-terminated. */
const char *const *model_known_archs(void);

#endif
