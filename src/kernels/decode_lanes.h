/* SPDX-License-Identifier: MIT */
/*
 * Inside decode_super_avx512.c only: from vectors of one block, or of two, to one lane per block.
 */
#ifndef KERNELS_DECODE_LANES_H
#define KERNELS_DECODE_LANES_H

#include "kernels/decode_act.h"

/* Words of the lanes of the first, added up, then those of the second. */
TILES_INLINE __m256i add_lanes(const __m512i four[2])
{
    __m512i two = _mm512_add_epi32(_mm512_shuffle_i32x4(four[0], four[1], 0x44),
                                   _mm512_shuffle_i32x4(four[0], four[1], 0xee));
    __m512i one = _mm512_add_epi32(_mm512_shuffle_i32x4(two, two, 0x08),
                                   _mm512_shuffle_i32x4(two, two, 0x0d));
    return _mm512_castsi512_si256(one);
}

/* Lane b: the sum of the lanes of v[b]. */
TILES_INLINE __m256i sum_lanes(const __m512i v[ROWS])
{
    __m512i four[2];
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        const __m512i *w = v + 4 * i;
        __m512i ab =
            _mm512_add_epi32(_mm512_unpacklo_epi32(w[0], w[1]), _mm512_unpackhi_epi32(w[0], w[1]));
        __m512i cd =
            _mm512_add_epi32(_mm512_unpacklo_epi32(w[2], w[3]), _mm512_unpackhi_epi32(w[2], w[3]));
        four[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    }
    return add_lanes(four);
}

/* Lane b: that of block b, from four pairs. */
TILES_INLINE __m256i sum_pairs(const __m512i v[4])
{
    __m512i four[2];
    TILES_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512 a = _mm512_castsi512_ps(v[2 * i]), b = _mm512_castsi512_ps(v[2 * i + 1]);
        four[i] = _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88)),
                                   _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xdd)));
    }
    return add_lanes(four);
}

/* Words of four blocks, zero beyond the nth. */
TILES_INLINE __m512i four_scales(const struct decode_head *head, const int first, const int n)
{
    __m512i v = _mm512_setzero_si512();
    v = n > first ? _mm512_inserti32x4(v, avx2_load128(head->scales[first]), 0) : v;
    v = n > first + 1 ? _mm512_inserti32x4(v, avx2_load128(head->scales[first + 1]), 1) : v;
    v = n > first + 2 ? _mm512_inserti32x4(v, avx2_load128(head->scales[first + 2]), 2) : v;
    return n > first + 3 ? _mm512_inserti32x4(v, avx2_load128(head->scales[first + 3]), 3) : v;
}

/* Lane b: minima, or scales where the type has an offset, of block b times activation sums. */
TILES_INLINE __m256i sum_rests(const struct decode_head *head, const int n, const int16_t *act_sums,
                               const struct decode_type *type)
{
    if (type->group == 32) {
        __m512i of[2];
        TILES_UNROLL
        for (int i = 0; i < 2; i++) {
            of[i] = type->has_min ? _mm512_load_si512(head->mins + 32 * i)
                                  : four_scales(head, 4 * i, n);
            of[i] = _mm512_madd_epi16(of[i], _mm512_load_si512(act_sums + 32 * i));
        }
        __m512i two = _mm512_add_epi32(_mm512_unpacklo_epi64(of[0], of[1]),
                                       _mm512_unpackhi_epi64(of[0], of[1]));
        two = _mm512_add_epi32(two, _mm512_srli_epi64(two, 32));
        const __m512i every = _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 0, 0, 0, 0, 0, 0, 0, 0);
        return _mm512_castsi512_si256(_mm512_permutexvar_epi32(every, two));
    }
    __m256i r[ROWS];
    const int16_t *of = type->has_min ? head->mins : head->scales[0];
    TILES_UNROLL
    for (int b = 0; b < ROWS; b++) {
        r[b] = b < n ? _mm256_madd_epi16(avx2_load(of + 16 * b), avx2_load(act_sums + 16 * b))
                     : _mm256_setzero_si256();
    }
    return rows_sum8(r);
}

#endif
