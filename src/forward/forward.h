/* SPDX-License-Identifier: MIT */
/*
 * One batch of token rows through the network. Rows may belong to different sessions: each row
 * names its cache and its position, and attends only to its own cache. Owns all scratch memory,
 * taken at open; an evaluation allocates nothing. The logits of a row depend on its own session
 * only, never on the batch it came in, the thread count or the order of rows. One evaluation at a
 * time.
 */
#ifndef FORWARD_FORWARD_H
#define FORWARD_FORWARD_H

#include "base/pool.h"
#include "experts/store.h"
#include "forward/kv_cache.h"
#include "kernels/kernels.h"
#include "model/model.h"

struct forward;

struct forward_params {
    const struct model_config *config;
    const struct weights *weights;
    const struct kernels *kernels;
    struct pool *pool;
    struct expert_store *store; /* NULL for a dense model */
    bool exact;
    int n_batch; /* most rows at once */
    int n_ctx;   /* longest cache that will ever be attended to */
};

/* Everything in `params` must outlive the result. */
enum mscope_status forward_open(struct forward **out, const struct forward_params *params,
                                struct mscope_error *err);
void forward_close(struct forward **forward);

struct forward_batch { /* arrays of n_rows */
    int n_rows;
    const int32_t *tokens;                /* each in 0 .. n_vocab-1 */
    const int32_t *positions;             /* each below its cache's n_ctx */
    const struct kv_cache *const *caches; /* rows of one cache come in ascending position */
    const bool *wanted;                   /* compute logits of this row? */
};

/*
 * Evaluates the batch and writes the logits of wanted rows, in order, to `logits` (n_wanted,
 * n_vocab). Fails only when an expert cannot be brought in; the caches' rows of this batch are then
 * undefined.
 */
enum mscope_status forward_eval(struct forward *forward, const struct forward_batch *batch,
                                float *logits, struct mscope_error *err);

void forward_on_routing(struct forward *forward, mscope_routing_fn *fn, void *user);
void forward_on_stage(struct forward *forward, mscope_stage_fn *fn, void *user);

struct forward_counters { /* since open or reset */
    uint64_t weight_bytes[MSCOPE_N_CLASS];
    uint64_t kv_bytes;
    uint64_t flops; /* 2 per multiply-add of matrix products and of attention */
    uint64_t expert_slots, distinct_experts;
};
struct forward_counters *forward_counters(struct forward *forward);
/* Times by phase; the caller turns it on and off and clears it between evaluations. */
struct probe *forward_probe(struct forward *forward);
uint64_t forward_scratch_bytes(const struct forward *forward);

#endif
