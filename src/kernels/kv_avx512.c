/* SPDX-License-Identifier: MIT */
/* Scores and weighted sums of key-value cache rows, AVX-512. */
#include "kernels/avx512.h"
#include "kernels/kv_int.h"

typedef __m512 kv_vec;

enum { KV_LANES = 16 };

TILES_INLINE kv_vec kv_set1(float value)
{
    return _mm512_set1_ps(value);
}

TILES_INLINE kv_vec kv_mul(kv_vec a, kv_vec b)
{
    return _mm512_mul_ps(a, b);
}

TILES_INLINE kv_vec kv_fma(kv_vec a, kv_vec b, kv_vec sum)
{
    return _mm512_fmadd_ps(a, b, sum);
}

TILES_INLINE kv_vec kv_load(const uint8_t *p)
{
    return _mm512_loadu_ps(p);
}

TILES_INLINE void kv_store(float *p, kv_vec value)
{
    _mm512_storeu_ps(p, value);
}

TILES_INLINE kv_vec kv_load_f16(const uint8_t *p)
{
    return _mm512_cvtph_ps(avx2_load(p));
}

TILES_INLINE kv_vec kv_load_i8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(avx2_load128(p)));
}

TILES_INLINE float kv_half(const uint8_t *p)
{
    return avx2_f16(p);
}

/* 32-bit sums or bits, or pairs of 16 bits. Not __m512i, arrays of which GCC 12 keeps in memory
 * when intrinsics of 32 bits work on them. */
typedef int kv_int __attribute__((vector_size(64)));

TILES_INLINE kv_int kvi_zero(void)
{
    return (kv_int)_mm512_setzero_si512();
}

TILES_INLINE kv_int kvi_load(const int16_t *p)
{
    return (kv_int)_mm512_loadu_si512(p);
}

TILES_INLINE kv_int kvi_pair(const int16_t *p)
{
    return (kv_int)avx512_bytes4((const uint8_t *)p);
}

TILES_INLINE kv_int kvi_dot(kv_int a, kv_int b, kv_int sums)
{
    return (kv_int)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
}

TILES_INLINE kv_vec kvi_to_float(kv_int sums)
{
    return _mm512_cvtepi32_ps((__m512i)sums);
}

/* Of bits and the magnitude of x; a NaN is larger than everything. */
TILES_INLINE kv_int kvi_larger(kv_int bits, kv_vec x)
{
    __m512i size = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    return (kv_int)_mm512_max_epi32((__m512i)bits, size);
}

TILES_INLINE float kvi_largest(kv_int bits)
{
    return _mm_cvtss_f32(
        _mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32((__m512i)bits))));
}

TILES_INLINE kv_vec kvi_as_float(kv_int bits)
{
    return _mm512_castsi512_ps((__m512i)bits);
}

/* Lane by lane kvi_inverse_of. */
TILES_INLINE kv_vec kvi_inverse(kv_int bits, float ints_most)
{
    kv_vec most = _mm512_castsi512_ps((__m512i)bits);
    __mmask16 positive = _mm512_cmp_ps_mask(most, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_maskz_div_ps(positive, _mm512_set1_ps(ints_most), most);
}

/* 0 where the weight is, whatever x may be. */
TILES_INLINE kv_vec kvi_mul_nonzero(kv_vec weight, kv_vec x)
{
    __mmask16 some = _mm512_cmp_ps_mask(weight, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    return _mm512_maskz_mul_ps(some, weight, x);
}

/* Low 16 bits of both, side by side. */
TILES_INLINE kv_int kvi_pairs(kv_vec even, kv_vec odd)
{
    __m512i high = _mm512_slli_epi32(_mm512_castps_si512(odd), 16);
    return (kv_int)_mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_castps_si512(even), high);
}

TILES_INLINE void kvi_store_pairs(int16_t *p, kv_vec even, kv_vec odd)
{
    _mm512_storeu_si512(p, (__m512i)kvi_pairs(even, odd));
}

TILES_INLINE kv_int kvi_as_bits(kv_vec x)
{
    return (kv_int)_mm512_castps_si512(x);
}

/* The larger magnitudes of halves, a NaN above all. */
TILES_INLINE __m512i kvi_larger_halves(__m512i bits, const uint8_t *p)
{
    __m512i sizes = _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi16(0x7fff));
    return _mm512_max_epu16(bits, sizes);
}

/* Of n elements of sixteen positions each: the largest magnitudes. */
TILES_INLINE kv_vec kvi_halves_most(const uint8_t *p, int n)
{
    __m512i bits = _mm512_setzero_si512();
    int i = 0;
    for (; i + 2 <= n; i += 2) {
        bits = kvi_larger_halves(bits, p + (size_t)i * 2 * KERNEL_KV_PANEL);
    }
    __m256i most =
        _mm256_max_epu16(_mm512_castsi512_si256(bits), _mm512_extracti64x4_epi64(bits, 1));
    if (i < n) {
        __m256i last = avx2_load(p + (size_t)i * 2 * KERNEL_KV_PANEL);
        most = _mm256_max_epu16(most, _mm256_and_si256(last, _mm256_set1_epi16(0x7fff)));
    }
    return _mm512_cvtph_ps(most);
}

/* Of a row of n halves, a multiple of KV_LANES. */
TILES_INLINE float kvi_row_most(const uint8_t *row, int n)
{
    __m512i bits = _mm512_setzero_si512();
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        bits = kvi_larger_halves(bits, row + 2 * i);
    }
    __m256i most =
        _mm256_max_epu16(_mm512_castsi512_si256(bits), _mm512_extracti64x4_epi64(bits, 1));
    if (i < n) {
        most = _mm256_max_epu16(
            most, _mm256_and_si256(avx2_load(row + 2 * i), _mm256_set1_epi16(0x7fff)));
    }
    return avx2_largest_half(
        _mm_max_epu16(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1)));
}

TILES_INLINE void kvi_store_low(int16_t *p, kv_vec x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(_mm512_castps_si512(x)));
}

#define KV_INTEGERS

/* Thirty-two registers: up to 24 sums, four vectors of keys or values, one of a query. */
#define KV_KEY_PANELS(n_q)  4
#define KV_VALUE_VECS(n_q)  4
#define KV_FOR_QUERIES(run) run(6) run(4) run(2) run(1)

#include "kernels/kv_tiles.h"

KV_DEFINE(avx512, f32, KERNEL_KV_F32)
KV_DEFINE(avx512, f16, KERNEL_KV_F16)
KV_DEFINE(avx512, q8_0, KERNEL_KV_Q8_0)
KVI_DEFINE(avx512, f16, KERNEL_KV_F16)
KVI_DEFINE(avx512, q8_0, KERNEL_KV_Q8_0)
