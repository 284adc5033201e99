/* SPDX-License-Identifier: MIT */
/* Activations to Q8_0, Q8_1 and Q8_K blocks, AVX2; bit for bit what the reference gives. */
#include "kernels/avx2.h"

enum { SMALL = 32, Q8_0_BYTES = 34, Q8_1_BYTES = 36, SUPER = 256, Q8_K_BYTES = 292 };

TILES_INLINE __m256 abs8(__m256 x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

TILES_INLINE float largest_lane(__m256 v)
{
    __m128 most = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    most = _mm_max_ps(most, _mm_movehl_ps(most, most));
    return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
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

TILES_INLINE void store_half(uint8_t *dst, float value)
{
    __m128i half = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
    uint16_t bits = (uint16_t)_mm_extract_epi16(half, 0);
    memcpy(dst, &bits, sizeof bits);
}

/* One block of 32: quants stored at dst, the unrounded scale returned. */
TILES_INLINE float quantize_32(uint8_t *dst, const float *src, __m256i *quants)
{
    __m256 most = abs8(_mm256_loadu_ps(src));
    for (int i = 8; i < SMALL; i += 8) {
        most = _mm256_max_ps(most, abs8(_mm256_loadu_ps(src + i)));
    }
    float d = largest_lane(most) / 127.0f;
    float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    *quants = round32(src, _mm256_set1_ps(inverse));
    _mm256_storeu_si256((__m256i *)(void *)dst, *quants);
    return d;
}

void avx2_quantize_q8_0(void *dst, const float *src, int n)
{
    uint8_t *b = dst;
    for (int i = 0; i < n; i += SMALL, b += Q8_0_BYTES) {
        __m256i quants;
        store_half(b, quantize_32(b + 2, src + i, &quants));
    }
}

void avx2_quantize_q8_1(void *dst, const float *src, int n)
{
    uint8_t *b = dst;
    for (int i = 0; i < n; i += SMALL, b += Q8_1_BYTES) {
        __m256i quants;
        float d = quantize_32(b + 4, src + i, &quants);
        __m256i sums = sums_of_4(quants);
        __m128i sum =
            _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
        sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
        sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 1));
        store_half(b, d);
        store_half(b + 2, d * (float)_mm_cvtsi128_si32(sum));
    }
}

/* The first of the elements of largest magnitude, with its sign. */
static float extreme(const float *src)
{
    __m256 most = abs8(_mm256_loadu_ps(src));
    for (int i = 8; i < SUPER; i += 8) {
        most = _mm256_max_ps(most, abs8(_mm256_loadu_ps(src + i)));
    }
    float magnitude = largest_lane(most);
    for (int i = 0; i < SUPER; i += 8) {
        __m256 same =
            _mm256_cmp_ps(abs8(_mm256_loadu_ps(src + i)), _mm256_set1_ps(magnitude), _CMP_EQ_OQ);
        int found = _mm256_movemask_ps(same);
        if (found != 0) {
            return src[i + __builtin_ctz((unsigned)found)];
        }
    }
    return magnitude;
}

void avx2_quantize_q8_k(void *dst, const float *src, int n)
{
    uint8_t *b = dst;
    for (int i = 0; i < n; i += SUPER, src += SUPER, b += Q8_K_BYTES) {
        float value = extreme(src);
        if (value == 0.0f) {
            memset(b, 0, Q8_K_BYTES);
            continue;
        }
        float scale = -127.0f / value;
        float d = 1.0f / scale;
        memcpy(b, &d, sizeof d);
        for (int g = 0; g < SUPER / SMALL; g++) {
            __m256i quants = round32(src + g * SMALL, _mm256_set1_ps(scale));
            _mm256_storeu_si256((__m256i *)(void *)(b + 4 + g * SMALL), quants);
            /* lanes of two sums of 16, narrowed to 16 bits */
            __m256i sums = sums_of_4(quants);
            sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4e));
            sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xb1));
            uint32_t low = (uint32_t)_mm256_cvtsi256_si32(sums) & 0xffffu;
            uint32_t high = (uint32_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(sums, 1));
            uint32_t both = low | high << 16;
            memcpy(b + 260 + 4 * g, &both, sizeof both);
        }
    }
}
