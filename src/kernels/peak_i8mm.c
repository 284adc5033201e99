/* SPDX-License-Identifier: MIT */
/* Peak loop of the matrix multiply instruction of ARMv8.6: 2 x 2 sums of eight products. */
#include "kernels/peak.h"

#include <arm_neon.h>

enum { N_SUMS = 16 };

uint64_t peak_int8_i8mm(int n_rounds, float *sink)
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
            s[i] = vmmlaq_s32(s[i], weights, x);
        }
    }
    for (int i = 0; i < N_SUMS; i++) {
        *sink += (float)(vgetq_lane_s32(s[i], 0) & 0xff);
    }
    return (uint64_t)n_rounds * N_SUMS * 32 * 2;
}
