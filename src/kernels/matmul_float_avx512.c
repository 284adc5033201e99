/* SPDX-License-Identifier: MIT */
/*
 * Matmul of F32, F16 and BF16 weights with F32 activations, AVX-512. The sixteen lanes of a sum are
 * the two accumulators of eight of AVX2, and they are added up in the same order: the same bits.
 */
#include "kernels/avx512.h"

enum { LANES = 16, TILE_ROWS = 4, TILE_ACTS = 4 };

/* Elements i .. i+15 of a row, or those of them that are in `wanted`, the rest zero. */
typedef __m512 load_fn(const uint8_t *row, int i);
typedef __m512 load_some_fn(const uint8_t *row, int i, __mmask16 wanted);

TILES_INLINE __m512 load_f32(const uint8_t *row, int i)
{
    return _mm512_loadu_ps(row + (size_t)i * 4);
}

TILES_INLINE __m512 load_some_f32(const uint8_t *row, int i, __mmask16 wanted)
{
    return _mm512_maskz_loadu_ps(wanted, row + (size_t)i * 4);
}

TILES_INLINE __m512 load_f16(const uint8_t *row, int i)
{
    return _mm512_cvtph_ps(avx2_load(row + (size_t)i * 2));
}

TILES_INLINE __m512 load_some_f16(const uint8_t *row, int i, __mmask16 wanted)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(wanted, row + (size_t)i * 2));
}

TILES_INLINE __m512 widen_bf16(__m256i halves)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

TILES_INLINE __m512 load_bf16(const uint8_t *row, int i)
{
    return widen_bf16(avx2_load(row + (size_t)i * 2));
}

TILES_INLINE __m512 load_some_bf16(const uint8_t *row, int i, __mmask16 wanted)
{
    return widen_bf16(_mm256_maskz_loadu_epi16(wanted, row + (size_t)i * 2));
}

/* sum[r][a] += the products of one step. */
TILES_INLINE void add_step(__m512 sum[TILE_ROWS][TILE_ACTS], const __m512 w[TILE_ROWS],
                           const __m512 x[TILE_ACTS], const int n_rows, const int n_acts)
{
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            sum[r][a] = _mm512_fmadd_ps(w[r], x[a], sum[r][a]);
        }
    }
}

TILES_INLINE void store_sums(const struct float_job *job, int first_row, int first_act,
                             __m512 sum[TILE_ROWS][TILE_ACTS], const int n_rows, const int n_acts)
{
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        float *dst = job->dst + (size_t)(first_act + a) * job->dst_stride + first_row;
        __m256 half[TILE_ROWS];
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            half[r] = _mm256_add_ps(_mm512_castps512_ps256(sum[r][a]),
                                    _mm512_extractf32x8_ps(sum[r][a], 1));
        }
        if (n_rows == 4) {
            _mm_storeu_ps(dst, avx2_sum4(half));
        } else {
            TILES_UNROLL
            for (int r = 0; r < n_rows; r++) {
                dst[r] = avx2_sum(half[r]);
            }
        }
    }
}

/* n_rows rows from first_row with n_acts activations from first_act. */
TILES_INLINE void tile(const struct float_job *job, int first_row, int first_act, const int n_rows,
                       const int n_acts, load_fn *load, load_some_fn *load_some,
                       const int is_stream, const size_t elem_bytes)
{
    const uint8_t *rows = job->weights + (size_t)first_row * job->row_bytes;
    const uint8_t *acts = job->acts + (size_t)first_act * job->act_bytes;
    __m512 sum[TILE_ROWS][TILE_ACTS], w[TILE_ROWS], x[TILE_ACTS];
    TILES_UNROLL
    for (int a = 0; a < n_acts; a++) {
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            sum[r][a] = _mm512_setzero_ps();
        }
    }
    int i = 0;
    for (; i + LANES <= job->n_in; i += LANES) {
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            w[r] = load(rows + (size_t)r * job->row_bytes, i);
        }
        if (is_stream) {
            tiles_prefetch_rows(rows, job->row_bytes, n_rows, (size_t)i * elem_bytes,
                                LANES * elem_bytes);
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            x[a] = load_f32(acts + (size_t)a * job->act_bytes, i);
        }
        add_step(sum, w, x, n_rows, n_acts);
    }
    if (i < job->n_in) {
        __mmask16 wanted = avx512_first_lanes(job->n_in - i);
        TILES_UNROLL
        for (int r = 0; r < n_rows; r++) {
            w[r] = load_some(rows + (size_t)r * job->row_bytes, i, wanted);
        }
        TILES_UNROLL
        for (int a = 0; a < n_acts; a++) {
            x[a] = load_some_f32(acts + (size_t)a * job->act_bytes, i, wanted);
        }
        add_step(sum, w, x, n_rows, n_acts);
    }
    store_sums(job, first_row, first_act, sum, n_rows, n_acts);
}

/* n_rows rows with all activations. */
TILES_INLINE void tile_rows(const struct float_job *job, int first_row, int n_acts,
                            const int n_rows, load_fn *load, load_some_fn *load_some,
                            const size_t elem_bytes)
{
    int a = 0;
    if (n_acts == 1) {
        tile(job, first_row, a, n_rows, 1, load, load_some, 1, elem_bytes);
        return;
    }
    for (; a + 4 <= n_acts; a += 4) {
        tile(job, first_row, a, n_rows, 4, load, load_some, 0, elem_bytes);
    }
    for (; a + 2 <= n_acts; a += 2) {
        tile(job, first_row, a, n_rows, 2, load, load_some, 0, elem_bytes);
    }
    for (; a < n_acts; a++) {
        tile(job, first_row, a, n_rows, 1, load, load_some, 0, elem_bytes);
    }
}

#define MATMUL(type, elem_bytes)                                                                   \
    void avx512_matmul_##type(float *dst, size_t dst_stride, const void *weights,                  \
                              size_t row_bytes, int n_rows, const void *acts, size_t act_bytes,    \
                              int n_acts, int n_in)                                                \
    {                                                                                              \
        struct float_job job = {dst, dst_stride, weights, row_bytes, acts, act_bytes, n_in};       \
        int r = 0;                                                                                 \
        for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS) {                                          \
            tile_rows(&job, r, n_acts, TILE_ROWS, load_##type, load_some_##type, elem_bytes);      \
        }                                                                                          \
        for (; r < n_rows; r++) {                                                                  \
            tile_rows(&job, r, n_acts, 1, load_##type, load_some_##type, elem_bytes);              \
        }                                                                                          \
    }

MATMUL(f32, 4)
MATMUL(f16, 2)
MATMUL(bf16, 2)
