/* SPDX-License-Identifier: MIT */
/*
 * Inside the kv_*.c files only: what keys, queries, values and weights are multiplied by before
 * they are rounded to 16 bits (kernels.h, kernel_kv_scores_fn of kv_scores_int). The largest sums,
 * 64 products, fit 32 bits: 64 * 5792 * 5792 and 64 * 8191 * 4095 are less than 2^31.
 */
#ifndef KERNELS_KV_INT_H
#define KERNELS_KV_INT_H

#include "kernels/kernels.h"
#include "kernels/tiles.h"

#include <math.h>
#include <string.h>

#define KVI_KEY_MOST    5792.0f /* and of queries */
#define KVI_VALUE_MOST  4095.0f
#define KVI_WEIGHT_MOST 8191.0f
/* Added to a float of at most 2^22 it leaves the nearest integer (even if halfway) in the low bits.
 */
#define KVI_MAGIC 12582912.0f

kernel_kv_scores_fn avx2_kv_int_scores_f16, avx2_kv_int_scores_q8_0;
kernel_kv_scores_fn avx512_kv_int_scores_f16, avx512_kv_int_scores_q8_0;
kernel_kv_mix_fn avx2_kv_int_mix_f16, avx2_kv_int_mix_q8_0;
kernel_kv_mix_fn avx512_kv_int_mix_f16, avx512_kv_int_mix_q8_0;

/* What the integers of a row whose largest magnitude is `most` are made with; 0 for NaN too. */
TILES_INLINE float kvi_inverse_of(float most, float ints_most)
{
    return most > 0 ? ints_most / most : 0.0f;
}

/* Largest magnitude; a NaN counts as larger than everything. */
TILES_INLINE float kvi_most(const float *x, int n)
{
    uint32_t most = 0;
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float result;
    memcpy(&result, &most, sizeof result);
    return result;
}

TILES_INLINE void kvi_round(int16_t *dst, const float *x, int n, float inverse)
{
    for (int i = 0; i < n; i++) {
        float sum = fmaf(x[i], inverse, KVI_MAGIC);
        uint32_t bits;
        memcpy(&bits, &sum, sizeof bits);
        dst[i] = (int16_t)(uint16_t)bits;
    }
}

#endif
