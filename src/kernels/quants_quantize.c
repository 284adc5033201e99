/* SPDX-License-Identifier: MIT */
/*
 * Floats to packed blocks with a search for the block parameters: the plain types and the simple
 * blocks of 32, and the table of all types. The rules are told in docs/TYPES.md.
 */
#include "kernels/pack.h"
#include "kernels/quants.h"
#include "kernels/quants_fit.h"
#include "kernels/quants_internal.h"

#include <assert.h>
#include <float.h>
#include <math.h>

enum { MXFP4_LARGEST = 252 }; /* 6 * 2^(252 - 127) is a float, twice that is not */

static quants_quantize_fn quantize_f32, quantize_f16, quantize_bf16;
static quants_quantize_fn quantize_q4_0, quantize_q4_1, quantize_q5_0, quantize_q5_1, quantize_q8_0,
    quantize_iq4_nl, quantize_mxfp4;

void quants_quantize_row(enum dtype type, void *dst, const float *src, size_t n)
{
    static quants_quantize_fn *const table[DTYPE_COUNT] = {
        [DTYPE_F32] = quantize_f32,
        [DTYPE_F16] = quantize_f16,
        [DTYPE_BF16] = quantize_bf16,
        [DTYPE_Q4_0] = quantize_q4_0,
        [DTYPE_Q4_1] = quantize_q4_1,
        [DTYPE_Q5_0] = quantize_q5_0,
        [DTYPE_Q5_1] = quantize_q5_1,
        [DTYPE_Q8_0] = quantize_q8_0,
        [DTYPE_Q2_K] = quants_search_q2_k,
        [DTYPE_Q3_K] = quants_search_q3_k,
        [DTYPE_Q4_K] = quants_search_q4_k,
        [DTYPE_Q5_K] = quants_search_q5_k,
        [DTYPE_Q6_K] = quants_search_q6_k,
        [DTYPE_IQ4_NL] = quantize_iq4_nl,
        [DTYPE_IQ4_XS] = quants_search_iq4_xs,
        [DTYPE_MXFP4] = quantize_mxfp4,
    };
    assert((unsigned)type < DTYPE_COUNT && table[type] != NULL);
    assert(n % dtype_get((uint32_t)type)->block_elems == 0);
    table[type](dst, src, n);
}

static void quantize_f32(void *dst, const float *src, size_t n)
{
    memcpy(dst, src, n * sizeof *src);
}

/* A finite weight beyond the range becomes the largest half, not infinity: it would poison a model.
 */
static void quantize_f16(void *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool finite = fabsf(src[i]) <= FLT_MAX;
        float v = finite ? fminf(fmaxf(src[i], -65504.0f), 65504.0f) : src[i];
        pack_half((uint8_t *)dst + 2 * i, v);
    }
}

static void quantize_bf16(void *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t value = quants_f32_to_bf16(src[i]);
        memcpy((uint8_t *)dst + 2 * i, &value, sizeof value);
    }
}

/* Quants of 32 elements with one scale; returns it. */
static float search_scale(uint8_t *q, const float *src, const struct fit_levels *levels)
{
    float x[BLOCK_ELEMS];
    struct fit_group group;
    fit_load(x, src, BLOCK_ELEMS);
    fit_scale(&group, x, BLOCK_ELEMS, levels);
    float d = fit_half_scale(group.scale);
    fit_quants(q, x, BLOCK_ELEMS, levels, d, 0.0f);
    return d;
}

static void quantize_q4_0(void *dst, const float *src, size_t n)
{
    static const struct fit_levels levels = {-8.0f, 7.0f, 0.04f, false};
    struct block_q4_0 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        pack_half(block->d, search_scale(q, src + i, &levels));
        pack_nibbles(block->qs, q);
    }
}

static void quantize_q5_0(void *dst, const float *src, size_t n)
{
    static const struct fit_levels levels = {-16.0f, 15.0f, 0.028f, false};
    struct block_q5_0 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        pack_half(block->d, search_scale(q, src + i, &levels));
        pack_fives(block->qs, block->qh, q);
    }
}

static void quantize_q8_0(void *dst, const float *src, size_t n)
{
    static const struct fit_levels levels = {-127.0f, 127.0f, 0.006f, false};
    struct block_q8_0 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        pack_half(block->d, search_scale(q, src + i, &levels));
        for (int j = 0; j < BLOCK_ELEMS; j++) {
            block->qs[j] = (int8_t)(q[j] - 127);
        }
    }
}

static void quantize_iq4_nl(void *dst, const float *src, size_t n)
{
    static const struct fit_levels levels = {-127.0f, 113.0f, 0.04f, true};
    struct block_iq4_nl *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        pack_half(block->d, search_scale(q, src + i, &levels));
        pack_nibbles(block->qs, q);
    }
}

/* Quants of 32 elements with scale and offset. */
static void search_affine(uint8_t *q, float *d, float *m, const float *src, float hi)
{
    const struct fit_levels levels = {0.0f, hi, 0.0f, false};
    float x[BLOCK_ELEMS];
    struct fit_group group;
    fit_load(x, src, BLOCK_ELEMS);
    fit_affine(&group, x, BLOCK_ELEMS, hi, 0);
    *d = fit_half_scale(group.scale);
    *m = fit_half_offset(group.offset);
    fit_quants(q, x, BLOCK_ELEMS, &levels, *d, *m);
}

static void quantize_q4_1(void *dst, const float *src, size_t n)
{
    struct block_q4_1 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        float d, m;
        search_affine(q, &d, &m, src + i, 15.0f);
        pack_half(block->d, d);
        pack_half(block->m, m);
        pack_nibbles(block->qs, q);
    }
}

static void quantize_q5_1(void *dst, const float *src, size_t n)
{
    struct block_q5_1 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        uint8_t q[BLOCK_ELEMS];
        float d, m;
        search_affine(q, &d, &m, src + i, 31.0f);
        pack_half(block->d, d);
        pack_half(block->m, m);
        pack_fives(block->qs, block->qh, q);
    }
}

/* Index of the FP4 level nearest v / scale, and the squared difference in units of the scale. */
static uint8_t nearest_fp4(double *err, double v)
{
    double magnitude = fabs(v), least = INFINITY;
    int best = 0;
    for (int i = 0; i < 8; i++) {
        double difference = fabs(magnitude - (double)block_fp4_values[i]);
        if (difference < least) {
            least = difference;
            best = i;
        }
    }
    *err = least * least;
    return (uint8_t)(best + (v < 0.0 && best > 0 ? 8 : 0));
}

/* The three exponents around the one that just holds the largest element; ties to the smaller. */
static void quantize_mxfp4(void *dst, const float *src, size_t n)
{
    struct block_mxfp4 *block = dst;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        double x[BLOCK_ELEMS], largest = 0.0, least = INFINITY;
        for (int j = 0; j < BLOCK_ELEMS; j++) {
            float v = src[i + (size_t)j];
            x[j] = v == v ? fmin(fmax((double)v, -FLT_MAX), FLT_MAX) : 0.0;
            largest = fmax(largest, fabs(x[j]));
        }
        int exponent = largest > 0.0 ? ilogb(largest) - 2 : -127;
        uint8_t best_q[BLOCK_ELEMS] = {0};
        block->e = 0;
        for (int e = exponent + 127 - 1; e <= exponent + 127 + 1; e++) {
            uint8_t q[BLOCK_ELEMS];
            double sum = 0.0;
            if (e < 0 || e > MXFP4_LARGEST) {
                continue;
            }
            for (int j = 0; j < BLOCK_ELEMS; j++) {
                double err;
                q[j] = nearest_fp4(&err, ldexp(x[j], 128 - e));
                sum += err;
            }
            sum = ldexp(sum, 2 * e);
            if (sum < least) {
                least = sum;
                block->e = (uint8_t)e;
                memcpy(best_q, q, sizeof q);
            }
        }
        pack_nibbles(block->qs, best_q);
    }
}
