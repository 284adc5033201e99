/* SPDX-License-Identifier: MIT */
/*
 * The tensors of a synthetic model. Deviations are chosen so that normed input of deviation 1 gives
 * queries, keys, values and gates of about 1, each branch adds 1/sqrt(2 n_layer) to the residual
 * stream, router logits have deviation 1 and logits about 2.5.
 */
#include "model/synth_parts.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct list {
    struct synth_tensor *tensors;
    int n_tensors;
    const struct synth_shape *shape;
    const struct arch *arch;
};

static void list_layer(struct list *s, uint32_t il);
static void list_attention(struct list *s, uint32_t il);
static void list_ffn(struct list *s, uint32_t il);
static void add_tensor(struct list *s, float mean, float sigma, uint64_t ne0, uint64_t ne1,
                       uint64_t ne2, const char *format, ...) BASE_PRINTF(7, 8);

int synth_list_tensors(struct synth_tensor *tensors, const struct synth_shape *shape,
                       const struct arch *arch)
{
    struct list list = {tensors, 0, shape, arch}, *s = &list;
    const struct synth_shape *h = s->shape;
    float by_width = 1.0f / sqrtf((float)h->n_embd);
    bool post_norms = (s->arch->tensors & ARCH_POST_NORMS) != 0;
    /* A tied embedding also makes the logits; gemma2 multiplies it by sqrt(n_embd) as input. */
    float embedding = !h->tied ? 0.5f : post_norms ? 1.5f * by_width : 2.5f * by_width;
    add_tensor(s, 0.0f, embedding, h->n_embd, h->n_vocab, 1, "token_embd.weight");
    add_tensor(s, 1.0f, 0.05f, h->n_embd, 1, 1, "output_norm.weight");
    if (!h->tied) {
        add_tensor(s, 0.0f, 2.5f * by_width, h->n_embd, h->n_vocab, 1, "output.weight");
    }
    if (h->rope_factor > 0.0f) {
        add_tensor(s, 0.0f, 0.0f, h->head_dim / 2, 1, 1, "rope_freqs.weight");
        s->tensors[s->n_tensors - 1].is_rope_factors = true;
    }
    for (uint32_t il = 0; il < h->n_layer; il++) {
        list_layer(s, il);
    }
    return list.n_tensors;
}

static void list_layer(struct list *s, uint32_t il)
{
    const struct synth_shape *h = s->shape;
    bool post_norms = (s->arch->tensors & ARCH_POST_NORMS) != 0;
    add_tensor(s, 1.0f, 0.05f, h->n_embd, 1, 1, "blk.%u.attn_norm.weight", il);
    list_attention(s, il);
    if (post_norms) {
        add_tensor(s, 3.0f, 0.15f, h->n_embd, 1, 1, "blk.%u.post_attention_norm.weight", il);
    }
    add_tensor(s, 1.0f, 0.05f, h->n_embd, 1, 1, "blk.%u.ffn_norm.weight", il);
    list_ffn(s, il);
    if (post_norms) {
        add_tensor(s, 3.0f, 0.15f, h->n_embd, 1, 1, "blk.%u.post_ffw_norm.weight", il);
    }
}

static void list_attention(struct list *s, uint32_t il)
{
    const struct synth_shape *h = s->shape;
    uint32_t n_q = h->n_head * h->head_dim, n_kv = h->n_head_kv * h->head_dim;
    float by_width = 1.0f / sqrtf((float)h->n_embd);
    float branch = 1.0f / sqrtf(2.0f * (float)h->n_layer);
    add_tensor(s, 0.0f, 1.4f * by_width, h->n_embd, n_q, 1, "blk.%u.attn_q.weight", il);
    add_tensor(s, 0.0f, 1.4f * by_width, h->n_embd, n_kv, 1, "blk.%u.attn_k.weight", il);
    add_tensor(s, 0.0f, by_width, h->n_embd, n_kv, 1, "blk.%u.attn_v.weight", il);
    if ((s->arch->tensors & ARCH_QKV_BIAS) != 0) {
        add_tensor(s, 0.0f, 0.2f, n_q, 1, 1, "blk.%u.attn_q.bias", il);
        add_tensor(s, 0.0f, 0.2f, n_kv, 1, 1, "blk.%u.attn_k.bias", il);
        add_tensor(s, 0.0f, 0.1f, n_kv, 1, 1, "blk.%u.attn_v.bias", il);
    }
    if ((s->arch->tensors & ARCH_QK_NORM_FULL) != 0) {
        add_tensor(s, 1.4f, 0.07f, n_q, 1, 1, "blk.%u.attn_q_norm.weight", il);
        add_tensor(s, 1.4f, 0.07f, n_kv, 1, 1, "blk.%u.attn_k_norm.weight", il);
    }
    if ((s->arch->tensors & ARCH_QK_NORM_HEADS) != 0) {
        add_tensor(s, 1.4f, 0.07f, h->head_dim, 1, 1, "blk.%u.attn_q_norm.weight", il);
        add_tensor(s, 1.4f, 0.07f, h->head_dim, 1, 1, "blk.%u.attn_k_norm.weight", il);
    }
    /* Averaging over positions makes this branch smaller: it is what positions share, and routing
     * with them. */
    add_tensor(s, 0.0f, branch / sqrtf((float)n_q), n_q, h->n_embd, 1, "blk.%u.attn_output.weight",
               il);
}

static void list_ffn(struct list *s, uint32_t il)
{
    const struct synth_shape *h = s->shape;
    float by_width = 1.0f / sqrtf((float)h->n_embd);
    float branch = 1.0f / sqrtf(2.0f * (float)h->n_layer);
    /* silu(z) * u has deviation 0.6 for normal z and u. */
    float down = 1.7f * branch / sqrtf((float)h->n_ff);
    if (h->n_expert == 0) {
        add_tensor(s, 0.0f, by_width, h->n_embd, h->n_ff, 1, "blk.%u.ffn_gate.weight", il);
        add_tensor(s, 0.0f, by_width, h->n_embd, h->n_ff, 1, "blk.%u.ffn_up.weight", il);
        add_tensor(s, 0.0f, down, h->n_ff, h->n_embd, 1, "blk.%u.ffn_down.weight", il);
        return;
    }
    uint32_t n_expert = h->n_expert;
    add_tensor(s, 0.0f, by_width, h->n_embd, n_expert, 1, "blk.%u.ffn_gate_inp.weight", il);
    add_tensor(s, 0.0f, by_width, h->n_embd, h->n_ff, n_expert, "blk.%u.ffn_gate_exps.weight", il);
    add_tensor(s, 0.0f, by_width, h->n_embd, h->n_ff, n_expert, "blk.%u.ffn_up_exps.weight", il);
    add_tensor(s, 0.0f, down * h->expert_gain, h->n_ff, h->n_embd, n_expert,
               "blk.%u.ffn_down_exps.weight", il);
}

static void add_tensor(struct list *s, float mean, float sigma, uint64_t ne0, uint64_t ne1,
                       uint64_t ne2, const char *format, ...)
{
    assert(s->n_tensors < SYNTH_MAX_TENSORS);
    struct synth_tensor *tensor = &s->tensors[s->n_tensors++];
    *tensor = (struct synth_tensor){.n_dims = ne2 > 1   ? 3
                                              : ne1 > 1 ? 2
                                                        : 1,
                                    .ne = {ne0, ne1, ne2},
                                    .mean = mean,
                                    .sigma = sigma};
    va_list args;
    va_start(args, format);
    vsnprintf(tensor->name, sizeof tensor->name, format, args);
    va_end(args);
}
