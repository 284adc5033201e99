/* SPDX-License-Identifier: MIT */
/*
 * Inside the AVX-512 files only: super-blocks of one row taken apart for few activations. Heads
 * (scales, minima, d) of up to eight blocks at a time, then the quants of one block by half, as two
 * vectors of 64 unsigned bytes in the order of enum decode_order; offsets stay in the bytes.
 */
#ifndef KERNELS_DECODE_SUPER_H
#define KERNELS_DECODE_SUPER_H

#include "kernels/avx2_rows.h"
#include "kernels/avx2_super.h"

#include <stdbool.h>
#include <stddef.h>

/* Of eight blocks; of those beyond the end, d and dmin are zero and the rest is not read. */
struct decode_head {
    _Alignas(64) int16_t scales[ROWS][16]; /* of each group; 8 with groups of 32 */
    _Alignas(64) int16_t mins[ROWS * 16];  /* of block b from b * 8 or b * 16 on */
    __m512i four_scales[2];                /* DECODE_TURNED: instead, of four blocks each */
    __m256 d, dmin;
};

/* Which elements of 128 the low and the high vector have. */
enum decode_order {
    DECODE_IN_ORDER, /* 0 .. 63, 64 .. 127 */
    DECODE_BY_32,    /* 0 .. 31 and 64 .. 95, the others */
    DECODE_BY_16,    /* 0 .. 15, 32 .. 47, ..., the others */
    DECODE_BY_RUN,   /* of all 256, half h: 64h .. 64h + 31 and those 128 on, the next 32 of both */
    DECODE_TURNED,   /* of two blocks, by 32, words of 32 bits turned: decode_turn */
};

typedef void decode_head_fn(struct decode_head *head, const uint8_t *blocks, const int n);
typedef void decode_quants_fn(__m512i *low, __m512i *high, const uint8_t *block, const int half);

/* 64 bytes, loaded once: GCC would load them anew for each use, and most straddle a cache line. */
TILES_INLINE __m512i decode_load(const uint8_t *p)
{
    __m512i v = _mm512_loadu_si512(p);
    __asm__("" : "+v"(v));
    return v;
}

TILES_INLINE __m512i decode_nibbles_low(__m512i bytes)
{
    return _mm512_and_si512(bytes, _mm512_set1_epi8(15));
}

TILES_INLINE __m512i decode_nibbles_high(__m512i bytes)
{
    return _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(15));
}

/* Lane by lane, word j of the four becomes vector j: what is then added up word by word is all of
 * one vector's lane, so that sixteen products are one word before any scale is needed. */
TILES_INLINE void decode_turn(__m512i v[4])
{
    __m512i ab = _mm512_unpacklo_epi32(v[0], v[1]), ab_high = _mm512_unpackhi_epi32(v[0], v[1]);
    __m512i cd = _mm512_unpacklo_epi32(v[2], v[3]), cd_high = _mm512_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm512_unpacklo_epi64(ab, cd);
    v[1] = _mm512_unpackhi_epi64(ab, cd);
    v[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    v[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
}

/* bits | (more & mask) */
TILES_INLINE __m512i decode_or_and(__m512i bits, __m512i more, __m512i mask)
{
    return _mm512_ternarylogic_epi64(bits, more, mask, 0xf8);
}

/* 16 words: one count for the words of the low 32 bytes, another for those of the high ones. */
TILES_INLINE __m512i decode_counts(const short low, const short high)
{
    return _mm512_inserti64x4(_mm512_set1_epi16(low), _mm256_set1_epi16(high), 1);
}

/* d in the low, dmin in the high half of each lane. */
TILES_INLINE void decode_scale_pairs(struct decode_head *head, __m256i pairs)
{
    __m256i both = _mm256_packus_epi32(_mm256_and_si256(pairs, _mm256_set1_epi32(0xffff)),
                                       _mm256_srli_epi32(pairs, 16));
    both = _mm256_permute4x64_epi64(both, 0xd8);
    head->d = _mm256_cvtph_ps(_mm256_castsi256_si128(both));
    head->dmin = _mm256_cvtph_ps(_mm256_extracti128_si256(both, 1));
}

/* d of blocks that are n <= 8. */
TILES_INLINE void decode_scales_at(struct decode_head *head, const uint8_t *d, size_t bytes,
                                   const int n)
{
#define WORD(b) ((b) < n ? block_i16(d + (b)*bytes) : (short)0)
    head->d = _mm256_cvtph_ps(
        _mm_setr_epi16(WORD(0), WORD(1), WORD(2), WORD(3), WORD(4), WORD(5), WORD(6), WORD(7)));
#undef WORD
}

/* 16 bytes of four blocks, zero beyond the nth. */
TILES_INLINE __m512i decode_bytes16(const uint8_t *blocks, size_t block_bytes, const int n)
{
    __m512i v = n > 0 ? _mm512_castsi128_si512(avx2_load128(blocks)) : _mm512_setzero_si512();
    v = n > 0 ? _mm512_zextsi128_si512(_mm512_castsi512_si128(v)) : v;
    v = n > 1 ? _mm512_inserti32x4(v, avx2_load128(blocks + block_bytes), 1) : v;
    v = n > 2 ? _mm512_inserti32x4(v, avx2_load128(blocks + 2 * block_bytes), 2) : v;
    v = n > 3 ? _mm512_inserti32x4(v, avx2_load128(blocks + 3 * block_bytes), 3) : v;
    return v;
}

/* Eight words each of four blocks. */
TILES_INLINE void decode_store_lanes(int16_t (*to)[16], __m512i words)
{
    _mm_store_si128((__m128i *)(void *)to[0], _mm512_castsi512_si128(words));
    _mm_store_si128((__m128i *)(void *)to[1], _mm512_extracti32x4_epi32(words, 1));
    _mm_store_si128((__m128i *)(void *)to[2], _mm512_extracti32x4_epi32(words, 2));
    _mm_store_si128((__m128i *)(void *)to[3], _mm512_extracti32x4_epi32(words, 3));
}

/* 16 signed bytes each of four blocks as words. */
TILES_INLINE void decode_store_scales(int16_t *to, __m512i bytes)
{
    _mm512_store_si512(to, _mm512_cvtepi8_epi16(_mm512_castsi512_si256(bytes)));
    _mm512_store_si512(to + 32, _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(bytes, 1)));
}

/* Word `at` of each lane of the two. */
TILES_INLINE __m256 decode_scales_in(const __m512i lanes[2], const short at)
{
    const __m512i every = _mm512_add_epi16(
        _mm512_setr_epi64(0x0018001000080000, 0x0038003000280020, 0, 0, 0, 0, 0, 0),
        _mm512_set1_epi16(at));
    __m512i words = _mm512_permutex2var_epi16(lanes[0], every, lanes[1]);
    return _mm256_cvtph_ps(_mm512_castsi512_si128(words));
}

/* Q4_K and Q5_K: d, dmin, 6-bit scales and minima in the first 16 bytes; see block_k4_scale. */
TILES_INLINE void decode_head_q45_k(struct decode_head *head, const uint8_t *blocks,
                                    size_t block_bytes, const bool is_turned, const int n)
{
    /* dwords of a lane: d and dmin, then s0, s4, s8 */
    const __m512i down0 = _mm512_set4_epi32(4, 0, 0, 0);
    const __m512i mask0 = _mm512_set4_epi32(0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f);
    const __m512i mask1 = _mm512_set4_epi32(0x30303030, 0, 0x30303030, 0);
    __m512i first[2];
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        first[i] = decode_bytes16(blocks + (size_t)(4 * i) * block_bytes, block_bytes, n - 4 * i);
        /* s0, s8, s4, s8 with their low bits; two more bits from -, s0, -, s4 */
        __m512i low = _mm512_shuffle_epi32(first[i], (_MM_PERM_ENUM)_MM_SHUFFLE(3, 2, 3, 1));
        __m512i high = _mm512_shuffle_epi32(first[i], (_MM_PERM_ENUM)_MM_SHUFFLE(2, 2, 1, 1));
        low = _mm512_and_si512(_mm512_srlv_epi32(low, down0), mask0);
        __m512i bytes = decode_or_and(low, _mm512_srli_epi32(high, 2), mask1);
        __m512i scales = _mm512_unpacklo_epi8(bytes, _mm512_setzero_si512());
        __m512i mins = _mm512_unpackhi_epi8(bytes, _mm512_setzero_si512());
        _mm512_store_si512(head->mins + 32 * i, mins);
        if (is_turned) {
            head->four_scales[i] = scales;
        } else {
            decode_store_lanes(head->scales + 4 * i, scales);
        }
    }
    const __m512i every = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512i pairs = _mm512_permutex2var_epi32(first[0], every, first[1]);
    decode_scale_pairs(head, _mm512_castsi512_si256(pairs));
}

TILES_INLINE void decode_head_q4_k(struct decode_head *head, const uint8_t *blocks, const int n)
{
    decode_head_q45_k(head, blocks, sizeof(struct block_q4_k), true, n);
}

TILES_INLINE void decode_head_q5_k(struct decode_head *head, const uint8_t *blocks, const int n)
{
    decode_head_q45_k(head, blocks, sizeof(struct block_q5_k), false, n);
}

/* The scales are taken with the quants. */
TILES_INLINE void decode_head_q6_k(struct decode_head *head, const uint8_t *blocks, const int n)
{
    const struct block_q6_k *block = (const void *)blocks;
    decode_scales_at(head, block->d, sizeof *block, n);
}

/* See block_q3_k_scale: the last 16 bytes of a block are two quants, 12 bytes of scales and d. */
TILES_INLINE void decode_head_q3_k(struct decode_head *head, const uint8_t *blocks, const int n)
{
    const size_t bytes = sizeof(struct block_q3_k);
    const __m512i fours =
        _mm512_broadcast_i32x4(_mm_setr_epi8(2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9));
    const __m512i pairs = _mm512_broadcast_i32x4(
        _mm_setr_epi8(10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13));
    const __m512i fours_down = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 0x040004, 0x040004));
    const __m512i pairs_up = _mm512_broadcast_i32x4(_mm_setr_epi32(4, 2, 0, 30));
    __m512i last[2];
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        last[i] = decode_bytes16(blocks + (size_t)(4 * i + 1) * bytes - 16, bytes, n - 4 * i);
        __m512i low = _mm512_srlv_epi16(_mm512_shuffle_epi8(last[i], fours), fours_down);
        __m512i high = _mm512_rolv_epi32(_mm512_shuffle_epi8(last[i], pairs), pairs_up);
        __m512i scales = decode_or_and(_mm512_and_si512(low, _mm512_set1_epi8(15)), high,
                                       _mm512_set1_epi8(0x30));
        decode_store_scales(head->scales[4 * i], _mm512_sub_epi8(scales, _mm512_set1_epi8(32)));
    }
    head->d = decode_scales_in(last, 7);
}

TILES_INLINE void decode_head_q2_k(struct decode_head *head, const uint8_t *blocks, const int n)
{
    const size_t bytes = sizeof(struct block_q2_k);
    const uint8_t *d = ((const struct block_q2_k *)(const void *)blocks)->d;
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i both = decode_bytes16(blocks + (size_t)(4 * i) * bytes, bytes, n - 4 * i);
        decode_store_scales(head->scales[4 * i], decode_nibbles_low(both));
        decode_store_scales(head->mins + 64 * i, decode_nibbles_high(both));
    }
#define PAIR(b) ((b) < n ? (int)block_u32(d + (b)*bytes) : 0)
    decode_scale_pairs(head, _mm256_setr_epi32(PAIR(0), PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5),
                                               PAIR(6), PAIR(7)));
#undef PAIR
}

/* See block_iq4_xs_scale: d, two bytes of bit pairs and four of nibbles. */
TILES_INLINE void decode_head_iq4_xs(struct decode_head *head, const uint8_t *blocks, const int n)
{
    const size_t bytes = sizeof(struct block_iq4_xs);
    const __m512i fours = _mm512_broadcast_i32x4(
        _mm_setr_epi8(4, -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7, -1));
    const __m512i pairs = _mm512_broadcast_i32x4(
        _mm_setr_epi8(-1, 2, -1, 2, -1, 2, -1, 2, -1, 3, -1, 3, -1, 3, -1, 3));
    const __m512i fours_down = _mm512_set1_epi32(0x040000);
    const __m512i pairs_down = _mm512_set1_epi64(0x000a000800060004);
    __m512i first[2];
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        first[i] = decode_bytes16(blocks + (size_t)(4 * i) * bytes, bytes, n - 4 * i);
        __m512i low = _mm512_srlv_epi16(_mm512_shuffle_epi8(first[i], fours), fours_down);
        __m512i high = _mm512_srlv_epi16(_mm512_shuffle_epi8(first[i], pairs), pairs_down);
        __m512i scales = decode_or_and(_mm512_and_si512(low, _mm512_set1_epi16(15)), high,
                                       _mm512_set1_epi16(0x30));
        decode_store_lanes(head->scales + 4 * i, _mm512_sub_epi16(scales, _mm512_set1_epi16(32)));
    }
    head->d = decode_scales_in(first, 0);
}

TILES_INLINE void decode_quants_q4_k(__m512i *low, __m512i *high, const uint8_t *block,
                                     const int half)
{
    const struct block_q4_k *b = (const void *)block;
    __m512i packed = decode_load(b->qs + 64 * half);
    *low = decode_nibbles_low(packed);
    *high = decode_nibbles_high(packed);
}

TILES_INLINE void decode_quants_q5_k(__m512i *low, __m512i *high, const uint8_t *block,
                                     const int half)
{
    const struct block_q5_k *b = (const void *)block;
    const __m512i bit = _mm512_set1_epi8(16);
    __m512i packed = decode_load(b->qs + 64 * half);
    __m512i fifth = _mm512_broadcast_i64x4(avx2_load(b->qh));
    /* bits 4h and 4h + 2 to bit 4, then 4h + 1 and 4h + 3 */
    __m512i even = half == 0 ? _mm512_sllv_epi16(fifth, decode_counts(4, 2))
                             : _mm512_srlv_epi16(fifth, decode_counts(0, 2));
    __m512i odd = half == 0 ? _mm512_sllv_epi16(fifth, decode_counts(3, 1))
                            : _mm512_srlv_epi16(fifth, decode_counts(1, 3));
    *low = decode_or_and(decode_nibbles_low(packed), even, bit);
    *high = decode_or_and(decode_nibbles_high(packed), odd, bit);
}

TILES_INLINE void decode_quants_q6_k(__m512i *low, __m512i *high, const uint8_t *block,
                                     const int half)
{
    const struct block_q6_k *b = (const void *)block;
    const __m512i bits = _mm512_set1_epi8(0x30);
    __m512i packed = decode_load(b->ql + 64 * half);
    __m512i upper = _mm512_broadcast_i64x4(avx2_load(b->qh + 32 * half));
    *low = decode_or_and(decode_nibbles_low(packed), _mm512_sllv_epi16(upper, decode_counts(4, 2)),
                         bits);
    *high = decode_or_and(decode_nibbles_high(packed),
                          _mm512_srlv_epi16(upper, decode_counts(0, 2)), bits);
}

TILES_INLINE void decode_quants_q2_k(__m512i *low, __m512i *high, const uint8_t *block,
                                     const int half)
{
    const struct block_q2_k *b = (const void *)block;
    const __m512i three = _mm512_set1_epi8(3);
    __m512i packed = decode_load(b->qs);
    *low = half == 0 ? packed : _mm512_srli_epi16(packed, 4);
    *low = _mm512_and_si512(*low, three);
    *high = _mm512_and_si512(_mm512_srli_epi16(packed, half == 0 ? 2 : 6), three);
}

/* 0 .. 7, offset 4; bits 0 .. 3 of `mask`, those 4 .. 7 for the second half, go to bit 2. */
TILES_INLINE void decode_quants_q3_k(__m512i *low, __m512i *high, const uint8_t *block,
                                     const int half)
{
    const struct block_q3_k *b = (const void *)block;
    const __m512i three = _mm512_set1_epi8(3), four = _mm512_set1_epi8(4);
    __m512i packed = decode_load(b->qs);
    __m512i mask = _mm512_broadcast_i64x4(avx2_load(b->hmask));
    mask = _mm512_srlv_epi16(mask, decode_counts(0, 4));
    *low = half == 0 ? packed : _mm512_srli_epi16(packed, 4);
    *high = _mm512_srli_epi16(packed, half == 0 ? 2 : 6);
    *low = decode_or_and(_mm512_and_si512(*low, three),
                         half == 0 ? _mm512_slli_epi16(mask, 2) : mask, four);
    *high =
        decode_or_and(_mm512_and_si512(*high, three),
                      half == 0 ? _mm512_slli_epi16(mask, 1) : _mm512_srli_epi16(mask, 1), four);
}

/* Offset 128. */
TILES_INLINE void decode_quants_iq4_xs(__m512i *low, __m512i *high, const uint8_t *block,
                                       const int half)
{
    const struct block_iq4_xs *b = (const void *)block;
    __m512i levels = _mm512_broadcast_i32x4(avx2_load128(block_iq4_values));
    levels = _mm512_xor_si512(levels, _mm512_set1_epi8((char)128));
    __m512i packed = decode_load(b->qs + 64 * half);
    *low = _mm512_shuffle_epi8(levels, decode_nibbles_low(packed));
    *high = _mm512_shuffle_epi8(levels, decode_nibbles_high(packed));
}

#endif
