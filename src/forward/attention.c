/* SPDX-License-Identifier: MIT */
/*
 * Causal grouped-query attention over the cache: project, normalise and rotate q and k, store k and
 * v of this batch, then one (row, kv head) at a time: scores of all query heads of the group,
 * softmax, weighted sum.
 */
#include "forward/internal.h"

#include <math.h>
#include <string.h>

struct attention_job {
    struct forward *forward;
    int i_layer;
    const struct layer_weights *layer;
};

static void store_row(void *ctx, int i_row, int i_thread);
static void attend(void *ctx, int i_chunk, int i_thread);
static void norm_heads(const struct forward *forward, float *heads, const struct weight *norm,
                       int n_head, int head_dim);
static void soften(float *scores, int n, float cap);
static int first_visible(const struct layer_weights *layer, int position);
static void count_cache_reads(struct forward *forward, const struct layer_weights *layer);

void attention_run(struct forward *forward, int i_layer)
{
    const struct model_config *config = forward->config;
    const struct layer_weights *layer = &forward->weights->layers[i_layer];
    int n_rows = forward->batch->n_rows;
    struct attention_job job = {forward, i_layer, layer};

    const struct linear projections[] = {
        {&layer->attn_q, &layer->attn_q_bias, forward->q},
        {&layer->attn_k, &layer->attn_k_bias, forward->kv_k},
        {&layer->attn_v, &layer->attn_v_bias, forward->kv_v},
    };
    linear_run(forward, &forward->normed, n_rows, projections, 3);
    probe_enter(&forward->probe, MSCOPE_PHASE_KV);
    pool_for(forward->pool, n_rows, store_row, &job);
    forward_count_weight(forward, &layer->attn_q_norm, 0);
    forward_count_weight(forward, &layer->attn_k_norm, 0);

    probe_enter(&forward->probe, MSCOPE_PHASE_ATTENTION);
    pool_for(forward->pool, n_rows * (int)config->n_head_kv, attend, &job);
    count_cache_reads(forward, layer);
    forward->heads.ready = 0;
    forward_show_stage(forward, i_layer, "attn_heads", forward->heads.f32, n_rows,
                       forward->heads.n);

    const struct linear output = {&layer->attn_output, &layer->attn_output_bias, forward->branch};
    linear_run(forward, &forward->heads, n_rows, &output, 1);
}

static void store_row(void *ctx, int i_row, int i_thread)
{
    (void)i_thread;
    const struct attention_job *job = ctx;
    struct forward *forward = job->forward;
    const struct model_config *config = forward->config;
    int dim_k = (int)config->head_dim_k;
    int dim_v = (int)config->head_dim_v;
    int n_head = (int)config->n_head;
    int n_head_kv = (int)config->n_head_kv;
    float *q = forward->q + (size_t)i_row * (size_t)n_head * (size_t)dim_k;
    float *k = forward->kv_k + (size_t)i_row * (size_t)n_head_kv * (size_t)dim_k;
    const float *v = forward->kv_v + (size_t)i_row * (size_t)n_head_kv * (size_t)dim_v;

    norm_heads(forward, q, &job->layer->attn_q_norm, n_head, dim_k);
    norm_heads(forward, k, &job->layer->attn_k_norm, n_head_kv, dim_k);
    rope_rotate_row(forward, q, n_head, dim_k, i_row);
    rope_rotate_row(forward, k, n_head_kv, dim_k, i_row);
    for (int i = 0; i < n_head * dim_k; i++) {
        q[i] *= config->attn_scale;
    }

    const struct kv_cache *cache = forward->batch->caches[i_row];
    size_t position = (size_t)forward->batch->positions[i_row];
    for (int h = 0; h < n_head_kv; h++) {
        forward->k->kv_store[cache->type](kv_cache_k(cache, job->i_layer, h) +
                                              position * cache->k_row_bytes,
                                          k + h * dim_k, dim_k);
        forward->k->kv_store[cache->type](kv_cache_v(cache, job->i_layer, h) +
                                              position * cache->v_row_bytes,
                                          v + h * dim_v, dim_v);
    }
}

static void attend(void *ctx, int i_chunk, int i_thread)
{
    const struct attention_job *job = ctx;
    struct forward *forward = job->forward;
    const struct model_config *config = forward->config;
    const struct kernels *kernels = forward->k;
    int i_row = i_chunk / (int)config->n_head_kv;
    int i_head_kv = i_chunk % (int)config->n_head_kv;
    const struct kv_cache *cache = forward->batch->caches[i_row];
    int position = forward->batch->positions[i_row];
    int start = first_visible(job->layer, position);
    int n_pos = position - start + 1;
    int dim_k = (int)config->head_dim_k;
    int dim_v = (int)config->head_dim_v;
    int n_group = (int)config->n_head / (int)config->n_head_kv;
    const char *keys =
        kv_cache_k(cache, job->i_layer, i_head_kv) + (size_t)start * cache->k_row_bytes;
    const char *values =
        kv_cache_v(cache, job->i_layer, i_head_kv) + (size_t)start * cache->v_row_bytes;

    size_t n_ctx = (size_t)forward->n_ctx;
    float *scores = forward->scores + (size_t)i_thread * (size_t)n_group * n_ctx;
    for (int g = 0; g < n_group; g++) {
        int h = i_head_kv * n_group + g;
        const float *q = forward->q + ((size_t)i_row * config->n_head + (size_t)h) * (size_t)dim_k;
        kernels->kv_scores[cache->type](scores + (size_t)g * n_ctx, q, keys, cache->k_row_bytes,
                                        n_pos, dim_k);
    }
    for (int g = 0; g < n_group; g++) {
        int h = i_head_kv * n_group + g;
        float *weights = scores + (size_t)g * n_ctx;
        if (config->attn_softcap > 0) {
            soften(weights, n_pos, config->attn_softcap);
        }
        float sum = kernels->softmax(weights, n_pos);
        float *out =
            forward->heads.f32 + ((size_t)i_row * config->n_head + (size_t)h) * (size_t)dim_v;
        memset(out, 0, (size_t)dim_v * sizeof *out);
        kernels->kv_mix[cache->type](out, weights, values, cache->v_row_bytes, n_pos, dim_v);
        float inverse = 1.0f / sum;
        for (int i = 0; i < dim_v; i++) {
            out[i] *= inverse;
        }
    }
}

/* RMS norm over the whole projection or head by head, as the family has it. */
static void norm_heads(const struct forward *forward, float *heads, const struct weight *norm,
                       int n_head, int head_dim)
{
    if (norm->data == NULL) {
        return;
    }
    float eps = forward->config->norm_eps;
    if (forward->config->qk_norm_full) {
        forward->k->rms_norm(heads, heads, norm->data, n_head * head_dim, eps);
        return;
    }
    for (int h = 0; h < n_head; h++) {
        float *head = heads + (size_t)h * (size_t)head_dim;
        forward->k->rms_norm(head, head, norm->data, head_dim, eps);
    }
}

/* x <- cap * tanh(x / cap) */
static void soften(float *scores, int n, float cap)
{
    float inverse = 1.0f / cap;
    for (int i = 0; i < n; i++) {
        scores[i] = cap * tanhf(scores[i] * inverse);
    }
}

/* A window of w positions ends at the position itself. */
static int first_visible(const struct layer_weights *layer, int position)
{
    int window = (int)layer->window;
    return window > 0 && position >= window ? position - window + 1 : 0;
}

static void count_cache_reads(struct forward *forward, const struct layer_weights *layer)
{
    const struct model_config *config = forward->config;
    for (int i = 0; i < forward->batch->n_rows; i++) {
        const struct kv_cache *cache = forward->batch->caches[i];
        int position = forward->batch->positions[i];
        uint64_t n_pos = (uint64_t)(position - first_visible(layer, position) + 1);
        forward->counters.kv_bytes +=
            n_pos * (cache->k_row_bytes + cache->v_row_bytes) * (uint64_t)cache->n_head_kv;
        forward->counters.flops +=
            2 * n_pos * config->n_head * (config->head_dim_k + config->head_dim_v);
    }
}
