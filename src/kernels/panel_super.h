/* SPDX-License-Identifier: MIT */
/*
 * Inside the AVX2 and AVX-512 files only: one super-block of eight rows unpacked to unsigned bytes
 * and scales, one row per 32-bit lane. value = scale[group] * d * (byte - offset), or scale[group]
 * * d * byte - minimum * dmin.
 */
#ifndef KERNELS_PANEL_SUPER_H
#define KERNELS_PANEL_SUPER_H

#include "kernels/avx2_rows.h"

#include <stddef.h>

/* Bytes and small numbers of eight rows before they are turned: of group g of row r at [g][r]. */
struct panel_head {
    int8_t scales[16][ROWS], mins[16][ROWS];
    float d[ROWS], dmin[ROWS];
};

/* `put(panel, k, bytes)` is told elements 4k .. 4k+3 of the eight rows. */
typedef void panel_super_fn(__m256i *quants, const size_t stride, const uint8_t *const rows[ROWS],
                            size_t at);
typedef void panel_head_fn(struct panel_head *head, const uint8_t *const rows[ROWS], size_t at);

/* Eight bytes of each of eight rows to eight rows of each of eight bytes. */
TILES_INLINE void panel_turn_bytes(int8_t out[8][ROWS], const uint64_t bytes[ROWS])
{
    __m128i a = _mm_set_epi64x((long long)bytes[1], (long long)bytes[0]);
    __m128i b = _mm_set_epi64x((long long)bytes[3], (long long)bytes[2]);
    __m128i c = _mm_set_epi64x((long long)bytes[5], (long long)bytes[4]);
    __m128i d = _mm_set_epi64x((long long)bytes[7], (long long)bytes[6]);
    const __m128i zip = _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    a = _mm_shuffle_epi8(a, zip);
    b = _mm_shuffle_epi8(b, zip);
    c = _mm_shuffle_epi8(c, zip);
    d = _mm_shuffle_epi8(d, zip);
    __m128i ab0 = _mm_unpacklo_epi16(a, b), ab4 = _mm_unpackhi_epi16(a, b);
    __m128i cd0 = _mm_unpacklo_epi16(c, d), cd4 = _mm_unpackhi_epi16(c, d);
    _mm_storeu_si128((__m128i *)(void *)out[0], _mm_unpacklo_epi32(ab0, cd0));
    _mm_storeu_si128((__m128i *)(void *)out[2], _mm_unpackhi_epi32(ab0, cd0));
    _mm_storeu_si128((__m128i *)(void *)out[4], _mm_unpacklo_epi32(ab4, cd4));
    _mm_storeu_si128((__m128i *)(void *)out[6], _mm_unpackhi_epi32(ab4, cd4));
}

/* 6-bit scales and minima of Q4_K and Q5_K, see block_k4_scale. */
TILES_INLINE void panel_head_q45_k(struct panel_head *head, const uint8_t *const rows[ROWS],
                                   size_t at)
{
    uint64_t scales[ROWS], mins[ROWS];
    for (int r = 0; r < ROWS; r++) {
        const struct block_q4_k *b = (const void *)(rows[r] + at);
        uint32_t s0 = block_u32(b->scales), s4 = block_u32(b->scales + 4),
                 s8 = block_u32(b->scales + 8);
        uint32_t scale_high = (s8 & 0x0f0f0f0fu) | ((s0 >> 2) & 0x30303030u);
        uint32_t min_high = ((s8 >> 4) & 0x0f0f0f0fu) | ((s4 >> 2) & 0x30303030u);
        scales[r] = (s0 & 0x3f3f3f3fu) | (uint64_t)scale_high << 32;
        mins[r] = (s4 & 0x3f3f3f3fu) | (uint64_t)min_high << 32;
    }
    panel_turn_bytes(head->scales, scales);
    panel_turn_bytes(head->mins, mins);
    _mm256_storeu_ps(head->d, rows_half(rows, at));
    _mm256_storeu_ps(head->dmin, rows_half(rows, at + 2));
}

TILES_INLINE void panel_head_q6_k(struct panel_head *head, const uint8_t *const rows[ROWS],
                                  size_t at)
{
    uint64_t low[ROWS], high[ROWS];
    for (int r = 0; r < ROWS; r++) {
        const struct block_q6_k *b = (const void *)(rows[r] + at);
        low[r] = avx2_u64(b->scales);
        high[r] = avx2_u64(b->scales + 8);
    }
    panel_turn_bytes(head->scales, low);
    panel_turn_bytes(head->scales + 8, high);
    _mm256_storeu_ps(head->d, rows_half(rows, at + offsetof(struct block_q6_k, d)));
}

TILES_INLINE void panel_head_q2_k(struct panel_head *head, const uint8_t *const rows[ROWS],
                                  size_t at)
{
    const uint64_t low = 0x0f0f0f0f0f0f0f0fu;
    for (int half = 0; half < 2; half++) {
        uint64_t scales[ROWS], mins[ROWS];
        for (int r = 0; r < ROWS; r++) {
            uint64_t both = avx2_u64(rows[r] + at + 8 * half);
            scales[r] = both & low;
            mins[r] = (both >> 4) & low;
        }
        panel_turn_bytes(head->scales + 8 * half, scales);
        panel_turn_bytes(head->mins + 8 * half, mins);
    }
    _mm256_storeu_ps(head->d, rows_half(rows, at + offsetof(struct block_q2_k, d)));
    _mm256_storeu_ps(head->dmin, rows_half(rows, at + offsetof(struct block_q2_k, dmin)));
}

/* See block_q3_k_scale; 32 is taken off later, where scales become 16 bits. */
TILES_INLINE void panel_head_q3_k(struct panel_head *head, const uint8_t *const rows[ROWS],
                                  size_t at)
{
    const uint64_t low_mask = 0x0f0f0f0f0f0f0f0fu, high_mask = 0x30303030u;
    const uint64_t offset = 0x2020202020202020u, top = 0x8080808080808080u;
    uint64_t scales0[ROWS], scales8[ROWS];
    for (int r = 0; r < ROWS; r++) {
        const struct block_q3_k *b = (const void *)(rows[r] + at);
        uint64_t low = avx2_u64(b->scales), high = block_u32(b->scales + 8);
        uint64_t high0 = ((high << 4) & high_mask) | ((high << 2) & high_mask) << 32;
        uint64_t high8 = (high & high_mask) | ((high >> 2) & high_mask) << 32;
        /* byte by byte less 32: the bit lent to each byte is taken back */
        scales0[r] = (((low & low_mask) | high0 | top) - offset) ^ top;
        scales8[r] = ((((low >> 4) & low_mask) | high8 | top) - offset) ^ top;
    }
    panel_turn_bytes(head->scales, scales0);
    panel_turn_bytes(head->scales + 8, scales8);
    _mm256_storeu_ps(head->d, rows_half(rows, at + offsetof(struct block_q3_k, d)));
}

TILES_INLINE void panel_head_iq4_xs(struct panel_head *head, const uint8_t *const rows[ROWS],
                                    size_t at)
{
    const uint64_t offset = 0x2020202020202020u, top = 0x8080808080808080u;
    uint64_t scales[ROWS];
    for (int r = 0; r < ROWS; r++) {
        const struct block_iq4_xs *b = (const void *)(rows[r] + at);
        uint64_t high = block_u16(b->scales_h), low = block_u32(b->scales_l);
        low = (low | low << 16) & 0x0000ffff0000ffffu;
        low = (low | low << 8) & 0x00ff00ff00ff00ffu;
        low = (low | low << 4) & 0x0f0f0f0f0f0f0f0fu;
        high = (high | high << 24) & 0x000000ff000000ffu;
        high = (high | high << 12) & 0x000f000f000f000fu;
        high = (high | high << 6) & 0x0303030303030303u;
        scales[r] = ((low | high << 4 | top) - offset) ^ top;
    }
    panel_turn_bytes(head->scales, scales);
    _mm256_storeu_ps(head->d, rows_half(rows, at));
}

/* Quants: vector k, at quants[k * stride], has elements 4k .. 4k+3 of row r in lane r. */
TILES_INLINE void panel_quants_q4_k(__m256i *quants, const size_t stride,
                                    const uint8_t *const rows[ROWS], size_t at)
{
    for (size_t i = 0; i < 8; i++) {
        __m256i packed[4], *out = quants + (i / 2 * 16 + i % 2 * 4) * stride;
        rows_turn16(packed, rows, at + offsetof(struct block_q4_k, qs) + 16 * i);
        TILES_UNROLL
        for (size_t k = 0; k < 4; k++) {
            out[k * stride] = avx2_low_nibbles(packed[k]);
            out[(k + 8) * stride] = avx2_high_nibbles(packed[k]);
        }
    }
}

TILES_INLINE void panel_quants_q5_k(__m256i *quants, const size_t stride,
                                    const uint8_t *const rows[ROWS], size_t at)
{
    const __m256i sixteen = _mm256_set1_epi8(16);
    for (size_t side = 0; side < 2; side++) {
        __m256i high[4];
        rows_turn16(high, rows, at + offsetof(struct block_q5_k, qh) + 16 * side);
        for (size_t i = 0; i < 4; i++) {
            __m256i packed[4], *out = quants + (16 * i + 4 * side) * stride;
            rows_turn16(packed, rows, at + offsetof(struct block_q5_k, qs) + 32 * i + 16 * side);
            TILES_UNROLL
            for (size_t k = 0; k < 4; k++) {
                /* bits 0 and 1 to bit 4 */
                __m256i fifth0 = _mm256_and_si256(_mm256_slli_epi16(high[k], 4), sixteen);
                __m256i fifth1 = _mm256_and_si256(_mm256_slli_epi16(high[k], 3), sixteen);
                out[k * stride] = _mm256_or_si256(avx2_low_nibbles(packed[k]), fifth0);
                out[(k + 8) * stride] = _mm256_or_si256(avx2_high_nibbles(packed[k]), fifth1);
                high[k] = _mm256_srli_epi16(high[k], 2);
            }
        }
    }
}

TILES_INLINE void panel_quants_q6_k(__m256i *quants, const size_t stride,
                                    const uint8_t *const rows[ROWS], size_t at)
{
    const __m256i bits = _mm256_set1_epi8(0x30);
    for (size_t i = 0; i < 4; i++) { /* half i / 2, 16 bytes i % 2 of each 32 */
        size_t ql = at + offsetof(struct block_q6_k, ql) + i / 2 * 64 + i % 2 * 16;
        __m256i low0[4], low1[4], high[4], *out = quants + (i / 2 * 32 + i % 2 * 4) * stride;
        rows_turn16(low0, rows, ql);
        rows_turn16(low1, rows, ql + 32);
        rows_turn16(high, rows, at + offsetof(struct block_q6_k, qh) + 16 * i);
        TILES_UNROLL
        for (size_t k = 0; k < 4; k++) {
            __m256i h0 = _mm256_and_si256(_mm256_slli_epi16(high[k], 4), bits);
            __m256i h1 = _mm256_and_si256(_mm256_slli_epi16(high[k], 2), bits);
            __m256i h2 = _mm256_and_si256(high[k], bits);
            __m256i h3 = _mm256_and_si256(_mm256_srli_epi16(high[k], 2), bits);
            out[k * stride] = _mm256_or_si256(avx2_low_nibbles(low0[k]), h0);
            out[(k + 8) * stride] = _mm256_or_si256(avx2_low_nibbles(low1[k]), h1);
            out[(k + 16) * stride] = _mm256_or_si256(avx2_high_nibbles(low0[k]), h2);
            out[(k + 24) * stride] = _mm256_or_si256(avx2_high_nibbles(low1[k]), h3);
        }
    }
}

TILES_INLINE void panel_quants_q2_k(__m256i *quants, const size_t stride,
                                    const uint8_t *const rows[ROWS], size_t at)
{
    const __m256i three = _mm256_set1_epi8(3);
    for (size_t i = 0; i < 4; i++) {
        __m256i packed[4], *out = quants + (i / 2 * 32 + i % 2 * 4) * stride;
        rows_turn16(packed, rows, at + offsetof(struct block_q2_k, qs) + 16 * i);
        TILES_UNROLL
        for (size_t k = 0; k < 4; k++) {
            TILES_UNROLL
            for (size_t run = 0; run < 4; run++) {
                __m256i moved = _mm256_srli_epi16(packed[k], 2 * (int)run);
                out[(k + 8 * run) * stride] = _mm256_and_si256(moved, three);
            }
        }
    }
}

/* 0 .. 7, offset 4. */
TILES_INLINE void panel_quants_q3_k(__m256i *quants, const size_t stride,
                                    const uint8_t *const rows[ROWS], size_t at)
{
    const __m256i four = _mm256_set1_epi8(4), three = _mm256_set1_epi8(3);
    for (size_t side = 0; side < 2; side++) {
        __m256i mask[4];
        rows_turn16(mask, rows, at + offsetof(struct block_q3_k, hmask) + 16 * side);
        for (size_t half = 0; half < 2; half++) {
            __m256i packed[4], *out = quants + (32 * half + 4 * side) * stride;
            rows_turn16(packed, rows, at + offsetof(struct block_q3_k, qs) + 32 * half + 16 * side);
            TILES_UNROLL
            for (size_t k = 0; k < 4; k++) {
                TILES_UNROLL
                for (size_t run = 0; run < 4; run++) {
                    /* bit `run` of the mask to bit 2 */
                    __m256i high = run < 2 ? _mm256_slli_epi16(mask[k], 2 - (int)run)
                                           : _mm256_srli_epi16(mask[k], (int)run - 2);
                    __m256i low = _mm256_srli_epi16(packed[k], 2 * (int)run);
                    out[(k + 8 * run) * stride] =
                        _mm256_or_si256(_mm256_and_si256(low, three), _mm256_and_si256(high, four));
                }
                mask[k] = _mm256_srli_epi16(mask[k], 4);
            }
        }
    }
}

/* Offset 128. */
TILES_INLINE void panel_quants_iq4_xs(__m256i *quants, const size_t stride,
                                      const uint8_t *const rows[ROWS], size_t at)
{
    __m256i levels = _mm256_broadcastsi128_si256(avx2_load128(block_iq4_values));
    levels = _mm256_xor_si256(levels, _mm256_set1_epi8((char)128));
    for (size_t g = 0; g < 8; g++) {
        __m256i packed[4], *out = quants + 8 * g * stride;
        rows_turn16(packed, rows, at + offsetof(struct block_iq4_xs, qs) + 16 * g);
        TILES_UNROLL
        for (size_t k = 0; k < 4; k++) {
            out[k * stride] = _mm256_shuffle_epi8(levels, avx2_low_nibbles(packed[k]));
            out[(k + 4) * stride] = _mm256_shuffle_epi8(levels, avx2_high_nibbles(packed[k]));
        }
    }
}

#endif
