/* SPDX-License-Identifier: MIT */
/*
 * Inside the *_neon.c, *_dotprod.c and *_i8mm.c files only: the kernels of the levels "neon" (what
 * every 64-bit ARM CPU has), "neon-dotprod" (SDOT of Armv8.2) and "neon-i8mm" (SMMLA of Armv8.6) by
 * topic, and the small helpers they share.
 */
#ifndef KERNELS_NEON_H
#define KERNELS_NEON_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "kernels/tiles.h"

#include <arm_neon.h>
#include <string.h>

kernel_matmul_fn neon_matmul_f32, neon_matmul_f16, neon_matmul_bf16;
kernel_matmul_fn neon_matmul_q4_0, neon_matmul_q4_1, neon_matmul_q5_0, neon_matmul_q5_1,
    neon_matmul_q8_0, neon_matmul_iq4_nl, neon_matmul_mxfp4;
kernel_matmul_fn neon_matmul_q2_k, neon_matmul_q3_k, neon_matmul_q4_k, neon_matmul_q5_k,
    neon_matmul_q6_k, neon_matmul_iq4_xs;
kernel_matmul_fn dotprod_matmul_q4_0, dotprod_matmul_q4_1, dotprod_matmul_q5_0, dotprod_matmul_q5_1,
    dotprod_matmul_q8_0, dotprod_matmul_iq4_nl, dotprod_matmul_mxfp4;
kernel_matmul_fn dotprod_matmul_q2_k, dotprod_matmul_q3_k, dotprod_matmul_q4_k, dotprod_matmul_q5_k,
    dotprod_matmul_q6_k, dotprod_matmul_iq4_xs;
kernel_matmul_fn i8mm_matmul_q4_0, i8mm_matmul_q4_1, i8mm_matmul_q5_0, i8mm_matmul_q5_1,
    i8mm_matmul_q8_0, i8mm_matmul_iq4_nl, i8mm_matmul_mxfp4;
kernel_matmul_fn i8mm_matmul_q2_k, i8mm_matmul_q3_k, i8mm_matmul_q4_k, i8mm_matmul_q5_k,
    i8mm_matmul_q6_k, i8mm_matmul_iq4_xs;
kernel_quantize_fn neon_quantize_q8_0, neon_quantize_q8_1, neon_quantize_q8_k;
kernel_rms_norm_fn neon_rms_norm;
kernel_glu_fn neon_silu_mul, neon_gelu_mul;
kernel_softmax_fn neon_softmax;
kernel_soft_cap_fn neon_soft_cap;
kernel_add_scaled_fn neon_add_scaled;
kernel_kv_store_fn neon_kv_store_f32, neon_kv_store_f16;
kernel_kv_scores_fn neon_kv_scores_f32, neon_kv_scores_f16, neon_kv_scores_q8_0;
kernel_kv_mix_fn neon_kv_mix_f32, neon_kv_mix_f16, neon_kv_mix_q8_0;

enum { NEON_PREFETCH_BYTES = 1024 };

TILES_INLINE float32x4_t neon_load_f32(const uint8_t *row, int i)
{
    return vreinterpretq_f32_u8(vld1q_u8(row + 4 * (size_t)i));
}

TILES_INLINE float32x4_t neon_load_f16(const uint8_t *row, int i)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(row + 2 * (size_t)i)));
}

TILES_INLINE float neon_half(const uint8_t *p)
{
    __fp16 half;
    memcpy(&half, p, sizeof half);
    return (float)half;
}

/* Always the same tree: (0+1)+(2+3). */
TILES_INLINE float neon_sum(float32x4_t v)
{
    return vaddvq_f32(v);
}

TILES_INLINE int8x16_t neon_low_nibbles(uint8x16_t bytes)
{
    return vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
}

TILES_INLINE int8x16_t neon_high_nibbles(uint8x16_t bytes)
{
    return vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
}

TILES_INLINE void neon_prefetch(const uint8_t *p)
{
    __builtin_prefetch(p + NEON_PREFETCH_BYTES);
}

#endif
