/* SPDX-License-Identifier: MIT */
/* Matmul of quantised weights with what every 64-bit ARM CPU has: widening multiplies, pairwise
 * additions. */
#include "kernels/neon.h"

/* Two products of at most 128 * 127 fit 16 bits with their sign. */
TILES_INLINE int32x4_t neon_dot(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    int16x8_t pairs = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    return vpadalq_s16(sum, vmlal_high_s8(pairs, a, b));
}

#define NEON_NAME(type)       neon_matmul_##type
#define NEON_ONE_SIMPLE(type) NULL
#define NEON_ONE_SUPER(type)  row_##type
#include "kernels/neon_dots.h"
#include "kernels/neon_simple.h"
#include "kernels/neon_super_row.h"

#include "kernels/neon_super.h"
