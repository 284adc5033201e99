/* SPDX-License-Identifier: MIT */
/*
 * Inside the AVX2 and AVX-512 files only: eight weight rows side by side, one per 32-bit lane, the
 * form that every matmul of quantised weights computes in (docs/KERNELS.md). The integer of a block
 * is exact and each lane is one chain of float operations of its own, so a result is the same
 * whatever path and tile it comes from.
 */
#ifndef KERNELS_AVX2_ROWS_H
#define KERNELS_AVX2_ROWS_H

#include "kernels/avx2.h"

enum {
    ROWS = 8,
    ROWS_MAX_ACTS = 32,    /* activations of one pass */
    ROWS_PANEL_ACTS = 4,   /* from here on rows are unpacked once for all activations */
    ROWS_MAX_TERMS = 4096, /* blocks of activations whose terms are kept at a time */
    ROWS_CHUNK_BLOCKS = 8, /* blocks of 32 whose terms are added up before they join the total */
};

/* Rows first .. first + 7; beyond the end the last one is repeated, its results are dropped. */
TILES_INLINE void rows_point(const uint8_t *rows[ROWS], const void *weights, size_t row_bytes,
                             int first, int n_rows)
{
    for (int r = 0; r < ROWS; r++) {
        int row = first + r < n_rows ? first + r : n_rows - 1;
        rows[r] = (const uint8_t *)weights + (size_t)row * row_bytes;
    }
}

/* The rows after these eight, read as one stream while these are multiplied: bytes at .. at + n. */
TILES_INLINE void rows_prefetch(const uint8_t *const rows[ROWS], size_t row_bytes, size_t at,
                                size_t n)
{
    const char *next = (const char *)rows[0] + ROWS * row_bytes + at;
    for (size_t line = 0; line < n; line += 64) {
        _mm_prefetch(next + line, _MM_HINT_T0);
    }
}

/* 16 bytes of row r in the low, of row r + 4 in the high half. */
TILES_INLINE __m256i rows_pair(const uint8_t *const rows[ROWS], int r, size_t at)
{
    return avx2_pair(avx2_load128(rows[r] + at), avx2_load128(rows[r + 4] + at));
}

/* 16 bytes of eight rows to four vectors: vector k has bytes 4k .. 4k+3 of row r in lane r. */
TILES_INLINE void rows_turn16(__m256i out[4], const uint8_t *const rows[ROWS], size_t at)
{
    __m256i a = rows_pair(rows, 0, at), b = rows_pair(rows, 1, at);
    __m256i c = rows_pair(rows, 2, at), d = rows_pair(rows, 3, at);
    __m256i ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
    __m256i cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
    out[0] = _mm256_unpacklo_epi64(ab_low, cd_low);
    out[1] = _mm256_unpackhi_epi64(ab_low, cd_low);
    out[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
    out[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
}

/* The four bytes at `at` of each row, one row per lane. */
TILES_INLINE __m256i rows_u32(const uint8_t *const rows[ROWS], size_t at)
{
    return _mm256_setr_epi32((int)block_u32(rows[0] + at), (int)block_u32(rows[1] + at),
                             (int)block_u32(rows[2] + at), (int)block_u32(rows[3] + at),
                             (int)block_u32(rows[4] + at), (int)block_u32(rows[5] + at),
                             (int)block_u32(rows[6] + at), (int)block_u32(rows[7] + at));
}

/* The half at `at` of each row as float. */
TILES_INLINE __m256 rows_half(const uint8_t *const rows[ROWS], size_t at)
{
    return _mm256_cvtph_ps(_mm_setr_epi16(block_i16(rows[0] + at), block_i16(rows[1] + at),
                                          block_i16(rows[2] + at), block_i16(rows[3] + at),
                                          block_i16(rows[4] + at), block_i16(rows[5] + at),
                                          block_i16(rows[6] + at), block_i16(rows[7] + at)));
}

/* Lane r, r + 4: the sum of the four lanes of the low, high half of v[r]. (Not by hadd: two cycles
 * each on the CPUs of today.) */
TILES_INLINE __m256i rows_sum4(const __m256i v[4])
{
    __m256 ab = _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_unpacklo_epi64(v[0], v[1]), _mm256_unpackhi_epi64(v[0], v[1])));
    __m256 cd = _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_unpacklo_epi64(v[2], v[3]), _mm256_unpackhi_epi64(v[2], v[3])));
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(ab, cd, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(ab, cd, 0xdd)));
}

/* Lane r: the sum of the eight lanes of v[r]. */
TILES_INLINE __m256i rows_sum8(const __m256i v[ROWS])
{
    __m256i a = rows_sum4(v), b = rows_sum4(v + 4);
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}

TILES_INLINE __m256i rows_bytes4(const uint8_t *p)
{
    return _mm256_set1_epi32((int)block_u32(p));
}

/* Results of eight rows and one activation; n of them are wanted. */
TILES_INLINE void rows_store(float *dst, __m256 result, int n)
{
    if (n >= ROWS) {
        _mm256_storeu_ps(dst, result);
        return;
    }
    float all[ROWS];
    _mm256_storeu_ps(all, result);
    memcpy(dst, all, (size_t)n * sizeof *dst);
}

#endif
