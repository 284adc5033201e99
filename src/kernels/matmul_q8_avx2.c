/* SPDX-License-Identifier: MIT */
/*
 * Matmul of the types in blocks of 32 with 8-bit activations, AVX2. Every type is brought to 32
 * signed bytes in element order and a float scale; maddubs wants one unsigned operand, so it gets
 * |w| and the activation with the sign of w. No pair sum overflows 16 bits because quantised
 * activations stay within -127..127.
 */
#include "kernels/avx2_simple.h"

/* sum[a], mins[a] += one block of the row times the same block of activation a. */
TILES_INLINE void add_block(__m256 *sum, float *mins, const uint8_t *row, const uint8_t *acts,
                            size_t act_bytes, const int n_acts, avx2_simple_fn *load,
                            const int has_min)
{
    struct avx2_simple w = load(row);
    __m256i size = _mm256_abs_epi8(w.quants);
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        const uint8_t *act = acts + (size_t)a * act_bytes;
        __m256i y = _mm256_sign_epi8(avx2_load(act + (has_min ? 4 : 2)), w.quants);
        __m256i dot = _mm256_madd_epi16(_mm256_maddubs_epi16(size, y), _mm256_set1_epi16(1));
        __m256 scale = _mm256_mul_ps(w.scale, avx2_half8(act));
        sum[a] = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(dot), sum[a]);
        if (has_min) {
            mins[a] += w.min * avx2_f16(act + 2);
        }
    }
}

/* Blocks alternate between two accumulators: one chain of additions would be slower than the
 * integer part. */
TILES_INLINE void tile_blocks(float *dst, size_t dst_stride, const uint8_t *row,
                              const uint8_t *acts, size_t act_bytes, int n_in, const int n_acts,
                              avx2_simple_fn *load, const size_t block_bytes,
                              const size_t act_block_bytes)
{
    const int has_min = act_block_bytes == sizeof(struct block_q8_1);
    __m256 even[4], odd[4];
    float mins[4];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        even[a] = odd[a] = _mm256_setzero_ps();
        mins[a] = 0.0f;
    }
    int n_left = n_in / BLOCK_ELEMS;
    for (; n_left >= 2; n_left -= 2) {
        if (n_acts == 1) {
            avx2_prefetch(row);
        }
        add_block(even, mins, row, acts, act_bytes, n_acts, load, has_min);
        add_block(odd, mins, row + block_bytes, acts + act_block_bytes, act_bytes, n_acts, load,
                  has_min);
        row += 2 * block_bytes;
        acts += 2 * act_block_bytes;
    }
    if (n_left > 0) {
        add_block(even, mins, row, acts, act_bytes, n_acts, load, has_min);
    }
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        dst[(size_t)a * dst_stride] = avx2_sum(_mm256_add_ps(even[a], odd[a])) + mins[a];
    }
}

#define MATMUL(type, act)                                                                          \
    TILES_INLINE void tile_##type(float *dst, size_t dst_stride, const uint8_t *row,               \
                                  const uint8_t *acts, size_t act_bytes, int n_in,                 \
                                  const int n_acts)                                                \
    {                                                                                              \
        tile_blocks(dst, dst_stride, row, acts, act_bytes, n_in, n_acts, avx2_load_##type,         \
                    sizeof(struct block_##type), sizeof(struct block_##act));                      \
    }                                                                                              \
    TILES_DEFINE(avx2_matmul_##type, tile_##type)

MATMUL(q8_0, q8_0)
MATMUL(q4_0, q8_0)
MATMUL(q5_0, q8_0)
MATMUL(iq4_nl, q8_0)
MATMUL(mxfp4, q8_0)
MATMUL(q4_1, q8_1)
MATMUL(q5_1, q8_1)
