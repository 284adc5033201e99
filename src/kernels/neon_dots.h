/* SPDX-License-Identifier: MIT */
/*
 * The products of four rows for the levels "neon" and "neon-dotprod": bodies only. The including
 * file first defines neon_dot(sum, a, b), which adds the products of sixteen signed bytes to four
 * 32-bit lanes in groups that may differ between levels: integers are exact.
 */
#ifndef KERNELS_NEON_DOTS_H
#define KERNELS_NEON_DOTS_H

#ifndef NEON_NAME
#error "define NEON_NAME and neon_dot before including this file"
#endif

#include "kernels/neon_rows.h"

TILES_INLINE void neon_arrange(int8x16_t q[8])
{
    (void)q; /* row by row as they are */
}

/*
 * Activation a: low[a] = the products of 32 elements, row by lane; with groups of 16 those of the
 * first sixteen, high[a] of the others.
 */
TILES_INLINE void neon_products(int32x4_t *low, int32x4_t *high, const int8x16_t q[8],
                                const int8_t *y, size_t act_bytes, const int n_acts,
                                const int group)
{
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        int8x16_t y0 = vld1q_s8(y + (size_t)a * act_bytes);
        int8x16_t y1 = vld1q_s8(y + (size_t)a * act_bytes + 16);
        int32x4_t first[NEON_ROWS], second[NEON_ROWS];
        TILES_UNROLL
        for (int r = 0; r < NEON_ROWS; r++) {
            first[r] = neon_dot(vdupq_n_s32(0), q[2 * r], y0);
            second[r] = neon_dot(group == 32 ? first[r] : vdupq_n_s32(0), q[2 * r + 1], y1);
        }
        low[a] = neon_rows_sum(group == 32 ? second : first);
        if (group == 16) {
            high[a] = neon_rows_sum(second);
        }
    }
}

#endif
