/* SPDX-License-Identifier: MIT */
/* Inside kv_tiles.h only: weighted sums of rows of values in 16-bit integers. */
#ifndef KERNELS_KV_INT_MIX_H
#define KERNELS_KV_INT_MIX_H

/* A group of positions. Missing ones of the last group have weight 0. */
struct kvi_values {
    const uint8_t *rows;
    size_t row_bytes;
    int n_pos, n;
    float most[KERNEL_KV_GROUP], inverse[KERNEL_KV_GROUP]; /* of a row */
    int16_t ints[KERNEL_KV_GROUP * KVI_COLUMNS];           /* (pair, vector, lane, 2) */
    int16_t weights[KVI_QUERIES * KERNEL_KV_GROUP];
    float factors[KVI_QUERIES];
};

/* Elements i .. of a row; zeros after the last. */
TILES_INLINE kv_vec kvi_value(const uint8_t *row, int i, int n, const enum kernel_kv type)
{
    if (i + KV_LANES <= n) {
        return kv_value(row, i, type);
    }
    float some[KV_LANES] = {0}; /* never for Q8_0, whose rows are whole blocks */
    for (int k = 0; i + k < n; k++) {
        some[k] = kv_half(row + 2 * (i + k));
    }
    return kv_load((const uint8_t *)(const void *)some);
}

TILES_INLINE void kvi_take_rows(struct kvi_values *values, const enum kernel_kv type)
{
    memset(values->most, 0, sizeof values->most);
    for (int p = 0; p < values->n_pos; p++) {
        const uint8_t *row = values->rows + (size_t)p * values->row_bytes;
        if (type == KERNEL_KV_F16 && values->n % KV_LANES == 0) {
            values->most[p] = kvi_row_most(row, values->n);
            continue;
        }
        kv_int bits = kvi_zero();
        for (int i = 0; i < values->n; i += KV_LANES) {
            bits = kvi_larger(bits, kvi_value(row, i, values->n, type));
        }
        values->most[p] = kvi_largest(bits);
    }
    for (int v = 0; v < KERNEL_KV_GROUP / KV_LANES; v++) {
        kv_int most = kvi_as_bits(kvi_floats(values->most, v));
        kv_store(values->inverse + v * KV_LANES, kvi_inverse(most, KVI_VALUE_MOST));
    }
}

/* Weights times what a row was divided by, to integers relative to the largest of the group. */
TILES_INLINE void kvi_take_weights(struct kvi_values *values, int j, const float *weights)
{
    float some[KERNEL_KV_GROUP];
    if (values->n_pos < KERNEL_KV_GROUP) {
        memset(some, 0, sizeof some);
        memcpy(some, weights, (size_t)values->n_pos * sizeof *some);
        weights = some;
    }
    enum { N = KERNEL_KV_GROUP / KV_LANES };
    kv_vec product[N];
    kv_int bits = kvi_zero();
    TILES_UNROLL
    for (int v = 0; v < N; v++) {
        kv_vec weight = kv_load((const uint8_t *)(const void *)(weights + v * KV_LANES));
        product[v] = kvi_mul_nonzero(weight, kvi_floats(values->most, v));
        bits = kvi_larger(bits, product[v]);
    }
    float most = kvi_largest(bits);
    kv_vec inverse = kv_set1(kvi_inverse_of(most, KVI_WEIGHT_MOST));
    TILES_UNROLL
    for (int v = 0; v < N; v++) {
        kvi_store_low(values->weights + j * KERNEL_KV_GROUP + v * KV_LANES,
                      kv_fma(product[v], inverse, kv_set1(KVI_MAGIC)));
    }
    values->factors[j] = most * (1.0f / (KVI_WEIGHT_MOST * KVI_VALUE_MOST));
}

/* n_vecs vectors of columns from `first` to integers, positions in pairs. */
TILES_INLINE void kvi_take_columns(struct kvi_values *values, int first, int n_vecs,
                                   const enum kernel_kv type)
{
    const kv_vec magic = kv_set1(KVI_MAGIC);
    int16_t *to = values->ints;
    for (int p = 0; p < values->n_pos; p += 2) {
        const uint8_t *row = values->rows + (size_t)p * values->row_bytes;
        kv_vec even = kv_set1(values->inverse[p]), odd = kv_set1(values->inverse[p + 1]);
        for (int v = 0; v < n_vecs; v++, to += 2 * KV_LANES) {
            int i = first + v * KV_LANES;
            kv_vec a = kv_fma(kvi_value(row, i, values->n, type), even, magic), b = magic;
            if (p + 1 < values->n_pos) {
                b = kv_fma(kvi_value(row + values->row_bytes, i, values->n, type), odd, magic);
            }
            kvi_store_pairs(to, a, b);
        }
    }
}

/* n_q queries from number j, n_step vectors from number v0 of the n_vecs that were taken. */
TILES_INLINE void kvi_mix_tile(float *out, size_t stride, const struct kvi_values *values, int j,
                               const int n_q, int v0, const int n_step, int n_vecs)
{
    kv_int sums[KV_MAX_QUERIES][KV_MAX_VECS], value[KV_MAX_VECS];
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        TILES_UNROLL
        for (int v = 0; v < n_step; v++) {
            sums[r][v] = kvi_zero();
        }
    }
    const int16_t *weights = values->weights + j * KERNEL_KV_GROUP;
    for (int p = 0; p < (values->n_pos + 1) / 2; p++) {
        TILES_UNROLL
        for (int v = 0; v < n_step; v++) {
            value[v] = kvi_load(values->ints + (size_t)(p * n_vecs + v0 + v) * 2 * KV_LANES);
        }
        TILES_UNROLL
        for (int r = 0; r < n_q; r++) {
            kv_int weight = kvi_pair(weights + r * KERNEL_KV_GROUP + 2 * p);
            TILES_UNROLL
            for (int v = 0; v < n_step; v++) {
                sums[r][v] = kvi_dot(value[v], weight, sums[r][v]);
            }
        }
    }
    TILES_UNROLL
    for (int r = 0; r < n_q; r++) {
        kv_vec factor = kv_set1(values->factors[j + r]);
        TILES_UNROLL
        for (int v = 0; v < n_step; v++) {
            float *to = out + (size_t)r * stride + (size_t)(v0 + v) * KV_LANES;
            kv_vec before = kv_load((const uint8_t *)(const void *)to);
            kv_store(to, kv_fma(kvi_to_float(sums[r][v]), factor, before));
        }
    }
}

/* Columns first .. of all n_q queries; the last vector may be a part of one. */
TILES_INLINE void kvi_mix_columns(float *out, size_t stride, struct kvi_values *values, int n_q,
                                  int first, const enum kernel_kv type)
{
    int n = values->n - first < KVI_COLUMNS ? values->n - first : KVI_COLUMNS;
    int n_vecs = (n + KV_LANES - 1) / KV_LANES, n_whole = n / KV_LANES;
    kvi_take_columns(values, first, n_vecs, type);
    int j = 0;
#define KVI_MIX_QUERIES(n_queries)                                                                 \
    for (; j + (n_queries) <= n_q; j += (n_queries)) {                                             \
        const int step = KV_VALUE_VECS(n_queries);                                                 \
        float *to = out + (size_t)j * stride + first;                                              \
        int v = 0;                                                                                 \
        for (; v + step <= n_whole; v += step) {                                                   \
            kvi_mix_tile(to, stride, values, j, n_queries, v, step, n_vecs);                       \
        }                                                                                          \
        for (; v < n_whole; v++) {                                                                 \
            kvi_mix_tile(to, stride, values, j, n_queries, v, 1, n_vecs);                          \
        }                                                                                          \
    }
    KV_FOR_QUERIES(KVI_MIX_QUERIES)
#undef KVI_MIX_QUERIES
    size_t rest_bytes = (size_t)(n - n_whole * KV_LANES) * sizeof *out;
    for (j = 0; rest_bytes > 0 && j < n_q; j++) {
        float some[KVI_COLUMNS] = {0};
        float *to = out + (size_t)j * stride + first + n_whole * KV_LANES;
        memcpy(some + n_whole * KV_LANES, to, rest_bytes);
        kvi_mix_tile(some, 0, values, j, 1, n_whole, 1, n_vecs);
        memcpy(to, some + n_whole * KV_LANES, rest_bytes);
    }
}

#endif
