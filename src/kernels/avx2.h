/* SPDX-License-Identifier: MIT */
/*
 * Inside the *_avx2.c files only: the kernels of the level AVX2 + FMA + F16C by topic, and the
 * small vector helpers they share.
 */
#ifndef KERNELS_AVX2_H
#define KERNELS_AVX2_H

#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "kernels/tiles.h"

#include <immintrin.h>
#include <string.h>

kernel_matmul_fn avx2_matmul_f32, avx2_matmul_f16, avx2_matmul_bf16;
kernel_matmul_fn avx2_matmul_q4_0, avx2_matmul_q4_1, avx2_matmul_q5_0, avx2_matmul_q5_1,
    avx2_matmul_q8_0, avx2_matmul_iq4_nl, avx2_matmul_mxfp4;
kernel_matmul_fn avx2_matmul_q2_k, avx2_matmul_q3_k, avx2_matmul_q4_k, avx2_matmul_q5_k,
    avx2_matmul_q6_k, avx2_matmul_iq4_xs;
kernel_dequantize_fn avx2_dequantize_f16, avx2_dequantize_bf16;
kernel_dequantize_fn avx2_dequantize_q4_0, avx2_dequantize_q4_1, avx2_dequantize_q5_0,
    avx2_dequantize_q5_1, avx2_dequantize_q8_0, avx2_dequantize_iq4_nl, avx2_dequantize_mxfp4;
kernel_dequantize_fn avx2_dequantize_q2_k, avx2_dequantize_q3_k, avx2_dequantize_q4_k,
    avx2_dequantize_q5_k, avx2_dequantize_q6_k, avx2_dequantize_iq4_xs;
kernel_quantize_fn avx2_quantize_q8_0, avx2_quantize_q8_1, avx2_quantize_q8_k;
kernel_rms_norm_fn avx2_rms_norm;
kernel_glu_fn avx2_silu_mul, avx2_gelu_mul;
kernel_softmax_fn avx2_softmax;
kernel_soft_cap_fn avx2_soft_cap;
kernel_add_scaled_fn avx2_add_scaled;
kernel_kv_store_fn avx2_kv_store_f32, avx2_kv_store_f16, avx2_kv_store_q8_0;
kernel_kv_scores_fn avx2_kv_scores_f32, avx2_kv_scores_f16, avx2_kv_scores_q8_0;
kernel_kv_mix_fn avx2_kv_mix_f32, avx2_kv_mix_f16, avx2_kv_mix_q8_0;

/* Weights are read once per token: far enough ahead to hide memory, near enough to stay in the
 * first cache. */
enum { AVX2_PREFETCH_BYTES = 2048 };

/*
 * Keeps an accumulator in its register: GCC would otherwise turn the chain of integer additions,
 * which it may reorder, into a wide tree whose leaves do not fit the registers.
 */
#define AVX2_PIN(v) __asm__("" : "+x"(v))

TILES_INLINE __m256i avx2_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

TILES_INLINE __m128i avx2_load128(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

TILES_INLINE uint64_t avx2_u64(const void *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

TILES_INLINE float avx2_f16(const void *p)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128((int)block_u16(p))));
}

/* The largest of eight halves that are all positive, or NaN. */
TILES_INLINE float avx2_largest_half(__m128i halves)
{
    const __m128i all = _mm_set1_epi16(-1); /* there is an instruction for the smallest */
    __m128i most = _mm_xor_si128(_mm_minpos_epu16(_mm_xor_si128(halves, all)), all);
    return _mm_cvtss_f32(_mm_cvtph_ps(most));
}

TILES_INLINE __m256i avx2_pair(__m128i low, __m128i high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

TILES_INLINE __m256i avx2_high_nibbles(__m256i bytes)
{
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
}

TILES_INLINE __m256i avx2_low_nibbles(__m256i bytes)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

/* Always the same tree: (0+4)+(2+6) and (1+5)+(3+7). */
TILES_INLINE float avx2_sum(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/* Four of these sums, each by the same tree. */
TILES_INLINE __m128 avx2_sum4(const __m256 v[4])
{
    __m128 quarter[4];
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        quarter[i] = _mm_add_ps(_mm256_castps256_ps128(v[i]), _mm256_extractf128_ps(v[i], 1));
    }
    __m128 first = _mm_add_ps(_mm_unpacklo_ps(quarter[0], quarter[1]),
                              _mm_unpackhi_ps(quarter[0], quarter[1]));
    __m128 second = _mm_add_ps(_mm_unpacklo_ps(quarter[2], quarter[3]),
                               _mm_unpackhi_ps(quarter[2], quarter[3]));
    return _mm_add_ps(_mm_movelh_ps(first, second), _mm_movehl_ps(second, first));
}

TILES_INLINE void avx2_prefetch(const uint8_t *p)
{
    _mm_prefetch((const char *)p + AVX2_PREFETCH_BYTES, _MM_HINT_T0);
}

#endif
