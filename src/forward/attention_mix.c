/* SPDX-License-Identifier: MIT */
/*
 * Causal grouped-query attention over the cache, by tiles: the query heads of one kv head times a
 * few consecutive tokens of a session. Every key and value that the tokens share is read once for
 * the whole tile; scores of all positions, softmax, weighted sum. The order of sums per (query,
 * position) and per (query, output element) is the kernels', from the first visible position up, so
 * that the result does not depend on the tile.
 */
#include "forward/internal.h"

#include <string.h>

/* Enough to reuse what is read, few enough that the scores of a long context stay in a cache. */
enum { TILE_QUERIES = 48 };
/* Where the output is rounded to 8 bits anyway, integers may do. Heads that share keys and values
 * from which on turning these into integers pays: a decoded token goes the way of prefill, for the
 * same bits, and has no more queries than these. */
enum { INTEGERS_LEAST_GROUP = 2 };

struct mix_job {
    struct forward *forward;
    const struct layer_weights *layer;
    int i_layer, n_tiles;
};

/* One tile of one kv head; query j belongs to token j / n_group. */
struct tile {
    const struct mix_job *job;
    const struct kv_cache *cache;
    int first_row, n_tokens, n_group, i_head_kv;
    int base; /* position of the first score: of the panel or group with the first visible key */
    kernel_kv_scores_fn *kv_scores;
    kernel_kv_mix_fn *kv_mix;
    bool by_groups; /* kv_mix takes whole groups of positions, for the same sums in every tile */
    float *scores, *out, *sums;
};

static void mix_tile(void *ctx, int i_chunk, int i_thread);
static void score_keys(const struct tile *tile, float *q_scratch);
static void weigh(const struct tile *tile);
static void mix_values(const struct tile *tile);
static void mix_groups(const struct tile *tile);
static void mix_range(const struct tile *tile, int first_token, int n_tokens, int first, int end);
static void put_heads(const struct tile *tile);
static int make_tiles(struct forward *forward);
static int first_visible(const struct layer_weights *layer, int position);
static void count_cache_reads(struct forward *forward, const struct mix_job *job);

void attention_mix(struct forward *forward, int i_layer)
{
    struct mix_job job = {
        .forward = forward,
        .layer = &forward->weights->layers[i_layer],
        .i_layer = i_layer,
        .n_tiles = make_tiles(forward),
    };
    pool_for(forward->pool, job.n_tiles * (int)forward->config->n_head_kv, mix_tile, &job);
    count_cache_reads(forward, &job);
    forward->heads.ready = 0;
}

enum mscope_status attention_mix_init(struct forward *forward, struct mscope_error *err)
{
    const struct model_config *config = forward->config;
    int n_group = (int)(config->n_head / config->n_head_kv);
    int n_rows = n_group > TILE_QUERIES ? n_group : TILE_QUERIES / n_group * n_group;
    size_t n_threads = (size_t)forward->n_threads;
    forward->tile_rows = n_rows;
    /* One panel more than needed: rows a power of two apart would share the sets of a cache. */
    size_t n_panels = ((size_t)forward->n_ctx + KERNEL_KV_PANEL - 1) / KERNEL_KV_PANEL + 1;
    forward->scores_stride = n_panels * KERNEL_KV_PANEL;
    size_t n_queries = n_threads * (size_t)n_rows;
    struct arena *arena = forward->arena;
    forward->scores = arena_take(arena, n_queries, forward->scores_stride * sizeof(float), err);
    forward->tile_q = arena_take(arena, n_queries, config->head_dim_k * sizeof(float), err);
    forward->tile_out = arena_take(arena, n_queries, config->head_dim_v * sizeof(float), err);
    forward->tile_sums = arena_take(arena, n_queries, sizeof(float), err);
    forward->attention_tiles =
        arena_take(arena, (size_t)forward->n_batch, sizeof *forward->attention_tiles, err);
    bool taken = forward->scores != NULL && forward->tile_q != NULL && forward->tile_out != NULL &&
                 forward->tile_sums != NULL && forward->attention_tiles != NULL;
    return taken ? MSCOPE_OK : MSCOPE_ERR_MEMORY;
}

/* Tiles of one head follow each other, so that its keys and values stay in a cache. */
static void mix_tile(void *ctx, int i_chunk, int i_thread)
{
    const struct mix_job *job = ctx;
    struct forward *forward = job->forward;
    const struct model_config *config = forward->config;
    const struct attention_tile *rows = &forward->attention_tiles[i_chunk % job->n_tiles];
    size_t first_query = (size_t)i_thread * (size_t)forward->tile_rows;
    int start = first_visible(job->layer, forward->batch->positions[rows->first_row]);
    const struct kv_cache *cache = forward->batch->caches[rows->first_row];
    const struct kernels *k = forward->k;
    int n_group = (int)(config->n_head / config->n_head_kv);
    bool integers = acts_format(forward, job->layer->attn_output.type) != ACT_F32 &&
                    n_group >= INTEGERS_LEAST_GROUP && k->kv_scores_int[cache->type] != NULL;
    int step = integers ? KERNEL_KV_GROUP : KERNEL_KV_PANEL;
    const struct tile tile = {
        .job = job,
        .cache = cache,
        .first_row = rows->first_row,
        .n_tokens = rows->n_rows,
        .n_group = n_group,
        .i_head_kv = i_chunk / job->n_tiles,
        .base = start / step * step,
        .kv_scores = integers ? k->kv_scores_int[cache->type] : k->kv_scores[cache->type],
        .kv_mix = integers ? k->kv_mix_int[cache->type] : k->kv_mix[cache->type],
        .by_groups = integers,
        .scores = forward->scores + first_query * forward->scores_stride,
        .out = forward->tile_out + first_query * config->head_dim_v,
        .sums = forward->tile_sums + first_query,
    };
    score_keys(&tile, forward->tile_q + first_query * config->head_dim_k);
    weigh(&tile);
    size_t n_queries = (size_t)tile.n_tokens * (size_t)tile.n_group;
    memset(tile.out, 0, n_queries * config->head_dim_v * sizeof *tile.out);
    if (tile.by_groups) {
        mix_groups(&tile);
    } else {
        mix_values(&tile);
    }
    put_heads(&tile);
}

/* Scores of every query with every key that any of them sees; the ones it does not see stay unused.
 */
static void score_keys(const struct tile *tile, float *q_scratch)
{
    const struct forward *forward = tile->job->forward;
    const struct kv_cache *cache = tile->cache;
    size_t dim = forward->config->head_dim_k;
    size_t group_floats = (size_t)tile->n_group * dim;
    size_t row_floats = forward->config->n_head * dim;
    const float *q =
        forward->q + (size_t)tile->first_row * row_floats + (size_t)tile->i_head_kv * group_floats;
    if (tile->n_tokens > 1) {
        for (int t = 0; t < tile->n_tokens; t++) {
            memcpy(q_scratch + (size_t)t * group_floats, q + (size_t)t * row_floats,
                   group_floats * sizeof *q);
        }
        q = q_scratch;
    }
    int last = forward->batch->positions[tile->first_row] + tile->n_tokens - 1;
    int n_panels = (last - tile->base) / KERNEL_KV_PANEL + 1;
    tile->kv_scores(tile->scores, forward->scores_stride, q, dim, tile->n_tokens * tile->n_group,
                    kv_cache_k(cache, tile->job->i_layer, tile->i_head_kv, tile->base),
                    KERNEL_KV_PANEL * cache->k_row_bytes, n_panels, (int)dim);
}

/* Scores to weights that still have to be divided by their sum. */
static void weigh(const struct tile *tile)
{
    const struct forward *forward = tile->job->forward;
    float cap = forward->config->attn_softcap;
    for (int j = 0; j < tile->n_tokens * tile->n_group; j++) {
        int position = forward->batch->positions[tile->first_row + j / tile->n_group];
        int start = first_visible(tile->job->layer, position);
        float *scores = tile->scores + (size_t)j * forward->scores_stride + (start - tile->base);
        int n_pos = position - start + 1;
        if (cap > 0) {
            forward->k->soft_cap(scores, cap, n_pos);
        }
        tile->sums[j] = forward->k->softmax(scores, n_pos);
    }
}

/* What all tokens see together; before it (with a window) and after it, token by token. */
static void mix_values(const struct tile *tile)
{
    const struct forward *forward = tile->job->forward;
    const struct layer_weights *layer = tile->job->layer;
    const int32_t *positions = forward->batch->positions + tile->first_row;
    int first_shared = first_visible(layer, positions[tile->n_tokens - 1]);
    int end_shared = positions[0] + 1;
    if (first_shared > end_shared) {
        first_shared = end_shared;
    }
    for (int t = 0; t < tile->n_tokens; t++) {
        mix_range(tile, t, 1, first_visible(layer, positions[t]), first_shared);
    }
    mix_range(tile, 0, tile->n_tokens, first_shared, end_shared);
    for (int t = 0; t < tile->n_tokens; t++) {
        int start = first_visible(layer, positions[t]);
        mix_range(tile, t, 1, start > end_shared ? start : end_shared, positions[t] + 1);
    }
}

/* All positions from `base` for all queries; a weight of 0 where a token does not see one. */
static void mix_groups(const struct tile *tile)
{
    const struct forward *forward = tile->job->forward;
    const int32_t *positions = forward->batch->positions + tile->first_row;
    int end = positions[tile->n_tokens - 1] + 1;
    for (int j = 0; j < tile->n_tokens * tile->n_group; j++) {
        float *weights = tile->scores + (size_t)j * forward->scores_stride;
        int position = positions[j / tile->n_group];
        int n_before = first_visible(tile->job->layer, position) - tile->base;
        memset(weights, 0, (size_t)n_before * sizeof *weights);
        memset(weights + (position + 1 - tile->base), 0,
               (size_t)(end - position - 1) * sizeof *weights);
    }
    mix_range(tile, 0, tile->n_tokens, tile->base, end);
}

/* Positions first .. end-1 for all heads of some tokens. */
static void mix_range(const struct tile *tile, int first_token, int n_tokens, int first, int end)
{
    if (first >= end) {
        return;
    }
    const struct forward *forward = tile->job->forward;
    const struct kv_cache *cache = tile->cache;
    size_t dim = forward->config->head_dim_v;
    size_t query = (size_t)first_token * (size_t)tile->n_group;
    tile->kv_mix(tile->out + query * dim, dim,
                 tile->scores + query * forward->scores_stride + (first - tile->base),
                 forward->scores_stride, n_tokens * tile->n_group,
                 kv_cache_v(cache, tile->job->i_layer, tile->i_head_kv, first), cache->v_row_bytes,
                 end - first, (int)dim);
}

/* The mixed values, divided by the sums of the weights, to their place among the heads. */
static void put_heads(const struct tile *tile)
{
    const struct forward *forward = tile->job->forward;
    size_t dim = forward->config->head_dim_v;
    for (int j = 0; j < tile->n_tokens * tile->n_group; j++) {
        size_t row = (size_t)(tile->first_row + j / tile->n_group);
        size_t head = (size_t)(tile->i_head_kv * tile->n_group + j % tile->n_group);
        float *dst = forward->heads.f32 + (row * forward->config->n_head + head) * dim;
        const float *src = tile->out + (size_t)j * dim;
        float inverse = 1.0f / tile->sums[j];
        for (size_t i = 0; i < dim; i++) {
            dst[i] = src[i] * inverse;
        }
    }
}

/* Cuts the rows of the batch into runs of one session at most tile_rows queries long. */
static int make_tiles(struct forward *forward)
{
    const struct forward_batch *batch = forward->batch;
    const struct model_config *config = forward->config;
    int most = forward->tile_rows / (int)(config->n_head / config->n_head_kv);
    int n_tiles = 0;
    for (int i = 0; i < batch->n_rows; i++) {
        struct attention_tile *last = &forward->attention_tiles[n_tiles - (n_tiles > 0)];
        bool fits = i > 0 && last->n_rows < most && batch->caches[i] == batch->caches[i - 1] &&
                    batch->positions[i] == batch->positions[i - 1] + 1;
        if (fits) {
            last->n_rows++;
        } else {
            forward->attention_tiles[n_tiles++] = (struct attention_tile){i, 1};
        }
    }
    return n_tiles;
}

/* A window of w positions ends at the position itself. */
static int first_visible(const struct layer_weights *layer, int position)
{
    int window = (int)layer->window;
    return window > 0 && position >= window ? position - window + 1 : 0;
}

/* Bytes once per tile, operations for every token. */
static void count_cache_reads(struct forward *forward, const struct mix_job *job)
{
    const struct model_config *config = forward->config;
    for (int i = 0; i < job->n_tiles; i++) {
        const struct attention_tile *tile = &forward->attention_tiles[i];
        const struct kv_cache *cache = forward->batch->caches[tile->first_row];
        int position = forward->batch->positions[tile->first_row];
        uint64_t n_read = (uint64_t)(position + tile->n_rows - first_visible(job->layer, position));
        forward->counters.kv_bytes +=
            n_read * (cache->k_row_bytes + cache->v_row_bytes) * (uint64_t)cache->n_head_kv;
        for (int t = 0; t < tile->n_rows; t++) {
            int at = position + t;
            uint64_t n_pos = (uint64_t)(at - first_visible(job->layer, at) + 1);
            forward->counters.flops +=
                2 * n_pos * config->n_head * (config->head_dim_k + config->head_dim_v);
        }
    }
}
