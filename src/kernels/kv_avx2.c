/* SPDX-License-Identifier: MIT */
/* Key-value cache rows of F32, F16 and Q8_0: store, scores, weighted sum; AVX2 + FMA + F16C. */
#include "kernels/avx2.h"

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

/* Sixteen registers: eight sums, or fewer where several queries share a key. */
#define KV_KEY_PANELS(n_q)  ((n_q) == 1 ? 4 : (n_q) == 2 ? 2 : 1)
#define KV_VALUE_VECS(n_q)  ((n_q) == 1 ? 8 : (n_q) == 2 ? 4 : 2)
#define KV_FOR_QUERIES(run) run(4) run(2) run(1)

#include "kernels/kv_tiles.h"

KV_DEFINE(avx2, f32, KERNEL_KV_F32)
KV_DEFINE(avx2, f16, KERNEL_KV_F16)
KV_DEFINE(avx2, q8_0, KERNEL_KV_Q8_0)

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
