/* SPDX-License-Identifier: MIT */
/*
 * Matmul of quantised weights with the matrix multiply instruction of Armv8.6: two rows with two
 * activations, eight elements deep. A single activation stays with the dot product instructions;
 * the bits are theirs.
 */
#include "kernels/neon_rows.h"

TILES_INLINE int8x16_t lower_halves(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

TILES_INLINE int8x16_t upper_halves(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

/* Rows 0 and 1 to vectors 0..3, rows 2 and 3 to 4..7: elements 8k .. 8k+7 of both in the k-th. */
TILES_INLINE void neon_arrange(int8x16_t q[8])
{
    TILES_UNROLL
    for (int pair = 0; pair < 8; pair += 4) {
        int8x16_t low0 = q[pair], high0 = q[pair + 1], low1 = q[pair + 2], high1 = q[pair + 3];
        q[pair] = lower_halves(low0, low1);
        q[pair + 1] = upper_halves(low0, low1);
        q[pair + 2] = lower_halves(high0, high1);
        q[pair + 3] = upper_halves(high0, high1);
    }
}

/* Sixteen elements, added to (row 0 or 2, act 0), (same, act 1), (row 1 or 3, act 0), (same, act 1)
 */
TILES_INLINE void add_sixteen(int32x4_t sum[2], const int8x16_t *q, const int8x16_t y[2])
{
    TILES_UNROLL
    for (int k = 0; k < 2; k++) {
        sum[0] = vmmlaq_s32(sum[0], q[k], y[k]);
        sum[1] = vmmlaq_s32(sum[1], q[k + 4], y[k]);
    }
}

/* As in neon_dots.h; a last activation without a partner is paired with itself. */
TILES_INLINE void neon_products(int32x4_t *low, int32x4_t *high, const int8x16_t q[8],
                                const int8_t *acts, size_t act_bytes, const int n_acts,
                                const int group)
{
    TILES_UNROLL
    for (int a = 0; a < n_acts; a += 2) {
        const int8_t *y0 = acts + (size_t)a * act_bytes;
        const int8_t *y1 = n_acts == 1 ? y0 : y0 + act_bytes;
        int32x4_t sum[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
        TILES_UNROLL
        for (int half = 0; half < 2; half++) {
            int8x16_t first = vld1q_s8(y0 + 16 * half), second = vld1q_s8(y1 + 16 * half);
            int8x16_t y[2] = {lower_halves(first, second), upper_halves(first, second)};
            add_sixteen(sum, q + 2 * half, y);
            if (group == 16 || half == 1) {
                int32x4_t *out = group == 16 && half == 1 ? high : low;
                out[a] = vuzp1q_s32(sum[0], sum[1]);
                if (n_acts > 1) {
                    out[a + 1] = vuzp2q_s32(sum[0], sum[1]);
                }
                sum[0] = sum[1] = vdupq_n_s32(0);
            }
        }
    }
}

#define NEON_NAME(type)       i8mm_matmul_##type
#define NEON_ONE_SIMPLE(type) dotprod_matmul_##type
#define NEON_ONE_SUPER(type)  dotprod_matmul_##type
#include "kernels/neon_simple.h"
#include "kernels/neon_super.h"
