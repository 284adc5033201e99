/* SPDX-License-Identifier: MIT */
/* Matmul of quantised weights with the dot product instructions of Armv8.2. */
#include "kernels/neon.h"

TILES_INLINE int32x4_t neon_dot(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    return vdotq_s32(sum, a, b);
}

#define NEON_NAME(type)       dotprod_matmul_##type
#define NEON_ONE_SIMPLE(type) NULL
#define NEON_ONE_SUPER(type)  row_##type
#include "kernels/neon_dots.h"
#include "kernels/neon_simple.h"
#include "kernels/neon_super_row.h"

#include "kernels/neon_super.h"
