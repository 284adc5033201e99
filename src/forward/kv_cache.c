/* SPDX-License-Identifier: MIT */
/* Size and addressing of the key-value cache. */
#include "forward/kv_cache.h"

static size_t k_head_bytes(const struct kv_cache *cache);

static size_t row_bytes(enum kernel_kv type, uint32_t n)
{
    static const enum dtype dtypes[KERNEL_N_KV] = {
        [KERNEL_KV_F32] = DTYPE_F32,
        [KERNEL_KV_F16] = DTYPE_F16,
        [KERNEL_KV_Q8_0] = DTYPE_Q8_0,
    };
    return dtype_row_bytes(dtypes[type], n);
}

enum mscope_status kv_cache_init(struct kv_cache *out, const struct model_config *config,
                                 enum kernel_kv type, int n_ctx, struct arena *arena,
                                 struct mscope_error *err)
{
    uint32_t dim_k = config->head_dim_k;
    uint32_t dim_v = config->head_dim_v;
    if (type == KERNEL_KV_Q8_0 && (dim_k % 32 != 0 || dim_v % 32 != 0)) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "key-value cache",
                         "type q8_0 needs a head size that is a multiple of 32, this model has %u",
                         dim_k % 32 != 0 ? dim_k : dim_v);
    }
    *out = (struct kv_cache){
        .type = type,
        .n_ctx = n_ctx,
        .n_head_kv = (int)config->n_head_kv,
        .n_panels = (n_ctx + KERNEL_KV_PANEL - 1) / KERNEL_KV_PANEL,
        .k_row_bytes = row_bytes(type, dim_k),
        .v_row_bytes = row_bytes(type, dim_v),
    };
    out->layer_bytes =
        (k_head_bytes(out) + out->v_row_bytes * (size_t)n_ctx) * (size_t)out->n_head_kv;
    out->data = arena_take(arena, config->n_layer, out->layer_bytes, err);
    return out->data == NULL ? MSCOPE_ERR_MEMORY : MSCOPE_OK;
}

char *kv_cache_k(const struct kv_cache *cache, int i_layer, int i_head, int position)
{
    size_t panel_bytes = KERNEL_KV_PANEL * cache->k_row_bytes;
    return cache->data + (size_t)i_layer * cache->layer_bytes +
           (size_t)i_head * k_head_bytes(cache) +
           (size_t)(position / KERNEL_KV_PANEL) * panel_bytes;
}

char *kv_cache_v(const struct kv_cache *cache, int i_layer, int i_head, int position)
{
    size_t keys = (size_t)cache->n_head_kv * k_head_bytes(cache);
    size_t row = (size_t)i_head * (size_t)cache->n_ctx + (size_t)position;
    return cache->data + (size_t)i_layer * cache->layer_bytes + keys + row * cache->v_row_bytes;
}

uint64_t kv_cache_bytes(const struct kv_cache *cache, int n_layer)
{
    return (uint64_t)cache->layer_bytes * (uint64_t)n_layer;
}

static size_t k_head_bytes(const struct kv_cache *cache)
{
    return (size_t)cache->n_panels * KERNEL_KV_PANEL * cache->k_row_bytes;
}
