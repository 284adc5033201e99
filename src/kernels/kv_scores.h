/* SPDX-License-Identifier: MIT */
/* Inside kv_tiles.h only: queries against panels of keys. */
#ifndef KERNELS_KV_SCORES_H
#define KERNELS_KV_SCORES_H

/* Element i of the positions of vector v, counted from the first of `panels`. */
TILES_INLINE kv_vec kv_key(const uint8_t *panels, size_t panel_bytes, int v, int i,
                           const enum kernel_kv type)
{
    const uint8_t *panel = panels + (size_t)(v / KV_PANEL_VECS) * panel_bytes;
    int at = i * KERNEL_KV_PANEL + v % KV_PANEL_VECS * KV_LANES;
    if (type == KERNEL_KV_F32) {
        return kv_load(panel + 4 * at);
    }
    if (type == KERNEL_KV_F16) {
        return kv_load_f16(panel + 2 * at);
    }
    const uint8_t *block = panel + i / BLOCK_ELEMS * KV_Q8_PANEL_BLOCK;
    return kv_load_i8(block + at % (BLOCK_ELEMS * KERNEL_KV_PANEL) + 2 * KERNEL_KV_PANEL);
}

/* Of Q8_0: the scales of the block of element i. */
TILES_INLINE kv_vec kv_key_scale(const uint8_t *panels, size_t panel_bytes, int v, int i)
{
    const uint8_t *panel = panels + (size_t)(v / KV_PANEL_VECS) * panel_bytes;
    const uint8_t *block = panel + i / BLOCK_ELEMS * KV_Q8_PANEL_BLOCK;
    return kv_load_f16(block + v % KV_PANEL_VECS * KV_LANES * 2);
}

/* The same place of a panel further on. */
TILES_INLINE void kv_prefetch_key(const uint8_t *panels, size_t panel_bytes, int i_panel, int i,
                                  const enum kernel_kv type)
{
    int bytes = type == KERNEL_KV_F32 ? 4 : type == KERNEL_KV_F16 ? 2 : 1;
    __builtin_prefetch(panels + (size_t)i_panel * panel_bytes + i * bytes * KERNEL_KV_PANEL);
}

/* n_q queries against n_panels panels. */
TILES_INLINE void kv_score_tile(float *scores, size_t stride, const float *q, size_t q_stride,
                                const int n_q, const uint8_t *panels, size_t panel_bytes,
                                const int n_panels, int n, const enum kernel_kv type)
{
    const int n_vecs = n_panels * KV_PANEL_VECS;
    kv_vec sums[KV_MAX_QUERIES][KV_MAX_VECS], key[KV_MAX_VECS], scale[KV_MAX_VECS];
    TILES_UNROLL
    for (int j = 0; j < n_q; j++) {
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            sums[j][v] = kv_set1(0.0f);
        }
    }
    int step = type == KERNEL_KV_Q8_0 ? BLOCK_ELEMS : n;
    for (int first = 0; first < n; first += step) {
        if (type == KERNEL_KV_Q8_0) {
            TILES_UNROLL
            for (int v = 0; v < n_vecs; v++) {
                scale[v] = kv_key_scale(panels, panel_bytes, v, first);
            }
        }
        for (int i = first; i < first + step; i++) {
            TILES_UNROLL
            for (int v = 0; v < n_vecs; v++) {
                key[v] = kv_key(panels, panel_bytes, v, i, type);
                key[v] = type == KERNEL_KV_Q8_0 ? kv_mul(key[v], scale[v]) : key[v];
                if (n_q <= KV_STREAM_QUERIES && v % KV_PANEL_VECS == 0) {
                    kv_prefetch_key(panels, panel_bytes, n_panels + v / KV_PANEL_VECS, i, type);
                }
            }
            TILES_UNROLL
            for (int j = 0; j < n_q; j++) {
                kv_vec query = kv_set1(q[(size_t)j * q_stride + (size_t)i]);
                TILES_UNROLL
                for (int v = 0; v < n_vecs; v++) {
                    sums[j][v] = kv_fma(query, key[v], sums[j][v]);
                }
            }
        }
    }
    TILES_UNROLL
    for (int j = 0; j < n_q; j++) {
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            kv_store(scores + (size_t)j * stride + (size_t)(v * KV_LANES), sums[j][v]);
        }
    }
}

/* n_q queries against a group of panels, as many at once as the registers hold. */
TILES_INLINE void kv_score_group(float *scores, size_t stride, const float *q, size_t q_stride,
                                 const int n_q, const uint8_t *panels, size_t panel_bytes,
                                 int n_panels, int n, const enum kernel_kv type)
{
    const int step = KV_KEY_PANELS(n_q);
    int p = 0;
    for (; p + step <= n_panels; p += step) {
        kv_score_tile(scores + p * KERNEL_KV_PANEL, stride, q, q_stride, n_q,
                      panels + (size_t)p * panel_bytes, panel_bytes, step, n, type);
    }
    for (; p < n_panels; p++) {
        kv_score_tile(scores + p * KERNEL_KV_PANEL, stride, q, q_stride, n_q,
                      panels + (size_t)p * panel_bytes, panel_bytes, 1, n, type);
    }
}

TILES_INLINE void kv_scores(float *scores, size_t stride, const float *q, size_t q_stride, int n_q,
                            const uint8_t *panels, size_t panel_bytes, int n_panels, int n,
                            const enum kernel_kv type)
{
    for (int p = 0; p < n_panels; p += KV_GROUP_PANELS) {
        int left = n_panels - p < KV_GROUP_PANELS ? n_panels - p : KV_GROUP_PANELS;
        const uint8_t *group = panels + (size_t)p * panel_bytes;
        int j = 0;
#define KV_SCORE_QUERIES(n_queries)                                                                \
    for (; j + (n_queries) <= n_q; j += (n_queries)) {                                             \
        kv_score_group(scores + (size_t)j * stride + p * KERNEL_KV_PANEL, stride,                  \
                       q + (size_t)j * q_stride, q_stride, n_queries, group, panel_bytes, left, n, \
                       type);                                                                      \
    }
        KV_FOR_QUERIES(KV_SCORE_QUERIES)
#undef KV_SCORE_QUERIES
    }
}

#endif
