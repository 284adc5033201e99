/* SPDX-License-Identifier: MIT */
/*
 * Inside the *_avx2.c files only: the storage types in super-blocks of 256 taken apart into scales
 * and unsigned quants in element order; the offset of a type (32, 4) is left to the caller.
 */
#ifndef KERNELS_AVX2_SUPER_H
#define KERNELS_AVX2_SUPER_H

#include "kernels/avx2.h"

/* What a super-block gives before activations are known. Groups are runs of 32 elements. */
struct avx2_super {
    float scale, min;   /* d and dmin; min unused without minima */
    __m256i scales;     /* 16-bit; group g of 32 uses avx2_shuffle_scales(scales, g) */
    __m256i sum_scales; /* 16-bit, times the 16 activation sums: minima, or scales for the offset */
};

/* 8 or 16 scales of 16 bits; shuffle g broadcasts word g within each 128-bit lane. */
TILES_INLINE __m256i avx2_shuffle_scales(__m256i scales, int g)
{
    return _mm256_shuffle_epi8(scales, _mm256_set1_epi16((short)(0x0100 + 0x0202 * g)));
}

/* 8 bytes, one per group of 32, to 16-bit words in both lanes. */
TILES_INLINE __m256i avx2_scales_of_groups(uint64_t bytes)
{
    return _mm256_broadcastsi128_si256(_mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)bytes)));
}

/* 16 signed bytes, one per 16 elements: shuffle_scales gives the low lane 2g, the high 2g+1. */
TILES_INLINE __m256i avx2_scales_of_halves(__m128i bytes)
{
    const __m128i even_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, even_odd));
}

typedef struct avx2_super avx2_head_fn(const uint8_t *block);
/* The four groups of 32 quants of half h (elements 128h .. 128h+127), in element order. */
typedef void avx2_quants_fn(__m256i quants[4], const uint8_t *block, const int half);

/* Q4_K and Q5_K begin alike: d, dmin, then 6-bit scales and minima, which become a byte each. */
TILES_INLINE struct avx2_super avx2_head_q45_k(const uint8_t *block)
{
    const struct block_q4_k *b = (const void *)block;
    uint32_t s0 = block_u32(b->scales), s4 = block_u32(b->scales + 4),
             s8 = block_u32(b->scales + 8);
    uint32_t scale_high = (s8 & 0x0f0f0f0fu) | ((s0 >> 2) & 0x30303030u);
    uint32_t min_high = ((s8 >> 4) & 0x0f0f0f0fu) | ((s4 >> 2) & 0x30303030u);
    uint64_t scales = (s0 & 0x3f3f3f3fu) | (uint64_t)scale_high << 32;
    uint64_t mins = (s4 & 0x3f3f3f3fu) | (uint64_t)min_high << 32;
    __m128i min_bytes = _mm_cvtsi64_si128((long long)mins);
    __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)block_u32(b->d)));
    return (struct avx2_super){
        .scale = _mm_cvtss_f32(both),
        .min = _mm_cvtss_f32(_mm_movehdup_ps(both)),
        .scales = avx2_scales_of_groups(scales),
        .sum_scales = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(min_bytes, min_bytes)),
    };
}

/* Two times 32 bytes: low nibbles, then high nibbles. */
TILES_INLINE void avx2_quants_nibbles(__m256i quants[4], const uint8_t *qs)
{
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        __m256i packed = avx2_load(qs + 32 * i);
        quants[2 * i] = avx2_low_nibbles(packed);
        quants[2 * i + 1] = avx2_high_nibbles(packed);
    }
}

TILES_INLINE void avx2_quants_q4_k(__m256i quants[4], const uint8_t *block, const int half)
{
    const struct block_q4_k *b = (const void *)block;
    avx2_quants_nibbles(quants, b->qs + 64 * half);
}

TILES_INLINE void avx2_quants_q5_k(__m256i quants[4], const uint8_t *block, const int half)
{
    const struct block_q5_k *b = (const void *)block;
    const __m256i bit = _mm256_set1_epi8(16);
    __m256i high = avx2_load(b->qh);
    avx2_quants_nibbles(quants, b->qs + 64 * half);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        /* bit 4 * half + i of each byte to bit 4 */
        __m256i moved = half == 0 ? _mm256_slli_epi16(high, 4 - i) : _mm256_srli_epi16(high, i);
        quants[i] = _mm256_or_si256(quants[i], _mm256_and_si256(moved, bit));
    }
}

TILES_INLINE struct avx2_super avx2_head_q6_k(const uint8_t *block)
{
    const struct block_q6_k *b = (const void *)block;
    __m128i scales = avx2_load128(b->scales);
    return (struct avx2_super){.scale = avx2_f16(b->d),
                               .scales = avx2_scales_of_halves(scales),
                               .sum_scales = _mm256_cvtepi8_epi16(scales)};
}

TILES_INLINE void avx2_quants_q6_k(__m256i quants[4], const uint8_t *block, const int half)
{
    const struct block_q6_k *b = (const void *)block;
    const __m256i bits = _mm256_set1_epi8(0x30);
    __m256i low0 = avx2_load(b->ql + 64 * half), low1 = avx2_load(b->ql + 64 * half + 32);
    __m256i high = avx2_load(b->qh + 32 * half);
    quants[0] = avx2_low_nibbles(low0);
    quants[1] = avx2_low_nibbles(low1);
    quants[2] = avx2_high_nibbles(low0);
    quants[3] = avx2_high_nibbles(low1);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        /* bits 2i and 2i+1 to 4 and 5 */
        __m256i moved =
            i < 2 ? _mm256_slli_epi16(high, 4 - 2 * i) : _mm256_srli_epi16(high, 2 * i - 4);
        quants[i] = _mm256_or_si256(quants[i], _mm256_and_si256(moved, bits));
    }
}

TILES_INLINE struct avx2_super avx2_head_q2_k(const uint8_t *block)
{
    const struct block_q2_k *b = (const void *)block;
    const __m128i mask = _mm_set1_epi8(15);
    __m128i bytes = avx2_load128(b->scales);
    __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128((int)block_u32(b->d)));
    return (struct avx2_super){
        .scale = _mm_cvtss_f32(both),
        .min = _mm_cvtss_f32(_mm_movehdup_ps(both)),
        .scales = avx2_scales_of_halves(_mm_and_si128(bytes, mask)),
        .sum_scales = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask)),
    };
}

TILES_INLINE void avx2_quants_q2_k(__m256i quants[4], const uint8_t *block, const int half)
{
    const struct block_q2_k *b = (const void *)block;
    __m256i packed = avx2_load(b->qs + 32 * half);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        quants[i] = _mm256_and_si256(_mm256_srli_epi16(packed, 2 * i), _mm256_set1_epi8(3));
    }
}

/* The low four bits of the 16 scales are nibbles of eight bytes, the high two share four bytes. */
TILES_INLINE struct avx2_super avx2_head_q3_k(const uint8_t *block)
{
    const struct block_q3_k *b = (const void *)block;
    uint64_t low = avx2_u64(b->scales);
    uint32_t high = block_u32(b->scales + 8);
    uint64_t low_mask = 0x0f0f0f0f0f0f0f0fu, high_mask = 0x30303030u;
    uint64_t high0 = ((high << 4) & high_mask) | (((uint64_t)high << 2) & high_mask) << 32;
    uint64_t high8 = (high & high_mask) | ((high >> 2) & high_mask) << 32;
    uint64_t scales0 = (low & low_mask) | high0, scales8 = ((low >> 4) & low_mask) | high8;
    __m128i scales = _mm_set_epi64x((long long)scales8, (long long)scales0);
    scales = _mm_sub_epi8(scales, _mm_set1_epi8(32));
    return (struct avx2_super){.scale = avx2_f16(b->d),
                               .scales = avx2_scales_of_halves(scales),
                               .sum_scales = _mm256_cvtepi8_epi16(scales)};
}

TILES_INLINE void avx2_quants_q3_k(__m256i quants[4], const uint8_t *block, const int half)
{
    const struct block_q3_k *b = (const void *)block;
    const __m256i bit = _mm256_set1_epi8(4);
    __m256i packed = avx2_load(b->qs + 32 * half);
    __m256i high = avx2_load(b->hmask);
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        /* bit 4 * half + i of the mask to bit 2 */
        int up = 2 - i - 4 * half;
        __m256i moved = up > 0 ? _mm256_slli_epi16(high, up) : _mm256_srli_epi16(high, -up);
        __m256i low = _mm256_and_si256(_mm256_srli_epi16(packed, 2 * i), _mm256_set1_epi8(3));
        quants[i] = _mm256_or_si256(low, _mm256_and_si256(moved, bit));
    }
}

/* The 6-bit scales of IQ4_XS, one per group of 32, less 32: nibbles and bit pairs to bytes. */
TILES_INLINE struct avx2_super avx2_head_iq4_xs(const uint8_t *block)
{
    const struct block_iq4_xs *b = (const void *)block;
    uint64_t high = block_u16(b->scales_h), low = block_u32(b->scales_l);
    low = (low | low << 16) & 0x0000ffff0000ffffu;
    low = (low | low << 8) & 0x00ff00ff00ff00ffu;
    low = (low | low << 4) & 0x0f0f0f0f0f0f0f0fu;
    high = (high | high << 24) & 0x000000ff000000ffu;
    high = (high | high << 12) & 0x000f000f000f000fu;
    high = (high | high << 6) & 0x0303030303030303u;
    __m256i scales = avx2_scales_of_groups(low | high << 4);
    return (struct avx2_super){.scale = avx2_f16(b->d),
                               .scales = _mm256_sub_epi16(scales, _mm256_set1_epi16(32))};
}

/* Signed. */
TILES_INLINE void avx2_quants_iq4_xs(__m256i quants[4], const uint8_t *block, const int half)
{
    const struct block_iq4_xs *b = (const void *)block;
    __m256i levels = _mm256_broadcastsi128_si256(avx2_load128(block_iq4_values));
    TILES_UNROLL
    for (int i = 0; i < 4; i++) {
        __m128i packed = avx2_load128(b->qs + 64 * half + 16 * i);
        __m256i both = avx2_low_nibbles(avx2_pair(packed, _mm_srli_epi16(packed, 4)));
        quants[i] = _mm256_shuffle_epi8(levels, both);
    }
}

#endif
