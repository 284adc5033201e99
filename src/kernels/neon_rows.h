/* SPDX-License-Identifier: MIT */
/*
 * Inside the ARM files only: four weight rows side by side, one per 32-bit lane, the form that the
 * matmuls of quantised weights compute in (docs/KERNELS.md). A block of 32 of the four rows is
 * eight vectors of signed bytes: row r has elements 0..15 in vector 2r, 16..31 in vector 2r + 1; a
 * level may arrange them anew for its products.
 */
#ifndef KERNELS_NEON_ROWS_H
#define KERNELS_NEON_ROWS_H

#include "kernels/neon.h"

enum {
    NEON_ROWS = 4,
    NEON_MAX_ACTS = 32,    /* activations of one pass */
    NEON_CHUNK_BLOCKS = 8, /* blocks of 32 whose terms are added up before they join the total */
};

/* Rows first .. first + 3; beyond the end the last one is repeated, its results are dropped. */
TILES_INLINE void neon_rows_point(const uint8_t *rows[NEON_ROWS], const uint8_t *weights,
                                  size_t row_bytes, int first, int n_rows)
{
    for (int r = 0; r < NEON_ROWS; r++) {
        int row = first + r < n_rows ? first + r : n_rows - 1;
        rows[r] = weights + (size_t)row * row_bytes;
    }
}

/* The half at `at` of each row as float. */
TILES_INLINE float32x4_t neon_rows_half(const uint8_t *const rows[NEON_ROWS], size_t at)
{
    uint16x4_t bits = vdup_n_u16(block_u16(rows[0] + at));
    bits = vset_lane_u16(block_u16(rows[1] + at), bits, 1);
    bits = vset_lane_u16(block_u16(rows[2] + at), bits, 2);
    bits = vset_lane_u16(block_u16(rows[3] + at), bits, 3);
    return vcvt_f32_f16(vreinterpret_f16_u16(bits));
}

/* Lane r: the sum of the four lanes of v[r]. */
TILES_INLINE int32x4_t neon_rows_sum(const int32x4_t v[NEON_ROWS])
{
    return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

/* Results of four rows and one activation; n of them are wanted. */
TILES_INLINE void neon_rows_store(float *dst, float32x4_t result, int n)
{
    if (n >= NEON_ROWS) {
        vst1q_f32(dst, result);
        return;
    }
    float all[NEON_ROWS];
    vst1q_f32(all, result);
    memcpy(dst, all, (size_t)n * sizeof *dst);
}

#endif
