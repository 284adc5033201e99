/* SPDX-License-Identifier: MIT */
/*
 * Inside forward/ only: the scratch of an evaluation and the building blocks of a layer. All float
 * arrays are row-major with one token per row. Whatever runs on several threads writes disjoint
 * rows or columns.
 */
#ifndef FORWARD_INTERNAL_H
#define FORWARD_INTERNAL_H

#include "forward/forward.h"

/* Rows of activations in the formats that weights ask for. */
enum act_format { ACT_Q8_0, ACT_Q8_1, ACT_Q8_K, ACT_N_QUANTISED, ACT_F32 = ACT_N_QUANTISED, ACT_N };

struct acts {
    int n; /* elements per row */
    float *f32;
    char *quantised[ACT_N_QUANTISED];
    unsigned ready; /* set of 1 << act_format that hold the current rows */
};

/* dst (n_rows, n_out) = in (n_rows, n_in) x weight^T [+ bias] */
struct linear {
    const struct weight *weight, *bias; /* bias NULL or absent: none */
    float *dst;
};

/* One gated feed-forward: rows first_row .. +n_rows of `in` through gate, up, down to the same rows
 * of `out`. */
struct ffn_group {
    const struct weight *gate, *up, *down;
    int first_in, first_out, n_rows;
};

struct expert_choice { /* of one row for one of its k slots */
    int32_t i_expert;
    float weight;
};

/* Rows of a batch that continue one session, attended to together. */
struct attention_tile {
    int first_row, n_rows;
};

struct forward {
    struct arena *arena;
    const struct model_config *config;
    const struct weights *weights;
    const struct kernels *k;
    struct pool *pool;
    struct expert_store *store;
    bool exact;
    int n_batch, n_ctx, n_threads;
    const struct forward_batch *batch; /* during an evaluation */

    float *x;               /* (n_batch, n_embd) residual stream */
    float *branch;          /* (n_batch, n_embd) output of an attention or FFN branch */
    struct acts normed;     /* (n_batch, n_embd) */
    struct acts heads;      /* (n_batch, n_head * head_dim_v) attention output */
    float *q, *kv_k, *kv_v; /* (n_batch, heads * head_dim) */
    double *rope_inverse;   /* (n_rot / 2) angle per position, mixed and scaled as the file asks */
    float *rope_cos, *rope_sin;             /* (n_batch, n_rot / 2) */
    struct attention_tile *attention_tiles; /* (n_batch) of the evaluation */
    int tile_rows;                          /* queries of a tile at most: tokens x heads */
    size_t scores_stride;
    float *scores;               /* (n_threads, tile_rows, scores_stride) */
    float *tile_q;               /* (n_threads, tile_rows, head_dim_k) */
    float *tile_out, *tile_sums; /* (n_threads, tile_rows, head_dim_v), (n_threads, tile_rows) */

    int ffn_capacity;     /* rows of `hidden` */
    struct acts gathered; /* (ffn_capacity, n_embd) rows copied next to each other per expert */
    struct acts hidden;   /* (ffn_capacity, n_ff) */
    float *ffn_out;       /* (ffn_capacity, n_embd) */
    float *tile; /* (n_threads, LINEAR_ACT_BLOCK, LINEAR_MAX_ROWS) up projections of one chunk */
    float *dequantised; /* (n_threads, dequantised_stride) exact mode: one weight row */
    size_t dequantised_stride;

    float *router_logits;          /* (n_batch, n_expert) */
    struct expert_choice *choices; /* (n_batch, n_expert_used), best first */
    int32_t *routed_experts;       /* the same for the callback */
    float *routed_weights;
    int *expert_first; /* (n_expert + 1) into entry_* */
    int *entry_row;    /* (n_batch * n_expert_used) sorted by expert, then row */
    float *entry_weight;
    struct ffn_group *groups;  /* (n_expert) of one wave */
    struct expert_view *views; /* (n_expert) */
    char *chosen;              /* (n_threads, n_expert) */

    mscope_routing_fn *routing_fn;
    void *routing_user;
    mscope_stage_fn *stage_fn;
    void *stage_user;
    struct forward_counters counters;
    struct probe probe;
};

enum { LINEAR_MAX_ROWS = 256, LINEAR_ACT_BLOCK = 256 };

/* ---- acts.c ---- */
enum mscope_status acts_init(struct acts *acts, struct arena *arena, int n_rows, int n,
                             bool quantised, struct mscope_error *err);
/* Format that `type` multiplies with, F32 in exact mode. */
enum act_format acts_format(const struct forward *forward, enum dtype type);
/* Bytes of one row in a format; row i starts at i times this. */
size_t acts_row_bytes(const struct acts *acts, enum act_format format);
const void *acts_row(const struct acts *acts, enum act_format format, int i_row);
/* Makes rows 0 .. n_rows-1 available in the formats of set `formats` (F32 is always there). */
void acts_prepare(struct forward *forward, struct acts *acts, int n_rows, unsigned formats);

/* ---- linear.c ---- */
/* Runs all products in one parallel region; `in` is prepared on the way. Counts weight bytes. */
void linear_run(struct forward *forward, struct acts *in, int n_rows, const struct linear *products,
                int n_products);
/* dst[i * dst_stride + r] for rows first_row .. of weight and n_acts rows of `in`, on the calling
 * thread. */
void linear_tile(struct forward *forward, float *dst, size_t dst_stride,
                 const struct weight *weight, int first_row, int n_rows, const struct acts *in,
                 int first_act, int n_acts, int i_thread);
/* How n_rows weight rows are cut into chunks: an equal share for each thread, in its order. */
struct row_split {
    int n_rows, share_rows, chunk_rows;
    int multiple; /* of rows that chunks begin at, within a share */
    int n_whole;  /* chunks of a share that are whole, before smaller ones */
    int n_chunks; /* of all shares; some may be empty */
};
struct row_split linear_split(const struct forward *forward, int n_rows);
/* First row of a chunk, and the row after its last. */
int linear_span(const struct row_split *split, int i_chunk, int *end_row);
/* Activations per call of linear_tile, at most LINEAR_ACT_BLOCK: equal parts, so that no call is
 * left with the few that kernels are slow for. */
int linear_act_block(int n_acts);
/* Counts the bytes of a weight as read once, and the operations of n_rows products with it. */
void forward_count_weight(struct forward *forward, const struct weight *weight, int n_rows);

/* ---- the layer ---- */
void rope_prepare(struct forward *forward);
void rope_rotate_row(const struct forward *forward, float *heads, int n_head, int head_dim,
                     int i_row);
enum mscope_status rope_init(struct forward *forward, struct mscope_error *err);

/* branch = attention(normed); stores this batch's keys and values first. */
void attention_run(struct forward *forward, int i_layer);
/* heads = softmax(q K^T) V over the cache, in one parallel region. */
void attention_mix(struct forward *forward, int i_layer);
/* Scratch of attention_mix. */
enum mscope_status attention_mix_init(struct forward *forward, struct mscope_error *err);

/* branch = FFN(normed), dense. */
void ffn_run_dense(struct forward *forward, const struct layer_weights *layer);
/* All groups in three parallel regions: gate+up+activation, quantise, down. */
void ffn_run_groups(struct forward *forward, struct acts *in, const struct ffn_group *groups,
                    int n_groups, float *out);
/* branch = sum over the chosen experts. */
enum mscope_status moe_run(struct forward *forward, int i_layer, struct mscope_error *err);

/* Calls the stage callback, if any. */
void forward_show_stage(const struct forward *forward, int i_layer, const char *stage,
                        const float *values, int n_rows, int n_cols);

#endif
