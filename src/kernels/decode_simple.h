/* SPDX-License-Identifier: MIT */
/*
 * Inside the AVX-512 files only: four blocks of 32 of one row taken apart for few activations. A
 * permutation of words brings the quants of all four, or their scales and fifth bits, out of two
 * whole loads. Nothing is read beyond the four blocks.
 */
#ifndef KERNELS_DECODE_SIMPLE_H
#define KERNELS_DECODE_SIMPLE_H

#include "kernels/avx512.h"

/* Unsigned bytes; the offset of the type is left to the caller. */
struct decode_four {
    __m512i low, high; /* lane b: elements 0 .. 15, 16 .. 31 of block b */
    __m128i heads;     /* word b: scale, word 4 + b: minimum of block b */
};

typedef void decode_four_fn(struct decode_four *out, const uint8_t *blocks);

/* Index of four words. */
#define DECODE_WORDS(a, b, c, d)                                                                   \
    ((long long)(a) | (long long)(b) << 16 | (long long)(c) << 32 | (long long)(d) << 48)

/* Index of four lanes of eight words each, from the given ones on. */
TILES_INLINE __m512i decode_lanes(const int a, const int b, const int c, const int d)
{
    return _mm512_setr_epi64(
        DECODE_WORDS(a, a + 1, a + 2, a + 3), DECODE_WORDS(a + 4, a + 5, a + 6, a + 7),
        DECODE_WORDS(b, b + 1, b + 2, b + 3), DECODE_WORDS(b + 4, b + 5, b + 6, b + 7),
        DECODE_WORDS(c, c + 1, c + 2, c + 3), DECODE_WORDS(c + 4, c + 5, c + 6, c + 7),
        DECODE_WORDS(d, d + 1, d + 2, d + 3), DECODE_WORDS(d + 4, d + 5, d + 6, d + 7));
}

/* Words picked from the two for the first lanes. */
TILES_INLINE __m256i decode_heads(__m512i a, const long long scales, const long long mins,
                                  const long long third, __m512i b)
{
    const __m512i index = _mm512_setr_epi64(scales, mins, third, 0, 0, 0, 0, 0);
    return _mm512_castsi512_si256(_mm512_permutex2var_epi16(a, index, b));
}

TILES_INLINE void decode_split(struct decode_four *out, __m512i packed)
{
    const __m512i mask = _mm512_set1_epi8(15);
    out->low = _mm512_and_si512(packed, mask);
    out->high = _mm512_and_si512(_mm512_srli_epi16(packed, 4), mask);
}

TILES_INLINE void decode_look_up(struct decode_four *out, const int8_t *levels, const int offset)
{
    __m512i table = _mm512_broadcast_i32x4(avx2_load128(levels));
    table = _mm512_add_epi8(table, _mm512_set1_epi8((char)offset));
    out->low = _mm512_shuffle_epi8(table, out->low);
    out->high = _mm512_shuffle_epi8(table, out->high);
}

/* 16 where the bit of an element is set: 16 bits of each block for `low` and `high`. */
TILES_INLINE void decode_fifth_bits(struct decode_four *out, long long low, long long high)
{
    const __m512i sixteen = _mm512_set1_epi8(16);
    out->low = _mm512_mask_add_epi8(out->low, _cvtu64_mask64((uint64_t)low), out->low, sixteen);
    out->high = _mm512_mask_add_epi8(out->high, _cvtu64_mask64((uint64_t)high), out->high, sixteen);
}

/* Word w of a block beyond the first load is word 32 + w - (first word of the second) of both. */
TILES_INLINE void decode_four_q4_0(struct decode_four *out, const uint8_t *blocks)
{
    __m512i a = avx512_load_once(blocks), b = avx512_load_once(blocks + 8);
    decode_split(out, _mm512_permutex2var_epi16(a, decode_lanes(1, 10, 19, 56), b));
    out->heads = _mm256_castsi256_si128(decode_heads(a, DECODE_WORDS(0, 9, 18, 27), 0, 0, b));
}

TILES_INLINE void decode_four_iq4_nl(struct decode_four *out, const uint8_t *blocks)
{
    decode_four_q4_0(out, blocks);
    decode_look_up(out, block_iq4_values, 128);
}

TILES_INLINE void decode_four_q4_1(struct decode_four *out, const uint8_t *blocks)
{
    __m512i a = avx512_load_once(blocks), b = avx512_load_once(blocks + 16);
    decode_split(out, _mm512_permutex2var_epi16(a, decode_lanes(2, 12, 22, 56), b));
    out->heads = _mm256_castsi256_si128(
        decode_heads(a, DECODE_WORDS(0, 10, 20, 30), DECODE_WORDS(1, 11, 21, 31), 0, b));
}

TILES_INLINE void decode_four_q5_0(struct decode_four *out, const uint8_t *blocks)
{
    __m512i a = avx512_load_once(blocks), b = avx512_load_once(blocks + 24);
    decode_split(out, _mm512_permutex2var_epi16(a, decode_lanes(3, 14, 45, 56), b));
    __m256i heads = decode_heads(a, DECODE_WORDS(0, 11, 22, 53), DECODE_WORDS(1, 12, 23, 54),
                                 DECODE_WORDS(2, 13, 24, 55), b);
    out->heads = _mm256_castsi256_si128(heads);
    decode_fifth_bits(out, _mm_extract_epi64(out->heads, 1),
                      _mm_cvtsi128_si64(_mm256_extracti128_si256(heads, 1)));
}

TILES_INLINE void decode_four_q5_1(struct decode_four *out, const uint8_t *blocks)
{
    __m512i a = avx512_load_once(blocks), b = avx512_load_once(blocks + 32);
    decode_split(out, _mm512_permutex2var_epi16(a, decode_lanes(4, 16, 44, 56), b));
    out->heads = _mm256_castsi256_si128(
        decode_heads(a, DECODE_WORDS(0, 12, 24, 52), DECODE_WORDS(1, 13, 25, 53), 0, b));
    __m128i bits = _mm256_castsi256_si128(
        decode_heads(a, DECODE_WORDS(2, 14, 26, 54), DECODE_WORDS(3, 15, 27, 55), 0, b));
    decode_fifth_bits(out, _mm_cvtsi128_si64(bits), _mm_extract_epi64(bits, 1));
}

/* Offset 128. */
TILES_INLINE void decode_four_q8_0(struct decode_four *out, const uint8_t *blocks)
{
    const __m512i top = _mm512_set1_epi8((char)128);
    __m512i a = avx512_load_once(blocks), c = avx512_load_once(blocks + 64);
    __m512i b = avx512_load_once(blocks + 8), d = avx512_load_once(blocks + 72);
    __m512i low = _mm512_permutex2var_epi16(a, decode_lanes(1, 18, 35, 52), c);
    __m512i high = _mm512_permutex2var_epi16(b, decode_lanes(5, 22, 39, 56), d);
    out->low = _mm512_xor_si512(low, top);
    out->high = _mm512_xor_si512(high, top);
    out->heads = _mm256_castsi256_si128(decode_heads(a, DECODE_WORDS(0, 17, 34, 51), 0, 0, c));
}

/* Offset 12. Blocks of 17 bytes: one load for those that begin at odd, one for even addresses. */
TILES_INLINE void decode_four_mxfp4(struct decode_four *out, const uint8_t *blocks)
{
    __m512i a = avx512_load_once(blocks + 1), b = avx512_load_once(blocks + 4);
    decode_split(out, _mm512_permutex2var_epi16(a, decode_lanes(0, 39, 17, 56), b));
    decode_look_up(out, block_fp4_values, 12);
    __m128i heads = _mm256_castsi256_si128(decode_heads(a, DECODE_WORDS(0, 8, 47, 25), 0, 0, b));
    heads = _mm_and_si128(heads, _mm_set1_epi16(255));
    out->heads = _mm_insert_epi16(heads, blocks[0], 0);
}

#endif
