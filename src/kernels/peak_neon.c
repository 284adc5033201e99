/* SPDX-License-Identifier: MIT */
/* Peak loops of Advanced SIMD. Sixteen independent sums keep four units of latency four busy. */
#include "kernels/peak.h"

#include <arm_neon.h>

enum { N_SUMS = 16 };

uint64_t peak_fp32_neon(int n_rounds, float *sink)
{
    const float32x4_t factor = vdupq_n_f32(0.5f + 0.0f * *sink); /* not known when compiling */
    float32x4_t s[N_SUMS];
    for (int i = 0; i < N_SUMS; i++) {
        s[i] = vdupq_n_f32((float)i);
    }
    for (int round = 0; round < n_rounds; round++) {
#pragma GCC unroll 16
        for (int i = 0; i < N_SUMS; i++) {
            s[i] = vfmaq_f32(s[i], factor, factor);
        }
    }
    for (int i = 0; i < N_SUMS; i++) {
        *sink += vgetq_lane_f32(s[i], 0) + vgetq_lane_f32(s[i], 3);
    }
    return (uint64_t)n_rounds * N_SUMS * 4 * 2;
}

/* As the matmul does it: products to 16 bits, added by pairs to 32. */
uint64_t peak_int8_neon(int n_rounds, float *sink)
{
    const int8x16_t weights = vdupq_n_s8(*sink > 1e30f ? 2 : 1);
    int8x16_t x = vdupq_n_s8(3);
    int32x4_t s[N_SUMS];
    for (int i = 0; i < N_SUMS; i++) {
        s[i] = vdupq_n_s32(0);
    }
    for (int round = 0; round < n_rounds; round++) {
#pragma GCC unroll 16
        for (int i = 0; i < N_SUMS; i++) {
            __asm__ volatile("" : "+w"(x)); /* may be another x each time: nothing is reused */
            s[i] = vpadalq_s16(s[i], vmull_s8(vget_low_s8(weights), vget_low_s8(x)));
            s[i] = vpadalq_s16(s[i], vmull_high_s8(weights, x));
        }
    }
    for (int i = 0; i < N_SUMS; i++) {
        *sink += (float)(vgetq_lane_s32(s[i], 0) & 0xff);
    }
    return (uint64_t)n_rounds * N_SUMS * 16 * 2;
}
