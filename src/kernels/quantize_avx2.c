/* SPDX-License-Identifier: MIT */
/* Activations to Q8_0, Q8_1 and Q8_K blocks, AVX2; bit for bit what the reference gives. */
#include "kernels/avx2.h"

#include <float.h>

/* Magnitudes compare like their bits, NaN above infinity. */
TILES_INLINE __m256i magnitude8(const float *x)
{
    return _mm256_and_si256(avx2_load(x), _mm256_set1_epi32(0x7fffffff));
}

TILES_INLINE uint32_t largest_lane(__m256i v)
{
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    most = _mm_max_epi32(most, _mm_unpackhi_epi64(most, most));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 1));
    return (uint32_t)_mm_cvtsi128_si32(most);
}

/* 32 floats times `scale`, rounded to nearest even, as bytes in order. */
TILES_INLINE __m256i round32(const float *src, __m256 scale)
{
    __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(src), scale));
    __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(src + 8), scale));
    __m256i c = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(src + 16), scale));
    __m256i d = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(src + 24), scale));
    /* the packs interleave 128-bit lanes: four elements each of a b c d a b c d */
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Eight sums of four neighbouring bytes. */
TILES_INLINE __m256i sums_of_4(__m256i bytes)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

TILES_INLINE void store_quants(int8_t *dst, __m256i quants)
{
    _mm256_storeu_si256((__m256i *)(void *)dst, quants);
}

TILES_INLINE void store_half(uint8_t *dst, float value)
{
    __m128i half = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
    uint16_t bits = (uint16_t)_mm_extract_epi16(half, 0);
    memcpy(dst, &bits, sizeof bits);
}

/*
 * Quants of one block of 32; *d is the unrounded scale. A scale that is not finite, or too small to
 * be inverted, leaves quants of zero, as in the reference.
 */
TILES_INLINE __m256i quantize_32(float *d, const float *src)
{
    __m256i most = magnitude8(src);
    for (int i = 8; i < BLOCK_ELEMS; i += 8) {
        most = _mm256_max_epi32(most, magnitude8(src + i));
    }
    uint32_t bits = largest_lane(most);
    float scale = block_float_of_bits(bits) / 127.0f;
    float inverse = 1.0f / scale;
    if (!(scale <= FLT_MAX && inverse <= FLT_MAX)) {
        *d = scale <= FLT_MAX ? 0.0f : scale;
        return _mm256_setzero_si256();
    }
    *d = scale;
    return round32(src, _mm256_set1_ps(inverse));
}

void avx2_quantize_q8_0(void *dst, const float *src, int n)
{
    struct block_q8_0 *b = dst;
    for (int i = 0; i < n; i += BLOCK_ELEMS, b++) {
        float d;
        __m256i quants = quantize_32(&d, src + i);
        store_half(b->d, d);
        store_quants(b->qs, quants);
    }
}

void avx2_quantize_q8_1(void *dst, const float *src, int n)
{
    struct block_q8_1 *b = dst;
    for (int i = 0; i < n; i += BLOCK_ELEMS, b++) {
        float d;
        __m256i quants = quantize_32(&d, src + i);
        __m256i sums = sums_of_4(quants);
        __m128i sum =
            _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
        sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
        sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 1));
        store_half(b->d, d);
        store_half(b->s, d * (float)_mm_cvtsi128_si32(sum));
        store_quants(b->qs, quants);
    }
}

/*
 * -127 over the first element of largest magnitude, and its inverse in *d; 0 when that is no
 * number, then *d is what the reference stores.
 */
TILES_INLINE float super_scale(const float *src, float *d)
{
    __m256i most = magnitude8(src);
    for (int i = 8; i < SUPER_BLOCK_ELEMS; i += 8) {
        most = _mm256_max_epi32(most, magnitude8(src + i));
    }
    uint32_t bits = largest_lane(most);
    float largest = block_float_of_bits(bits);
    if (!(largest <= FLT_MAX && 127.0f / largest <= FLT_MAX)) {
        *d = largest <= FLT_MAX ? 0.0f : largest;
        return 0.0f;
    }
    most = _mm256_set1_epi32((int)bits);
    int i = 0, found = 0;
    for (; found == 0; i += 8) {
        __m256i same = _mm256_cmpeq_epi32(magnitude8(src + i), most);
        found = _mm256_movemask_ps(_mm256_castsi256_ps(same));
    }
    float scale = -127.0f / src[i - 8 + __builtin_ctz((unsigned)found)];
    *d = 1.0f / scale;
    return scale;
}

void avx2_quantize_q8_k(void *dst, const float *src, int n)
{
    struct block_q8_k *b = dst;
    for (int i = 0; i < n; i += SUPER_BLOCK_ELEMS, src += SUPER_BLOCK_ELEMS, b++) {
        float d;
        float scale = super_scale(src, &d);
        memcpy(b->d, &d, sizeof d);
        if (scale == 0.0f) {
            memset(b->qs, 0, sizeof b->qs);
            memset(b->bsums, 0, sizeof b->bsums);
            continue;
        }
        for (int g = 0; g < SUPER_BLOCK_ELEMS; g += BLOCK_ELEMS) {
            __m256i quants = round32(src + g, _mm256_set1_ps(scale));
            store_quants(b->qs + g, quants);
            /* lanes of two sums of 16, narrowed to 16 bits */
            __m256i sums = sums_of_4(quants);
            sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4e));
            sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xb1));
            uint32_t low = (uint32_t)_mm256_cvtsi256_si32(sums) & 0xffffu;
            uint32_t high = (uint32_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(sums, 1));
            uint32_t both = low | high << 16;
            memcpy(b->bsums + g / 8, &both, sizeof both);
        }
    }
}
