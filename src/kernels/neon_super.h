/* SPDX-License-Identifier: MIT */
/*
 * The matmuls of quantised weights in super-blocks of 256, for all ARM levels: bodies only. One
 * super-block of four rows is unpacked into a panel that stays in the first-level cache while all
 * activations pass over it. The including file first defines neon_arrange and neon_products (see
 * neon_dots.h), NEON_NAME(type), the name of the kernel, and NEON_ONE_SUPER(type), the kernel for a
 * single activation. The order of the float operations is that of x86.
 */
#ifndef KERNELS_NEON_SUPER_H
#define KERNELS_NEON_SUPER_H

#ifndef NEON_NAME
#error "define NEON_NAME and neon_products before including this file"
#endif

#include "kernels/neon_unpack.h"

struct super_type {
    size_t block_bytes;
    int group, has_min;
};

struct super_panel {
    int8x16_t quants[8][8]; /* of each 32 elements, arranged for neon_products */
    int32x4_t scales[16];   /* row by lane; of groups of 16, or the first eight of groups of 32 */
    int16x8_t mins[NEON_ROWS][2];
    float32x4_t d, dmin;
};

TILES_INLINE void fill_super(struct super_panel *panel, const uint8_t *const rows[NEON_ROWS],
                             size_t at, neon_super_fn *head, neon_half_fn *unpack,
                             const struct super_type *type)
{
    float d[NEON_ROWS], dmin[NEON_ROWS] = {0};
    for (int r = 0; r < NEON_ROWS; r++) {
        struct neon_super w;
        head(&w, rows[r] + at);
        for (int g = 0; g < 256 / type->group; g++) {
            ((int32_t *)&panel->scales[g])[r] = w.scales[g];
        }
        d[r] = w.scale;
        if (type->has_min) {
            dmin[r] = w.min;
            panel->mins[r][0] = w.mins[0];
            panel->mins[r][1] = w.mins[1];
        }
        TILES_UNROLL
        for (int half = 0; half < 2; half++) {
            int8x16_t quants[8];
            unpack(quants, rows[r] + at, half);
            TILES_UNROLL
            for (int i = 0; i < 8; i++) {
                panel->quants[4 * half + i / 2][2 * r + i % 2] = quants[i];
            }
        }
    }
    for (int g = 0; g < 8; g++) {
        neon_arrange(panel->quants[g]);
    }
    panel->d = vld1q_f32(d);
    panel->dmin = vld1q_f32(dmin);
}

/* Minima times the sums of 16 activations, row by lane. */
TILES_INLINE int32x4_t rows_mins(const struct super_panel *panel, const struct block_q8_k *act)
{
    int32x4_t dots[NEON_ROWS];
    TILES_UNROLL
    for (int r = 0; r < NEON_ROWS; r++) {
        dots[r] = neon_dot_mins(panel->mins[r], act);
    }
    return neon_rows_sum(dots);
}

/* totals[a] += one super-block of four rows times activation a. */
TILES_INLINE void tile_super(float32x4_t *totals, const struct super_panel *panel,
                             const uint8_t *acts, size_t act_bytes, const int n_acts,
                             const struct super_type *type)
{
    int32x4_t sums[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        sums[a] = vdupq_n_s32(0);
    }
    for (int g = 0; g < 8; g++) {
        int32x4_t low[4], high[4];
        neon_products(low, high, panel->quants[g], (const int8_t *)acts + 4 + 32 * g, act_bytes,
                      n_acts, type->group);
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            if (type->group == 32) {
                sums[a] = vmlaq_s32(sums[a], low[a], panel->scales[g]);
            } else {
                sums[a] = vmlaq_s32(sums[a], low[a], panel->scales[2 * g]);
                sums[a] = vmlaq_s32(sums[a], high[a], panel->scales[2 * g + 1]);
            }
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const struct block_q8_k *act = (const void *)(acts + (size_t)a * act_bytes);
        float d = block_f32(act->d);
        totals[a] = vfmaq_f32(totals[a], vmulq_n_f32(panel->d, d), vcvtq_f32_s32(sums[a]));
        if (type->has_min) {
            float32x4_t rest = vcvtq_f32_s32(rows_mins(panel, act));
            totals[a] = vfmsq_f32(totals[a], vmulq_n_f32(panel->dmin, d), rest);
        }
    }
}

TILES_INLINE float32x4_t sum_totals(float32x4_t totals[8][NEON_MAX_ACTS], int a)
{
    float32x4_t even =
        vaddq_f32(vaddq_f32(totals[0][a], totals[4][a]), vaddq_f32(totals[2][a], totals[6][a]));
    float32x4_t odd =
        vaddq_f32(vaddq_f32(totals[1][a], totals[5][a]), vaddq_f32(totals[3][a], totals[7][a]));
    return vaddq_f32(even, odd);
}

/* Four rows with up to NEON_MAX_ACTS activations. */
TILES_INLINE void rows_super(float *dst, size_t dst_stride, int n_wanted,
                             const uint8_t *const rows[NEON_ROWS], const uint8_t *acts,
                             size_t act_bytes, int n_acts, int n_in, neon_super_fn *head,
                             neon_half_fn *unpack, const struct super_type *type)
{
    float32x4_t totals[8][NEON_MAX_ACTS];
    for (int i = 0; i < 8; i++) {
        for (int a = 0; a < n_acts; a++) {
            totals[i][a] = vdupq_n_f32(0.0f);
        }
    }
    for (int b = 0; b < n_in / SUPER_BLOCK_ELEMS; b++) {
        struct super_panel panel;
        fill_super(&panel, rows, (size_t)b * type->block_bytes, head, unpack, type);
        const uint8_t *act = acts + (size_t)b * sizeof(struct block_q8_k);
        float32x4_t *total = totals[b % 8];
        int a = 0;
        for (; a + 4 <= n_acts; a += 4) {
            tile_super(total + a, &panel, act + (size_t)a * act_bytes, act_bytes, 4, type);
        }
        if (a + 2 <= n_acts) {
            tile_super(total + a, &panel, act + (size_t)a * act_bytes, act_bytes, 2, type);
            a += 2;
        }
        if (a < n_acts) {
            tile_super(total + a, &panel, act + (size_t)a * act_bytes, act_bytes, 1, type);
        }
    }
    for (int a = 0; a < n_acts; a++) {
        neon_rows_store(dst + (size_t)a * dst_stride, sum_totals(totals, a), n_wanted);
    }
}

TILES_INLINE void matmul_super(float *dst, size_t dst_stride, const uint8_t *weights,
                               size_t row_bytes, int n_rows, const uint8_t *acts, size_t act_bytes,
                               int n_acts, int n_in, neon_super_fn *head, neon_half_fn *unpack,
                               const struct super_type *type)
{
    for (int a = 0; a < n_acts; a += NEON_MAX_ACTS) {
        int n = n_acts - a < NEON_MAX_ACTS ? n_acts - a : NEON_MAX_ACTS;
        for (int r = 0; r < n_rows; r += NEON_ROWS) {
            const uint8_t *rows[NEON_ROWS];
            neon_rows_point(rows, weights, row_bytes, r, n_rows);
            rows_super(dst + (size_t)a * dst_stride + r, dst_stride, n_rows - r, rows,
                       acts + (size_t)a * act_bytes, act_bytes, n, n_in, head, unpack, type);
        }
    }
}

#define SUPER(name, head, group, has_min)                                                          \
    void NEON_NAME(name)(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,     \
                         int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)     \
    {                                                                                              \
        static const struct super_type type = {sizeof(struct block_##name), group, has_min};       \
        if (n_acts == 1) {                                                                         \
            NEON_ONE_SUPER(name)                                                                   \
            (dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts, n_in);          \
            return;                                                                                \
        }                                                                                          \
        matmul_super(dst, dst_stride, weights, row_bytes, n_rows, acts, act_bytes, n_acts, n_in,   \
                     head, neon_half_##name, &type);                                               \
    }

SUPER(q2_k, neon_super_q2_k, 16, 1)
SUPER(q3_k, neon_super_q3_k, 16, 0)
SUPER(q4_k, neon_super_q45_k, 32, 1)
SUPER(q5_k, neon_super_q45_k, 32, 1)
SUPER(q6_k, neon_super_q6_k, 16, 0)
SUPER(iq4_xs, neon_super_iq4_xs, 32, 0)

#endif
