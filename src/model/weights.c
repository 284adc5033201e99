/* SPDX-License-Identifier: MIT */
/*
 * Binding: every tensor of the family by name, its shape and type checked against the
 * configuration, once. Like the configuration reader, the binder stops at its first failure and a
 * sequence of calls is checked at its end. Each tensor bound is noted; what remains in the file is
 * unknown to the family and refused.
 */
#include "model/arch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct binder {
    const struct gguf *gguf;
    const struct model_config *config;
    const struct arch *arch;
    struct arena *arena;
    const struct gguf_tensor **bound; /* (n_tensors in the file), owned */
    size_t n_bound;
    enum mscope_status status;
    struct mscope_error *err;
};

enum need { OPTIONAL, REQUIRED };
enum projection { GATE, UP, DOWN };
static const char *const projection_names[] = {"gate", "up", "down"};

static void bind_globals(struct binder *b, struct weights *out);
static void bind_layer(struct binder *b, struct layer_weights *layer, uint32_t i_layer);
static void bind_attention(struct binder *b, struct layer_weights *layer, uint32_t il);
static void bind_fused_qkv(struct binder *b, struct layer_weights *layer, uint32_t il);
static void bind_qkv_biases(struct binder *b, struct layer_weights *layer, uint32_t il, bool fused);
static void bind_experts(struct binder *b, struct layer_weights *layer, uint32_t il);
static void bind_merged_experts(struct binder *b, struct expert_weights *out, uint32_t il,
                                enum projection projection);
static void bind_legacy_experts(struct binder *b, struct expert_weights *out, uint32_t il,
                                enum projection projection);
static void bind_fused_experts(struct binder *b, struct layer_weights *layer, uint32_t il);
static void fill_expert_pointers(struct binder *b, struct expert_weights *out,
                                 const struct gguf_tensor *tensor, uint64_t first, uint64_t stride);
static void refuse_experts_in_dense(struct binder *b);
static void refuse_unknown_tensors(struct binder *b);
static void bind_matrix(struct binder *b, struct weight *out, enum need need, uint64_t n_in,
                        uint64_t n_out, const char *format, ...) BASE_PRINTF(6, 7);
static void bind_f32(struct binder *b, struct weight *out, enum need need, uint64_t n_in,
                     uint64_t n_out, const char *format, ...) BASE_PRINTF(6, 7);
static const struct gguf_tensor *take(struct binder *b, enum need need, const uint64_t ne[3],
                                      const char *name);
static const struct gguf_tensor *find_layer_tensor(const struct binder *b, uint32_t il,
                                                   const char *suffix);
static void weight_set(struct weight *out, const struct gguf_tensor *tensor, uint64_t first_row,
                       uint64_t n_rows);
static void fail(struct binder *b, enum mscope_status status, const char *tensor,
                 const char *format, ...) BASE_PRINTF(4, 5);

enum mscope_status model_weights_bind(struct weights *out, const struct model_config *config,
                                      const struct gguf *gguf, struct arena *arena,
                                      struct mscope_error *err)
{
    uint64_t n_tensors = gguf_n_tensors(gguf);
    struct binder b = {.gguf = gguf,
                       .config = config,
                       .arch = arch_find_name(config->arch),
                       .arena = arena,
                       .err = err};
    *out = (struct weights){0};
    b.bound = calloc((size_t)n_tensors + 1, sizeof(const struct gguf_tensor *));
    if (b.bound == NULL) {
        return error_set_memory(err, "weight table", n_tensors * sizeof(void *));
    }
    out->layers = arena_take(arena, config->n_layer, sizeof *out->layers, err);
    b.status = out->layers == NULL ? MSCOPE_ERR_MEMORY : MSCOPE_OK;
    refuse_experts_in_dense(&b);
    bind_globals(&b, out);
    for (uint32_t il = 0; il < config->n_layer && b.status == MSCOPE_OK; il++) {
        bind_layer(&b, &out->layers[il], il);
    }
    refuse_unknown_tensors(&b);
    free(b.bound);
    return b.status;
}

static void bind_globals(struct binder *b, struct weights *out)
{
    const struct model_config *c = b->config;
    unsigned tensors = b->arch->tensors;
    bind_matrix(b, &out->token_embd, REQUIRED, c->n_embd, c->n_vocab, "token_embd.weight");
    bind_f32(b, &out->output_norm, REQUIRED, c->n_embd, 1, "output_norm.weight");
    if ((tensors & ARCH_OUTPUT_TIED) == 0) {
        enum need need = (tensors & ARCH_OUTPUT_OPTIONAL) != 0 ? OPTIONAL : REQUIRED;
        bind_matrix(b, &out->output, need, c->n_embd, c->n_vocab, "output.weight");
    }
    if (out->output.data == NULL) {
        out->tied_output = true;
        out->output = out->token_embd;
        out->output.cls = MSCOPE_CLASS_OUTPUT;
    }
    if ((tensors & ARCH_ROPE_FACTORS) != 0) {
        bind_f32(b, &out->rope_factors, OPTIONAL, c->rope.n_rot / 2, 1, "rope_freqs.weight");
    }
}

static void bind_layer(struct binder *b, struct layer_weights *layer, uint32_t il)
{
    const struct model_config *c = b->config;
    if (c->window_period == 1 ||
        (c->window_period > 1 && il % c->window_period < c->window_period - 1)) {
        layer->window = c->window;
    }
    bind_attention(b, layer, il);
    bind_f32(b, &layer->ffn_norm, REQUIRED, c->n_embd, 1, "blk.%u.ffn_norm.weight", il);
    if ((b->arch->tensors & ARCH_POST_NORMS) != 0) {
        bind_f32(b, &layer->attn_post_norm, REQUIRED, c->n_embd, 1,
                 "blk.%u.post_attention_norm.weight", il);
        bind_f32(b, &layer->ffn_post_norm, REQUIRED, c->n_embd, 1, "blk.%u.post_ffw_norm.weight",
                 il);
    }
    layer->is_moe = c->n_expert > 0;
    if (layer->is_moe) {
        bind_experts(b, layer, il);
        return;
    }
    bind_matrix(b, &layer->ffn_gate, REQUIRED, c->n_embd, c->n_ff, "blk.%u.ffn_gate.weight", il);
    bind_matrix(b, &layer->ffn_up, REQUIRED, c->n_embd, c->n_ff, "blk.%u.ffn_up.weight", il);
    bind_matrix(b, &layer->ffn_down, REQUIRED, c->n_ff, c->n_embd, "blk.%u.ffn_down.weight", il);
}

static void bind_attention(struct binder *b, struct layer_weights *layer, uint32_t il)
{
    const struct model_config *c = b->config;
    uint64_t n_q = (uint64_t)c->n_head * c->head_dim_k;
    uint64_t n_k = (uint64_t)c->n_head_kv * c->head_dim_k;
    uint64_t n_v = (uint64_t)c->n_head_kv * c->head_dim_v;
    uint64_t n_mixed = (uint64_t)c->n_head * c->head_dim_v;
    bind_f32(b, &layer->attn_norm, REQUIRED, c->n_embd, 1, "blk.%u.attn_norm.weight", il);
    bool fused = find_layer_tensor(b, il, "attn_qkv.weight") != NULL;
    if (fused) {
        bind_fused_qkv(b, layer, il);
    } else {
        bind_matrix(b, &layer->attn_q, REQUIRED, c->n_embd, n_q, "blk.%u.attn_q.weight", il);
        bind_matrix(b, &layer->attn_k, REQUIRED, c->n_embd, n_k, "blk.%u.attn_k.weight", il);
        bind_matrix(b, &layer->attn_v, REQUIRED, c->n_embd, n_v, "blk.%u.attn_v.weight", il);
    }
    bind_qkv_biases(b, layer, il, fused);
    bind_matrix(b, &layer->attn_output, REQUIRED, n_mixed, c->n_embd, "blk.%u.attn_output.weight",
                il);
    if ((b->arch->tensors & ARCH_QK_NORM_FULL) != 0) {
        bind_f32(b, &layer->attn_q_norm, REQUIRED, n_q, 1, "blk.%u.attn_q_norm.weight", il);
        bind_f32(b, &layer->attn_k_norm, REQUIRED, n_k, 1, "blk.%u.attn_k_norm.weight", il);
    }
    if ((b->arch->tensors & ARCH_QK_NORM_HEADS) != 0) {
        uint64_t n = c->head_dim_k;
        bind_f32(b, &layer->attn_q_norm, REQUIRED, n, 1, "blk.%u.attn_q_norm.weight", il);
        bind_f32(b, &layer->attn_k_norm, REQUIRED, n, 1, "blk.%u.attn_k_norm.weight", il);
    }
    /* Old converters stored the inverse frequencies here; they equal those computed, so they are
     * not read. */
    char name[GGUF_MAX_NAME_BYTES];
    snprintf(name, sizeof name, "blk.%u.attn_rot_embd.weight", (unsigned)il);
    const uint64_t ne[3] = {c->rope.n_rot / 2, 1, 1};
    take(b, OPTIONAL, ne, name);
}

/* Rows of the fused matrix: all of q, then k, then v. */
static void bind_fused_qkv(struct binder *b, struct layer_weights *layer, uint32_t il)
{
    const struct model_config *c = b->config;
    uint64_t n_q = (uint64_t)c->n_head * c->head_dim_k;
    uint64_t n_k = (uint64_t)c->n_head_kv * c->head_dim_k;
    uint64_t n_v = (uint64_t)c->n_head_kv * c->head_dim_v;
    char name[GGUF_MAX_NAME_BYTES];
    snprintf(name, sizeof name, "blk.%u.attn_qkv.weight", (unsigned)il);
    const uint64_t ne[3] = {c->n_embd, n_q + n_k + n_v, 1};
    const struct gguf_tensor *fused = take(b, REQUIRED, ne, name);
    if (fused != NULL) {
        weight_set(&layer->attn_q, fused, 0, n_q);
        weight_set(&layer->attn_k, fused, n_q, n_k);
        weight_set(&layer->attn_v, fused, n_q + n_k, n_v);
    }
}

static void bind_qkv_biases(struct binder *b, struct layer_weights *layer, uint32_t il, bool fused)
{
    const struct model_config *c = b->config;
    uint64_t n_q = (uint64_t)c->n_head * c->head_dim_k;
    uint64_t n_k = (uint64_t)c->n_head_kv * c->head_dim_k;
    uint64_t n_v = (uint64_t)c->n_head_kv * c->head_dim_v;
    bool required = (b->arch->tensors & ARCH_QKV_BIAS) != 0;
    bool optional = (b->arch->tensors & ARCH_ATTN_BIAS_OPTIONAL) != 0;
    if (!required && !optional) {
        return;
    }
    enum need need = required ? REQUIRED : OPTIONAL;
    if (fused) {
        struct weight bias = {0};
        bind_f32(b, &bias, need, n_q + n_k + n_v, 1, "blk.%u.attn_qkv.bias", il);
        if (bias.data != NULL) {
            const float *values = bias.data;
            layer->attn_q_bias = layer->attn_k_bias = layer->attn_v_bias = bias;
            layer->attn_q_bias.n_in = (uint32_t)n_q;
            layer->attn_k_bias.n_in = (uint32_t)n_k;
            layer->attn_v_bias.n_in = (uint32_t)n_v;
            layer->attn_k_bias.data = values + n_q;
            layer->attn_v_bias.data = values + n_q + n_k;
            layer->attn_q_bias.row_bytes = (size_t)n_q * sizeof(float);
            layer->attn_k_bias.row_bytes = (size_t)n_k * sizeof(float);
            layer->attn_v_bias.row_bytes = (size_t)n_v * sizeof(float);
        }
    } else {
        bind_f32(b, &layer->attn_q_bias, need, n_q, 1, "blk.%u.attn_q.bias", il);
        bind_f32(b, &layer->attn_k_bias, need, n_k, 1, "blk.%u.attn_k.bias", il);
        bind_f32(b, &layer->attn_v_bias, need, n_v, 1, "blk.%u.attn_v.bias", il);
    }
    if (optional) {
        bind_f32(b, &layer->attn_output_bias, OPTIONAL, c->n_embd, 1, "blk.%u.attn_output.bias",
                 il);
    }
}

static void bind_experts(struct binder *b, struct layer_weights *layer, uint32_t il)
{
    const struct model_config *c = b->config;
    bind_f32(b, &layer->router, REQUIRED, c->n_embd, c->n_expert, "blk.%u.ffn_gate_inp.weight", il);
    if (find_layer_tensor(b, il, "ffn_gate_up_exps.weight") != NULL) {
        bind_fused_experts(b, layer, il);
    } else if (find_layer_tensor(b, il, "ffn_gate.0.weight") != NULL) {
        bind_legacy_experts(b, &layer->expert_gate, il, GATE);
        bind_legacy_experts(b, &layer->expert_up, il, UP);
    } else {
        bind_merged_experts(b, &layer->expert_gate, il, GATE);
        bind_merged_experts(b, &layer->expert_up, il, UP);
    }
    if (find_layer_tensor(b, il, "ffn_down.0.weight") != NULL) {
        bind_legacy_experts(b, &layer->expert_down, il, DOWN);
    } else {
        bind_merged_experts(b, &layer->expert_down, il, DOWN);
    }
}

static void bind_merged_experts(struct binder *b, struct expert_weights *out, uint32_t il,
                                enum projection projection)
{
    const struct model_config *c = b->config;
    uint64_t n_in = projection == DOWN ? c->n_ff_expert : c->n_embd;
    uint64_t n_out = projection == DOWN ? c->n_embd : c->n_ff_expert;
    char name[GGUF_MAX_NAME_BYTES];
    snprintf(name, sizeof name, "blk.%u.ffn_%s_exps.weight", (unsigned)il,
             projection_names[projection]);
    const uint64_t ne[3] = {n_in, n_out, c->n_expert};
    const struct gguf_tensor *tensor = take(b, REQUIRED, ne, name);
    if (tensor == NULL) {
        return;
    }
    out->n_in = (uint32_t)n_in;
    out->n_out = (uint32_t)n_out;
    fill_expert_pointers(b, out, tensor, 0, n_out);
}

/* One matrix per expert: "blk.N.ffn_gate.E.weight", anywhere in the file, all of one type. */
static void bind_legacy_experts(struct binder *b, struct expert_weights *out, uint32_t il,
                                enum projection projection)
{
    const struct model_config *c = b->config;
    uint64_t n_in = projection == DOWN ? c->n_ff_expert : c->n_embd;
    uint64_t n_out = projection == DOWN ? c->n_embd : c->n_ff_expert;
    const uint64_t ne[3] = {n_in, n_out, 1};
    if (b->status != MSCOPE_OK) {
        return;
    }
    const void **data = arena_take(b->arena, c->n_expert, sizeof *data, b->err);
    b->status = data == NULL ? MSCOPE_ERR_MEMORY : MSCOPE_OK;
    for (uint32_t e = 0; e < c->n_expert && b->status == MSCOPE_OK; e++) {
        char name[GGUF_MAX_NAME_BYTES];
        snprintf(name, sizeof name, "blk.%u.ffn_%s.%u.weight", (unsigned)il,
                 projection_names[projection], (unsigned)e);
        const struct gguf_tensor *tensor = take(b, REQUIRED, ne, name);
        if (tensor == NULL) {
            return;
        }
        if (e > 0 && tensor->type != out->type) {
            fail(b, MSCOPE_ERR_UNSUPPORTED, name, "type %s, expected %s as in expert 0",
                 dtype_name((uint32_t)tensor->type), dtype_name((uint32_t)out->type));
            return;
        }
        out->type = tensor->type;
        data[e] = tensor->data;
    }
    if (b->status != MSCOPE_OK) {
        return;
    }
    out->data = data;
    out->n_in = (uint32_t)n_in;
    out->n_out = (uint32_t)n_out;
    out->row_bytes = (size_t)dtype_row_bytes(out->type, n_in);
    out->expert_bytes = out->row_bytes * (size_t)n_out;
}

/* In every expert, the rows of gate come first, then those of up. */
static void bind_fused_experts(struct binder *b, struct layer_weights *layer, uint32_t il)
{
    const struct model_config *c = b->config;
    char name[GGUF_MAX_NAME_BYTES];
    snprintf(name, sizeof name, "blk.%u.ffn_gate_up_exps.weight", (unsigned)il);
    const uint64_t ne[3] = {c->n_embd, 2 * (uint64_t)c->n_ff_expert, c->n_expert};
    const struct gguf_tensor *tensor = take(b, REQUIRED, ne, name);
    if (tensor == NULL) {
        return;
    }
    struct expert_weights *halves[2] = {&layer->expert_gate, &layer->expert_up};
    for (uint64_t i = 0; i < 2; i++) {
        halves[i]->n_in = c->n_embd;
        halves[i]->n_out = c->n_ff_expert;
        fill_expert_pointers(b, halves[i], tensor, i * c->n_ff_expert, ne[1]);
    }
}

/* Expert e starts at row first + e * stride of the tensor. */
static void fill_expert_pointers(struct binder *b, struct expert_weights *out,
                                 const struct gguf_tensor *tensor, uint64_t first, uint64_t stride)
{
    if (b->status != MSCOPE_OK) {
        return;
    }
    uint32_t n_expert = b->config->n_expert;
    const void **data = arena_take(b->arena, n_expert, sizeof *data, b->err);
    if (data == NULL) {
        b->status = MSCOPE_ERR_MEMORY;
        return;
    }
    out->type = tensor->type;
    out->row_bytes = (size_t)dtype_row_bytes(out->type, out->n_in);
    out->expert_bytes = out->row_bytes * out->n_out;
    for (uint32_t e = 0; e < n_expert; e++) {
        data[e] = (const char *)tensor->data + (size_t)(first + e * stride) * out->row_bytes;
    }
    out->data = data;
}

static void refuse_experts_in_dense(struct binder *b)
{
    if (b->status != MSCOPE_OK || b->config->n_expert != 0) {
        return;
    }
    for (uint64_t i = 0; i < gguf_n_tensors(b->gguf); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(b->gguf, i);
        enum mscope_class cls = model_tensor_class(tensor->name);
        if (cls == MSCOPE_CLASS_EXPERTS || cls == MSCOPE_CLASS_ROUTER) {
            b->status = error_set(b->err, MSCOPE_ERR_FORMAT, "key",
                                  "0 experts, but the file holds tensor %s", tensor->name);
            error_set_object(b->err, "key %s.expert_count", b->config->arch);
            return;
        }
    }
}

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const void *const *)a, y = (uintptr_t) * (const void *const *)b;
    return (x > y) - (x < y);
}

/* Every tensor bound was bound once, so equal counts mean that none is left. */
static void refuse_unknown_tensors(struct binder *b)
{
    uint64_t n_tensors = gguf_n_tensors(b->gguf);
    if (b->status != MSCOPE_OK || b->n_bound == n_tensors) {
        return;
    }
    qsort(b->bound, b->n_bound, sizeof b->bound[0], compare_pointers);
    for (uint64_t i = 0; i < n_tensors; i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(b->gguf, i);
        if (bsearch(&tensor, b->bound, b->n_bound, sizeof b->bound[0], compare_pointers) == NULL) {
            fail(b, MSCOPE_ERR_UNSUPPORTED, tensor->name,
                 "not a tensor of the family %s with %u layers (docs/MODELS.md lists them)",
                 b->arch->name, (unsigned)b->config->n_layer);
            return;
        }
    }
}

static void bind_matrix(struct binder *b, struct weight *out, enum need need, uint64_t n_in,
                        uint64_t n_out, const char *format, ...)
{
    char name[GGUF_MAX_NAME_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const uint64_t ne[3] = {n_in, n_out, 1};
    const struct gguf_tensor *tensor = take(b, need, ne, name);
    if (tensor != NULL) {
        weight_set(out, tensor, 0, n_out);
    }
}

/* Norms, biases, routers and rope factors are used as floats without conversion. */
static void bind_f32(struct binder *b, struct weight *out, enum need need, uint64_t n_in,
                     uint64_t n_out, const char *format, ...)
{
    char name[GGUF_MAX_NAME_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const uint64_t ne[3] = {n_in, n_out, 1};
    const struct gguf_tensor *tensor = take(b, need, ne, name);
    if (tensor == NULL) {
        return;
    }
    if (tensor->type != DTYPE_F32) {
        fail(b, MSCOPE_ERR_UNSUPPORTED, name, "type %s, expected F32",
             dtype_name((uint32_t)tensor->type));
        return;
    }
    weight_set(out, tensor, 0, n_out);
}

/* The tensor, noted as bound, when it is there and has this shape. */
static const struct gguf_tensor *take(struct binder *b, enum need need, const uint64_t ne[3],
                                      const char *name)
{
    if (b->status != MSCOPE_OK) {
        return NULL;
    }
    const struct gguf_tensor *tensor = gguf_find_tensor(b->gguf, name);
    if (tensor == NULL) {
        if (need == REQUIRED) {
            fail(b, MSCOPE_ERR_FORMAT, name, "absent, expected shape [%llu, %llu, %llu]",
                 (unsigned long long)ne[0], (unsigned long long)ne[1], (unsigned long long)ne[2]);
        }
        return NULL;
    }
    if (tensor->ne[0] != ne[0] || tensor->ne[1] != ne[1] || tensor->ne[2] != ne[2] ||
        tensor->ne[3] != 1) {
        fail(b, MSCOPE_ERR_FORMAT, name,
             "shape [%llu, %llu, %llu, %llu], expected [%llu, %llu, %llu, 1]",
             (unsigned long long)tensor->ne[0], (unsigned long long)tensor->ne[1],
             (unsigned long long)tensor->ne[2], (unsigned long long)tensor->ne[3],
             (unsigned long long)ne[0], (unsigned long long)ne[1], (unsigned long long)ne[2]);
        return NULL;
    }
    b->bound[b->n_bound++] = tensor;
    return tensor;
}

static const struct gguf_tensor *find_layer_tensor(const struct binder *b, uint32_t il,
                                                   const char *suffix)
{
    char name[GGUF_MAX_NAME_BYTES];
    snprintf(name, sizeof name, "blk.%u.%s", (unsigned)il, suffix);
    return gguf_find_tensor(b->gguf, name);
}

static void weight_set(struct weight *out, const struct gguf_tensor *tensor, uint64_t first_row,
                       uint64_t n_rows)
{
    out->type = tensor->type;
    out->n_in = (uint32_t)tensor->ne[0];
    out->n_out = (uint32_t)n_rows;
    out->row_bytes = (size_t)dtype_row_bytes(tensor->type, tensor->ne[0]);
    out->data = (const char *)tensor->data + (size_t)first_row * out->row_bytes;
    out->cls = model_tensor_class(tensor->name);
}

static void fail(struct binder *b, enum mscope_status status, const char *tensor,
                 const char *format, ...)
{
    char detail[256];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    b->status = error_set(b->err, status, "tensor", "%s", detail);
    error_set_object(b->err, "tensor %s", tensor);
}
