/* SPDX-License-Identifier: MIT */
/*
 * Super-blocks of 256 with a single activation, row by row as memory is read, for the levels "neon"
 * and "neon-dotprod": bodies only, with the float operations of neon_super.h in the same order. The
 * including file first defines neon_dot (see neon_dots.h) and NEON_NAME.
 */
#ifndef KERNELS_NEON_SUPER_ROW_H
#define KERNELS_NEON_SUPER_ROW_H

#ifndef NEON_NAME
#error "define NEON_NAME and neon_dot before including this file"
#endif

#include "kernels/neon_unpack.h"

#include <math.h>

/* sum + scales * products of the 128 elements of one half. */
TILES_INLINE int32x4_t add_half(int32x4_t sum, const int8x16_t quants[8], const int16_t *scales,
                                const int8_t *y, const int group)
{
    TILES_UNROLL
    for (int i = 0; i < 8; i += 2) {
        int32x4_t dot = neon_dot(vdupq_n_s32(0), quants[i], vld1q_s8(y + 16 * i));
        if (group == 32) {
            dot = neon_dot(dot, quants[i + 1], vld1q_s8(y + 16 * i + 16));
            sum = vmlaq_n_s32(sum, dot, scales[i / 2]);
        } else {
            int32x4_t second = neon_dot(vdupq_n_s32(0), quants[i + 1], vld1q_s8(y + 16 * i + 16));
            sum = vmlaq_n_s32(sum, dot, scales[i]);
            sum = vmlaq_n_s32(sum, second, scales[i + 1]);
        }
    }
    return sum;
}

TILES_INLINE float row_super(const uint8_t *row, const uint8_t *acts, int n_in, neon_super_fn *head,
                             neon_half_fn *unpack, const size_t block_bytes, const int group,
                             const int has_min)
{
    float total[8] = {0};
    for (int i = 0; i < n_in / SUPER_BLOCK_ELEMS; i++) {
        for (size_t line = 0; line < block_bytes; line += 64) {
            neon_prefetch(row + line);
        }
        const struct block_q8_k *act = (const void *)acts;
        struct neon_super w;
        head(&w, row);
        int32x4_t sum = vdupq_n_s32(0);
        TILES_UNROLL
        for (int half = 0; half < 2; half++) {
            int8x16_t quants[8];
            unpack(quants, row, half);
            sum =
                add_half(sum, quants, w.scales + half * (128 / group), act->qs + 128 * half, group);
        }
        float d = block_f32(act->d);
        float *of = &total[i % 8];
        *of = fmaf(w.scale * d, (float)vaddvq_s32(sum), *of);
        if (has_min) {
            *of = fmaf(-(w.min * d), (float)vaddvq_s32(neon_dot_mins(w.mins, act)), *of);
        }
        row += block_bytes;
        acts += sizeof(struct block_q8_k);
    }
    return ((total[0] + total[4]) + (total[2] + total[6])) +
           ((total[1] + total[5]) + (total[3] + total[7]));
}

#define SUPER_ROW(type, head, group, has_min)                                                      \
    static void row_##type(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,   \
                           int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)   \
    {                                                                                              \
        (void)dst_stride;                                                                          \
        (void)act_bytes;                                                                           \
        (void)n_acts;                                                                              \
        for (int r = 0; r < n_rows; r++) {                                                         \
            const uint8_t *row = (const uint8_t *)weights + (size_t)r * row_bytes;                 \
            dst[r] = row_super(row, acts, n_in, head, neon_half_##type,                            \
                               sizeof(struct block_##type), group, has_min);                       \
        }                                                                                          \
    }

SUPER_ROW(q2_k, neon_super_q2_k, 16, 1)
SUPER_ROW(q3_k, neon_super_q3_k, 16, 0)
SUPER_ROW(q4_k, neon_super_q45_k, 32, 1)
SUPER_ROW(q5_k, neon_super_q45_k, 32, 1)
SUPER_ROW(q6_k, neon_super_q6_k, 16, 0)
SUPER_ROW(iq4_xs, neon_super_iq4_xs, 32, 0)

#endif
