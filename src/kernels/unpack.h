/* SPDX-License-Identifier: MIT */
/*
 * Inside kernels/ only: the quants of one block as small integers in element order, the one place
 * in scalar code that knows where their bits are. Dequantising and the scalar dot products are
 * loops over these.
 */
#ifndef KERNELS_UNPACK_H
#define KERNELS_UNPACK_H

#include "kernels/blocks.h"

/* 16 bytes to 32 values of 0..15. */
static inline void unpack_nibbles(int8_t *q, const uint8_t *qs)
{
    for (int j = 0; j < 16; j++) {
        q[j] = (int8_t)(qs[j] & 15);
        q[j + 16] = (int8_t)(qs[j] >> 4);
    }
}

/* 0..31: nibbles and a fifth bit each. */
static inline void unpack_fives(int8_t *q, const uint8_t *qs, const uint8_t *qh)
{
    uint32_t high = block_u32(qh);
    unpack_nibbles(q, qs);
    for (int i = 0; i < BLOCK_ELEMS; i++) {
        q[i] = (int8_t)(q[i] | (int)(high >> i & 1) << 4);
    }
}

static inline void unpack_levels(int8_t *q, const uint8_t *qs, const int8_t *levels)
{
    for (int j = 0; j < 16; j++) {
        q[j] = levels[qs[j] & 15];
        q[j + 16] = levels[qs[j] >> 4];
    }
}

/*
 * Pairs of bits (Q2_K, Q3_K): 256 values of 0..3. Each half of the super-block has 32 bytes; byte l
 * holds elements l, l + 32, l + 64, l + 96 of that half from its low bits up.
 */
static inline void unpack_pairs(int8_t *q, const uint8_t *qs)
{
    for (int half = 0; half < 2; half++, qs += 32) {
        for (int run = 0; run < 4; run++, q += 32) {
            for (int l = 0; l < 32; l++) {
                q[l] = (int8_t)(qs[l] >> (2 * run) & 3);
            }
        }
    }
}

/* -4..3: bit r of hmask[l], when clear, takes 4 off element l of run r (32 elements each). */
static inline void unpack_q3_k(int8_t *q, const struct block_q3_k *block)
{
    unpack_pairs(q, block->qs);
    for (int run = 0; run < 8; run++, q += 32) {
        for (int l = 0; l < 32; l++) {
            q[l] = (int8_t)(q[l] - ((block->hmask[l] >> run & 1) == 0 ? 4 : 0));
        }
    }
}

/* 0..15: of each 32 bytes first all low halves, then all high halves. */
static inline void unpack_q4_k(int8_t *q, const uint8_t *qs)
{
    for (int group = 0; group < 4; group++, qs += 32, q += 64) {
        for (int l = 0; l < 32; l++) {
            q[l] = (int8_t)(qs[l] & 15);
            q[l + 32] = (int8_t)(qs[l] >> 4);
        }
    }
}

/* 0..31: as Q4_K; bit r of qh[l] is the fifth bit of element l of run r (32 elements each). */
static inline void unpack_q5_k(int8_t *q, const struct block_q5_k *block)
{
    unpack_q4_k(q, block->qs);
    for (int run = 0; run < 8; run++, q += 32) {
        for (int l = 0; l < 32; l++) {
            q[l] = (int8_t)(q[l] | (block->qh[l] >> run & 1) << 4);
        }
    }
}

/* -32..31. In each half: low fours from 64 bytes of ql (low halves, then high), high pairs from 32
 * of qh. */
static inline void unpack_q6_k(int8_t *q, const struct block_q6_k *block)
{
    const uint8_t *ql = block->ql, *qh = block->qh;
    for (int half = 0; half < 2; half++, ql += 64, qh += 32, q += 128) {
        for (int l = 0; l < 32; l++) {
            q[l] = (int8_t)(((ql[l] & 15) | (qh[l] & 3) << 4) - 32);
            q[l + 32] = (int8_t)(((ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4) - 32);
            q[l + 64] = (int8_t)((ql[l] >> 4 | (qh[l] >> 4 & 3) << 4) - 32);
            q[l + 96] = (int8_t)((ql[l + 32] >> 4 | (qh[l] >> 6) << 4) - 32);
        }
    }
}

#endif
