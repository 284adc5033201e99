/* SPDX-License-Identifier: MIT */
/*
 * Attention of a layer: project, normalise and rotate q and k, store k and v of this batch, mix the
 * values of the cache, project back.
 */
#include "forward/internal.h"

struct attention_job {
    struct forward *forward;
    int i_layer;
    const struct layer_weights *layer;
};

static void store_row(void *ctx, int i_row, int i_thread);
static void norm_heads(const struct forward *forward, float *heads, const struct weight *norm,
                       int n_head, int head_dim);
static void store_heads(const struct forward *forward, int i_layer, int i_row, int i_thread);

void attention_run(struct forward *forward, int i_layer)
{
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
    attention_mix(forward, i_layer);
    forward_show_stage(forward, i_layer, "attn_heads", forward->heads.f32, n_rows,
                       forward->heads.n);

    const struct linear output = {&layer->attn_output, &layer->attn_output_bias, forward->branch};
    linear_run(forward, &forward->heads, n_rows, &output, 1);
}

static void store_row(void *ctx, int i_row, int i_thread)
{
    const struct attention_job *job = ctx;
    struct forward *forward = job->forward;
    const struct model_config *config = forward->config;
    int dim_k = (int)config->head_dim_k;
    int n_head = (int)config->n_head;
    int n_head_kv = (int)config->n_head_kv;
    float *q = forward->q + (size_t)i_row * (size_t)n_head * (size_t)dim_k;
    float *k = forward->kv_k + (size_t)i_row * (size_t)n_head_kv * (size_t)dim_k;

    norm_heads(forward, q, &job->layer->attn_q_norm, n_head, dim_k);
    norm_heads(forward, k, &job->layer->attn_k_norm, n_head_kv, dim_k);
    rope_rotate_row(forward, q, n_head, dim_k, i_row);
    rope_rotate_row(forward, k, n_head_kv, dim_k, i_row);
    const float scale = config->attn_scale; /* not read again after every store */
    for (int i = 0; i < n_head * dim_k; i++) {
        q[i] *= scale;
    }
    store_heads(forward, job->i_layer, i_row, i_thread);
}

/* A key goes through this thread's scratch to its place among the elements of a panel. */
static void store_heads(const struct forward *forward, int i_layer, int i_row, int i_thread)
{
    const struct kv_cache *cache = forward->batch->caches[i_row];
    int position = forward->batch->positions[i_row];
    int dim_k = (int)forward->config->head_dim_k;
    int dim_v = (int)forward->config->head_dim_v;
    kernel_kv_store_fn *store = forward->k->kv_store[cache->type];
    float *row = forward->tile_q + (size_t)i_thread * (size_t)(forward->tile_rows * dim_k);
    for (int h = 0; h < cache->n_head_kv; h++) {
        size_t head = (size_t)i_row * (size_t)cache->n_head_kv + (size_t)h;
        store(row, forward->kv_k + head * (size_t)dim_k, dim_k);
        kernels_kv_place(cache->type, kv_cache_k(cache, i_layer, h, position),
                         position % KERNEL_KV_PANEL, row, dim_k);
        store(kv_cache_v(cache, i_layer, h, position), forward->kv_v + head * (size_t)dim_v, dim_v);
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
