/* SPDX-License-Identifier: MIT */
/* Scores and weighted sums of key-value cache rows, AVX-512. */
#include "kernels/avx512.h"

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

/* Thirty-two registers: up to 24 sums, four vectors of keys or values, one of a query. */
#define KV_KEY_PANELS(n_q)  4
#define KV_VALUE_VECS(n_q)  4
#define KV_FOR_QUERIES(run) run(6) run(4) run(2) run(1)

#include "kernels/kv_tiles.h"

KV_DEFINE(avx512, f32, KERNEL_KV_F32)
KV_DEFINE(avx512, f16, KERNEL_KV_F16)
KV_DEFINE(avx512, q8_0, KERNEL_KV_Q8_0)
