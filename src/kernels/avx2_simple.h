/* SPDX-License-Identifier: MIT */
/*
 * Inside the *_avx2.c files only: every storage type in blocks of 32 brought to 32 signed bytes in
 * element order, a float scale and, where the type has one, a minimum: value = scale * quant + min.
 */
#ifndef KERNELS_AVX2_SIMPLE_H
#define KERNELS_AVX2_SIMPLE_H

#include "kernels/avx2.h"

struct avx2_simple {
    __m256i quants;
    __m256 scale; /* in every lane */
    float min;
};

typedef struct avx2_simple avx2_simple_fn(const uint8_t *block);

/* A half in every lane as float. */
TILES_INLINE __m256 avx2_half8(const uint8_t *p)
{
    int16_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm256_cvtph_ps(_mm_set1_epi16(bits));
}

/* Byte j of `packed` to lanes j (low nibble) and j + 16 (high nibble). */
TILES_INLINE __m256i avx2_nibbles(const uint8_t *packed)
{
    __m128i low = avx2_load128(packed);
    return _mm256_and_si256(avx2_pair(low, _mm_srli_epi16(low, 4)), _mm256_set1_epi8(15));
}

/* 0xff in lane i where bit i is clear. */
TILES_INLINE __m256i avx2_clear_bits(const uint8_t *bits)
{
    const __m256i spread =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)block_u32(bits)), spread);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), _mm256_setzero_si256());
}

TILES_INLINE __m256i avx2_look_up(const uint8_t *packed, const int8_t *table)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(avx2_load128(table)),
                               avx2_nibbles(packed));
}

TILES_INLINE struct avx2_simple avx2_load_q8_0(const uint8_t *block)
{
    const struct block_q8_0 *b = (const void *)block;
    return (struct avx2_simple){avx2_load(b->qs), avx2_half8(b->d), 0.0f};
}

TILES_INLINE struct avx2_simple avx2_load_q4_0(const uint8_t *block)
{
    const struct block_q4_0 *b = (const void *)block;
    __m256i quants = _mm256_sub_epi8(avx2_nibbles(b->qs), _mm256_set1_epi8(8));
    return (struct avx2_simple){quants, avx2_half8(b->d), 0.0f};
}

TILES_INLINE struct avx2_simple avx2_load_q4_1(const uint8_t *block)
{
    const struct block_q4_1 *b = (const void *)block;
    return (struct avx2_simple){avx2_nibbles(b->qs), avx2_half8(b->d), avx2_f16(b->m)};
}

/* A fifth bit that is set adds 16 and the offset takes 16 away; one that is clear leaves -16: sign
 * bits. */
TILES_INLINE struct avx2_simple avx2_load_q5_0(const uint8_t *block)
{
    const struct block_q5_0 *b = (const void *)block;
    __m256i sign = _mm256_and_si256(avx2_clear_bits(b->qh), _mm256_set1_epi8((char)0xf0));
    return (struct avx2_simple){_mm256_or_si256(avx2_nibbles(b->qs), sign), avx2_half8(b->d), 0.0f};
}

TILES_INLINE struct avx2_simple avx2_load_q5_1(const uint8_t *block)
{
    const struct block_q5_1 *b = (const void *)block;
    __m256i fifth = _mm256_andnot_si256(avx2_clear_bits(b->qh), _mm256_set1_epi8(16));
    return (struct avx2_simple){_mm256_or_si256(avx2_nibbles(b->qs), fifth), avx2_half8(b->d),
                                avx2_f16(b->m)};
}

TILES_INLINE struct avx2_simple avx2_load_iq4_nl(const uint8_t *block)
{
    const struct block_iq4_nl *b = (const void *)block;
    return (struct avx2_simple){avx2_look_up(b->qs, block_iq4_values), avx2_half8(b->d), 0.0f};
}

TILES_INLINE struct avx2_simple avx2_load_mxfp4(const uint8_t *block)
{
    const struct block_mxfp4 *b = (const void *)block;
    return (struct avx2_simple){avx2_look_up(b->qs, block_fp4_values),
                                _mm256_set1_ps(block_e8m0_half(b->e)), 0.0f};
}

#endif
