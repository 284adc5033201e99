/* SPDX-License-Identifier: MIT */
/* Inside kv_tiles.h only: weighted sums of rows of values. */
#ifndef KERNELS_KV_MIX_H
#define KERNELS_KV_MIX_H

/* Elements i .. of a row of values. */
TILES_INLINE kv_vec kv_value(const uint8_t *row, int i, const enum kernel_kv type)
{
    if (type == KERNEL_KV_F32) {
        return kv_load(row + 4 * i);
    }
    if (type == KERNEL_KV_F16) {
        return kv_load_f16(row + 2 * i);
    }
    const uint8_t *block = row + i / BLOCK_ELEMS * (BLOCK_ELEMS + 2);
    return kv_mul(kv_load_i8(block + 2 + i % BLOCK_ELEMS), kv_set1(kv_half(block)));
}

/* Columns first .. of n_vecs vectors stay in registers while the positions pass. */
TILES_INLINE void kv_mix_tile(float *out, size_t stride, const float *weights, size_t w_stride,
                              const int n_q, const uint8_t *rows, size_t row_bytes, int n_pos,
                              int first, const int n_vecs, const enum kernel_kv type)
{
    kv_vec sums[KV_MAX_QUERIES][KV_MAX_VECS], value[KV_MAX_VECS];
    TILES_UNROLL
    for (int j = 0; j < n_q; j++) {
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            const float *from = out + (size_t)j * stride + (size_t)(first + v * KV_LANES);
            sums[j][v] = kv_load((const uint8_t *)(const void *)from);
        }
    }
    for (int p = 0; p < n_pos; p++) {
        const uint8_t *row = rows + (size_t)p * row_bytes;
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            value[v] = kv_value(row, first + v * KV_LANES, type);
            if (n_q <= KV_STREAM_QUERIES && v % 2 == 0) {
                int bytes = type == KERNEL_KV_F32 ? 4 : type == KERNEL_KV_F16 ? 2 : 1;
                __builtin_prefetch(row + (first + v * KV_LANES) * bytes + KV_PREFETCH_BYTES, 0, 2);
            }
        }
        TILES_UNROLL
        for (int j = 0; j < n_q; j++) {
            kv_vec weight = kv_set1(weights[(size_t)j * w_stride + (size_t)p]);
            TILES_UNROLL
            for (int v = 0; v < n_vecs; v++) {
                sums[j][v] = kv_fma(weight, value[v], sums[j][v]);
            }
        }
    }
    TILES_UNROLL
    for (int j = 0; j < n_q; j++) {
        TILES_UNROLL
        for (int v = 0; v < n_vecs; v++) {
            kv_store(out + (size_t)j * stride + (size_t)(first + v * KV_LANES), sums[j][v]);
        }
    }
}

/* All columns of a group of positions. */
TILES_INLINE void kv_mix_group(float *out, size_t stride, const float *weights, size_t w_stride,
                               const int n_q, const uint8_t *rows, size_t row_bytes, int n_pos,
                               int n, const enum kernel_kv type)
{
    const int step = KV_VALUE_VECS(n_q);
    int i = 0;
    for (; i + step * KV_LANES <= n; i += step * KV_LANES) {
        kv_mix_tile(out, stride, weights, w_stride, n_q, rows, row_bytes, n_pos, i, step, type);
    }
    for (; i + KV_LANES <= n; i += KV_LANES) {
        kv_mix_tile(out, stride, weights, w_stride, n_q, rows, row_bytes, n_pos, i, 1, type);
    }
    for (; i < n; i++) { /* never for Q8_0, whose rows are whole blocks */
        for (int j = 0; j < n_q; j++) {
            float sum = out[(size_t)j * stride + (size_t)i];
            for (int p = 0; p < n_pos; p++) {
                const uint8_t *row = rows + (size_t)p * row_bytes;
                float value = type == KERNEL_KV_F32 ? block_f32(row + 4 * i) : kv_half(row + 2 * i);
                sum = fmaf(weights[(size_t)j * w_stride + (size_t)p], value, sum);
            }
            out[(size_t)j * stride + (size_t)i] = sum;
        }
    }
}

TILES_INLINE void kv_mix(float *out, size_t stride, const float *weights, size_t w_stride, int n_q,
                         const uint8_t *rows, size_t row_bytes, int n_pos, int n,
                         const enum kernel_kv type)
{
    for (int p = 0; p < n_pos; p += KV_GROUP_POSITIONS) {
        int left = n_pos - p < KV_GROUP_POSITIONS ? n_pos - p : KV_GROUP_POSITIONS;
        const uint8_t *group = rows + (size_t)p * row_bytes;
        int j = 0;
#define KV_MIX_QUERIES(n_queries)                                                                  \
    for (; j + (n_queries) <= n_q; j += (n_queries)) {                                             \
        kv_mix_group(out + (size_t)j * stride, stride, weights + (size_t)j * w_stride + p,         \
                     w_stride, n_queries, group, row_bytes, left, n, type);                        \
    }
        KV_FOR_QUERIES(KV_MIX_QUERIES)
#undef KV_MIX_QUERIES
    }
}

#endif
