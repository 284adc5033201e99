/* SPDX-License-Identifier: MIT */
/* Key-value cache rows of F32, F16 and Q8_0: store, scores, weighted sum; AVX2 + FMA + F16C. */
#include "kernels/avx2.h"
#include "kernels/kv_int.h"

typedef __m256 kv_vec;

enum { KV_LANES = 8 };

TILES_INLINE kv_vec kv_set1(float value)
{
    return _mm256_set1_ps(value);
}

TILES_INLINE kv_vec kv_mul(kv_vec a, kv_vec b)
{
    return _mm256_mul_ps(a, b);
}

TILES_INLINE kv_vec kv_fma(kv_vec a, kv_vec b, kv_vec sum)
{
    return _mm256_fmadd_ps(a, b, sum);
}

TILES_INLINE kv_vec kv_load(const uint8_t *p)
{
    return _mm256_loadu_ps((const float *)(const void *)p);
}

TILES_INLINE void kv_store(float *p, kv_vec value)
{
    _mm256_storeu_ps(p, value);
}

TILES_INLINE kv_vec kv_load_f16(const uint8_t *p)
{
    return _mm256_cvtph_ps(avx2_load128(p));
}

TILES_INLINE kv_vec kv_load_i8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

TILES_INLINE float kv_half(const uint8_t *p)
{
    return avx2_f16(p);
}

/* 32-bit sums or bits, or pairs of 16 bits. Not __m256i, arrays of which GCC 12 keeps in memory
 * when intrinsics of 32 bits work on them. */
typedef int kv_int __attribute__((vector_size(32)));

TILES_INLINE kv_int kvi_zero(void)
{
    return (kv_int)_mm256_setzero_si256();
}

TILES_INLINE kv_int kvi_load(const int16_t *p)
{
    return (kv_int)_mm256_loadu_si256((const __m256i *)(const void *)p);
}

TILES_INLINE kv_int kvi_pair(const int16_t *p)
{
    return (kv_int)_mm256_set1_epi32((int)block_u32((const uint8_t *)p));
}

TILES_INLINE kv_int kvi_dot(kv_int a, kv_int b, kv_int sums)
{
    return sums + (kv_int)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}

TILES_INLINE kv_vec kvi_to_float(kv_int sums)
{
    return _mm256_cvtepi32_ps((__m256i)sums);
}

/* Of bits and the magnitude of x; a NaN is larger than everything. */
TILES_INLINE kv_int kvi_larger(kv_int bits, kv_vec x)
{
    __m256i size = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
    return (kv_int)_mm256_max_epi32((__m256i)bits, size);
}

TILES_INLINE float kvi_largest(kv_int bits)
{
    __m256i all = (__m256i)bits;
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(four));
}

TILES_INLINE kv_vec kvi_as_float(kv_int bits)
{
    return _mm256_castsi256_ps((__m256i)bits);
}

/* Lane by lane kvi_inverse_of. */
TILES_INLINE kv_vec kvi_inverse(kv_int bits, float ints_most)
{
    kv_vec most = _mm256_castsi256_ps((__m256i)bits);
    kv_vec positive = _mm256_cmp_ps(most, _mm256_setzero_ps(), _CMP_GT_OQ);
    return _mm256_and_ps(positive, _mm256_div_ps(_mm256_set1_ps(ints_most), most));
}

/* 0 where the weight is, whatever x may be. */
TILES_INLINE kv_vec kvi_mul_nonzero(kv_vec weight, kv_vec x)
{
    kv_vec some = _mm256_cmp_ps(weight, _mm256_setzero_ps(), _CMP_NEQ_UQ);
    return _mm256_and_ps(some, _mm256_mul_ps(weight, x));
}

/* Low 16 bits of both, side by side. */
TILES_INLINE kv_int kvi_pairs(kv_vec even, kv_vec odd)
{
    __m256i high = _mm256_slli_epi32(_mm256_castps_si256(odd), 16);
    return (kv_int)_mm256_blend_epi16(_mm256_castps_si256(even), high, 0xaa);
}

TILES_INLINE void kvi_store_pairs(int16_t *p, kv_vec even, kv_vec odd)
{
    _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)kvi_pairs(even, odd));
}

TILES_INLINE kv_int kvi_as_bits(kv_vec x)
{
    return (kv_int)_mm256_castps_si256(x);
}

/* Of n elements of eight positions each, of panels of halves: the largest magnitudes. */
TILES_INLINE kv_vec kvi_halves_most(const uint8_t *p, int n)
{
    __m128i most = _mm_setzero_si128();
    for (int i = 0; i < n; i++) {
        __m128i sizes = avx2_load128(p + (size_t)i * 2 * KERNEL_KV_PANEL);
        most = _mm_max_epu16(most, _mm_and_si128(sizes, _mm_set1_epi16(0x7fff)));
    }
    return _mm256_cvtph_ps(most);
}

/* Of a row of n halves, a multiple of KV_LANES; a NaN is above all. */
TILES_INLINE float kvi_row_most(const uint8_t *row, int n)
{
    __m128i most = _mm_setzero_si128();
    for (int i = 0; i < n; i += KV_LANES) {
        __m128i sizes = _mm_and_si128(avx2_load128(row + 2 * i), _mm_set1_epi16(0x7fff));
        most = _mm_max_epu16(most, sizes);
    }
    return avx2_largest_half(most);
}

TILES_INLINE void kvi_store_low(int16_t *p, kv_vec x)
{
    __m256i low = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0xffff));
    low = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(low));
}

#define KV_INTEGERS

/* Sixteen registers: eight sums, or fewer where several queries share a key. */
#define KV_KEY_PANELS(n_q)  ((n_q) == 1 ? 4 : (n_q) == 2 ? 2 : 1)
#define KV_VALUE_VECS(n_q)  ((n_q) == 1 ? 8 : (n_q) == 2 ? 4 : 2)
#define KV_FOR_QUERIES(run) run(4) run(2) run(1)

#include "kernels/kv_tiles.h"

KV_DEFINE(avx2, f32, KERNEL_KV_F32)
KV_DEFINE(avx2, f16, KERNEL_KV_F16)
KV_DEFINE(avx2, q8_0, KERNEL_KV_Q8_0)
KVI_DEFINE(avx2, f16, KERNEL_KV_F16)
KVI_DEFINE(avx2, q8_0, KERNEL_KV_Q8_0)

void avx2_kv_store_f32(void *dst, const float *src, int n)
{
    memcpy(dst, src, (size_t)n * sizeof *src);
}

void avx2_kv_store_f16(void *dst, const float *src, int n)
{
    uint8_t *out = dst;
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(out + 2 * i), half);
    }
    for (; i < n; i++) {
        __m128i half = _mm_cvtps_ph(_mm_set_ss(src[i]), _MM_FROUND_TO_NEAREST_INT);
        uint16_t bits = (uint16_t)_mm_extract_epi16(half, 0);
        memcpy(out + 2 * i, &bits, sizeof bits);
    }
}

void avx2_kv_store_q8_0(void *dst, const float *src, int n)
{
    avx2_quantize_q8_0(dst, src, n);
}
