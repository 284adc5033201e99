/* SPDX-License-Identifier: MIT */
/* Inside engine/ only: what the opaque objects of the public header hold. */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include "base/arena.h"
#include "forward/forward.h"
#include "token/tokenizer.h"

struct mscope_model {
    struct arena *arena; /* weight table, strings of the description */
    struct gguf *gguf;
    unsigned parts;
    struct model_config config; /* with MSCOPE_PART_WEIGHTS */
    struct weights weights;
    struct tokenizer *tokenizer; /* NULL without MSCOPE_PART_TOKENIZER or when the file has none */
    struct mscope_model_info info;
};

struct mscope_engine {
    struct arena *arena;
    const struct mscope_model *model;
    struct kernels kernels;
    struct pool *pool;
    struct machine_binding *binding; /* of the thread that opened the engine; NULL: none */
    struct expert_store *store;      /* NULL for a dense model */
    struct forward *forward;
    bool exact;
    int n_batch, n_outputs, n_ctx;
    float *logits; /* (n_outputs, n_vocab) */
    int n_logits;  /* rows that hold results of the latest evaluation */

    /* One chunk of rows, (n_batch) each. */
    int32_t *tokens, *positions;
    const struct kv_cache **caches;
    bool *wanted;

    uint64_t n_evals, n_tokens, n_evaluated_outputs, eval_ns;
};

struct mscope_session {
    struct arena *arena;
    struct mscope_engine *engine;
    struct kv_cache cache;
    int position;
};

#endif
