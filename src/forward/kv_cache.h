/* SPDX-License-Identifier: MIT */
/*
 * The keys and values of one session: for each layer and kv head the keys in panels of
 * KERNEL_KV_PANEL positions and the values in rows, so that attention of a head streams contiguous
 * memory. Owns its memory; knows nothing of positions in use (the session does).
 *
 *   layer 0: K head 0 [panels] · K head 1 ... · V head 0 [n_ctx rows] · V head 1 ... · layer 1: ...
 */
#ifndef FORWARD_KV_CACHE_H
#define FORWARD_KV_CACHE_H

#include "base/arena.h"
#include "kernels/kernels.h"
#include "model/model.h"

struct kv_cache {
    enum kernel_kv type;
    int n_ctx, n_head_kv;
    int n_panels;                    /* of keys, the last may be larger than needed */
    size_t k_row_bytes, v_row_bytes; /* one head of one position */
    size_t layer_bytes;
    char *data;
};

/* Takes the memory from `arena`. Errors: MSCOPE_ERR_ARGUMENT for a Q8_0 cache of a head size not a
 * multiple of 32. */
enum mscope_status kv_cache_init(struct kv_cache *out, const struct model_config *config,
                                 enum kernel_kv type, int n_ctx, struct arena *arena,
                                 struct mscope_error *err);

/* Keys of a head in a layer from the panel that holds `position`; panels follow each other at
 * KERNEL_KV_PANEL * k_row_bytes. */
char *kv_cache_k(const struct kv_cache *cache, int i_layer, int i_head, int position);
/* Values of a head in a layer from `position`; rows follow each other at v_row_bytes. */
char *kv_cache_v(const struct kv_cache *cache, int i_layer, int i_head, int position);

uint64_t kv_cache_bytes(const struct kv_cache *cache, int n_layer);

#endif
