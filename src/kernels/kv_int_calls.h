/* SPDX-License-Identifier: MIT */
/* Inside kv_tiles.h only: the two kernels in 16-bit integers, for few or for many queries. */
#ifndef KERNELS_KV_INT_CALLS_H
#define KERNELS_KV_INT_CALLS_H

/* Keys become integers once for all queries, a block of a group of panels at a time. */
TILES_INLINE void kvi_score_many(float *scores, size_t stride, const struct kvi_queries *queries,
                                 const uint8_t *panels, size_t panel_bytes, int n_panels, int n,
                                 const enum kernel_kv type)
{
    struct kvi_keys keys;
    for (int p = 0; p < n_panels; p += KV_GROUP_PANELS) {
        int left = n_panels - p < KV_GROUP_PANELS ? n_panels - p : KV_GROUP_PANELS;
        keys.n_vecs = left * KV_PANEL_VECS;
        float *to = scores + (size_t)p * KERNEL_KV_PANEL;
        for (int b = 0; b < queries->n_blocks; b++) {
            int first = b * KERNEL_KV_BLOCK;
            int n_elems = n - first < KERNEL_KV_BLOCK ? n - first : KERNEL_KV_BLOCK;
            kvi_take_keys(&keys, panels + (size_t)p * panel_bytes, panel_bytes, first, n_elems,
                          type);
            kvi_score_block(to, stride, queries, &keys, b);
        }
    }
}

TILES_INLINE void kvi_score_few(float *scores, size_t stride, const struct kvi_queries *queries,
                                const uint8_t *panels, size_t panel_bytes, int n_panels, int n,
                                const enum kernel_kv type)
{
    int j = 0;
#define KVI_SCORE_FEW(n_queries)                                                                   \
    for (; j + (n_queries) <= queries->n_q; j += (n_queries)) {                                    \
        for (int v = 0; v < n_panels * KV_PANEL_VECS; v++) {                                       \
            kvi_few_scores(scores, stride, queries, j, n_queries, panels, panel_bytes, v, n,       \
                           type);                                                                  \
        }                                                                                          \
    }
    KV_FOR_QUERIES(KVI_SCORE_FEW)
#undef KVI_SCORE_FEW
}

TILES_INLINE void kvi_scores(float *scores, size_t stride, const float *q, size_t q_stride, int n_q,
                             const uint8_t *panels, size_t panel_bytes, int n_panels, int n,
                             const enum kernel_kv type)
{
    struct kvi_queries queries;
    queries.n_blocks = (n + KERNEL_KV_BLOCK - 1) / KERNEL_KV_BLOCK;
    queries.stride = (size_t)queries.n_blocks * KERNEL_KV_BLOCK;
    int most = KVI_QUERIES * KVI_HEAD / (int)queries.stride;
    most = most < KVI_QUERIES ? most : KVI_QUERIES;
    for (int j = 0; j < n_q; j += most) {
        queries.n_q = n_q - j < most ? n_q - j : most;
        kvi_take_queries(&queries, q + (size_t)j * q_stride, q_stride, n);
        float *to = scores + (size_t)j * stride;
        if (queries.n_q <= KVI_FEW_QUERIES && n % 2 == 0) {
            kvi_score_few(to, stride, &queries, panels, panel_bytes, n_panels, n, type);
        } else {
            kvi_score_many(to, stride, &queries, panels, panel_bytes, n_panels, n, type);
        }
    }
}

/* All columns of a group of positions. */
TILES_INLINE void kvi_mix_few(float *out, size_t stride, const struct kvi_values *values, int n_q,
                              const enum kernel_kv type)
{
    int j = 0;
#define KVI_MIX_FEW(n_queries)                                                                     \
    for (; j + (n_queries) <= n_q; j += (n_queries)) {                                             \
        const int step = KV_VALUE_VECS(n_queries);                                                 \
        int i = 0;                                                                                 \
        for (; i + step * KV_LANES <= values->n; i += step * KV_LANES) {                           \
            kvi_few_mix(out, stride, values, j, n_queries, i, step, type);                         \
        }                                                                                          \
        for (; i < values->n; i += KV_LANES) {                                                     \
            kvi_few_mix(out, stride, values, j, n_queries, i, 1, type);                            \
        }                                                                                          \
    }
    KV_FOR_QUERIES(KVI_MIX_FEW)
#undef KVI_MIX_FEW
}

TILES_INLINE void kvi_mix(float *out, size_t stride, const float *weights, size_t w_stride, int n_q,
                          const uint8_t *rows, size_t row_bytes, int n_pos, int n,
                          const enum kernel_kv type)
{
    struct kvi_values values;
    values.row_bytes = row_bytes;
    values.n = n;
    for (int p = 0; p < n_pos; p += KERNEL_KV_GROUP) {
        values.rows = rows + (size_t)p * row_bytes;
        values.n_pos = n_pos - p < KERNEL_KV_GROUP ? n_pos - p : KERNEL_KV_GROUP;
        kvi_take_rows(&values, type);
        for (int j = 0; j < n_q; j += KVI_QUERIES) {
            int n_here = n_q - j < KVI_QUERIES ? n_q - j : KVI_QUERIES;
            for (int k = 0; k < n_here; k++) {
                kvi_take_weights(&values, k, weights + (size_t)(j + k) * w_stride + p);
            }
            float *to = out + (size_t)j * stride;
            if (n_here <= KVI_FEW_QUERIES && n % KV_LANES == 0) {
                kvi_mix_few(to, stride, &values, n_here, type);
                continue;
            }
            for (int first = 0; first < n; first += KVI_COLUMNS) {
                kvi_mix_columns(to, stride, &values, n_here, first, type);
            }
        }
    }
}

#endif
