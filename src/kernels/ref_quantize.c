/* SPDX-License-Identifier: MIT */
/*
 * Activations to 8-bit blocks. Defined for every bit pattern: a block with a NaN or an infinity
 * keeps a scale that is not finite and quants of zero, so that whatever it is multiplied with
 * becomes NaN and is noticed; a block too small for the reciprocal of its scale to be finite counts
 * as zero.
 */
#include "kernels/blocks.h"
#include "kernels/quants.h"
#include "kernels/ref.h"

#include <float.h>
#include <math.h>

static void quantize_super_block(struct block_q8_k *block, const float *x, float scale);
static float largest_magnitude(const float *x, int n);
static int round_even(float value);
static void put_half(uint8_t *dst, float value);

/* Quants of 32 elements; returns the unrounded scale, and their sum. */
static float quantize_block(int8_t *q, int *sum, const float *x)
{
    float d = largest_magnitude(x, BLOCK_ELEMS) / 127.0f;
    float inverse = 1.0f / d;
    *sum = 0;
    if (!(d <= FLT_MAX && inverse <= FLT_MAX)) { /* also when d is NaN */
        memset(q, 0, BLOCK_ELEMS);
        return d <= FLT_MAX ? 0.0f : d;
    }
    for (int i = 0; i < BLOCK_ELEMS; i++) {
        q[i] = (int8_t)round_even(x[i] * inverse);
        *sum += q[i];
    }
    return d;
}

void ref_quantize_q8_0(void *dst, const float *src, int n)
{
    struct block_q8_0 *block = dst;
    for (int i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int sum;
        put_half(block->d, quantize_block(block->qs, &sum, src + i));
    }
}

void ref_quantize_q8_1(void *dst, const float *src, int n)
{
    struct block_q8_1 *block = dst;
    for (int i = 0; i < n; i += BLOCK_ELEMS, block++) {
        int sum;
        float d = quantize_block(block->qs, &sum, src + i);
        put_half(block->d, d);
        put_half(block->s, d * (float)sum);
    }
}

/* The scale has the sign that sends the first element of largest magnitude to -127. */
void ref_quantize_q8_k(void *dst, const float *src, int n)
{
    struct block_q8_k *block = dst;
    for (int i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        const float *x = src + i;
        float largest = largest_magnitude(x, SUPER_BLOCK_ELEMS);
        float scale = 127.0f / largest;
        float d = largest <= FLT_MAX ? 0.0f : largest;
        memset(block, 0, sizeof *block);
        if (largest <= FLT_MAX && scale <= FLT_MAX) {
            int first = 0;
            while (fabsf(x[first]) != largest) {
                first++;
            }
            scale = -127.0f / x[first];
            quantize_super_block(block, x, scale);
            d = 1.0f / scale;
        }
        memcpy(block->d, &d, sizeof d);
    }
}

static void quantize_super_block(struct block_q8_k *block, const float *x, float scale)
{
    for (int g = 0; g < 16; g++) {
        int16_t sum = 0;
        for (int i = 16 * g; i < 16 * g + 16; i++) {
            block->qs[i] = (int8_t)round_even(x[i] * scale);
            sum = (int16_t)(sum + block->qs[i]);
        }
        memcpy(block->bsums + 2 * g, &sum, sizeof sum);
    }
}

/* max |x|; NaN above infinity, since magnitudes compare like their bits. */
static float largest_magnitude(const float *x, int n)
{
    uint32_t largest = 0;
    for (int i = 0; i < n; i++) {
        uint32_t bits = block_bits_of_float(x[i]) & 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    return block_float_of_bits(largest);
}

/* |value| < 2^22: adding 1.5 * 2^23 leaves the rounded integer in the low bits. */
static int round_even(float value)
{
    return (int)(block_bits_of_float(value + 12582912.0f) & 0x7fffffu) - 0x400000;
}

static void put_half(uint8_t *dst, float value)
{
    uint16_t half = quants_f32_to_f16(value);
    memcpy(dst, &half, sizeof half);
}
