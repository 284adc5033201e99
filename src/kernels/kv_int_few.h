/* SPDX-License-Identifier: MIT */
/*
 * Inside kv_tiles.h only: attention in 16-bit integers for so few queries that keys and values are
 * multiplied as soon as they are integers, without a copy in between. The same results.
 */
#ifndef KERNELS_KV_INT_FEW_H
#define KERNELS_KV_INT_FEW_H

/* A line of keys further on, if one begins with element i of the first vector of a panel. */
TILES_INLINE void kvi_few_prefetch(const uint8_t *panels, size_t panel_bytes, int v, int i,
                                   const enum kernel_kv type)
{
    const int bytes = type == KERNEL_KV_F16 ? 2 : 1;
    if (v % KV_PANEL_VECS == 0 && i * bytes * KERNEL_KV_PANEL % 64 == 0) {
        const uint8_t *panel = panels + (size_t)(v / KV_PANEL_VECS) * panel_bytes;
        __builtin_prefetch(panel + i * bytes * KERNEL_KV_PANEL + KV_PREFETCH_BYTES, 0, 2);
    }
}

/* One vector of positions against n_q queries from number j. */
TILES_INLINE void kvi_few_scores(float *scores, size_t stride, const struct kvi_queries *queries,
                                 int j, const int n_q, const uint8_t *panels, size_t panel_bytes,
                                 int v, int n, const enum kernel_kv type)
{
    const kv_vec magic = kv_set1(KVI_MAGIC);
    const size_t q_stride = queries->stride;
    kv_vec totals[KV_MAX_QUERIES];
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        totals[r] = kv_set1(0.0f);
    }
    for (int b = 0; b < queries->n_blocks; b++) {
        int first = b * KERNEL_KV_BLOCK;
        int n_elems = n - first < KERNEL_KV_BLOCK ? n - first : KERNEL_KV_BLOCK;
        kv_vec most = kvi_keys_most(panels, panel_bytes, v, first, n_elems, type);
        kv_vec inverse = kvi_inverse(kvi_as_bits(most), KVI_KEY_MOST), scale = kv_set1(1.0f);
        kv_int sums[KV_MAX_QUERIES];
        TILES_UNROLL
        for (int r = 0; r < n_q; r++) {
            sums[r] = kvi_zero();
        }
        const int16_t *q = queries->ints + (size_t)j * q_stride + first;
        for (int i = first; i < first + n_elems; i += 2, q += 2) {
            if (type == KERNEL_KV_Q8_0 && i % BLOCK_ELEMS == 0) {
                scale = kv_key_scale(panels, panel_bytes, v, i);
            }
            kv_vec even = kv_key(panels, panel_bytes, v, i, type);
            kv_vec odd = kv_key(panels, panel_bytes, v, i + 1, type);
            kvi_few_prefetch(panels, panel_bytes, v, i, type);
            even = type == KERNEL_KV_Q8_0 ? kv_mul(even, scale) : even;
            odd = type == KERNEL_KV_Q8_0 ? kv_mul(odd, scale) : odd;
            kv_int pair = kvi_pairs(kv_fma(even, inverse, magic), kv_fma(odd, inverse, magic));
            TILES_UNROLL
            for (int r = 0; r < n_q; r++) {
                sums[r] = kvi_dot(pair, kvi_pair(q + (size_t)r * q_stride), sums[r]);
            }
        }
        const float *scales = queries->scales + j * queries->n_blocks + b;
        TILES_UNROLL
        for (int r = 0; r < n_q; r++) {
            totals[r] = kv_fma(kv_mul(kvi_to_float(sums[r]), most),
                               kv_set1(scales[r * queries->n_blocks]), totals[r]);
        }
    }
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        kv_store(scores + (size_t)(j + r) * stride + (size_t)v * KV_LANES, totals[r]);
    }
}

TILES_INLINE const uint8_t *kvi_few_at(const uint8_t *row, int i, const enum kernel_kv type)
{
    return row + (type == KERNEL_KV_F16 ? 2 * i : i);
}

/* Columns first .. of n_step vectors, n_q queries from number j; the positions are all there. */
TILES_INLINE void kvi_few_mix(float *out, size_t stride, const struct kvi_values *values, int j,
                              const int n_q, int first, const int n_step, const enum kernel_kv type)
{
    const kv_vec magic = kv_set1(KVI_MAGIC);
    const int16_t *weights = values->weights + j * KERNEL_KV_GROUP;
    kv_int sums[KV_MAX_QUERIES][KV_MAX_VECS];
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        TILES_UNROLL
        for (int v = 0; v < n_step; v++) {
            sums[r][v] = kvi_zero();
        }
    }
    for (int p = 0; p < values->n_pos; p += 2) {
        const uint8_t *row = values->rows + (size_t)p * values->row_bytes;
        const uint8_t *next = p + 1 < values->n_pos ? row + values->row_bytes : row;
        kv_vec even = kv_set1(values->inverse[p]), odd = kv_set1(values->inverse[p + 1]);
        kv_int pair[KV_MAX_VECS];
        TILES_UNROLL
        for (int v = 0; v < n_step; v++) {
            int i = first + v * KV_LANES;
            if (v % 2 == 0) {
                __builtin_prefetch(kvi_few_at(row, i, type) + KV_PREFETCH_BYTES, 0, 2);
                __builtin_prefetch(kvi_few_at(next, i, type) + KV_PREFETCH_BYTES, 0, 2);
            }
            pair[v] = kvi_pairs(kv_fma(kv_value(row, i, type), even, magic),
                                kv_fma(kv_value(next, i, type), odd, magic));
        }
        TILES_UNROLL
        for (int r = 0; r < n_q; r++) {
            kv_int weight = kvi_pair(weights + r * KERNEL_KV_GROUP + p);
            TILES_UNROLL
            for (int v = 0; v < n_step; v++) {
                sums[r][v] = kvi_dot(pair[v], weight, sums[r][v]);
            }
        }
    }
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        kv_vec factor = kv_set1(values->factors[j + r]);
        TILES_UNROLL
        for (int v = 0; v < n_step; v++) {
            float *to = out + (size_t)(j + r) * stride + (size_t)(first + v * KV_LANES);
            kv_vec before = kv_load((const uint8_t *)(const void *)to);
            kv_store(to, kv_fma(kvi_to_float(sums[r][v]), factor, before));
        }
    }
}

#endif
