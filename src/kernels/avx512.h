/* SPDX-License-Identifier: MIT */
/*
 * Inside the *_avx512.c files only: the kernels of the level AVX-512 F + BW + VL + DQ + VNNI by
 * topic. They give the bits of the level avx2.
 */
#ifndef KERNELS_AVX512_H
#define KERNELS_AVX512_H

#include "kernels/avx2.h"

kernel_matmul_fn avx512_matmul_f32, avx512_matmul_f16, avx512_matmul_bf16;
kernel_matmul_fn avx512_matmul_q4_0, avx512_matmul_q4_1, avx512_matmul_q5_0, avx512_matmul_q5_1,
    avx512_matmul_q8_0, avx512_matmul_iq4_nl, avx512_matmul_mxfp4;
kernel_matmul_fn avx512_matmul_q2_k, avx512_matmul_q3_k, avx512_matmul_q4_k, avx512_matmul_q5_k,
    avx512_matmul_q6_k, avx512_matmul_iq4_xs;
/* The same for one to DECODE_ACTS activations. */
enum { DECODE_ACTS = 6 };
kernel_matmul_fn avx512_decode_q2_k, avx512_decode_q3_k, avx512_decode_q4_k, avx512_decode_q5_k,
    avx512_decode_q6_k, avx512_decode_iq4_xs;
/* For one to three. */
kernel_matmul_fn avx512_decode_q4_0, avx512_decode_q4_1, avx512_decode_q5_0, avx512_decode_q5_1,
    avx512_decode_q8_0, avx512_decode_iq4_nl, avx512_decode_mxfp4;
kernel_kv_scores_fn avx512_kv_scores_f32, avx512_kv_scores_f16, avx512_kv_scores_q8_0;
kernel_kv_mix_fn avx512_kv_mix_f32, avx512_kv_mix_f16, avx512_kv_mix_q8_0;
kernel_glu_fn avx512_silu_mul, avx512_gelu_mul;
kernel_softmax_fn avx512_softmax;
kernel_soft_cap_fn avx512_soft_cap;

TILES_INLINE __m512i avx512_bytes4(const uint8_t *p)
{
    return _mm512_set1_epi32((int)block_u32(p));
}

/* 64 bytes, loaded once: GCC would load them anew for each use, and most straddle a cache line. */
TILES_INLINE __m512i avx512_load_once(const uint8_t *p)
{
    __m512i v = _mm512_loadu_si512(p);
    __asm__("" : "+v"(v));
    return v;
}

/* The first n lanes, or all sixteen. */
TILES_INLINE __mmask16 avx512_first_lanes(int n)
{
    return (__mmask16)(n >= 16 ? 0xffff : (1 << n) - 1);
}

#endif
