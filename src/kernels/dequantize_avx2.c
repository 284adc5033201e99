/* SPDX-License-Identifier: MIT */
/*
 * Blocks to floats, AVX2; the same products and sums in the same order as the format defines, so
 * the same bits (also of zeros).
 */
#include "kernels/avx2_simple.h"
#include "kernels/avx2_super.h"

void avx2_dequantize_f16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(avx2_load128(p + 2 * i)));
    }
    for (; i < n; i++) {
        dst[i] = avx2_f16(p + 2 * i);
    }
}

void avx2_dequantize_bf16(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(avx2_load128(p + 2 * i)), 16);
        _mm256_storeu_si256((__m256i *)(void *)(dst + i), wide);
    }
    for (; i < n; i++) {
        dst[i] = block_bf16_to_float(block_u16(p + 2 * i));
    }
}

/* dst = quant * scale [+ shift] for 16 quants. */
TILES_INLINE void scale16(float *dst, __m128i quants, __m256 scale, __m256 shift, const int has_min)
{
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        __m128i eight = i == 0 ? quants : _mm_unpackhi_epi64(quants, quants);
        __m256 value = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight)));
        _mm256_storeu_ps(dst + 8 * i, has_min ? _mm256_add_ps(value, shift) : value);
    }
}

TILES_INLINE void dequantize_simple(float *dst, const void *src, size_t n, avx2_simple_fn *load,
                                    const size_t block_bytes, const int has_min)
{
    const uint8_t *block = src;
    for (size_t i = 0; i < n; i += BLOCK_ELEMS, block += block_bytes) {
        struct avx2_simple w = load(block);
        __m256 min = _mm256_set1_ps(w.min);
        scale16(dst + i, _mm256_castsi256_si128(w.quants), w.scale, min, has_min);
        scale16(dst + i + 16, _mm256_extracti128_si256(w.quants, 1), w.scale, min, has_min);
    }
}

#define SIMPLE(type, has_min)                                                                      \
    void avx2_dequantize_##type(float *dst, const void *src, size_t n)                             \
    {                                                                                              \
        dequantize_simple(dst, src, n, avx2_load_##type, sizeof(struct block_##type), has_min);    \
    }

SIMPLE(q4_0, 0)
SIMPLE(q4_1, 1)
SIMPLE(q5_0, 0)
SIMPLE(q5_1, 1)
SIMPLE(q8_0, 0)
SIMPLE(iq4_nl, 0)
SIMPLE(mxfp4, 0)

/* The factor of one half of a group: d times the 16-bit number that fills these eight words. */
TILES_INLINE __m256 factor(float d, __m128i words)
{
    return _mm256_mul_ps(_mm256_set1_ps(d), _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(words)));
}

/* 32 quants of one group with its shuffled scales and, when has_min, its shuffled minima. */
TILES_INLINE void scale_group(float *dst, __m256i quants, const struct avx2_super *w,
                              __m256i scales, __m256i mins, const int has_min)
{
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        __m128i words =
            i == 0 ? _mm256_castsi256_si128(scales) : _mm256_extracti128_si256(scales, 1);
        __m128i bytes =
            i == 0 ? _mm256_castsi256_si128(quants) : _mm256_extracti128_si256(quants, 1);
        __m256 shift = _mm256_setzero_ps();
        if (has_min) {
            __m128i min = i == 0 ? _mm256_castsi256_si128(mins) : _mm256_extracti128_si256(mins, 1);
            shift = _mm256_xor_ps(factor(w->min, min), _mm256_set1_ps(-0.0f));
        }
        scale16(dst + 16 * i, bytes, factor(w->scale, words), shift, has_min);
    }
}

/* Words 2g and 2g+1 of 16 in natural order to word g of each lane, as scales are kept. */
TILES_INLINE __m256i split_even_odd(__m256i words)
{
    const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0,
                                           1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    return _mm256_permute4x64_epi64(_mm256_shuffle_epi8(words, order), 0xd8);
}

TILES_INLINE void dequantize_super(float *dst, const void *src, size_t n, avx2_head_fn *head,
                                   avx2_quants_fn *unpack, const size_t block_bytes,
                                   const int offset, const int has_min)
{
    const uint8_t *block = src;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block += block_bytes) {
        struct avx2_super w = head(block);
        __m256i mins = split_even_odd(w.sum_scales);
        TILES_UNROLL
        for (int half = 0; half < 2; half++) {
            __m256i quants[4];
            unpack(quants, block, half);
            TILES_UNROLL
            for (int g = 0; g < 4; g++) {
                __m256i signed_quants = _mm256_sub_epi8(quants[g], _mm256_set1_epi8((char)offset));
                scale_group(dst + i + (size_t)(128 * half + 32 * g), signed_quants, &w,
                            avx2_shuffle_scales(w.scales, 4 * half + g),
                            avx2_shuffle_scales(mins, 4 * half + g), has_min);
            }
        }
    }
}

#define SUPER(type, head, offset, has_min)                                                         \
    void avx2_dequantize_##type(float *dst, const void *src, size_t n)                             \
    {                                                                                              \
        dequantize_super(dst, src, n, head, avx2_quants_##type, sizeof(struct block_##type),       \
                         offset, has_min);                                                         \
    }

SUPER(q2_k, avx2_head_q2_k, 0, 1)
SUPER(q3_k, avx2_head_q3_k, 4, 0)
SUPER(q4_k, avx2_head_q45_k, 0, 1)
SUPER(q5_k, avx2_head_q45_k, 0, 1)
SUPER(q6_k, avx2_head_q6_k, 32, 0)
SUPER(iq4_xs, avx2_head_iq4_xs, 0, 0)
