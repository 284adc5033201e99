/* SPDX-License-Identifier: MIT */
/*
 * Matmul of F32, F16 and BF16 weights with F32 activations, AVX2 + FMA: two rows with three
 * activations in registers, or four rows with a single activation, where memory is the limit.
 */
#include "kernels/avx2.h"

typedef __m256 load_fn(const uint8_t *row, int i);

/* Elements 0..7 and 8..15 of every step of one (row, activation). */
struct float_sum {
    __m256 even, odd;
};

#include "kernels/float_tiles.h"

TILES_INLINE __m256 load_f32(const uint8_t *row, int i)
{
    return _mm256_loadu_ps((const float *)(const void *)row + i);
}

TILES_INLINE __m256 load_f16(const uint8_t *row, int i)
{
    return _mm256_cvtph_ps(avx2_load128(row + (size_t)i * 2));
}

TILES_INLINE __m256 load_bf16(const uint8_t *row, int i)
{
    __m256i wide = _mm256_cvtepu16_epi32(avx2_load128(row + (size_t)i * 2));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

TILES_INLINE void add_step(struct float_sum sum[][STREAM_ROWS], const uint8_t *rows,
                           size_t row_bytes, const uint8_t *acts, size_t act_bytes, int i,
                           const int n_rows, const int n_acts, load_fn *load)
{
    __m256 w[STREAM_ROWS];
    TILES_UNROLL
    for (int r = 0; r < n_rows; r++) {
        w[r] = load(rows + (size_t)r * row_bytes, i);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        __m256 x = load_f32(acts + (size_t)a * act_bytes, i);
        AVX2_PIN(x); /* loaded once, not by each multiply: loads would bound the tile */
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            sum[a][r].even = _mm256_fmadd_ps(w[r], x, sum[a][r].even);
        }
    }
    TILES_UNROLL
    for (int r = 0; r < n_rows; r++) {
        w[r] = load(rows + (size_t)r * row_bytes, i + 8);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        __m256 x = load_f32(acts + (size_t)a * act_bytes, i + 8);
        AVX2_PIN(x);
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            sum[a][r].odd = _mm256_fmadd_ps(w[r], x, sum[a][r].odd);
        }
    }
}

TILES_INLINE float sum_lanes(const struct float_sum *sum)
{
    return avx2_sum(_mm256_add_ps(sum->even, sum->odd));
}

#define MATMUL(type, elem_bytes)                                                                   \
    void avx2_matmul_##type(float *dst, size_t dst_stride, const void *weights, size_t row_bytes,  \
                            int n_rows, const void *acts, size_t act_bytes, int n_acts, int n_in)  \
    {                                                                                              \
        struct float_job job = {dst, dst_stride, weights, row_bytes, acts, act_bytes, n_in};       \
        float_matmul(&job, n_rows, n_acts, load_##type, elem_bytes);                               \
    }

MATMUL(f32, 4)
MATMUL(f16, 2)
MATMUL(bf16, 2)
