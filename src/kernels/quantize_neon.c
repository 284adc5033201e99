/* SPDX-License-Identifier: MIT */
/* Activations to Q8_0, Q8_1 and Q8_K blocks, NEON; bit for bit what the reference gives. */
#include "kernels/neon.h"

#include <float.h>
#include <math.h>

/* Magnitudes compare like their bits, NaN above infinity. */
TILES_INLINE float largest_magnitude(const float *x, int n)
{
    const uint32x4_t mask = vdupq_n_u32(0x7fffffffu);
    uint32x4_t most = vdupq_n_u32(0);
    for (int i = 0; i < n; i += 4) {
        most = vmaxq_u32(most, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + i)), mask));
    }
    return block_float_of_bits(vmaxvq_u32(most));
}

/* Sixteen floats times `scale`, rounded to nearest even. */
TILES_INLINE int8x16_t round16(const float *x, float scale)
{
    int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), scale));
    int32x4_t b = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4), scale));
    int32x4_t c = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 8), scale));
    int32x4_t d = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 12), scale));
    int16x8_t ab = vcombine_s16(vmovn_s32(a), vmovn_s32(b)),
              cd = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
    return vcombine_s8(vmovn_s16(ab), vmovn_s16(cd));
}

TILES_INLINE void store_half(uint8_t *dst, float value)
{
    __fp16 half = (__fp16)value;
    memcpy(dst, &half, sizeof half);
}

/*
 * One block of 32: stores quants, returns the unrounded scale and the sum. A scale that is not
 * finite, or too small to be inverted, leaves quants of zero, as in the reference.
 */
TILES_INLINE float quantize_32(int8_t *quants, int *sum, const float *x)
{
    float d = largest_magnitude(x, BLOCK_ELEMS) / 127.0f;
    float inverse = 1.0f / d;
    *sum = 0;
    if (!(d <= FLT_MAX && inverse <= FLT_MAX)) {
        memset(quants, 0, BLOCK_ELEMS);
        return d <= FLT_MAX ? 0.0f : d;
    }
    int8x16_t low = round16(x, inverse), high = round16(x + 16, inverse);
    vst1q_s8(quants, low);
    vst1q_s8(quants + 16, high);
    *sum = vaddlvq_s8(low) + vaddlvq_s8(high);
    return d;
}

void neon_quantize_q8_0(void *dst, const float *src, int n)
{
    struct block_q8_0 *b = dst;
    for (int i = 0; i < n; i += BLOCK_ELEMS, b++) {
        int sum;
        store_half(b->d, quantize_32(b->qs, &sum, src + i));
    }
}

void neon_quantize_q8_1(void *dst, const float *src, int n)
{
    struct block_q8_1 *b = dst;
    for (int i = 0; i < n; i += BLOCK_ELEMS, b++) {
        int sum;
        float d = quantize_32(b->qs, &sum, src + i);
        store_half(b->d, d);
        store_half(b->s, d * (float)sum);
    }
}

void neon_quantize_q8_k(void *dst, const float *src, int n)
{
    struct block_q8_k *b = dst;
    for (int i = 0; i < n; i += SUPER_BLOCK_ELEMS, src += SUPER_BLOCK_ELEMS, b++) {
        float largest = largest_magnitude(src, SUPER_BLOCK_ELEMS);
        float scale = 127.0f / largest;
        float d = largest <= FLT_MAX ? 0.0f : largest;
        if (!(largest <= FLT_MAX && scale <= FLT_MAX)) {
            memset(b, 0, sizeof *b);
            memcpy(b->d, &d, sizeof d);
            continue;
        }
        /* the first element of largest magnitude decides the sign */
        int first = 0;
        while (fabsf(src[first]) != largest) {
            first++;
        }
        scale = -127.0f / src[first];
        d = 1.0f / scale;
        memcpy(b->d, &d, sizeof d);
        for (int g = 0; g < 16; g++) {
            int8x16_t quants = round16(src + 16 * g, scale);
            int16_t sum = vaddlvq_s8(quants);
            vst1q_s8(b->qs + 16 * g, quants);
            memcpy(b->bsums + 2 * g, &sum, sizeof sum);
        }
    }
}
