/* SPDX-License-Identifier: MIT */
/* Taking all scratch memory of the forward pass from one arena, sealed before the first evaluation.
 */
#include "forward/internal.h"

#include <assert.h>
#include <stdlib.h>

static enum mscope_status take_residual(struct forward *forward, struct mscope_error *err);
static enum mscope_status take_attention(struct forward *forward, struct mscope_error *err);
static enum mscope_status take_ffn(struct forward *forward, struct mscope_error *err);
static enum mscope_status take_routing(struct forward *forward, struct mscope_error *err);
static uint32_t widest_row(const struct model_config *config);

/* One array of `n_items` items; makes a list of takes read as a table. */
#define TAKE(field, n_items)                                                                       \
    (((field) = arena_take(forward->arena, (size_t)(n_items), sizeof *(field), err)) != NULL)

enum mscope_status forward_open(struct forward **out, const struct forward_params *params,
                                struct mscope_error *err)
{
    *out = NULL;
    struct forward *forward = calloc(1, sizeof *forward);
    if (forward == NULL) {
        return error_set_memory(err, "forward pass", sizeof *forward);
    }
    forward->config = params->config;
    forward->weights = params->weights;
    forward->k = params->kernels;
    forward->pool = params->pool;
    forward->store = params->store;
    forward->exact = params->exact;
    forward->n_batch = params->n_batch;
    forward->n_ctx = params->n_ctx;
    forward->n_threads = pool_n_threads(params->pool);

    enum mscope_status status = arena_open(&forward->arena, "scratch memory", err);
    if (status == MSCOPE_OK) {
        status = take_residual(forward, err);
    }
    if (status == MSCOPE_OK) {
        status = take_attention(forward, err);
    }
    if (status == MSCOPE_OK) {
        status = take_ffn(forward, err);
    }
    if (status == MSCOPE_OK && params->config->n_expert > 0) {
        assert(params->store != NULL);
        status = take_routing(forward, err);
    }
    if (status == MSCOPE_OK && !TAKE(forward->probe.threads, forward->n_threads)) {
        status = MSCOPE_ERR_MEMORY;
    }
    if (status != MSCOPE_OK) {
        forward_close(&forward);
        return status;
    }
    pool_set_probe(forward->pool, &forward->probe);
    arena_seal(forward->arena);
    *out = forward;
    return MSCOPE_OK;
}

void forward_close(struct forward **forward)
{
    if (*forward == NULL) {
        return;
    }
    pool_set_probe((*forward)->pool, NULL);
    arena_close(&(*forward)->arena);
    free(*forward);
    *forward = NULL;
}

uint64_t forward_scratch_bytes(const struct forward *forward)
{
    return arena_bytes(forward->arena);
}

static enum mscope_status take_residual(struct forward *forward, struct mscope_error *err)
{
    size_t n_batch = (size_t)forward->n_batch;
    size_t n_embd = forward->config->n_embd;
    size_t n_threads = (size_t)forward->n_threads;
    forward->dequantised_stride =
        forward->exact ? (widest_row(forward->config) + 15u) / 16 * 16 : 0;
    bool taken = TAKE(forward->x, n_batch * n_embd) && TAKE(forward->branch, n_batch * n_embd) &&
                 TAKE(forward->dequantised, n_threads * forward->dequantised_stride);
    if (!taken) {
        return MSCOPE_ERR_MEMORY;
    }
    return acts_init(&forward->normed, forward->arena, forward->n_batch, (int)n_embd,
                     !forward->exact, err);
}

static enum mscope_status take_attention(struct forward *forward, struct mscope_error *err)
{
    const struct model_config *config = forward->config;
    size_t n_batch = (size_t)forward->n_batch;
    bool taken = TAKE(forward->q, n_batch * config->n_head * config->head_dim_k) &&
                 TAKE(forward->kv_k, n_batch * config->n_head_kv * config->head_dim_k) &&
                 TAKE(forward->kv_v, n_batch * config->n_head_kv * config->head_dim_v);
    if (!taken) {
        return MSCOPE_ERR_MEMORY;
    }
    enum mscope_status status = attention_mix_init(forward, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    status = acts_init(&forward->heads, forward->arena, forward->n_batch,
                       (int)(config->n_head * config->head_dim_v), !forward->exact, err);
    return status == MSCOPE_OK ? rope_init(forward, err) : status;
}

static enum mscope_status take_ffn(struct forward *forward, struct mscope_error *err)
{
    const struct model_config *config = forward->config;
    bool moe = config->n_expert > 0;
    uint32_t n_ff = config->n_ff > config->n_ff_expert ? config->n_ff : config->n_ff_expert;
    forward->ffn_capacity = forward->n_batch > (int)config->n_expert_used
                                ? forward->n_batch
                                : (int)config->n_expert_used;
    size_t capacity = (size_t)forward->ffn_capacity;
    size_t n_tile = (size_t)forward->n_threads * LINEAR_ACT_BLOCK * LINEAR_MAX_ROWS;
    bool taken =
        TAKE(forward->tile, n_tile) && TAKE(forward->ffn_out, moe ? capacity * config->n_embd : 0);
    if (!taken) {
        return MSCOPE_ERR_MEMORY;
    }
    enum mscope_status status = acts_init(&forward->hidden, forward->arena, forward->ffn_capacity,
                                          (int)n_ff, !forward->exact, err);
    if (status == MSCOPE_OK && moe) {
        status = acts_init(&forward->gathered, forward->arena, forward->ffn_capacity,
                           (int)config->n_embd, !forward->exact, err);
    }
    return status;
}

static enum mscope_status take_routing(struct forward *forward, struct mscope_error *err)
{
    size_t n_expert = forward->config->n_expert;
    size_t n_batch = (size_t)forward->n_batch;
    size_t n_entries = n_batch * forward->config->n_expert_used;
    bool taken = TAKE(forward->router_logits, n_batch * n_expert) &&
                 TAKE(forward->choices, n_entries) && TAKE(forward->routed_experts, n_entries) &&
                 TAKE(forward->routed_weights, n_entries) && TAKE(forward->entry_row, n_entries) &&
                 TAKE(forward->entry_weight, n_entries) &&
                 TAKE(forward->expert_first, n_expert + 1) && TAKE(forward->groups, n_expert) &&
                 TAKE(forward->views, n_expert) &&
                 TAKE(forward->chosen, (size_t)forward->n_threads * n_expert);
    return taken ? MSCOPE_OK : MSCOPE_ERR_MEMORY;
}

/* Longest input row of any matrix. */
static uint32_t widest_row(const struct model_config *config)
{
    uint32_t widest = config->n_embd;
    const uint32_t others[] = {config->n_ff, config->n_ff_expert,
                               config->n_head * config->head_dim_v};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        widest = others[i] > widest ? others[i] : widest;
    }
    return widest;
}
