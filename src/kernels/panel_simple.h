/* SPDX-License-Identifier: MIT */
/*
 * Inside the AVX2 and AVX-512 files only: one block of 32 of eight rows unpacked to unsigned bytes,
 * eight vectors "turned": vector k has elements 4k .. 4k+3 of row r in lane r. value = scale *
 * (byte - offset) + min; offset and largest byte are those of the type.
 */
#ifndef KERNELS_PANEL_SIMPLE_H
#define KERNELS_PANEL_SIMPLE_H

#include "kernels/avx2_rows.h"

/* What the compiler sees of a type as constants. */
struct panel_type {
    size_t block_bytes, act_block_bytes;
    int offset;    /* taken off the unpacked bytes */
    int is_signed; /* bytes too large for sums in 16 bits: multiplied as signed ones, offset 128 */
    int run;       /* products of pairs that may be added up in 16 bits */
};

/* What one block of an activation gives beside its quants, read by all rows. */
struct panel_term {
    float scale;
    union {
        float shift;  /* types with a minimum: what multiplies it */
        int32_t rest; /* types with an offset: -offset * sum of the quants */
    };
};

/* Activations of one pass over the rows, at a block. */
struct panel_acts {
    const uint8_t *blocks;
    size_t act_bytes;
    const struct panel_term *terms; /* of activation a at a * terms_stride */
    int terms_stride;
};

/* `at`: where the block begins in each row. */
typedef void panel_simple_fn(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at);
typedef __m256 panel_scale_fn(const uint8_t *const rows[ROWS], size_t at);

TILES_INLINE void panel_nibbles(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    __m256i packed[4];
    rows_turn16(packed, rows, at);
    TILES_UNROLL
    for (int k = 0; k < 4; k++) {
        quants[k] = avx2_low_nibbles(packed[k]);
        quants[k + 4] = avx2_high_nibbles(packed[k]);
    }
}

/* Adds 16 where bit i of the 32 bits at `at` is set, i the element. */
TILES_INLINE void panel_fifth_bits(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    const __m256i sixteen = _mm256_set1_epi8(16);
    __m256i bits = rows_u32(rows, at);
    TILES_UNROLL
    for (int k = 0; k < 8; k++) {
        /* byte k / 2 of each lane four times, then one bit of each copy */
        const int byte = k / 2 * 0x01010101;
        const __m256i spread =
            _mm256_setr_epi32(byte, byte + 0x04040404, byte + 0x08080808, byte + 0x0c0c0c0c, byte,
                              byte + 0x04040404, byte + 0x08080808, byte + 0x0c0c0c0c);
        const __m256i bit = _mm256_set1_epi32(k % 2 == 0 ? 0x08040201 : (int)0x80402010);
        __m256i set = _mm256_and_si256(_mm256_shuffle_epi8(bits, spread), bit);
        set = _mm256_and_si256(_mm256_cmpeq_epi8(set, bit), sixteen);
        quants[k] = _mm256_or_si256(quants[k], set);
    }
}

TILES_INLINE void panel_look_up(__m256i quants[8], const int8_t *levels, int offset)
{
    __m256i table = _mm256_broadcastsi128_si256(avx2_load128(levels));
    table = _mm256_add_epi8(table, _mm256_set1_epi8((char)offset));
    TILES_UNROLL
    for (int k = 0; k < 8; k++) {
        quants[k] = _mm256_shuffle_epi8(table, quants[k]);
    }
}

TILES_INLINE void panel_q4_0(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    panel_nibbles(quants, rows, at + 2);
}

TILES_INLINE void panel_q4_1(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    panel_nibbles(quants, rows, at + 4);
}

TILES_INLINE void panel_q5_0(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    panel_nibbles(quants, rows, at + 6);
    panel_fifth_bits(quants, rows, at + 2);
}

TILES_INLINE void panel_q5_1(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    panel_nibbles(quants, rows, at + 8);
    panel_fifth_bits(quants, rows, at + 4);
}

/* Offset 12: no level is below -12. */
TILES_INLINE void panel_mxfp4(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    panel_nibbles(quants, rows, at + 1);
    panel_look_up(quants, block_fp4_values, 12);
}

/* Offset 128, as for Q8_0. */
TILES_INLINE void panel_iq4_nl(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    panel_nibbles(quants, rows, at + 2);
    panel_look_up(quants, block_iq4_values, 128);
}

TILES_INLINE void panel_q8_0(__m256i quants[8], const uint8_t *const rows[ROWS], size_t at)
{
    const __m256i top = _mm256_set1_epi8((char)128);
    rows_turn16(quants, rows, at + 2);
    rows_turn16(quants + 4, rows, at + 18);
    TILES_UNROLL
    for (int k = 0; k < 8; k++) {
        quants[k] = _mm256_xor_si256(quants[k], top);
    }
}

/* MXFP4: 2^(e - 128), see block_e8m0_half. */
TILES_INLINE __m256 panel_scale_e8m0(const uint8_t *const rows[ROWS], size_t at)
{
    __m256i e = _mm256_setr_epi32(rows[0][at], rows[1][at], rows[2][at], rows[3][at], rows[4][at],
                                  rows[5][at], rows[6][at], rows[7][at]);
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, small, is_small));
}

TILES_INLINE int32_t panel_sum_quants(const uint8_t *quants)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), avx2_load(quants));
    __m128i sum = _mm_add_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    sum = _mm_madd_epi16(sum, _mm_set1_epi16(1));
    sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 1)));
}

TILES_INLINE void panel_find_terms(struct panel_term *terms, const uint8_t *acts, size_t act_bytes,
                                   int n_acts, int n_blocks, const struct panel_type *type)
{
    for (int a = 0; a < n_acts; a++) {
        const uint8_t *act = acts + (size_t)a * act_bytes;
        for (int b = 0; b < n_blocks; b++, act += type->act_block_bytes, terms++) {
            terms->scale = avx2_f16(act);
            if (type->offset != 0) {
                terms->rest = -type->offset * panel_sum_quants(act + 2);
            } else if (type->act_block_bytes == sizeof(struct block_q8_1)) {
                terms->shift = avx2_f16(act + 2);
            }
        }
    }
}

TILES_INLINE void panel_next_block(struct panel_acts *acts, const struct panel_type *type)
{
    acts->blocks += type->act_block_bytes;
    acts->terms++;
}

#endif
