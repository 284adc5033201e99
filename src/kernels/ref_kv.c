/* SPDX-License-Identifier: MIT */
/* Rows of the key-value cache: stored, compared with a query, mixed by weight. */
#include "kernels/blocks.h"
#include "kernels/quants.h"
#include "kernels/ref.h"

void ref_kv_store_f32(void *dst, const float *src, int n)
{
    memcpy(dst, src, (size_t)n * sizeof *src);
}

void ref_kv_store_f16(void *dst, const float *src, int n)
{
    for (int i = 0; i < n; i++) {
        uint16_t half = quants_f32_to_f16(src[i]);
        memcpy((uint8_t *)dst + 2 * (size_t)i, &half, sizeof half);
    }
}

/* Element i of a row. */
typedef float element_fn(const void *row, int i);

static float element_f32(const void *row, int i)
{
    return block_f32((const uint8_t *)row + 4 * (size_t)i);
}

static float element_f16(const void *row, int i)
{
    return block_half((const uint8_t *)row + 2 * (size_t)i);
}

static float element_q8_0(const void *row, int i)
{
    const struct block_q8_0 *block = (const struct block_q8_0 *)row + i / BLOCK_ELEMS;
    return block_half(block->d) * (float)block->qs[i % BLOCK_ELEMS];
}

static inline __attribute__((always_inline)) void scores(element_fn *element, float *dst,
                                                         const float *q, const void *rows,
                                                         size_t row_bytes, int n_pos, int n)
{
    for (int p = 0; p < n_pos; p++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)p * row_bytes;
        float lane[REF_LANES] = {0};
        for (int i = 0; i < n; i++) {
            lane[i % REF_LANES] += q[i] * element(row, i);
        }
        dst[p] = ref_sum_lanes(lane);
    }
}

static inline __attribute__((always_inline)) void mix(element_fn *element, float *out,
                                                      const float *weights, const void *rows,
                                                      size_t row_bytes, int n_pos, int n)
{
    for (int p = 0; p < n_pos; p++) {
        const uint8_t *row = (const uint8_t *)rows + (size_t)p * row_bytes;
        for (int i = 0; i < n; i++) {
            out[i] += weights[p] * element(row, i);
        }
    }
}

void ref_kv_scores_f32(float *dst, const float *q, const void *rows, size_t row_bytes, int n_pos,
                       int n)
{
    scores(element_f32, dst, q, rows, row_bytes, n_pos, n);
}

void ref_kv_scores_f16(float *dst, const float *q, const void *rows, size_t row_bytes, int n_pos,
                       int n)
{
    scores(element_f16, dst, q, rows, row_bytes, n_pos, n);
}

void ref_kv_scores_q8_0(float *dst, const float *q, const void *rows, size_t row_bytes, int n_pos,
                        int n)
{
    scores(element_q8_0, dst, q, rows, row_bytes, n_pos, n);
}

void ref_kv_mix_f32(float *out, const float *weights, const void *rows, size_t row_bytes, int n_pos,
                    int n)
{
    mix(element_f32, out, weights, rows, row_bytes, n_pos, n);
}

void ref_kv_mix_f16(float *out, const float *weights, const void *rows, size_t row_bytes, int n_pos,
                    int n)
{
    mix(element_f16, out, weights, rows, row_bytes, n_pos, n);
}

void ref_kv_mix_q8_0(float *out, const float *weights, const void *rows, size_t row_bytes,
                     int n_pos, int n)
{
    mix(element_q8_0, out, weights, rows, row_bytes, n_pos, n);
}
