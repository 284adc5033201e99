/* SPDX-License-Identifier: MIT */
/*
 * The matmuls of quantised weights in super-blocks of 256, for both ARM levels: bodies only. The
 * including file first defines neon_dot(sum, a, b), which adds the products of sixteen signed bytes
 * to four 32-bit lanes, and NEON_NAME(type), the name of the kernel. Lanes of neon_dot may differ
 * between levels, integers are exact.
 */
#ifndef KERNELS_NEON_SUPER_H
#define KERNELS_NEON_SUPER_H

#ifndef NEON_NAME
#error "define NEON_NAME and neon_dot before including this file"
#endif

#include "kernels/neon_unpack.h"

/* sums[a] += scales * products of the 128 elements of one half. */
TILES_INLINE void add_half(int32x4_t *sums, const int8x16_t quants[8], const int16_t *scales,
                           const uint8_t *acts, size_t act_bytes, const int n_acts, const int group)
{
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const int8_t *y = (const int8_t *)acts + (size_t)a * act_bytes;
        TILES_UNROLL
        for (int i = 0; i < 8; i += 2) {
            int32x4_t dot = neon_dot(vdupq_n_s32(0), quants[i], vld1q_s8(y + 16 * i));
            if (group == 32) {
                dot = neon_dot(dot, quants[i + 1], vld1q_s8(y + 16 * i + 16));
                sums[a] = vmlaq_n_s32(sums[a], dot, scales[i / 2]);
            } else {
                int32x4_t second =
                    neon_dot(vdupq_n_s32(0), quants[i + 1], vld1q_s8(y + 16 * i + 16));
                sums[a] = vmlaq_n_s32(sums[a], dot, scales[i]);
                sums[a] = vmlaq_n_s32(sums[a], second, scales[i + 1]);
            }
        }
    }
}

/* Minima times the sums of 16 activations. */
TILES_INLINE int32x4_t dot_mins(const struct neon_super *w, const struct block_q8_k *act)
{
    int16x8_t sums0 = vreinterpretq_s16_u8(vld1q_u8(act->bsums));
    int16x8_t sums1 = vreinterpretq_s16_u8(vld1q_u8(act->bsums + 16));
    int32x4_t dot = vmull_s16(vget_low_s16(w->mins[0]), vget_low_s16(sums0));
    dot = vmlal_high_s16(dot, w->mins[0], sums0);
    dot = vmlal_s16(dot, vget_low_s16(w->mins[1]), vget_low_s16(sums1));
    return vmlal_high_s16(dot, w->mins[1], sums1);
}

TILES_INLINE void tile_super(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts,
                             size_t act_bytes, int n_in, const int n_acts, neon_super_fn *head,
                             neon_half_fn *unpack, const size_t block_bytes, const int group,
                             const int has_min)
{
    float32x4_t total[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        total[a] = vdupq_n_f32(0.0f);
    }
    for (int i = 0; i < n_in / SUPER_BLOCK_ELEMS; i++) {
        if (n_acts == 1) {
            for (size_t line = 0; line < block_bytes; line += 64) {
                neon_prefetch(row + line);
            }
        }
        struct neon_super w;
        head(&w, row);
        int32x4_t sums[4];
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            sums[a] = vdupq_n_s32(0);
        }
        TILES_UNROLL
        for (int half = 0; half < 2; half++) {
            int8x16_t quants[8];
            unpack(quants, row, half);
            add_half(sums, quants, w.scales + half * (group == 32 ? 4 : 8), acts + 4 + 128 * half,
                     act_bytes, n_acts, group);
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
            float d = block_f32(act->d);
            total[a] = vfmaq_n_f32(total[a], vcvtq_f32_s32(sums[a]), w.scale * d);
            if (has_min) {
                total[a] = vfmsq_n_f32(total[a], vcvtq_f32_s32(dot_mins(&w, act)), w.min * d);
            }
        }
        row += block_bytes;
        acts += sizeof(struct block_q8_k);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = neon_sum(total[a]);
    }
}

#define SUPER(type, head, group, has_min)                                                          \
    TILES_INLINE void tile_##type(float *dst, size_t dst_stride, const uint8_t *row,               \
                                  const uint8_t *acts, size_t act_bytes, int n_in,                 \
                                  const int n_acts)                                                \
    {                                                                                              \
        tile_super(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, head, neon_half_##type,    \
                   sizeof(struct block_##type), group, has_min);                                   \
    }                                                                                              \
    TILES_DEFINE(NEON_NAME(type), tile_##type)

SUPER(q2_k, neon_super_q2_k, 16, 1)
SUPER(q3_k, neon_super_q3_k, 16, 0)
SUPER(q4_k, neon_super_q45_k, 32, 1)
SUPER(q5_k, neon_super_q45_k, 32, 1)
SUPER(q6_k, neon_super_q6_k, 16, 0)
SUPER(iq4_xs, neon_super_iq4_xs, 32, 0)

#endif
