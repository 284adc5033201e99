/* SPDX-License-Identifier: MIT */
/*
 * Inside decode_super_avx512.c only: the constants of a type, and one activation prepared for them:
 * aligned, in the order in which the quants come out of their packing.
 */
#ifndef KERNELS_DECODE_ACT_H
#define KERNELS_DECODE_ACT_H

#include "kernels/decode_super.h"

enum { DECODE_BLOCKS = 32 }; /* of an activation that are prepared at a time */

/* What the compiler sees of a type as constants. */
struct decode_type {
    size_t block_bytes;
    enum decode_order order;
    int group;        /* elements that share a scale: 16 or 32 */
    int has_min;      /* else: */
    int offset_shift; /* what is taken off the bytes is 1 << offset_shift */
    int is_wide;      /* sums of four products need more than 16 bits */
    /* Where a block has 16 scales of 8 bits, taken when the walk comes by; the head is then read
     * behind the eight. To look ahead first disturbs the prefetch of the hardware. */
    size_t scales_at;
    size_t quants_at; /* DECODE_TURNED */
};

/* Blocks of one activation, aligned and in the order of the quants. */
struct decode_act {
    _Alignas(64) int8_t qs[DECODE_BLOCKS][SUPER_BLOCK_ELEMS];
    _Alignas(64) int16_t sums[DECODE_BLOCKS * 16]; /* of each group: 8 or 16 a block */
    float d[DECODE_BLOCKS];
};

/* 128 elements to the order of the low and high vectors. */
TILES_INLINE void order_half(int8_t *dst, const int8_t *src, const enum decode_order order)
{
    const __m512i by_32_low = _mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11);
    const __m512i by_32_high = _mm512_setr_epi64(4, 5, 6, 7, 12, 13, 14, 15);
    const __m512i by_16_low = _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13);
    const __m512i by_16_high = _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15);
    __m512i a = _mm512_loadu_si512(src), b = _mm512_loadu_si512(src + 64);
    __m512i low = a, high = b;
    if (order != DECODE_IN_ORDER) {
        low = _mm512_permutex2var_epi64(a, order != DECODE_BY_16 ? by_32_low : by_16_low, b);
        high = _mm512_permutex2var_epi64(a, order != DECODE_BY_16 ? by_32_high : by_16_high, b);
    }
    _mm512_store_si512(dst, low);
    _mm512_store_si512(dst + 64, high);
}

/* Of each two blocks the low, then the high quants, turned as the weights are; beside a last one
 * that is alone come zeros. */
TILES_INLINE void turn_pairs(struct decode_act *act, int n)
{
    if (n > 0 && n % 2 == 1) {
        memset(act->qs[n], 0, sizeof act->qs[n]);
    }
    for (int b = 0; b < n; b += 2) {
        __m512i quants[2][4];
        TILES_UNROLL
        for (int i = 0; i < 8; i++) {
            quants[i % 2][i / 2] = _mm512_load_si512(&act->qs[b + i / 4][i % 4 * 64]);
        }
        TILES_UNROLL
        for (int high = 0; high < 2; high++) {
            decode_turn(quants[high]);
            TILES_UNROLL
            for (int i = 0; i < 4; i++) {
                _mm512_store_si512(&act->qs[b + high][64 * i], quants[high][i]);
            }
        }
    }
}

/* n blocks, the n_distinct there are again and again; up to the next multiple of eight the others
 * are zero. */
TILES_INLINE void prepare_act(struct decode_act *out, const struct block_q8_k *distinct,
                              int n_distinct, int n, const struct decode_type *type)
{
    const size_t n_sums = type->group == 32 ? 8 : 16;
    for (int b = 0; b < n; b++) {
        const struct block_q8_k *block = &distinct[b % n_distinct];
        for (int i = 0; i < 4 && type->order == DECODE_BY_RUN; i++) {
            const int8_t *from = block->qs + 32 * i;
            __m512i run = _mm512_castsi256_si512(avx2_load(from));
            run = _mm512_inserti64x4(run, avx2_load(from + 128), 1);
            _mm512_store_si512(out->qs[b] + 64 * i, run);
        }
        if (type->order != DECODE_BY_RUN) {
            order_half(out->qs[b], block->qs, type->order);
            order_half(out->qs[b] + 128, block->qs + 128, type->order);
        }
        __m256i sums = avx2_load(block->bsums);
        int16_t *to = out->sums + (size_t)b * n_sums;
        if (type->group == 32) { /* 32 * 127 * 2 fits 16 bits */
            __m256i pairs = _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
            _mm_store_si128((__m128i *)(void *)to, _mm256_cvtepi32_epi16(pairs));
        } else {
            _mm256_store_si256((__m256i *)(void *)to, sums);
        }
        out->d[b] = block_f32(block->d);
    }
    if (type->order == DECODE_TURNED) {
        turn_pairs(out, n);
    }
    for (int b = n; b % ROWS != 0; b++) {
        memset(out->sums + (size_t)b * n_sums, 0, n_sums * sizeof *out->sums);
        out->d[b] = 0.0f;
    }
}

#endif
