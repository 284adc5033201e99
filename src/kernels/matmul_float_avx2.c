/* SPDX-License-Identifier: MIT */
/* Matmul of F32, F16 and BF16 weights with F32 activations, AVX2 + FMA. */
#include "kernels/avx2.h"

typedef __m256 load_fn(const uint8_t *row, int i);
typedef float load_one_fn(const uint8_t *row, int i);

TILES_INLINE __m256 load_f32(const uint8_t *row, int i)
{
    return _mm256_loadu_ps((const float *)(const void *)row + i);
}

TILES_INLINE float load_one_f32(const uint8_t *row, int i)
{
    return block_f32(row + (size_t)i * 4);
}

TILES_INLINE __m256 load_f16(const uint8_t *row, int i)
{
    return _mm256_cvtph_ps(avx2_load128(row + (size_t)i * 2));
}

TILES_INLINE float load_one_f16(const uint8_t *row, int i)
{
    return avx2_f16(row + (size_t)i * 2);
}

TILES_INLINE __m256 load_bf16(const uint8_t *row, int i)
{
    __m256i wide = _mm256_cvtepu16_epi32(avx2_load128(row + (size_t)i * 2));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

TILES_INLINE float load_one_bf16(const uint8_t *row, int i)
{
    return block_bf16_to_float(block_u16(row + (size_t)i * 2));
}

/* Two accumulators of eight lanes for each pair; the elements past the last multiple of 16 in one
 * scalar. */
TILES_INLINE void tile_float(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts,
                             size_t act_bytes, int n_in, const int n_acts, const int elem_bytes,
                             load_fn *load, load_one_fn *load_one)
{
    __m256 even[4], odd[4];
    float rest[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        even[a] = odd[a] = _mm256_setzero_ps();
        rest[a] = 0.0f;
    }
    int i = 0;
    for (; i + 16 <= n_in; i += 16) {
        if (n_acts == 1) {
            avx2_prefetch(row + (size_t)i * (size_t)elem_bytes);
        }
        __m256 w0 = load(row, i), w1 = load(row, i + 8);
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            const uint8_t *act = acts + (size_t)a * act_bytes;
            even[a] = _mm256_fmadd_ps(w0, load_f32(act, i), even[a]);
            odd[a] = _mm256_fmadd_ps(w1, load_f32(act, i + 8), odd[a]);
        }
    }
    for (; i < n_in; i++) {
        float w = load_one(row, i);
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            rest[a] += w * load_one_f32(acts + (size_t)a * act_bytes, i);
        }
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = avx2_sum(_mm256_add_ps(even[a], odd[a])) + rest[a];
    }
}

#define BODY(name, elem_bytes, load, load_one)                                                     \
    TILES_INLINE void name(float *dst, size_t dst_stride, const uint8_t *row, const uint8_t *acts, \
                           size_t act_bytes, int n_in, const int n_acts)                           \
    {                                                                                              \
        tile_float(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, elem_bytes, load,          \
                   load_one);                                                                      \
    }

BODY(tile_f32, 4, load_f32, load_one_f32)
BODY(tile_f16, 2, load_f16, load_one_f16)
BODY(tile_bf16, 2, load_bf16, load_one_bf16)

TILES_DEFINE(avx2_matmul_f32, tile_f32)
TILES_DEFINE(avx2_matmul_f16, tile_f16)
TILES_DEFINE(avx2_matmul_bf16, tile_bf16)
