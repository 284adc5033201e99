/* SPDX-License-Identifier: MIT */
/* Inside kv_tiles.h only: queries against panels of keys in 16-bit integers. */
#ifndef KERNELS_KV_INT_SCORES_H
#define KERNELS_KV_INT_SCORES_H

/* Queries of one pass: their integers stay in the first-level cache. */
struct kvi_queries {
    int n_q, n_blocks;
    size_t stride; /* integers of a query */
    int16_t ints[KVI_QUERIES * KVI_HEAD];
    float scales[KVI_QUERIES * KVI_HEAD / KERNEL_KV_BLOCK];
};

/* One block of elements of a group of panels: (pair, vector, lane, 2). */
struct kvi_keys {
    int n_vecs, n_pairs;
    int16_t ints[KERNEL_KV_BLOCK * KV_GROUP_PANELS * KERNEL_KV_PANEL];
    float scales[KV_GROUP_PANELS * KERNEL_KV_PANEL];
};

/* Block by block to integers of at most KVI_KEY_MOST; an odd last one gets a zero beside it. */
TILES_INLINE void kvi_take_queries(struct kvi_queries *to, const float *q, size_t q_stride, int n)
{
    for (int j = 0; j < to->n_q; j++) {
        for (int b = 0; b < to->n_blocks; b++) {
            const float *x = q + (size_t)j * q_stride + (size_t)b * KERNEL_KV_BLOCK;
            int left = n - b * KERNEL_KV_BLOCK;
            left = left < KERNEL_KV_BLOCK ? left : KERNEL_KV_BLOCK;
            int16_t *ints = to->ints + (size_t)j * to->stride + (size_t)b * KERNEL_KV_BLOCK;
            float most = kvi_most(x, left);
            kvi_round(ints, x, left, kvi_inverse_of(most, KVI_KEY_MOST));
            if (left % 2 != 0) {
                ints[left] = 0;
            }
            to->scales[j * to->n_blocks + b] = most * (1.0f / (KVI_KEY_MOST * KVI_KEY_MOST));
        }
    }
}

/* Elements first .. +n of the positions of vector v: their largest magnitudes. */
TILES_INLINE kv_vec kvi_keys_most(const uint8_t *panels, size_t panel_bytes, int v, int first,
                                  int n, const enum kernel_kv type)
{
    if (type == KERNEL_KV_F16) {
        const uint8_t *panel = panels + (size_t)(v / KV_PANEL_VECS) * panel_bytes;
        return kvi_halves_most(panel + 2 * (first * KERNEL_KV_PANEL + v % KV_PANEL_VECS * KV_LANES),
                               n);
    }
    kv_int bits = kvi_zero();
    kv_vec scale = kv_set1(0.0f);
    for (int i = first; i < first + n; i++) {
        if (i % BLOCK_ELEMS == 0) {
            scale = kv_key_scale(panels, panel_bytes, v, i);
        }
        bits = kvi_larger(bits, kv_mul(kv_key(panels, panel_bytes, v, i, type), scale));
    }
    return kvi_as_float(bits);
}

/* Elements first .. +n of vector v, which have one scale in Q8_0, to integers. */
TILES_INLINE void kvi_key_round(int16_t *to, size_t stride, const uint8_t *panels,
                                size_t panel_bytes, int v, int first, int n, kv_vec inverse,
                                const enum kernel_kv type)
{
    const kv_vec magic = kv_set1(KVI_MAGIC);
    kv_vec scale = kv_set1(1.0f);
    if (type == KERNEL_KV_Q8_0) {
        scale = kv_key_scale(panels, panel_bytes, v, first);
    }
    for (int i = first; i < first + n; i += 2, to += stride) {
        kv_vec even = kv_key(panels, panel_bytes, v, i, type), odd = kv_set1(0.0f);
        if (i + 1 < first + n) {
            odd = kv_key(panels, panel_bytes, v, i + 1, type);
        }
        even = type == KERNEL_KV_Q8_0 ? kv_mul(even, scale) : even;
        odd = type == KERNEL_KV_Q8_0 ? kv_mul(odd, scale) : odd;
        kvi_store_pairs(to, kv_fma(even, inverse, magic), kv_fma(odd, inverse, magic));
    }
}

TILES_INLINE void kvi_take_keys(struct kvi_keys *to, const uint8_t *panels, size_t panel_bytes,
                                int first, int n, const enum kernel_kv type)
{
    to->n_pairs = (n + 1) / 2;
    int half = n < BLOCK_ELEMS ? n : BLOCK_ELEMS;
    for (int v = 0; v < to->n_vecs; v++) {
        kv_vec most = kvi_keys_most(panels, panel_bytes, v, first, n, type);
        kv_vec inverse = kvi_inverse(kvi_as_bits(most), KVI_KEY_MOST);
        kv_store(to->scales + v * KV_LANES, most);
        int16_t *ints = to->ints + (size_t)v * 2 * KV_LANES;
        size_t stride = (size_t)to->n_vecs * 2 * KV_LANES;
        kvi_key_round(ints, stride, panels, panel_bytes, v, first, half, inverse, type);
        if (n > half) {
            kvi_key_round(ints + (size_t)(half / 2) * stride, stride, panels, panel_bytes, v,
                          first + half, n - half, inverse, type);
        }
    }
}

/* n_q queries from number j, n_vecs vectors from number v, one block; block 0 begins the sums. */
TILES_INLINE void kvi_score_tile(float *scores, size_t stride, const struct kvi_queries *queries,
                                 int j, const int n_q, const struct kvi_keys *keys, int v0,
                                 const int n_vecs, int b)
{
    kv_int sums[KV_MAX_QUERIES][KV_MAX_VECS], key[KV_MAX_VECS];
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            sums[r][v] = kvi_zero();
        }
    }
    const int16_t *q = queries->ints + (size_t)j * queries->stride + (size_t)b * KERNEL_KV_BLOCK;
    const int16_t *k = keys->ints + (size_t)v0 * 2 * KV_LANES;
    const size_t q_stride = queries->stride, k_stride = (size_t)keys->n_vecs * 2 * KV_LANES;
    const int n_pairs = keys->n_pairs;
    for (int p = 0; p < n_pairs; p++, k += k_stride) {
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            key[v] = kvi_load(k + v * 2 * KV_LANES);
        }
        TILES_UNROLL
        for (int r = 0; r < n_q; r++) {
            kv_int query = kvi_pair(q + (size_t)r * q_stride + 2 * p);
            TILES_UNROLL
            for (int v = 0; v < n_vecs; v++) {
                sums[r][v] = kvi_dot(key[v], query, sums[r][v]);
            }
        }
    }
    static const float zeros[KV_LANES];
    float *to = scores + (size_t)j * stride + (size_t)v0 * KV_LANES;
    const float *before = b == 0 ? zeros : to;
    size_t before_stride = b == 0 ? 0 : stride;
    int before_step = b == 0 ? 0 : 1;
    const float *scales = queries->scales + j * queries->n_blocks + b;
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        kv_vec scale = kv_set1(scales[r * queries->n_blocks]);
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            kv_vec part = kv_mul(kvi_to_float(sums[r][v]), kvi_floats(keys->scales, v0 + v));
            kv_vec sum = kvi_floats(before + (size_t)r * before_stride, v * before_step);
            kv_store(to + (size_t)r * stride + (size_t)(v * KV_LANES), kv_fma(part, scale, sum));
        }
    }
}

/* All queries with one block of a group of panels. */
TILES_INLINE void kvi_score_block(float *scores, size_t stride, const struct kvi_queries *queries,
                                  const struct kvi_keys *keys, int b)
{
    int j = 0;
#define KVI_SCORE_QUERIES(n_queries)                                                               \
    for (; j + (n_queries) <= queries->n_q; j += (n_queries)) {                                    \
        const int step = KV_KEY_PANELS(n_queries) * KV_PANEL_VECS;                                 \
        int v = 0;                                                                                 \
        for (; v + step <= keys->n_vecs; v += step) {                                              \
            kvi_score_tile(scores, stride, queries, j, n_queries, keys, v, step, b);               \
        }                                                                                          \
        for (; v < keys->n_vecs; v += KV_PANEL_VECS) {                                             \
            kvi_score_tile(scores, stride, queries, j, n_queries, keys, v, KV_PANEL_VECS, b);      \
        }                                                                                          \
    }
    KV_FOR_QUERIES(KVI_SCORE_QUERIES)
#undef KVI_SCORE_QUERIES
}

#endif
