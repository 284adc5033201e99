/* SPDX-License-Identifier: MIT */
/*
 * Packed blocks to floats. The value of an element is one product of a scale (itself a product of a
 * half and a small integer, exact) and a small integer, plus or minus one exact offset: rounded
 * once, whatever the order.
 */
#include "kernels/quants.h"
#include "kernels/unpack.h"

#include <assert.h>

typedef void dequantize_fn(float *dst, const void *src, size_t n);
static dequantize_fn dequantize_f32, dequantize_f16, dequantize_bf16;
static dequantize_fn dequantize_q4_0, dequantize_q4_1, dequantize_q5_0, dequantize_q5_1,
    dequantize_q8_0, dequantize_iq4_nl, dequantize_mxfp4;
static dequantize_fn dequantize_q2_k, dequantize_q3_k, dequantize_q4_k, dequantize_q5_k,
    dequantize_q6_k, dequantize_iq4_xs;

void quants_dequantize_row(enum dtype type, float *dst, const void *src, size_t n)
{
    static dequantize_fn *const table[DTYPE_COUNT] = {
        [DTYPE_F32] = dequantize_f32,       [DTYPE_F16] = dequantize_f16,
        [DTYPE_BF16] = dequantize_bf16,     [DTYPE_Q4_0] = dequantize_q4_0,
        [DTYPE_Q4_1] = dequantize_q4_1,     [DTYPE_Q5_0] = dequantize_q5_0,
        [DTYPE_Q5_1] = dequantize_q5_1,     [DTYPE_Q8_0] = dequantize_q8_0,
        [DTYPE_Q2_K] = dequantize_q2_k,     [DTYPE_Q3_K] = dequantize_q3_k,
        [DTYPE_Q4_K] = dequantize_q4_k,     [DTYPE_Q5_K] = dequantize_q5_k,
        [DTYPE_Q6_K] = dequantize_q6_k,     [DTYPE_IQ4_NL] = dequantize_iq4_nl,
        [DTYPE_IQ4_XS] = dequantize_iq4_xs, [DTYPE_MXFP4] = dequantize_mxfp4,
    };
    assert((unsigned)type < DTYPE_COUNT && table[type] != NULL);
    assert(n % dtype_get((uint32_t)type)->block_elems == 0);
    table[type](dst, src, n);
}

static void dequantize_f32(float *dst, const void *src, size_t n)
{
    memcpy(dst, src, n * sizeof *dst);
}

static void dequantize_f16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) {
        dst[i] = block_half(p + 2 * i);
    }
}

static void dequantize_bf16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++) {
        dst[i] = block_bf16_to_float(block_u16(p + 2 * i));
    }
}

/* dst = scale * q for n elements. */
static void scale_quants(float *dst, const int8_t *q, int n, float scale)
{
    for (int i = 0; i < n; i++) {
        dst[i] = scale * (float)q[i];
    }
}

static void scale_shift_quants(float *dst, const int8_t *q, int n, float scale, float shift)
{
    for (int i = 0; i < n; i++) {
        dst[i] = scale * (float)q[i] + shift;
    }
}

static void dequantize_q4_0(float *dst, const void *src, size_t n)
{
    const struct block_q4_0 *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int8_t q[BLOCK_ELEMS];
        unpack_nibbles(q, block->qs);
        for (int j = 0; j < BLOCK_ELEMS; j++) {
            q[j] = (int8_t)(q[j] - 8);
        }
        scale_quants(dst + i, q, BLOCK_ELEMS, block_half(block->d));
    }
}

static void dequantize_q4_1(float *dst, const void *src, size_t n)
{
    const struct block_q4_1 *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int8_t q[BLOCK_ELEMS];
        unpack_nibbles(q, block->qs);
        scale_shift_quants(dst + i, q, BLOCK_ELEMS, block_half(block->d), block_half(block->m));
    }
}

static void dequantize_q5_0(float *dst, const void *src, size_t n)
{
    const struct block_q5_0 *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int8_t q[BLOCK_ELEMS];
        unpack_fives(q, block->qs, block->qh);
        for (int j = 0; j < BLOCK_ELEMS; j++) {
            q[j] = (int8_t)(q[j] - 16);
        }
        scale_quants(dst + i, q, BLOCK_ELEMS, block_half(block->d));
    }
}

static void dequantize_q5_1(float *dst, const void *src, size_t n)
{
    const struct block_q5_1 *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int8_t q[BLOCK_ELEMS];
        unpack_fives(q, block->qs, block->qh);
        scale_shift_quants(dst + i, q, BLOCK_ELEMS, block_half(block->d), block_half(block->m));
    }
}

static void dequantize_q8_0(float *dst, const void *src, size_t n)
{
    const struct block_q8_0 *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        scale_quants(dst + i, block->qs, BLOCK_ELEMS, block_half(block->d));
    }
}

static void dequantize_iq4_nl(float *dst, const void *src, size_t n)
{
    const struct block_iq4_nl *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int8_t q[BLOCK_ELEMS];
        unpack_levels(q, block->qs, block_iq4_values);
        scale_quants(dst + i, q, BLOCK_ELEMS, block_half(block->d));
    }
}

static void dequantize_mxfp4(float *dst, const void *src, size_t n)
{
    const struct block_mxfp4 *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int8_t q[BLOCK_ELEMS];
        unpack_levels(q, block->qs, block_fp4_values);
        scale_quants(dst + i, q, BLOCK_ELEMS, block_e8m0_half(block->e));
    }
}

static void dequantize_q2_k(float *dst, const void *src, size_t n)
{
    const struct block_q2_k *block = src;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        unpack_pairs(q, block->qs);
        float d = block_half(block->d), dmin = block_half(block->dmin);
        for (int g = 0; g < 16; g++) {
            uint8_t s = block->scales[g];
            scale_shift_quants(dst + i + 16 * g, q + 16 * g, 16, d * (float)(s & 15),
                               -(dmin * (float)(s >> 4)));
        }
    }
}

static void dequantize_q3_k(float *dst, const void *src, size_t n)
{
    const struct block_q3_k *block = src;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        unpack_q3_k(q, block);
        float d = block_half(block->d);
        for (int g = 0; g < 16; g++) {
            float scale = d * (float)block_q3_k_scale(block->scales, g);
            scale_quants(dst + i + 16 * g, q + 16 * g, 16, scale);
        }
    }
}

/* Eight groups of 32 with the packed scales of Q4_K and Q5_K. */
static void dequantize_k4(float *dst, const int8_t *q, float d, float dmin, const uint8_t *packed)
{
    for (int g = 0; g < 8; g++) {
        uint8_t scale, minimum;
        block_k4_scale(&scale, &minimum, packed, g);
        scale_shift_quants(dst + 32 * g, q + 32 * g, 32, d * (float)scale,
                           -(dmin * (float)minimum));
    }
}

static void dequantize_q4_k(float *dst, const void *src, size_t n)
{
    const struct block_q4_k *block = src;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        unpack_q4_k(q, block->qs);
        dequantize_k4(dst + i, q, block_half(block->d), block_half(block->dmin), block->scales);
    }
}

static void dequantize_q5_k(float *dst, const void *src, size_t n)
{
    const struct block_q5_k *block = src;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        unpack_q5_k(q, block);
        dequantize_k4(dst + i, q, block_half(block->d), block_half(block->dmin), block->scales);
    }
}

static void dequantize_q6_k(float *dst, const void *src, size_t n)
{
    const struct block_q6_k *block = src;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        int8_t q[SUPER_BLOCK_ELEMS];
        unpack_q6_k(q, block);
        float d = block_half(block->d);
        for (int g = 0; g < 16; g++) {
            scale_quants(dst + i + 16 * g, q + 16 * g, 16, d * (float)block->scales[g]);
        }
    }
}

static void dequantize_iq4_xs(float *dst, const void *src, size_t n)
{
    const struct block_iq4_xs *block = src;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        float d = block_half(block->d);
        for (int b = 0; b < 8; b++) {
            int8_t q[BLOCK_ELEMS];
            unpack_levels(q, block->qs + 16 * b, block_iq4_values);
            float scale = d * (float)block_iq4_xs_scale(block, b);
            scale_quants(dst + i + 32 * b, q, BLOCK_ELEMS, scale);
        }
    }
}
