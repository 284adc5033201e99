/* SPDX-License-Identifier: MIT */
/* Key-value cache rows of F32, F16 and Q8_0: store, scores, weighted sum; AVX2 + FMA + F16C. */
#include "kernels/avx2.h"

enum { Q8_0_ELEMS = 32, Q8_0_BYTES = 34 };

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

typedef __m256 load_fn(const uint8_t *row, int i);
typedef float load_one_fn(const uint8_t *row, int i);

TILES_INLINE __m256 load_f32(const uint8_t *row, int i)
{
    return _mm256_loadu_ps((const float *)(const void *)(row + 4 * i));
}

TILES_INLINE float load_one_f32(const uint8_t *row, int i)
{
    return block_f32(row + 4 * i);
}

TILES_INLINE __m256 load_f16(const uint8_t *row, int i)
{
    return _mm256_cvtph_ps(avx2_load128(row + 2 * i));
}

TILES_INLINE float load_one_f16(const uint8_t *row, int i)
{
    return avx2_f16(row + 2 * i);
}

/* Eight quants at p to float, unscaled. */
TILES_INLINE __m256 load_i8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

TILES_INLINE void scores_float(float *scores, const float *q, const uint8_t *rows, size_t row_bytes,
                               const int n_rows, int n, load_fn *load, load_one_fn *load_one)
{
    __m256 sums[4];
    float rest[4];
    TILES_UNROLL
    for (int p = 0; p < n_rows; p++) {
        sums[p] = _mm256_setzero_ps();
        rest[p] = 0.0f;
    }
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 query = _mm256_loadu_ps(q + i);
        TILES_UNROLL
        for (int p = 0; p < n_rows; p++) {
            sums[p] = _mm256_fmadd_ps(query, load(rows + (size_t)p * row_bytes, i), sums[p]);
        }
    }
    for (; i < n; i++) {
        TILES_UNROLL
        for (int p = 0; p < n_rows; p++) {
            rest[p] += q[i] * load_one(rows + (size_t)p * row_bytes, i);
        }
    }
    TILES_UNROLL
    for (int p = 0; p < n_rows; p++) {
        scores[p] = avx2_sum(sums[p]) + rest[p];
    }
}

TILES_INLINE void scores_q8_0(float *scores, const float *q, const uint8_t *rows, size_t row_bytes,
                              const int n_rows, int n)
{
    __m256 sums[4];
    TILES_UNROLL
    for (int p = 0; p < n_rows; p++) {
        sums[p] = _mm256_setzero_ps();
    }
    for (int i = 0; i < n / Q8_0_ELEMS; i++) {
        const float *query = q + i * Q8_0_ELEMS;
        TILES_UNROLL
        for (int p = 0; p < n_rows; p++) {
            const uint8_t *b = rows + (size_t)p * row_bytes + i * Q8_0_BYTES;
            __m256 dot = _mm256_mul_ps(_mm256_loadu_ps(query), load_i8(b + 2));
            dot = _mm256_fmadd_ps(_mm256_loadu_ps(query + 8), load_i8(b + 10), dot);
            dot = _mm256_fmadd_ps(_mm256_loadu_ps(query + 16), load_i8(b + 18), dot);
            dot = _mm256_fmadd_ps(_mm256_loadu_ps(query + 24), load_i8(b + 26), dot);
            sums[p] = _mm256_fmadd_ps(_mm256_set1_ps(avx2_f16(b)), dot, sums[p]);
        }
    }
    TILES_UNROLL
    for (int p = 0; p < n_rows; p++) {
        scores[p] = avx2_sum(sums[p]);
    }
}

#define SCORES(name, call)                                                                         \
    void name(float *scores, const float *q, const void *rows, size_t row_bytes, int n_pos, int n) \
    {                                                                                              \
        int p = 0;                                                                                 \
        for (; p + 4 <= n_pos; p += 4) {                                                           \
            const uint8_t *row = (const uint8_t *)rows + (size_t)p * row_bytes;                    \
            call(scores + p, q, row, row_bytes, 4, n);                                             \
        }                                                                                          \
        for (; p < n_pos; p++) {                                                                   \
            const uint8_t *row = (const uint8_t *)rows + (size_t)p * row_bytes;                    \
            call(scores + p, q, row, row_bytes, 1, n);                                             \
        }                                                                                          \
    }

#define SCORES_F32(s, q, rows, bytes, n_rows, n)                                                   \
    scores_float(s, q, rows, bytes, n_rows, n, load_f32, load_one_f32)
#define SCORES_F16(s, q, rows, bytes, n_rows, n)                                                   \
    scores_float(s, q, rows, bytes, n_rows, n, load_f16, load_one_f16)

SCORES(avx2_kv_scores_f32, SCORES_F32)
SCORES(avx2_kv_scores_f16, SCORES_F16)
SCORES(avx2_kv_scores_q8_0, scores_q8_0)

/* A strip of 8 * n_regs columns stays in registers while all positions pass. */
TILES_INLINE void mix_strip(float *out, const float *weights, const uint8_t *rows, size_t row_bytes,
                            int n_pos, int first, const int n_regs, load_fn *load)
{
    __m256 sums[8];
    TILES_UNROLL
    for (int k = 0; k < n_regs; k++) {
        sums[k] = _mm256_loadu_ps(out + first + 8 * k);
    }
    for (int p = 0; p < n_pos; p++) {
        __m256 weight = _mm256_set1_ps(weights[p]);
        const uint8_t *row = rows + (size_t)p * row_bytes;
        TILES_UNROLL
        for (int k = 0; k < n_regs; k++) {
            sums[k] = _mm256_fmadd_ps(weight, load(row, first + 8 * k), sums[k]);
        }
    }
    TILES_UNROLL
    for (int k = 0; k < n_regs; k++) {
        _mm256_storeu_ps(out + first + 8 * k, sums[k]);
    }
}

TILES_INLINE void mix_float(float *out, const float *weights, const uint8_t *rows, size_t row_bytes,
                            int n_pos, int n, load_fn *load, load_one_fn *load_one)
{
    int i = 0;
    for (; i + 64 <= n; i += 64) {
        mix_strip(out, weights, rows, row_bytes, n_pos, i, 8, load);
    }
    for (; i + 16 <= n; i += 16) {
        mix_strip(out, weights, rows, row_bytes, n_pos, i, 2, load);
    }
    for (; i < n; i++) {
        float sum = out[i];
        for (int p = 0; p < n_pos; p++) {
            sum += weights[p] * load_one(rows + (size_t)p * row_bytes, i);
        }
        out[i] = sum;
    }
}

void avx2_kv_mix_f32(float *out, const float *weights, const void *rows, size_t row_bytes,
                     int n_pos, int n)
{
    mix_float(out, weights, rows, row_bytes, n_pos, n, load_f32, load_one_f32);
}

void avx2_kv_mix_f16(float *out, const float *weights, const void *rows, size_t row_bytes,
                     int n_pos, int n)
{
    mix_float(out, weights, rows, row_bytes, n_pos, n, load_f16, load_one_f16);
}

void avx2_kv_mix_q8_0(float *out, const float *weights, const void *rows, size_t row_bytes,
                      int n_pos, int n)
{
    for (int i = 0; i < n / Q8_0_ELEMS; i++) {
        float *strip = out + i * Q8_0_ELEMS;
        __m256 sums[4];
        TILES_UNROLL
        for (int k = 0; k < 4; k++) {
            sums[k] = _mm256_loadu_ps(strip + 8 * k);
        }
        for (int p = 0; p < n_pos; p++) {
            const uint8_t *b = (const uint8_t *)rows + (size_t)p * row_bytes + i * Q8_0_BYTES;
            __m256 weight = _mm256_set1_ps(weights[p] * avx2_f16(b));
            TILES_UNROLL
            for (int k = 0; k < 4; k++) {
                sums[k] = _mm256_fmadd_ps(weight, load_i8(b + 2 + 8 * k), sums[k]);
            }
        }
        TILES_UNROLL
        for (int k = 0; k < 4; k++) {
            _mm256_storeu_ps(strip + 8 * k, sums[k]);
        }
    }
}
